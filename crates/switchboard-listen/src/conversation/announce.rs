//! What a client of a session hears unasked.

use std::sync::Arc;

use switchboard_core::{Change, Changes, Kind};
use switchboard_mcp::{Json, Method, encode};
use tokio::sync::broadcast::error::RecvError;

use super::Conversation;
use crate::subscription::changed;

impl Conversation {
    /// Announces changes for as long as the conversation lasts.
    pub(super) async fn announce(self: Arc<Self>, mut changes: Changes) {
        loop {
            let heard = tokio::select! {
                change = changes.recv() => match change {
                    Ok(change) => vec![change],
                    // Too many to have kept: all may have changed.
                    Err(RecvError::Lagged(_)) => self.everything(),
                    Err(RecvError::Closed) => return,
                },
                () = self.ended.cancelled() => return,
            };
            let is_ready = self.state().opening.session_mut().is_some_and(|s| s.initialized);
            if !is_ready {
                continue;
            }
            for message in heard.iter().filter_map(|change| self.announcement(change)) {
                // A client that does not read hears of it when it asks again.
                if self.out.try_send(message).is_err() {
                    self.front.meter.notification_dropped();
                }
            }
        }
    }

    fn everything(&self) -> Vec<Change> {
        let lists = [Kind::Tools, Kind::Prompts, Kind::Resources].map(Change::List);
        lists.into_iter().chain(self.watched.all().into_iter().map(Change::Resource)).collect()
    }

    fn announcement(&self, change: &Change) -> Option<Vec<u8>> {
        match change {
            Change::List(kind) => Some(encode::notification(&changed(*kind), None)),
            Change::Resource(uri) => self.watched.covers(uri).then(|| {
                let params = Json::encode(&serde_json::json!({ "uri": **uri }));
                encode::notification(&Method::ResourceUpdated, Some(&params))
            }),
        }
    }
}
