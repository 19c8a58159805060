//! The decision: may we connect there?

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use http::Uri;
use tokio_rustls::TlsConnector;

use crate::address::{Kind, embedded, kind};
use crate::allow::Allowed;
use crate::error::EgressError;
use crate::origin::{Origin, is_loopback_name};
use crate::resolve::{Resolve, System};
use crate::settings::EgressSettings;
use crate::tls;

/// How long a name server may take. Systems ask again after 5 s; two rounds are enough.
const RESOLVE_TIMEOUT: Duration = Duration::from_secs(10);

/// Most addresses of one host that are looked at. Large services publish eight; someone who sends
/// hundreds wants us to try them all.
const ADDRESSES: usize = 32;

/// Judges every address before a connection is made. Cheap to clone.
#[derive(Clone)]
pub struct Guard {
    inner: Arc<Inner>,
    /// Nothing that goes through it was written by the operator.
    is_for_tenants: bool,
}

struct Inner {
    allow: Vec<Allowed>,
    resolver: Box<dyn Resolve>,
    tls: TlsConnector,
}

/// Who named an address.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Trust {
    /// The operator wrote it into the configuration: it may be on this machine or in a private
    /// network, since whoever typed it knew that.
    Configured,
    /// A server told us: it must be public, unless `egress.allow` covers it.
    Told,
    /// A server told us that is itself on this machine by its configuration: this machine is
    /// allowed too, because it learns nothing there that it could not reach itself.
    ToldOnLoopback,
}

impl Trust {
    /// The trust in what a server says whose own address is configured.
    pub fn told_by(server: &Uri) -> Self {
        if is_loopback_name(server) { Self::ToldOnLoopback } else { Self::Told }
    }

    /// The trust in what is said by somebody who was reached with this trust at `server`.
    pub(crate) fn passed_on(self, server: &Uri) -> Self {
        match self {
            Self::Configured => Self::told_by(server),
            Self::Told | Self::ToldOnLoopback => self,
        }
    }

    fn allows(self, kind: Kind) -> bool {
        match kind {
            Kind::Public => true,
            Kind::Loopback => self != Self::Told,
            Kind::Private => self == Self::Configured,
            Kind::LinkLocal
            | Kind::Metadata
            | Kind::Multicast
            | Kind::Unspecified
            | Kind::Reserved
            | Kind::Embedding => false,
        }
    }
}

/// A host whose addresses were judged. Only a [`Guard`] makes it, and a connection needs one, so
/// that nothing resolves the name a second time.
#[derive(Clone, Debug)]
pub struct Pinned {
    pub(crate) host: String,
    addresses: Vec<SocketAddr>,
}

impl Pinned {
    /// In the order in which to try them; never empty.
    pub fn addresses(&self) -> &[SocketAddr] {
        &self.addresses
    }

    /// Whether all of them are this machine.
    pub(crate) fn is_loopback(&self) -> bool {
        self.addresses.iter().all(|address| kind(address.ip()) == Kind::Loopback)
    }
}

impl Guard {
    /// # Errors
    ///
    /// [`EgressError::Allow`] and [`EgressError::Authorities`]: the configuration is wrong.
    pub fn new(settings: &EgressSettings) -> Result<Self, EgressError> {
        Self::with_resolver(settings, Box::new(System))
    }

    /// A guard that asks somebody else for addresses.
    ///
    /// # Errors
    ///
    /// As for [`Self::new`].
    pub fn with_resolver(
        settings: &EgressSettings,
        resolver: Box<dyn Resolve>,
    ) -> Result<Self, EgressError> {
        let mut allow = Vec::new();
        for entry in &settings.allow {
            let allowed = Allowed::parse(entry)
                .map_err(|why| EgressError::Allow { entry: entry.clone(), why })?;
            allow.push(allowed);
        }
        let tls = tls::connector(settings.ca_file.as_deref())?;
        Ok(Self { inner: Arc::new(Inner { allow, resolver, tls }), is_for_tenants: false })
    }

    /// The same for addresses that tenants configure: whoever manages a tenant is not whoever knows
    /// what may be reached from this machine.
    #[must_use]
    pub fn for_tenants(&self) -> Self {
        Self { inner: Arc::clone(&self.inner), is_for_tenants: true }
    }

    /// Finds the addresses of a host, once, and judges each of them.
    ///
    /// One bad address refuses the host: an answer that mixes public and private addresses is how
    /// rebinding gets past those who look at the first.
    ///
    /// # Errors
    ///
    /// [`EgressError::Blocked`], or [`EgressError::Unresolved`] if there is nothing to judge.
    pub async fn resolve(
        &self,
        host: &str,
        port: u16,
        trust: Trust,
    ) -> Result<Pinned, EgressError> {
        let trust = if self.is_for_tenants { Trust::Told } else { trust };
        let unresolved = |cause| EgressError::Unresolved { host: host.to_owned(), cause };
        let addresses = match host.parse::<IpAddr>() {
            Ok(address) => vec![address],
            Err(_) => {
                let found = self.inner.resolver.resolve(host);
                let found = tokio::time::timeout(RESOLVE_TIMEOUT, found).await;
                found.map_err(|elapsed| unresolved(elapsed.into()))?.map_err(unresolved)?
            }
        };
        if addresses.is_empty() {
            return Err(unresolved(std::io::Error::other("it has no address")));
        }
        for &address in &addresses {
            self.judge(host, address, trust)?;
        }
        let addresses =
            addresses.into_iter().take(ADDRESSES).map(|address| (address, port).into()).collect();
        Ok(Pinned { host: host.to_owned(), addresses })
    }

    /// As [`Self::resolve`], for the host of an address.
    pub(crate) async fn pin(&self, origin: &Origin, trust: Trust) -> Result<Pinned, EgressError> {
        self.resolve(&origin.host, origin.port, trust).await
    }

    pub(crate) fn tls(&self) -> &TlsConnector {
        &self.inner.tls
    }

    fn judge(&self, host: &str, address: IpAddr, trust: Trust) -> Result<(), EgressError> {
        let allow = &self.inner.allow;
        // Whoever writes a host into `allow` means it like one in `url`.
        let named = allow.iter().any(|entry| entry.covers_host(host));
        let trust = if named { Trust::Configured } else { trust };
        let acceptable = |address: IpAddr| {
            let kind = kind(address);
            trust.allows(kind) || allow.iter().any(|entry| entry.covers_address(address, kind))
        };
        let inside = match address {
            IpAddr::V4(_) => None,
            IpAddr::V6(address) => embedded(address),
        };
        let good = match inside {
            // A network where everything goes through NAT64 may be allowed, or belongs to a name
            // that the operator wrote; what is behind it is judged all the same.
            Some(inside) => {
                let outside = trust == Trust::Configured || acceptable(address);
                outside && acceptable(inside.into())
            }
            None => acceptable(address),
        };
        if good {
            return Ok(());
        }
        Err(EgressError::Blocked { host: host.to_owned(), address, kind: kind(address) })
    }
}

impl fmt::Debug for Guard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Guard").field("allow", &self.inner.allow).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
