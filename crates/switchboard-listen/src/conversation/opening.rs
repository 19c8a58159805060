//! How a conversation was opened, which decides how it goes on.
//!
//! A server of both eras "chooses by how the client opens" (2026-07-28, "Versioning"): a request
//! with the envelope of that revision is stateless, `initialize` begins a session that lasts as
//! long as the conversation. What comes in the words of the other era afterwards is refused.

use switchboard_mcp::{ClientCapabilities, Era, Json, Method, ProtocolVersion, RpcError, code};

use crate::front::Asked;

/// What has been opened.
#[derive(Clone, Debug, Default)]
pub(crate) enum Opening {
    #[default]
    Nothing,
    /// By `initialize`.
    Session(Session),
    /// By a request of 2026-07-28.
    Stateless,
}

/// What holds for a whole session.
#[derive(Clone, Debug)]
pub(crate) struct Session {
    pub version: ProtocolVersion,
    pub capabilities: ClientCapabilities,
    /// The client has said that it is ready for messages of ours.
    pub initialized: bool,
}

/// In which words a request came.
pub(crate) enum Spoken {
    /// Before anything was opened: `initialize`, `ping`.
    Unopened,
    Session(Session),
    Stateless,
}

impl Opening {
    /// Tells in which words `asked` comes, and opens a stateless conversation with the first if the
    /// carrier may have one.
    ///
    /// # Errors
    ///
    /// What the client gets where the request does not fit the conversation.
    pub(crate) fn admit(&mut self, asked: &Asked, stateless: bool) -> Result<Spoken, RpcError> {
        let is_modern = asked.envelope.is_modern();
        match self {
            Self::Session(session) if is_modern => Err(other_era(asked, session.version)),
            Self::Session(session) => Ok(Spoken::Session(session.clone())),
            Self::Nothing | Self::Stateless if is_modern && stateless => {
                modern_version(asked)?;
                // Whoever asks what there is has not chosen yet: a client that found the answer
                // too late goes on with `initialize`.
                if asked.method != Method::Discover {
                    *self = Self::Stateless;
                }
                Ok(Spoken::Stateless)
            }
            Self::Nothing if matches!(asked.method, Method::Initialize | Method::Ping) => {
                Ok(Spoken::Unopened)
            }
            Self::Nothing => {
                let other = if stateless { ", and without the `_meta` of 2026-07-28" } else { "" };
                let message = format!("`{}` before `initialize`{other}", asked.method);
                Err(RpcError::new(code::INVALID_REQUEST, message))
            }
            Self::Stateless if asked.method == Method::Initialize => {
                Err(other_era(asked, ProtocolVersion::MODERN))
            }
            Self::Stateless => Err(RpcError::new(
                code::INVALID_REQUEST,
                format!(
                    "`{}` without `_meta`, in a conversation that was opened in 2026-07-28",
                    asked.method
                ),
            )),
        }
    }

    pub(crate) fn session_mut(&mut self) -> Option<&mut Session> {
        match self {
            Self::Session(session) => Some(session),
            Self::Nothing | Self::Stateless => None,
        }
    }
}

impl Session {
    /// What `initialize` agreed on, with what the client declared there.
    pub(crate) fn new(version: ProtocolVersion, params: Option<&Json>) -> Self {
        let declared = params.and_then(|params| {
            let members = params.members().ok()?;
            Some(params.part(members.get("capabilities")?))
        });
        let capabilities = declared.map(ClientCapabilities::read).unwrap_or_default();
        Self { version, capabilities, initialized: false }
    }
}

/// The refusal of a request that comes in the words of the other era: only `spoken` is served here.
fn other_era(asked: &Asked, spoken: ProtocolVersion) -> RpcError {
    let requested = match spoken.era() {
        Era::Legacy => asked.envelope.protocol_version.clone(),
        Era::Modern => asked
            .params
            .as_ref()
            .and_then(|params| params.members().ok()?.read::<String>("protocolVersion")),
    };
    let message =
        format!("this conversation was opened in {spoken}; open another for other revisions");
    RpcError::new(code::UNSUPPORTED_VERSION, message).with_data(&serde_json::json!({
        "supported": [spoken.as_str()],
        "requested": requested.unwrap_or_default(),
    }))
}

/// Checks the envelope of a request of 2026-07-28, in the order of its specification.
pub(crate) fn modern_version(asked: &Asked) -> Result<ProtocolVersion, RpcError> {
    let envelope = &asked.envelope;
    let missing = |name: &str| {
        RpcError::new(
            code::INVALID_PARAMS,
            format!("`_meta` member `io.modelcontextprotocol/{name}` is missing"),
        )
    };
    let requested =
        envelope.protocol_version.as_deref().ok_or_else(|| missing("protocolVersion"))?;
    if envelope.client_capabilities.is_none() {
        return Err(missing("clientCapabilities"));
    }
    if requested == ProtocolVersion::MODERN.as_str() {
        return Ok(ProtocolVersion::MODERN);
    }
    Err(unsupported(requested))
}

/// Names what `server/discover` names: a client sends its request again with one of these, which
/// the revisions that `initialize` opens are no use for.
pub(crate) fn unsupported(requested: &str) -> RpcError {
    let supported = [ProtocolVersion::MODERN.as_str()];
    RpcError::new(code::UNSUPPORTED_VERSION, format!("revision `{requested}` is not served here"))
        .with_data(&serde_json::json!({ "supported": supported, "requested": requested }))
}

#[cfg(test)]
mod tests;
