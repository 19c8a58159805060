//! Why a daemon did not start, or did not reload, in parts that can be shown in any form.

use switchboard_client::control::Problem;
use switchboard_config::Diagnostic;

/// Why a daemon did not start.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{message}")]
pub struct StartProblem {
    /// The page under `docs/errors/`.
    pub code: &'static str,
    pub message: String,
    pub cause: Option<String>,
    pub hint: Option<String>,
    /// What is wrong with the configuration, if that is it.
    pub diagnostics: Vec<Diagnostic>,
}

impl StartProblem {
    pub(crate) fn new(code: &'static str, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), cause: None, hint: None, diagnostics: Vec::new() }
    }

    pub(crate) fn because(mut self, cause: impl std::fmt::Display) -> Self {
        self.cause = Some(format!("{cause}"));
        self
    }

    pub(crate) fn hint(mut self, hint: impl Into<String>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    pub(crate) fn configuration(diagnostics: Vec<Diagnostic>) -> Self {
        let count = diagnostics.len();
        let mistakes = if count == 1 { "mistake" } else { "mistakes" };
        Self {
            diagnostics,
            ..Self::new("config-invalid", format!("the configuration has {count} {mistakes}"))
                .hint("switchboard config check")
        }
    }

    /// What the daemon said that was to be taken over from.
    pub(crate) fn from_wire(problem: Problem) -> Self {
        let Problem { code, message, cause, hint } = problem;
        let known = ["control-unknown", "not-answering"];
        let code = known.into_iter().find(|known| *known == code).unwrap_or("handover-failed");
        Self { cause, hint, ..Self::new(code, message) }
    }

    /// The same for the control socket, with the mistakes written out.
    pub(crate) fn to_wire(&self) -> Problem {
        let mistakes: Vec<_> = self.diagnostics.iter().map(|d| d.render(false)).collect();
        let cause =
            self.cause.clone().or_else(|| (!mistakes.is_empty()).then(|| mistakes.join("\n")));
        Problem {
            code: self.code.into(),
            message: self.message.clone(),
            cause,
            hint: self.hint.clone(),
        }
    }
}
