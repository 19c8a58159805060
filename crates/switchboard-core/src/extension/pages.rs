//! The cursors of servers whose pages clients see as they are.
//!
//! A cursor is good at the server that gave it only, and for whom it was given. So what the client
//! gets is sealed and says which server that is.

use std::sync::Arc;

use switchboard_mcp::{Json, Method, Object};

use crate::error::Error;
use crate::peer::{Context, Request};
use crate::principal::Principal;
use crate::seal::{Purpose, Seal};

/// Where a request goes on, and how its answer says where the next does.
pub(crate) struct Pages<'a> {
    seal: &'a dyn Seal,
    principal: &'a Principal,
    /// The server whose list goes on; `None` where the request begins one.
    pub(crate) server: Option<Arc<str>>,
}

impl<'a> Pages<'a> {
    /// Puts the server's cursor in the place of ours.
    ///
    /// # Errors
    ///
    /// [`Error::Invalid`] where it is none that we gave to this client for this method.
    pub(crate) fn open(
        seal: &'a dyn Seal,
        context: &'a Context,
        request: Request,
    ) -> Result<(Self, Request), Error> {
        let mut pages = Self { seal, principal: &context.principal, server: None };
        let Some(params) = request.params.as_ref().filter(|_| is_paged(&request.method)) else {
            return Ok((pages, request));
        };
        let members = params.members().map_err(|error| Error::Invalid(error.to_string()))?;
        // Some clients write out what they do not set.
        if members.get("cursor").is_none_or(|cursor| cursor.get() == "null") {
            return Ok((pages, request));
        }
        let ours = members.read::<String>("cursor").ok_or_else(unknown_cursor)?;
        let payload = seal.open(Purpose::Cursor, pages.principal, &ours);
        let payload = payload.and_then(|payload| serde_json::from_slice(&payload).ok());
        let (method, server, own): (String, String, String) = payload.ok_or_else(unknown_cursor)?;
        if method != request.method.as_str() {
            return Err(unknown_cursor());
        }
        pages.server = Some(server.into());
        let params = Some(with_text(params, "cursor", &own));
        Ok((pages, Request { params, ..request }))
    }

    /// Whether `server` may be asked.
    pub(crate) fn are_of(&self, server: &str) -> bool {
        self.server.as_deref().is_none_or(|asked| asked == server)
    }

    /// The result that `server` gave, with a cursor of ours in the place of its own.
    pub(crate) fn sealed(&self, method: &Method, server: &str, result: Json) -> Json {
        if !is_paged(method) {
            return result;
        }
        let next = result.members().ok().and_then(|it| it.read::<String>("nextCursor"));
        if next.is_none() && self.server.is_none() {
            return result;
        }
        // Whoever else was shown the page could not go on from it, and all pages of a list are for
        // the same (2026-07-28, "Caching").
        let result = with_text(&result, "cacheScope", "private");
        let Some(own) = next else { return result };
        let payload = serde_json::json!([method.as_str(), server, own]).to_string();
        let ours = self.seal.seal(Purpose::Cursor, self.principal, payload.as_bytes());
        with_text(&result, "nextCursor", &ours)
    }
}

pub(super) fn unknown_cursor() -> Error {
    Error::Invalid("the cursor is not known; start the list again".into())
}

fn is_paged(method: &Method) -> bool {
    matches!(method, Method::SkillsList | Method::DirectoryRead)
}

/// The object with another text as the member `name`, where it has one.
fn with_text(json: &Json, name: &str, text: &str) -> Json {
    let Ok(members) = json.members() else { return json.clone() };
    let mut out = Vec::with_capacity(json.as_bytes().len() + text.len());
    let mut object = Object::open(&mut out);
    for (other, value) in members.iter() {
        if other == name {
            object.text(name, text);
        } else {
            object.raw(other, value.get().as_bytes());
        }
    }
    object.close();
    Json::written(out)
}
