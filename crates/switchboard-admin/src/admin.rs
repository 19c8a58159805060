//! The one door of the management surface.

use bytes::Bytes;
use futures_util::future::BoxFuture;
use http::{Method, Request, Response, header::HeaderValue};
use serde_json::json;
use switchboard_core::{Policy, Principal, RESERVED, Tenant};

use crate::access::Access;
use crate::body::{self, Body};
use crate::desk::{Desk, Ports};
use crate::facts;
use crate::fault::Fault;
use crate::feed::{self, Activity, Feed, Whose};
use crate::graphql::Graph;
use crate::live::{Event, Live};
use crate::rest::Rest;
use crate::seats::Seats;

/// Answers requests that manage a tenant. A listener says who asks and which tenant the request
/// addresses, and passes the answer on.
pub struct Admin {
    ports: Ports,
    graph: Graph,
    rest: Rest,
    feed: Feed,
    live: Live,
}

/// What a request is about.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Subject<'a> {
    GraphQl,
    /// The path below `/api/v1`.
    Rest(&'a str),
    Feed,
    Facts,
    CacheStatus,
    CacheRefresh,
    CachePurge,
    CachePurgeAll,
}

impl Admin {
    pub fn new(ports: Ports) -> Self {
        let seats = Seats::default();
        let live = Live::new(seats.clone());
        let feed = Feed::new(feed::run((ports.clock)()), seats);
        Self { graph: Graph::new(live.clone()), rest: Rest::new(), feed, live, ports }
    }

    /// Whether there is something under a path, from which the segment of the tenant was taken where
    /// it had one (`of_tenant`). `POST` to the feed is not for here: it is a call.
    pub fn serves(path: &str, of_tenant: bool) -> bool {
        let own = path.strip_prefix('/').unwrap_or(path);
        let methods = [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE];
        methods.iter().any(|method| subject(method, own, of_tenant).is_some())
    }

    /// Answers a request of `principal` to `tenant`.
    ///
    /// # Cancel safety
    ///
    /// What was begun may be done or not where the future is dropped; each change is whole.
    pub fn respond<'a>(
        &'a self,
        principal: &'a Principal,
        tenant: &'a Tenant,
        request: Request<Bytes>,
    ) -> BoxFuture<'a, Response<Body>> {
        // Boxed so that all of it is compiled here, and not where it is awaited.
        Box::pin(self.answer(principal, tenant, request))
    }

    async fn answer(
        &self,
        principal: &Principal,
        tenant: &Tenant,
        request: Request<Bytes>,
    ) -> Response<Body> {
        let path = request.uri().path().to_owned();
        let (own, of_tenant) = split(&path);
        let Some(subject) = subject(request.method(), own, of_tenant) else {
            return refused(&Fault::NotFound { what: "page", key: path.clone() });
        };
        let policy: std::sync::Arc<dyn Policy> = std::sync::Arc::clone(&self.ports.policy);
        let desk = match Access::new(principal, tenant, policy) {
            Ok(access) => {
                let (ports, live) = (self.ports.clone(), self.live.clone());
                Desk { access, ports, live, is_quiet: false }
            }
            Err(fault) => return refused(&fault),
        };
        let answered = match subject {
            Subject::GraphQl => return self.graph.respond(desk, request).await,
            Subject::Rest(path) => return self.rest.respond(desk, path, &request).await,
            Subject::Feed => {
                let facts = desk.ports.operations.facts();
                self.feed.watch(&desk, request.headers(), &facts)
            }
            Subject::Facts => facts::tenant(&desk, &self.feed).await,
            Subject::CacheStatus => facts::status(&desk),
            Subject::CacheRefresh => facts::refresh(&desk).await,
            Subject::CachePurge => facts::purge(&desk).await,
            Subject::CachePurgeAll => facts::purge_all(&desk).await,
        };
        answered.unwrap_or_else(|fault| refused(&fault))
    }

    /// Brings the functions of servers elsewhere up to what these list now, in the name of `principal`,
    /// who runs the daemon.
    ///
    /// # Errors
    ///
    /// [`Fault`]; a server that cannot be asked is none, and in the log.
    pub async fn sync_again(&self, principal: &Principal, tenant: &Tenant) -> Result<(), Fault> {
        let policy: std::sync::Arc<dyn Policy> = std::sync::Arc::clone(&self.ports.policy);
        let access = Access::new(principal, tenant, policy)?;
        let (ports, live) = (self.ports.clone(), self.live.clone());
        Desk { access, ports, live, is_quiet: false }.sync_again().await
    }

    /// Whether what a principal of a tenant does is to be told to the feed: somebody watches it, or
    /// did a moment ago.
    pub fn follows(&self, tenant: &Tenant, subject: &str) -> bool {
        self.feed.follows(tenant, subject, (self.ports.clock)())
    }

    /// Tells the streams of the feed that something was done for `whose`. What they are shown is made
    /// when the first of them reads it; `weight` is about how long that is.
    pub fn publish(
        &self,
        whose: Whose<'_>,
        weight: usize,
        show: impl FnOnce() -> Activity + Send + 'static,
    ) {
        let now = crate::moment::Moment::at((self.ports.clock)());
        self.feed.publish(whose, weight, show, now);
    }

    /// Whether anybody subscribed to what happens in a tenant.
    pub fn is_watched(&self, tenant: &Tenant) -> bool {
        self.live.is_watched(tenant)
    }

    /// Tells the subscriptions of a tenant that something happened.
    pub fn announce(&self, tenant: &Tenant, event: Event) {
        self.live.announce(tenant, event);
    }

    /// The GraphQL schema in its own language.
    pub fn sdl(&self) -> String {
        self.graph.sdl()
    }

    /// The description of the REST surface, in OpenAPI 3.1.
    pub fn openapi(&self) -> serde_json::Value {
        self.rest.openapi().clone()
    }
}

/// A path without the segment of the tenant, and whether it had one. The words of our own paths are
/// no endpoints, so that the two cannot be taken for each other.
fn split(path: &str) -> (&str, bool) {
    let below = path.strip_prefix('/').unwrap_or(path);
    let (first, rest) = below.split_once('/').unwrap_or((below, ""));
    if first.is_empty() || RESERVED.contains(&first) { (below, false) } else { (rest, true) }
}

/// What a path is about.
fn subject<'a>(method: &Method, own: &'a str, of_tenant: bool) -> Option<Subject<'a>> {
    let known = match (method.as_str(), own) {
        ("GET" | "POST", "graphql") => Subject::GraphQl,
        ("GET" | "POST", "mcp_core_graphql" | "mcp_daemon_graphql") if of_tenant => {
            Subject::GraphQl
        }
        ("GET", "sse") if of_tenant => Subject::Feed,
        ("GET", "" | "mcp_info") if of_tenant => Subject::Facts,
        ("GET", "admin/cache/status") => Subject::CacheStatus,
        ("POST", "admin/cache/refresh") => Subject::CacheRefresh,
        ("DELETE", "admin/cache") if of_tenant => Subject::CachePurge,
        ("DELETE", "admin/cache") => Subject::CachePurgeAll,
        _ => {
            let rest = own.strip_prefix("api/v1")?;
            return (rest.is_empty() || rest.starts_with('/')).then_some(Subject::Rest(rest));
        }
    };
    Some(known)
}

/// A refusal as the older engine worded them.
fn refused(fault: &Fault) -> Response<Body> {
    let detail = json!({ "detail": fault.to_string() });
    let mut response = body::json(fault.status(), &detail);
    if fault.status() == http::StatusCode::TOO_MANY_REQUESTS {
        response.headers_mut().insert(http::header::RETRY_AFTER, HeaderValue::from_static("15"));
    }
    response
}

#[cfg(test)]
mod tests {
    use http::Method;

    use super::{Admin, Subject, split, subject};

    #[track_caller]
    fn check(method: &Method, path: &str, expected: Option<Subject<'_>>) {
        let (own, of_tenant) = split(path);
        assert_eq!(subject(method, own, of_tenant), expected, "{method} {path}");
        assert!(expected.is_none() || Admin::serves(own, of_tenant), "{path}");
    }

    #[test]
    fn paths_are_matched_by_whole_segments() {
        check(&Method::POST, "/graphql", Some(Subject::GraphQl));
        check(&Method::POST, "/acme/mcp_core_graphql", Some(Subject::GraphQl));
        check(&Method::POST, "/mcp_core_graphql", None);
        check(&Method::PUT, "/graphql", None);
        check(&Method::GET, "/acme", Some(Subject::Facts));
        check(&Method::GET, "/healthy", Some(Subject::Facts));
        check(&Method::GET, "/health", None);
        check(&Method::GET, "/", None);
        check(&Method::GET, "/acme/", Some(Subject::Facts));
        check(&Method::GET, "/sse", None);
        check(&Method::GET, "/acme/sse", Some(Subject::Feed));
        check(&Method::POST, "/acme/sse", None);
        check(&Method::GET, "/api/v1/functions", Some(Subject::Rest("/functions")));
        check(&Method::PUT, "/acme/api/v1/functions/x", Some(Subject::Rest("/functions/x")));
        check(&Method::GET, "/api/v10/functions", None);
        check(&Method::DELETE, "/admin/cache", Some(Subject::CachePurgeAll));
        check(&Method::DELETE, "/acme/admin/cache", Some(Subject::CachePurge));
        check(&Method::POST, "/acme/admin/cache/refresh", Some(Subject::CacheRefresh));
        check(&Method::GET, "/acme/admin/cache/status", Some(Subject::CacheStatus));
    }
}
