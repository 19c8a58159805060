//! What a caller of `Program::call` sees, of good bundles and of hostile ones.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![expect(clippy::print_stdout, reason = "what was measured, for whoever asks with --nocapture")]

mod built;
mod calls;
mod denied;
mod examples;
mod guest;
mod hostile;
mod loading;
mod neighbours;
mod places;
mod surroundings;
