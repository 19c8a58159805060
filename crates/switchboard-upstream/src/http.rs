//! Servers behind streamable HTTP, of both eras.
//!
//! Each request is a POST of its own over a pool of kept-alive connections; its answer is one JSON
//! object or a stream of events that ends with it. What differs between the eras are headers, and
//! where unasked messages come from: a GET stream (legacy) or `subscriptions/listen` (modern).

mod client;
mod exchange;
mod mirror;
mod sessions;
mod sse;
mod unasked_stream;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, RwLock};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream::{self, StreamExt as _};
use http::{HeaderName, HeaderValue, Method as HttpMethod, Request, Uri};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use switchboard_config::Secret;
use switchboard_core::Principal;
use switchboard_egress::Guard;
use switchboard_mcp::{Era, Frame, Json, Method, ProtocolVersion, WireId, encode};
use switchboard_oauth::OauthSettings;
use tokio::sync::{Semaphore, watch};
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

use crate::http::client::{Body, Client, Exchange, SendError};
use crate::http::exchange::{Reading, Tells, finish};
use crate::http::mirror::{VERSION, mirror};
use crate::http::sessions::Sessions;
pub(crate) use crate::http::sessions::ShutOut;
use crate::link::{Call, Link, LinkError};
use crate::login::{Login, Verdict, refusal, sign};
use crate::unasked::{Origin, Unasked};

pub use sse::SseConfig;

/// An address that speaks streamable HTTP.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct HttpConfig {
    /// The address of the MCP endpoint, `http://` or `https://`.
    pub url: String,
    /// Headers sent with every request, such as `Authorization`.
    #[serde(default)]
    pub headers: BTreeMap<String, Secret>,
    /// How to log in, if the server wants that and `headers` has no `Authorization`.
    #[serde(default, skip_serializing_if = "is_default")]
    pub oauth: OauthSettings,
}

fn is_default(settings: &OauthSettings) -> bool {
    *settings == OauthSettings::default()
}

/// How long a server may take to end its session when we leave; nothing depends on it.
const GOODBYE: Duration = Duration::from_secs(1);

/// Sessions that are ended at once: there may be one for each principal.
const GOODBYES: usize = 16;

/// Answers and cancellations on their way at once. Each takes a connection, and a server that asks
/// without end must not get all that a process may have (1,024 descriptors is the common limit).
const REPLIES: usize = 256;

pub(crate) struct HttpLink {
    inner: Arc<Inner>,
}

struct Inner {
    name: Arc<str>,
    client: Arc<Client>,
    /// Path and query, as they stand in the request line.
    target: Uri,
    host: HeaderValue,
    /// How to be let in, where the headers do not say it.
    login: Option<Arc<Login>>,
    headers: Vec<(HeaderName, HeaderValue)>,
    agreed: RwLock<ProtocolVersion>,
    sessions: Sessions,
    /// Something was answered in the session of the link.
    has_worked: AtomicBool,
    shut_out: Arc<ShutOut>,
    next_id: AtomicU64,
    in_flight: AtomicUsize,
    limit: usize,
    gone: watch::Sender<Option<String>>,
    /// Places for messages that nobody waits for.
    replies: Arc<Semaphore>,
    unasked: Arc<Unasked>,
    tasks: TaskTracker,
}

/// What a link over HTTP needs besides its configuration.
pub(crate) struct Outside<'a> {
    pub name: &'a Arc<str>,
    pub in_flight: usize,
    pub tasks: &'a TaskTracker,
    pub guard: &'a Guard,
    pub login: Option<Arc<Login>>,
    pub shut_out: &'a Arc<ShutOut>,
}

impl HttpConfig {
    /// Whether the headers say who we are; then nobody logs in.
    pub fn has_authorization(&self) -> bool {
        self.headers.keys().any(|name| name.eq_ignore_ascii_case("authorization"))
    }

    pub(crate) fn open(
        &self,
        outside: Outside<'_>,
        unasked: Arc<Unasked>,
    ) -> Result<Arc<HttpLink>, String> {
        let uri: Uri = self.url.parse().map_err(|error| format!("url `{}`: {error}", self.url))?;
        if !matches!(uri.scheme_str(), Some("http" | "https")) || uri.authority().is_none() {
            return Err(format!("url `{}` must begin with http:// or https://", self.url));
        }
        let inner = Inner {
            name: Arc::clone(outside.name),
            login: outside.login,
            host: host_header(&uri)?,
            target: uri.path_and_query().map_or(Ok(Uri::from_static("/")), |target| {
                target.as_str().parse().map_err(|error| format!("url `{}`: {error}", self.url))
            })?,
            client: Arc::new(Client::new(uri, outside.guard.clone())),
            headers: sent_headers(&self.headers)?,
            agreed: RwLock::new(ProtocolVersion::MODERN),
            sessions: Sessions::default(),
            has_worked: AtomicBool::new(false),
            shut_out: Arc::clone(outside.shut_out),
            next_id: AtomicU64::new(1),
            in_flight: AtomicUsize::new(0),
            limit: outside.in_flight,
            gone: watch::Sender::new(None),
            replies: Arc::new(Semaphore::new(REPLIES)),
            unasked,
            tasks: outside.tasks.clone(),
        };
        Ok(Arc::new(HttpLink { inner: Arc::new(inner) }))
    }
}

/// The headers of the configuration, as they are sent.
pub(crate) fn sent_headers(
    configured: &BTreeMap<String, Secret>,
) -> Result<Vec<(HeaderName, HeaderValue)>, String> {
    let mut headers = Vec::new();
    for (key, value) in configured {
        let header = HeaderName::try_from(key).map_err(|e| format!("header `{key}`: {e}"))?;
        let mut content = HeaderValue::try_from(value.expose())
            .map_err(|_| format!("the value of header `{key}` cannot be sent in a header"))?;
        content.set_sensitive(true);
        headers.push((header, content));
    }
    Ok(headers)
}

/// The server as it is named to itself: without the user and the password that a URL may have.
fn host_header(uri: &Uri) -> Result<HeaderValue, String> {
    let host = uri.host().unwrap_or_default();
    let host = uri.port().map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"));
    HeaderValue::try_from(host).map_err(|error| format!("the host of the url: {error}"))
}

impl Inner {
    fn version(&self) -> ProtocolVersion {
        *self.agreed.read().expect("no one panics holding it")
    }

    fn end(&self, reason: &str) {
        self.gone.send_modify(|gone| {
            gone.get_or_insert_with(|| reason.to_owned());
        });
        self.unasked.end();
    }

    fn next_id(&self) -> u64 {
        self.next_id.fetch_add(1, Ordering::Relaxed)
    }

    fn request(
        &self,
        method: HttpMethod,
        body: Bytes,
        session: Option<&HeaderValue>,
    ) -> Request<Body> {
        let mut request = Request::new(Body::from(body));
        *request.method_mut() = method;
        *request.uri_mut() = self.target.clone();
        let headers = request.headers_mut();
        headers.reserve(HEADERS + self.headers.len());
        headers.insert(http::header::HOST, self.host.clone());
        headers.insert(http::header::CONTENT_TYPE, JSON);
        headers.insert(http::header::ACCEPT, BOTH);
        for (name, value) in &self.headers {
            headers.insert(name, value.clone());
        }
        if let Some(session) = session {
            headers.insert(SESSION, session.clone());
        }
        request
    }

    /// A request that names the agreed revision, as all do but `initialize`.
    fn versioned(
        &self,
        method: HttpMethod,
        body: Bytes,
        session: Option<&HeaderValue>,
    ) -> Request<Body> {
        let mut request = self.request(method, body, session);
        let version = HeaderValue::from_static(self.version().as_str());
        request.headers_mut().insert(VERSION, version);
        request
    }

    /// Sends a request of `who`, or of our own, and returns the head of its response. The one way
    /// out, so that every refusal is seen here: one that a login can overcome is answered with
    /// another token, once.
    ///
    /// `request` makes the request; it is asked again where it has to be sent again.
    async fn send(
        &self,
        who: Option<&Principal>,
        request: impl Fn() -> Request<Body>,
    ) -> Result<Exchange, SendError> {
        let Some(login) = &self.login else { return self.client.send(request()).await };
        let mut token = login.bearer(who).await.map_err(SendError::Unauthorized)?;
        let mut is_first = true;
        loop {
            let mut signed = request();
            sign(&mut signed, token.as_ref());
            let exchange = self.client.send(signed).await?;
            let Some(refusal) = refusal(exchange.status(), exchange.headers(), token.as_ref())
            else {
                login.accepted(who);
                return Ok(exchange);
            };
            match login.refused(who, refusal).await {
                Verdict::Retry(new) if is_first => token = Some(new),
                Verdict::Retry(_) | Verdict::Stands => return Ok(exchange),
                Verdict::Refused(cause) => {
                    self.tasks.spawn(finish(exchange));
                    return Err(SendError::Unauthorized(cause));
                }
            }
            is_first = false;
            self.tasks.spawn(finish(exchange));
        }
    }

    async fn post(
        &self,
        who: Option<&Principal>,
        request: impl Fn() -> Request<Body>,
    ) -> Result<Exchange, LinkError> {
        self.send(who, request).await.map_err(|error| match error {
            SendError::Connect(cause) => {
                // The owner tries again, with pauses; calls meanwhile get the reason.
                self.end(&cause);
                LinkError::NotSent(cause)
            }
            SendError::Unauthorized(cause) => LinkError::Unauthorized(cause),
            SendError::Broken(_) => LinkError::Lost(error.to_string()),
        })
    }

    async fn ask(self: &Arc<Self>, call: Call<'_>) -> Result<Json, LinkError> {
        let who = call.caller.map(|caller| caller.principal());
        let session = self.session(who).await?;
        let answer = self.ask_in(session.as_ref(), &call).await;
        if matches!(answer, Err(LinkError::NotSent(_))) && self.has_lost(who, session.as_ref()) {
            // Once: a server that forgets sessions at once would go on doing so.
            let session = self.session(who).await?;
            return self.ask_in(session.as_ref(), &call).await;
        }
        answer
    }

    async fn ask_in(
        self: &Arc<Self>,
        session: Option<&HeaderValue>,
        call: &Call<'_>,
    ) -> Result<Json, LinkError> {
        let id = self.next_id();
        let frame = Frame {
            id: Some(WireId(id)),
            method: call.method,
            params: call.params,
            naming: call.naming,
            envelope: call.envelope,
            progress: call.caller.is_some_and(|caller| caller.wants_progress()),
        };
        let body = Bytes::from(frame.encode()?);
        let request = || {
            let mut request = self.request(HttpMethod::POST, body.clone(), session);
            mirror(&mut request, self.version(), call);
            request
        };
        let who = call.caller.map(|caller| caller.principal());
        let _open = call.caller.map(|caller| self.unasked.calls.enter(id, caller));
        let mut unanswered =
            Unanswered { link: self, id, who, cancel: *call.method != Method::Initialize };
        let response = match self.post(who, request).await {
            Ok(response) => response,
            Err(error) => {
                // There is no connection to a server that could stop.
                unanswered.cancel &= matches!(error, LinkError::Lost(_));
                return Err(error);
            }
        };
        if *call.method == Method::Initialize
            && let Some(session) = response.headers().get(SESSION)
        {
            self.sessions.begin(session.clone());
        }
        let reading = Reading {
            link: self,
            id: Some(id),
            origin: call.caller.map_or(Origin::Own, |caller| Origin::Call(Arc::clone(caller))),
            who,
            acknowledged: call.acknowledged.clone(),
            session,
            tells: Tells::of(call.method),
        };
        let answer = reading.answer(response).await;
        unanswered.cancel = false;
        if session.is_some() && answer.is_ok() {
            self.has_worked.store(true, Ordering::Relaxed);
        }
        answer
    }

    /// Sends a message that has no answer.
    async fn tell(&self, who: Option<&Principal>, body: Vec<u8>) -> Result<(), LinkError> {
        self.tell_in(self.known_session(who).as_ref(), who, body).await
    }

    async fn tell_in(
        &self,
        session: Option<&HeaderValue>,
        who: Option<&Principal>,
        body: Vec<u8>,
    ) -> Result<(), LinkError> {
        let body = Bytes::from(body);
        let request = || self.versioned(HttpMethod::POST, body.clone(), session);
        let exchange = self.post(who, request).await?;
        match exchange.status() {
            status if status.is_success() => {
                self.tasks.spawn(finish(exchange));
                Ok(())
            }
            status => Err(LinkError::Lost(format!("the server answered {status}"))),
        }
    }

    /// Sends what nobody waits for; lost where too much of it is on its way already.
    fn say(self: &Arc<Self>, who: Option<Principal>, body: Vec<u8>) {
        let Ok(place) = Arc::clone(&self.replies).try_acquire_owned() else { return };
        let link = Arc::clone(self);
        self.tasks.spawn(async move {
            let _place = place;
            if let Err(error) = link.tell(who.as_ref(), body).await {
                tracing::debug!(upstream = &*link.name, %error, "a message was not taken");
            }
        });
    }
}

/// A request that is given up if this is dropped. A server of the modern era sees the connection
/// close, which is the cancellation there; a legacy server must be told.
struct Unanswered<'a> {
    link: &'a Arc<Inner>,
    id: u64,
    who: Option<&'a Principal>,
    cancel: bool,
}

impl Drop for Unanswered<'_> {
    fn drop(&mut self) {
        if self.cancel && self.link.version().era() == Era::Legacy {
            let calls = &self.link.unasked.calls;
            if calls.give_up(self.id) {
                // What is about it came on its stream, if its server knows that rule.
                calls.heard(Instant::now());
            }
            let params = Json::encode(&serde_json::json!({ "requestId": self.id }));
            let body = encode::notification(&Method::Cancelled, Some(&params));
            self.link.say(self.who.cloned(), body);
        }
    }
}

/// Counts a request while it is under way.
struct Slot<'a>(&'a AtomicUsize);

impl Drop for Slot<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

#[async_trait]
impl Link for HttpLink {
    async fn ask(&self, call: Call<'_>) -> Result<Json, LinkError> {
        let waiting = self.inner.in_flight.fetch_add(1, Ordering::AcqRel);
        let _slot = Slot(&self.inner.in_flight);
        if waiting >= self.inner.limit {
            let limit = self.inner.limit;
            return Err(LinkError::Full(format!(
                "{limit} calls are already waiting for this upstream"
            )));
        }
        self.inner.ask(call).await
    }

    async fn tell(&self, method: &Method) -> Result<(), LinkError> {
        self.inner.tell(None, encode::notification(method, None)).await?;
        // `initialized` is the one notification there is: the session is open now.
        if *method == Method::Initialized {
            self.inner.tasks.spawn(Arc::clone(&self.inner).listen());
        }
        Ok(())
    }

    fn agree(&self, version: ProtocolVersion) {
        *self.inner.agreed.write().expect("no one panics holding it") = version;
        self.inner.unasked.agree(version);
    }

    fn answers_everything(&self) -> bool {
        true
    }

    fn is_over(&self) -> bool {
        self.inner.gone.borrow().is_some()
    }

    async fn lost(&self) -> String {
        let mut gone = self.inner.gone.subscribe();
        let reason = gone.wait_for(Option::is_some).await.ok().and_then(|reason| reason.clone());
        reason.unwrap_or_else(|| "the link was closed".to_owned())
    }

    async fn close(&self) {
        self.inner.end("the link was closed");
        let open = stream::iter(self.inner.sessions.take());
        let ending = open.for_each_concurrent(GOODBYES, |(who, session)| async move {
            let inner = &self.inner;
            let request = || inner.versioned(HttpMethod::DELETE, Bytes::new(), Some(&session));
            // Servers may refuse (405) or be gone; a session then ends by itself.
            let _ = inner.send(who.as_ref(), request).await;
        });
        let _ = tokio::time::timeout(GOODBYE, ending).await;
    }

    async fn otherwise(&self) -> Result<Arc<dyn Link>, String> {
        let inner = &self.inner;
        if inner.login.as_ref().is_some_and(|login| login.is_per_principal()) {
            return Err(
                "HTTP+SSE has one session for all, and `http.oauth.per_principal` is set".into()
            );
        }
        tracing::debug!(upstream = &*inner.name, "tried over HTTP+SSE");
        Ok(Arc::new(sse::behind(inner).await?))
    }
}

/// Headers of a request besides those of the configuration.
const HEADERS: usize = 8;

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const EVENTS: HeaderValue = HeaderValue::from_static("text/event-stream");
const BOTH: HeaderValue = HeaderValue::from_static("application/json, text/event-stream");
const SESSION: HeaderName = HeaderName::from_static("mcp-session-id");
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");
