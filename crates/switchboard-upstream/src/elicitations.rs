//! Elicitations that a user goes through in a browser: which client was sent there, so that it
//! hears when it is done (2025-11-25, "URL Mode Elicitation").

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, Weak};

use switchboard_core::{Notification, Peer};
use switchboard_mcp::{Json, Members, Method, RpcError, code};

use crate::caller::Caller;

/// Most that are remembered of one server; the oldest is forgotten for a new one, whose client then
/// finds out by trying again, as it must where servers do not tell.
const LIMIT: usize = 256;

/// The clients that were sent to addresses of one server.
///
/// A client that is gone is not kept for the sake of its elicitations.
#[derive(Default)]
pub(crate) struct Elicitations(Mutex<VecDeque<(String, Weak<dyn Peer>)>>);

impl Elicitations {
    /// Remembers the elicitation that `caller` is about to be asked for, if it is one.
    pub(crate) fn asked(&self, caller: &Caller, method: &Method, params: Option<&Json>) {
        if *method == Method::Elicit
            && let Some(members) = params.and_then(|params| params.members().ok())
            && let Some(id) = members.read("elicitationId")
        {
            self.remember(id, caller);
        }
    }

    /// Remembers those that a refusal names.
    pub(crate) fn required(&self, caller: &Caller, error: &RpcError) {
        if error.code != code::URL_ELICITATION_REQUIRED {
            return;
        }
        let members = error.data.as_ref().and_then(|data| data.members().ok());
        let named = members.and_then(|members| members.read::<Vec<Members<'_>>>("elicitations"));
        for elicitation in named.iter().flatten().take(LIMIT) {
            if let Some(id) = elicitation.read("elicitationId") {
                self.remember(id, caller);
            }
        }
    }

    /// Tells the client that was sent there, and nobody else.
    pub(crate) fn complete(&self, params: Option<Json>) {
        let members = params.as_ref().and_then(|params| params.members().ok());
        let Some(id) = members.and_then(|members| members.read::<String>("elicitationId")) else {
            return;
        };
        let mut known = self.0.lock().expect("no one panics holding it");
        let at = known.iter().position(|(other, _)| *other == id);
        let client = at.and_then(|at| known.remove(at)?.1.upgrade());
        drop(known);
        if let Some(client) = client {
            client.notify(Notification { method: Method::ElicitationComplete, params });
        }
    }

    fn remember(&self, id: String, caller: &Caller) {
        let Some(client) = caller.client() else { return };
        let mut known = self.0.lock().expect("no one panics holding it");
        known.retain(|(other, _)| *other != id);
        if known.len() == LIMIT {
            known.pop_front();
        }
        known.push_back((id, Arc::downgrade(client)));
    }
}
