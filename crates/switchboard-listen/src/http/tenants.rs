//! Which tenant is addressed, and what serves it.
//!
//! The root paths are those of the tenant `default`. All others are addressed by their endpoint,
//! the first segment of the path, and their part, the header `Part-Id`. Each has a [`Service`] of
//! its own: what one keeps (sessions, streams, parked calls) the others cannot find, whatever ids
//! they know.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use http::HeaderMap;
use switchboard_core::{NoTenant, RESERVED, Tenant};

use crate::front::Front;
use crate::http::message::{Refused, unavailable};
use crate::http::{Route, Service, annex};

/// Knows who serves each tenant.
#[async_trait]
pub trait Tenants: Send + Sync {
    /// What serves `tenant`. The same for as long as the tenant is served without a break; one whose
    /// `draining` is cancelled is not given any more.
    async fn front(&self, tenant: &Tenant) -> Result<Arc<Front>, NoFront>;
}

/// Why nothing serves a tenant.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum NoFront {
    /// There is no such tenant.
    Unknown,
    /// Whether there is cannot be told now; the same request may succeed later.
    Unavailable,
}

/// For daemons with one tenant.
pub struct OnlyDefault;

#[async_trait]
impl Tenants for OnlyDefault {
    async fn front(&self, _: &Tenant) -> Result<Arc<Front>, NoFront> {
        Err(NoFront::Unknown)
    }
}

impl From<NoFront> for Refused {
    fn from(why: NoFront) -> Self {
        match why {
            NoFront::Unknown => annex::nothing(),
            NoFront::Unavailable => {
                let message = "what serves this tenant is not known now; try again";
                unavailable(message).into()
            }
        }
    }
}

/// What a path means.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Target {
    pub tenant: Tenant,
    pub route: Route,
    /// How much of the path names the tenant: `/acme` of `/acme/mcp`.
    pub prefix: usize,
}

impl Target {
    /// # Errors
    ///
    /// [`NoTenant`] where the path or the header names one that cannot be.
    pub(crate) fn read(path: &str, headers: &HeaderMap) -> Result<Self, NoTenant> {
        let root = |route| Ok(Self { tenant: Tenant::default(), route, prefix: 0 });
        match path {
            "/mcp" => return root(Route::Mcp),
            "/sse" => return root(Route::Sse),
            "/messages" => return root(Route::Messages),
            "/ws" => return root(Route::WebSocket),
            "/health" => return root(Route::Health),
            "/metrics" => return root(Route::Metrics),
            _ => {}
        }
        let rest = path.strip_prefix('/').unwrap_or(path);
        let (endpoint, rest) = rest.split_once('/').unwrap_or((rest, ""));
        // Whole segments: `healthy` is nobody's word.
        if endpoint.is_empty() || RESERVED.contains(&endpoint) || endpoint.starts_with('.') {
            return root(Route::Annex);
        }
        let part = match headers.get("part-id") {
            None => None,
            Some(part) => {
                let part = part.to_str().map_err(|_| NoTenant::Characters("Part-Id".to_owned()))?;
                Some(part).filter(|part| !part.is_empty())
            }
        };
        let route = match rest {
            "mcp" => Route::Mcp,
            // `/ENDPOINT/sse` is the activity feed of the tenant.
            "mcp/sse" => Route::Sse,
            "mcp/messages" => Route::Messages,
            "ws" => Route::WebSocket,
            _ => Route::Annex,
        };
        let tenant = Tenant::new(endpoint, part)?;
        Ok(Self { tenant, route, prefix: 1 + endpoint.len() })
    }
}

/// The services of all tenants but the default one, and what all of them have.
pub(crate) struct Directory {
    tenants: Arc<dyn Tenants>,
    /// As many as [`Tenants`] serves at once, and those that end.
    services: Mutex<HashMap<Tenant, Arc<Service>>>,
    /// Open sessions, of the tenants that have any.
    sessions: Mutex<HashMap<Tenant, usize>>,
}

impl Directory {
    pub(crate) fn new(tenants: Arc<dyn Tenants>) -> Self {
        Self { tenants, services: Mutex::default(), sessions: Mutex::default() }
    }

    /// Notes how many sessions `tenant` has; how many all have.
    pub(crate) fn count(&self, tenant: &Tenant, sessions: usize) -> usize {
        let mut counts = self.sessions.lock().expect("no one panics holding it");
        if sessions == 0 {
            counts.remove(tenant);
        } else {
            counts.insert(tenant.clone(), sessions);
        }
        counts.values().sum()
    }
}

impl Service {
    /// Tells how many sessions are open.
    pub(crate) fn meter_sessions(&self) {
        let open = self.directory.count(&self.tenant, self.sessions.count());
        self.front.meter.sessions("http", open);
    }

    /// What serves `tenant`.
    pub(crate) async fn of(self: &Arc<Self>, tenant: &Tenant) -> Result<Arc<Self>, NoFront> {
        if *tenant == self.tenant {
            return Ok(Arc::clone(self));
        }
        let front = self.directory.tenants.front(tenant).await?;
        let mut services = self.directory.services.lock().expect("no one panics holding it");
        if let Some(service) = services.get(tenant)
            && Arc::ptr_eq(&service.front, &front)
        {
            return Ok(Arc::clone(service));
        }
        // Tenants come and go seldom: this is the moment to forget those that went.
        services.retain(|_, service| !service.front.draining.is_cancelled());
        let service = Arc::new(self.beside(tenant.clone(), front));
        services.insert(tenant.clone(), Arc::clone(&service));
        Ok(service)
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderValue};

    use super::Target;

    /// Reads `PATH [PART]`; the target as `TENANT ROUTE PREFIX`.
    #[track_caller]
    fn check(asked: &str, expected: &str) {
        let (path, part) = asked.split_once(' ').unwrap_or((asked, ""));
        let mut headers = HeaderMap::new();
        if !part.is_empty() {
            headers.insert("part-id", HeaderValue::from_str(part).unwrap());
        }
        let actual = match Target::read(path, &headers) {
            Ok(target) => format!("{} {:?} {}", target.tenant, target.route, target.prefix),
            Err(error) => error.to_string(),
        };
        assert!(actual.contains(expected), "{asked}: {actual}");
    }

    #[test]
    fn the_root_is_the_default_tenant() {
        check("/mcp", "default Mcp 0");
        check("/sse", "default Sse 0");
        check("/health", "default Health 0");
        check("/mcp part", "default Mcp 0");
        check("/graphql", "default Annex 0");
        check("/api/v1/servers", "default Annex 0");
        check("/", "default Annex 0");
        check("/.well-known/oauth-protected-resource/mcp", "default Annex 0");
    }

    #[test]
    fn an_endpoint_is_a_whole_segment() {
        check("/acme/mcp", "acme Mcp 5");
        check("/acme/mcp eu", "acme#eu Mcp 5");
        check("/acme/mcp/sse", "acme Sse 5");
        check("/acme/mcp/messages", "acme Messages 5");
        check("/acme/ws", "acme WebSocket 5");
        check("/acme/sse", "acme Annex 5");
        check("/acme", "acme Annex 5");
        check("/healthy/mcp", "healthy Mcp 8");
        check("/default/mcp", "default Mcp 8");
        check("/health/mcp", "default Annex 0");
        check("/a%20b/mcp", "characters other than");
        check("/acme/mcp ../x", "characters other than");
    }
}
