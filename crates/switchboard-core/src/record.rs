//! The port to whoever keeps a record of calls, and what is noted of each.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use switchboard_mcp::{Json, Method};
use tokio::time::Instant;

use crate::error::Error;
use crate::peer::{Context, Request, Response};
use crate::principal::Principal;

/// Takes note of calls. Called on the way of the answer, so it must not wait: one that cannot keep
/// up counts what it loses.
pub trait Recorder: Send + Sync {
    fn record(&self, call: Call);
}

/// One call of a tool, one prompt that was filled in, or one resource that was read.
#[derive(Debug)]
pub struct Call {
    pub principal: Principal,
    pub method: Method,
    /// As the client knows it.
    pub name: String,
    /// As the client sent them.
    pub params: Option<Json>,
    pub outcome: CallOutcome,
    /// From its coming to its answer.
    pub took: Duration,
    /// Where it went.
    pub went: Went,
    /// Whether whoever brought it shows it itself to those who watch.
    pub is_shown: bool,
}

#[derive(Debug)]
pub enum CallOutcome {
    /// The result, which may be that of a tool that failed.
    Answered(Response),
    Failed(Error),
    /// The client gave it up, or left.
    Abandoned,
}

/// Where a call went.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Went {
    /// What the catalog sent it to; `None` where it was refused before.
    pub upstream: Option<Arc<str>>,
    /// The endpoint that answered; where none did, the last one that was asked.
    pub endpoint: Option<Arc<str>>,
    /// Which try that was, from 1; 0 where no endpoint was asked.
    pub attempt: u32,
}

/// Where those on the way of a call note where it goes, for its record.
///
/// What a server is asked again because it wanted something first is no other try: the gateway
/// begins to count anew then.
#[derive(Debug, Default)]
pub struct Trail(Mutex<Noted>);

#[derive(Debug, Default)]
struct Noted {
    went: Went,
    tries: u32,
}

/// One try, to be named when it has ended.
#[derive(Clone, Copy, Debug)]
pub struct Try(u32);

impl Trail {
    /// The call goes to what the catalog calls `upstream`.
    pub(crate) fn goes_to(&self, upstream: &Arc<str>) {
        self.note(|noted| noted.went.upstream = Some(Arc::clone(upstream)));
    }

    /// The server is asked the same again with what it wanted to know.
    pub(crate) fn again(&self) {
        self.note(|noted| noted.tries = 0);
    }

    /// An endpoint is asked.
    pub fn begin(&self, endpoint: &Arc<str>) -> Try {
        self.note(|noted| {
            noted.tries += 1;
            noted.went.endpoint = Some(Arc::clone(endpoint));
            noted.went.attempt = noted.tries;
            Try(noted.tries)
        })
    }

    /// An endpoint has answered, or failed. Of two that are asked at once, the one that ends last is
    /// the one whose answer counts: the other is given up, or failed before.
    pub fn end(&self, tried: Try, endpoint: &Arc<str>) {
        self.note(|noted| {
            noted.went.endpoint = Some(Arc::clone(endpoint));
            noted.went.attempt = tried.0;
        });
    }

    /// Where it went until now.
    pub fn went(&self) -> Went {
        self.note(|noted| noted.went.clone())
    }

    fn note<T>(&self, note: impl FnOnce(&mut Noted) -> T) -> T {
        note(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A call under way. It is recorded when it is dropped, so that one that is given up is not
/// forgotten.
pub(crate) struct UnderWay<'a> {
    recorder: &'a dyn Recorder,
    begun: Instant,
    trail: Arc<Trail>,
    call: Option<Call>,
}

/// Whether calls of a method are recorded.
pub fn is_recorded(method: &Method) -> bool {
    matches!(method, Method::ToolsCall | Method::PromptsGet | Method::ResourcesRead)
}

impl<'a> UnderWay<'a> {
    /// With the context that the call goes on with.
    pub(crate) fn begin(
        recorder: &'a dyn Recorder,
        context: &Context,
        request: &Request,
    ) -> (Self, Context) {
        let trail = Arc::<Trail>::default();
        let call = Call {
            principal: context.principal.clone(),
            method: request.method.clone(),
            name: request.name.clone().unwrap_or_default(),
            params: request.params.clone(),
            outcome: CallOutcome::Abandoned,
            took: Duration::ZERO,
            went: Went::default(),
            is_shown: context.is_shown,
        };
        let context = Context { trail: Some(Arc::clone(&trail)), ..context.clone() };
        (Self { recorder, begun: Instant::now(), trail, call: Some(call) }, context)
    }

    pub(crate) fn end(mut self, outcome: &Result<Response, Error>) {
        if let Some(call) = &mut self.call {
            call.outcome = match outcome {
                Ok(response) => CallOutcome::Answered(response.clone()),
                Err(error) => CallOutcome::Failed(error.clone()),
            };
        }
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        if let Some(call) = self.call.take() {
            let (took, went) = (self.begun.elapsed(), self.trail.went());
            self.recorder.record(Call { took, went, ..call });
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::{Trail, Went};

    /// `begin` and `end` of tries by the letters of their endpoints: `a` begins, `A` ends.
    #[track_caller]
    fn check(events: &str, expected: (&str, u32)) {
        let trail = Trail::default();
        let mut tries = Vec::new();
        for event in events.chars() {
            let endpoint: Arc<str> = event.to_ascii_lowercase().to_string().into();
            if event.is_ascii_lowercase() {
                tries.push((endpoint.clone(), trail.begin(&endpoint)));
            } else {
                let (_, tried) = tries.iter().rfind(|(name, _)| *name == endpoint).unwrap();
                trail.end(*tried, &endpoint);
            }
        }
        let endpoint = (!expected.0.is_empty()).then(|| expected.0.into());
        assert_eq!(
            trail.went(),
            Went { upstream: None, endpoint, attempt: expected.1 },
            "{events}"
        );
    }

    #[test]
    fn the_try_whose_answer_counts_is_noted() {
        check("", ("", 0));
        check("aA", ("a", 1));
        check("aAbB", ("b", 2));
        // Given up while it was asked.
        check("aAb", ("b", 2));
        // Two at once: the first one answers, the second one does, one of them fails before.
        check("abA", ("a", 1));
        check("abB", ("b", 2));
        check("abAB", ("b", 2));
        check("abBA", ("a", 1));
    }

    #[test]
    fn what_a_server_is_asked_again_is_no_other_try() {
        let (trail, endpoint) = (Trail::default(), Arc::from("a"));
        let tried = trail.begin(&endpoint);
        trail.end(tried, &endpoint);
        trail.again();
        trail.begin(&endpoint);
        assert_eq!(trail.went().attempt, 1);
    }
}
