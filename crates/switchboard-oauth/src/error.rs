//! Why there is no token.

use std::io;
use std::path::PathBuf;

use switchboard_egress::EgressError;

/// What went wrong. Never quotes a token, a code or a secret, nor what a server said that may.
#[derive(Debug, thiserror::Error)]
pub enum OauthError {
    /// The configuration is wrong.
    #[error("`{key}` of the server's `oauth`: {why}")]
    Settings { key: &'static str, why: &'static str },
    /// What the server or its authorization server offers cannot be used; trying again will not
    /// help, and it may be an attack.
    #[error("{what}: {why}")]
    Unfit { what: String, why: String },
    /// The authorization server said no.
    #[error("the authorization server refused {doing}: {error}")]
    Refused { doing: &'static str, error: String },
    /// The same call may succeed later, unless the guard refused the address.
    #[error("cannot {doing}")]
    Network {
        doing: &'static str,
        #[source]
        cause: EgressError,
    },
    /// The same call may succeed later; it was just tried.
    #[error("a moment ago: {why}")]
    JustTried { why: String },
    /// The login was not finished.
    #[error("the login was given up: {why}")]
    GivenUp { why: &'static str },
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl OauthError {
    pub(crate) fn unfit(what: impl Into<String>, why: impl Into<String>) -> Self {
        Self::Unfit { what: what.into(), why: why.into() }
    }

    /// Whether asking again later may help.
    pub fn is_temporary(&self) -> bool {
        match self {
            Self::Network { cause, .. } => cause.is_temporary(),
            Self::JustTried { .. } => true,
            _ => false,
        }
    }
}

/// What is wrong with the files.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Somebody has to look; `switchboard login` replaces it.
    #[error("`{}` cannot be opened: it is damaged, or was sealed for something else", path.display())]
    Damaged { path: PathBuf },
    #[error("`{}` is not a key of 32 bytes", path.display())]
    Key { path: PathBuf },
    #[error("`{}` belongs to user {owner}, and we run as user {us}", path.display())]
    NotOurs { path: PathBuf, owner: u32, us: u32 },
    #[error("cannot {doing} `{}`", path.display())]
    Io {
        doing: &'static str,
        path: PathBuf,
        #[source]
        cause: io::Error,
    },
}
