//! What a child wrote to standard error, the last of it, in bounded memory.
//!
//! Lines are kept as bytes and made readable when somebody reads them: most are never read. The ring
//! outlives the child, because the last lines of a child that died are the ones people ask for.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::io::AsyncReadExt as _;
use tokio::net::unix::pipe;
use tokio::sync::broadcast;
use tokio::time::Instant;

mod cutter;
mod plain;

use cutter::Cutter;

/// Most lines kept. A stack trace of Python or Node is some 50 lines; this holds the story around it.
const LINE_LIMIT: usize = 1000;

/// Most bytes kept: with a hundred upstreams that all shout, 25 MiB in total.
const BYTE_LIMIT: usize = 256 * 1024;

/// Most bytes kept of one line. Longer ones are data (a JSON dump, a progress bar), of which the start tells enough.
const LINE_LENGTH_LIMIT: usize = 4096;

/// Most lines a follower may lag behind. Beyond it lines are missed, and counted, so that a terminal
/// that does not scroll never delays a child.
const FOLLOW_LIMIT: usize = 256;

/// The last lines of a child's standard error. Clones show the same lines.
#[derive(Clone, Debug)]
pub struct StderrRing(Arc<Shared>);

/// One line, safe to print on a terminal.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct StderrLine {
    /// Counts from 0 over the life of the ring; a gap between two lines is what was dropped.
    pub number: u64,
    pub text: String,
}

/// Receives lines as they are written.
#[derive(Debug)]
pub struct Follow(broadcast::Receiver<Arc<Kept>>);

/// What a follower sees.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Followed {
    Line(StderrLine),
    /// The follower was too slow for this many lines.
    Missed(u64),
}

#[derive(Debug)]
struct Shared {
    lines: Mutex<Lines>,
    news: broadcast::Sender<Arc<Kept>>,
}

#[derive(Debug, Default)]
struct Lines {
    kept: VecDeque<Arc<Kept>>,
    bytes: usize,
    next_number: u64,
}

#[derive(Debug)]
struct Kept {
    number: u64,
    start: Box<[u8]>,
    /// How many bytes of the line are not in `start`.
    cut: usize,
}

impl StderrRing {
    /// The last `count` lines, oldest first.
    pub fn lines(&self, count: usize) -> Vec<StderrLine> {
        let lines = self.lock();
        let skipped = lines.kept.len().saturating_sub(count);
        let kept: Vec<_> = lines.kept.iter().skip(skipped).cloned().collect();
        drop(lines);
        kept.iter().map(|line| line.readable()).collect()
    }

    /// Follows the lines written from now on.
    pub fn follow(&self) -> Follow {
        Follow(self.0.news.subscribe())
    }

    /// Adds what stands for something that a child wrote, line by line.
    pub fn note(&self, text: &str) {
        for line in text.lines() {
            let start = &line.as_bytes()[..line.len().min(LINE_LENGTH_LIMIT)];
            self.add(start, line.len() - start.len());
        }
    }

    /// Copies what `pipe` delivers into the ring, until its last writer has closed it; at most `pace`
    /// bytes a second, so that who writes more waits.
    pub(crate) async fn pump(self, mut pipe: pipe::Receiver, pace: Option<u32>) {
        let mut cutter = Cutter::new(LINE_LENGTH_LIMIT);
        let mut pacer = pace.map(Pacer::new);
        let mut buffer = vec![0; 8192];
        loop {
            match pipe.read(&mut buffer).await {
                // A pipe that fails has nothing more to tell either.
                Ok(0) | Err(_) => break,
                Ok(count) => {
                    cutter.push(&buffer[..count], |line, cut| self.add(line, cut));
                    if let Some(pacer) = &mut pacer {
                        pacer.took(count).await;
                    }
                }
            }
        }
        cutter.finish(|line, cut| self.add(line, cut));
    }

    fn add(&self, start: &[u8], cut: usize) {
        let mut lines = self.lock();
        let line = Arc::new(Kept { number: lines.next_number, start: start.into(), cut });
        lines.next_number += 1;
        lines.bytes += start.len();
        lines.kept.push_back(Arc::clone(&line));
        while lines.kept.len() > LINE_LIMIT || lines.bytes > BYTE_LIMIT {
            let oldest = lines.kept.pop_front().expect("more than the limit is more than none");
            lines.bytes -= oldest.start.len();
        }
        // Sent under the lock, so that followers see the order of the numbers. Nobody following is normal.
        let _ = self.0.news.send(line);
    }

    fn lock(&self) -> MutexGuard<'_, Lines> {
        self.0.lines.lock().expect("no one panics holding it")
    }
}

/// Holds up who reads more than so much in each stretch of time.
struct Pacer {
    /// Bytes in a stretch.
    most: usize,
    taken: usize,
    since: Instant,
}

/// Short, so that the last words of a child are read soon.
const STRETCH: Duration = Duration::from_millis(100);

impl Pacer {
    fn new(bytes_per_second: u32) -> Self {
        let most = usize::try_from(bytes_per_second / 10).unwrap_or(usize::MAX);
        Self { most: most.max(1), taken: 0, since: Instant::now() }
    }

    async fn took(&mut self, count: usize) {
        self.taken += count;
        if self.since.elapsed() < STRETCH {
            if self.taken < self.most {
                return;
            }
            tokio::time::sleep_until(self.since + STRETCH).await;
        }
        (self.taken, self.since) = (0, Instant::now());
    }
}

impl Default for StderrRing {
    fn default() -> Self {
        let (news, _) = broadcast::channel(FOLLOW_LIMIT);
        Self(Arc::new(Shared { lines: Mutex::default(), news }))
    }
}

impl Follow {
    /// The next line, or how many were missed; `None` once the ring is gone.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses nothing.
    pub async fn next(&mut self) -> Option<Followed> {
        match self.0.recv().await {
            Ok(line) => Some(Followed::Line(line.readable())),
            Err(broadcast::error::RecvError::Lagged(count)) => Some(Followed::Missed(count)),
            Err(broadcast::error::RecvError::Closed) => None,
        }
    }
}

impl Kept {
    fn readable(&self) -> StderrLine {
        let mut text = plain::text(&String::from_utf8_lossy(&self.start));
        if self.cut > 0 {
            text.push_str(&format!(" … ({} bytes more)", self.cut));
        }
        StderrLine { number: self.number, text }
    }
}

#[cfg(test)]
mod tests;
