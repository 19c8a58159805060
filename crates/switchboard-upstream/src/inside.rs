//! Servers that are peers inside this process: requests go to them as they are, and nothing is
//! written down on the way.
//!
//! What such a server lists is known before it is opened, so it is in the catalog at once, and the
//! same for as long as it is this server: one that lists something else is another.

use std::fmt;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use switchboard_core::{Context, Error, Lists, Notification, Peer, Principal, Request, Response};
use switchboard_mcp::{Json, Method, Naming, ProtocolVersion};
use switchboard_process::StderrRing;
use tokio_util::sync::CancellationToken;

use crate::caller::Caller;
use crate::link::{Call, Link, LinkError};

/// A peer that is served as an upstream.
#[derive(Clone)]
pub struct InsideConfig {
    /// What kind of server it is, for people.
    pub kind: &'static str,
    /// Tells it from every other, and from the same in another version.
    pub identity: String,
    pub peer: Arc<dyn Peer>,
    /// All that it offers. Whatever it answers is of this revision, 2026-07-28.
    pub lists: Arc<Lists>,
    /// What it writes, as a child would to its standard error.
    pub log: StderrRing,
    /// Its version, for people.
    pub version: String,
    /// What is wrong with it.
    pub remark: Remark,
}

/// Something that people are told of a server while it is served. Clones say the same.
#[derive(Clone, Debug, Default)]
pub struct Remark(Arc<Mutex<Option<String>>>);

impl Remark {
    pub fn say(&self, what: String) {
        *self.0.lock().expect("no one panics holding it") = Some(what);
    }

    pub fn clear(&self) {
        *self.0.lock().expect("no one panics holding it") = None;
    }

    pub fn said(&self) -> Option<String> {
        self.0.lock().expect("no one panics holding it").clone()
    }
}

impl PartialEq for InsideConfig {
    fn eq(&self, other: &Self) -> bool {
        (self.kind, &self.identity) == (other.kind, &other.identity)
    }
}

impl fmt::Debug for InsideConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("InsideConfig")
            .field("kind", &self.kind)
            .field("identity", &self.identity)
            .finish_non_exhaustive()
    }
}

pub(crate) struct InsideLink {
    peer: Arc<dyn Peer>,
    /// The answer to `server/discover`.
    discovered: Json,
    /// For whom requests are that no client makes.
    owner: Principal,
    over: CancellationToken,
}

impl InsideConfig {
    /// # Errors
    ///
    /// It is there for its remark only.
    pub(crate) fn open(&self, name: &str, owner: Principal) -> Result<InsideLink, String> {
        if let (None, Some(remark)) = (self.lists.version, self.remark.said()) {
            return Err(remark);
        }
        let offered = self.lists.offered.as_ref().map_or("{}", Json::as_str);
        let instructions = self.lists.instructions.as_deref().map(|text| {
            let text = serde_json::Value::from(text);
            format!(",\"instructions\":{text}")
        });
        let (name, version) =
            (serde_json::Value::from(name), serde_json::Value::from(&*self.version));
        let discovered = format!(
            "{{\"supportedVersions\":[\"{}\"],\"capabilities\":{offered}{},\
             \"_meta\":{{\"io.modelcontextprotocol/serverInfo\":{{\"name\":{name},\"version\":{version}}}}}}}",
            ProtocolVersion::MODERN,
            instructions.unwrap_or_default(),
        );
        Ok(InsideLink {
            peer: Arc::clone(&self.peer),
            discovered: Json::written(discovered.into_bytes()),
            owner,
            over: CancellationToken::new(),
        })
    }
}

#[async_trait]
impl Link for InsideLink {
    async fn ask(&self, call: Call<'_>) -> Result<Json, LinkError> {
        if *call.method == Method::Discover {
            return Ok(self.discovered.clone());
        }
        let context = match call.caller {
            Some(caller) => Context {
                version: ProtocolVersion::MODERN,
                client: Some(Arc::new(Client(Arc::clone(caller)))),
                ..caller.context().clone()
            },
            None => Context::new(self.owner.clone(), ProtocolVersion::MODERN),
        };
        let request = Request {
            method: call.method.clone(),
            params: call.params.cloned(),
            name: match call.naming {
                Naming::Member(_, name) | Naming::Reference(_, name) => Some(name.to_owned()),
                Naming::Same => None,
            },
        };
        tokio::select! {
            answer = self.peer.request(&context, request) => match answer {
                Ok(response) => Ok(response.result),
                Err(error) => Err(link_error(error, call.method)),
            },
            () = self.over.cancelled() => Err(LinkError::Lost("it was stopped".to_owned())),
        }
    }

    async fn tell(&self, method: &Method) -> Result<(), LinkError> {
        self.peer.notify(Notification { method: method.clone(), params: None });
        Ok(())
    }

    fn agree(&self, _: ProtocolVersion) {}

    fn is_over(&self) -> bool {
        self.over.is_cancelled()
    }

    async fn lost(&self) -> String {
        self.over.cancelled().await;
        "it was stopped".to_owned()
    }

    async fn close(&self) {
        self.over.cancel();
    }

    fn answers_everything(&self) -> bool {
        true
    }
}

fn link_error(error: Error, method: &Method) -> LinkError {
    match error {
        Error::Unavailable { cause, .. } => LinkError::NotSent(cause),
        Error::Declined { cause, .. } => LinkError::Declined(cause),
        Error::Unauthorized { cause, .. } => LinkError::Unauthorized(cause),
        Error::Busy { cause, .. } => LinkError::Busy(cause),
        Error::Lost { cause, .. } => LinkError::Lost(cause),
        Error::Server { error, .. } | Error::Refused(error) => LinkError::Refused(error),
        error => LinkError::Refused(error.to_rpc(ProtocolVersion::MODERN, method)),
    }
}

/// The client of a call, as the peer reaches it: what it hears counts as a sign of life.
struct Client(Arc<Caller>);

#[async_trait]
impl Peer for Client {
    async fn request(&self, _: &Context, request: Request) -> Result<Response, Error> {
        let Request { method, params, .. } = request;
        if let Err(missing) = self.0.covers(&method, params.as_ref()) {
            return Err(Error::Refused(self.0.refuse(missing)));
        }
        let answer = self.0.ask(method, params).await.map_err(Error::Refused)?;
        Ok(Response::new(answer, ProtocolVersion::MODERN))
    }

    fn notify(&self, Notification { method, params }: Notification) {
        match method {
            Method::Progress => self.0.progress(params),
            method => self.0.report(method, params),
        }
    }
}
