//! A bundle with memory of its own, ready for a call.

use std::sync::Arc;

use tokio::sync::OwnedSemaphorePermit;
use wasmtime::{Store, UpdateDeadline};

use crate::bindings::exports::switchboard::bundle::handler::Failure;
use crate::bindings::{Bundle, BundlePre};
use crate::call::{Ask, Reuse, Terms};
use crate::engine::Engine;
use crate::error::WasmError;
use crate::scope::Scope;
use crate::state::State;

mod fault;

/// What one import may take beyond what an answer may be: a stranger's list of strings that all lie
/// at one place would otherwise be copied without end.
const IMPORT_ROOM: usize = 2 << 20;

/// Calls into the host that a guest has open, and resources that it owns, as the component model
/// counts them.
const HANDLES: usize = 10_000;

pub(crate) struct Instance {
    store: Store<State>,
    bundle: Bundle,
    /// Calls that it may still serve.
    left: u32,
    _place: OwnedSemaphorePermit,
}

/// What instances of one program have in common.
pub(crate) struct Origin {
    pub(crate) engine: Engine,
    pub(crate) pre: BundlePre<State>,
    /// For numbers that need only look random.
    pub(crate) seed: u64,
}

impl Instance {
    /// Makes one, which may already run code of the guest.
    pub(crate) async fn new(
        origin: &Origin,
        place: OwnedSemaphorePermit,
        terms: &Arc<Terms>,
        scope: &Arc<Scope>,
    ) -> Result<Self, WasmError> {
        let engine = &origin.engine.inner;
        let (guard, memory) = (engine.guard.clone(), Arc::clone(&engine.memory));
        let state = State::new(Arc::clone(terms), origin.seed, guard, memory);
        state.current.enter(Arc::clone(scope));
        let mut store = Store::new(engine.linker.engine(), state);
        store.limiter(|state| &mut state.meter);
        store.epoch_deadline_callback(|_| Ok(turn()));
        store.set_epoch_deadline(1);
        store.set_hostcall_fuel(terms.limits.output_bytes.saturating_add(IMPORT_ROOM));
        store.set_max_component_handles(HANDLES);
        let bundle = origin.pre.instantiate_async(&mut store).await;
        let bundle = bundle.map_err(|error| fault::starting(&error, store.data()))?;
        let left = match terms.reuse {
            Reuse::Never => 1,
            Reuse::Calls(calls) => calls.get(),
        };
        Ok(Self { store, bundle, left, _place: place })
    }

    pub(crate) fn terms(&self) -> &Arc<Terms> {
        &self.store.data().terms
    }

    /// Makes the instance serve another call than before.
    pub(crate) fn enter(&mut self, scope: Arc<Scope>) {
        self.store.data().current.enter(scope);
        // The epoch went on meanwhile.
        self.store.set_epoch_deadline(1);
    }

    /// Asks the guest. After an error it is in no state to be asked again.
    pub(crate) async fn ask(&mut self, ask: &Ask) -> Result<Result<String, Failure>, WasmError> {
        let handler = self.bundle.switchboard_bundle_handler();
        let store = &mut self.store;
        let answer = match ask {
            Ask::Tool { name, arguments } => handler.call_call_tool(store, name, arguments).await,
            Ask::Resource { uri } => handler.call_read_resource(store, uri).await,
            Ask::Prompt { name, arguments } => {
                handler.call_get_prompt(store, name, arguments).await
            }
        };
        answer.map_err(|error| fault::of(&error, self.store.data()))
    }

    /// Ends a call. Whether the instance may serve another.
    pub(crate) fn leave(&mut self) -> bool {
        self.left -= 1;
        self.store.data().current.leave();
        self.left > 0
    }
}

/// What a guest does whose tick is over: it lets everybody else have their turn, sockets included.
///
/// wasmtime's own way of yielding wakes the task at once. tokio then looks at sockets and timers only
/// every 61 turns, and a neighbour waits for 65 ms instead of 2 (measured in November 2026 with two
/// guests that compute on two threads).
fn turn() -> UpdateDeadline {
    UpdateDeadline::YieldCustom(1, Box::pin(tokio::task::yield_now()))
}
