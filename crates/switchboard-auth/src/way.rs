//! One way of proving who one is.

use std::net::IpAddr;
use std::time::SystemTime;

use async_trait::async_trait;
use switchboard_core::{Admitted, Credentials, Denied, Tenant};

use crate::credential::Credential;

/// Knows the callers that prove themselves in one way.
#[async_trait]
pub trait Way: Send + Sync {
    /// Judges what is presented, by what is known now; `None` where it is not of this way, so that
    /// the next is asked. Whoever recognises it decides: a wrong token of one way is not forgiven
    /// by another.
    fn admit(&self, asked: &Asked<'_>) -> Option<Result<Admitted, Denied>>;

    /// Fetches what [`Reason::Unlearned`](switchboard_core::Reason) spoke of.
    async fn learn(&self, _asked: &Asked<'_>) {}
}

/// What one request presents, read once for all ways.
pub struct Asked<'a> {
    pub tenant: &'a Tenant,
    pub credential: &'a Credential<'a>,
    /// As it came.
    pub credentials: Credentials<'a>,
    /// The other end of the connection, where it is the client: `None` where a proxy says that it
    /// speaks for somebody.
    pub from: Option<IpAddr>,
    pub now: SystemTime,
}

impl<'a> Asked<'a> {
    /// The key or token, where it is text.
    pub fn text(&self) -> Option<&str> {
        match self.credential {
            Credential::Presented(bytes) => std::str::from_utf8(bytes).ok(),
            Credential::Missing | Credential::Invalid => None,
        }
    }
}

pub(crate) mod admin;
pub(crate) mod instance;
pub(crate) mod loopback;
