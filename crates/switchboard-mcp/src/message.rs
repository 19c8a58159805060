//! JSON-RPC messages: told apart, and written.

use std::fmt;

use bytes::Bytes;
use serde_json::value::RawValue;

use crate::error::{RpcError, code};
use crate::json::{Json, Malformed, Raw};
use crate::method::Method;

/// A message as it came in, decoded as far as is needed to see what it is.
#[derive(Clone, Debug)]
pub enum Incoming {
    Request { id: RequestId, method: Method, params: Option<Json> },
    Notification { method: Method, params: Option<Json> },
    Response { id: Option<RequestId>, outcome: Result<Json, RpcError> },
}

/// Why a message cannot be taken, with the id to answer under where it could be read.
#[derive(Debug, thiserror::Error)]
#[error("{error}")]
pub struct DecodeError {
    pub id: Option<RequestId>,
    pub error: RpcError,
    /// It was meant as an answer: it has no method.
    pub is_answer: bool,
}

/// The id of a request as its sender wrote it: a string or an integer.
///
/// Kept as text, so that a response carries exactly what the client can recognise: `7` and `7.0`
/// and `"7"` are three ids.
#[derive(Clone, Eq, Hash, PartialEq)]
pub struct RequestId(Bytes);

/// The longest id accepted. SDKs use counters and UUIDs; an id is kept for as long as its request
/// is in flight, and a client must not be able to make that expensive.
const ID_LIMIT: usize = 256;

/// The members of the envelope as they stand; `null` is not the same as absent.
#[derive(Default)]
struct Wire<'a> {
    jsonrpc: Option<Raw<'a>>,
    id: Option<Raw<'a>>,
    method: Option<Raw<'a>>,
    params: Option<Raw<'a>>,
    result: Option<Raw<'a>>,
    error: Option<Raw<'a>>,
    /// One that is there more than once.
    twice: Option<&'static str>,
}

impl<'a> Wire<'a> {
    fn take(&mut self, name: &str, value: Raw<'a>) {
        let (name, member) = match name {
            "jsonrpc" => ("jsonrpc", &mut self.jsonrpc),
            "id" => ("id", &mut self.id),
            "method" => ("method", &mut self.method),
            "params" => ("params", &mut self.params),
            "result" => ("result", &mut self.result),
            "error" => ("error", &mut self.error),
            _ => return,
        };
        if member.replace(value).is_some() {
            self.twice = Some(name);
        }
    }
}

impl Incoming {
    /// Reads one message.
    ///
    /// # Errors
    ///
    /// [`DecodeError`] with the JSON-RPC error that the sender should get.
    pub fn decode(text: Bytes) -> Result<Self, DecodeError> {
        let parse = |error: Malformed| refuse(code::PARSE, None, error.to_string());
        if text.trim_ascii_start().first() != Some(&b'{') {
            return Self::read(&Json::parse(text).map_err(parse)?);
        }
        let mut wire = Wire::default();
        let json = Json::parse_object(&text, |name, value| wire.take(name, value));
        Self::classify(&json.map_err(parse)?, &wire)
    }

    /// Tells what a JSON value that is already known to be one means as a message.
    ///
    /// # Errors
    ///
    /// As [`Self::decode`].
    pub fn read(json: &Json) -> Result<Self, DecodeError> {
        if json.as_bytes().trim_ascii_start().first() != Some(&b'{') {
            return Err(refuse(code::INVALID_REQUEST, None, "a message is an object"));
        }
        Self::decode(json.clone().into_bytes())
    }

    fn classify(json: &Json, wire: &Wire<'_>) -> Result<Self, DecodeError> {
        if let Some(name) = wire.twice {
            let message = format!("duplicate field `{name}`");
            return Err(refuse(code::INVALID_REQUEST, None, message));
        }
        let id = match wire.id.map(|id| RequestId::from_json(json, id)).transpose() {
            Ok(id) => id.flatten(),
            Err(message) => return Err(refuse(code::INVALID_REQUEST, None, message)),
        };
        let is_answer = wire.method.is_none();
        let invalid = |message: &str| DecodeError {
            is_answer,
            ..refuse(code::INVALID_REQUEST, id.clone(), message)
        };
        if wire.jsonrpc.map(Raw::get) != Some("\"2.0\"") {
            return Err(invalid("`jsonrpc` must be \"2.0\""));
        }
        let Some(method) = wire.method else {
            return read_response(json, wire, id);
        };
        if wire.result.is_some() || wire.error.is_some() {
            return Err(invalid("a message has either `method` or `result`/`error`"));
        }
        let method = read_method(method).ok_or_else(|| invalid("`method` must be a string"))?;
        let params = match wire.params {
            None => None,
            Some(params) if params.get().starts_with('{') => Some(json.part(params)),
            // JSON-RPC allows arrays; every revision of MCP defines `params` as an object.
            Some(_) => return Err(invalid("`params` must be an object")),
        };
        match (id, wire.id) {
            (Some(id), _) => Ok(Self::Request { id, method, params }),
            (None, Some(_)) => Err(refuse(
                code::INVALID_REQUEST,
                None,
                "`id` must be a string or an integer, not null",
            )),
            (None, None) => Ok(Self::Notification { method, params }),
        }
    }
}

fn read_response(
    json: &Json,
    wire: &Wire<'_>,
    id: Option<RequestId>,
) -> Result<Incoming, DecodeError> {
    let outcome = match (wire.result, wire.error) {
        (Some(result), None) => Ok(json.part(result)),
        // Servers that write both members leave the one that does not hold `null`.
        (Some(result), Some(error)) if error.get() == "null" => Ok(json.part(result)),
        (Some(result), Some(error)) if result.get() == "null" => {
            Err(RpcError::decode(&json.part(error)))
        }
        (None, Some(error)) => Err(RpcError::decode(&json.part(error))),
        _ => {
            let message = "neither a request, a notification nor a response: a message has \
                           `method`, or exactly one of `result` and `error`";
            let refusal = refuse(code::INVALID_REQUEST, id, message);
            return Err(DecodeError { is_answer: true, ..refusal });
        }
    };
    Ok(Incoming::Response { id, outcome })
}

fn read_method(raw: Raw<'_>) -> Option<Method> {
    let text = raw.get();
    match text.strip_prefix('"').and_then(|text| text.strip_suffix('"')) {
        Some(plain) if !plain.contains('\\') => Some(Method::from(plain)),
        _ => serde_json::from_str::<String>(text).ok().map(|name| Method::from(name.as_str())),
    }
}

fn refuse(code: i64, id: Option<RequestId>, message: impl Into<String>) -> DecodeError {
    DecodeError { id, error: RpcError::new(code, message.into()), is_answer: false }
}

impl RequestId {
    /// `Ok(None)` for `null`.
    fn from_json(json: &Json, raw: Raw<'_>) -> Result<Option<Self>, String> {
        let text = raw.get();
        if text.len() > ID_LIMIT {
            return Err(format!("`id` is longer than {ID_LIMIT} bytes"));
        }
        match text.as_bytes()[0] {
            b'"' => {}
            b'n' => return Ok(None),
            b'-' | b'0'..=b'9' if is_integral(text) => {}
            _ => return Err("`id` must be a string or an integer".to_owned()),
        }
        Ok(Some(Self(json.part(raw).into_bytes())))
    }

    /// Reads the id that a parameter such as `requestId` names.
    pub fn from_raw<'a>(raw: impl Into<Raw<'a>>) -> Option<Self> {
        let json = Json::parse(Bytes::copy_from_slice(raw.into().get().as_bytes())).ok()?;
        Self::from_json(&json, json.raw()).ok()?
    }

    pub fn from_number(number: u64) -> Self {
        Self(number.to_string().into())
    }

    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The id as one of our own numbers, if it is one, also from a peer that writes `7.0` for 7.
    pub fn as_number(&self) -> Option<u64> {
        let text = std::str::from_utf8(&self.0).ok()?;
        text.strip_suffix(".0").unwrap_or(text).parse().ok()
    }
}

/// Some clients count in floating point and write `1.0` (JSON has one kind of number).
fn is_integral(number: &str) -> bool {
    let digits = number.strip_prefix('-').unwrap_or(number);
    let whole = digits.strip_suffix(".0").unwrap_or(digits);
    !whole.is_empty() && whole.bytes().all(|byte| byte.is_ascii_digit())
}

impl fmt::Debug for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.0))
    }
}

/// Writes messages.
pub mod encode {
    use super::{Json, Method, RequestId, RpcError};

    const HEAD: &[u8] = b"{\"jsonrpc\":\"2.0\"";

    pub fn result(id: &RequestId, result: &Json) -> Vec<u8> {
        let mut out = Vec::with_capacity(result_len(id, result));
        write_result(&mut out, id, result);
        out
    }

    /// How long at most what [`write_result`] writes is.
    fn result_len(id: &RequestId, result: &Json) -> usize {
        result.as_bytes().len() + id.as_bytes().len() + 40
    }

    fn write_result(out: &mut Vec<u8>, id: &RequestId, result: &Json) {
        out.extend_from_slice(HEAD);
        write_id(out, id);
        out.extend_from_slice(b",\"result\":");
        out.extend_from_slice(result.as_bytes());
        out.push(b'}');
    }

    /// Appends what [`outcome`] gives: a large result is written once, where it goes out.
    pub fn outcome_to(out: &mut Vec<u8>, id: &RequestId, outcome: &Result<Json, RpcError>) {
        match outcome {
            Ok(json) => {
                // With room for what is written behind it.
                out.reserve_exact(result_len(id, json) + 2);
                write_result(out, id, json);
            }
            Err(failure) => out.extend_from_slice(&error(Some(id), failure)),
        }
    }

    /// An error answers with `"id": null` where the id could not be read: JSON-RPC 2.0 says so,
    /// and the SDKs up to 2025-11-25 require the member (2026-07-28 makes it optional).
    pub fn error(id: Option<&RequestId>, error: &RpcError) -> Vec<u8> {
        let mut out = Vec::with_capacity(error.message.len() + 80);
        out.extend_from_slice(HEAD);
        match id {
            Some(id) => write_id(&mut out, id),
            None => out.extend_from_slice(b",\"id\":null"),
        }
        out.extend_from_slice(b",\"error\":");
        error.write(&mut out);
        out.push(b'}');
        out
    }

    pub fn outcome(id: &RequestId, outcome: &Result<Json, RpcError>) -> Vec<u8> {
        match outcome {
            Ok(json) => result(id, json),
            Err(failure) => error(Some(id), failure),
        }
    }

    pub fn notification(method: &Method, params: Option<&Json>) -> Vec<u8> {
        let mut out = HEAD.to_vec();
        write_call(&mut out, method, params);
        out
    }

    pub fn request(id: &RequestId, method: &Method, params: Option<&Json>) -> Vec<u8> {
        let mut out = HEAD.to_vec();
        write_id(&mut out, id);
        write_call(&mut out, method, params);
        out
    }

    fn write_id(out: &mut Vec<u8>, id: &RequestId) {
        out.extend_from_slice(b",\"id\":");
        out.extend_from_slice(id.as_bytes());
    }

    fn write_call(out: &mut Vec<u8>, method: &Method, params: Option<&Json>) {
        out.extend_from_slice(b",\"method\":");
        Json::write_string(out, method.as_str());
        if let Some(params) = params {
            out.extend_from_slice(b",\"params\":");
            out.extend_from_slice(params.as_bytes());
        }
        out.push(b'}');
    }
}

/// The messages of a body that is an array (2025-03-26, "Batching").
///
/// # Errors
///
/// [`Malformed`] when it is none, is empty, or is longer than `limit`.
pub fn split_batch(json: &Json, limit: usize) -> Result<Vec<Json>, Malformed> {
    let parts: Vec<&RawValue> = json.view()?;
    if parts.is_empty() || parts.len() > limit {
        return Err(Malformed::because(format!("a batch has between 1 and {limit} messages")));
    }
    Ok(parts.into_iter().map(|part| json.part(part)).collect())
}

#[cfg(test)]
mod tests;
