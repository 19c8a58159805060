//! Why something was not done, as its caller hears it.

use http::StatusCode;
use switchboard_core::store::StoreError;

use crate::operations::Refused;

/// Named after what the caller can do about it. What went wrong inside us is written to the log and
/// is not in here: the caller could not act on it, and it may name what is not theirs.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum Fault {
    /// Ask whoever writes the policies.
    #[error("this needs the right to {0}")]
    Forbidden(String),
    #[error("there is no {what} `{key}`")]
    NotFound { what: &'static str, key: String },
    /// Send something else.
    #[error("{0}")]
    Invalid(String),
    /// Read it again.
    #[error("`{0}` is there already, or was changed meanwhile")]
    Conflict(String),
    /// Read less at once.
    #[error("{0}")]
    TooMuch(String),
    /// This daemon cannot do it, whatever is sent.
    #[error("{0}")]
    Unsupported(String),
    /// The same may succeed later.
    #[error("{0} is unavailable at the moment")]
    Unavailable(&'static str),
    #[error("this failed inside the daemon; its log says why")]
    Internal,
}

impl Fault {
    /// The word that programs decide by: `extensions.code` of GraphQL, `code` of problems.
    pub fn code(&self) -> &'static str {
        match self {
            Self::Forbidden(_) => "FORBIDDEN",
            Self::NotFound { .. } => "NOT_FOUND",
            Self::Invalid(_) => "INVALID",
            Self::Conflict(_) => "CONFLICT",
            Self::TooMuch(_) => "LIMIT_EXCEEDED",
            Self::Unsupported(_) => "UNSUPPORTED",
            Self::Unavailable(_) => "UNAVAILABLE",
            Self::Internal => "INTERNAL",
        }
    }

    pub(crate) fn status(&self) -> StatusCode {
        match self {
            Self::Forbidden(_) => StatusCode::FORBIDDEN,
            Self::NotFound { .. } => StatusCode::NOT_FOUND,
            Self::Invalid(_) => StatusCode::BAD_REQUEST,
            Self::Conflict(_) => StatusCode::CONFLICT,
            Self::TooMuch(_) => StatusCode::TOO_MANY_REQUESTS,
            Self::Unsupported(_) => StatusCode::NOT_IMPLEMENTED,
            Self::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// What is not there at the moment; the log says why.
    fn unavailable(what: &'static str, detail: &str) -> Self {
        tracing::warn!(%detail, what, "what the management surface needs is unavailable");
        Self::Unavailable(what)
    }

    /// What went wrong inside us; the log says what.
    pub(crate) fn internal(detail: &dyn std::fmt::Display) -> Self {
        tracing::error!(%detail, "the management surface failed");
        Self::Internal
    }

    pub(crate) fn invalid(text: impl Into<String>) -> Self {
        Self::Invalid(text.into())
    }
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Conflict { key, .. } => Self::Conflict(key),
            StoreError::Missing { table, key } => Self::NotFound { what: noun(table), key },
            StoreError::Invalid(text) => Self::Invalid(text),
            StoreError::Unavailable(detail) => Self::unavailable("the store", &detail),
            StoreError::Broken(detail) => Self::internal(&detail),
        }
    }
}

impl From<Refused> for Fault {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Invalid(text) => Self::Invalid(text),
            Refused::NotFound { what, key } => Self::NotFound { what, key },
            Refused::Conflict(key) => Self::Conflict(key),
            Refused::Forbidden(right) => Self::Forbidden(right),
            Refused::Unavailable { what, detail } => Self::unavailable(what, &detail),
            Refused::Failed(detail) => Self::internal(&detail),
        }
    }
}

/// What people call a row of a table.
pub(crate) fn noun(table: &str) -> &'static str {
    match table {
        "mcp_functions" => "function",
        "mcp_modules" => "module",
        "mcp_settings" => "setting",
        "mcp_function_calls" => "call",
        "switchboard_servers" => "server",
        "switchboard_bundles" => "bundle",
        "switchboard_keys" => "key",
        "switchboard_users" => "user",
        "switchboard_policies" => "policy",
        "switchboard_limits" => "limit",
        _ => "row",
    }
}
