//! Requests that belong to no session, as clients of the daemon engine before us send them: one
//! message there, one answer back, nothing before and nothing beside.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use switchboard_core::limit::Notice;
use switchboard_core::{CallerId, Principal};
use switchboard_mcp::{
    ClientCapabilities, Incoming, Json, Method, ProtocolVersion, RpcError, code, encode,
};

use crate::front::{Asked, Caller, Front, is_of_sessions};

/// What the engine spoke; its clients know no other.
const VERSION: ProtocolVersion = ProtocolVersion::V2024_11_05;

/// One request, and what is answered.
pub struct Alone {
    /// `None` where the message was no request.
    pub method: Option<Method>,
    /// As it is sent.
    pub answer: Vec<u8>,
}

/// Answers a message for itself. Nobody hears of anything but the answer, and nobody is asked
/// anything. Whoever calls this shows the answer to those who watch.
pub fn answer_alone(
    front: &Arc<Front>,
    principal: Principal,
    message: Bytes,
) -> BoxFuture<'_, Alone> {
    // Boxed so that all of it is compiled here, and not where it is awaited.
    Box::pin(answer(front, principal, message))
}

async fn answer(front: &Arc<Front>, principal: Principal, message: Bytes) -> Alone {
    let (id, method, params) = match Incoming::decode(message) {
        Ok(Incoming::Request { id, method, params }) => (id, method, params),
        Ok(Incoming::Notification { .. } | Incoming::Response { .. }) => {
            let error = RpcError::new(code::INVALID_REQUEST, "the message is no request");
            return Alone { method: None, answer: encode::error(None, &error) };
        }
        Err(refusal) => {
            let answer = encode::error(refusal.id.as_ref(), &refusal.error);
            return Alone { method: None, answer };
        }
    };
    let outcome = match Asked::read(method.clone(), params) {
        Ok(mut asked) => {
            asked.is_shown = true;
            ask(front, principal, asked).await
        }
        Err(error) => Err(error),
    };
    Alone { method: Some(method), answer: encode::outcome(&id, &outcome) }
}

/// The same for a request that was looked at.
pub(crate) async fn ask(
    front: &Arc<Front>,
    principal: Principal,
    asked: Asked,
) -> Result<Json, RpcError> {
    if asked.method == Method::Ping {
        return Ok(Json::empty_object());
    }
    if asked.method == Method::Initialize {
        return front.initialize(&principal, asked.params.as_ref()).map(|(_, result)| result);
    }
    if is_of_sessions(&asked.method) {
        let message = format!("`{}` needs a session: send `initialize` first", asked.method);
        return Err(RpcError::new(code::SESSION_REQUIRED, message));
    }
    let caller = Caller {
        principal,
        version: VERSION,
        id: CallerId::unique(),
        capabilities: ClientCapabilities::none(),
        log_level: None,
        session: None,
    };
    front.ask(caller, asked, None).await
}

/// The same, with what the limits say of it.
pub(crate) fn noticed(mut asked: Asked) -> (Asked, Arc<Notice>) {
    let notice = Arc::<Notice>::default();
    asked.notice = Some(Arc::clone(&notice));
    (asked, notice)
}
