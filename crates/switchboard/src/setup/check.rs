//! The checks of `switchboard doctor`, as data.
//!
//! A check looks (at a file, a port, a status that was asked for) and judges in one place; printing
//! and exit code are left to the command.

mod clients;
mod daemon;
mod files;
mod leftovers;
mod programs;
mod sandbox;

use std::fmt::Display;

use serde::Serialize;

pub(crate) use clients::clients;
pub(crate) use daemon::{conflicts, port, upstreams, version};
pub(crate) use files::{configuration, key, log, state_directory};
pub(crate) use leftovers::leftovers;
pub(crate) use programs::{Needed, programs};
pub(crate) use sandbox::sandbox;

/// What was looked at, and what came of it.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub(crate) struct Check {
    pub(crate) name: &'static str,
    pub(crate) state: State,
    pub(crate) message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cause: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) hint: Option<String>,
}

#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum State {
    Ok,
    /// Works, and may not be what is wanted.
    Warning,
    /// Does not work, or is not safe.
    Problem,
}

impl Check {
    pub(crate) fn ok(name: &'static str, message: impl Into<String>) -> Self {
        Self { name, state: State::Ok, message: message.into(), cause: None, hint: None }
    }

    pub(crate) fn warning(name: &'static str, message: impl Into<String>) -> Self {
        Self { state: State::Warning, ..Self::ok(name, message) }
    }

    pub(crate) fn problem(name: &'static str, message: impl Into<String>) -> Self {
        Self { state: State::Problem, ..Self::ok(name, message) }
    }

    #[must_use]
    pub(crate) fn cause(self, cause: impl Display) -> Self {
        Self { cause: Some(cause.to_string()), ..self }
    }

    #[must_use]
    pub(crate) fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }
}

#[cfg(test)]
mod tests;
