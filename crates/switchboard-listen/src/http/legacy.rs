//! Requests of the revisions that are opened by `initialize`: they belong to a session.

mod batch;
mod sessionless;
mod stream;

use std::sync::Arc;

use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use hyper::body::Incoming as HttpBody;
use switchboard_core::Principal;
use switchboard_core::limit::Notice;
use switchboard_mcp::{Era, Json, Method, ProtocolVersion, RequestId, RpcError, code, encode};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::callback::SessionClient;
use crate::front::{Asked, Caller, Front, declared};
use crate::http::Service;
use crate::http::limited::noted;
use crate::http::message::{Body, Refused, Reply, empty, json, rpc};
use crate::http::post::{SESSION, VERSION};
use crate::http::sessions::Session;
use crate::outlet::OUTLET_QUEUE;

impl Service {
    pub(crate) async fn legacy_request(
        &self,
        principal: Principal,
        headers: &HeaderMap,
        id: RequestId,
        mut asked: Asked,
    ) -> Reply {
        if asked.method == Method::Initialize {
            return Ok(self.initialize(principal, &id, &asked));
        }
        let session = self.session_for(&principal, headers, Some(&id))?;
        if asked.method == Method::Ping {
            return Ok(json(StatusCode::OK, encode::result(&id, &Json::empty_object())));
        }
        if asked.method == Method::SetLevel {
            let outcome = self.front.set_level(&principal, &session.callbacks, &asked);
            let outcome = outcome.map(|()| Json::empty_object());
            return Ok(json(StatusCode::OK, encode::outcome(&id, &outcome)));
        }
        let notice = Arc::<Notice>::default();
        asked.notice = Some(Arc::clone(&notice));
        let request = UnderWay::enter(self, &session, id.clone(), asked)
            .map_err(|error| rpc(StatusCode::BAD_REQUEST, Some(&id), &error))?;
        let (number, reader) = session.streams.begin();
        let streams = Arc::clone(&session.streams);
        // It runs on when the connection breaks, because until 2025-11-25 that is no cancellation.
        self.front.tasks.spawn(async move {
            let answer = request.run(number).await;
            streams.end(number, answer.into_iter().collect());
        });
        Ok(noted(stream::respond(session, reader).await, &notice))
    }

    fn initialize(&self, principal: Principal, id: &RequestId, asked: &Asked) -> Response<Body> {
        let (version, result) = match self.front.initialize(&principal, asked.params.as_ref()) {
            Ok(opened) => opened,
            Err(error) => return rpc(StatusCode::OK, Some(id), &error),
        };
        let capabilities = declared(asked.params.as_ref());
        let changes = self.front.gateway.changes();
        // One more than there may be, where all are streams: it is the first to make room.
        self.make_room_for_session();
        let session = self.sessions.open(principal, version, capabilities, changes);
        self.meter_sessions();
        let mut response = json(StatusCode::OK, encode::result(id, &result));
        let value = HeaderValue::from_str(&session.id).expect("base64 is visible ASCII");
        response.headers_mut().insert(&SESSION, value);
        response
    }

    pub(crate) fn notification(
        &self,
        principal: &Principal,
        headers: &HeaderMap,
        method: &Method,
        params: Option<&Json>,
    ) -> Reply {
        // Clients of 2026-07-28 have no notifications that mean anything over HTTP.
        if headers.contains_key(&SESSION) {
            note(&*self.session(principal, headers)?, method, params);
        }
        Ok(empty(StatusCode::ACCEPTED))
    }

    /// A response to a request of ours. One that nobody waits for any more was sent in good faith.
    pub(crate) fn response(
        &self,
        principal: &Principal,
        headers: &HeaderMap,
        id: Option<&RequestId>,
        outcome: Result<Json, RpcError>,
    ) -> Reply {
        let session = self.session(principal, headers)?;
        self.answer(&session, id, outcome);
        Ok(empty(StatusCode::ACCEPTED))
    }

    fn answer(&self, session: &Session, id: Option<&RequestId>, outcome: Result<Json, RpcError>) {
        if !id.is_some_and(|id| session.callbacks.answer(id, outcome)) {
            self.operations.rejected("answer");
        }
    }

    /// `DELETE /mcp`: the client ends its session.
    pub(crate) fn delete(&self, principal: &Principal, request: &Request<HttpBody>) -> Reply {
        let session = self.session(principal, request.headers())?;
        self.sessions.close(&session);
        self.meter_sessions();
        Ok(empty(StatusCode::NO_CONTENT))
    }

    /// The session that a message without an id names.
    pub(crate) fn session(
        &self,
        principal: &Principal,
        headers: &HeaderMap,
    ) -> Result<Arc<Session>, Refused> {
        self.session_for(principal, headers, None)
    }

    /// The session that the request under `id` names.
    fn session_for(
        &self,
        principal: &Principal,
        headers: &HeaderMap,
        id: Option<&RequestId>,
    ) -> Result<Arc<Session>, Refused> {
        let bad = |message: &'static str| {
            let error = RpcError::new(code::SESSION_REQUIRED, message);
            Refused::from(rpc(StatusCode::BAD_REQUEST, id, &error))
        };
        let name = headers.get(&SESSION).ok_or_else(|| {
            bad("no session: send `initialize` first and then its `Mcp-Session-Id`, or speak \
                 2026-07-28, which needs none")
        })?;
        let session = name.to_str().ok().and_then(|name| self.sessions.find(name, principal));
        // 404 makes the client open a new one (2025-11-25, "Session Management").
        let session = session.ok_or_else(|| {
            let error = RpcError::new(code::SESSION_REQUIRED, "the session is not known, or over");
            rpc(StatusCode::NOT_FOUND, id, &error)
        })?;
        if let Some(version) = headers.get(&VERSION) {
            let known = version.to_str().ok().and_then(ProtocolVersion::parse);
            if known.is_none_or(|version| version.era() == Era::Modern) {
                return Err(bad(
                    "the header `MCP-Protocol-Version` names no revision with sessions",
                ));
            }
        }
        Ok(session)
    }
}

/// A request of a session that is being answered.
struct UnderWay {
    front: Arc<Front>,
    session: Arc<Session>,
    id: RequestId,
    asked: Asked,
    cancelled: CancellationToken,
}

impl UnderWay {
    fn enter(
        service: &Service,
        session: &Arc<Session>,
        id: RequestId,
        asked: Asked,
    ) -> Result<Self, RpcError> {
        let Some(cancelled) = session.enter(&id) else {
            return Err(RpcError::new(code::INVALID_REQUEST, "a request with this id is open"));
        };
        let (front, session) = (Arc::clone(&service.front), Arc::clone(session));
        if asked.method == Method::Subscribe {
            session.release_at_end(&front, service.sessions.idle);
        }
        Ok(Self { front, session, id, asked, cancelled })
    }

    /// Waits for the answer, and says on the stream what comes before it. Gives the answer as it is
    /// sent, or `None` where the client said that it does not want it.
    async fn run(self, number: u64) -> Option<Vec<u8>> {
        let Self { front, session, id, asked, cancelled } = self;
        let (out, mut messages) = mpsc::channel(OUTLET_QUEUE);
        let streams = &session.streams;
        let outcome = {
            let ask = ask(&front, &session, asked, out);
            tokio::pin!(ask);
            loop {
                let next = async {
                    streams.room(number).await;
                    messages.recv().await
                };
                tokio::select! {
                    biased;
                    Some(message) = next => streams.say(number, message),
                    outcome = &mut ask => break Some(outcome),
                    () = cancelled.cancelled() => break None,
                }
            }
        };
        // What was said before the answer goes out before it.
        while let Ok(message) = messages.try_recv() {
            streams.say(number, message);
        }
        session.leave(&id);
        Some(encode::outcome(&id, &outcome?))
    }
}

async fn ask(
    front: &Front,
    session: &Session,
    asked: Asked,
    out: mpsc::Sender<Vec<u8>>,
) -> Result<Json, RpcError> {
    let caller = Caller { log_level: session.callbacks.level(), ..session.caller.clone() };
    let method = asked.method.clone();
    let uri = asked.name().map(str::to_owned);
    let answer = SessionClient::ask(front, &session.callbacks, caller, asked, out);
    match (method, uri) {
        (Method::Subscribe, Some(uri)) => session.watched.begin(&uri, answer).await,
        (Method::Unsubscribe, Some(uri)) => session.watched.end(&uri, answer).await,
        _ => answer.await,
    }
}

/// Takes a notification of the client. That its roots are others (`roots/list_changed`) is nothing
/// to act on: servers ask for them while they work for it.
fn note(session: &Session, method: &Method, params: Option<&Json>) {
    if *method != Method::Cancelled {
        return;
    }
    let members = params.and_then(|params| params.members().ok());
    if let Some(id) = members.and_then(|m| RequestId::from_raw(m.get("requestId")?)) {
        session.cancel(&id);
    }
}
