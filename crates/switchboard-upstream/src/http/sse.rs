//! Servers behind HTTP+SSE, the transport of 2024-11-05: a stream of events that stays open, and an
//! address, named by its first event, to which every message is POSTed.
//!
//! Any revision before 2026-07-28 may be spoken over it; SDKs do.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use http::{HeaderName, HeaderValue, Method as HttpMethod, Request, Uri, header};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use switchboard_config::Secret;
use switchboard_egress::same_origin;
use switchboard_mcp::{Incoming, SseDecoder};
use tokio_util::task::TaskTracker;

use crate::duplex::{Duplex, Held};
use crate::http::client::{Body, Client, Exchange, SendError};
use crate::http::exchange::finish;
use crate::http::{EVENTS, Inner, JSON, Outside, host_header, sent_headers};
use crate::login::{Login, sign};
use crate::queue::Queue;
use crate::two_way::TwoWay;
use crate::unasked::Unasked;

/// An address that speaks HTTP+SSE, the transport before streamable HTTP.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct SseConfig {
    /// The address of the stream, `http://` or `https://`; it commonly ends with `/sse`.
    pub url: String,
    /// Headers sent with every request, such as `Authorization`.
    #[serde(default)]
    pub headers: BTreeMap<String, Secret>,
}

/// The largest event; the same as for a line over standard streams.
const EVENT_LIMIT: usize = 64 << 20;

/// How long the first event may take, which names the address for messages.
const ENDPOINT_WAIT: Duration = Duration::from_secs(30);

/// How long a server may take to say that it took a message. The answer comes on the stream, so
/// this is no work; and the messages after it wait.
const POST_WAIT: Duration = Duration::from_secs(60);

/// Messages on their way at once. Each takes a connection; with eight a server 100 ms away gets 80
/// messages a second, which is more than one session of people and models has.
const POSTS: usize = 8;

/// How long a notification waits until what was said before it is taken. Some servers say so only
/// when the work is done, and then the cancellation of a long call is not to wait for its end.
const ORDER_WAIT: Duration = Duration::from_secs(10);

pub(crate) struct SseLink {
    link: Held<Queue>,
}

/// The server as messages are sent to it.
struct Door {
    client: Arc<Client>,
    host: HeaderValue,
    headers: Vec<(HeaderName, HeaderValue)>,
    /// How to be let in, where the headers do not say it.
    login: Option<Arc<Login>>,
}

/// The stream of events.
struct Events {
    exchange: Exchange,
    decoder: SseDecoder,
}

impl SseConfig {
    pub(crate) async fn open(
        &self,
        outside: Outside<'_>,
        unasked: Arc<Unasked>,
    ) -> Result<SseLink, String> {
        let server: Uri = self.url.parse().map_err(|error| format!("the url: {error}"))?;
        let door = Door {
            host: host_header(&server)?,
            client: Arc::new(Client::new(server, outside.guard.clone())),
            headers: sent_headers(&self.headers)?,
            login: None,
        };
        let events = door.listen("; if it speaks streamable HTTP, configure it as `http`").await?;
        let Outside { name, in_flight, tasks, .. } = outside;
        open(door, events, (name, in_flight, tasks), unasked).await
    }
}

/// The same server over HTTP+SSE, of which streamable HTTP took the place (2026-07-28, "Backward
/// compatibility"). One login serves all clients.
pub(super) async fn behind(link: &Inner) -> Result<SseLink, String> {
    let door = Door {
        client: Arc::clone(&link.client),
        host: link.host.clone(),
        headers: link.headers.clone(),
        login: link.login.clone(),
    };
    let events = door.listen("").await?;
    open(door, events, (&link.name, link.limit, &link.tasks), Arc::clone(&link.unasked)).await
}

async fn open(
    door: Door,
    mut events: Events,
    (name, in_flight, tasks): (&Arc<str>, usize, &TaskTracker),
    unasked: Arc<Unasked>,
) -> Result<SseLink, String> {
    let endpoint = tokio::time::timeout(ENDPOINT_WAIT, events.endpoint()).await;
    let endpoint = endpoint
        .map_err(|_| format!("no `endpoint` event within {} s", ENDPOINT_WAIT.as_secs()))??;
    let endpoint = resolve(door.client.server(), &endpoint)?;
    let link = Duplex::new(Arc::clone(name), Queue::default(), in_flight, unasked);
    tasks.spawn({
        let link = Arc::clone(&link);
        async move {
            tokio::select! {
                () = door.send_all(&link, &endpoint) => {}
                // A server may never say that it took a message.
                _ = link.lost() => {}
            }
        }
    });
    tasks.spawn({
        let link = Arc::clone(&link);
        async move {
            let reason = tokio::select! {
                reason = events.read(&link) => reason,
                reason = link.lost() => reason,
            };
            link.end(reason, None);
        }
    });
    Ok(SseLink { link: Held(link) })
}

impl Door {
    fn request(
        &self,
        method: HttpMethod,
        target: &str,
        body: Bytes,
    ) -> Result<Request<Body>, String> {
        let mut request = Request::new(Body::from(body));
        *request.method_mut() = method;
        *request.uri_mut() = target.parse().map_err(|error| format!("`{target}`: {error}"))?;
        let headers = request.headers_mut();
        headers.insert(header::HOST, self.host.clone());
        for (name, value) in &self.headers {
            headers.insert(name, value.clone());
        }
        Ok(request)
    }

    async fn send(&self, mut request: Request<Body>) -> Result<Exchange, SendError> {
        if let Some(login) = &self.login {
            let token = login.bearer(None).await.map_err(SendError::Unauthorized)?;
            sign(&mut request, token.as_ref());
        }
        self.client.send(request).await
    }

    /// Opens the stream. `hint` is what may help where there is none.
    async fn listen(&self, hint: &str) -> Result<Events, String> {
        let target = self.client.server().path_and_query().map_or("/", |target| target.as_str());
        let mut request = self.request(HttpMethod::GET, target, Bytes::new())?;
        request.headers_mut().insert(header::ACCEPT, EVENTS);
        let exchange = self.send(request).await.map_err(|error| error.to_string())?;
        let status = exchange.status();
        let kind = exchange.headers().get(header::CONTENT_TYPE);
        let is_stream = kind.is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream"));
        if !status.is_success() || !is_stream {
            return Err(format!(
                "the server answered {status} and opened no stream of events{hint}"
            ));
        }
        Ok(Events { exchange, decoder: SseDecoder::new(EVENT_LIMIT) })
    }

    /// Sends what is in the queue until the link ends.
    ///
    /// That a server took a message is known one way there and back later, so several are on their
    /// way at once, and arrive in any order. Requests and answers have none among each other. A
    /// notification has: it is about what was said before it (`cancelled`), or opens what comes
    /// after it (`initialized`).
    async fn send_all(&self, link: &Duplex<Queue>, endpoint: &str) {
        let mut posts = FuturesUnordered::new();
        loop {
            tokio::select! {
                biased;
                Some(()) = posts.next() => {}
                message = link.carrier.next(), if posts.len() < POSTS => {
                    let Some(message) = message.map(Bytes::from) else { return };
                    if is_notification(&message) {
                        let all = async { while posts.next().await.is_some() {} };
                        let _ = tokio::time::timeout(ORDER_WAIT, all).await;
                        self.post(link, endpoint, message).await;
                    } else {
                        posts.push(self.post(link, endpoint, message));
                    }
                }
            }
        }
    }

    /// Sends one message. A server that is gone ends the link; that it does not take this message
    /// concerns whoever asked.
    async fn post(&self, link: &Duplex<Queue>, endpoint: &str, message: Bytes) {
        let sent = async {
            let mut request = self.request(HttpMethod::POST, endpoint, message.clone())?;
            request.headers_mut().insert(header::CONTENT_TYPE, JSON);
            let sent = tokio::time::timeout(POST_WAIT, self.send(request)).await;
            let sent = sent.map_err(|_| "the server does not take messages".to_owned())?;
            sent.map_err(|error| error.to_string())
        };
        let exchange = match sent.await {
            Ok(exchange) => exchange,
            Err(reason) => return link.end(reason, None),
        };
        let status = exchange.status();
        if !status.is_success() {
            link.not_taken(&message, &format!("the server answered {status} to the message"));
        }
        // What it says besides is nothing: the answer comes on the stream.
        finish(exchange).await;
    }
}

/// Whether the order of a message among others matters. What is none of ours is sent in order.
fn is_notification(message: &Bytes) -> bool {
    !matches!(
        Incoming::decode(message.clone()),
        Ok(Incoming::Request { .. } | Incoming::Response { .. })
    )
}

impl Events {
    /// The address for messages, from the first event.
    async fn endpoint(&mut self) -> Result<String, String> {
        loop {
            while let Some(event) = self.decoder.next_event().map_err(|error| error.to_string())? {
                if event.name.as_deref() == Some("endpoint") {
                    return String::from_utf8(event.data.to_vec())
                        .map_err(|_| "the `endpoint` event is no text".to_owned());
                }
            }
            self.more().await?;
        }
    }

    /// Hands over what the server says, until it says no more; the reason.
    async fn read(&mut self, link: &Arc<Duplex<Queue>>) -> String {
        loop {
            loop {
                match self.decoder.next_event() {
                    Ok(Some(event)) if event.data.is_empty() => {}
                    Ok(Some(event)) => {
                        if let Err(cause) = link.receive(&event.data) {
                            tracing::warn!(cause, "an event that is no message");
                        }
                    }
                    Ok(None) => break,
                    Err(error) => return error.to_string(),
                }
            }
            if let Err(reason) = self.more().await {
                return reason;
            }
        }
    }

    async fn more(&mut self) -> Result<(), String> {
        let data = self.exchange.data().await.ok_or("the server ended the stream")?;
        self.decoder.feed(&data.map_err(|error| error.to_string())?);
        Ok(())
    }
}

/// The address for messages as a target of requests to the same server. One on another server is
/// refused: messages hold what is meant for this one (2024-11-05, "HTTP with SSE"; SDKs refuse it).
fn resolve(server: &Uri, endpoint: &str) -> Result<String, String> {
    let endpoint = endpoint.trim();
    // What a query holds is no address of the server's.
    let place = endpoint.split(['?', '#']).next().unwrap_or_default();
    if place.contains("://") || place.starts_with("//") {
        let foreign = || format!("the `endpoint` event leads to another server: `{endpoint}`");
        let other: Uri = endpoint.parse().map_err(|_| foreign())?;
        if !same_origin(server, &other) {
            return Err(foreign());
        }
        return Ok(other.path_and_query().map_or("/", |target| target.as_str()).to_owned());
    }
    if endpoint.starts_with('/') {
        return Ok(endpoint.to_owned());
    }
    let base = server.path();
    if endpoint.starts_with('?') {
        return Ok(format!("{base}{endpoint}"));
    }
    let directory = base.rfind('/').map_or("/", |at| &base[..=at]);
    Ok(format!("{directory}{endpoint}"))
}

impl TwoWay for SseLink {
    type Carrier = Queue;

    fn duplex(&self) -> &Duplex<Queue> {
        &self.link
    }
}

#[cfg(test)]
mod tests {
    use super::resolve;

    #[test]
    fn messages_go_to_the_same_server() {
        let server = "https://host.example/mcp/sse?x=1".parse().unwrap();
        let check = |endpoint: &str, expected: Option<&str>| {
            assert_eq!(resolve(&server, endpoint).ok().as_deref(), expected, "{endpoint}");
        };
        check("/messages?sessionId=1", Some("/messages?sessionId=1"));
        check("messages?s=1", Some("/mcp/messages?s=1"));
        check("?s=1", Some("/mcp/sse?s=1"));
        check("/m?back=https://evil.example/", Some("/m?back=https://evil.example/"));
        check("m?back=//evil.example", Some("/mcp/m?back=//evil.example"));
        check("https://host.example/m?s=1", Some("/m?s=1"));
        check("https://HOST.example:443/m", Some("/m"));
        check("http://host.example/m", None);
        check("https://evil.example/m", None);
        check("//evil.example/m", None);
        check("https://host.example@evil.example/m", None);
    }
}
