//! JSON-RPC errors.

use std::borrow::Cow;
use std::fmt;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::json::Json;

/// Error codes, with where each is defined.
pub mod code {
    /// JSON-RPC 2.0, section 5.1.
    pub const PARSE: i64 = -32700;
    pub const INVALID_REQUEST: i64 = -32600;
    pub const METHOD_NOT_FOUND: i64 = -32601;
    pub const INVALID_PARAMS: i64 = -32602;
    pub const INTERNAL: i64 = -32603;
    /// MCP 2026-07-28: a routing header is missing, doubled, or does not say what the body says.
    pub const HEADER_MISMATCH: i64 = -32020;
    /// MCP 2026-07-28: the request needs a capability its `_meta` does not declare.
    pub const MISSING_CAPABILITY: i64 = -32021;
    /// MCP 2026-07-28: the version in `_meta` is not served.
    pub const UNSUPPORTED_VERSION: i64 = -32022;
    /// MCP up to 2025-11-25: no such resource. Later revisions use [`INVALID_PARAMS`].
    pub const RESOURCE_NOT_FOUND: i64 = -32002;
    /// MCP 2025-11-25: the user has to visit addresses first. Later revisions ask for input.
    pub const URL_ELICITATION_REQUIRED: i64 = -32042;
    /// From the range left to implementations until 2026-07-28: the SDKs answer so when a session
    /// id is required and missing.
    pub const SESSION_REQUIRED: i64 = -32000;
}

/// What JSON-RPC calls an error object.
#[derive(Clone, Debug)]
pub struct RpcError {
    pub code: i64,
    pub message: Cow<'static, str>,
    pub data: Option<Json>,
}

impl RpcError {
    pub fn new(code: i64, message: impl Into<Cow<'static, str>>) -> Self {
        Self { code, message: message.into(), data: None }
    }

    #[must_use]
    pub fn with_data(mut self, data: &impl serde::Serialize) -> Self {
        self.data = Some(Json::encode(data));
        self
    }

    /// Reads the `error` member of a response. One that is not an error object is still an error:
    /// the peer meant to refuse, and the caller must hear of it.
    pub fn decode(json: &Json) -> Self {
        #[derive(Deserialize)]
        struct Wire<'a> {
            code: i64,
            message: String,
            #[serde(borrow)]
            data: Option<&'a RawValue>,
        }
        match json.view::<Wire<'_>>() {
            Ok(wire) => Self {
                code: wire.code,
                message: wire.message.into(),
                data: wire.data.map(|data| json.part(data)),
            },
            Err(_) => Self::new(code::INTERNAL, "the server answered with a malformed error"),
        }
    }

    pub fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"code\":");
        out.extend_from_slice(self.code.to_string().as_bytes());
        out.extend_from_slice(b",\"message\":");
        Json::write_string(out, &self.message);
        if let Some(data) = &self.data {
            out.extend_from_slice(b",\"data\":");
            out.extend_from_slice(data.as_bytes());
        }
        out.push(b'}');
    }
}

impl fmt::Display for RpcError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.message, self.code)
    }
}

impl std::error::Error for RpcError {}
