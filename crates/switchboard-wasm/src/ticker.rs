//! The thread that advances the epoch.
//!
//! Compiled code compares the epoch with its deadline at every loop and call, and yields to the
//! runtime when it is behind. Nothing else makes a guest let go of a thread.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use crate::error::WasmError;

/// How long a guest keeps a thread of the runtime. What waits behind it waits this long for each
/// guest that computes; a yield costs about a microsecond.
const TICK: Duration = Duration::from_millis(1);

/// For how long the thread goes on after the last call, so that a call now and then need not wake it.
const LINGER_TICKS: u32 = 100;

/// Ticks while something runs.
pub(crate) struct Ticker {
    shared: Arc<Shared>,
    thread: JoinHandle<()>,
}

#[derive(Default)]
struct Shared {
    running: AtomicUsize,
    over: AtomicBool,
}

/// Something runs.
pub(crate) struct Running<'a>(&'a Shared);

impl Ticker {
    pub(crate) fn start(engine: wasmtime::Engine) -> Result<Self, WasmError> {
        let shared = Arc::new(Shared::default());
        let watched = Arc::clone(&shared);
        let thread = thread::Builder::new()
            .name("wasm-epoch".to_owned())
            .spawn(move || tick(&engine, &watched))
            .map_err(|cause| WasmError::Engine { cause: cause.to_string() })?;
        Ok(Self { shared, thread })
    }

    pub(crate) fn run(&self) -> Running<'_> {
        if self.shared.running.fetch_add(1, Ordering::SeqCst) == 0 {
            self.thread.thread().unpark();
        }
        Running(&self.shared)
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Drop for Ticker {
    /// The thread ends within a tick; nobody waits for it.
    fn drop(&mut self) {
        self.shared.over.store(true, Ordering::SeqCst);
        self.thread.thread().unpark();
    }
}

fn tick(engine: &wasmtime::Engine, shared: &Shared) {
    let mut quiet = 0;
    while !shared.over.load(Ordering::SeqCst) {
        quiet = if shared.running.load(Ordering::SeqCst) == 0 { quiet + 1 } else { 0 };
        if quiet > LINGER_TICKS {
            // A call that began meanwhile has left a token, and this returns at once.
            thread::park();
            quiet = 0;
        }
        thread::sleep(TICK);
        engine.increment_epoch();
    }
}
