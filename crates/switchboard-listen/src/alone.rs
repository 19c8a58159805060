//! Requests that belong to no session, as clients of the daemon engine before us send them: one
//! message there, one answer back, nothing before and nothing beside.

use std::net::IpAddr;
use std::sync::Arc;

use bytes::Bytes;
use futures_util::future::BoxFuture;
use switchboard_core::limit::Notice;
use switchboard_core::{CallerId, Principal};
use switchboard_mcp::{
    ClientCapabilities, Incoming, Json, Method, ProtocolVersion, RpcError, code, encode,
};

use crate::bounds::{Bounds, busy};
use crate::front::{Asked, Caller, Front, is_of_sessions};

/// What the engine spoke; its clients know no other.
const VERSION: ProtocolVersion = ProtocolVersion::V2024_11_05;

/// Who sends a request that stands for itself.
pub struct Asker {
    pub principal: Principal,
    /// Where they are in the network.
    pub address: Option<IpAddr>,
    /// What they share with all other clients.
    pub bounds: Bounds,
}

/// One request, and what is answered.
pub struct Alone {
    /// `None` where the message was no request.
    pub method: Option<Method>,
    /// As it is sent.
    pub answer: Vec<u8>,
    /// What the limits said of it.
    pub notice: Arc<Notice>,
    /// Whether it was not looked at, because too many others are under way.
    pub is_busy: bool,
}

impl Alone {
    /// One that never came to the limits.
    fn unasked(method: Option<Method>, answer: Vec<u8>) -> Self {
        Self { method, answer, notice: Arc::default(), is_busy: false }
    }
}

/// Answers a message for itself. Nobody hears of anything but the answer, and nobody is asked
/// anything. Whoever calls this shows the answer to those who watch.
pub fn answer_alone(front: &Arc<Front>, asker: Asker, message: Bytes) -> BoxFuture<'_, Alone> {
    // Boxed so that all of it is compiled here, and not where it is awaited.
    Box::pin(answer(front, asker, message))
}

async fn answer(front: &Arc<Front>, asker: Asker, message: Bytes) -> Alone {
    let (id, method, params) = match Incoming::decode(message) {
        Ok(Incoming::Request { id, method, params }) => (id, method, params),
        Ok(Incoming::Notification { .. } | Incoming::Response { .. }) => {
            let error = RpcError::new(code::INVALID_REQUEST, "the message is no request");
            return Alone::unasked(None, encode::error(None, &error));
        }
        Err(refusal) => {
            let answer = encode::error(refusal.id.as_ref(), &refusal.error);
            return Alone::unasked(None, answer);
        }
    };
    let mut asked = match Asked::read(method.clone(), params) {
        Ok(asked) => asked,
        Err(error) => return Alone::unasked(Some(method), encode::error(Some(&id), &error)),
    };
    match asker.bounds.slot(&asker.principal) {
        Ok(slot) => asked.slot = Some(slot),
        Err(why) => {
            let answer = encode::error(Some(&id), &busy(why.to_string()));
            return Alone { is_busy: true, ..Alone::unasked(Some(method), answer) };
        }
    }
    asked.is_shown = true;
    asked.address = asker.address;
    let (asked, notice) = noticed(asked);
    let outcome = ask(front, asker.principal, asked).await;
    let answer = encode::outcome(&id, &outcome);
    Alone { method: Some(method), answer, notice, is_busy: false }
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
