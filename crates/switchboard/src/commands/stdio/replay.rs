//! What has to be known of a conversation to go on with another daemon.
//!
//! A client of the older revisions opens a session by `initialize`, and the daemon that knew it is
//! gone. So the opening is said again, and the answer to it, which the client has had already, is
//! kept from it. A call that was under way is answered with an error: whether it was carried out is
//! not known, and only the client can decide to call again.

use std::collections::HashSet;

use bytes::Bytes;
use switchboard_mcp::{Incoming, Json, Method, RequestId, RpcError, code, encode, split_batch};

/// The conversation so far. Lines in and out have no line end; what is to be sent has one.
#[derive(Debug, Default)]
pub(super) struct Session {
    /// The client's `initialize`, and its id.
    initialize: Option<(RequestId, Bytes)>,
    /// The client's `notifications/initialized`.
    initialized: Option<Bytes>,
    in_flight: HashSet<RequestId>,
    replaying: bool,
}

/// Most requests under way that are remembered; many times what the daemon works on at once.
const IN_FLIGHT: usize = 4_096;

/// What is to be done with a line of the client.
#[derive(Debug, Eq, PartialEq)]
pub(super) enum FromClient {
    Send,
    /// The daemon is not bothered with it.
    Answer(Vec<u8>),
}

impl Session {
    /// Takes note of what the client says.
    pub(super) fn outbound(&mut self, line: &Bytes) -> FromClient {
        for message in messages(line) {
            match message {
                Incoming::Request { id, method, .. } => {
                    if self.in_flight.len() >= IN_FLIGHT {
                        let text = format!("more than {IN_FLIGHT} requests are under way");
                        let error = RpcError::new(code::INTERNAL, text);
                        let error = error.with_data(&serde_json::json!({ "reason": "busy" }));
                        return FromClient::Answer(with_end(&encode::error(Some(&id), &error)));
                    }
                    if method == Method::Initialize {
                        self.initialize = Some((id.clone(), line.clone()));
                        self.initialized = None;
                    }
                    self.in_flight.insert(id);
                }
                Incoming::Notification { method: Method::Initialized, .. } => {
                    self.initialized = Some(line.clone());
                }
                Incoming::Notification { method: Method::Cancelled, params: Some(params) } => {
                    // Nobody waits for the answer any more, and servers need not give one.
                    let members = params.members().unwrap_or_default();
                    let id = members.get("requestId").and_then(RequestId::from_raw);
                    id.map(|id| self.in_flight.remove(&id));
                }
                Incoming::Notification { .. } | Incoming::Response { .. } => {}
            }
        }
        FromClient::Send
    }

    /// Takes note of what the daemon says; whether the client is to hear it.
    pub(super) fn inbound(&mut self, line: &Bytes) -> bool {
        for message in messages(line) {
            let Incoming::Response { id: Some(id), .. } = message else { continue };
            self.in_flight.remove(&id);
            let is_opening = self.initialize.as_ref().is_some_and(|(opening, _)| *opening == id);
            if is_opening && std::mem::take(&mut self.replaying) {
                return false;
            }
        }
        true
    }

    /// The daemon is gone: the answers to what was under way. An opening is not answered but said again.
    pub(super) fn lost(&mut self) -> Vec<Vec<u8>> {
        let opening = self.initialize.as_ref().map(|(id, _)| id);
        let (kept, lost): (HashSet<_>, HashSet<_>) =
            self.in_flight.drain().partition(|id| Some(id) == opening);
        self.in_flight = kept;
        let error = RpcError::new(code::INTERNAL, "the daemon went away during the call")
            .with_data(&serde_json::json!({ "reason": "upstream_lost" }));
        lost.iter().map(|id| with_end(&encode::error(Some(id), &error))).collect()
    }

    /// What is to be sent first on a new connection.
    pub(super) fn reopen(&mut self) -> Option<Vec<u8>> {
        let (id, line) = self.initialize.as_ref()?;
        self.replaying = !self.in_flight.contains(id);
        Some(with_end(line))
    }

    /// Whether the answer to an opening that was said again is still to come.
    pub(super) fn is_replaying(&self) -> bool {
        self.replaying
    }

    /// What is to be sent when it has come.
    pub(super) fn opened(&self) -> Option<Vec<u8>> {
        self.initialized.as_ref().map(|line| with_end(line))
    }
}

/// The messages on one line; none if it is no JSON-RPC, which is for the daemon to refuse.
fn messages(line: &Bytes) -> Vec<Incoming> {
    if line.trim_ascii_start().starts_with(b"[") {
        let batch = Json::parse(line.clone()).and_then(|json| split_batch(&json, IN_FLIGHT));
        let batch = batch.unwrap_or_default();
        return batch.iter().filter_map(|json| Incoming::read(json).ok()).collect();
    }
    Incoming::decode(line.clone()).into_iter().collect()
}

fn with_end(line: &[u8]) -> Vec<u8> {
    [line, b"\n"].concat()
}

#[cfg(test)]
mod tests;
