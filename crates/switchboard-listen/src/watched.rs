//! The resources that the client of a session wants to hear of (`resources/subscribe`, until
//! 2025-11-25).

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use futures_util::future::join_all;
use switchboard_core::{Context, Gateway, Peer as _, Request, covers};
use switchboard_mcp::{Json, Method, RpcError, code};

/// Most resources of one session: more than an editor has files open, and an address may be as
/// long as a message.
const LIMIT: usize = 1_000;

/// How long servers may take to hear that nobody listens any more. They forget by themselves when
/// they end, so nothing is lost with one that hangs.
const RELEASE: Duration = Duration::from_secs(5);

/// The set of one session. What is in it was asked for at the gateway and has to be taken back.
#[derive(Default)]
pub(crate) struct Watched {
    uris: Mutex<HashSet<Arc<str>>>,
    /// One change at a time, so that servers hear of them in the order in which the client wants
    /// them.
    turn: tokio::sync::Mutex<()>,
}

impl Watched {
    /// Whether the client is to hear of `uri`: because it asked for it, or for what it is a part of.
    pub(crate) fn covers(&self, uri: &str) -> bool {
        self.uris().iter().any(|wanted| covers(wanted, uri))
    }

    pub(crate) fn all(&self) -> Vec<Arc<str>> {
        self.uris().iter().cloned().collect()
    }

    /// Adds `uri` if `ask`, the request to the gateway, succeeds. Asks once for what is asked for
    /// twice.
    ///
    /// # Cancel safety
    ///
    /// A request that is given up leaves the resource in the set: it may have been carried out,
    /// and then has to be taken back at the end.
    pub(crate) async fn begin(
        &self,
        uri: &str,
        ask: impl Future<Output = Result<Json, RpcError>>,
    ) -> Result<Json, RpcError> {
        let _turn = self.turn.lock().await;
        {
            let mut uris = self.uris();
            if uris.contains(uri) {
                return Ok(Json::empty_object());
            }
            if uris.len() >= LIMIT {
                let message = format!("{LIMIT} resources are subscribed to already");
                return Err(RpcError::new(code::INVALID_REQUEST, message));
            }
            uris.insert(uri.into());
        }
        let outcome = ask.await;
        if outcome.is_err() {
            self.uris().remove(uri);
        }
        outcome
    }

    /// Removes `uri`, and tells the gateway so with `ask` if it was there.
    pub(crate) async fn end(
        &self,
        uri: &str,
        ask: impl Future<Output = Result<Json, RpcError>>,
    ) -> Result<Json, RpcError> {
        let _turn = self.turn.lock().await;
        if self.uris().remove(uri) { ask.await } else { Ok(Json::empty_object()) }
    }

    /// Takes everything back, as whoever asked for it: the session is over.
    pub(crate) async fn release(&self, gateway: &Gateway, context: &Context) {
        let uris = std::mem::take(&mut *self.uris());
        let asked = uris.iter().map(|uri| {
            let params = Json::encode(&serde_json::json!({ "uri": **uri }));
            let request = Request {
                method: Method::Unsubscribe,
                params: Some(params),
                name: Some(uri.to_string()),
            };
            gateway.request(context, request)
        });
        let _ = tokio::time::timeout(RELEASE, join_all(asked)).await;
    }

    fn uris(&self) -> MutexGuard<'_, HashSet<Arc<str>>> {
        self.uris.lock().expect("no one panics holding it")
    }
}
