//! What the chores say. The only file that prints.

use std::fmt::Display;
use std::io::{self, Write as _};
use std::time::{Duration, Instant};

/// Prints one line, and carries on when nobody reads it: a closed pipe is no reason to stop a check.
pub(crate) fn line(text: impl Display) {
    let _ = writeln!(io::stdout(), "{text}");
}

/// Prints an error with every cause below it.
pub(crate) fn failure(error: &anyhow::Error) {
    let _ = writeln!(io::stderr(), "error: {error}");
    for cause in error.chain().skip(1) {
        let _ = writeln!(io::stderr(), "  cause: {cause}");
    }
}

/// Runs `work` and says how long it took.
pub(crate) fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    #[expect(clippy::disallowed_methods, reason = "a chore reports the time a person waited")]
    let begin = Instant::now();
    let outcome = work();
    (outcome, begin.elapsed())
}

/// A duration as a person says it: `0.4 s`, `2 min 05 s`.
pub(crate) fn spoken(duration: Duration) -> String {
    // Rounded first: 59.96 s is a minute, not `60.0 s`.
    let tenths = (duration.as_millis() + 50) / 100;
    if tenths < 600 {
        return format!("{}.{} s", tenths / 10, tenths % 10);
    }
    let seconds = (duration.as_millis() + 500) / 1000;
    format!("{} min {:02} s", seconds / 60, seconds % 60)
}

#[cfg(test)]
mod tests;
