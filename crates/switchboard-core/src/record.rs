//! The port to whoever keeps a record of calls, and what is noted of each.

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
}

#[derive(Debug)]
pub enum CallOutcome {
    /// The result, which may be that of a tool that failed.
    Answered(Response),
    Failed(Error),
    /// The client gave it up, or left.
    Abandoned,
}

/// A call under way. It is recorded when it is dropped, so that one that is given up is not
/// forgotten.
pub(crate) struct UnderWay<'a> {
    recorder: &'a dyn Recorder,
    begun: Instant,
    call: Option<Call>,
}

/// Whether calls of a method are recorded.
pub(crate) fn is_recorded(method: &Method) -> bool {
    matches!(method, Method::ToolsCall | Method::PromptsGet | Method::ResourcesRead)
}

impl<'a> UnderWay<'a> {
    pub(crate) fn begin(recorder: &'a dyn Recorder, context: &Context, request: &Request) -> Self {
        let call = Call {
            principal: context.principal.clone(),
            method: request.method.clone(),
            name: request.name.clone().unwrap_or_default(),
            params: request.params.clone(),
            outcome: CallOutcome::Abandoned,
            took: Duration::ZERO,
        };
        Self { recorder, begun: Instant::now(), call: Some(call) }
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
            self.recorder.record(Call { took: self.begun.elapsed(), ..call });
        }
    }
}
