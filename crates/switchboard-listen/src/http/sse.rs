//! HTTP+SSE (2024-11-05): one stream of events down, a POST for each message up.
//!
//! The stream is the session: it says first where messages are to be sent, and with it the session
//! ends. Clients of any revision with sessions may use it, as the SDKs' servers let them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use futures_util::stream;
use http::{HeaderMap, Request, StatusCode};
use hyper::body::Incoming as HttpBody;
use switchboard_core::{Credentials, Principal};
use switchboard_mcp::{Incoming, encode_event};
use tokio_util::sync::CancellationToken;

use crate::conversation::{Conversation, Outgoing, Parting, Terms};
use crate::http::answer::{KEEP_ALIVE, KEEP_ALIVE_COMMENT};
use crate::http::message::{Reply, check_json, events, read, refuse, rpc, text, unavailable};
use crate::http::post::accepts;
use crate::http::{Service, limited};

/// The streams that are open, by their session ids.
#[derive(Default)]
pub(crate) struct Streams {
    table: Mutex<HashMap<String, Arc<Conversation>>>,
}

/// Random bytes of a session id: 192 bits cannot be guessed.
const ID_BYTES: usize = 24;

/// Requests of one session under way at once: more calls than one program makes.
const IN_FLIGHT: usize = 256;

/// Parts of a query that are looked at for a key. Addresses that people configure have one or two.
const QUERY_PARTS: usize = 16;

impl Streams {
    fn add(&self, conversation: &Arc<Conversation>) -> String {
        let mut bytes = [0; ID_BYTES];
        getrandom::fill(&mut bytes).expect("the system has a source of randomness");
        let id = URL_SAFE_NO_PAD.encode(bytes);
        self.table().insert(id.clone(), Arc::clone(conversation));
        id
    }

    /// The session, if it is there and `principal` opened it: to anyone else it does not exist.
    fn find(&self, id: &str, principal: &Principal) -> Option<Arc<Conversation>> {
        let found = self.table().get(id).cloned();
        found.filter(|conversation| conversation.principal() == principal)
    }

    fn remove(&self, id: &str) {
        self.table().remove(id);
    }

    fn count(&self) -> usize {
        self.table().len()
    }

    fn table(&self) -> MutexGuard<'_, HashMap<String, Arc<Conversation>>> {
        self.table.lock().expect("no one panics holding it")
    }
}

impl Service {
    /// `GET /sse`: opens the stream.
    pub(crate) fn sse(
        &self,
        principal: &Principal,
        revoked: CancellationToken,
        request: &Request<HttpBody>,
    ) -> Reply {
        if !accepts(request.headers(), "text/event-stream") {
            let message = "the client must accept `text/event-stream`";
            return Err(refuse(StatusCode::NOT_ACCEPTABLE, message).into());
        }
        if !self.make_room_for_stream() {
            self.operations.rejected("sessions");
            let limit = self.config.sessions;
            let message = format!("{limit} streams are open (`http.sessions`); try again");
            return Err(unavailable(&message).into());
        }
        let terms = Terms {
            listener: "sse",
            in_flight: IN_FLIGHT,
            shared: Some(self.bounds.clone()),
            // Each message is a request of its own, which is counted.
            pace: None,
            // The transport is of the first revision, and later ones know it as deprecated.
            stateless: false,
            batches: false,
            address: limited::address(request),
        };
        let (conversation, outgoing) = Conversation::open(&self.front, principal.clone(), terms);
        let id = self.streams.add(&conversation);
        let endpoint = self.endpoint(&id, request);
        let streams = Arc::clone(&self.streams);
        self.front.tasks.spawn(async move {
            let held = Arc::clone(&conversation);
            held.hold(async {
                tokio::select! {
                    () = conversation.unheard() => {}
                    () = revoked.cancelled() => {}
                }
                // Nobody may say anything more while the conversation comes to its end.
                streams.remove(&id);
                Parting::Gone
            })
            .await;
            // Where the daemon drained it.
            streams.remove(&id);
        });
        let state = Down { outgoing, first: Some(endpoint), messages: Vec::new() };
        Ok(events(stream::unfold(state, Down::step)))
    }

    /// Makes room for one more stream; false where all places are those of streams, which are in
    /// use for as long as they are open. Then no session ends either: it would be for nothing.
    fn make_room_for_stream(&self) -> bool {
        let most = self.config.sessions.checked_sub(self.streams.count() + 1);
        let Some(most) = most else { return false };
        self.keep_sessions(most);
        true
    }

    /// Makes room for one more session, as far as the streams leave any.
    pub(crate) fn make_room_for_session(&self) {
        self.keep_sessions(self.config.sessions.saturating_sub(self.streams.count() + 1));
    }

    /// Ends the sessions that are idle for longest, so that no more than `most` are left.
    fn keep_sessions(&self, most: usize) {
        let before = self.sessions.count();
        while self.sessions.count() > most && self.sessions.make_room() {}
        if before > most {
            self.meter_sessions();
        }
    }

    /// The event that says where messages are to be sent.
    fn endpoint(&self, id: &str, request: &Request<HttpBody>) -> Bytes {
        // Beside the address of the stream: `/messages`, `/acme/mcp/messages`.
        let path = request.uri().path();
        let above = path.strip_suffix("/sse").unwrap_or_default();
        let mut event = format!("event: endpoint\ndata: {above}/messages?session_id={id}");
        if let Some(key) = self.key_in_query(request.headers(), request.uri().query()) {
            event.push('&');
            event.push_str(key);
        }
        event.push_str("\n\n");
        event.into()
    }

    /// The part of the query without which the client would not be let in. Who put the key there
    /// cannot set headers, so it has to be in the address of the messages as well; a key that came
    /// in a header never gets into an address.
    fn key_in_query<'a>(&self, headers: &HeaderMap, query: Option<&'a str>) -> Option<&'a str> {
        let headers: Vec<(&str, &[u8])> =
            headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
        let lets_in = |query| {
            let credentials =
                Credentials::Http { tenant: &self.tenant, headers: &headers, query, from: None };
            self.login.admit(credentials).is_ok()
        };
        if lets_in(None) {
            return None;
        }
        query?.split('&').take(QUERY_PARTS).find(|part| lets_in(Some(part)))
    }

    /// `POST /messages?session_id=…`: a message of the client. What it is answered goes out on the
    /// stream.
    pub(crate) async fn message(&self, principal: &Principal, request: Request<HttpBody>) -> Reply {
        let (head, body) = request.into_parts();
        let id = head.uri.query().and_then(session_id).ok_or_else(|| {
            let message = "no session: `GET /sse` says where messages are to be sent";
            refuse(StatusCode::BAD_REQUEST, message)
        })?;
        let conversation = self.streams.find(id, principal).ok_or_else(|| {
            refuse(StatusCode::NOT_FOUND, "the session is not known, or its stream has ended")
        })?;
        check_json(&head.headers)?;
        let body = read(&head.headers, body, &self.config).await?;
        let message = Incoming::decode(body)
            .map_err(|refusal| rpc(StatusCode::BAD_REQUEST, refusal.id.as_ref(), &refusal.error))?;
        conversation.accept(message).await;
        // The word is the SDKs'; the specification says nothing of the response.
        Ok(text(StatusCode::ACCEPTED, "text/plain", "Accepted"))
    }
}

/// The session that a query names. Both spellings are in use: Python's and TypeScript's.
fn session_id(query: &str) -> Option<&str> {
    query.split('&').find_map(|part| {
        part.strip_prefix("session_id=").or_else(|| part.strip_prefix("sessionId="))
    })
}

/// The stream on its way down; with it goes the queue, which ends the conversation.
struct Down {
    outgoing: Outgoing,
    first: Option<Bytes>,
    messages: Vec<Vec<u8>>,
}

impl Down {
    async fn step(mut self) -> Option<(Bytes, Self)> {
        if let Some(first) = self.first.take() {
            return Some((first, self));
        }
        let taken = self.outgoing.take(&mut self.messages);
        let Ok(count) = tokio::time::timeout(KEEP_ALIVE, taken).await else {
            return Some((Bytes::from_static(KEEP_ALIVE_COMMENT), self));
        };
        if count == 0 {
            return None;
        }
        let mut out = Vec::new();
        for message in self.messages.drain(..) {
            out.extend_from_slice(b"event: message\n");
            encode_event(&mut out, None, &message);
        }
        Some((out.into(), self))
    }
}
