//! Streamable HTTP of all revisions at `/mcp`, HTTP+SSE at `/sse`, `WebSocket` at `/ws`, and what
//! operators ask: `/health`, `/metrics`.
//!
//! The way of a POST: [`door`] (who addresses us, from where, with which key) → [`post`] (what kind
//! of message it is) → [`modern`] or [`legacy`] → the [`Front`] → [`answer`] (one JSON object, or
//! events if there is something to say on the way, or it takes long). All of it ends with the key
//! that let it in: [`revoked`].

mod annex;
mod answer;
mod client_address;
mod config;
mod cors;
mod door;
mod legacy;
mod limited;
mod message;
mod modern;
mod places;
mod post;
mod revoked;
mod room;
mod sessions;
mod sse;
mod tenants;
mod tls;
mod websocket;

use std::net::{IpAddr, SocketAddr};
use std::os::fd::{AsFd, BorrowedFd};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use http::{Method, Request, Response, StatusCode, header};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use switchboard_core::{Admitted, Login, Principal, Tenant};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub use annex::{Access, Annex, AnnexBody, NoAnnex, Visit};
pub use client_address::{ClientAddress, Network, NoNetwork};
pub use config::HttpConfig;
pub use tenants::{NoFront, OnlyDefault, Tenants};
pub use tls::{TlsConfig, TlsError};

use crate::at_once::AtOnce;
use crate::bounds::Bounds;
use crate::front::Front;
use crate::http::client_address::client_address;
use crate::http::door::{Door, Presented};
use crate::http::limited::Guesses;
use crate::http::message::{Reply, refuse, text};
use crate::http::places::{Guarded, Place, Places, Work};
use crate::http::room::turn_away;
use crate::http::sessions::Sessions;
use crate::http::sse::Streams;
use crate::http::tenants::{Directory, Target};
use crate::http::tls::Tls;
use crate::steady::Steady;

/// What operators ask, and what is counted for them.
pub trait Operations: Send + Sync {
    /// The body of `GET /health`, and whether the daemon takes requests.
    fn health(&self) -> (bool, String);
    /// The body and the content type of `GET /metrics`.
    fn metrics(&self) -> (String, &'static str);
    /// A request was answered.
    fn answered(&self, route: Route, status: u16);
    /// A request was refused before anybody looked at what it asks.
    fn rejected(&self, reason: &'static str);
}

/// The addresses that are served, for counting.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Route {
    Mcp,
    /// The stream of HTTP+SSE.
    Sse,
    /// Where clients of HTTP+SSE send their messages.
    Messages,
    WebSocket,
    Health,
    Metrics,
    /// What is served beside MCP, or nothing.
    Annex,
}

/// A bound listener.
pub struct HttpListener {
    socket: TcpListener,
    address: SocketAddr,
    tls: Option<Arc<Tls>>,
    bounds: Bounds,
}

/// Who a listener turns to.
pub struct FrontDesk {
    pub front: Arc<Front>,
    pub login: Arc<dyn Login>,
    pub operations: Arc<dyn Operations>,
    pub tenants: Arc<dyn Tenants>,
    pub annex: Arc<dyn Annex>,
}

impl FrontDesk {
    /// One that has the default tenant, and nothing beside MCP.
    pub fn new(front: Arc<Front>, login: Arc<dyn Login>, operations: Arc<dyn Operations>) -> Self {
        let (tenants, annex) = (Arc::new(OnlyDefault), Arc::new(NoAnnex));
        Self { front, login, operations, tenants, annex }
    }
}

/// What every request of one tenant needs that comes over one listener.
pub(crate) struct Service {
    pub tenant: Tenant,
    pub front: Arc<Front>,
    pub sessions: Sessions,
    pub streams: Arc<Streams>,
    // From here on the same for all tenants.
    pub config: Arc<HttpConfig>,
    pub door: Arc<Door>,
    pub login: Arc<dyn Login>,
    pub operations: Arc<dyn Operations>,
    pub annex: Arc<dyn Annex>,
    pub directory: Arc<Directory>,
    pub bounds: Bounds,
    pub places: Arc<Places>,
    pub guesses: Arc<Guesses>,
}

/// Why the listener cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Someone has to edit the configuration.
    #[error("{0}")]
    Refused(String),
    /// The certificate cannot be shown.
    #[error("http.tls: {0}")]
    Tls(#[from] TlsError),
    /// The system says no: the port is taken, or not ours to take.
    #[error("cannot listen on {address}")]
    System {
        address: SocketAddr,
        #[source]
        cause: std::io::Error,
    },
}

/// For whoever is to listen on it after us.
impl AsFd for HttpListener {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

/// How long to wait where a connection could not be accepted: what the system lacks is not there
/// again at once, and trying without a pause would take a whole processor.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// How often a listener does nothing. A timer that is due before all others wakes the thread that
/// waits for the system, which costs a request two calls of the system; while this one is due, the
/// timers of requests are not the first.
const BEAT: Duration = Duration::from_secs(5);

impl HttpListener {
    /// Takes the address.
    ///
    /// # Errors
    ///
    /// [`BindError`]; nothing was taken.
    pub async fn bind(config: &HttpConfig) -> Result<Self, BindError> {
        let address = SocketAddr::new(config.ip().map_err(BindError::Refused)?, config.port);
        let system = |cause| BindError::System { address, cause };
        let tls = config.tls.as_ref().map(Tls::open).transpose()?;
        let socket = TcpListener::bind(address).await.map_err(system)?;
        let address = socket.local_addr().map_err(system)?;
        Ok(Self { socket, address, tls, bounds: Bounds::new(config) })
    }

    /// Takes a socket that is bound already: from the service manager.
    ///
    /// # Errors
    ///
    /// [`BindError`] when it is no listening socket, or one that may not be listened on.
    pub fn inherit(socket: std::net::TcpListener, config: &HttpConfig) -> Result<Self, BindError> {
        let unusable =
            |cause: std::io::Error| BindError::Refused(format!("the inherited socket: {cause}"));
        socket.set_nonblocking(true).map_err(unusable)?;
        let address = socket.local_addr().map_err(unusable)?;
        if !address.ip().is_loopback() && !config.allow_remote {
            return Err(BindError::Refused(format!(
                "the inherited socket listens on {address}, which other machines can reach; set \
                 `http.allow_remote = true` if that is meant"
            )));
        }
        let tls = config.tls.as_ref().map(Tls::open).transpose()?;
        let socket = TcpListener::from_std(socket).map_err(unusable)?;
        Ok(Self { socket, address, tls, bounds: Bounds::new(config) })
    }

    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What its clients share, and those of other listeners that are given it.
    pub fn bounds(&self) -> Bounds {
        self.bounds.clone()
    }

    /// Serves until `stop`, then until every request under way is answered.
    ///
    /// From `stop` on each answer says that its connection ends with it (RFC 9112, section 9.6).
    /// Connections without a request are closed when the [`Front`] drains, which may be later: on
    /// one of them a request may be on its way.
    pub fn serve(
        self,
        config: HttpConfig,
        desk: FrontDesk,
        stop: CancellationToken,
    ) -> BoxFuture<'static, ()> {
        // Boxed so that all of it is compiled here, and not where it is awaited.
        Box::pin(self.accept(config, desk, stop))
    }

    async fn accept(self, config: HttpConfig, desk: FrontDesk, stop: CancellationToken) {
        let FrontDesk { front, login, operations, tenants, annex } = desk;
        let places = Places::new(config.connections);
        let service = Arc::new(Service {
            tenant: Tenant::default(),
            front: Arc::clone(&front),
            sessions: Sessions::new(config.sessions, config.session_idle.as_duration()),
            streams: Arc::default(),
            door: Arc::new(Door::new(self.address, &config)),
            bounds: self.bounds.clone(),
            places: Arc::clone(&places),
            guesses: Arc::new(Guesses::new(config.wrong_keys)),
            config: Arc::new(config),
            directory: Arc::new(Directory::new(tenants)),
            login,
            operations,
            annex,
        });
        if let Some(tls) = &self.tls {
            front.tasks.spawn(Arc::clone(tls).follow(stop.clone()));
        }
        let tls_is_spoken = self.tls.is_some();
        let open = TaskTracker::new();
        let mut beat = tokio::time::interval(BEAT);
        loop {
            let accepted = tokio::select! {
                () = stop.cancelled() => break,
                _ = beat.tick() => continue,
                accepted = self.socket.accept() => accepted,
            };
            let stream = match accepted {
                Ok((stream, peer)) => (stream, peer.ip()),
                Err(error) => {
                    // Out of descriptors, or the client is gone already: neither is the end.
                    tracing::warn!(%error, "a connection could not be accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                    continue;
                }
            };
            let Some(place) = places.take() else {
                service.operations.rejected("connections");
                turn_away(stream.0, tls_is_spoken);
                continue;
            };
            // Answers are small and written whole; waiting for more to send only delays them.
            let _ = stream.0.set_nodelay(true);
            let (service, tls) = (Arc::clone(&service), self.tls.clone());
            let stop = stop.clone();
            front.tasks.spawn(open.track_future(AtOnce::new(async move {
                let closed = place.closed.clone();
                tokio::select! {
                    () = Arc::clone(&service).connection(stream, tls, &place, stop) => {}
                    // Idle, and another needs the place.
                    () = closed.cancelled() => {}
                }
                service.places.leave(&place);
            })));
        }
        drop(self.socket);
        open.close();
        open.wait().await;
    }
}

impl Service {
    /// The same for another tenant.
    fn beside(&self, tenant: Tenant, front: Arc<Front>) -> Self {
        let idle = self.config.session_idle.as_duration();
        Self {
            tenant,
            front,
            sessions: Sessions::new(self.config.sessions, idle),
            streams: Arc::default(),
            config: Arc::clone(&self.config),
            door: Arc::clone(&self.door),
            login: Arc::clone(&self.login),
            operations: Arc::clone(&self.operations),
            annex: Arc::clone(&self.annex),
            directory: Arc::clone(&self.directory),
            bounds: self.bounds.clone(),
            places: Arc::clone(&self.places),
            guesses: Arc::clone(&self.guesses),
        }
    }

    /// Serves one connection to its end. How a client leaves is its own affair.
    async fn connection(
        self: Arc<Self>,
        (stream, peer): (TcpStream, IpAddr),
        tls: Option<Arc<Tls>>,
        place: &Arc<Place>,
        stop: CancellationToken,
    ) {
        let Some(tls) = tls else { return self.http((stream, peer), place, stop).await };
        match tokio::time::timeout(self.patience(place), tls.accept(stream)).await {
            Ok(Ok(stream)) => self.http((stream, peer), place, stop).await,
            Ok(Err(error)) => tracing::debug!(%error, "a client could not agree on TLS"),
            Err(_) => {}
        }
    }

    async fn http(
        self: Arc<Self>,
        (stream, peer): (impl AsyncRead + AsyncWrite + Send + Unpin + 'static, IpAddr),
        place: &Arc<Place>,
        stop: CancellationToken,
    ) {
        let mut builder = http1::Builder::new();
        builder
            .timer(TokioTimer::new())
            .header_read_timeout(self.patience(place))
            // Beyond what is refused below, so that the refusal can say why.
            .max_buf_size(2 * self.config.header_limit.as_usize());
        let (place, is_spare) = (Arc::clone(place), place.is_spare);
        let (closed, draining) = (stop.clone(), self.front.draining.clone());
        let is_over = async move {
            closed.cancelled().await;
            draining.cancelled().await;
        };
        let respond = service_fn(move |mut request| {
            let address = client_address(peer, request.headers(), &self.config.trusted_proxies);
            request.extensions_mut().insert(ClientAddress(address));
            let work = self.places.work(&place);
            let (service, stop) = (Arc::clone(&self), stop.clone());
            async move {
                let mut response = service.respond(request, work).await?;
                let is_last = is_spare || stop.is_cancelled();
                if is_last && response.status() != StatusCode::SWITCHING_PROTOCOLS {
                    let close = header::HeaderValue::from_static("close");
                    response.headers_mut().insert(header::CONNECTION, close);
                }
                Ok::<_, std::convert::Infallible>(response)
            }
        });
        let connection =
            builder.serve_connection(TokioIo::new(Steady::new(stream)), respond).with_upgrades();
        tokio::pin!(connection);
        tokio::select! {
            _ = connection.as_mut() => {}
            () = is_over => {
                connection.as_mut().graceful_shutdown();
                let _ = connection.await;
            }
        }
    }

    async fn respond(
        self: Arc<Self>,
        request: Request<Incoming>,
        mut work: Work,
    ) -> Result<Response<Guarded>, std::convert::Infallible> {
        let target = Target::read(request.uri().path(), request.headers());
        let route = target.as_ref().map_or(Route::Annex, |target| target.route);
        let operations = Arc::clone(&self.operations);
        let response = match self.door.check(&request) {
            Err(refusal) => {
                operations.rejected(refusal.reason());
                refuse(StatusCode::FORBIDDEN, &refusal.to_string())
            }
            Ok(()) => {
                let origin = request.headers().get(header::ORIGIN).cloned();
                let reply = match target {
                    Ok(target) => self.route(target, request, &mut work).await,
                    Err(error) => Err(refuse(StatusCode::BAD_REQUEST, &error.to_string()).into()),
                };
                let mut response = reply.unwrap_or_else(message::Refused::into_response);
                if let Some(origin) = origin {
                    cors::share(&mut response, origin);
                }
                response
            }
        };
        operations.answered(route, response.status().as_u16());
        Ok(response.map(|body| Guarded::new(body, work)))
    }

    async fn route(
        self: Arc<Self>,
        target: Target,
        request: Request<Incoming>,
        work: &mut Work,
    ) -> Reply {
        let Target { route, .. } = target;
        let limit = self.config.header_limit;
        if head_size(&request) > limit.as_usize() {
            self.operations.rejected("header");
            let message = format!("the head is larger than {limit} (`http.header_limit`)");
            return Err(refuse(StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, &message).into());
        }
        let method = request.method().clone();
        if cors::is_preflight(&method, request.headers()) {
            return Ok(cors::preflight(request.headers()));
        }
        if (route, &method) == (Route::Health, &Method::GET) {
            let (ready, body) = self.operations.health();
            let status = if ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
            return Ok(text(status, "application/json", body));
        }
        if work.is_spare() && route != Route::Metrics {
            return Err(self.full());
        }
        if route == Route::Annex {
            return self.annex(target, request, work).await;
        }
        let admitted = self.admit(Presented::of(&request, &target.tenant)).await?;
        self.check_rate(route, &admitted.principal)?;
        if route != Route::Metrics {
            self.seat(work, &admitted.principal)?;
        }
        let service = self.of(&target.tenant).await?;
        let revoked = admitted.revoked.clone();
        let reply = tokio::select! {
            // Nothing is begun for a key that has ended meanwhile.
            biased;
            () = revoked.cancelled() => return Err(revoked::refusal().into()),
            reply = service.admitted(route, admitted, request, work) => reply?,
        };
        Ok(revoked::bound(reply, revoked))
    }

    /// Answers whoever has shown who they are.
    async fn admitted(
        &self,
        route: Route,
        Admitted { principal, revoked }: Admitted,
        request: Request<Incoming>,
        work: &Work,
    ) -> Reply {
        match (route, request.method().clone()) {
            (Route::Metrics, Method::GET) => {
                let (body, kind) = self.operations.metrics();
                Ok(text(StatusCode::OK, kind, body))
            }
            (Route::Mcp, Method::POST) => self.post(principal, request).await,
            (Route::Mcp, Method::GET) => self.stream(&principal, &request),
            (Route::Mcp, Method::DELETE) => self.delete(&principal, &request),
            (Route::Sse, Method::GET) => self.sse(&principal, revoked, &request),
            (Route::Messages, Method::POST) => self.message(&principal, request).await,
            (Route::WebSocket, Method::GET) => {
                let caller = Admitted { principal, revoked };
                self.web_socket(caller, request, work.again())
            }
            (route, _) => Err(message::not_allowed(route).into()),
        }
    }

    fn check_rate(&self, route: Route, principal: &Principal) -> Result<(), message::Refused> {
        let Some(rate) = &self.bounds.rate else { return Ok(()) };
        rate.take(principal).map_err(|early| {
            self.operations.rejected("rate");
            limited::hurried(route, &rate.verdict(early, self.front.gateway.wall()))
        })
    }
}

/// The head as it came over the wire: the address, and each header with its colon and line end.
fn head_size(request: &Request<Incoming>) -> usize {
    let target = request.uri().path_and_query().map_or(1, |target| target.as_str().len());
    let headers = request.headers().iter();
    target + headers.map(|(name, value)| name.as_str().len() + value.len() + 4).sum::<usize>()
}
