//! Why a daemon did not answer.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use switchboard_mcp::RpcError;

/// What the caller can do depends on which of these it is.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// Nobody listens: the socket is not there, or was left by a daemon that is gone. Start one.
    #[error("no daemon listens on `{0}`")]
    NotRunning(PathBuf),
    /// The daemon belongs to another user.
    #[error("`{0}` may not be opened")]
    Denied(PathBuf),
    /// The connection failed or ended, or what came over it is not what was agreed on. Whether the
    /// request was carried out is not known.
    #[error("cannot {doing}")]
    Broken {
        doing: &'static str,
        #[source]
        cause: io::Error,
    },
    /// No answer in time. Whether the request was carried out is not known.
    #[error("no answer within {} s", .0.as_secs_f32())]
    Slow(Duration),
    /// The daemon understood the request and refuses it.
    #[error("{}", .0.message)]
    Refused(RpcError),
}

impl ClientError {
    /// Whether the daemon, or the system in its place, ended the connection.
    pub fn is_cut(&self) -> bool {
        use io::ErrorKind::{BrokenPipe, ConnectionReset, UnexpectedEof};
        let Self::Broken { cause, .. } = self else { return false };
        matches!(cause.kind(), BrokenPipe | ConnectionReset | UnexpectedEof)
    }

    pub(crate) fn connect(path: &Path, cause: io::Error) -> Self {
        match cause.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => {
                Self::NotRunning(path.to_owned())
            }
            io::ErrorKind::PermissionDenied => Self::Denied(path.to_owned()),
            _ => Self::Broken { doing: "connect to the daemon", cause },
        }
    }

    pub(crate) fn ended(doing: &'static str) -> Self {
        let cause = io::Error::new(io::ErrorKind::UnexpectedEof, "the daemon hung up");
        Self::Broken { doing, cause }
    }

    pub(crate) fn nonsense(
        doing: &'static str,
        error: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self::Broken { doing, cause: io::Error::new(io::ErrorKind::InvalidData, error) }
    }
}
