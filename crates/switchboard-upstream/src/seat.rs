//! An endpoint of an upstream, and what is known of how it does.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use switchboard_core::pool::{
    Admission, Breaker, BreakerState, Candidate, Eligibility, InFlight, Load, RESPONSE_TIME_DECAY,
    Verdict, stable_hash,
};
use switchboard_core::{Context, Error, Request, Response, is_recorded};

use crate::endpoint::{Endpoint, Template};
use crate::settings::Settings;
use crate::status::{EndpointStatus, State};

pub(crate) struct Seat {
    pub endpoint: Endpoint,
    pub load: Arc<Load>,
    pub breaker: Breaker,
    /// As it was last reported.
    state: Mutex<State>,
    /// Its last start failed.
    was_down: AtomicBool,
    /// Tells it from the others where a place is found by a hash.
    pub key: u64,
    weight: std::num::NonZeroU32,
    /// An answer that takes longer is slow.
    slow: Option<Duration>,
}

impl Seat {
    pub(crate) fn new(endpoint: Endpoint, template: &Template, now: Duration) -> Self {
        let Settings { breaker, .. } = &template.settings;
        Self {
            key: stable_hash(endpoint.name().as_bytes()),
            endpoint,
            load: Load::new(RESPONSE_TIME_DECAY, now),
            breaker: Breaker::new(breaker.rules()),
            state: Mutex::new(State::Dormant),
            was_down: AtomicBool::new(false),
            weight: template.weight,
            slow: breaker.slow.map(|slow| slow.as_duration()),
        }
    }

    pub(crate) fn name(&self) -> &Arc<str> {
        self.endpoint.name()
    }

    /// As it is now, for a choice. `ejected`: until when it is left out as one that does worse than
    /// the others.
    pub(crate) fn candidate(&self, ejected: Option<Duration>, now: Duration) -> Candidate {
        Candidate {
            key: self.key,
            weight: self.weight,
            in_flight: self.load.in_flight(),
            response_time: self.load.response_time(now),
            started: self.load.started(),
            eligibility: Eligibility::new(self.breaker.state(now), ejected),
        }
    }

    /// Lets a call begin, unless the breaker is open.
    ///
    /// # Errors
    ///
    /// How long that is still so at most.
    pub(crate) fn begin(self: &Arc<Self>, now: Duration) -> Result<Trial, Duration> {
        match self.breaker.admit(now) {
            Admission::Refused { until } => Err(until.saturating_sub(now)),
            admission => Ok(Trial {
                _in_flight: self.load.enter(),
                seat: Arc::clone(self),
                admission: Mutex::new(Some(admission)),
                began: now,
            }),
        }
    }

    /// It is in another state now. What the breaker knows of it outlives its sessions: one that
    /// starts well and dies of its calls is as bad as one that does not start, and one that was
    /// stopped for want of calls is as good or bad as it was. Only where it could not be reached for
    /// a while does its coming back say something.
    pub(crate) fn enters(&self, state: State, now: Duration) {
        let last =
            std::mem::replace(&mut *self.state.lock().expect("no one panics holding it"), state);
        match (last, state) {
            (State::Starting, State::Waiting) => self.was_down.store(true, Ordering::Relaxed),
            (_, State::Ready) => {
                if self.was_down.swap(false, Ordering::Relaxed) {
                    self.breaker.found(now);
                }
                self.load.restarted(now);
            }
            _ => {}
        }
    }

    pub(crate) fn status(&self, now: Duration) -> EndpointStatus {
        EndpointStatus {
            name: Arc::clone(self.name()),
            status: self.endpoint.status(),
            in_flight: self.load.in_flight(),
            breaker: match self.breaker.state(now) {
                BreakerState::Closed => "closed",
                BreakerState::Open { .. } => "open",
                BreakerState::HalfOpen { .. } => "half-open",
            },
            response_time: self.load.response_time(now),
        }
    }

    /// Whether it may be closed without anybody noticing.
    pub(crate) fn is_unused(&self) -> bool {
        self.load.in_flight() == 0 && self.endpoint.status().state == State::Dormant
    }
}

/// A call to an endpoint. However it ends, its breaker hears of it.
pub(crate) struct Trial {
    seat: Arc<Seat>,
    _in_flight: InFlight,
    /// `None` once it was given back.
    admission: Mutex<Option<Admission>>,
    began: Duration,
}

impl Trial {
    pub(crate) async fn ask(
        &self,
        context: &Context,
        request: &Request,
    ) -> Result<Response, Error> {
        // What is asked beside the call, about its task for instance, is no try of it.
        let trail = context.trail.as_deref().filter(|_| is_recorded(&request.method));
        let Some(trail) = trail else { return self.seat.endpoint.request(context, request).await };
        let tried = trail.begin(self.seat.name());
        let answer = self.seat.endpoint.request(context, request).await;
        trail.end(tried, self.seat.name());
        answer
    }

    pub(crate) fn seat(&self) -> &Arc<Seat> {
        &self.seat
    }

    /// Counts how it ended; gives what that was.
    pub(crate) fn end(&self, answer: &Result<Response, Error>, now: Duration) -> Verdict {
        let took = now.saturating_sub(self.began);
        let verdict = verdict(answer, self.seat.slow.is_some_and(|slow| took > slow));
        if matches!(answer, Ok(_) | Err(Error::Server { .. } | Error::TimedOut { .. })) {
            self.seat.load.observe(took, now);
        }
        self.give_back(verdict, now);
        verdict
    }

    fn give_back(&self, verdict: Verdict, now: Duration) {
        let admission = self.admission.lock().expect("no one panics holding it").take();
        let Some(admission) = admission else { return };
        let changed = self.seat.breaker.record(admission, verdict, now, crate::random::u32());
        if let Some(state) = changed {
            tracing::info!(endpoint = &**self.seat.name(), ?state, "circuit breaker");
        }
    }
}

impl Drop for Trial {
    fn drop(&mut self) {
        // Nobody waits for the answer any more, which says nothing about the endpoint.
        let began = self.began;
        self.give_back(Verdict::Neutral, began);
    }
}

/// What the end of a call says about the endpoint. A tool that fails and a request that is refused
/// by the server in its own words are answers. What it does not let in (413, say) tells of the
/// request alone, and what we refuse ourselves of nothing: else one client with a bad request could
/// close an endpoint for all others.
pub(crate) fn verdict(answer: &Result<Response, Error>, is_slow: bool) -> Verdict {
    match answer {
        Ok(_) | Err(Error::Server { .. }) if is_slow => Verdict::Slow,
        Ok(_) | Err(Error::Server { .. }) => Verdict::Success,
        Err(Error::Lost { .. } | Error::TimedOut { .. } | Error::Unavailable { .. }) => {
            Verdict::Failure
        }
        Err(_) => Verdict::Neutral,
    }
}
