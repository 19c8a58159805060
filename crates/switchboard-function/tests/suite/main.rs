//! Bundles as whoever serves them meets them: real archives, real interpreters.

#![expect(clippy::unwrap_used, reason = "a test that panics has failed, and says where")]
#![expect(clippy::disallowed_methods, reason = "real processes take real time")]

mod common;
mod hostile;
mod python;
