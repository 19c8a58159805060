//! Asks an open server now and then whether it is still there, and one that was lost whether it is
//! there again.
//!
//! What it answers to others says as much, so it is asked only after a while without that, and not
//! while it has something to answer: a server that does one thing at a time answers nothing else
//! meanwhile. Whatever it answers, it is there; strict servers refuse what they do not know.

use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use crate::endpoint::Shared;
use crate::link::LinkError;
use crate::owner::{Owner, Phase};
use crate::random;
use crate::session::Session;
use crate::settings::StartPolicy;
use crate::silence::Silence;
use crate::status::State;

/// How often a server is asked that does not answer. One message may get lost, or meet it at a bad
/// moment.
const TRIES: usize = 2;

/// The pause after a try that failed at once: a server behind a front may just be starting again.
const PAUSE: Duration = Duration::from_secs(1);

/// What is known of how a server takes being asked, over all its sessions.
#[derive(Default)]
pub(crate) struct Checked {
    answered: AtomicU32,
    unanswered: AtomicU32,
}

/// Resolves with the reason once the server of `session` does not answer any more.
pub(super) async fn watch(session: Arc<Session>, shared: Arc<Shared>) -> String {
    let health = shared.settings.health;
    let interval = health.interval.as_duration();
    let Shared { silence, checked, .. } = &*shared;
    silence.begin();
    let opening = silence.words();
    while !interval.is_zero() {
        let is_suspect = tokio::select! {
            () = quiet(silence, jittered(interval)) => false,
            () = silence.suspicion() => true,
        };
        let before = silence.words();
        let outcome = check(&session, health.timeout.as_duration()).await;
        let absence = match outcome {
            Ok(()) => {
                checked.answered.fetch_add(1, Ordering::Relaxed);
                silence.end();
                continue;
            }
            // A call came in between, and the server may be at work on that.
            Err(_) if !is_suspect && silence.is_asked() => continue,
            // It answered something else.
            Err(_) if silence.words() != before => continue,
            Err(absence) => absence,
        };
        let timeout = match absence {
            Absence::Told(cause) => return cause,
            Absence::Silent(timeout) => timeout.as_secs_f64(),
        };
        let is_known = checked.unanswered.fetch_add(1, Ordering::Relaxed) > 0;
        let is_deaf = checked.answered.load(Ordering::Relaxed) == 0;
        if is_known && is_deaf && silence.words() != opening {
            // It was replaced for that already, and is none the better for it.
            let upstream = &*shared.name;
            tracing::warn!(upstream, "answers calls, but no pings: it is not asked any more");
            break;
        }
        return format!("the server does not answer pings within {timeout} s");
    }
    pending().await
}

/// Resolves when nothing was asked and nothing said for so long.
async fn quiet(silence: &Silence, interval: Duration) {
    loop {
        let rest = interval.saturating_sub(silence.length());
        match (rest.is_zero(), silence.is_asked()) {
            (true, false) => return,
            // It is looked at again after the whole time.
            (true, true) => tokio::time::sleep(interval).await,
            (false, _) => tokio::time::sleep(rest).await,
        }
    }
}

/// How a server is not there.
enum Absence {
    /// The connection breaks, or a front says so.
    Told(String),
    /// Nothing came within this time.
    Silent(Duration),
}

/// Asks whether the server is there.
async fn check(session: &Session, timeout: Duration) -> Result<(), Absence> {
    let mut absence = Absence::Silent(timeout);
    for _ in 0..TRIES {
        match tokio::time::timeout(timeout, session.check()).await {
            Ok(Err(error @ (LinkError::NotSent(_) | LinkError::Lost(_)))) => {
                absence = Absence::Told(error.to_string());
                tokio::time::sleep(PAUSE.min(timeout)).await;
            }
            Ok(_) => return Ok(()),
            Err(_) => absence = Absence::Silent(timeout),
        }
    }
    Err(absence)
}

/// Up to a quarter less than `interval`.
fn jittered(interval: Duration) -> Duration {
    interval - interval.mul_f64(f64::from(random::u32()) / f64::from(u32::MAX) / 4.0)
}

impl Owner {
    /// Whether a server that is down is tried again by itself, which over a network costs next to
    /// nothing; a program that does not start waits for somebody who needs it.
    pub(super) fn is_probed(&self) -> bool {
        let settings = &self.shared.settings;
        let waits_for_login = self.shared.login().is_some_and(|login| login.is_wanted());
        let is_on = !settings.health.interval.as_duration().is_zero();
        is_on && settings.stdio.is_none() && !waits_for_login
    }

    /// Whether it is only tried again, and nobody waits for it.
    pub(super) fn is_probing(&self) -> bool {
        let is_lazy = self.shared.settings.start == StartPolicy::Lazy;
        self.failures > 0 && is_lazy && self.waiters.is_empty() && self.is_probed()
    }

    /// The wait after a failure is over.
    pub(super) fn due(&mut self) {
        let limit = self.shared.settings.idle_stop.map(|limit| limit.as_duration());
        let unused = self.shared.idle_since().map(|since| since.elapsed());
        let is_idle = limit.zip(unused).is_some_and(|(limit, unused)| unused >= limit);
        if is_idle && self.is_probing() {
            // It would have been stopped by now.
            self.phase = Phase::Dormant;
            return self.report(State::Dormant, |_| {});
        }
        self.open();
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures_util::FutureExt as _;

    use super::{jittered, quiet};
    use crate::silence::Silence;

    const INTERVAL: Duration = Duration::from_secs(30);

    #[tokio::test(start_paused = true)]
    async fn only_a_server_that_neither_works_nor_speaks_is_quiet() {
        let silence = Silence::new(Duration::from_secs(300));
        let mut waiting = Box::pin(quiet(&silence, INTERVAL));
        let mut pass = async |seconds: u64| {
            tokio::time::sleep(Duration::from_secs(seconds)).await;
            waiting.as_mut().now_or_never().is_some()
        };
        assert!(!pass(0).await);
        for _ in 0..10 {
            assert!(!pass(20).await, "it answers calls");
            silence.ask().answered();
        }
        let asking = silence.ask();
        for _ in 0..10 {
            assert!(!pass(20).await, "it is at work");
        }
        drop(asking);
        assert!(!pass(29).await);
        assert!(pass(31).await);
    }

    #[test]
    fn an_interval_is_up_to_a_quarter_shorter() {
        for _ in 0..1_000 {
            let interval = jittered(INTERVAL);
            assert!(INTERVAL * 3 / 4 <= interval && interval <= INTERVAL, "{interval:?}");
        }
    }
}
