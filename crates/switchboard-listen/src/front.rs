//! What is the same for every listener: who we are, and a request from its parameters to its
//! answer in the client's revision.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex};

use switchboard_core::limit::Notice;
use switchboard_core::{CallerId, Context, Gateway, Kind, Peer, Principal, Request, Session};
use switchboard_mcp::{
    ClientCapabilities, Envelope, Era, Hint, Json, LogLevel, Members, Method, Object,
    ProtocolVersion, RpcError, Scope, code, to_client,
};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::callback::Callbacks;
use crate::meter::{Meter, Unmetered};
use crate::park::Parking;
use crate::shares::Share;

/// What listeners share.
pub struct Front {
    pub gateway: Arc<Gateway>,
    pub tasks: TaskTracker,
    /// Cancelled when the daemon begins to stop: long streams end, calls go on.
    pub draining: CancellationToken,
    pub(crate) meter: Arc<dyn Meter>,
    pub(crate) parking: Parking,
    /// Conversations that are open, by the listener they came over.
    conversations: Arc<Mutex<BTreeMap<&'static str, usize>>>,
    server_info: Json,
}

/// Whose request it is, and what holds for it.
#[derive(Clone)]
pub(crate) struct Caller {
    pub principal: Principal,
    /// The revision the client speaks.
    pub version: ProtocolVersion,
    /// The same for all requests of one session.
    pub id: CallerId,
    pub capabilities: ClientCapabilities,
    /// From which level on the client asked for log messages.
    pub log_level: Option<LogLevel>,
    /// What it belongs to and outlasts it.
    pub session: Option<Session>,
}

/// A request whose parameters have been looked at.
pub(crate) struct Asked {
    pub method: Method,
    pub params: Option<Json>,
    pub envelope: Envelope,
    /// Its place among the requests under way, where they are counted; free when it is answered.
    pub slot: Option<Share>,
    /// Where the client is in the network.
    pub address: Option<IpAddr>,
    /// Hears what the limits say, where somebody wants to know.
    pub notice: Option<Arc<Notice>>,
    /// Whether whoever brought it shows it itself to those who watch.
    pub is_shown: bool,
    /// It brings a `requestState` (2026-07-28, "Multi round-trip requests").
    pub is_retry: bool,
    name: Option<String>,
}

/// How long a client of 2026-07-28 may keep a list as far as we know ourselves: servers come and go.
/// A change is announced to those that listen; for the others five seconds is how stale a list may
/// be.
const LIST_HINT: Hint = Hint { ttl_ms: 5_000, scope: Scope::Private };

impl Front {
    pub fn new(gateway: Arc<Gateway>, tasks: TaskTracker, draining: CancellationToken) -> Self {
        let info = serde_json::json!({
            "name": "switchboard",
            "title": "Switchboard",
            "version": env!("CARGO_PKG_VERSION"),
        });
        Self {
            gateway,
            tasks,
            draining,
            meter: Arc::new(Unmetered),
            parking: Parking::default(),
            conversations: Arc::default(),
            server_info: Json::encode(&info),
        }
    }

    /// Tells `meter` what is worth counting.
    #[must_use]
    pub fn with_meter(self, meter: Arc<dyn Meter>) -> Self {
        Self { meter, ..self }
    }

    /// The same in front of another gateway, counted together; ends with `draining`, which ends
    /// with ours.
    #[must_use]
    pub fn beside(&self, gateway: Arc<Gateway>, draining: CancellationToken) -> Self {
        Self {
            gateway,
            tasks: self.tasks.clone(),
            draining,
            meter: Arc::clone(&self.meter),
            parking: Parking::default(),
            conversations: Arc::clone(&self.conversations),
            server_info: self.server_info.clone(),
        }
    }

    pub(crate) fn count_conversation(
        &self,
        listener: &'static str,
        change: impl Fn(usize) -> usize,
    ) {
        let mut conversations = self.conversations.lock().expect("no one panics holding it");
        let open = conversations.entry(listener).or_default();
        *open = change(*open);
        self.meter.sessions(listener, *open);
    }

    /// Asks the gateway and puts the answer into the client's revision. `client` takes what the
    /// server reports and asks on the way; see [`park`](crate::park) and
    /// [`callback`](crate::callback) for those of the two eras.
    pub(crate) async fn ask(
        &self,
        caller: Caller,
        asked: Asked,
        client: Option<Arc<dyn Peer>>,
    ) -> Result<Json, RpcError> {
        let _slot = asked.slot;
        let version = caller.version;
        let context = Context {
            principal: caller.principal,
            version,
            caller: caller.id,
            capabilities: caller.capabilities,
            wants_progress: client.is_some() && asked.envelope.progress_token.is_some(),
            client,
            log_level: caller.log_level,
            session: caller.session,
            endpoint: None,
            deadline: None,
            address: asked.address,
            notice: asked.notice,
            trail: None,
            is_shown: asked.is_shown,
        };
        let method = asked.method.clone();
        let request = Request { method: asked.method, params: asked.params, name: asked.name };
        let response = self.gateway.request(&context, request).await;
        let response = response.map_err(|error| error.to_rpc(version, &method))?;
        let route = (response.version, version);
        let hint = self.hint(&method);
        to_client(response.result, route, hint, &self.server_info).map_err(|error| {
            RpcError::new(code::INTERNAL, format!("the server's result is malformed: {error}"))
        })
    }

    /// What stands where a result must say how long it holds and does not (2026-07-28, "Caching").
    fn hint(&self, method: &Method) -> Option<Hint> {
        let kind = match method {
            Method::ToolsList => Kind::Tools,
            Method::PromptsList => Kind::Prompts,
            Method::ResourcesList => Kind::Resources,
            Method::TemplatesList => Kind::Templates,
            // What these say may change at any time.
            Method::ResourcesRead | Method::SkillsList | Method::SkillsGet => {
                return Some(Hint::NONE);
            }
            _ => return None,
        };
        let parts = self.gateway.hint(kind);
        let held = |parts: Hint| Hint { ttl_ms: parts.ttl_ms.min(LIST_HINT.ttl_ms), ..parts };
        Some(parts.map_or(LIST_HINT, held))
    }

    /// A result of our own for a client of 2026-07-28.
    pub(crate) fn own_result(&self, result: Json) -> Json {
        let route = (ProtocolVersion::MODERN, ProtocolVersion::MODERN);
        to_client(result, route, None, &self.server_info).expect("an object of our own")
    }

    /// The answer to `initialize`, and the revision that now holds.
    pub(crate) fn initialize(
        &self,
        principal: &Principal,
        params: Option<&Json>,
    ) -> Result<(ProtocolVersion, Json), RpcError> {
        let requested = params
            .and_then(|params| params.members().ok()?.read::<String>("protocolVersion"))
            .ok_or_else(|| invalid("`protocolVersion` must be a string"))?;
        let version = ProtocolVersion::negotiate(&requested);
        let facts = self.gateway.facts(Era::Legacy, principal);
        let mut out = Vec::new();
        let mut object = Object::open(&mut out);
        object.text("protocolVersion", version.as_str());
        object.raw("capabilities", facts.capabilities.as_bytes());
        object.raw("serverInfo", self.server_info.as_bytes());
        if let Some(instructions) = &facts.instructions {
            object.text("instructions", instructions);
        }
        object.close();
        Ok((version, Json::written(out)))
    }

    /// Acts on `logging/setLevel`: it holds for what is said to this client, and is known to servers
    /// from its next request on.
    ///
    /// # Errors
    ///
    /// What the client gets for a level that there is not, or where no server has log messages.
    pub(crate) fn set_level(
        &self,
        principal: &Principal,
        callbacks: &Callbacks,
        asked: &Asked,
    ) -> Result<(), RpcError> {
        let facts = self.gateway.facts(Era::Legacy, principal);
        let offered = facts.capabilities.members().is_ok_and(|it| it.get("logging").is_some());
        if !offered {
            let message = "no server here has log messages";
            return Err(RpcError::new(code::METHOD_NOT_FOUND, message));
        }
        let members = asked.params.as_ref().and_then(|params| params.members().ok());
        let level = members.and_then(|members| members.read::<String>("level"));
        let level = level.ok_or_else(|| invalid("`level` must be a string"))?;
        callbacks.set_level(log_level(&level)?);
        Ok(())
    }

    /// The answer to `server/discover` (2026-07-28, "Discovery"). Only revisions of that era are
    /// named: the others are reached by `initialize`.
    pub(crate) fn discover(&self, principal: &Principal) -> Json {
        let facts = self.gateway.facts(Era::Modern, principal);
        let mut out = Vec::new();
        let mut object = Object::open(&mut out);
        object.raw("supportedVersions", format!("[\"{}\"]", ProtocolVersion::MODERN).as_bytes());
        object.raw("capabilities", facts.capabilities.as_bytes());
        if let Some(instructions) = &facts.instructions {
            object.text("instructions", instructions);
        }
        object.close();
        let route = (ProtocolVersion::MODERN, ProtocolVersion::MODERN);
        to_client(Json::written(out), route, Some(LIST_HINT), &self.server_info)
            .expect("an object of our own")
    }
}

impl Caller {
    /// Who sends a request of 2026-07-28: each says everything about itself.
    ///
    /// # Errors
    ///
    /// What the client gets where it wants log messages of a level that there is not.
    pub(crate) fn stateless(principal: Principal, envelope: &Envelope) -> Result<Self, RpcError> {
        let log_level = envelope.log_level.as_deref().map(log_level).transpose()?;
        let capabilities = match &envelope.client_capabilities {
            // Most clients declare nothing, and an empty object need not be read.
            Some(declared) if declared.as_bytes() != b"{}" => {
                ClientCapabilities::read(declared.clone())
            }
            _ => ClientCapabilities::none(),
        };
        let version = ProtocolVersion::MODERN;
        let id = CallerId::unique();
        Ok(Self { principal, version, id, capabilities, log_level, session: None })
    }
}

/// What the client of a session declares in the parameters of `initialize`.
pub(crate) fn declared(params: Option<&Json>) -> ClientCapabilities {
    let declared = params.and_then(|params| {
        let members = params.members().ok()?;
        Some(params.part(members.get("capabilities")?))
    });
    declared.map(ClientCapabilities::read).unwrap_or_default()
}

/// Reads a level of log messages.
///
/// # Errors
///
/// What the client gets for one that there is not (all revisions, "Logging").
pub(crate) fn log_level(name: &str) -> Result<LogLevel, RpcError> {
    LogLevel::parse(name).ok_or_else(|| invalid(format!("`{name}` is none of the log levels")))
}

impl Asked {
    /// Reads what routing needs out of the parameters.
    ///
    /// # Errors
    ///
    /// What the client gets where they are not what the method needs.
    pub(crate) fn read(method: Method, params: Option<Json>) -> Result<Self, RpcError> {
        let Some(text) = params else {
            return match method.subject() {
                Some(member) => Err(invalid(format!("`{member}` is missing"))),
                None => Ok(Self {
                    method,
                    params: None,
                    envelope: Envelope::default(),
                    slot: None,
                    address: None,
                    notice: None,
                    is_shown: false,
                    is_retry: false,
                    name: None,
                }),
            };
        };
        let members = text.members().map_err(|error| invalid(format!("`params`: {error}")))?;
        let envelope =
            Envelope::read(&text, &members).map_err(|error| invalid(error.to_string()))?;
        let name = match method.subject() {
            // Refused whatever it says, because the revision does not have it.
            Some(_) if envelope.is_modern() && is_of_sessions(&method) => None,
            Some(member) => {
                let name = members.read::<String>(member);
                Some(name.ok_or_else(|| invalid(format!("`{member}` must be a string")))?)
            }
            None if method == Method::Complete => Some(reference(&members)?),
            None => None,
        };
        let is_retry = members.get("requestState").is_some();
        Ok(Self {
            method,
            params: Some(text),
            envelope,
            slot: None,
            address: None,
            notice: None,
            is_shown: false,
            is_retry,
            name,
        })
    }

    /// What a header may repeat of the body (2026-07-28, `Mcp-Name`).
    pub(crate) fn name(&self) -> Option<&str> {
        self.method.subject().and(self.name.as_deref())
    }
}

fn reference(members: &Members<'_>) -> Result<String, RpcError> {
    let reference = members.get("ref").and_then(|value| Members::parse(value).ok());
    let reference = reference.ok_or_else(|| invalid("`ref` must be an object"))?;
    reference
        .read("name")
        .or_else(|| reference.read("uri"))
        .ok_or_else(|| invalid("`ref` must have a `name` or a `uri`"))
}

/// Whether a method is one of sessions, which 2026-07-28 does not have.
pub(crate) fn is_of_sessions(method: &Method) -> bool {
    matches!(
        method,
        Method::Initialize
            | Method::Ping
            | Method::SetLevel
            | Method::Subscribe
            | Method::Unsubscribe
            | Method::TasksList
            | Method::TasksResult
    )
}

pub(crate) fn invalid(message: impl Into<String>) -> RpcError {
    RpcError::new(code::INVALID_PARAMS, message.into())
}
