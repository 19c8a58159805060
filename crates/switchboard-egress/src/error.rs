//! Why nothing came back.

use std::io;
use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::address::Kind;

/// What went wrong on the way out. Names hosts, never paths or queries, which may hold secrets.
#[derive(Debug, thiserror::Error)]
pub enum EgressError {
    /// The configuration is wrong.
    #[error("`{entry}` in egress.allow: {why}")]
    Allow { entry: String, why: &'static str },
    /// The configuration is wrong, or the file.
    #[error("cannot read certificates from egress.ca_file `{}`: {cause}", path.display())]
    Authorities { path: PathBuf, cause: String },
    /// The address is of no use whatever one does.
    #[error("the address is refused: {why}")]
    Address { why: &'static str },
    /// The address points where it should not; only the operator can allow it.
    #[error("`{host}` is refused: {address} is {kind}; if it is meant, add it to egress.allow")]
    Blocked { host: String, address: IpAddr, kind: Kind },
    /// Plain text over a network.
    #[error("`{host}` is refused: only https is used beyond this machine")]
    Insecure { host: String },
    /// The same call may succeed later.
    #[error("cannot find `{host}`: {cause}")]
    Unresolved { host: String, cause: io::Error },
    /// The same call may succeed later.
    #[error("cannot connect to `{host}`: {cause}")]
    Unreachable { host: String, cause: io::Error },
    /// The other side did not prove who it is.
    #[error("no secure connection to `{host}`: {cause}")]
    Tls { host: String, cause: io::Error },
    /// The request may have been acted upon.
    #[error("the connection to `{host}` broke: {cause}")]
    Broken { host: String, cause: String },
    /// The request may have been acted upon.
    #[error("`{host}` did not answer within {} s", limit.as_secs())]
    TimedOut { host: String, limit: Duration },
    #[error("the answer of `{host}` is longer than {limit} bytes")]
    TooLong { host: String, limit: usize },
    #[error("`{host}` redirects {why}")]
    Redirect { host: String, why: &'static str },
}

impl EgressError {
    /// Whether asking again later may help: the address is fine and the network was not.
    pub fn is_temporary(&self) -> bool {
        matches!(
            self,
            Self::Unresolved { .. }
                | Self::Unreachable { .. }
                | Self::Broken { .. }
                | Self::TimedOut { .. }
        )
    }
}
