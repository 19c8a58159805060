//! Which era a server speaks, and the opening of a conversation in it.
//!
//! Follows "Backward compatibility" of 2026-07-28: ask `server/discover` first; an answer, or an
//! error that only a modern server gives, means modern; anything else means `initialize`. So does
//! silence, but not over HTTP. What was found is remembered with the server's lists, so a server is
//! asked once.

use std::sync::Arc;
use std::time::Duration;

use switchboard_mcp::{Era, Json, Method, ProtocolVersion, RpcError, code};

use crate::declared::IN_SESSIONS;
use crate::link::{Call, Link, LinkError};
use crate::session::{CLIENT_INFO, ServerFacts, Session, envelope};
use crate::settings::EraChoice;

/// How long `server/discover` may stay unanswered before `initialize` is sent as well.
///
/// Both may then be under way: a server that is merely slow to start answers the one it knows. The
/// specification leaves the time open; SDKs wait 2 to 10 s.
const PROBE_WAIT: Duration = Duration::from_secs(3);

/// A link with an agreed revision.
pub(crate) struct Opened {
    pub link: Arc<dyn Link>,
    pub facts: ServerFacts,
}

/// Agrees with the server behind `link`.
///
/// `Err(Reopen)` says that the server ended because of the question (some old ones do); the caller
/// opens a new link and tries again with [`EraChoice::Legacy`].
pub(crate) async fn agree(link: Arc<dyn Link>, era: EraChoice) -> Result<Opened, HandshakeError> {
    match era {
        EraChoice::Legacy => initialize(link).await,
        EraChoice::Modern => discover(link).await,
        EraChoice::Auto => probe(link).await,
    }
}

#[derive(Debug, thiserror::Error)]
pub(crate) enum HandshakeError {
    /// Gone after `server/discover`: worth another try that begins with `initialize`.
    #[error("the server ended when it was asked for its revision: {0}")]
    Reopen(String),
    #[error("{0}")]
    Failed(String),
}

fn failed(what: &str, error: &LinkError) -> HandshakeError {
    HandshakeError::Failed(format!("{what}: {error}"))
}

/// What a server made of the first question.
enum Heard {
    /// The answer to `server/discover`.
    Discover(Result<Json, LinkError>),
    /// The answer to `initialize`, which was asked because that one was not answered.
    Initialize(Result<Json, LinkError>),
}

async fn probe(link: Arc<dyn Link>) -> Result<Opened, HandshakeError> {
    let answer = match hear(&*link).await {
        Heard::Discover(answer) => answer,
        Heard::Initialize(answer) => return finish_initialize(link, answer).await,
    };
    match answer {
        // Whatever that is, it is no `DiscoverResult`.
        Ok(result) if !names_versions(&result) => initialize(link).await,
        Ok(result) => finish_discover(link, &result),
        Err(LinkError::Refused(error)) if is_modern(error.code) && !names_legacy(&error) => Err(
            HandshakeError::Failed(format!("the server speaks no revision that we do: {error}")),
        ),
        Err(LinkError::Refused(_) | LinkError::NotTaken(_)) => initialize(link).await,
        // Over HTTP neither a server that fails nor a connection that breaks tells an era: a modern
        // server in trouble would be taken for an old one, and stay that.
        Err(LinkError::NotSent(cause) | LinkError::Lost(cause)) if !link.answers_everything() => {
            Err(HandshakeError::Reopen(cause))
        }
        Err(error) => Err(failed("server/discover", &error)),
    }
}

async fn hear(link: &dyn Link) -> Heard {
    let asked = ask_discover(link);
    tokio::pin!(asked);
    // Of a server that answers each request, or the connection breaks, silence says only that it is
    // slow; whoever opens the link has a limit for that.
    if link.answers_everything() {
        return Heard::Discover(asked.await);
    }
    if let Ok(answer) = tokio::time::timeout(PROBE_WAIT, &mut asked).await {
        return Heard::Discover(answer);
    }
    let initialized = ask_initialize(link);
    tokio::pin!(initialized);
    tokio::select! {
        // A server that answers both has taken the first question for its opening.
        biased;
        answer = &mut asked => match answer {
            // The late refusal of an old server: its answer to `initialize` is coming.
            Err(LinkError::Refused(error)) if !is_modern(error.code) || names_legacy(&error) => {
                Heard::Initialize(initialized.await)
            }
            other => Heard::Discover(other),
        },
        answer = &mut initialized => match answer {
            Ok(answer) => Heard::Initialize(Ok(answer)),
            Err(_) => Heard::Discover(asked.await),
        },
    }
}

/// Codes that only servers of 2026-07-28 and later give.
fn is_modern(error: i64) -> bool {
    matches!(error, code::UNSUPPORTED_VERSION | code::HEADER_MISMATCH | code::MISSING_CAPABILITY)
}

/// Whether a refusal names a revision that `initialize` opens.
fn names_legacy(error: &RpcError) -> bool {
    supported(error).iter().any(|version| version.era() == Era::Legacy)
}

/// The revisions that a refusal names, of those that we speak.
fn supported(error: &RpcError) -> Vec<ProtocolVersion> {
    let members = error.data.as_ref().and_then(|data| data.members().ok());
    let supported = members.and_then(|members| members.read::<Vec<String>>("supported"));
    supported.iter().flatten().filter_map(|name| ProtocolVersion::parse(name)).collect()
}

/// Whether a result says what a `DiscoverResult` must.
fn names_versions(result: &Json) -> bool {
    result.members().is_ok_and(|members| members.get("supportedVersions").is_some())
}

/// Asks for the revisions of the server, and once more if it names the one that it refuses: a
/// refused request is retried with a revision that both speak (2026-07-28, "Versioning").
async fn ask_discover(link: &dyn Link) -> Result<Json, LinkError> {
    link.agree(ProtocolVersion::MODERN);
    let envelope = envelope(ProtocolVersion::MODERN, None);
    let ask = || link.ask(Call { envelope: &envelope, ..Call::new(&Method::Discover, None) });
    match ask().await {
        Err(LinkError::Refused(error))
            if error.code == code::UNSUPPORTED_VERSION
                && supported(&error).contains(&ProtocolVersion::MODERN) =>
        {
            ask().await
        }
        answer => answer,
    }
}

async fn discover(link: Arc<dyn Link>) -> Result<Opened, HandshakeError> {
    let result = ask_discover(&*link).await.map_err(|error| failed("server/discover", &error))?;
    finish_discover(link, &result)
}

/// Asks a server of 2026-07-28 whether it still is one.
pub(crate) async fn is_modern_still(session: &Session) -> bool {
    let answer = session.ask(&Method::Discover, None).await;
    answer.is_ok_and(|result| read_discover(&result).is_ok())
}

fn finish_discover(link: Arc<dyn Link>, result: &Json) -> Result<Opened, HandshakeError> {
    let facts = read_discover(result)?;
    link.agree(facts.version);
    Ok(Opened { link, facts })
}

fn read_discover(result: &Json) -> Result<ServerFacts, HandshakeError> {
    let malformed = || HandshakeError::Failed("server/discover: the answer is malformed".into());
    let members = result.members().map_err(|_| malformed())?;
    let versions: Vec<String> = members.read("supportedVersions").ok_or_else(malformed)?;
    if !versions.iter().any(|version| version == ProtocolVersion::MODERN.as_str()) {
        return Err(HandshakeError::Failed(format!(
            "the server speaks {}, and we speak {} in that era",
            versions.join(", "),
            ProtocolVersion::MODERN,
        )));
    }
    let capabilities = members.get("capabilities").map(|value| result.part(value));
    let meta = members.get("_meta").and_then(|meta| switchboard_mcp::Members::parse(meta).ok());
    let info = meta.as_ref().and_then(|m| m.get("io.modelcontextprotocol/serverInfo"));
    Ok(ServerFacts {
        version: ProtocolVersion::MODERN,
        capabilities: capabilities.unwrap_or_else(Json::empty_object),
        instructions: members.read("instructions"),
        software: info.and_then(|info| software(&result.part(info))),
    })
}

async fn ask_initialize(link: &dyn Link) -> Result<Json, LinkError> {
    link.agree(ProtocolVersion::NEWEST_LEGACY);
    let params = opening(ProtocolVersion::NEWEST_LEGACY);
    link.ask(Call::new(&Method::Initialize, Some(&params))).await
}

/// The parameters of an `initialize` that asks for `version`.
pub(crate) fn opening(version: ProtocolVersion) -> Json {
    let params = format!(
        "{{\"protocolVersion\":\"{version}\",\"capabilities\":{IN_SESSIONS},\"clientInfo\":{CLIENT_INFO}}}",
    );
    Json::written(params.into_bytes())
}

async fn initialize(link: Arc<dyn Link>) -> Result<Opened, HandshakeError> {
    let answer = ask_initialize(&*link).await;
    let Err(LinkError::NotTaken(cause)) = answer else {
        return finish_initialize(link, answer).await;
    };
    let other = link.otherwise().await;
    let other = other.map_err(|error| {
        HandshakeError::Failed(format!("initialize: {cause}; neither is it otherwise: {error}"))
    })?;
    link.close().await;
    let answer = ask_initialize(&*other).await;
    let opened = finish_initialize(Arc::clone(&other), answer).await;
    if opened.is_err() {
        // Whoever opened the link knows only that one.
        other.close().await;
    }
    opened
}

async fn finish_initialize(
    link: Arc<dyn Link>,
    answer: Result<Json, LinkError>,
) -> Result<Opened, HandshakeError> {
    let result = answer.map_err(|error| failed("initialize", &error))?;
    let malformed = || HandshakeError::Failed("initialize: the answer is malformed".into());
    let members = result.members().map_err(|_| malformed())?;
    let offered: String = members.read("protocolVersion").ok_or_else(malformed)?;
    let version = ProtocolVersion::parse(&offered).filter(|v| v.era() == Era::Legacy);
    let Some(version) = version else {
        return Err(HandshakeError::Failed(format!(
            "initialize: the server insists on revision `{offered}`, which we do not speak",
        )));
    };
    let capabilities = members.get("capabilities").map(|value| result.part(value));
    let info = members.get("serverInfo").map(|info| result.part(info));
    let facts = ServerFacts {
        version,
        capabilities: capabilities.unwrap_or_else(Json::empty_object),
        instructions: members.read("instructions"),
        software: info.and_then(|info| software(&info)),
    };
    link.agree(version);
    let told = link.tell(&Method::Initialized).await;
    told.map_err(|error| failed("notifications/initialized", &error))?;
    Ok(Opened { link, facts })
}

fn software(info: &Json) -> Option<String> {
    let members = info.members().ok()?;
    let name: String = members.read("name")?;
    let version = members.read::<String>("version").unwrap_or_default();
    Some(format!("{name} {version}").trim().chars().filter(|c| !c.is_control()).collect())
}

#[cfg(test)]
mod tests;
