//! Requests in several rounds: `input_required` and what comes back (2026-07-28, "Multi round-trip
//! requests").

use serde_json::Value;

use crate::json::{Entries, Json, Malformed, Members, Object, Raw};
use crate::method::Method;

/// One question of a server.
#[derive(Clone, Debug)]
pub struct InputRequest {
    pub key: String,
    pub method: Method,
    pub params: Option<Json>,
}

/// A result that asks for input.
#[derive(Clone, Debug, Default)]
pub struct InputRequired {
    pub requests: Vec<InputRequest>,
    pub state: Option<String>,
}

/// What a retry brings.
#[derive(Clone, Debug, Default)]
pub struct Answers {
    pub responses: Vec<(String, Json)>,
    pub state: Option<String>,
}

impl InputRequired {
    /// Reads `result`; `None` where it is of another type.
    ///
    /// # Errors
    ///
    /// [`Malformed`] when it asks for input in a way that nobody can answer.
    pub fn read(result: &Json) -> Result<Option<Self>, Malformed> {
        let members = result.members()?;
        if members.read::<String>("resultType").as_deref() != Some("input_required") {
            return Ok(None);
        }
        let requests = match members.get("inputRequests") {
            Some(entries) => read_requests(result, entries)?,
            None => Vec::new(),
        };
        let state = state(&members)?;
        if requests.is_empty() && state.is_none() {
            return Err(Malformed::because("neither `inputRequests` nor `requestState`"));
        }
        Ok(Some(Self { requests, state }))
    }

    pub fn encode(&self) -> Json {
        let mut out = Vec::new();
        let mut object = Object::open(&mut out);
        object.text("resultType", "input_required");
        write_requests(&mut object, &self.requests);
        if let Some(state) = &self.state {
            object.text("requestState", state);
        }
        object.close();
        Json::written(out)
    }
}

/// Most questions of one round: they are put to the client all at once, and each takes a person or
/// a model.
const QUESTION_LIMIT: usize = 64;

/// Reads the entries of `inputRequests`, which is a part of `whole`.
pub(crate) fn read_requests(
    whole: &Json,
    entries: Raw<'_>,
) -> Result<Vec<InputRequest>, Malformed> {
    let mut requests = Vec::new();
    for (key, entry) in Entries::parse(entries)?.iter() {
        if requests.len() == QUESTION_LIMIT {
            return Err(Malformed::because(format!("more than {QUESTION_LIMIT} questions")));
        }
        let entry = Members::parse(entry)?;
        let method = entry.read::<String>("method");
        let method = method.ok_or_else(|| Malformed::because(format!("`{key}` has no method")))?;
        let params = entry.get("params").map(|params| whole.part(params));
        if params.as_ref().is_some_and(|params| !params.as_str().starts_with('{')) {
            return Err(Malformed::because(format!("`params` of `{key}` is no object")));
        }
        requests.push(InputRequest { key: key.to_owned(), method: (&*method).into(), params });
    }
    Ok(requests)
}

/// Writes `inputRequests`, and no member where there are none.
pub(crate) fn write_requests(object: &mut Object<'_>, requests: &[InputRequest]) {
    if requests.is_empty() {
        return;
    }
    let mut entries = Object::open(object.member("inputRequests"));
    for request in requests {
        let mut entry = Object::open(entries.member(&request.key));
        entry.text("method", request.method.as_str());
        if let Some(params) = &request.params {
            entry.raw("params", params.as_bytes());
        }
        entry.close();
    }
    entries.close();
}

impl Answers {
    /// Reads what `params` bring; `None` for a request that is no retry.
    ///
    /// # Errors
    ///
    /// [`Malformed`] where they are not what they must be.
    pub fn read(params: &Json) -> Result<Option<Self>, Malformed> {
        let members = params.members()?;
        let mut responses = Vec::new();
        if let Some(given) = members.get("inputResponses") {
            for (key, value) in Entries::parse(given)?.iter() {
                responses.push((key.to_owned(), params.part(value)));
            }
        }
        let state = state(&members)?;
        let is_retry = state.is_some() || members.get("inputResponses").is_some();
        Ok(is_retry.then_some(Self { responses, state }))
    }
}

fn state(members: &Members<'_>) -> Result<Option<String>, Malformed> {
    if members.get("requestState").is_none() {
        return Ok(None);
    }
    let state = members.read("requestState");
    state.map(Some).ok_or_else(|| Malformed::because("`requestState` must be a string"))
}

/// `params` with these answers in place of any that are there.
///
/// # Errors
///
/// [`Malformed`] when they are no object.
pub fn with_answers(params: Option<&Json>, answers: &Answers) -> Result<Json, Malformed> {
    let members = params.map(Json::members).transpose()?.unwrap_or_default();
    let mut out = Vec::new();
    let mut object = Object::open(&mut out);
    for (name, value) in members.iter().filter(|(name, _)| !is_answer(name)) {
        object.raw(name, value.get().as_bytes());
    }
    if !answers.responses.is_empty() {
        let mut responses = Object::open(object.member("inputResponses"));
        for (key, value) in &answers.responses {
            responses.raw(key, value.as_bytes());
        }
        responses.close();
    }
    if let Some(state) = &answers.state {
        object.text("requestState", state);
    }
    object.close();
    Ok(Json::written(out))
}

/// `params` without any answers.
///
/// # Errors
///
/// [`Malformed`] when they are no object.
pub fn without_answers(params: &Json) -> Result<Json, Malformed> {
    with_answers(Some(params), &Answers::default())
}

fn is_answer(name: &str) -> bool {
    matches!(name, "inputResponses" | "requestState")
}

/// The same text for the same request, in whatever order a client writes its members and whatever
/// its round.
///
/// # Errors
///
/// [`Malformed`] when `params` are no object.
pub fn fingerprint(method: &Method, params: Option<&Json>) -> Result<Vec<u8>, Malformed> {
    let members = params.map(Json::members).transpose()?.unwrap_or_default();
    let mut kept: Vec<(&str, Value)> = Vec::new();
    for (name, value) in members.iter().filter(|(name, _)| !is_answer(name) && *name != "_meta") {
        let mut value: Value = serde_json::from_str(value.get())
            .map_err(|error| Malformed::because(error.to_string()))?;
        value.sort_all_objects();
        kept.push((name, value));
    }
    kept.sort_by_key(|(name, _)| *name);
    Ok(Json::encode(&(method.as_str(), kept)).into_bytes().to_vec())
}

#[cfg(test)]
mod tests;
