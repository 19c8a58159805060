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
use crate::http::answer::{respond, whole};
use crate::http::limited::noted_stateless;
use crate::http::message::Reply;

impl Service {
    /// Answers one request for itself; by a stream, should it take long, only where the client says
    /// that it takes one.
    pub(crate) async fn sessionless(
        &self,
        principal: Principal,
        id: RequestId,
        asked: Asked,
        may_stream: bool,
    ) -> Reply {
        let (asked, notice) = alone::noticed(asked);
        let front = Arc::clone(&self.front);
        let answer = Box::pin(async move { alone::ask(&front, principal, asked).await });
        let response = match may_stream {
            true => respond(id, answer, None).await,
            false => whole(&id, answer).await,
        };
        Ok(noted_stateless(response, &notice))
    }
}
