//! Why there is no answer.

use std::path::PathBuf;
use std::time::Duration;

use crate::grants::Denied;

/// What went wrong. The text is for whoever called; [`Self::detail`] is for administrators.
#[derive(Debug, thiserror::Error)]
pub enum WasmError {
    /// The engine does not start: the system refuses memory or a thread.
    #[error("WebAssembly cannot be run here: {cause}")]
    Engine { cause: String },
    /// Build it as a component.
    #[error("it is no WebAssembly component that can run here: {why}")]
    NotAComponent { why: String },
    /// Build it for the world in `wit/bundle.wit`.
    #[error("it is not a bundle of this version: {}", missing.join(", "))]
    WrongWorld { missing: Vec<String> },
    /// Make it smaller.
    #[error("it has {bytes} bytes, and {limit} are allowed")]
    TooLarge { bytes: usize, limit: usize },
    /// Correct the directory. Nothing that is in it was used.
    #[error("compiled bundles cannot be kept in `{}`: {why}", directory.display())]
    Cache { directory: PathBuf, why: String },
    /// The same call may succeed later.
    #[error("all places for bundles are taken")]
    Busy { places: usize, waited: Duration },
    /// The bundle is wrong.
    #[error("the bundle broke off: {message}")]
    Trap { message: String, backtrace: Vec<String> },
    /// The bundle was ended.
    #[error("the bundle did not answer within {} ms", limit.as_millis())]
    Deadline { limit: Duration },
    /// The bundle went on after it was refused more, and broke off.
    #[error("the bundle wanted more than it may have: {what}")]
    Memory { what: String, message: String, backtrace: Vec<String> },
    /// Grant it, or do without the bundle.
    #[error("the bundle is not granted what it needs: {what}")]
    NotGranted { what: Denied, backtrace: Vec<String> },
    /// What it gave back is of no use.
    #[error("the answer of the bundle cannot be used: {why}")]
    Output { why: String },
    /// The bundle says that it has nothing of the name.
    #[error("the bundle has no `{name}`")]
    NotFound { name: String },
    /// The bundle says what is wrong with the arguments.
    #[error("{why}")]
    Arguments { why: String },
    /// The bundle says that it failed.
    #[error("{message}")]
    Failed { message: String, detail: Option<String> },
}

impl WasmError {
    pub fn code(&self) -> &'static str {
        match self {
            Self::Engine { .. } => "wasm-unavailable",
            Self::NotAComponent { .. } => "wasm-no-component",
            Self::WrongWorld { .. } => "wasm-wrong-world",
            Self::TooLarge { .. } => "wasm-too-large",
            Self::Cache { .. } => "wasm-cache",
            Self::Busy { .. } => "wasm-busy",
            Self::Trap { .. } => "wasm-trap",
            Self::Deadline { .. } => "wasm-deadline",
            Self::Memory { .. } => "wasm-memory",
            Self::NotGranted { .. } => "wasm-not-granted",
            Self::Output { .. } => "wasm-output",
            Self::NotFound { .. } => "wasm-not-found",
            Self::Arguments { .. } => "wasm-arguments",
            Self::Failed { .. } => "wasm-failed",
        }
    }

    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Engine { .. } => {
                "allow the process more address space and threads (`ulimit -v`, `ulimit -u`)"
            }
            Self::NotAComponent { .. } => {
                "build it with componentize-py, componentize-js or `cargo build --target wasm32-wasip2`"
            }
            Self::WrongWorld { .. } => {
                "build it for the world `bundle` of `switchboard:bundle@1.0.0`"
            }
            Self::TooLarge { .. } => "leave out what it does not use, and its debug information",
            Self::Cache { .. } => "give it a directory of this user with mode 0700",
            Self::Busy { .. } => "try again, or allow more instances",
            Self::Trap { .. } | Self::Output { .. } | Self::Failed { .. } => {
                "look at the log of the bundle"
            }
            Self::Deadline { .. } => {
                "ask for less at once, or allow the bundle a longer time; without the grant `clock`, waiting for a time never ends"
            }
            Self::Memory { .. } => "ask for less at once, or allow the bundle more memory",
            Self::NotGranted { .. } => "grant it to the bundle, if it is to have it",
            Self::NotFound { .. } => "compare the name with what the bundle offers",
            Self::Arguments { .. } => "correct the arguments",
        }
    }

    /// What only administrators are to see: where in the bundle it happened, and what the bundle says
    /// about it.
    pub fn detail(&self) -> Option<String> {
        match self {
            Self::Trap { backtrace, .. } | Self::NotGranted { backtrace, .. } => {
                (!backtrace.is_empty()).then(|| backtrace.join("\n"))
            }
            Self::Memory { message, backtrace, .. } => {
                Some([std::slice::from_ref(message), backtrace].concat().join("\n"))
            }
            Self::Failed { detail, .. } => detail.clone(),
            Self::Busy { places, waited } => {
                Some(format!("{places} places; waited {} ms", waited.as_millis()))
            }
            Self::Engine { .. }
            | Self::NotAComponent { .. }
            | Self::WrongWorld { .. }
            | Self::TooLarge { .. }
            | Self::Cache { .. }
            | Self::Deadline { .. }
            | Self::Output { .. }
            | Self::NotFound { .. }
            | Self::Arguments { .. } => None,
        }
    }
}
