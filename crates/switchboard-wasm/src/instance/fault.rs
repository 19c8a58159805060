//! Why a guest broke off.

use wasmtime::{Error, Trap, WasmBacktrace};
use wasmtime_wasi::I32Exit;

use crate::deny::Refused;
use crate::error::WasmError;
use crate::meter::Want;
use crate::state::State;

/// Frames of a backtrace that are kept. The innermost say what happened; in an endless recursion the
/// others say it again.
const FRAMES: usize = 32;

/// Of a frame. The names in it are the guest's.
const FRAME_BYTES: usize = 256;

/// The guest did not come to be.
pub(super) fn starting(error: &Error, state: &State) -> WasmError {
    match of(error, state) {
        // Nothing was returned yet: the allocator said that a component may not have as many parts.
        WasmError::Output { why: message } => {
            let what = "more parts, or larger ones, than a component may have".to_owned();
            WasmError::Memory { what, message, backtrace: Vec::new() }
        }
        other => other,
    }
}

/// The guest did not finish.
pub(super) fn of(error: &Error, state: &State) -> WasmError {
    let backtrace = backtrace(error);
    if let Some(Refused(what)) = error.downcast_ref() {
        return WasmError::NotGranted { what: what.clone(), backtrace };
    }
    let message = message(error);
    if let Some(want) = state.meter.refused() {
        return WasmError::Memory { what: wanted(want, state), message, backtrace };
    }
    let is_traps = error.is::<Trap>() || error.is::<I32Exit>() || !backtrace.is_empty();
    if is_traps {
        return WasmError::Trap { message, backtrace };
    }
    // The guest returned, and what it returned breaks the rules of the component model: text that is
    // no UTF-8, a list beyond its memory, or more than may be copied.
    WasmError::Output { why: message }
}

fn message(error: &Error) -> String {
    if let Some(exit) = error.downcast_ref::<I32Exit>() {
        return format!("it exited with status {}", exit.0);
    }
    if let Some(trap) = error.downcast_ref::<Trap>() {
        return trap.to_string();
    }
    error.root_cause().to_string()
}

fn wanted(want: Want, state: &State) -> String {
    let limits = &state.terms.limits;
    match want {
        Want::Memory => format!("{} bytes of memory", limits.memory_bytes),
        Want::Table => format!("{} elements of tables", limits.table_elements),
        Want::Shared => "memory, and all bundles together have what they may have".to_owned(),
    }
}

fn backtrace(error: &Error) -> Vec<String> {
    let Some(backtrace) = error.downcast_ref::<WasmBacktrace>() else { return Vec::new() };
    // The first line says that a backtrace follows.
    let text = backtrace.to_string();
    text.lines().skip(1).take(FRAMES).map(short).collect()
}

fn short(frame: &str) -> String {
    let frame = frame.trim();
    frame[..frame.floor_char_boundary(FRAME_BYTES)].to_owned()
}
