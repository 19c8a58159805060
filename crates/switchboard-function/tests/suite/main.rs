//! Bundles as whoever serves them meets them: real archives, real interpreters.

mod common;
mod hostile;
mod python;
