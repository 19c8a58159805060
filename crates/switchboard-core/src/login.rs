//! The port to whoever knows who is calling.

use tokio_util::sync::CancellationToken;

use crate::peer::Principal;

/// What a caller presents, as it came over the wire.
#[derive(Clone, Copy, Debug)]
pub enum Credentials<'a> {
    /// The caller reached a socket that only its owner can open.
    SameUser,
    /// The headers that may carry a key, and the query string.
    Http { headers: &'a [(&'a str, &'a [u8])], query: Option<&'a str> },
}

/// Tells who is calling. Asked for every HTTP request, so it must not wait.
pub trait Login: Send + Sync {
    /// # Errors
    ///
    /// [`Denied`] with the words for the caller; they do not tell what would have been right.
    fn admit(&self, credentials: Credentials<'_>) -> Result<Admitted, Denied>;
}

/// A caller that is let in.
#[derive(Clone, Debug)]
pub struct Admitted {
    pub principal: Principal,
    /// Cancelled when what was presented lets nobody in any more. What stays open for longer than
    /// a request takes, such as a stream, ends with it.
    pub revoked: CancellationToken,
}

impl Admitted {
    /// A caller whom nothing that it presented lets in, so that nothing can be taken back.
    pub fn for_good(principal: Principal) -> Self {
        Self { principal, revoked: CancellationToken::new() }
    }
}

#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{message}")]
pub struct Denied {
    pub message: &'static str,
}
