//! The way out: which addresses are reached, and as whom.

use std::path::Path;

use switchboard_core::Principal;
use switchboard_egress::{EgressSettings, Guard};
use switchboard_oauth::{Authorizer, OauthError, Store, StoreError};
use switchboard_upstream::HttpConfig;
use tokio_util::task::TaskTracker;

use crate::problem::StartProblem;

/// What all upstreams share on their way out.
pub(crate) struct Outside {
    pub guard: Guard,
    pub logins: Store,
}

impl Outside {
    /// Reads the certificates and the key of the logins; makes the key at the first start.
    pub(crate) fn open(settings: &EgressSettings, state: &Path) -> Result<Self, StartProblem> {
        let guard = Guard::new(settings).map_err(|error| {
            StartProblem::new("egress-invalid", error.to_string())
                .hint("`switchboard config explain egress` says what belongs there")
        })?;
        let logins = Store::open(state).map_err(|error| store_problem(&error))?;
        Ok(Self { guard, logins })
    }
}

/// Whoever has the key of the daemon, or can open its sockets.
pub fn owner() -> Principal {
    Principal::new("owner")
}

/// The login at one upstream, for a command that logs in or out beside a daemon, which notices.
///
/// # Errors
///
/// [`StartProblem`] as a daemon that starts with the same settings has it.
pub fn authorizer(
    upstream: &str,
    http: &HttpConfig,
    egress: &EgressSettings,
    state: &Path,
) -> Result<Authorizer, StartProblem> {
    crate::assemble::make_private(state)?;
    let Outside { guard, logins } = Outside::open(egress, state)?;
    let unusable = |why: String| {
        StartProblem::new("config-invalid", format!("`upstream.{upstream}` has no login: {why}"))
            .hint("switchboard config check")
    };
    let server = http.url.parse().map_err(|_| unusable("its `url` is no address".to_owned()))?;
    let (settings, tasks) = (http.oauth.clone(), TaskTracker::new());
    Authorizer::new(upstream, &server, settings, (logins, guard), tasks)
        .map_err(|error: OauthError| unusable(error.to_string()))
}

fn store_problem(error: &StoreError) -> StartProblem {
    let problem = StartProblem::new("login-store", error.to_string());
    match error {
        StoreError::Key { .. } => problem.hint(
            "restore the file from a backup; or remove it and the directory `oauth` beside it, and \
             log in anew",
        ),
        StoreError::Io { cause, .. } => problem.because(cause),
        StoreError::NotOurs { .. } | StoreError::Damaged { .. } => problem,
    }
}
