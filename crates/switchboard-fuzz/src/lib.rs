//! What must hold of everything that reads bytes of strangers, whatever the bytes: one function for
//! each place.
//!
//! A target is a plain function that panics where the promise is broken, so that three can drive it:
//! the test of this crate, with the inputs under `fuzz/corpus` and random changes to them, in every
//! run of the gate; libFuzzer, by way of the package in `fuzz`, which needs a nightly toolchain
//! (`cargo xtask fuzz`); and a person with the input that broke it.
//!
//! "It did not panic" is the least of the promises. Each file says what the others are.

mod address;
mod archive;
mod choices;
mod client_file;
mod configuration;
mod header;
mod lines;
mod manifest;
mod message;
mod sample;
mod sealed;
mod sse;
mod strict;
pub mod translation;

/// One place where bytes come in.
pub struct Target {
    /// As in `cargo xtask fuzz NAME`; also the directory of its inputs.
    pub name: &'static str,
    /// Panics where a promise is broken.
    pub run: fn(&[u8]),
}

/// All of them; `fuzz/fuzz_targets` has a file for each.
pub const TARGETS: &[Target] = &[
    Target { name: "address", run: address::check },
    Target { name: "archive", run: archive::check },
    Target { name: "client_file", run: client_file::check },
    Target { name: "configuration", run: configuration::check },
    Target { name: "header", run: header::check },
    Target { name: "lines", run: lines::check },
    Target { name: "manifest", run: manifest::check },
    Target { name: "message", run: message::check },
    Target { name: "sealed", run: sealed::check },
    Target { name: "sse", run: sse::check },
    Target { name: "translation", run: translation::check },
];

/// Runs the target of that name.
///
/// # Panics
///
/// If there is none, or the input breaks a promise of it.
pub fn run(name: &str, input: &[u8]) {
    let target = TARGETS.iter().find(|target| target.name == name);
    (target.expect("a target of `TARGETS`").run)(input);
}
