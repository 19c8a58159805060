//! What a session says in events: on the way to an answer, unasked, and again.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{self, unfold};
use http::{Request, Response, StatusCode};
use hyper::body::Incoming as HttpBody;
use switchboard_core::{Change, Kind, Principal};
use switchboard_mcp::{Json, Method, ProtocolVersion, RpcError, code, encode};
use tokio::sync::broadcast::error::RecvError;
use tokio_util::sync::CancellationToken;

use crate::http::answer::{KEEP_ALIVE, KEEP_ALIVE_COMMENT};
use crate::http::message::{Body, Reply, empty, events, json, not_allowed, refuse, rpc};
use crate::http::post::{SESSION, accepts};
use crate::http::sessions::Session;
use crate::http::{Route, Service};
use crate::replay::{First, Reader};
use crate::subscription::changed;

const LAST_EVENT: &str = "last-event-id";

/// How long an answer is waited for before a client that can resume a stream is given one. A call
/// of a second or more is one that people would not like to lose with the connection.
const PROMPT: Duration = Duration::from_secs(1);

/// Answers a request by one JSON object, unless there is something to say on the way.
pub(super) async fn respond(session: Arc<Session>, mut reader: Reader) -> Response<Body> {
    match first(&session, &mut reader).await {
        First::Answers(mut answers) => match answers.pop() {
            Some(answer) => json(StatusCode::OK, answer),
            // Cancelled: there is no answer, so there is nothing on the stream.
            None => events(stream::empty()),
        },
        First::Events => streaming(session, reader),
    }
}

/// Likewise for a batch, whose answers are one array.
pub(super) async fn respond_batch(session: Arc<Session>, mut reader: Reader) -> Response<Body> {
    match first(&session, &mut reader).await {
        First::Answers(answers) if answers.is_empty() => empty(StatusCode::ACCEPTED),
        First::Answers(answers) => {
            json(StatusCode::OK, [b"[", &*answers.join(&b','), b"]"].concat())
        }
        First::Events => streaming(session, reader),
    }
}

async fn first(session: &Session, reader: &mut Reader) -> First {
    // For the others the stream begins when proxies would take the connection for dead.
    let patience = if is_primed(session) { PROMPT } else { KEEP_ALIVE };
    tokio::time::timeout(patience, reader.first()).await.unwrap_or(First::Events)
}

/// Whether the client knows that an event without data is something to resume from; those before
/// 2025-11-25 take it for a message.
fn is_primed(session: &Session) -> bool {
    session.caller.version >= ProtocolVersion::V2025_11_25
}

/// Something at once, so that the client sees that the stream is open.
fn opening(session: &Session, reader: &mut Reader) -> Bytes {
    if is_primed(session) { reader.prime() } else { Bytes::from_static(KEEP_ALIVE_COMMENT) }
}

fn streaming(session: Arc<Session>, mut reader: Reader) -> Response<Body> {
    let opening = Some(opening(&session, &mut reader));
    let ended = session.ended.clone();
    let state = Streaming { session, reader, ended, opening };
    events(unfold(state, Streaming::step))
}

impl Service {
    /// `GET /mcp`: the stream of what we say unasked, or another that goes on where it broke.
    pub(crate) fn stream(&self, principal: &Principal, request: &Request<HttpBody>) -> Reply {
        let headers = request.headers();
        // Clients of 2026-07-28 have no such stream: 405 tells them so.
        if !headers.contains_key(&SESSION) {
            return Err(not_allowed(Route::Mcp).into());
        }
        if !accepts(headers, "text/event-stream") {
            let message = "the client must accept `text/event-stream`";
            return Err(refuse(StatusCode::NOT_ACCEPTABLE, message).into());
        }
        let session = self.session(principal, headers)?;
        let (reader, opening) = match headers.get(LAST_EVENT) {
            None => {
                let mut reader = session.streams.unasked();
                let opening = opening(&session, &mut reader);
                (reader, opening)
            }
            Some(last) => {
                let last = last.to_str().unwrap_or_default();
                let reader = session.streams.resume(last).map_err(|_| unknown_event())?;
                (reader, Bytes::from_static(KEEP_ALIVE_COMMENT))
            }
        };
        let is_unasked = reader.is_unasked();
        let ended = session.ended.clone();
        let stream = Streaming { session, reader, ended, opening: Some(opening) };
        if is_unasked {
            let draining = self.front.draining.clone();
            let state = Announcing { stream, draining };
            return Ok(events(unfold(state, Announcing::step)));
        }
        Ok(events(unfold(stream, Streaming::step)))
    }
}

/// The specification leaves open what a server does that cannot go on there; a client that is told
/// does not wait for what never comes.
fn unknown_event() -> Response<Body> {
    let message = "the event that `Last-Event-ID` names is not known or not kept any more; open a \
                   stream without it, and ask again for what is missing";
    rpc(StatusCode::BAD_REQUEST, None, &RpcError::new(code::INVALID_REQUEST, message))
}

/// One connection to a stream.
struct Streaming {
    session: Arc<Session>,
    reader: Reader,
    ended: CancellationToken,
    opening: Option<Bytes>,
}

impl Streaming {
    async fn step(mut self) -> Option<(Bytes, Self)> {
        if let Some(opening) = self.opening.take() {
            return Some((opening, self));
        }
        // A client that only listens still uses its session.
        self.session.touch();
        let bytes = tokio::select! {
            biased;
            events = self.reader.next() => events?,
            () = self.ended.cancelled() => return None,
            () = tokio::time::sleep(KEEP_ALIVE) => Bytes::from_static(KEEP_ALIVE_COMMENT),
        };
        Some((bytes, self))
    }
}

/// The connection to the stream of what is said unasked, which is also who says it: changes wait
/// where the gateway keeps them until somebody wants to hear of them.
struct Announcing {
    stream: Streaming,
    draining: CancellationToken,
}

impl Announcing {
    async fn step(mut self) -> Option<(Bytes, Self)> {
        let session = Arc::clone(&self.stream.session);
        let step = self.stream.step();
        tokio::pin!(step);
        loop {
            tokio::select! {
                biased;
                next = &mut step => {
                    let (bytes, stream) = next?;
                    self.stream = stream;
                    return Some((bytes, self));
                }
                heard = hear(&session) => {
                    for message in heard? {
                        session.streams.announce(message);
                    }
                }
                () = self.draining.cancelled() => return None,
            }
        }
    }
}

/// What is to be announced next; `None` when the gateway is gone.
async fn hear(session: &Session) -> Option<Vec<Vec<u8>>> {
    let change = session.changes.lock().await.recv().await;
    let lists = [Kind::Tools, Kind::Prompts, Kind::Resources];
    Some(match change {
        Ok(Change::List(kind)) => vec![list_changed(kind)],
        Ok(Change::Resource(uri)) if session.watched.covers(&uri) => vec![resource_updated(&uri)],
        Ok(Change::Resource(_)) => Vec::new(),
        // Too many to have kept: all may have changed.
        Err(RecvError::Lagged(_)) => {
            let resources = session.watched.all();
            let resources = resources.iter().map(|uri| resource_updated(uri));
            lists.into_iter().map(list_changed).chain(resources).collect()
        }
        Err(RecvError::Closed) => return None,
    })
}

fn list_changed(kind: Kind) -> Vec<u8> {
    encode::notification(&changed(kind), None)
}

fn resource_updated(uri: &str) -> Vec<u8> {
    let params = Json::encode(&serde_json::json!({ "uri": uri }));
    encode::notification(&Method::ResourceUpdated, Some(&params))
}
