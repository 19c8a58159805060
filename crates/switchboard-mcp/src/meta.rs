//! What `_meta` of a request says about the hop it came over.
//!
//! Keys under `io.modelcontextprotocol/` and the progress token concern two neighbours only: they
//! are read here, dropped when the request goes on, and set anew (2026-07-28, "`_meta`").

use crate::json::{Json, Malformed, Members, Needle, Object, Raw};
use crate::version::ProtocolVersion;

/// The prefix of the keys that belong to the protocol.
pub(crate) const RESERVED: &str = "io.modelcontextprotocol/";

/// Names the task that a message belongs to (2025-11-25, "Tasks").
pub(crate) const RELATED_TASK: &str = "io.modelcontextprotocol/related-task";

/// What a model may say while the task it started goes on (2025-11-25, "Tasks").
const IMMEDIATE_RESPONSE: &str = "io.modelcontextprotocol/model-immediate-response";

/// Whether a key of `_meta` is for the neighbour rather than for the far end, or would be to a
/// parser that does not mind the case of letters.
pub(crate) fn is_for_neighbour(name: &str) -> bool {
    let is_reserved = |start: &str| start.eq_ignore_ascii_case(RESERVED);
    name.eq_ignore_ascii_case("progressToken")
        || name.get(..RESERVED.len()).is_some_and(is_reserved)
}

/// Whether a key of `_meta` that a server wrote is for a client of revision `to`: those of tasks
/// have the prefix, but they are about what is said, and 2025-11-25 alone knows them.
pub(crate) fn is_for_client(name: &str, to: ProtocolVersion) -> bool {
    !is_for_neighbour(name)
        || (matches!(name, RELATED_TASK | IMMEDIATE_RESPONSE) && to == ProtocolVersion::V2025_11_25)
}

/// Writes what of a server's `_meta` is for a client of revision `to`, and no member where that is
/// nothing.
pub(crate) fn write_meta(
    object: &mut Object<'_>,
    meta: Raw<'_>,
    to: ProtocolVersion,
) -> Result<(), Malformed> {
    let meta = Members::parse(meta)?;
    let mut kept = meta.iter().filter(|(name, _)| is_for_client(name, to)).peekable();
    if kept.peek().is_some() {
        let mut inner = Object::open(object.member("_meta"));
        kept.for_each(|(name, value)| {
            inner.raw(name, value.get().as_bytes());
        });
        inner.close();
    }
    Ok(())
}

/// The parameters of a server's notification, or a result, without what its `_meta` says to us
/// rather than to a client of revision `to`. What has nothing of the kind stays as it is.
///
/// # Errors
///
/// [`Malformed`] when it is no object, or its `_meta` is none.
pub fn without_hop_meta(json: Json, to: ProtocolVersion) -> Result<Json, Malformed> {
    // A name may be written with escapes, and all that begin like this one begin so.
    static NAMES: [Needle; 3] = [
        Needle::new("\"io.modelcontextprotocol"),
        Needle::new("\"progressToken"),
        Needle::new("\\u00"),
    ];
    if !NAMES.iter().any(|name| name.is_in(&json)) {
        return Ok(json);
    }
    let members = json.members()?;
    let Some(meta) = members.get("_meta") else { return Ok(json) };
    if Members::parse(meta)?.iter().all(|(name, _)| is_for_client(name, to)) {
        return Ok(json);
    }
    let mut out = Vec::with_capacity(json.as_bytes().len());
    let mut object = Object::open(&mut out);
    for (name, value) in members.iter() {
        if name == "_meta" {
            write_meta(&mut object, value, to)?;
        } else {
            object.raw(name, value.get().as_bytes());
        }
    }
    object.close();
    Ok(Json::written(out))
}

/// The members of `_meta` that a receiver acts on.
#[derive(Clone, Debug, Default)]
pub struct Envelope {
    pub protocol_version: Option<String>,
    pub client_capabilities: Option<Json>,
    pub client_info: Option<Json>,
    pub log_level: Option<String>,
    pub progress_token: Option<Json>,
}

#[derive(Debug, thiserror::Error)]
pub enum MetaError {
    #[error("`params` {0}")]
    Params(Malformed),
    #[error("`_meta` {0}")]
    Meta(Malformed),
    #[error("`_meta` member `{0}` must be {1}")]
    Member(&'static str, &'static str),
}

impl Envelope {
    /// Reads `_meta` of `params`; all absent where there is none.
    ///
    /// # Errors
    ///
    /// [`MetaError`] when a member that we act on is not what it must be.
    pub fn read(params: &Json, members: &Members<'_>) -> Result<Self, MetaError> {
        let Some(meta) = members.get("_meta") else {
            return Ok(Self::default());
        };
        let meta = Members::parse(meta).map_err(MetaError::Meta)?;
        let mut envelope = Self::default();
        for (name, value) in meta.iter() {
            match name.strip_prefix(RESERVED) {
                Some("protocolVersion") => {
                    envelope.protocol_version = Some(text("protocolVersion", value)?);
                }
                Some("logLevel") => envelope.log_level = Some(text("logLevel", value)?),
                Some("clientCapabilities") => {
                    envelope.client_capabilities =
                        Some(object(params, "clientCapabilities", value)?);
                }
                Some("clientInfo") => {
                    envelope.client_info = Some(object(params, "clientInfo", value)?);
                }
                None if name == "progressToken" => {
                    envelope.progress_token = Some(token(params, value)?);
                }
                _ => {}
            }
        }
        Ok(envelope)
    }

    /// Whether the sender speaks 2026-07-28 or later, which only this shows.
    pub fn is_modern(&self) -> bool {
        self.protocol_version.is_some() || self.client_capabilities.is_some()
    }
}

fn text(name: &'static str, value: Raw<'_>) -> Result<String, MetaError> {
    serde_json::from_str(value.get()).map_err(|_| MetaError::Member(name, "a string"))
}

fn object(params: &Json, name: &'static str, value: Raw<'_>) -> Result<Json, MetaError> {
    if value.get().starts_with('{') {
        return Ok(params.part(value));
    }
    Err(MetaError::Member(name, "an object"))
}

fn token(params: &Json, value: Raw<'_>) -> Result<Json, MetaError> {
    match value.get().as_bytes()[0] {
        b'"' | b'-' | b'0'..=b'9' if value.get().len() <= TOKEN_LIMIT => Ok(params.part(value)),
        _ => Err(MetaError::Member("progressToken", "a string or an integer of at most 256 bytes")),
    }
}

/// A token is kept while its request is in flight and written into each notification.
const TOKEN_LIMIT: usize = 256;

#[cfg(test)]
mod tests;
