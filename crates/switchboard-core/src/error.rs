//! Why a request has no result.

use std::sync::Arc;
use std::time::Duration;

use switchboard_mcp::{Era, Method, ProtocolVersion, RpcError, code, renumber};

use crate::limit::Verdict;

/// Named after what the caller can do about it.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Error {
    /// The list tells what exists.
    #[error("no {what} named `{name}`")]
    NotFound { what: &'static str, name: String },
    /// Sending it again changes nothing.
    #[error("{0}")]
    Invalid(String),
    #[error("method `{0}` is not served here")]
    NoSuchMethod(String),
    /// Certainly not carried out.
    #[error("upstream `{upstream}` is unavailable: {cause}")]
    Unavailable { upstream: String, cause: String },
    /// Certainly not carried out: the server is there, and does not let this request in. What that
    /// says is about the request, and not about the server.
    #[error("upstream `{upstream}` declined the request: {cause}")]
    Declined { upstream: String, cause: String },
    /// Certainly not carried out: the server wants another login, and a person has to see to it.
    #[error("upstream `{upstream}` lets nobody in: {cause}")]
    Unauthorized { upstream: String, cause: String },
    /// Too many calls are waiting; certainly not carried out.
    #[error("upstream `{upstream}` is busy: {cause}")]
    Busy { upstream: String, cause: String },
    /// The caller asks for more than it may have; certainly not carried out.
    #[error("too many calls: {0}")]
    Limited(Arc<Verdict>),
    /// The server went away while it had the request; it may or may not have carried it out.
    #[error(
        "upstream `{upstream}` was lost during the call: {cause}; it may have been carried out"
    )]
    Lost { upstream: String, cause: String },
    #[error("upstream `{upstream}` did not answer within {}", seconds(.limit))]
    TimedOut { upstream: String, limit: Duration },
    /// The server itself refused, in its own words and the numbers of its revision.
    #[error("{error}")]
    Server { error: RpcError, version: ProtocolVersion },
    /// Refused on the way, or by a client that was asked, in words that whoever asked knows.
    #[error("{0}")]
    Refused(RpcError),
}

fn seconds(limit: &Duration) -> String {
    format!("{} s", limit.as_secs_f64())
}

impl Error {
    /// Whether the request was certainly not carried out, so that sending it again cannot do
    /// anything twice.
    pub fn may_be_sent_again(&self) -> bool {
        matches!(
            self,
            Self::Unavailable { .. }
                | Self::Declined { .. }
                | Self::Unauthorized { .. }
                | Self::Busy { .. }
                | Self::Limited(_)
        )
    }

    /// The error as a client of revision `version` gets it that asked `method`.
    pub fn to_rpc(&self, version: ProtocolVersion, method: &Method) -> RpcError {
        let reason = match self {
            Self::NotFound { what: "resource", name } => {
                let code = match version.era() {
                    Era::Legacy => code::RESOURCE_NOT_FOUND,
                    Era::Modern => code::INVALID_PARAMS,
                };
                let data = serde_json::json!({ "uri": name });
                return RpcError::new(code, self.to_string()).with_data(&data);
            }
            Self::NotFound { .. } | Self::Invalid(_) => {
                return RpcError::new(code::INVALID_PARAMS, self.to_string());
            }
            Self::NoSuchMethod(_) => {
                return RpcError::new(code::METHOD_NOT_FOUND, self.to_string());
            }
            Self::Server { error, version: from } => {
                return renumber(error.clone(), *from, version, method);
            }
            Self::Refused(error) => return error.clone(),
            Self::Limited(verdict) => {
                return RpcError::new(code::INTERNAL, self.to_string()).with_data(&verdict.data());
            }
            Self::Unavailable { .. } => "upstream_unavailable",
            Self::Declined { .. } => "upstream_declined",
            Self::Unauthorized { .. } => "upstream_unauthorized",
            Self::Busy { .. } => "upstream_busy",
            Self::Lost { .. } => "upstream_lost",
            Self::TimedOut { .. } => "timeout",
        };
        let data = serde_json::json!({ "reason": reason, "retry": self.may_be_sent_again() });
        RpcError::new(code::INTERNAL, self.to_string()).with_data(&data)
    }
}
