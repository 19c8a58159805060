//! What is said to the client of a session as events, and said again where a connection broke.
//!
//! A session has any number of streams: one for each POST that is answered by events, and the one
//! of a GET, for what is said unasked. Whoever has something to say adds it to its stream, and the
//! connection reads it from there. A connection may break between the two: what was handed to one
//! is kept for a while, and the next, which names the last event that its client has seen
//! (`Last-Event-ID`), goes on behind that (2025-03-26 to 2025-11-25, "Resumability and
//! Redelivery"). A message is on one stream, and a stream has one reader: another takes its place.

mod kept;
mod reader;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};

use bytes::Bytes;
use tokio::sync::Notify;

use crate::replay::kept::Kept;

pub(crate) use kept::Budget;
pub(crate) use reader::{First, Reader};

/// Messages that may wait for a connection that reads slowly, and their bytes; whoever has more to
/// say waits for room.
const WAITING: usize = 64;
const WAITING_BYTES: usize = 1 << 20;

/// The stream of a GET, which every session has.
const UNASKED: u64 = 0;

/// The streams of one session.
pub(crate) struct Streams {
    /// Begins the event ids of this session, so that one of another is not mistaken for ours.
    tag: u32,
    state: Mutex<State>,
}

struct State {
    open: HashMap<u64, Stream>,
    kept: Kept,
    /// Streams begun so far.
    begun: u64,
    /// Events numbered so far: those that were handed to a connection, or would have been. They
    /// are counted for the session, because ids are unique in all of it.
    numbered: u64,
}

#[derive(Default)]
struct Stream {
    /// Said, and not handed to a connection.
    waiting: Vec<Bytes>,
    waiting_bytes: usize,
    /// The answers that the stream was begun for; `None` while it goes on.
    end: Option<Vec<Bytes>>,
    /// The one that reads, by its number; `None` where nobody does.
    reader: Option<u64>,
    readers: u64,
    /// The last event that was handed to a connection or kept; 0 where the client knows no event
    /// of the stream, and cannot resume it.
    last: u64,
    news: Arc<Notify>,
}

struct Message {
    event: u64,
    text: Bytes,
}

/// The client names an event that it cannot go on behind.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct UnknownEvent;

impl Streams {
    /// `tag` is any number that other sessions are unlikely to have.
    pub(crate) fn new(tag: u32, budget: Arc<Budget>) -> Arc<Self> {
        let open = HashMap::from([(UNASKED, Stream::default())]);
        let state = State { open, kept: Kept::new(budget), begun: 0, numbered: 0 };
        Arc::new(Self { tag, state: Mutex::new(state) })
    }

    /// Begins the stream of a POST, and reads it.
    pub(crate) fn begin(self: &Arc<Self>) -> (u64, Reader) {
        let mut state = self.state();
        state.begun += 1;
        let number = state.begun;
        state.open.insert(number, Stream::default());
        let reader = self.read(&mut state, number, Vec::new());
        (number, reader)
    }

    /// Reads what is said unasked, from what nobody was handed on.
    pub(crate) fn unasked(self: &Arc<Self>) -> Reader {
        self.read(&mut self.state(), UNASKED, Vec::new())
    }

    /// Goes on behind an event that the client has seen.
    ///
    /// # Errors
    ///
    /// [`UnknownEvent`] for what is no event of this session, and where something of the stream is
    /// not kept any more. From the stream of a GET what is left is said all the same: it has no end
    /// that a client would wait for in vain.
    pub(crate) fn resume(self: &Arc<Self>, last: &str) -> Result<Reader, UnknownEvent> {
        let (number, event) = self.parse(last).ok_or(UnknownEvent)?;
        let mut state = self.state();
        if event > state.numbered {
            return Err(UnknownEvent);
        }
        let last = state.open.get(&number).map(|stream| stream.last);
        let again = state.kept.after(number, event);
        let is_whole = match again.first() {
            Some((previous, _)) => *previous <= event,
            None => last.is_some_and(|last| last != 0 && last <= event),
        };
        if !is_whole && number != UNASKED {
            return Err(UnknownEvent);
        }
        let again = again.into_iter().map(|(_, message)| message).collect();
        Ok(self.read(&mut state, number, again))
    }

    /// Says something; it is lost where nobody reads and nobody can resume.
    pub(crate) fn say(&self, number: u64, text: Vec<u8>) {
        let mut state = self.state();
        let State { open, kept, numbered, .. } = &mut *state;
        let Some(stream) = open.get_mut(&number) else { return };
        stream.waiting_bytes += text.len();
        stream.waiting.push(text.into());
        if stream.reader.is_none() {
            stream.keep(number, kept, numbered);
        }
        stream.news.notify_waiters();
    }

    /// Says something unasked.
    pub(crate) fn announce(&self, text: Vec<u8>) {
        self.say(UNASKED, text);
    }

    /// Waits until there is room for more on a stream.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    pub(crate) async fn room(&self, number: u64) {
        loop {
            let news = {
                let state = self.state();
                let Some(stream) = state.open.get(&number) else { return };
                if stream.waiting.len() < WAITING && stream.waiting_bytes < WAITING_BYTES {
                    return;
                }
                // Made under the lock, so that no news are missed.
                Arc::clone(&stream.news).notified_owned()
            };
            news.await;
        }
    }

    /// Ends a stream with the answers that it was begun for.
    pub(crate) fn end(&self, number: u64, answers: Vec<Vec<u8>>) {
        let mut state = self.state();
        let Some(stream) = state.open.get_mut(&number) else { return };
        stream.end = Some(answers.into_iter().map(Bytes::from).collect());
        if stream.reader.is_some() {
            stream.news.notify_waiters();
        } else {
            state.close(number);
        }
    }

    fn read(self: &Arc<Self>, state: &mut State, number: u64, again: Vec<Message>) -> Reader {
        let place = state.open.get_mut(&number).map(|stream| {
            stream.readers += 1;
            stream.reader = Some(stream.readers);
            // Whoever reads now finds that another does.
            stream.news.notify_waiters();
            stream.readers
        });
        Reader::new(Arc::clone(self), number, again, place)
    }

    fn id(&self, number: u64, event: u64) -> String {
        format!("{:08x}-{number}-{event}", self.tag)
    }

    fn parse(&self, id: &str) -> Option<(u64, u64)> {
        let (tag, rest) = id.split_once('-')?;
        let (number, event) = rest.split_once('-')?;
        let ours = tag == format!("{:08x}", self.tag);
        ours.then_some((number.parse().ok()?, event.parse().ok()?))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no one panics holding it")
    }
}

impl State {
    /// Keeps what a stream that has ended has left to say, for a client that resumes.
    fn close(&mut self, number: u64) {
        let Some(mut stream) = self.open.remove(&number) else { return };
        stream.finish();
        stream.keep(number, &mut self.kept, &mut self.numbered);
    }
}

impl Stream {
    /// Puts the answers behind what was said before.
    fn finish(&mut self) {
        self.waiting.extend(self.end.take().into_iter().flatten());
    }

    /// Takes what waits, numbered, and keeps it for whoever resumes.
    fn take(&mut self, number: u64, kept: &mut Kept, numbered: &mut u64) -> Vec<Message> {
        self.waiting_bytes = 0;
        let mut taken = Vec::with_capacity(self.waiting.len());
        for text in self.waiting.drain(..) {
            *numbered += 1;
            kept.add(number, self.last, *numbered, text.clone());
            self.last = *numbered;
            taken.push(Message { event: *numbered, text });
        }
        taken
    }

    /// Nobody reads. On the stream of a GET what waits goes on waiting, because the next reader
    /// need not have seen anything of it; on others whoever resumes has.
    fn keep(&mut self, number: u64, kept: &mut Kept, numbered: &mut u64) {
        if number == UNASKED {
            let surplus = self.waiting.len().saturating_sub(WAITING);
            self.waiting.drain(..surplus);
        } else if self.last == 0 {
            self.waiting.clear();
            self.waiting_bytes = 0;
        } else {
            self.take(number, kept, numbered);
        }
    }
}

#[cfg(test)]
mod tests;
