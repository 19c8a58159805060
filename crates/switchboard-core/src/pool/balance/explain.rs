//! Why a choice came out as it did, in words for people.

use std::time::Duration;

use super::{Balance, BalanceConfig, Candidate, Eligibility, Pick, Ranked, Tier};

/// What became of one candidate.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Explained {
    /// Its place in the order, from 1; `None`: it is not to be asked.
    pub place: Option<usize>,
    /// A fragment in lower case, such as `drawn, 3 in flight, weight 1`.
    pub reason: String,
}

impl BalanceConfig {
    /// The reasons for [`order`](Self::order), one for each candidate and in their sequence.
    pub fn explain(&self, candidates: &[Candidate], pick: &Pick) -> Vec<Explained> {
        let order = self.order(candidates, pick);
        let explain = |(index, candidate): (usize, &Candidate)| {
            let place = order.0.iter().position(|ranked| ranked.index == index);
            let ranked = place.map(|place| (place + 1, &order.0[place]));
            let reason = refusal(candidate.eligibility, pick.now).unwrap_or_else(|| {
                let ranked = ranked.expect("all that are eligible are in the order");
                self.merit(candidate, ranked, pick)
            });
            Explained { place: ranked.map(|(place, _)| place), reason }
        };
        candidates.iter().enumerate().map(explain).collect()
    }

    /// What speaks for an endpoint that may be asked, in the terms of the strategy.
    fn merit(
        &self,
        candidate: &Candidate,
        (place, ranked): (usize, &Ranked),
        pick: &Pick,
    ) -> String {
        let Candidate { in_flight, weight, .. } = candidate;
        let mut reason = match self.strategy {
            Balance::RoundRobin if place == 1 => format!("its turn, weight {weight}"),
            Balance::RoundRobin => format!("later in the round, weight {weight}"),
            Balance::LeastInFlight => format!("{in_flight} in flight, weight {weight}"),
            Balance::WeightedResponseTime => {
                let time = match candidate.response_time {
                    Some(time) => format!("response time {} ms", time.as_millis()),
                    None => "response time not known yet".to_owned(),
                };
                format!("{time}, {in_flight} in flight, weight {weight}")
            }
            Balance::ConsistentHash if pick.hash.is_none() => {
                format!("no key to hash, so drawn at random, weight {weight}")
            }
            Balance::ConsistentHash if place == 1 => format!("home of the key, weight {weight}"),
            Balance::ConsistentHash => format!("the key's next home, weight {weight}"),
            Balance::PowerOfTwo => {
                let drawn = if ranked.tier == Tier::Drawn { "drawn" } else { "not drawn" };
                format!("{drawn}, {in_flight} in flight, weight {weight}")
            }
        };
        let warmth = self.warmth(pick.now.saturating_sub(candidate.started));
        if warmth < 1.0 {
            reason.push_str(&format!(", slow start at {:.0} %", warmth * 100.0));
        }
        reason
    }
}

/// What speaks against an endpoint.
fn refusal(eligibility: Eligibility, now: Duration) -> Option<String> {
    let left = |until: Duration| format!("{:.1} s", until.saturating_sub(now).as_secs_f64());
    match eligibility {
        Eligibility::Eligible => None,
        Eligibility::Ejected { until } => {
            Some(format!("ejected as an outlier for {} more, so after all others", left(until)))
        }
        Eligibility::Open { until } => {
            Some(format!("circuit breaker open for {} more", left(until)))
        }
        Eligibility::Probing => Some("circuit breaker half-open, all probes under way".to_owned()),
        Eligibility::Draining => Some("draining".to_owned()),
    }
}
