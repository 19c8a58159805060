//! Randomness for what need not be secret: jitter, and choices among equals.

use std::cell::Cell;

use switchboard_core::pool::stable_hash;

/// Uniform over all values. Not for anything that must not be guessed.
pub(crate) fn u64() -> u64 {
    thread_local! {
        // One for each thread: nothing is shared on the way of a call, and what a thread draws does
        // not depend on the others.
        static STATE: Cell<u64> = Cell::new({
            let mut seed = [0; 8];
            // Without randomness all daemons draw the same, which is a nuisance and no fault.
            let _ = getrandom::fill(&mut seed);
            u64::from_ne_bytes(seed)
        });
    }
    let state = STATE.get();
    STATE.set(state.wrapping_add(1));
    stable_hash(&state.to_ne_bytes())
}

pub(crate) fn u32() -> u32 {
    (u64() >> 32) as u32
}
