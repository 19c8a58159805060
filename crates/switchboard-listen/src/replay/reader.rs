//! The end of a stream that a connection holds.

use std::sync::Arc;

use bytes::Bytes;
use switchboard_mcp::encode_event;
use tokio::sync::futures::OwnedNotified;

use super::{Message, State, Streams, UNASKED};

/// Reads a stream for one connection, until it ends or another reads it.
pub(crate) struct Reader {
    streams: Arc<Streams>,
    number: u64,
    /// What an earlier connection was handed and its client may not have seen.
    again: Vec<Message>,
    /// Its number among the readers of the stream; `None` where the stream has ended.
    place: Option<u64>,
}

/// What there is to read first.
pub(crate) enum First {
    /// Nothing is said on the way: the answers are all there is.
    Answers(Vec<Bytes>),
    Events,
}

/// What a look at a stream found.
enum Look<T> {
    Found(T),
    /// To be waited for.
    Nothing(OwnedNotified),
    Over,
}

/// After how many milliseconds a client should come back that lost its connection (2025-11-25): at
/// once is too early for whatever broke it, and a person waits.
const RETRY_MS: u32 = 1_000;

impl Reader {
    pub(super) fn new(
        streams: Arc<Streams>,
        number: u64,
        again: Vec<Message>,
        place: Option<u64>,
    ) -> Self {
        Self { streams, number, again, place }
    }

    /// Whether this is the stream of a GET, rather than one that a POST began.
    pub(crate) fn is_unasked(&self) -> bool {
        self.number == UNASKED
    }

    /// Waits until it is known whether anything is said before the answers.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    pub(crate) async fn first(&mut self) -> First {
        loop {
            match self.look_first() {
                Look::Found(first) => return first,
                Look::Over => return First::Answers(Vec::new()),
                Look::Nothing(news) => news.await,
            }
        }
    }

    /// Waits for more, and gives it as events; `None` at the end of the stream, or where another
    /// reads it.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    pub(crate) async fn next(&mut self) -> Option<Bytes> {
        if !self.again.is_empty() {
            let mut out = Vec::new();
            for message in std::mem::take(&mut self.again) {
                self.write(&mut out, &message);
            }
            return Some(out.into());
        }
        loop {
            match self.look() {
                Look::Found(events) => return Some(events),
                Look::Over => return None,
                Look::Nothing(news) => news.await,
            }
        }
    }

    /// An event without data, which gives the client something to resume from (2025-11-25,
    /// "Sending Messages to the Server"). For a stream that begins: what is said again was before.
    pub(crate) fn prime(&mut self) -> Bytes {
        let mut state = self.streams.state();
        state.numbered += 1;
        let event = state.numbered;
        if let Some(stream) = state.open.get_mut(&self.number) {
            stream.last = event;
        }
        let id = self.streams.id(self.number, event);
        format!("id: {id}\nretry: {RETRY_MS}\ndata: \n\n").into()
    }

    fn look_first(&mut self) -> Look<First> {
        let mut state = self.streams.state();
        let Some(stream) = state.open.get_mut(&self.number) else { return Look::Over };
        if stream.reader != self.place {
            return Look::Over;
        }
        if !stream.waiting.is_empty() {
            return Look::Found(First::Events);
        }
        let Some(answers) = stream.end.take() else {
            return Look::Nothing(Arc::clone(&stream.news).notified_owned());
        };
        self.place = None;
        state.open.remove(&self.number);
        Look::Found(First::Answers(answers))
    }

    fn look(&mut self) -> Look<Bytes> {
        if self.place.is_none() {
            return Look::Over;
        }
        let mut state = self.streams.state();
        let State { open, kept, numbered, .. } = &mut *state;
        let Some(stream) = open.get_mut(&self.number) else { return Look::Over };
        if stream.reader != self.place {
            return Look::Over;
        }
        let has_ended = stream.end.is_some();
        stream.finish();
        if stream.waiting.is_empty() && !has_ended {
            return Look::Nothing(Arc::clone(&stream.news).notified_owned());
        }
        let mut out = Vec::new();
        for message in stream.take(self.number, kept, numbered) {
            self.write(&mut out, &message);
        }
        // There is room again.
        stream.news.notify_waiters();
        if has_ended {
            open.remove(&self.number);
            self.place = None;
        }
        if out.is_empty() { Look::Over } else { Look::Found(out.into()) }
    }

    fn write(&self, out: &mut Vec<u8>, message: &Message) {
        let id = self.streams.id(self.number, message.event);
        encode_event(out, Some(&id), &message.text);
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        let mut state = self.streams.state();
        let State { open, kept, numbered, .. } = &mut *state;
        let Some(stream) = open.get_mut(&self.number) else { return };
        if self.place.is_none() || stream.reader != self.place {
            return;
        }
        stream.reader = None;
        if stream.end.is_some() {
            state.close(self.number);
        } else {
            stream.keep(self.number, kept, numbered);
            // Nobody has to be waited for any more.
            stream.news.notify_waiters();
        }
    }
}
