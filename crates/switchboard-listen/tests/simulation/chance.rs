//! The randomness of the system, as far as this program sees it: numbers that follow from a seed.
//!
//! Everything that draws by chance asks `getrandom` of the C library in the end: hash maps, the
//! `select!` of tokio, jitter, keys. This program brings its own, whose numbers belong to the thread,
//! so that a run in a thread of its own is decided by its seed. Threads that did not
//! [`begin`] get numbers as well; nothing here needs a secret.

use std::cell::Cell;
use std::ffi::{c_uint, c_void};

thread_local! {
    static STATE: Cell<u64> = const { Cell::new(0) };
}

/// Lets the randomness of this thread follow from `seed`.
pub(crate) fn begin(seed: u64) {
    STATE.set(seed.wrapping_mul(0x2545_f491_4f6c_dd1d) ^ 0x9e37_79b9_7f4a_7c15);
}

fn next() -> u64 {
    let state = STATE.get().wrapping_add(0x9e37_79b9_7f4a_7c15);
    STATE.set(state);
    let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// In place of that of the C library.
///
/// # Safety
///
/// `to` is good for writing `length` bytes.
#[expect(unsafe_code, reason = "whoever asks for randomness hands over a bare pointer")]
#[unsafe(no_mangle)]
unsafe extern "C" fn getrandom(to: *mut c_void, length: usize, _flags: c_uint) -> isize {
    // SAFETY: whoever calls promises that these bytes are theirs to be written.
    let bytes = unsafe { std::slice::from_raw_parts_mut(to.cast::<u8>(), length) };
    for chunk in bytes.chunks_mut(8) {
        chunk.copy_from_slice(&next().to_ne_bytes()[..chunk.len()]);
    }
    isize::try_from(length).unwrap_or(isize::MAX)
}
