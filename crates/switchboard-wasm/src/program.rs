//! A bundle that can be called.

use std::sync::Arc;

use serde_json::value::RawValue;
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::timeout;

use crate::bindings::exports::switchboard::bundle::handler::Failure;
use crate::call::{Answer, Call};
use crate::error::WasmError;
use crate::instance::{Instance, Origin};
use crate::scope::{Scope, cut};

/// Compiled and linked. Cheap to clone.
#[derive(Clone)]
pub struct Program {
    inner: Arc<Inner>,
}

struct Inner {
    number: usize,
    origin: Origin,
}

/// What a call begins with.
enum Seat {
    Warm(Instance),
    Free(OwnedSemaphorePermit),
}

impl Program {
    pub(crate) fn new(number: usize, origin: Origin) -> Self {
        Self { inner: Arc::new(Inner { number, origin }) }
    }

    /// Makes one call.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future ends the guest where it is, within a millisecond; what it has done to the
    /// outside is done.
    ///
    /// # Errors
    ///
    /// [`WasmError`] says whether it was the guest ([`WasmError::Trap`] and others), its limits, or us
    /// ([`WasmError::Busy`]).
    pub async fn call(&self, call: Call) -> Result<Answer, WasmError> {
        // A guest that answers or breaks off at once waits for nothing. Whoever calls it again and
        // again would otherwise keep a thread for good.
        tokio::task::consume_budget().await;
        let engine = &self.inner.origin.engine.inner;
        let seat = match engine.idle.take(self.inner.number, &call.terms) {
            Some(instance) => Seat::Warm(instance),
            None => Seat::Free(engine.place().await?),
        };
        let scope = Scope::of(&call);
        let _finish = Finish(&scope);
        let _running = engine.ticker.run();
        let limit = call.terms.limits.deadline;
        let guest = self.inner.run(&call, &scope, seat);
        let text = timeout(limit, guest).await.map_err(|_| WasmError::Deadline { limit })??;
        answer(text, call.terms.limits.output_bytes)
    }
}

impl Inner {
    async fn run(&self, call: &Call, scope: &Arc<Scope>, seat: Seat) -> Result<String, WasmError> {
        let mut instance = match seat {
            Seat::Warm(mut instance) => {
                instance.enter(Arc::clone(scope));
                instance
            }
            Seat::Free(place) => Instance::new(&self.origin, place, &call.terms, scope).await?,
        };
        let answer = instance.ask(&call.ask).await?;
        let engine = &self.origin.engine.inner;
        if instance.leave() && !engine.is_waited_for() {
            engine.idle.keep(self.number, instance);
        }
        answer.map_err(failure)
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.origin.engine.inner.idle.forget(self.number);
    }
}

/// However a call ends, what it has said is passed on.
struct Finish<'a>(&'a Scope);

impl Drop for Finish<'_> {
    fn drop(&mut self) {
        self.0.finish();
    }
}

fn answer(text: String, limit: usize) -> Result<Answer, WasmError> {
    if text.len() > limit {
        let why = format!("it has {} bytes, and {limit} are allowed", text.len());
        return Err(WasmError::Output { why });
    }
    let refuse = |why: String| WasmError::Output { why };
    let json =
        RawValue::from_string(text).map_err(|error| refuse(format!("it is no JSON: {error}")))?;
    if !json.get().starts_with('{') {
        return Err(refuse("it is no JSON object".to_owned()));
    }
    Ok(Answer { json })
}

/// Texts of a guest end in messages and logs: no longer than a line of a log may be.
fn failure(failure: Failure) -> WasmError {
    let short = |text: String| cut(&text).to_owned();
    match failure {
        Failure::NotFound(name) => WasmError::NotFound { name: short(name) },
        Failure::InvalidArguments(why) => WasmError::Arguments { why: short(why) },
        Failure::Failed(fault) => {
            WasmError::Failed { message: short(fault.message), detail: fault.detail.map(short) }
        }
    }
}
