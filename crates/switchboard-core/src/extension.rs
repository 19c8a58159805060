//! Methods that are not of the core protocol: passed on untouched to the server they are for.
//!
//! Whom a method is for, only its extension knows. Skills (`io.modelcontextprotocol/skills`) we
//! know: their lists are put together like others, and their addresses lead to servers like those
//! of resources. For any other method there must be one server only that can be meant.

mod pages;

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use futures_util::future::join_all;
use switchboard_mcp::{
    Hint, Json, Members, Method, Object, ProtocolVersion, Raw, rewrite_item_uris, rewrite_uris,
};

pub(crate) use self::pages::Pages;
use self::pages::unknown_cursor;
use crate::access::{Access, Thing};
use crate::catalog::{Catalog, Member};
use crate::error::Error;
use crate::gateway::Snapshot;
use crate::lists::{Item, Kind};
use crate::peer::{Context, Request, Response};
use crate::policy::Effect;
use crate::seal::Seal;
use crate::uri;

/// The extension whose methods have addresses in them.
const SKILLS: &str = "io.modelcontextprotocol/skills";

/// Whom a method of an extension is for.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Addressee {
    /// All servers; what they list is put together under this member.
    All(&'static str),
    /// Whoever has the address in this member of the parameters.
    Address(&'static str),
    /// The one server that it can be meant for.
    Sole,
}

pub(crate) fn addressee(method: &str) -> Addressee {
    match method {
        "skills/list" => Addressee::All("skills"),
        "skills/get" | "resources/directory/read" => Addressee::Address("uri"),
        _ => Addressee::Sole,
    }
}

/// The one server that a method we do not know can be meant for: the only one there is, or the
/// only one that offers something beyond the core.
pub(crate) fn sole(catalog: &Catalog) -> Option<&Member> {
    let members = catalog.members();
    if let [only] = members {
        return Some(only);
    }
    let mut more = members.iter().filter(|member| offers_more(member));
    more.next().filter(|_| more.next().is_none())
}

/// Most pages that are read of one server for one list; the same as for its tools.
const PAGE_LIMIT: usize = 500;

/// Puts together what every server lists.
pub(crate) async fn list(
    snapshot: &Snapshot,
    list: &'static str,
    seal: &dyn Seal,
    context: &Context,
    request: &Request,
) -> Result<Response, Error> {
    let Snapshot { catalog, access, .. } = snapshot;
    let known = catalog.known_to(access, &context.principal);
    let known = catalog.members().iter().zip(known).filter(|(_, is_known)| *is_known);
    let mut offering: Vec<_> =
        known.map(|(member, _)| member).filter(|member| offers(member, SKILLS)).collect();
    if offering.is_empty() {
        return Err(Error::NoSuchMethod(request.method.to_string()));
    }
    let (pages, request) = Pages::open(seal, context, request.clone())?;
    if let Some(server) = &pages.server {
        offering.retain(|member| *member.name == **server);
        if offering.is_empty() {
            return Err(unknown_cursor());
        }
    }
    // The pages of a sole server are as good as ours.
    if let [only] = offering[..] {
        let method = request.method.clone();
        let response = only.peer.request(context, request).await?;
        let result = usable(access, context, &only.name, list, response.result);
        let result = pages.sealed(&method, &only.name, result);
        return Ok(Response { result, ..response });
    }
    let read = offering.iter().map(|member| read_all(member, list, context, &request));
    let parts: Vec<_> = offering.iter().zip(join_all(read).await).collect();
    let mut hint: Option<Hint> = None;
    let mut entries = Entries::default();
    for (member, part) in parts {
        let held = match part {
            Ok(part) => {
                for entry in part.entries {
                    if may_read(access, context, &member.name, &entry.key) {
                        entries.add(catalog, &member.name, entry);
                    }
                }
                part.hint
            }
            // One that fails is missing from the list, as it is from the others, which is then
            // good for this once.
            Err(error) => {
                tracing::warn!(upstream = &*member.name, %error, list, "left out of the list");
                Hint::NONE
            }
        };
        hint = Some(hint.map_or(held, |hint| hint.and(held)));
    }
    let result = entries.written(list, hint.unwrap_or(Hint::NONE));
    Ok(Response::new(result, ProtocolVersion::MODERN))
}

/// Whether the caller may use what `server` has under `uri`.
fn may_read(access: &Access, context: &Context, server: &str, uri: &str) -> bool {
    let thing = Thing {
        kind: Kind::Resources,
        server,
        own_name: uri,
        shown_name: uri,
        effect: Effect::Reads,
    };
    access.allows(&context.principal, &thing, None)
}

/// The result of `server` without those entries of its member `list` that the caller may not use.
pub(crate) fn usable(
    access: &Access,
    context: &Context,
    server: &str,
    list: &str,
    result: Json,
) -> Json {
    if access.is_open_to(&context.principal) {
        return result;
    }
    let Ok(members) = result.members() else { return result };
    let Some(entries) = members.read::<Vec<Raw<'_>>>(list) else { return result };
    let may_use = |entry: &Raw<'_>| {
        let uri = Members::parse(*entry).ok().and_then(|entry| entry.read::<String>("uri"));
        uri.is_some_and(|uri| may_read(access, context, server, &uri))
    };
    let usable: Vec<_> = entries.iter().copied().filter(may_use).collect();
    if usable.len() == entries.len() {
        return result;
    }
    let mut out = Vec::with_capacity(result.as_bytes().len());
    let mut object = Object::open(&mut out);
    for (name, value) in members.iter() {
        if name == list {
            let entries: Vec<_> = usable.iter().map(|entry| entry.get()).collect();
            object.raw(name, format!("[{}]", entries.join(",")).as_bytes());
        } else {
            object.raw(name, value.get().as_bytes());
        }
    }
    object.close();
    Json::written(out)
}

/// What one server lists, to the end.
struct Part {
    entries: Vec<Item>,
    /// What holds for all its pages.
    hint: Hint,
}

async fn read_all(
    member: &Member,
    list: &'static str,
    context: &Context,
    request: &Request,
) -> Result<Part, Error> {
    let mut entries = Vec::new();
    let mut hint: Option<Hint> = None;
    let mut cursor: Option<String> = None;
    for _ in 0..PAGE_LIMIT {
        let params = cursor.map(|cursor| Json::encode(&serde_json::json!({ "cursor": cursor })));
        let page = member.peer.request(context, Request { params, ..request.clone() }).await?;
        let malformed = |what: String| Error::Invalid(format!("{}: {what}", request.method));
        let members = page.result.members().map_err(|error| malformed(error.to_string()))?;
        let items: Vec<Raw<'_>> =
            members.read(list).ok_or_else(|| malformed(format!("no list `{list}`")))?;
        for item in items {
            let key = Members::parse(item).ok().and_then(|item| item.read::<String>("uri"));
            entries.extend(key.map(|key| Item { key, json: page.result.part(item) }));
        }
        let held = Hint::read(&members);
        hint = Some(hint.map_or(held, |hint| hint.and(held)));
        cursor = members.read("nextCursor");
        if cursor.is_none() {
            return Ok(Part { entries, hint: hint.unwrap_or(Hint::NONE) });
        }
    }
    // A part would look like the whole.
    Err(Error::Invalid(format!("{}: more than {PAGE_LIMIT} pages", request.method)))
}

/// A list of several servers. Of two entries with one address, the second server's has another,
/// under which all of it is found.
#[derive(Default)]
struct Entries {
    shown: Vec<Json>,
    /// Whose each address is.
    owners: HashMap<String, Arc<str>>,
    /// Those that are shown under another address.
    moved: HashSet<String>,
}

impl Entries {
    fn add(&mut self, catalog: &Catalog, server: &Arc<str>, entry: Item) {
        // Where the address is that of a listed resource, it leads to the server of that one, also
        // while that server is missing here.
        let owner = catalog.owner(&entry.key).or_else(|| self.owners.get(&entry.key));
        if owner.is_some_and(|owner| owner != server) {
            if self.moved.insert(uri::qualify(server, &entry.key)) {
                let moved = |uri: &str| Some(uri::qualify(server, uri));
                self.shown.push(rewrite_item_uris(entry.json, moved));
            }
        } else if self.owners.insert(entry.key, Arc::clone(server)).is_none() {
            self.shown.push(entry.json);
        }
    }

    fn written(&self, list: &'static str, hint: Hint) -> Json {
        let mut out = Vec::new();
        let mut object = Object::open(&mut out);
        let array = object.member(list);
        array.push(b'[');
        for (index, entry) in self.shown.iter().enumerate() {
            if index > 0 {
                array.push(b',');
            }
            array.extend_from_slice(entry.as_bytes());
        }
        array.push(b']');
        object.raw("ttlMs", hint.ttl_ms.to_string().as_bytes());
        object.text("cacheScope", hint.scope.as_str());
        object.close();
        Json::written(out)
    }
}

/// The result of `method`, asked about `uri`: what the server of a qualified address lists there is
/// found at that server only.
pub(crate) fn qualified(uri: &str, method: &Method, result: Json) -> Json {
    match uri::unqualify(uri) {
        Some((server, _)) if matches!(method, Method::SkillsGet | Method::DirectoryRead) => {
            rewrite_uris(method, result, |own| {
                uri::unqualify(own).is_none().then(|| uri::qualify(server, own))
            })
        }
        _ => result,
    }
}

/// Whether the server offers the extension `id`.
pub(crate) fn offers(member: &Member, id: &str) -> bool {
    let has = || {
        let offered = member.lists.as_ref()?.offered.as_ref()?.members().ok()?;
        let extensions = Members::parse(offered.get("extensions")?).ok()?;
        extensions.get(id).map(|settings| settings.get() != "null")
    };
    has().unwrap_or(false)
}

fn offers_more(member: &Member) -> bool {
    let more = || {
        let offered = member.lists.as_ref()?.offered.as_ref()?.members().ok()?;
        let filled = |name: &str| {
            let part = offered.get(name).and_then(|part| Members::parse(part).ok());
            part.is_some_and(|part| part.iter().next().is_some())
        };
        Some(filled("extensions") || filled("experimental"))
    };
    more().unwrap_or(false)
}

#[cfg(test)]
mod tests;
