//! Reading the answer to a POST: one object, or events up to the one that answers.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http::{HeaderValue, StatusCode};
use switchboard_core::Principal;
use switchboard_mcp::{Era, Event, Incoming as Message, Json, Method, RpcError, SseDecoder};

use crate::caller::Caller;
use crate::http::Inner;
use crate::http::client::Exchange;
use crate::link::{Acknowledged, LinkError};
use crate::unasked::{Asked, Origin};

/// The largest answer, and the largest event of a stream; the same as for a line over stdio.
const ANSWER_LIMIT: usize = 64 << 20;

/// How much of an error page goes into an error message.
const EXCERPT: usize = 200;

/// What is being read, and for whom.
pub(super) struct Reading<'a> {
    pub link: &'a Arc<Inner>,
    /// The request that waits for its answer; `None` for a stream of unasked messages.
    pub id: Option<u64>,
    /// With what the messages on its stream come.
    pub origin: Origin,
    /// Whose login the requests about it carry; our own's where it is nobody's.
    pub who: Option<&'a Principal>,
    /// Where the acknowledgement goes, if it is a subscription.
    pub acknowledged: Option<Acknowledged>,
    /// The session it was sent in.
    pub session: Option<&'a HeaderValue>,
    pub tells: Tells,
}

/// What a refusal says about the server, besides that it refuses.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Tells {
    Nothing,
    /// What it speaks: it was asked for that.
    Era,
    /// Whether it speaks this transport: it was asked to open a session.
    Transport,
}

impl Tells {
    pub(super) fn of(method: &Method) -> Self {
        match method {
            Method::Discover => Self::Era,
            Method::Initialize => Self::Transport,
            _ => Self::Nothing,
        }
    }
}

/// How reading a stream went.
enum Events {
    Answered(Result<Json, LinkError>),
    /// With the reason.
    Ended(String),
}

/// How far a stream was read, to go on from there.
struct Place {
    /// The id of the last event that had one.
    last: Option<String>,
    /// The wait that the server wants before it is asked to go on.
    pause: Duration,
    /// How often it was asked without a word of it since.
    tries: u32,
}

/// How often a stream is opened again without anything coming of it.
const RESUME_TRIES: u32 = 3;

/// The wait before a stream is opened again where the server names none, and the bounds of what it
/// may name: often enough to be of use, and not so often that we do nothing else.
const RESUME_PAUSE: Duration = Duration::from_secs(1);
const RESUME_PAUSES: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(30));

impl Default for Place {
    fn default() -> Self {
        Self { last: None, pause: RESUME_PAUSE, tries: 0 }
    }
}

impl Place {
    fn pass(&mut self, event: &Event) {
        self.tries = 0;
        if let Some(id) = &event.id {
            self.last = Some(id.clone());
        }
        if let Some(retry) = event.retry_ms {
            self.pause = Duration::from_millis(retry).clamp(RESUME_PAUSES.0, RESUME_PAUSES.1);
        }
    }
}

impl Reading<'_> {
    pub(super) async fn answer(&self, exchange: Exchange) -> Result<Json, LinkError> {
        let status = exchange.status();
        let kind = exchange.headers().get(http::header::CONTENT_TYPE);
        let is_stream = kind.is_some_and(|kind| kind.as_bytes().starts_with(b"text/event-stream"));
        if status.is_success() && is_stream {
            return self.stream(exchange).await;
        }
        if let Some(session) = self.lost(status) {
            self.link.tasks.spawn(finish(exchange));
            return Err(LinkError::NotSent(self.link.session_is_lost(self.who, session)));
        }
        let location = exchange.headers().get(http::header::LOCATION);
        let location = location.and_then(|to| to.to_str().ok()).map(str::to_owned);
        let body = collect(exchange).await?;
        if let Some(to) = location.filter(|_| status.is_redirection()) {
            return Err(LinkError::Declined(format!(
                "the server answered {status} and is at `{to}`; set `http.url` to that"
            )));
        }
        if let Ok(Message::Response { id, outcome }) = Message::decode(body.clone()) {
            // Errors often have no id; an id that is not ours is somebody else's answer.
            if id.is_some_and(|id| id.as_number() != self.id) {
                return Err(LinkError::Lost("the server answered another request".to_owned()));
            }
            return match (outcome, status) {
                (Err(error), _) if self.is_in_its_words(status) => Err(self.refused(error)),
                (Ok(result), status) if status.is_success() => Ok(result),
                _ => Err(self.refusal(status, &body)),
            };
        }
        Err(self.refusal(status, &body))
    }

    /// Whether what the server says in its own words counts, and not the status alone.
    fn is_in_its_words(&self, status: StatusCode) -> bool {
        // A front may have words for every path, and the transport is told by the status (2026-07-28,
        // "Backward compatibility").
        let is_elsewhere = self.tells == Tells::Transport && speaks_otherwise(status);
        !self.fails(status) && !is_elsewhere
    }

    fn refused(&self, error: RpcError) -> LinkError {
        self.link.unasked.refused(self.caller(), error)
    }

    fn caller(&self) -> Option<&Arc<Caller>> {
        match &self.origin {
            Origin::Call(caller) => Some(caller),
            Origin::Own | Origin::Shared => None,
        }
    }

    /// The session that the server says it does not know any more: nothing was carried out, and a
    /// new one may be opened.
    fn lost(&self, status: StatusCode) -> Option<&HeaderValue> {
        self.session.filter(|session| {
            forgets_session(status)
                || (status == StatusCode::UNAUTHORIZED && self.link.is_shut_out(session))
        })
    }

    /// Whether the server fails at the question for its revision, which then tells nothing, not
    /// even in its own words: a modern server in trouble would be taken for an old one.
    fn fails(&self, status: StatusCode) -> bool {
        self.tells == Tells::Era && status.is_server_error()
    }

    fn refusal(&self, status: StatusCode, body: &Bytes) -> LinkError {
        let text = String::from_utf8_lossy(body);
        let excerpt: String = text.chars().filter(|c| !c.is_control()).take(EXCERPT).collect();
        let hint = match status {
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                "; set the header it wants under `http.headers`"
            }
            status if self.fails(status) => {
                "; if it is an old server that fails at what it does not know, set `era = \"legacy\"`"
            }
            _ => "",
        };
        let cause = format!("the server answered {status}: {excerpt}{hint}");
        match status {
            // Refused at the door, by a server that there may be another way to.
            status if speaks_otherwise(status) => LinkError::NotTaken(cause),
            StatusCode::TOO_MANY_REQUESTS => LinkError::Busy(cause),
            status if status.is_client_error() => LinkError::Declined(cause),
            // Of a front with nothing behind it, or of a server that does not want to be asked.
            StatusCode::SERVICE_UNAVAILABLE => LinkError::NotSent(cause),
            StatusCode::BAD_GATEWAY | StatusCode::GATEWAY_TIMEOUT => LinkError::Lost(cause),
            _ => LinkError::Failed(cause),
        }
    }

    async fn stream(&self, mut exchange: Exchange) -> Result<Json, LinkError> {
        let mut place = Place::default();
        loop {
            let broken = match self.events(exchange, &mut place).await {
                Events::Answered(answer) => return answer,
                Events::Ended(reason) => reason,
            };
            exchange = self.resume(&mut place, broken).await?;
        }
    }

    /// Reads events up to the answer, or to the end of the stream.
    async fn events(&self, mut exchange: Exchange, place: &mut Place) -> Events {
        let mut decoder = SseDecoder::new(ANSWER_LIMIT);
        loop {
            loop {
                let event = match decoder.next_event() {
                    Ok(Some(event)) => event,
                    Ok(None) => break,
                    Err(error) => {
                        return Events::Answered(Err(LinkError::Lost(error.to_string())));
                    }
                };
                place.pass(&event);
                if let Some(answer) = self.message(event.data) {
                    self.link.tasks.spawn(finish(exchange));
                    return Events::Answered(answer);
                }
            }
            match exchange.data().await {
                Some(Ok(data)) => decoder.feed(&data),
                Some(Err(error)) => return Events::Ended(error.to_string()),
                None => return Events::Ended("the stream ended before the answer".to_owned()),
            }
        }
    }

    /// Opens a stream again that ended before the answer, where the server said how: one of the
    /// legacy era may close any stream to save connections, and goes on when asked (2025-11-25,
    /// "Streamable HTTP").
    async fn resume(&self, place: &mut Place, reason: String) -> Result<Exchange, LinkError> {
        let last = place.last.as_ref().and_then(|id| HeaderValue::try_from(id).ok());
        let is_legacy = self.link.version().era() == Era::Legacy;
        let Some(last) = last.filter(|_| is_legacy && place.tries < RESUME_TRIES) else {
            return Err(LinkError::Lost(reason));
        };
        place.tries += 1;
        // Nobody waits for what comes unasked, and the server may go on so for ever.
        let pause = if self.id.is_some() { place.pause } else { place.pause.max(RESUME_PAUSE) };
        tokio::time::sleep(pause).await;
        let response = self.link.open_stream(self.who, Some(last)).await;
        let opened = response.ok().filter(|response| response.status() == StatusCode::OK);
        opened.ok_or(LinkError::Lost(reason))
    }

    /// The answer, if the event is it.
    fn message(&self, data: Bytes) -> Option<Result<Json, LinkError>> {
        if data.is_empty() {
            return None;
        }
        match Message::decode(data) {
            Ok(Message::Response { id, outcome }) => {
                let ours = self.id.is_some() && id.and_then(|id| id.as_number()) == self.id;
                return ours.then(|| outcome.map_err(|error| self.refused(error)));
            }
            Ok(Message::Notification { method: Method::Acknowledged, params }) => {
                if let Some(acknowledged) = &self.acknowledged {
                    acknowledged.send_replace(params);
                }
            }
            Ok(Message::Notification { method, params }) => {
                self.link.unasked.notification(method, params, &self.origin);
            }
            Ok(Message::Request { id, method, params }) => {
                let link = Arc::clone(self.link);
                let asked = Asked { id, method, params };
                let who = self.who.cloned();
                self.link.unasked.request(asked, &self.origin, move |answer| {
                    // A server that does not take the answer gets none.
                    link.say(who, answer);
                });
            }
            Err(error) => {
                tracing::warn!(upstream = &*self.link.name, %error, "an event that is no message");
            }
        }
        None
    }
}

/// Whether a server says so that it does not know a session any more: by 404 (2025-11-25, "Session
/// Management"), or by 410, which is the word of HTTP for what was there and is gone for good (RFC
/// 9110, section 15.5.11), and which some servers say.
pub(super) fn forgets_session(status: StatusCode) -> bool {
    matches!(status, StatusCode::NOT_FOUND | StatusCode::GONE)
}

/// Whether a refusal tells that the server does not know such messages, rather than that it does not
/// let us in, or not now. 400, 404 and 405 are what the specification names (2026-07-28, "Backward
/// compatibility"); frameworks have more words for what they cannot read.
fn speaks_otherwise(status: StatusCode) -> bool {
    matches!(status.as_u16(), 400 | 404 | 405 | 406 | 410 | 415 | 422)
}

async fn collect(mut exchange: Exchange) -> Result<Bytes, LinkError> {
    let mut whole: Option<BytesMut> = None;
    let mut first = Bytes::new();
    while let Some(data) = exchange.data().await {
        let data = data.map_err(|error| LinkError::Lost(error.to_string()))?;
        if first.is_empty() {
            // Nearly all answers arrive in one piece, which then needs no copy.
            first = data;
            continue;
        }
        let whole = whole.get_or_insert_with(|| BytesMut::from(&first[..]));
        if whole.len() + data.len() > ANSWER_LIMIT {
            return Err(LinkError::Lost(format!("the answer is longer than {ANSWER_LIMIT} bytes")));
        }
        whole.extend_from_slice(&data);
    }
    exchange.keep();
    Ok(whole.map_or(first, BytesMut::freeze))
}

/// Reads what follows the answer on its stream, which is its end, so that the connection can be
/// used again. A server that does not end the stream loses the connection.
pub(super) async fn finish(mut exchange: Exchange) {
    let end = async { while let Some(Ok(_)) = exchange.data().await {} };
    if tokio::time::timeout(STREAM_END, end).await.is_ok() {
        exchange.keep();
    }
}

/// How long the end of a stream may take after its answer.
const STREAM_END: Duration = Duration::from_secs(1);
