//! What belongs to one call: who made it, when, and how much it may still say.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use crate::call::Call;
use crate::grants::Denied;
use crate::host::{Host, Level, Line, Report, Source};

/// Longest line of a log; what is longer is cut. Terminals and log viewers do no better with more.
const LINE_BYTES: usize = 8 << 10;

/// Reports of progress in one call. A bar has no more steps.
const PROGRESS_REPORTS: u32 = 1_000;

/// Different things of which it is reported that they were tried. Hosts can be made up without end.
const DENIED: usize = 32;

/// One call, seen from inside the guest.
pub(crate) struct Scope {
    pub(crate) host: Arc<dyn Host>,
    now: SystemTime,
    began: Instant,
    said: Mutex<Said>,
}

struct Said {
    log_bytes_left: usize,
    lines_dropped: u64,
    progress_left: u32,
    denied: BTreeSet<Denied>,
    /// The beginnings of lines that are not written to their end: standard output and error.
    partial: [Vec<u8>; 2],
}

impl Scope {
    pub(crate) fn of(call: &Call) -> Arc<Self> {
        Arc::new(Self {
            host: Arc::clone(&call.host),
            now: call.now,
            began: Instant::now(),
            said: Mutex::new(Said {
                log_bytes_left: call.terms.limits.log_bytes,
                lines_dropped: 0,
                progress_left: PROGRESS_REPORTS,
                denied: BTreeSet::new(),
                partial: [Vec::new(), Vec::new()],
            }),
        })
    }

    /// The time of day when the call began.
    pub(crate) fn start(&self) -> Duration {
        self.now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
    }

    pub(crate) fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }

    pub(crate) fn deny(&self, what: Denied) {
        let is_new = {
            let denied = &mut self.said.lock().expect("no one panics holding it").denied;
            denied.len() < DENIED && denied.insert(what.clone())
        };
        if is_new {
            self.host.report(Report::Denied(what));
        }
    }

    /// `done` and `total` are the guest's; what is no number cannot be passed on.
    pub(crate) fn progress(&self, done: f64, total: Option<f64>, message: Option<String>) {
        {
            let said = &mut self.said.lock().expect("no one panics holding it");
            if said.progress_left == 0 || !done.is_finite() {
                return;
            }
            said.progress_left -= 1;
        }
        let total = total.filter(|total| total.is_finite());
        let message = message.map(|message| cut(&message).to_owned());
        self.host.report(Report::Progress { done, total, message });
    }

    pub(crate) fn log(&self, level: Level, text: &str) {
        for line in text.lines() {
            self.line(level, Source::Log, line);
        }
    }

    /// Takes what the guest prints, in pieces of any length.
    pub(crate) fn print(&self, source: Source, mut bytes: &[u8]) {
        while let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
            let line = self.completed(source, &bytes[..end]);
            self.printed(source, &line);
            bytes = &bytes[end + 1..];
        }
        let partial =
            &mut self.said.lock().expect("no one panics holding it").partial[index(source)];
        let room = LINE_BYTES.saturating_sub(partial.len());
        partial.extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    /// The call is over: says what is left to say.
    pub(crate) fn finish(&self) {
        for source in [Source::Stdout, Source::Stderr] {
            let line = self.completed(source, b"");
            if !line.is_empty() {
                self.printed(source, &line);
            }
        }
        let dropped = self.said.lock().expect("no one panics holding it").lines_dropped;
        if dropped > 0 {
            let text = format!("{dropped} more lines were written, beyond what a call may log");
            self.host.report(Report::Log(Line {
                level: Level::Warn,
                source: Source::Switchboard,
                text,
            }));
        }
    }

    pub(crate) fn note(&self, level: Level, text: &str) {
        self.line(level, Source::Switchboard, text);
    }

    /// What was printed before of the line, and its end.
    fn completed(&self, source: Source, end: &[u8]) -> Vec<u8> {
        let partial =
            &mut self.said.lock().expect("no one panics holding it").partial[index(source)];
        let mut line = std::mem::take(partial);
        let room = LINE_BYTES.saturating_sub(line.len());
        line.extend_from_slice(&end[..end.len().min(room)]);
        line
    }

    fn printed(&self, source: Source, line: &[u8]) {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        self.line(Level::Info, source, &String::from_utf8_lossy(line));
    }

    fn line(&self, level: Level, source: Source, text: &str) {
        let text = cut(text);
        {
            let said = &mut self.said.lock().expect("no one panics holding it");
            // An empty line costs something, too.
            match said.log_bytes_left.checked_sub(text.len() + 1) {
                Some(left) => said.log_bytes_left = left,
                None => {
                    said.log_bytes_left = 0;
                    said.lines_dropped += 1;
                    return;
                }
            }
        }
        self.host.report(Report::Log(Line { level, source, text: text.to_owned() }));
    }
}

fn index(source: Source) -> usize {
    usize::from(source == Source::Stderr)
}

/// As much of a text of a guest as is passed on at once.
pub(crate) fn cut(text: &str) -> &str {
    &text[..text.floor_char_boundary(LINE_BYTES)]
}

/// The call that an instance is at; what outlives a call (clocks, standard output) asks here.
#[derive(Clone, Default)]
pub(crate) struct Current(Arc<Mutex<Option<Arc<Scope>>>>);

impl Current {
    pub(crate) fn enter(&self, scope: Arc<Scope>) {
        *self.0.lock().expect("no one panics holding it") = Some(scope);
    }

    pub(crate) fn leave(&self) {
        *self.0.lock().expect("no one panics holding it") = None;
    }

    /// None only between calls, when no guest runs.
    pub(crate) fn scope(&self) -> Option<Arc<Scope>> {
        self.0.lock().expect("no one panics holding it").clone()
    }

    pub(crate) fn deny(&self, what: Denied) {
        if let Some(scope) = self.scope() {
            scope.deny(what);
        }
    }
}
