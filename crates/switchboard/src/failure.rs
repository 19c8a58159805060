//! Why a command did not do what it was asked to, in the parts that people get.

use std::fmt::Display;

use serde::{Serialize, Serializer};
use switchboard_client::control::Problem;
use switchboard_client::detach::Mistake;
use switchboard_config::Diagnostic;

use crate::exit::Exit;

/// Printed once, where the program ends: see [`Output::failure`](crate::output::Output::failure).
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Failure {
    /// The page under `docs/errors/`.
    pub(crate) code: String,
    /// A fragment without a full stop.
    pub(crate) message: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) cause: Option<String>,
    /// Names the next command to type.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) hint: Option<String>,
    /// What few failures have; boxed to keep a `Result` with a failure in it small.
    #[serde(flatten)]
    pub(crate) details: Box<Details>,
    #[serde(skip)]
    pub(crate) exit: Exit,
}

#[derive(Clone, Debug, Default, Serialize)]
pub(crate) struct Details {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) place: Option<String>,
    /// The single mistakes behind a failure, such as those of a configuration.
    #[serde(skip_serializing_if = "Vec::is_empty", serialize_with = "without_colours")]
    pub(crate) mistakes: Vec<Mistake>,
}

impl Failure {
    pub(crate) fn new(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            code: code.into(),
            message: message.into(),
            cause: None,
            hint: None,
            details: Box::default(),
            exit: Exit::Failed,
        }
    }

    /// The words on the command line mean nothing together.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self::new("usage", message).with_exit(Exit::Usage)
    }

    /// The configuration cannot be used.
    pub(crate) fn configuration(diagnostics: &[Diagnostic]) -> Self {
        let message = match diagnostics.len() {
            1 => "the configuration has a mistake".to_owned(),
            count => format!("the configuration has {count} mistakes"),
        };
        let mut failure = Self::new("config-invalid", message).with_exit(Exit::Configuration);
        failure.details.mistakes = diagnostics.iter().map(mistake).collect();
        failure
    }

    #[must_use]
    pub(crate) fn with_place(mut self, place: impl Display) -> Self {
        self.details.place = Some(place.to_string());
        self
    }

    #[must_use]
    pub(crate) fn with_cause(self, cause: impl Display) -> Self {
        Self { cause: Some(cause.to_string()), ..self }
    }

    #[must_use]
    pub(crate) fn with_hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }

    #[must_use]
    pub(crate) fn with_exit(self, exit: Exit) -> Self {
        Self { exit, ..self }
    }
}

/// What the daemon says went wrong.
impl From<Problem> for Failure {
    fn from(problem: Problem) -> Self {
        let Problem { code, message, cause, hint } = problem;
        Self { cause, hint, ..Self::new(code, message) }
    }
}

/// Mistakes for a program, which has no use for escape sequences.
fn without_colours<S: Serializer>(mistakes: &[Mistake], serializer: S) -> Result<S::Ok, S::Error> {
    let plain = |mistake: &Mistake| Mistake { coloured: String::new(), ..mistake.clone() };
    serializer.collect_seq(mistakes.iter().map(plain))
}

/// A mistake in the form in which it also travels from a daemon that could not start.
pub(crate) fn mistake(diagnostic: &Diagnostic) -> Mistake {
    Mistake {
        code: diagnostic.code.to_owned(),
        message: diagnostic.message.clone(),
        place: diagnostic.place.as_ref().map(ToString::to_string),
        cause: diagnostic.cause.clone(),
        hint: diagnostic.hint.clone(),
        text: diagnostic.render(false),
        coloured: diagnostic.render(true),
    }
}
