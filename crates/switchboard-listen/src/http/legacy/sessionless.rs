//! Requests that name no session and belong to none.
//!
//! Clients of the daemon engine before us post a single request to `/{endpoint_id}/mcp`, without
//! `initialize` before it, and read the answer. The specification lets a server do without sessions
//! (2025-11-25, "Session Management": it MAY assign one), so such a request is served under the
//! address of a tenant, where those clients are. At the root, where they never were, a request
//! without its session is a mistake that is worth being told of.

use std::sync::Arc;

use switchboard_core::Principal;
use switchboard_mcp::RequestId;

use crate::alone;
use crate::front::Asked;
use crate::http::Service;
use crate::http::answer::respond;
use crate::http::limited::noted_stateless;
use crate::http::message::Reply;

impl Service {
    /// Answers one request for itself.
    pub(crate) async fn sessionless(
        &self,
        principal: Principal,
        id: RequestId,
        asked: Asked,
    ) -> Reply {
        let (asked, notice) = alone::noticed(asked);
        let front = Arc::clone(&self.front);
        let answer = Box::pin(async move { alone::ask(&front, principal, asked).await });
        Ok(noted_stateless(respond(id, answer, None).await, &notice))
    }
}
