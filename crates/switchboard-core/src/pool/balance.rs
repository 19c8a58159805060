//! Which of several endpoints is asked, and which after it if that one cannot be reached.
//!
//! A choice is an [`Order`] over all endpoints that may be asked, best first: its head is the
//! endpoint to ask, the rest is the fail-over order. Whoever goes along it asks each endpoint's
//! breaker for admission, since a probe's place may have been taken in between. An endpoint that
//! was ejected comes after all others and is better than none; one that its breaker refuses is not
//! in the order at all.
//!
//! Two of the strategies and all ties are one draw, a race: each endpoint gets a time that is
//! exponentially distributed with its weight as the rate, and the earliest wins. Seeded with
//! random bits that is a draw by weight without replacement (Efraimidis, Spirakis, 2006); seeded
//! with the hash of a key it is weighted rendezvous hashing (Thaler, Ravishankar, 1998): an
//! endpoint that leaves or comes moves only the keys that it had or gets.

use std::cmp::Ordering;
use std::num::NonZeroU32;
use std::time::Duration;

use super::breaker::BreakerState;
use super::mix::{mix, unit};

pub use explain::Explained;

mod explain;
#[cfg(test)]
mod tests;

/// The share of its weight that an endpoint has at the moment it starts.
const SLOW_START_FROM: f64 = 0.1;

/// What an endpoint is taken to need that has calls under way and has never answered: long enough
/// that known ones are asked meanwhile.
const UNKNOWN_RESPONSE_TIME: Duration = Duration::from_secs(1);

/// The strategy.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub enum Balance {
    /// Each in turn, and more often in proportion to its weight.
    RoundRobin,
    /// The one with the fewest calls under way for its weight.
    LeastInFlight,
    /// The one whose expected wait is the shortest: response time, times the calls it would then
    /// have, for its weight.
    WeightedResponseTime,
    /// The same one for the same key.
    ConsistentHash,
    /// Two are drawn by weight, and the one with fewer calls under way is taken. As good as the
    /// least of all nearly always, and many gateways that decide at the same moment do not all
    /// take the same one (Mitzenmacher, 2001).
    #[default]
    PowerOfTwo,
}

/// How a group of endpoints is balanced.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct BalanceConfig {
    /// Default [`Balance::PowerOfTwo`].
    pub strategy: Balance,
    /// For this time after its start an endpoint's weight grows from a tenth to the whole, so that
    /// cold caches are not asked for everything at once. Default 30 s; zero: no slow start.
    pub slow_start: Duration,
}

impl Default for BalanceConfig {
    fn default() -> Self {
        Self { strategy: Balance::default(), slow_start: Duration::from_secs(30) }
    }
}

/// An endpoint as it is at the moment of a choice.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Candidate {
    /// Who it is: the [`stable_hash`](super::stable_hash) of its name, computed once.
    pub key: u64,
    pub weight: NonZeroU32,
    pub in_flight: usize,
    pub response_time: Option<Duration>,
    /// When it last started.
    pub started: Duration,
    pub eligibility: Eligibility,
}

/// Whether an endpoint may be asked.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Eligibility {
    Eligible,
    /// An outlier: only where no eligible one is left.
    Ejected {
        until: Duration,
    },
    /// Its circuit breaker is open.
    Open {
        until: Duration,
    },
    /// Its circuit breaker is half-open, and all probes are under way.
    Probing,
    /// It is on its way out and takes no new call.
    Draining,
}

impl Eligibility {
    /// What a breaker and an ejection until some time leave of an endpoint.
    pub fn new(breaker: BreakerState, ejected: Option<Duration>) -> Self {
        match (breaker, ejected) {
            (BreakerState::Open { until }, _) => Self::Open { until },
            (BreakerState::HalfOpen { places: 0 }, _) => Self::Probing,
            (_, Some(until)) => Self::Ejected { until },
            (BreakerState::Closed | BreakerState::HalfOpen { .. }, None) => Self::Eligible,
        }
    }

    fn tier(self) -> Option<Tier> {
        match self {
            Self::Eligible => Some(Tier::Eligible),
            Self::Ejected { .. } => Some(Tier::Ejected),
            Self::Open { .. } | Self::Probing | Self::Draining => None,
        }
    }
}

/// What one call brings to the choice.
#[derive(Clone, Copy, Debug)]
pub struct Pick {
    /// The time since the start that `started` and `until` are counted from.
    pub now: Duration,
    /// One more for each call to the group; for [`Balance::RoundRobin`].
    pub turn: u64,
    /// Uniform.
    pub random: u64,
    /// The hash of what is to stay together, for [`Balance::ConsistentHash`]; a call without it
    /// goes anywhere.
    pub hash: Option<u64>,
}

/// The endpoints to ask, best first, as places in the list of candidates. Empty if none may be.
#[derive(Clone, Debug)]
pub struct Order(Vec<Ranked>);

#[derive(Clone, Copy, Debug)]
struct Ranked {
    index: usize,
    weight: f64,
    tier: Tier,
    /// Less is better.
    score: f64,
    tie: f64,
}

#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
enum Tier {
    /// One of the two.
    Drawn,
    Eligible,
    Ejected,
}

impl Order {
    pub fn iter(&self) -> impl Iterator<Item = usize> + '_ {
        self.0.iter().map(|ranked| ranked.index)
    }

    pub fn first(&self) -> Option<usize> {
        self.0.first().map(|ranked| ranked.index)
    }
}

impl BalanceConfig {
    /// The endpoints for one call. Takes a few dozen nanoseconds for each candidate, and allocates
    /// once.
    pub fn order(&self, candidates: &[Candidate], pick: &Pick) -> Order {
        let mut ranked = Vec::with_capacity(candidates.len());
        for (index, candidate) in candidates.iter().enumerate() {
            if let Some(tier) = candidate.eligibility.tier() {
                let weight = self.weight(candidate, pick.now);
                ranked.push(Ranked { index, weight, tier, score: 0.0, tie: 0.0 });
            }
        }
        match self.strategy {
            Balance::RoundRobin => take_turns(&mut ranked, pick.turn),
            Balance::ConsistentHash => {
                let seed = pick.hash.unwrap_or(pick.random);
                race(&mut ranked, candidates, seed);
            }
            Balance::LeastInFlight => {
                race(&mut ranked, candidates, pick.random);
                score(&mut ranked, candidates, in_flight);
            }
            Balance::WeightedResponseTime => {
                race(&mut ranked, candidates, pick.random);
                score(&mut ranked, candidates, wait_seconds);
            }
            Balance::PowerOfTwo => {
                race(&mut ranked, candidates, pick.random);
                draw_two(&mut ranked);
                score(&mut ranked, candidates, in_flight);
            }
        }
        ranked.sort_unstable_by(Ranked::compare);
        Order(ranked)
    }

    /// The weight after slow start.
    fn weight(&self, candidate: &Candidate, now: Duration) -> f64 {
        f64::from(candidate.weight.get()) * self.warmth(now.saturating_sub(candidate.started))
    }

    /// The share of its weight that an endpoint of this age has.
    fn warmth(&self, age: Duration) -> f64 {
        if age >= self.slow_start {
            return 1.0;
        }
        let grown = age.as_secs_f64() / self.slow_start.as_secs_f64();
        SLOW_START_FROM + (1.0 - SLOW_START_FROM) * grown
    }
}

impl Ranked {
    fn compare(&self, other: &Self) -> Ordering {
        (self.tier.cmp(&other.tier))
            .then(self.score.total_cmp(&other.score))
            .then(self.tie.total_cmp(&other.tie))
            .then(self.index.cmp(&other.index))
    }
}

/// Lets all run the race with this seed; the times are in `tie`.
fn race(ranked: &mut [Ranked], candidates: &[Candidate], seed: u64) {
    let seed = mix(seed);
    for ranked in ranked {
        let uniform = unit(mix(seed ^ candidates[ranked.index].key));
        ranked.tie = -uniform.ln() / ranked.weight;
    }
}

fn score(ranked: &mut [Ranked], candidates: &[Candidate], cost: fn(&Candidate) -> f64) {
    for ranked in ranked {
        ranked.score = cost(&candidates[ranked.index]) / ranked.weight;
    }
}

fn in_flight(candidate: &Candidate) -> f64 {
    candidate.in_flight as f64
}

/// An endpoint that has never been asked costs nothing, and so is asked once to get to know it.
fn wait_seconds(candidate: &Candidate) -> f64 {
    let response_time = match candidate.response_time {
        None if candidate.in_flight == 0 => return 0.0,
        None => UNKNOWN_RESPONSE_TIME,
        Some(known) => known,
    };
    response_time.as_secs_f64() * (candidate.in_flight + 1) as f64
}

/// Marks the first two of the eligible in the race.
fn draw_two(ranked: &mut [Ranked]) {
    for _ in 0..2 {
        let eligible = ranked.iter_mut().filter(|ranked| ranked.tier == Tier::Eligible);
        if let Some(first) = eligible.min_by(|a, b| a.tie.total_cmp(&b.tie)) {
            first.tier = Tier::Drawn;
        }
    }
}

/// Scores the eligible by how soon they are due.
///
/// The endpoints lie side by side, each as wide as its weight, and a turn is a point on that line.
/// Of `n` turns each falls into another `n`-th part, and where in its part moves on by the golden
/// ratio from round to round. With equal weights that is the plain round; with others the shares
/// come out without long runs of the heaviest, and nothing has to be remembered from turn to turn.
fn take_turns(ranked: &mut [Ranked], turn: u64) {
    const GOLDEN: f64 = 0.618_033_988_749_894_9;
    let eligible = || ranked.iter().filter(|ranked| ranked.tier == Tier::Eligible);
    let count = eligible().count() as u64;
    if count == 0 {
        return;
    }
    let (round, part) = (turn / count, turn % count);
    // Half a part in, so that no point lies on a border where rounding decides; rounds are kept
    // to what an `f64` multiplies without losing the fraction.
    let within = (0.5 + (round % (1 << 32)) as f64 * GOLDEN).fract();
    let total: f64 = eligible().map(|ranked| ranked.weight).sum();
    let point = (part as f64 + within) / count as f64 * total;
    let mut reached = 0.0;
    let ends = eligible().map(|ranked| {
        reached += ranked.weight;
        reached
    });
    let due = ends.filter(|&end| end <= point).count().min(count as usize - 1);
    let line = ranked.iter_mut().filter(|ranked| ranked.tier == Tier::Eligible);
    for (place, ranked) in line.enumerate() {
        ranked.score = ((place + count as usize - due) % count as usize) as f64;
    }
}
