//! The one unsafe step: machine code from a file is made callable.

use std::path::Path;

use wasmtime::component::Component;
use wasmtime::{Engine, Result};

/// Loads code that this program wrote. The caller has verified its signature.
///
/// The file is mapped rather than copied: the 60 MB of an interpreter are read as they are used, and
/// once for all programs that were made of it.
#[expect(unsafe_code, reason = "wasmtime cannot tell good machine code from bad")]
pub(super) fn verified(engine: &Engine, path: &Path) -> Result<Component> {
    // SAFETY: `deserialize_file` runs what is in the file, so it must be what `Component::serialize`
    // gave, and stay so while it is mapped.
    // - It is: `Cache::load` has just compared every byte with a signature by a key that only this
    //   program has, and only `Cache::keep` signs, which is given what was compiled here.
    // - It is for this compiler: its version and settings are part of the signed name, and wasmtime
    //   compares them with those in the file again.
    // - It stays: the file is in a directory with mode 0700 of our user, has mode 0400, and is only
    //   ever replaced by another file, never written into. Whoever can do otherwise, between the
    //   comparison and now or later, is our user or root, and could as well change this program.
    unsafe { Component::deserialize_file(engine, path) }
}
