//! How fast somebody may guess passwords.
//!
//! Each name of a tenant and each address has a few attempts; after them each costs a wait that doubles. An
//! attempt counts when it begins, so that a hundred at once are a hundred, and one that succeeds
//! clears the name. The wait for a name stays short, or whoever knows a name could lock its owner
//! out; an address that guesses at many names waits longer.

use std::hash::Hash;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use switchboard_core::Tenant;

use crate::bounded::Bounded;

pub(crate) struct Throttle {
    counted: Mutex<Counted>,
}

struct Counted {
    names: Bounded<(Tenant, String), Attempts>,
    addresses: Bounded<IpAddr, Attempts>,
}

#[derive(Clone, Copy)]
struct Attempts {
    made: u32,
    /// When the next may be made.
    free: SystemTime,
}

struct Rule {
    /// Attempts before the first wait.
    free: u32,
    longest: Duration,
}

/// Whoever mistypes a password does it three times, and then once more.
const NAMES: Rule = Rule { free: 5, longest: Duration::from_secs(60) };

/// An office behind one address logs in at nine.
const ADDRESSES: Rule = Rule { free: 30, longest: Duration::from_secs(15 * 60) };

/// How long attempts are remembered after the last.
const MEMORY: Duration = Duration::from_secs(30 * 60);

/// Most names and most addresses that are remembered.
const LIMIT: usize = 10_000;

impl Throttle {
    pub(crate) fn new() -> Self {
        let counted = Counted { names: Bounded::new(LIMIT), addresses: Bounded::new(LIMIT) };
        Self { counted: Mutex::new(counted) }
    }

    /// Begins an attempt, which has a name unless it is to refresh a token; the error is how long to
    /// wait first.
    pub(crate) fn begin(
        &self,
        name: Option<&(Tenant, String)>,
        from: Option<IpAddr>,
        now: SystemTime,
    ) -> Result<(), Duration> {
        let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        let network = from.map(network);
        let by_address = network.map_or(Duration::ZERO, |it| wait(&counted.addresses, &it, now));
        let by_name = name.map_or(Duration::ZERO, |name| wait(&counted.names, name, now));
        let left = by_address.max(by_name);
        if !left.is_zero() {
            return Err(left);
        }
        if let Some(name) = name {
            count(&mut counted.names, name.clone(), &NAMES, now);
        }
        if let Some(network) = network {
            count(&mut counted.addresses, network, &ADDRESSES, now);
        }
        Ok(())
    }

    /// The attempt was no guess.
    pub(crate) fn succeeded(
        &self,
        name: Option<&(Tenant, String)>,
        from: Option<IpAddr>,
        now: SystemTime,
    ) {
        let mut counted = self.counted.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(name) = name {
            counted.names.remove(name);
        }
        // Only this one is taken off the address: a guesser may have a password of its own.
        let attempts = from.and_then(|it| counted.addresses.find_mut(&network(it), now));
        if let Some(attempts) = attempts {
            attempts.made = attempts.made.saturating_sub(1);
        }
    }
}

/// One customer has a whole /64 (RFC 6177), and could come from another address of it each time.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
    }
}

fn wait<K, Q>(counted: &Bounded<K, Attempts>, key: &Q, now: SystemTime) -> Duration
where
    K: Clone + Eq + Hash + std::borrow::Borrow<Q>,
    Q: Eq + Hash + ?Sized,
{
    let attempts = counted.find(key, now);
    attempts.map_or(Duration::ZERO, |it| it.free.duration_since(now).unwrap_or_default())
}

fn count<K: Clone + Eq + Hash>(
    counted: &mut Bounded<K, Attempts>,
    key: K,
    rule: &Rule,
    now: SystemTime,
) {
    let made = counted.find(&key, now).map_or(0, |attempts| attempts.made).saturating_add(1);
    let doublings = made.saturating_sub(rule.free).min(16);
    let wait = if doublings == 0 {
        Duration::ZERO
    } else {
        Duration::from_secs(1 << (doublings - 1)).min(rule.longest)
    };
    counted.insert(key, Attempts { made, free: now + wait }, now + wait + MEMORY);
}

#[cfg(test)]
mod tests {
    use std::net::IpAddr;
    use std::time::{Duration, UNIX_EPOCH};

    use switchboard_core::Tenant;

    use super::Throttle;

    /// Makes attempts written `SECOND NAME ADDRESS`, the name perhaps with `@TENANT`, with `!` before
    /// it for one that succeeds, and compares the seconds to wait before each.
    #[track_caller]
    fn check(attempts: &str, expected: &[u64]) {
        let throttle = Throttle::new();
        let waits = attempts.lines().map(str::trim).filter(|line| !line.is_empty()).map(|line| {
            let [second, name, address] = line.split(' ').collect::<Vec<_>>()[..] else {
                panic!("{line}")
            };
            let now = UNIX_EPOCH + Duration::from_secs(second.parse().unwrap());
            let from = Some(address.parse::<IpAddr>().unwrap());
            let (own, tenant) = name.split_once('@').unwrap_or((name, "default"));
            let whose = (Tenant::parse(tenant).unwrap(), own.trim_start_matches('!').to_owned());
            let waits = throttle.begin(Some(&whose), from, now);
            if waits.is_ok() && name.starts_with('!') {
                throttle.succeeded(Some(&whose), from, now);
            }
            waits.err().unwrap_or_default().as_secs()
        });
        assert_eq!(waits.collect::<Vec<_>>(), expected);
    }

    #[test]
    fn guessing_at_a_name_gets_slower_from_wherever() {
        check(
            "0 ann 10.0.0.1\n0 ann 10.0.0.2\n0 ann 10.0.0.3\n0 ann 10.0.0.4\n0 ann 10.0.0.5
             0 ann 10.0.0.6\n0 ann 10.0.0.7\n0 bob 10.0.0.7\n1 ann 10.0.0.7\n1 ann 10.0.0.7
             3 ann 10.0.0.8\n3 ann 10.0.0.8\n5000 ann 10.0.0.8",
            &[0, 0, 0, 0, 0, 0, 1, 0, 0, 2, 0, 4, 0],
        );
    }

    #[test]
    fn guessing_at_a_name_keeps_nobody_of_that_name_in_another_tenant_waiting() {
        check(
            "0 ann@acme 10.0.0.1\n0 ann@acme 10.0.0.1\n0 ann@acme 10.0.0.1\n0 ann@acme 10.0.0.1
             0 ann@acme 10.0.0.1\n0 ann@acme 10.0.0.1\n0 ann@acme 10.0.0.1\n0 ann@beta 10.0.0.2",
            &[0, 0, 0, 0, 0, 0, 1, 0],
        );
    }

    #[test]
    fn who_succeeds_starts_anew() {
        check(
            "0 ann 10.0.0.1\n0 ann 10.0.0.1\n0 ann 10.0.0.1\n0 ann 10.0.0.1\n0 !ann 10.0.0.1
             0 ann 10.0.0.1\n0 ann 10.0.0.1",
            &[0; 7],
        );
    }

    #[test]
    fn guessing_at_many_names_from_one_network_gets_slower() {
        let attempts: Vec<String> =
            (0..32).map(|at| format!("0 user{at} 2001:db8::{at:x}")).collect();
        let mut expected = [0; 32];
        expected[31] = 1;
        check(&attempts.join("\n"), &expected);
    }
}
