//! Bodies with several messages (2025-03-26, "Batching").

use std::net::IpAddr;
use std::sync::Arc;

use futures_util::future::join_all;
use http::{HeaderMap, StatusCode};
use switchboard_core::Principal;
use switchboard_mcp::{Incoming, Json, Method, RequestId, RpcError, code, encode, split_batch};

use super::{UnderWay, note, stream};
use crate::front::Asked;
use crate::http::Service;
use crate::http::limited::Arrival;
use crate::http::message::{Refused, Reply, empty, rpc};
use crate::http::post::SESSION;
use crate::http::sessions::Session;

/// Most messages of one batch: the number of calls one program may have open.
const LIMIT: usize = 256;

/// What becomes of a message.
enum Begun {
    Answered(Vec<u8>),
    UnderWay(Box<UnderWay>),
    /// It wants no answer.
    Taken,
}

impl Service {
    /// Takes all messages of `body`. The answers come in the order of their requests: as one array,
    /// or as an event each where something was said on the way.
    pub(crate) async fn batch(
        &self,
        principal: &Principal,
        headers: &HeaderMap,
        body: &Json,
        Arrival { slot, address }: Arrival,
    ) -> Reply {
        let invalid = |message: String| {
            let error = RpcError::new(code::INVALID_REQUEST, message);
            Refused::from(rpc(StatusCode::BAD_REQUEST, None, &error))
        };
        let session = match headers.contains_key(&SESSION) {
            true => self.session(principal, headers)?,
            false => return Err(invalid("a batch needs a session of 2025-03-26".into())),
        };
        let version = session.caller.version;
        if !version.has_batches() {
            return Err(invalid(format!("revision {version} has no batches")));
        }
        let messages = split_batch(body, LIMIT).map_err(|error| invalid(error.to_string()))?;
        let begun = messages.iter().map(|it| self.batched(&session, it).from(address));
        let begun: Vec<_> = begun.collect();
        if begun.iter().all(|begun| matches!(begun, Begun::Taken)) {
            return Ok(empty(StatusCode::ACCEPTED));
        }
        let (number, reader) = session.streams.begin();
        let streams = Arc::clone(&session.streams);
        self.front.tasks.spawn(async move {
            // The whole batch has one place among the requests under way.
            let _slot = slot;
            let answers = join_all(begun.into_iter().map(|begun| begun.finish(number))).await;
            streams.end(number, answers.into_iter().flatten().collect());
        });
        Ok(stream::respond_batch(session, reader).await)
    }

    fn batched(&self, session: &Arc<Session>, message: &Json) -> Begun {
        match Incoming::read(message) {
            Ok(Incoming::Request { id, method, params }) => {
                let begun = self.begin(session, &id, method, params);
                begun.unwrap_or_else(|error| Begun::Answered(encode::error(Some(&id), &error)))
            }
            Ok(Incoming::Notification { method, params }) => {
                note(session, &method, params.as_ref());
                Begun::Taken
            }
            Ok(Incoming::Response { id, outcome }) => {
                self.answer(session, id.as_ref(), outcome);
                Begun::Taken
            }
            Err(refusal) => Begun::Answered(encode::error(refusal.id.as_ref(), &refusal.error)),
        }
    }

    fn begin(
        &self,
        session: &Arc<Session>,
        id: &RequestId,
        method: Method,
        params: Option<Json>,
    ) -> Result<Begun, RpcError> {
        // 2025-03-26, "Lifecycle": initialize is never part of a batch.
        if method == Method::Initialize {
            return Err(RpcError::new(code::INVALID_REQUEST, "`initialize` cannot be in a batch"));
        }
        let done = || Begun::Answered(encode::result(id, &Json::empty_object()));
        if method == Method::Ping {
            return Ok(done());
        }
        let asked = Asked::read(method, params)?;
        if asked.method == Method::SetLevel {
            let principal = &session.caller.principal;
            self.front.set_level(principal, &session.callbacks, &asked)?;
            return Ok(done());
        }
        UnderWay::enter(self, session, id.clone(), asked).map(|it| Begun::UnderWay(Box::new(it)))
    }
}

impl Begun {
    fn from(mut self, address: Option<IpAddr>) -> Self {
        if let Self::UnderWay(request) = &mut self {
            request.asked.address = address;
        }
        self
    }

    async fn finish(self, number: u64) -> Option<Vec<u8>> {
        match self {
            Self::Answered(answer) => Some(answer),
            Self::UnderWay(request) => request.run(number).await,
            Self::Taken => None,
        }
    }
}
