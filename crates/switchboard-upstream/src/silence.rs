//! How long a server has said nothing, and whether it was asked something meanwhile: what there is
//! to judge it by without asking.

use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

/// The silence of one server, over all its sessions.
pub(crate) struct Silence {
    /// How long a server may say nothing while it is asked something.
    patience: Duration,
    heard: Mutex<Heard>,
    suspicion: Notify,
}

struct Heard {
    /// How often the server said something.
    words: u64,
    /// Requests that wait for their answers.
    waiting: usize,
    /// When it last said something, or nobody waited any more.
    last: Instant,
    /// Since when it could have said something: its last word, or the first request after it.
    asked: Option<Instant>,
}

impl Silence {
    pub(crate) fn new(patience: Duration) -> Self {
        let heard = Heard { words: 0, waiting: 0, last: Instant::now(), asked: None };
        Self { patience, heard: Mutex::new(heard), suspicion: Notify::new() }
    }

    /// A session begins: what was before says nothing about it.
    pub(crate) fn begin(&self) {
        let mut heard = self.heard();
        (heard.last, heard.asked) = (Instant::now(), None);
    }

    /// The server said something.
    pub(crate) fn end(&self) {
        self.heard().end();
    }

    /// How often the server said something; another number is news of it.
    pub(crate) fn words(&self) -> u64 {
        self.heard().words
    }

    /// The server is being asked something, until the guard is dropped.
    pub(crate) fn ask(&self) -> Asking<'_> {
        let mut heard = self.heard();
        heard.waiting += 1;
        heard.asked.get_or_insert_with(Instant::now);
        Asking { silence: self, is_answered: false }
    }

    /// Whether requests wait for their answers: a server may do one thing at a time.
    pub(crate) fn is_asked(&self) -> bool {
        self.heard().waiting > 0
    }

    /// How long the server has not said anything, nor had anything to answer at the end.
    pub(crate) fn length(&self) -> Duration {
        self.heard().last.elapsed()
    }

    /// Resolves when a request was not answered, and the server has said nothing else either for
    /// as long as it may take over one.
    pub(crate) async fn suspicion(&self) {
        self.suspicion.notified().await;
    }

    fn heard(&self) -> MutexGuard<'_, Heard> {
        self.heard.lock().expect("no one panics holding it")
    }
}

impl Heard {
    fn end(&mut self) {
        let now = Instant::now();
        self.words += 1;
        (self.last, self.asked) = (now, (self.waiting > 0).then_some(now));
    }
}

/// A request that waits for its answer.
pub(crate) struct Asking<'a> {
    silence: &'a Silence,
    is_answered: bool,
}

impl Asking<'_> {
    pub(crate) fn answered(mut self) {
        self.is_answered = true;
    }
}

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        let mut heard = self.silence.heard();
        heard.waiting -= 1;
        if self.is_answered {
            return heard.end();
        }
        if heard.waiting == 0 {
            heard.last = Instant::now();
        }
        let is_long = heard.asked.is_some_and(|asked| asked.elapsed() >= self.silence.patience);
        drop(heard);
        // Too late, or because nobody waits any more: clients give up before we do.
        if is_long {
            self.silence.suspicion.notify_one();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures_util::FutureExt as _;

    use super::Silence;

    const PATIENCE: Duration = Duration::from_secs(10);

    async fn pass(seconds: u64) {
        tokio::time::advance(Duration::from_secs(seconds)).await;
    }

    /// Whether a request raises suspicion that is given up after so long, with a word in between.
    async fn is_suspect(silence: &Silence, before: u64, word: bool, after: u64) -> bool {
        let asking = silence.ask();
        pass(before).await;
        if word {
            silence.end();
        }
        pass(after).await;
        drop(asking);
        silence.suspicion().now_or_never().is_some()
    }

    #[tokio::test(start_paused = true)]
    async fn a_request_that_fails_is_suspicious_where_nothing_else_was_said_for_long() {
        for (before, word, after, expected) in
            [(9, false, 0, false), (10, false, 0, true), (9, true, 9, false), (1, true, 10, true)]
        {
            let silence = Silence::new(PATIENCE);
            // Nobody asked anything, so there was nothing to say.
            pass(100).await;
            let suspect = is_suspect(&silence, before, word, after).await;
            assert_eq!(suspect, expected, "{before} {word} {after}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn requests_that_are_given_up_one_after_another_add_up() {
        let silence = Silence::new(PATIENCE);
        assert!(!is_suspect(&silence, 6, false, 0).await);
        assert!(is_suspect(&silence, 6, false, 0).await);
        silence.end();
        assert!(!is_suspect(&silence, 6, false, 0).await);
        silence.begin();
        assert!(!is_suspect(&silence, 6, false, 0).await);
    }

    #[tokio::test(start_paused = true)]
    async fn silence_begins_anew_with_every_word_and_when_nobody_waits() {
        let silence = Silence::new(PATIENCE);
        pass(3).await;
        assert_eq!(silence.length(), Duration::from_secs(3));
        let (first, second) = (silence.ask(), silence.ask());
        pass(2).await;
        first.answered();
        assert!(silence.is_asked());
        assert_eq!(silence.words(), 1);
        pass(1).await;
        assert_eq!(silence.length(), Duration::from_secs(1));
        drop(second);
        assert_eq!(silence.length(), Duration::ZERO);
        assert!(!silence.is_asked());
    }
}
