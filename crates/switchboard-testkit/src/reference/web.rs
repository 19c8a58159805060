//! The transports over HTTP, on one port: `/mcp`, `/sse` with `/messages`, and `/ws`.

use std::collections::HashMap;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures_util::stream::{self, Stream, StreamExt as _};
use http::{HeaderMap, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use switchboard_mcp::decode_header;
use tokio::net::TcpListener;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;

use super::Inner;
use super::duplex::converse;
use super::session::{Session, request_id};

type Piece = Result<Frame<Bytes>, Infallible>;
type Body = StreamBody<Pin<Box<dyn Stream<Item = Piece> + Send>>>;

const SESSION: &str = "mcp-session-id";

/// More than a session ever has waiting.
const QUEUE: usize = 256;

struct Site {
    server: Arc<Inner>,
    open: Mutex<HashMap<String, Seat>>,
    /// Conversations over WebSocket.
    sockets: Mutex<JoinSet<()>>,
}

/// A session with what it says unasked.
#[derive(Clone)]
struct Seat {
    session: Arc<Session>,
    said: Arc<tokio::sync::Mutex<mpsc::Receiver<String>>>,
}

pub(crate) async fn serve(server: Arc<Inner>, listener: TcpListener) {
    let site =
        Arc::new(Site { server, open: Mutex::default(), sockets: Mutex::new(JoinSet::new()) });
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let _ = stream.set_nodelay(true);
        let site = Arc::clone(&site);
        connections.spawn(async move {
            let service = service_fn(move |request| {
                let site = Arc::clone(&site);
                async move { Ok::<_, Infallible>(site.respond(request).await) }
            });
            let io = TokioIo::new(stream);
            let _ = http1::Builder::new().serve_connection(io, service).with_upgrades().await;
        });
    }
}

impl Site {
    async fn respond(&self, request: Request<Incoming>) -> Response<Body> {
        let path = request.uri().path().to_owned();
        match (request.method().as_str(), path.as_str()) {
            ("POST", "/mcp") if self.server.is_modern() => self.post_modern(request).await,
            ("POST", "/mcp") => self.post(request).await,
            ("GET", "/mcp") if !self.server.is_modern() => self.stream(request.headers()),
            ("DELETE", "/mcp") if !self.server.is_modern() => {
                let gone = self.seat(request.headers()).map(|(id, _)| self.forget(&id));
                plain(if gone.is_some() { 204 } else { 404 }, "")
            }
            ("GET", "/sse") if !self.server.is_modern() => self.sse(),
            ("POST", "/messages") => self.message(request).await,
            ("GET", "/ws") => self.socket(request),
            _ => plain(405, ""),
        }
    }

    /// A request of 2026-07-28: nothing is known but what it says, and the headers say the same.
    async fn post_modern(&self, request: Request<Incoming>) -> Response<Body> {
        let headers = request.headers().clone();
        let Some(text) = body(request).await else { return plain(400, "cut") };
        let message: Value = serde_json::from_slice(&text).unwrap_or_default();
        if let (Some(id), Some(wrong)) = (request_id(&text), mismatch(&headers, &message)) {
            let error = json!({ "code": -32020, "message": wrong });
            let body = format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"error\":{error}}}");
            return whole(400, "application/json", body);
        }
        let (out, said) = mpsc::channel(QUEUE);
        // There is nothing to say but about the request, and the stream ends with it.
        let (nowhere, _) = mpsc::channel(1);
        let session = Session::new(Arc::clone(&self.server), nowhere);
        session.take(&text, &out);
        drop(out);
        answer(said, Some(Ends(session))).await
    }

    async fn post(&self, request: Request<Incoming>) -> Response<Body> {
        let headers = request.headers().clone();
        let Some(text) = body(request).await else { return plain(400, "cut") };
        let message: Value = serde_json::from_slice(&text).unwrap_or_default();
        let is_opening = message["method"] == "initialize";
        let found = if is_opening { Some(self.seat_new()) } else { self.seat(&headers) };
        let Some((id, seat)) = found else {
            // A server of before 2026-07-28 knows no request outside a session.
            return plain(if headers.contains_key(SESSION) { 404 } else { 400 }, "no session");
        };
        let version = headers.get("mcp-protocol-version").and_then(|it| it.to_str().ok());
        if !is_opening && version.is_some_and(|it| it != self.server.version.as_str()) {
            return plain(400, "another revision");
        }
        let (out, said) = mpsc::channel(QUEUE);
        seat.session.take(&text, &out);
        drop(out);
        let mut response = answer(said, None).await;
        if is_opening {
            response.headers_mut().insert(SESSION, id.parse().unwrap());
        }
        response
    }

    /// What belongs to no request.
    fn stream(&self, headers: &HeaderMap) -> Response<Body> {
        match self.seat(headers) {
            Some((_, seat)) => {
                self.server.journal.note("get stream");
                events(open(), said(seat.said))
            }
            None => plain(400, "no session"),
        }
    }

    fn sse(&self) -> Response<Body> {
        let (id, seat) = self.seat_new();
        let endpoint = format!("event: endpoint\ndata: /messages?sessionId={id}\n\n");
        // The connection is the session.
        let ends = Ends(Arc::clone(&seat.session));
        let rest = said(seat.said).map(move |text| {
            let _ = &ends;
            text
        });
        events(endpoint, rest)
    }

    async fn message(&self, request: Request<Incoming>) -> Response<Body> {
        let query = request.uri().query().unwrap_or_default().to_owned();
        let id = query.strip_prefix("sessionId=").unwrap_or_default();
        let seat = self.open.lock().unwrap().get(id).cloned();
        let Some(seat) = seat else { return plain(404, "no session") };
        let Some(text) = body(request).await else { return plain(400, "cut") };
        seat.session.take(&text, &seat.session.out);
        plain(202, "Accepted")
    }

    fn socket(&self, mut request: Request<Incoming>) -> Response<Body> {
        let header = |name: &str| request.headers().get(name).and_then(|it| it.to_str().ok());
        let protocols = header("sec-websocket-protocol").unwrap_or_default();
        let (Some(key), true) = (
            header("sec-websocket-key").map(str::to_owned),
            protocols.split(',').any(|protocol| protocol.trim() == "mcp"),
        ) else {
            return plain(400, "the sub-protocol is `mcp`");
        };
        let upgrade = hyper::upgrade::on(&mut request);
        let server = Arc::clone(&self.server);
        self.sockets.lock().unwrap().spawn(async move {
            let Ok(stream) = upgrade.await else { return };
            let io = TokioIo::new(stream);
            let socket = WebSocketStream::from_raw_socket(io, Role::Server, None).await;
            converse(server, socket).await;
        });
        let mut response = plain(101, "");
        for (name, value) in [
            ("connection", "Upgrade"),
            ("upgrade", "websocket"),
            ("sec-websocket-protocol", "mcp"),
            ("sec-websocket-accept", &derive_accept_key(key.as_bytes())),
        ] {
            response.headers_mut().insert(
                http::HeaderName::from_bytes(name.as_bytes()).unwrap(),
                value.parse().unwrap(),
            );
        }
        response
    }

    fn seat(&self, headers: &HeaderMap) -> Option<(String, Seat)> {
        let id = headers.get(SESSION)?.to_str().ok()?;
        let seat = self.open.lock().unwrap().get(id).cloned()?;
        Some((id.to_owned(), seat))
    }

    fn seat_new(&self) -> (String, Seat) {
        let id = format!("s{}", self.server.number());
        let (out, said) = mpsc::channel(QUEUE);
        let session = Session::new(Arc::clone(&self.server), out);
        let seat = Seat { session, said: Arc::new(tokio::sync::Mutex::new(said)) };
        self.open.lock().unwrap().insert(id.clone(), seat.clone());
        (id, seat)
    }

    fn forget(&self, id: &str) {
        if let Some(seat) = self.open.lock().unwrap().remove(id) {
            seat.session.end();
        }
    }
}

/// Ends what is under way together with the stream it was for.
struct Ends(Arc<Session>);

impl Drop for Ends {
    fn drop(&mut self) {
        self.0.end();
    }
}

/// 2026-07-28, "Streamable HTTP": the headers that repeat the body.
fn mismatch(headers: &HeaderMap, message: &Value) -> Option<String> {
    let params = &message["params"];
    let meta = &params["_meta"];
    let name = match message["method"].as_str().unwrap_or_default() {
        "tools/call" | "prompts/get" => &params["name"],
        "resources/read" => &params["uri"],
        method if method.starts_with("tasks/") => &params["taskId"],
        _ => &Value::Null,
    };
    let expected = [
        ("mcp-protocol-version", &meta["io.modelcontextprotocol/protocolVersion"]),
        ("mcp-method", &message["method"]),
        ("mcp-name", name),
    ];
    expected.into_iter().find_map(|(header, expected)| {
        let expected = expected.as_str()?;
        let values: Vec<_> = headers.get_all(header).iter().collect();
        let is_same = values.len() == 1
            && values[0].to_str().ok().and_then(decode_header).as_deref() == Some(expected);
        (!is_same).then(|| format!("{header} is {values:?}, not {expected}"))
    })
}

/// An object, or events where there is more than the answer.
async fn answer(mut queue: mpsc::Receiver<String>, ends: Option<Ends>) -> Response<Body> {
    // Nothing is said about a notification.
    let Some(first) = queue.recv().await else { return plain(202, "") };
    let message: Value = serde_json::from_str(&first).unwrap();
    if message["method"].is_null() {
        let status = match message["error"]["code"].as_i64() {
            Some(-32601) if ends.is_some() => 404,
            Some(-32700 | -32600) => 400,
            Some(-32021 | -32022) if ends.is_some() => 400,
            _ => 200,
        };
        return whole(status, "application/json", first);
    }
    let rest = stream::unfold((queue, ends), |(mut queue, ends)| async move {
        let next = queue.recv().await?;
        Some((next, (queue, ends)))
    });
    events(event(&first), rest)
}

fn said(
    queue: Arc<tokio::sync::Mutex<mpsc::Receiver<String>>>,
) -> impl Stream<Item = String> + Send {
    stream::unfold(queue, |queue| async move {
        let next = queue.lock().await.recv().await?;
        Some((next, queue))
    })
}

fn open() -> String {
    ": open\n\n".to_owned()
}

fn event(text: &str) -> String {
    format!("event: message\ndata: {text}\n\n")
}

fn events(first: String, rest: impl Stream<Item = String> + Send + 'static) -> Response<Body> {
    let rest = rest.map(|text| event(&text));
    let pieces = stream::once(async { first }).chain(rest);
    let pieces = pieces.map(|text| Ok(Frame::data(Bytes::from(text))));
    let mut response = Response::new(StreamBody::new(Box::pin(pieces) as _));
    response.headers_mut().insert("content-type", "text/event-stream".parse().unwrap());
    response
}

async fn body(request: Request<Incoming>) -> Option<Bytes> {
    Some(request.into_body().collect().await.ok()?.to_bytes())
}

fn plain(status: u16, text: &str) -> Response<Body> {
    whole(status, "text/plain", text.to_owned())
}

fn whole(status: u16, kind: &str, text: String) -> Response<Body> {
    let pieces = stream::iter((!text.is_empty()).then(|| Ok(Frame::data(Bytes::from(text)))));
    let mut response = Response::new(StreamBody::new(Box::pin(pieces) as _));
    *response.status_mut() = StatusCode::from_u16(status).unwrap();
    response.headers_mut().insert("content-type", kind.parse().unwrap());
    response
}
