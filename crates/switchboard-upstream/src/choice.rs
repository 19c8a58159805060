//! Which endpoint a call goes to, and which it goes to after that.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use switchboard_core::pool::{Balance, Candidate, Pick, stable_hash};
use switchboard_core::{Context, Kind, Request};
use switchboard_mcp::{Members, Method};

use crate::random;
use crate::roster::Seats;
use crate::seat::Seat;
use crate::settings::{BalanceStrategy, Settings};
use crate::status::State;
use crate::upstream::{Upstream, next, rank};

/// Why a call would go where it would.
#[derive(Clone, Debug)]
pub struct Explanation {
    pub strategy: &'static str,
    /// Each endpoint, in the order in which they would be asked.
    pub endpoints: Vec<ExplainedEndpoint>,
}

#[derive(Clone, Debug)]
pub struct ExplainedEndpoint {
    pub name: Arc<str>,
    /// `None`: it would not be asked.
    pub place: Option<usize>,
    pub reason: String,
}

impl Upstream {
    /// The endpoints to ask, best first.
    pub(crate) fn order<'s>(
        &self,
        seats: &'s Seats,
        context: &Context,
        request: &Request,
    ) -> Vec<&'s Arc<Seat>> {
        let seats = match seats {
            // Nearly always.
            Seats::One(seat) => return vec![seat],
            Seats::Several(seats) => seats,
        };
        let pick = self.pick(context, request, next(&self.turn));
        let mut order = Vec::with_capacity(seats.len());
        let able = able(seats, request);
        if self.settings().balance == BalanceStrategy::ConsistentHash {
            self.rouse(&able, &pick);
        }
        for seats in able {
            let candidates = self.candidates(&seats, pick.now);
            order.extend(self.balance.order(&candidates, &pick).iter().map(|place| seats[place]));
        }
        order
    }

    /// Starts the endpoint that what hashes alike belongs to, if it rests: the next call is its own
    /// again.
    fn rouse(&self, [ready, rest]: &[Vec<&Arc<Seat>>; 2], pick: &Pick) {
        if rest.is_empty() {
            return;
        }
        let all: Vec<_> = ready.iter().chain(rest).copied().collect();
        let order = self.balance.order(&self.candidates(&all, pick.now), pick);
        if let Some(seat) = order.iter().next().map(|place| all[place])
            && seat.endpoint.rests()
        {
            seat.endpoint.wake();
        }
    }

    /// Tells where a request would go now, and why.
    pub fn explain(&self, context: &Context, request: &Request) -> Explanation {
        let shared = self.roster.shared();
        // Looked at, not taken: to explain a choice is not to make one.
        let pick = self.pick(context, request, self.turn.load(Ordering::Relaxed));
        let mut endpoints: Vec<ExplainedEndpoint> = Vec::with_capacity(shared.len());
        for seats in able(&shared, request) {
            let before = endpoints.iter().filter(|it| it.place.is_some()).count();
            let candidates = self.candidates(&seats, pick.now);
            let explained = self.balance.explain(&candidates, &pick);
            endpoints.extend(seats.iter().zip(explained).map(|(seat, explained)| {
                let state = seat.endpoint.status().state.as_str();
                ExplainedEndpoint {
                    name: Arc::clone(seat.name()),
                    place: explained.place.map(|place| before + place),
                    reason: format!("{state}, {}", explained.reason),
                }
            }));
        }
        let lacking: Vec<_> = shared.iter().filter(|seat| !may_have(seat, request)).collect();
        if lacking.len() < shared.len() {
            endpoints.extend(lacking.iter().map(|seat| ExplainedEndpoint {
                name: Arc::clone(seat.name()),
                place: None,
                reason: "does not list it".to_owned(),
            }));
        }
        endpoints.sort_by_key(|endpoint| endpoint.place.unwrap_or(usize::MAX));
        Explanation { strategy: self.settings().balance.as_str(), endpoints }
    }

    fn candidates(&self, seats: &[&Arc<Seat>], now: Duration) -> Vec<Candidate> {
        let candidate =
            |seat: &&Arc<Seat>| seat.candidate(self.outliers.ejected(seat.key, now), now);
        seats.iter().map(candidate).collect()
    }

    fn pick(&self, context: &Context, request: &Request, turn: u64) -> Pick {
        let Settings { balance, hash_argument, .. } = self.settings();
        let hash = hash_of(*balance, hash_argument.as_deref(), context, request);
        Pick { now: self.now(), turn, random: random::u64(), hash }
    }
}

/// What has to stay together: the calls of a principal, or with the same value of `argument`. A call
/// without the argument goes anywhere.
pub(crate) fn hash_of(
    balance: BalanceStrategy,
    argument: Option<&str>,
    context: &Context,
    request: &Request,
) -> Option<u64> {
    if balance != BalanceStrategy::ConsistentHash {
        return None;
    }
    let Some(argument) = argument else {
        return Some(stable_hash(context.principal.subject.as_bytes()));
    };
    let members = request.params.as_ref()?.members().ok()?;
    let arguments = Members::parse(members.get("arguments")?).ok()?;
    Some(stable_hash(arguments.get(argument)?.get().as_bytes()))
}

/// The endpoints that have what is asked for: first those that are ready soonest (the open ones, or
/// else those that are being opened, and so on), then the others, for when the first fail.
fn able<'s>(seats: &'s [Arc<Seat>], request: &Request) -> [Vec<&'s Arc<Seat>>; 2] {
    let mut has: Vec<_> = seats.iter().filter(|seat| may_have(seat, request)).collect();
    if has.is_empty() {
        // A client may know better than the lists, which may be old; who is asked will say.
        has.extend(seats);
    }
    let rank_of = |seat: &Arc<Seat>| match seat.endpoint.is_open() {
        true => rank(State::Ready),
        // One that is to be opened takes as long as one that is just being.
        false => rank(seat.endpoint.status().state).max(rank(State::Dormant)),
    };
    let best = has.iter().map(|seat| rank_of(seat)).min().unwrap_or_default();
    let (ready, rest) = has.into_iter().partition(|seat| rank_of(seat) == best);
    [ready, rest]
}

/// Whether the endpoint lists what is asked for, or nobody knows what it lists; an instance has what
/// the one has that lists for it.
fn may_have(seat: &Seat, request: &Request) -> bool {
    let kind = match request.method {
        Method::ToolsCall => Kind::Tools,
        Method::PromptsGet => Kind::Prompts,
        _ => return true,
    };
    let Some(name) = &request.name else { return true };
    seat.endpoint.may_have(kind, name)
}

impl BalanceStrategy {
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::PowerOfTwo => "power_of_two",
            Self::RoundRobin => "round_robin",
            Self::LeastInFlight => "least_in_flight",
            Self::WeightedResponseTime => "weighted_response_time",
            Self::ConsistentHash => "consistent_hash",
        }
    }
}

impl From<BalanceStrategy> for Balance {
    fn from(strategy: BalanceStrategy) -> Self {
        match strategy {
            BalanceStrategy::PowerOfTwo => Self::PowerOfTwo,
            BalanceStrategy::RoundRobin => Self::RoundRobin,
            BalanceStrategy::LeastInFlight => Self::LeastInFlight,
            BalanceStrategy::WeightedResponseTime => Self::WeightedResponseTime,
            BalanceStrategy::ConsistentHash => Self::ConsistentHash,
        }
    }
}
