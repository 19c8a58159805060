//! Where the time comes in.

use std::time::SystemTime;

#[expect(clippy::disallowed_methods, reason = "this is where the time comes in")]
pub(crate) fn now() -> SystemTime {
    SystemTime::now()
}
