//! How fast one principal may ask.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use switchboard_core::Principal;
use switchboard_core::limit::{Unit, Verdict};
use tokio::time::Instant;

/// A rate for each principal, with bursts of one second's worth (the generic cell rate algorithm:
/// one moment is remembered for each, the one at which it will have asked no more than it may).
pub(crate) struct Rate {
    /// Between two requests at the full rate.
    interval: Duration,
    per_second: u32,
    free_at: Mutex<HashMap<Principal, Instant>>,
}

/// A burst, in time at the full rate.
const BURST: Duration = Duration::from_secs(1);

/// Principals that are remembered. Those that are within their rate need not be, so the table is
/// swept when it is full.
const PRINCIPALS: usize = 10_000;

/// The rate of one principal's conversation.
#[derive(Clone)]
pub(crate) struct Pace {
    pub rate: Arc<Rate>,
    pub principal: Principal,
}

impl Rate {
    pub(crate) fn new(per_second: u32) -> Self {
        let interval = Duration::from_secs(1) / per_second.max(1);
        Self { interval, per_second, free_at: Mutex::default() }
    }

    /// What is said of a request that came too `early`, at this time of the wall.
    pub(crate) fn verdict(&self, early: Duration, wall: u64) -> Verdict {
        Verdict {
            is_allowed: false,
            // The key of the configuration; a rule may have this name as well, and says the same.
            rule: "http.rate".into(),
            unit: Unit::Calls,
            limit: self.per_second.into(),
            window: Some(BURST),
            remaining: 0,
            after: early,
            reset: wall + (BURST + early).as_secs(),
        }
    }

    /// Counts a request.
    ///
    /// # Errors
    ///
    /// It came too early, by so much; it is not counted.
    pub(crate) fn take(&self, principal: &Principal) -> Result<(), Duration> {
        let now = Instant::now();
        let mut table = self.free_at.lock().expect("no one panics holding it");
        if table.len() >= PRINCIPALS {
            table.retain(|_, free_at| *free_at > now);
        }
        let free_at = table.get(principal).copied().unwrap_or(now).max(now);
        let early = free_at.saturating_duration_since(now + BURST);
        if !early.is_zero() {
            return Err(early);
        }
        table.insert(principal.clone(), free_at + self.interval);
        Ok(())
    }
}

impl Pace {
    /// Waits until the next message may be read, which holds its sender back.
    pub(crate) async fn keep(&self) {
        while let Err(early) = self.rate.take(&self.principal) {
            tokio::time::sleep(early).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use switchboard_core::Principal;

    use super::Rate;

    #[tokio::test(start_paused = true)]
    async fn each_principal_has_its_rate_and_a_burst() {
        let rate = Rate::new(10);
        let (ann, bob) = (Principal::new("ann"), Principal::new("bob"));
        let burst = (0..100).take_while(|_| rate.take(&ann).is_ok()).count();
        assert_eq!(burst, 11);
        assert_eq!(rate.take(&ann), Err(Duration::from_millis(100)));
        assert_eq!(rate.take(&bob), Ok(()));
        tokio::time::advance(Duration::from_millis(100)).await;
        assert_eq!(rate.take(&ann), Ok(()));
        assert!(rate.take(&ann).is_err());
    }
}
