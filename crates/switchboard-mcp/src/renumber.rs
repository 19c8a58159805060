//! Errors on their way from a server of one revision to a client of another.
//!
//! Some numbers changed their place between revisions, and some are about the hop between us and
//! the server, which a client cannot do anything about.

use serde_json::value::RawValue;

use crate::error::{RpcError, code};
use crate::json::{Json, Malformed, Members, Object};
use crate::method::Method;
use crate::rounds::InputRequest;
use crate::version::{Era, ProtocolVersion};

/// The error with which a server of revision `from` answered `method`, for a client of revision
/// `to`. Where a client of 2026-07-28 can be asked what [`url_elicitations`] finds, it should be.
pub fn renumber(
    error: RpcError,
    from: ProtocolVersion,
    to: ProtocolVersion,
    method: &Method,
) -> RpcError {
    let reads = matches!(method, Method::ResourcesRead | Method::Subscribe);
    match (error.code, from.era(), to.era()) {
        (code::RESOURCE_NOT_FOUND, _, Era::Modern) => {
            RpcError { code: code::INVALID_PARAMS, ..error }
        }
        (code::INVALID_PARAMS, Era::Modern, Era::Legacy) if reads && is_about_absence(&error) => {
            RpcError { code: code::RESOURCE_NOT_FOUND, ..error }
        }
        (code::URL_ELICITATION_REQUIRED, ..) if to != ProtocolVersion::V2025_11_25 => {
            internal(with_addresses(&error), error.data)
        }
        // The client did not write the headers and the envelope that the server got.
        (code::HEADER_MISMATCH | code::UNSUPPORTED_VERSION, ..) => internal(
            format!("the server does not take requests as we send them: {}", error.message),
            None,
        ),
        (code::MISSING_CAPABILITY, Era::Modern, Era::Legacy) => {
            internal(with_capabilities(&error), error.data)
        }
        // At 2026-07-28 these have a meaning, or are kept for one (2026-07-28, "Errors").
        (-32099..=-32020, Era::Legacy, Era::Modern) => internal(error.message, error.data),
        _ => error,
    }
}

/// The questions that a client of 2026-07-28 gets in place of a server's -32042, under the ids that
/// the server gave them; `None` for any other error, and for one that does not say what to visit.
pub fn url_elicitations(error: &RpcError) -> Option<Vec<InputRequest>> {
    if error.code != code::URL_ELICITATION_REQUIRED {
        return None;
    }
    let data = error.data.as_ref()?;
    let mut requests: Vec<InputRequest> = Vec::new();
    for elicitation in elicitations(data)? {
        let request = as_question(&elicitation, &error.message)?;
        if requests.iter().any(|other| other.key == request.key) {
            return None;
        }
        requests.push(request);
    }
    (!requests.is_empty()).then_some(requests)
}

/// The error with `uri` in its data, where a client of 2026-07-28 finds which resource it is about.
#[must_use]
pub fn with_uri(error: RpcError, uri: &str) -> RpcError {
    let data = match &error.data {
        None => Ok(Json::encode(&serde_json::json!({ "uri": uri }))),
        Some(data) => add_uri(data, uri),
    };
    match data {
        Ok(data) => RpcError { data: Some(data), ..error },
        // Data that is no object, or has the member, is the server's own.
        Err(_) => error,
    }
}

fn add_uri(data: &Json, uri: &str) -> Result<Json, Malformed> {
    let members = data.members()?;
    if members.get("uri").is_some() {
        return Ok(data.clone());
    }
    let mut out = Vec::with_capacity(data.as_bytes().len() + uri.len() + 16);
    let mut object = Object::open(&mut out);
    for (name, value) in members.iter() {
        object.raw(name, value.get().as_bytes());
    }
    object.text("uri", uri);
    object.close();
    Ok(Json::written(out))
}

/// Servers of 2026-07-28 say so in the data; those that do not say it in words, which are all
/// there is to tell this from parameters that are wrong.
fn is_about_absence(error: &RpcError) -> bool {
    let named = error.data.as_ref().and_then(|data| data.members().ok()?.read::<String>("uri"));
    named.is_some() || error.message.to_ascii_lowercase().contains("not found")
}

/// Most elicitations of one error that are taken: each is something a person has to visit.
const ELICITATION_LIMIT: usize = 32;

fn elicitations(data: &Json) -> Option<Vec<Members<'_>>> {
    let members = data.members().ok()?;
    let list: Vec<&RawValue> = members.read("elicitations")?;
    if list.len() > ELICITATION_LIMIT {
        return None;
    }
    list.into_iter().map(|raw| Members::parse(raw).ok()).collect()
}

/// One elicitation as the parameters of a question, without the id, which became its key.
fn as_question(elicitation: &Members<'_>, message: &str) -> Option<InputRequest> {
    let key = elicitation.read::<String>("elicitationId")?;
    elicitation.read::<String>("url")?;
    let mut out = Vec::new();
    let mut object = Object::open(&mut out);
    object.text("mode", "url");
    for (name, value) in elicitation.iter() {
        if !matches!(name, "mode" | "elicitationId" | "_meta") {
            object.raw(name, value.get().as_bytes());
        }
    }
    if elicitation.get("message").is_none() {
        object.text("message", message);
    }
    object.close();
    Some(InputRequest { key, method: Method::Elicit, params: Some(Json::written(out)) })
}

fn with_addresses(error: &RpcError) -> String {
    let list = error.data.as_ref().and_then(elicitations).unwrap_or_default();
    let urls: Vec<String> = list.iter().filter_map(|one| one.read("url")).collect();
    if urls.is_empty() {
        return error.message.to_string();
    }
    format!("{}; visit {} and try again", error.message, urls.join(" and "))
}

fn with_capabilities(error: &RpcError) -> String {
    let members = error.data.as_ref().and_then(|data| data.members().ok());
    match members.as_ref().and_then(|members| members.get("requiredCapabilities")) {
        Some(required) => format!("the client did not declare what the server needs: {required}"),
        None => {
            format!("the client did not declare a capability the server needs: {}", error.message)
        }
    }
}

fn internal(message: impl Into<std::borrow::Cow<'static, str>>, data: Option<Json>) -> RpcError {
    RpcError { data, ..RpcError::new(code::INTERNAL, message) }
}

#[cfg(test)]
mod tests;
