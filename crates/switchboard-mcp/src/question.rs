//! A server's question on its way to a client of another revision.
//!
//! `sampling/createMessage`, `elicitation/create` and `roots/list` look nearly the same as
//! requests of a session and as entries of `inputRequests`; what differs is here. Whether the
//! client declared the kind at all is for [`ClientCapabilities`](crate::ClientCapabilities).

mod form;

use crate::error::{RpcError, code};
use crate::json::{Json, Malformed, Members, Object};
use crate::meta::write_meta;
use crate::method::Method;
use crate::version::{Era, ProtocolVersion};

/// The parameters of a question as a client of revision `to` knows them. `elicitation_id` is given
/// to one by address where its server has given none, which 2025-11-25 requires.
///
/// # Errors
///
/// What the server gets: the revision has no such question, or no such form of it.
pub fn question_to_client(
    method: &Method,
    params: Option<Json>,
    to: ProtocolVersion,
    elicitation_id: &str,
) -> Result<Option<Json>, RpcError> {
    let known = match method {
        Method::RootsList | Method::CreateMessage => true,
        Method::Elicit => to >= ProtocolVersion::V2025_06_18,
        _ => false,
    };
    if !known {
        let message = format!("a client of {to} is not asked `{method}`");
        return Err(RpcError::new(code::METHOD_NOT_FOUND, message));
    }
    let Some(params) = params else {
        return match method {
            Method::RootsList => Ok(None),
            _ => Err(invalid(format!("`{method}` has no `params`"))),
        };
    };
    let members = params.members().map_err(|error| invalid(format!("`params`: {error}")))?;
    let way = match method {
        Method::Elicit => elicitation_way(&members, to)?,
        Method::CreateMessage => {
            check_sampling(&members, to)?;
            Way::Plain
        }
        _ => Way::Plain,
    };
    let mut out = Vec::with_capacity(params.as_bytes().len() + elicitation_id.len() + 24);
    let mut object = Object::open(&mut out);
    for (name, value) in members.iter() {
        match name {
            // Asks a client of 2025-11-25 to make a task of its answer, which no server could then
            // ask for: we declare no tasks of clients, and pass no `tasks/get` on to them.
            "task" => {}
            "elicitationId" if to.era() == Era::Modern => {}
            "requestedSchema" if matches!(way, Way::Form) && to == ProtocolVersion::V2025_06_18 => {
                form::reduce(value, object.member(name))?;
            }
            "_meta" => write_meta(&mut object, value, to)
                .map_err(|error| invalid(format!("`_meta`: {error}")))?,
            _ => {
                object.raw(name, value.get().as_bytes());
            }
        }
    }
    if matches!(way, Way::Address)
        && to.era() == Era::Legacy
        && members.get("elicitationId").is_none()
    {
        object.text("elicitationId", elicitation_id);
    }
    object.close();
    Ok(Some(Json::written(out)))
}

/// A client's answer on its way to the server: as it is.
///
/// # Errors
///
/// [`Malformed`] when it is no object, or one with a member twice: no answer of the protocol is.
pub fn answer_to_server(answer: Json) -> Result<Json, Malformed> {
    answer.members()?;
    Ok(answer)
}

#[derive(Clone, Copy)]
enum Way {
    Plain,
    Form,
    Address,
}

fn elicitation_way(members: &Members<'_>, to: ProtocolVersion) -> Result<Way, RpcError> {
    if members.get("mode").is_none() {
        return Ok(Way::Form);
    }
    match members.read::<String>("mode").as_deref() {
        Some("form") => Ok(Way::Form),
        None => Err(invalid("`mode` must be a string")),
        Some(_) if to < ProtocolVersion::V2025_11_25 => {
            Err(invalid(format!("a client of {to} can be asked by form only")))
        }
        Some("url") => Ok(Way::Address),
        // A way of a later revision, which the client has declared if we get here.
        Some(_) => Ok(Way::Plain),
    }
}

/// Tools and lists of content blocks came with 2025-11-25, sound with 2025-03-26.
fn check_sampling(members: &Members<'_>, to: ProtocolVersion) -> Result<(), RpcError> {
    if to >= ProtocolVersion::V2025_11_25 {
        return Ok(());
    }
    if let Some(name) = ["tools", "toolChoice"].into_iter().find(|n| members.get(n).is_some()) {
        return Err(invalid(format!("a client of {to} does not know `{name}` in sampling")));
    }
    let messages: Vec<Members<'_>> =
        members.read("messages").ok_or_else(|| invalid("`messages` must be a list of objects"))?;
    for message in messages {
        let content = message.get("content").and_then(|content| Members::parse(content).ok());
        let content = content.ok_or_else(|| {
            invalid(format!("a client of {to} knows messages of one content block only"))
        })?;
        let kind: String = content.read("type").unwrap_or_default();
        let known = match &*kind {
            "text" | "image" => true,
            "audio" => to >= ProtocolVersion::V2025_03_26,
            _ => false,
        };
        if !known {
            let message = format!("a client of {to} does not know content of type `{kind}`");
            return Err(invalid(message));
        }
    }
    Ok(())
}

fn invalid(message: impl Into<String>) -> RpcError {
    RpcError::new(code::INVALID_PARAMS, message.into())
}

#[cfg(test)]
mod tests;
