//! The fake over streamable HTTP, with the ways in which HTTP servers misbehave.

use std::collections::HashMap;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures_util::stream::{self, Stream, StreamExt as _};
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use switchboard_mcp::encode_event;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinSet};

use crate::behaviour::Speaks;
use crate::fake::{Inner, Message, Say};
use crate::line::cancelled_id;

type Piece = Result<Frame<Bytes>, std::io::Error>;
type Body = StreamBody<Pin<Box<dyn Stream<Item = Piece> + Send>>>;
type Open = Arc<Mutex<HashMap<String, AbortHandle>>>;

const SESSION: &str = "mcp-session-id";

pub(crate) async fn serve(inner: Arc<Inner>, listener: TcpListener) {
    let mut connections = JoinSet::new();
    let open = Open::default();
    while let Ok((stream, _)) = listener.accept().await {
        inner.journal.note("connect");
        connections.spawn(connection(Arc::clone(&inner), Arc::clone(&open), stream));
    }
}

async fn connection(inner: Arc<Inner>, open: Open, stream: TcpStream) {
    let mut hang_up = inner.hang_up.subscribe();
    let service = service_fn(move |request| {
        let (inner, open) = (Arc::clone(&inner), Arc::clone(&open));
        async move { Ok::<_, Infallible>(respond(inner, open, request).await) }
    });
    let serving = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
    tokio::select! {
        _ = serving => {}
        _ = hang_up.changed() => {}
    }
}

async fn respond(inner: Arc<Inner>, open: Open, request: Request<Incoming>) -> Response<Body> {
    let legacy = matches!(inner.behaviour().speaks, Speaks::Legacy(_));
    let session = request.headers().get(SESSION).and_then(|id| id.to_str().ok()).map(str::to_owned);
    let known = session.as_ref().is_some_and(|id| inner.sessions.lock().unwrap().contains(id));
    match request.method().as_str() {
        "POST" => {}
        "GET" if legacy && inner.behaviour().get_stream && known => return announcements(&inner),
        "DELETE" if known => {
            inner.journal.note("delete");
            inner.sessions.lock().unwrap().retain(|id| Some(id) != session.as_ref());
            return whole(204, "text/plain", "");
        }
        _ => return whole(405, "text/plain", ""),
    }
    let Ok(body) = request.into_body().collect().await else {
        return whole(400, "text/plain", "cut");
    };
    let text = body.to_bytes();
    let Ok(message) = serde_json::from_slice::<Message<'_>>(&text) else {
        return whole(400, "application/json", "{}");
    };
    let initializes = message.method.as_deref() == Some("initialize");
    if legacy && !initializes && message.method.as_deref() != Some("server/discover") && !known {
        return whole(if session.is_some() { 404 } else { 400 }, "text/plain", "no session");
    }
    if let Some(task) = cancelled_id(&message).and_then(|id| open.lock().unwrap().remove(&id)) {
        task.abort();
    }
    let Some(id) = message.id.filter(|_| message.method.is_some()) else {
        let (say, _) = mpsc::channel(1);
        inner.handle(text, say).await;
        return whole(202, "text/plain", "");
    };
    if let Some(fault) = fault(&inner, &message) {
        return fault;
    }
    let id = id.get().to_owned();
    let mut response = run(&inner, &open, id, text).await;
    if initializes && legacy {
        let mut sessions = inner.sessions.lock().unwrap();
        let id = format!("s{}", inner.journal.count("initialize"));
        response.headers_mut().insert(SESSION, id.parse().unwrap());
        sessions.push(id);
    }
    response
}

/// Runs one request; its answer is an object, or events where there is more than the answer.
async fn run(inner: &Arc<Inner>, open: &Open, id: String, text: Bytes) -> Response<Body> {
    let (say, mut said) = mpsc::channel(64);
    // Dropped with the response: the client is gone.
    let mut task = JoinSet::new();
    let handle = task.spawn(Arc::clone(inner).handle(text, say));
    open.lock().unwrap().insert(id, handle);
    let first = said.recv().await;
    if let (Some(Say::Line(line)), false) = (&first, inner.behaviour().events) {
        let second = said.recv().await;
        if second.is_none() {
            return whole(200, "application/json", line.clone());
        }
        return events(stream::iter([first, second]), said, task);
    }
    events(stream::iter([first, None]), said, task)
}

fn events(
    first: impl Stream<Item = Option<Say>> + Send + 'static,
    said: mpsc::Receiver<Say>,
    task: JoinSet<()>,
) -> Response<Body> {
    let rest = stream::unfold((said, task), |(mut said, task)| async move {
        let next = said.recv().await?;
        Some((Some(next), (said, task)))
    });
    let pieces = first.chain(rest).filter_map(|next| async move { piece(next?) });
    let mut response = Response::new(StreamBody::new(Box::pin(pieces) as _));
    response.headers_mut().insert("content-type", "text/event-stream".parse().unwrap());
    response
}

fn piece(say: Say) -> Option<Piece> {
    match say {
        Say::Line(line) => {
            let mut out = Vec::with_capacity(line.len() + 8);
            encode_event(&mut out, None, &line);
            Some(Ok(Frame::data(out.into())))
        }
        Say::Stderr(_) => None,
        // A server that dies cuts its streams.
        Say::CloseOutput | Say::Exit(_) => Some(Err(std::io::Error::other("cut"))),
    }
}

/// The GET stream of a legacy server.
fn announcements(inner: &Arc<Inner>) -> Response<Body> {
    inner.journal.note("get stream");
    let receiver = inner.announcements.subscribe();
    let pieces = stream::unfold(receiver, |mut receiver| async move {
        let method = receiver.recv().await.ok()?;
        let line = format!("{{\"jsonrpc\":\"2.0\",\"method\":\"{method}\"}}");
        Some((piece(Say::Line(line.into_bytes()))?, receiver))
    });
    let opened = stream::once(async { Ok(Frame::data(Bytes::from_static(b": open\n\n"))) });
    let mut response = Response::new(StreamBody::new(Box::pin(opened.chain(pieces)) as _));
    response.headers_mut().insert("content-type", "text/event-stream".parse().unwrap());
    response
}

/// Tools that only an HTTP server can have: `http_401` answers with that status, and so on.
fn fault(inner: &Inner, message: &Message<'_>) -> Option<Response<Body>> {
    let params: serde_json::Value = serde_json::from_str(message.params?.get()).ok()?;
    let name = params["name"].as_str()?.strip_prefix("http_")?;
    inner.journal.note(format!("call http_{name}"));
    Some(match name {
        "redirect" => {
            let mut response = whole(307, "text/plain", "");
            response.headers_mut().insert("location", "http://127.0.0.1:1/mcp".parse().unwrap());
            response
        }
        "html" => whole(200, "text/html", "<html>hello</html>"),
        "empty" => whole(200, "application/json", ""),
        "accepted" => whole(202, "application/json", ""),
        "foreign" => {
            whole(200, "application/json", "{\"jsonrpc\":\"2.0\",\"id\":987654321,\"result\":{}}")
        }
        "no_id" => whole(
            200,
            "application/json",
            "{\"jsonrpc\":\"2.0\",\"id\":null,\"error\":{\"code\":-32603,\"message\":\"sorry\"}}",
        ),
        "huge" => {
            let mebibyte = Bytes::from(vec![b' '; 1 << 20]);
            let pieces = stream::repeat(mebibyte).take(66).map(|piece| Ok(Frame::data(piece)));
            let mut response = Response::new(StreamBody::new(Box::pin(pieces) as _));
            response.headers_mut().insert("content-type", "application/json".parse().unwrap());
            response
        }
        "cut" => events(stream::iter([]), mpsc::channel(1).1, JoinSet::new()),
        status => whole(status.parse().ok()?, "text/plain", "no"),
    })
}

fn whole(status: u16, kind: &str, body: impl Into<Bytes>) -> Response<Body> {
    let body: Bytes = body.into();
    let pieces = stream::iter((!body.is_empty()).then(|| Ok(Frame::data(body))));
    let mut response = Response::new(StreamBody::new(Box::pin(pieces) as _));
    *response.status_mut() = StatusCode::from_u16(status).unwrap();
    response.headers_mut().insert("content-type", kind.parse().unwrap());
    response
}
