//! The answer to a request of 2026-07-28: one JSON object, unless there is something to say on the
//! way, or it takes long.

use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use http::{Response, StatusCode};
use switchboard_mcp::{Json, RequestId, RpcError, code, encode, encode_event, encode_event_with};
use tokio::sync::mpsc;

use crate::http::message::{Body, events, json, rpc};

/// A request that is being answered. Dropping it gives the request up.
pub(crate) type Answer = Pin<Box<dyn Future<Output = Result<Json, RpcError>> + Send>>;

/// How often a silent stream says that it is alive: proxies commonly cut after 30 to 60 s.
pub(crate) const KEEP_ALIVE: Duration = Duration::from_secs(15);

pub(crate) const KEEP_ALIVE_COMMENT: &[u8] = b": keep-alive\n\n";

/// Waits for the answer; turns into a stream of events with the first message before it, or when
/// proxies would take the connection for dead (2026-07-28, "Streamable HTTP"): a client that is cut
/// off has cancelled. Whoever gets here accepts both forms of answer.
pub(crate) async fn respond(
    id: RequestId,
    mut answer: Answer,
    messages: Option<mpsc::Receiver<Vec<u8>>>,
) -> Response<Body> {
    let Some(mut messages) = messages else { return silent(id, answer).await };
    let first = tokio::select! {
        biased;
        outcome = &mut answer => {
            // What was said before the answer goes out before it, also if both came at once.
            let Ok(first) = messages.try_recv() else { return finished(&id, outcome) };
            return events(stream::iter([last(Some(&first), &mut messages, &id, &outcome)]));
        }
        Some(first) = messages.recv() => event(&first),
        () = tokio::time::sleep(KEEP_ALIVE) => Bytes::from_static(KEEP_ALIVE_COMMENT),
    };
    let state = Streaming { id, answer, messages, next: Some(first), done: false };
    events(stream::unfold(state, Streaming::step))
}

/// As [`respond`] where the client wants to hear of nothing on the way, as nearly all do.
async fn silent(id: RequestId, mut answer: Answer) -> Response<Body> {
    if let Ok(outcome) = tokio::time::timeout(KEEP_ALIVE, &mut answer).await {
        return finished(&id, outcome);
    }
    let next = Some(Bytes::from_static(KEEP_ALIVE_COMMENT));
    let messages = mpsc::channel(1).1;
    events(stream::unfold(Streaming { id, answer, messages, next, done: false }, Streaming::step))
}

/// Waits for the answer, however long it takes, for clients that take no stream.
pub(crate) async fn whole(id: &RequestId, answer: Answer) -> Response<Body> {
    finished(id, answer.await)
}

fn finished(id: &RequestId, outcome: Result<Json, RpcError>) -> Response<Body> {
    match outcome {
        Ok(result) => json(StatusCode::OK, encode::result(id, &result)),
        Err(error) => rpc(modern_status(&error), Some(id), &error),
    }
}

struct Streaming {
    id: RequestId,
    answer: Answer,
    messages: mpsc::Receiver<Vec<u8>>,
    next: Option<Bytes>,
    done: bool,
}

impl Streaming {
    async fn step(mut self) -> Option<(Bytes, Self)> {
        if self.done {
            return None;
        }
        if let Some(bytes) = self.next.take() {
            return Some((bytes, self));
        }
        let keep_alive = tokio::time::sleep(KEEP_ALIVE);
        let bytes = tokio::select! {
            biased;
            // What was said before the answer goes out before it.
            Some(message) = self.messages.recv() => event(&message),
            outcome = &mut self.answer => {
                self.done = true;
                last(None, &mut self.messages, &self.id, &outcome)
            }
            () = keep_alive => Bytes::from_static(KEEP_ALIVE_COMMENT),
        };
        Some((bytes, self))
    }
}

/// The last piece of a stream: the messages that are still there, and the answer.
fn last(
    first: Option<&[u8]>,
    messages: &mut mpsc::Receiver<Vec<u8>>,
    id: &RequestId,
    outcome: &Result<Json, RpcError>,
) -> Bytes {
    let mut out = Vec::new();
    if let Some(first) = first {
        encode_event(&mut out, None, first);
    }
    while let Ok(message) = messages.try_recv() {
        encode_event(&mut out, None, &message);
    }
    // An answer may have 64 MiB: there is the result, and what goes out, and no third of them.
    encode_event_with(&mut out, None, |out| encode::outcome_to(out, id, outcome));
    out.into()
}

pub(crate) fn event(message: &[u8]) -> Bytes {
    let mut out = Vec::with_capacity(message.len() + 8);
    encode_event(&mut out, None, message);
    out.into()
}

/// The status of an error to a client of 2026-07-28 (its "Streamable HTTP", error table). What a
/// handler answers is 200, as the SDKs do; the specification leaves that open.
fn modern_status(error: &RpcError) -> StatusCode {
    match error.code {
        code::METHOD_NOT_FOUND => StatusCode::NOT_FOUND,
        code::HEADER_MISMATCH | code::MISSING_CAPABILITY | code::UNSUPPORTED_VERSION => {
            StatusCode::BAD_REQUEST
        }
        _ => StatusCode::OK,
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use switchboard_mcp::{Json, RequestId, RpcError, encode, encode_event};
    use tokio::sync::mpsc;

    use super::last;

    fn id() -> RequestId {
        RequestId::from_number(7)
    }

    fn said(outcome: &Result<Json, RpcError>) -> Vec<u8> {
        Vec::from(last(Some(b"{}"), &mut mpsc::channel(1).1, &id(), outcome))
    }

    #[test]
    fn the_last_event_is_the_answer_as_it_would_be_alone() {
        let result = Json::parse(Bytes::from_static(b"{\n\"a\":\r1}")).unwrap();
        for outcome in [Ok(result), Err(RpcError::new(-32603, "no"))] {
            let mut expected = Vec::new();
            encode_event(&mut expected, None, b"{}");
            encode_event(&mut expected, None, &encode::outcome(&id(), &outcome));
            assert_eq!(said(&outcome), expected);
        }
    }

    /// A buffer that grows doubles, and is copied as it does.
    #[test]
    fn a_large_answer_has_just_the_room_that_it_needs() {
        let result = Json::encode(&"x".repeat(8 << 20));
        let event = said(&Ok(result));
        assert!(event.capacity() - event.len() < 64, "{} of {}", event.len(), event.capacity());
    }
}
