//! What runs the functions of a bundle.

use std::time::Duration;

use async_trait::async_trait;
use switchboard_mcp::Json;

/// Runs the functions of one version.
#[async_trait]
pub(crate) trait Runs: Send + Sync {
    /// Runs one function to its end.
    ///
    /// # Errors
    ///
    /// See [`Failure`].
    ///
    /// # Cancel safety
    ///
    /// Dropping the future ends what runs.
    async fn run(&self, call: Call<'_>) -> Result<Json, Failure>;

    /// What of the functions cannot be run, for people: what they name is not there, or cannot be
    /// loaded.
    async fn verify(&self) -> Vec<String>;
}

/// One call of a function.
pub(crate) struct Call<'a> {
    /// The number of the function in the manifest.
    pub function: usize,
    pub input: Input<'a>,
    pub time: Duration,
    /// Hears of progress, as the parameters of `notifications/progress` without a token.
    pub progress: &'a (dyn Fn(Json) + Send + Sync),
}

pub(crate) enum Input<'a> {
    /// The arguments of a tool or a prompt.
    Arguments(&'a Json),
    /// The address of a resource, and what stands in the places of its template.
    Address { uri: &'a str, variables: &'a [(String, String)] },
}

/// Why there is no result.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum Failure {
    /// The function ran and failed.
    #[error("{message}")]
    Raised { message: String, traceback: Option<String> },
    /// It was ended.
    #[error("it did not come to an end within {} s", .0.as_secs_f64())]
    TimedOut(Duration),
    /// What ran it ended under it.
    #[error("the process that ran it {0}")]
    Died(String),
    #[error("its result is longer than {0} bytes")]
    TooLong(usize),
    /// It did not run.
    #[error("it could not be started: {0}")]
    NotStarted(String),
}
