//! A conversation with one server, in the era that the two of us agreed on.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use switchboard_core::{Context, Error, Request, Response};
use switchboard_mcp::{Era, Json, Method, Naming, ProtocolVersion};

use crate::caller::Caller;
use crate::declared::IN_OWN_REQUESTS;
use crate::level::SessionLevel;
use crate::link::{Acknowledged, Call, Link, LinkError};
use crate::silence::Silence;
use crate::timeout::within;
use crate::tool_headers::ToolHeaders;

/// An open conversation.
pub(crate) struct Session {
    pub name: Arc<str>,
    pub link: Arc<dyn Link>,
    pub facts: ServerFacts,
    pub limits: Limits,
    pub log_level: SessionLevel,
    /// Whether what a request says stands in its headers too.
    pub over_http: bool,
    pub tool_headers: Arc<ToolHeaders>,
    pub silence: Arc<Silence>,
}

/// What the server said when the conversation was opened.
#[derive(Clone, Debug)]
pub(crate) struct ServerFacts {
    pub version: ProtocolVersion,
    pub capabilities: Json,
    pub instructions: Option<String>,
    /// `name version` of the software, for people.
    pub software: Option<String>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    pub quiet: Duration,
    pub total: Duration,
}

impl Session {
    /// Asks something of our own, such as a list.
    pub(crate) async fn ask(
        &self,
        method: &Method,
        params: Option<&Json>,
    ) -> Result<Json, LinkError> {
        let asking = self.silence.ask();
        let answer = self.ask_aside(method, params).await;
        if answer.as_ref().err().is_none_or(LinkError::is_answer) {
            asking.answered();
        }
        answer
    }

    /// Asks whether the server is there, in a way that leads to nothing else: `ping`, which went
    /// with 2026-07-28, or `server/discover`.
    pub(crate) async fn check(&self) -> Result<Json, LinkError> {
        let method = match self.facts.version.era() {
            Era::Legacy => Method::Ping,
            Era::Modern => Method::Discover,
        };
        self.ask_aside(&method, None).await
    }

    /// Asks what is not counted as a request that the server is at work on.
    async fn ask_aside(&self, method: &Method, params: Option<&Json>) -> Result<Json, LinkError> {
        let envelope = envelope(self.facts.version, None);
        let call = Call { envelope: &envelope, ..Call::new(method, params) };
        self.link.ask(call).await
    }

    /// Opens a subscription (`subscriptions/listen`); resolves when the server has ended it. What
    /// the server acknowledges goes to `acknowledged`.
    pub(crate) async fn listen(
        &self,
        params: Json,
        acknowledged: Acknowledged,
    ) -> Result<Json, LinkError> {
        let envelope = envelope(self.facts.version, None);
        let call = Call::new(&Method::Listen, Some(&params));
        let acknowledged = Some(acknowledged);
        self.link.ask(Call { envelope: &envelope, acknowledged, ..call }).await
    }

    /// Whether another session is needed: nothing can be asked any more.
    pub(crate) fn is_over(&self) -> bool {
        self.link.is_over()
    }

    fn error(&self, error: LinkError) -> Error {
        let upstream = self.name.to_string();
        match error {
            LinkError::NotSent(cause) => Error::Unavailable { upstream, cause },
            LinkError::NotTaken(cause) | LinkError::Declined(cause) => {
                Error::Declined { upstream, cause }
            }
            LinkError::Unauthorized(cause) => Error::Unauthorized { upstream, cause },
            LinkError::Busy(cause) | LinkError::Full(cause) => Error::Busy { upstream, cause },
            LinkError::Lost(cause) | LinkError::Failed(cause) => Error::Lost { upstream, cause },
            LinkError::Refused(error) => Error::Server { error, version: self.facts.version },
            LinkError::Malformed(error) => Error::Invalid(error.to_string()),
        }
    }
}

impl Session {
    /// Asks the server on behalf of a client.
    pub(crate) async fn request(
        &self,
        context: &Context,
        request: &Request,
    ) -> Result<Response, Error> {
        let caller = Caller::new(context);
        let envelope = envelope(self.facts.version, Some(context));
        let mirrored = self.over_http && self.facts.version.era() == Era::Modern;
        let headers = if mirrored { self.tool_headers.of(request) } else { Vec::new() };
        let call = Call {
            method: &request.method,
            params: request.params.as_ref(),
            naming: naming(request),
            envelope: &envelope,
            caller: Some(&caller),
            acknowledged: None,
            headers: &headers,
        };
        let limits = (self.limits.quiet, self.limits.total);
        let asking = async {
            if let Some(level) = context.log_level {
                self.log_level.lower(self, level).await;
            }
            self.link.ask(call).await
        };
        let waiting = self.silence.ask();
        let answer = within(limits, &caller, asking).await;
        match &answer {
            Ok(answer) if answer.as_ref().err().is_none_or(LinkError::is_answer) => {
                waiting.answered();
            }
            _ => drop(waiting),
        }
        let answer = match answer {
            Ok(Ok(result)) => Ok(Response::new(result, self.facts.version)),
            Ok(Err(error)) => Err(self.error(error)),
            Err(limit) => Err(Error::TimedOut { upstream: self.name.to_string(), limit }),
        };
        let has_failed = match &answer {
            Ok(response) => response.is_tool_error(),
            Err(error) => matches!(error, Error::Server { .. }),
        };
        match caller.missing().filter(|_| has_failed) {
            Some(missing) => Err(Error::Refused(missing)),
            None => answer,
        }
    }
}

/// Where the name stands in the parameters of this method.
fn naming(request: &Request) -> Naming<'_> {
    let Some(name) = request.name.as_deref() else {
        return Naming::Same;
    };
    match request.method.subject() {
        Some(member) => Naming::Member(member, name),
        None if request.method == Method::Complete => {
            let reference = request.params.as_ref().and_then(reference_member);
            reference.map_or(Naming::Same, |member| Naming::Reference(member, name))
        }
        None => Naming::Same,
    }
}

/// `name` for a reference to a prompt, `uri` for one to a resource template.
fn reference_member(params: &Json) -> Option<&'static str> {
    let members = params.members().ok()?;
    let reference = switchboard_mcp::Members::parse(members.get("ref")?).ok()?;
    ["name", "uri"].into_iter().find(|member| reference.get(member).is_some())
}

/// The members of `_meta` that a server of this revision requires (2026-07-28, "`_meta`"), for the
/// request of a client or for one of our own.
///
/// What the server may ask back it gets from the client, so the capabilities are the client's; of
/// a request of our own they are those of all clients, because what it lists is shown to all.
pub(crate) fn envelope(
    version: ProtocolVersion,
    context: Option<&Context>,
) -> Vec<(&'static str, Cow<'_, str>)> {
    if version.era() == Era::Legacy {
        return Vec::new();
    }
    let capabilities = context.map_or(IN_OWN_REQUESTS, |it| it.capabilities.as_str());
    let mut envelope = vec![
        ("io.modelcontextprotocol/protocolVersion", Cow::Owned(format!("\"{version}\""))),
        ("io.modelcontextprotocol/clientInfo", Cow::Borrowed(CLIENT_INFO)),
        ("io.modelcontextprotocol/clientCapabilities", Cow::Borrowed(capabilities)),
    ];
    if let Some(level) = context.and_then(|context| context.log_level) {
        let level = Cow::Owned(format!("\"{}\"", level.as_str()));
        envelope.push(("io.modelcontextprotocol/logLevel", level));
    }
    envelope
}

/// Our own `Implementation`, as JSON.
pub(crate) const CLIENT_INFO: &str =
    concat!("{\"name\":\"switchboard\",\"version\":\"", env!("CARGO_PKG_VERSION"), "\"}");
