//! The HTTP client: kept-alive connections to one server.
//!
//! Whoever has a request on a connection drives it: there is no task for each connection, so a
//! request wakes nobody on its way out and one task, its own, on the way back. With a task for each
//! connection, as clients commonly have, a call through the gateway costs a tenth more processor
//! time (measured in November 2026 with `cargo xtask bench`).

use std::collections::VecDeque;
use std::future::poll_fn;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex};
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode, Uri, response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use switchboard_egress::{Guard, Stream, Trust};
use tokio::time::Instant;

pub(super) type Body = Full<Bytes>;

/// Idle connections kept to one server: as many as calls under way at the busiest, within what one
/// process may have open (1,024 descriptors is the common limit).
const IDLE_CONNECTIONS: usize = 256;

/// How long an idle connection is kept. Servers commonly close after 5 to 120 s.
const IDLE_TIME: Duration = Duration::from_secs(90);

/// Follows no redirects and knows no proxies: the configured address is the one that is asked.
pub(super) struct Client {
    guard: Guard,
    server: Uri,
    /// Those used last are at the end and are used next, so that the others grow old and go.
    idle: Mutex<VecDeque<(Instant, Wire)>>,
}

/// One connection.
struct Wire {
    sender: SendRequest<Body>,
    connection: Pin<Box<http1::Connection<TokioIo<Stream>, Body>>>,
    /// The connection has ended and must not be polled again.
    over: bool,
}

/// A response of which the body is still to be read.
pub(super) struct Exchange {
    client: Arc<Client>,
    head: response::Parts,
    body: Incoming,
    wire: Wire,
}

#[derive(Debug, thiserror::Error)]
pub(super) enum SendError {
    /// There is no connection to be had; nothing was sent.
    #[error("{0}")]
    Connect(String),
    #[error("the connection broke: {0}")]
    Broken(String),
    /// The server wants another login, and does nothing before it has one.
    #[error("{0}")]
    Unauthorized(String),
}

impl Client {
    pub(super) fn new(server: Uri, guard: Guard) -> Self {
        Self { guard, server, idle: Mutex::default() }
    }

    pub(super) fn server(&self) -> &Uri {
        &self.server
    }

    /// Sends a request and waits for the head of its response.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future closes the connection, which a server of 2026-07-28 takes as the
    /// cancellation.
    pub(super) async fn send(
        self: &Arc<Self>,
        mut request: Request<Body>,
    ) -> Result<Exchange, SendError> {
        while let Some(mut wire) = self.take() {
            if !wire.is_ready().await {
                continue;
            }
            match wire.send(request).await {
                Ok(response) => return Ok(Exchange::new(self, response, wire)),
                // Closed by the server at this very moment; nothing of the request went out.
                Err((_, Some(unsent))) => request = unsent,
                Err((error, None)) => {
                    // The server closes connections; the others are no better than this one was.
                    self.idle.lock().expect("no one panics holding it").clear();
                    return Err(SendError::Broken(innermost(&error)));
                }
            }
        }
        let mut wire = self.connect().await?;
        match wire.send(request).await {
            Ok(response) => Ok(Exchange::new(self, response, wire)),
            Err((error, Some(_))) => Err(SendError::Connect(innermost(&error))),
            Err((error, None)) => Err(SendError::Broken(innermost(&error))),
        }
    }

    async fn connect(&self) -> Result<Wire, SendError> {
        let stream = self.guard.connect(&self.server, Trust::Configured).await;
        let stream = stream.map_err(|error| SendError::Connect(error.to_string()))?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream))
            .await
            .map_err(|error| SendError::Connect(innermost(&error)))?;
        Ok(Wire { sender, connection: Box::pin(connection), over: false })
    }

    fn take(&self) -> Option<Wire> {
        let mut idle = self.idle.lock().expect("no one panics holding it");
        let now = Instant::now();
        while idle.pop_front_if(|(since, _)| IDLE_TIME <= now.duration_since(*since)).is_some() {}
        idle.pop_back().map(|(_, wire)| wire)
    }

    fn give_back(&self, wire: Wire) {
        let mut idle = self.idle.lock().expect("no one panics holding it");
        if idle.len() < IDLE_CONNECTIONS && !wire.over {
            idle.push_back((Instant::now(), wire));
        }
    }
}

impl Wire {
    /// Whether the connection can take a request: the server may have closed it meanwhile.
    async fn is_ready(&mut self) -> bool {
        poll_fn(|context| {
            if self.over || self.connection.as_mut().poll(context).is_ready() {
                self.over = true;
                return Poll::Ready(false);
            }
            Poll::Ready(matches!(self.sender.poll_ready(context), Poll::Ready(Ok(()))))
        })
        .await
    }

    /// The request comes back with the error if nothing of it was sent.
    async fn send(
        &mut self,
        request: Request<Body>,
    ) -> Result<http::Response<Incoming>, (hyper::Error, Option<Request<Body>>)> {
        let response = self.sender.try_send_request(request);
        drive(&mut self.connection, &mut self.over, response).await.map_err(|mut error| {
            let unsent = error.take_message();
            (error.into_error(), unsent)
        })
    }
}

/// Waits for `step` while the connection does its work.
async fn drive<T>(
    connection: &mut Pin<Box<impl Future + ?Sized>>,
    over: &mut bool,
    step: impl Future<Output = T>,
) -> T {
    let mut step = pin!(step);
    poll_fn(|context| {
        if let Poll::Ready(done) = step.as_mut().poll(context) {
            return Poll::Ready(done);
        }
        if !*over && connection.as_mut().poll(context).is_ready() {
            *over = true;
        }
        // What the connection just read may be what the step waits for.
        step.as_mut().poll(context)
    })
    .await
}

impl Exchange {
    fn new(client: &Arc<Client>, response: http::Response<Incoming>, wire: Wire) -> Self {
        let (head, body) = response.into_parts();
        Self { client: Arc::clone(client), head, body, wire }
    }

    pub(super) fn status(&self) -> StatusCode {
        self.head.status
    }

    pub(super) fn headers(&self) -> &HeaderMap {
        &self.head.headers
    }

    /// The next piece of the body; `None` at its end.
    pub(super) async fn data(&mut self) -> Option<Result<Bytes, SendError>> {
        loop {
            let Wire { connection, over, .. } = &mut self.wire;
            match drive(connection, over, self.body.frame()).await? {
                Ok(frame) => match frame.into_data() {
                    Ok(data) => return Some(Ok(data)),
                    // Trailers; nothing of MCP is in them.
                    Err(_) => continue,
                },
                Err(error) => return Some(Err(SendError::Broken(innermost(&error)))),
            }
        }
    }

    /// Keeps the connection for the next request. Only after the end of the body.
    pub(super) fn keep(self) {
        self.client.give_back(self.wire);
    }
}

/// The innermost cause says what happened (`Connection refused`), the outer ones where.
fn innermost(error: &dyn std::error::Error) -> String {
    let mut innermost = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}
