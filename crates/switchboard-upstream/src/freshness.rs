//! How long what a server listed is taken for what it would list now.
//!
//! A server that announces changes says itself when that ends. Of any other we find out by asking
//! again, and ask when a client wants the list: it gets what is known, and hears of a change where
//! there is one. So no list waits for a slow server, and one that nobody wants is not read.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use switchboard_core::{Kind, Lists};

/// A server that says nothing is asked so often at most: the specification of the older revisions
/// leaves it open; a minute is what people wait for a new tool without thinking it lost.
const UNSAID: Duration = Duration::from_secs(60);

/// The least time between two readings, whatever the server says: with `ttlMs` 0 a list is stale at
/// once, and would be read without end.
const LEAST: Duration = Duration::from_secs(1);

/// Nothing has to be read.
const NEVER: u64 = u64::MAX;

/// When each list should be read again if somebody wants it: the place of a kind is its number, and
/// the times are milliseconds after an instant that the caller chose.
pub(crate) struct Freshness([AtomicU64; 4]);

impl Default for Freshness {
    fn default() -> Self {
        Self([const { AtomicU64::new(NEVER) }; 4])
    }
}

impl Freshness {
    /// Whether the list should be read again. Says so once; see [`Self::put_off`].
    pub(crate) fn is_over(&self, kind: Kind, now: u64) -> bool {
        let due = &self.0[kind as usize];
        // Nearly always too early, and then it costs one load.
        due.load(Ordering::Relaxed) <= now && due.swap(NEVER, Ordering::Relaxed) != NEVER
    }

    /// The list could not be asked for; whoever wants it next should try.
    pub(crate) fn put_off(&self, kind: Kind, now: u64) {
        self.0[kind as usize].fetch_min(now, Ordering::Relaxed);
    }

    /// The lists of `kind` were read at `now`; of all kinds for `None`.
    pub(crate) fn begin(&self, lists: &Lists, kind: Option<Kind>, now: u64) {
        for read in Kind::ALL {
            let together = kind == Some(Kind::Resources) && read == Kind::Templates;
            if kind.is_none_or(|kind| kind == read) || together {
                let held = holds(lists, read).and_then(|held| u64::try_from(held.as_millis()).ok());
                let due = held.map_or(NEVER, |held| now.saturating_add(held));
                self.0[read as usize].store(due, Ordering::Relaxed);
            }
        }
    }
}

/// How long the list is taken for what it is; `None` until the server announces a change.
fn holds(lists: &Lists, kind: Kind) -> Option<Duration> {
    if !lists.capabilities.has(kind) {
        return None;
    }
    let said = lists.hints[kind as usize].map(|hint| hint.ttl_ms);
    match (said, lists.capabilities.announces(kind)) {
        (Some(ttl_ms), _) if ttl_ms > 0 => Some(Duration::from_millis(ttl_ms).max(LEAST)),
        (_, true) => None,
        (Some(_), false) => Some(LEAST),
        (None, false) => Some(UNSAID),
    }
}

#[cfg(test)]
mod tests {
    use switchboard_core::{Capabilities, Kind, Lists};
    use switchboard_mcp::{Hint, Scope};

    use super::{Freshness, LEAST, NEVER, UNSAID};

    fn milliseconds(duration: std::time::Duration) -> u64 {
        u64::try_from(duration.as_millis()).unwrap()
    }

    #[test]
    fn a_list_holds_as_long_as_its_server_says_or_until_it_announces() {
        let cases = [
            (None, false, Some(UNSAID)),
            (None, true, None),
            (Some(0), false, Some(LEAST)),
            (Some(0), true, None),
            (Some(90_000), true, Some(UNSAID + UNSAID / 2)),
            (Some(1), false, Some(LEAST)),
        ];
        for (ttl, tools_changed, expected) in cases {
            let capabilities = Capabilities { tools: true, tools_changed, ..Default::default() };
            let mut lists = Lists { capabilities, ..Lists::default() };
            lists.hints[0] = ttl.map(|ttl_ms| Hint { ttl_ms, scope: Scope::Private });
            let freshness = Freshness::default();
            assert!(!freshness.is_over(Kind::Tools, NEVER - 1), "nothing was read yet");
            freshness.begin(&lists, None, 5);
            let Some(expected) = expected.map(milliseconds) else {
                assert!(!freshness.is_over(Kind::Tools, NEVER - 1), "{ttl:?}");
                continue;
            };
            assert!(!freshness.is_over(Kind::Tools, 4 + expected), "{ttl:?}");
            assert!(freshness.is_over(Kind::Tools, 5 + expected), "{ttl:?}");
            assert!(!freshness.is_over(Kind::Tools, 5 + expected), "once");
            assert!(!freshness.is_over(Kind::Prompts, NEVER - 1), "it has none");
        }
    }

    #[test]
    fn what_could_not_be_asked_for_is_tried_by_the_next() {
        let freshness = Freshness::default();
        let capabilities = Capabilities { resources: true, ..Default::default() };
        let lists = Lists { capabilities, ..Lists::default() };
        freshness.begin(&lists, Some(Kind::Resources), 0);
        let due = milliseconds(UNSAID);
        assert!(freshness.is_over(Kind::Templates, due), "they are read together");
        freshness.put_off(Kind::Templates, due);
        assert!(freshness.is_over(Kind::Templates, due));
    }
}
