//! The questions of one server that are open with clients.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use switchboard_mcp::{Json, RequestId, RpcError, code};
use tokio_util::sync::CancellationToken;

/// Questions of one server that may be open at once. Servers ask a few in parallel for one call; a
/// person answers one after another.
const LIMIT: usize = 64;

/// By the ids that the server gave them.
#[derive(Default)]
pub(crate) struct Questions {
    open: Mutex<HashMap<RequestId, CancellationToken>>,
}

/// A question that is open for as long as this lives.
pub(crate) struct Question {
    questions: Arc<Questions>,
    id: RequestId,
    withdrawn: CancellationToken,
}

impl Questions {
    /// Takes a question.
    ///
    /// # Errors
    ///
    /// What the server gets for asking too much at once, or twice under one id.
    pub(crate) fn open(self: &Arc<Self>, id: &RequestId) -> Result<Question, RpcError> {
        let mut open = self.open.lock().expect("no one panics holding it");
        if open.contains_key(id) {
            return Err(RpcError::new(
                code::INVALID_REQUEST,
                format!("a request with the id {id:?} is still open"),
            ));
        }
        if LIMIT <= open.len() {
            return Err(RpcError::new(
                code::INTERNAL,
                format!("{LIMIT} requests of this server are already waiting for an answer"),
            ));
        }
        let withdrawn = CancellationToken::new();
        open.insert(id.clone(), withdrawn.clone());
        Ok(Question { questions: Arc::clone(self), id: id.clone(), withdrawn })
    }

    /// The server takes a question back (`notifications/cancelled`).
    pub(crate) fn withdraw(&self, params: &Json) {
        let Some(id) = cancelled(params) else { return };
        let open = self.open.lock().expect("no one panics holding it");
        if let Some(withdrawn) = open.get(&id) {
            withdrawn.cancel();
        }
    }

    /// The server is gone, and with it everything it wanted to know.
    pub(crate) fn withdraw_all(&self) {
        let open = self.open.lock().expect("no one panics holding it");
        open.values().for_each(CancellationToken::cancel);
    }
}

/// The id in the parameters of `notifications/cancelled`.
fn cancelled(params: &Json) -> Option<RequestId> {
    let members = params.members().ok()?;
    RequestId::from_raw(members.get("requestId")?)
}

impl Question {
    /// Resolves when the server does not want an answer any more.
    pub(crate) async fn withdrawn(&self) {
        self.withdrawn.cancelled().await;
    }
}

impl Drop for Question {
    fn drop(&mut self) {
        self.questions.open.lock().expect("no one panics holding it").remove(&self.id);
    }
}
