//! A client that sends any text over streamable HTTP and says what came of it.

use std::time::Duration;

use serde_json::{Value, json};
use switchboard_mcp::ProtocolVersion;
use tokio::sync::mpsc;

use super::capabilities;
use super::http::Http;
use super::link::{Heard, QUEUE};

pub struct Poster {
    http: Http,
    pub version: ProtocolVersion,
}

/// What came of one POST.
#[derive(Clone, Debug)]
pub struct Reply {
    /// 0 where there was no response.
    pub status: u16,
    /// The messages of the body, the answer last.
    pub messages: Vec<String>,
}

/// A reply that takes longer is none. Short, because a difference is shrunk by many attempts.
const LIMIT: Duration = Duration::from_secs(2);

impl Poster {
    /// Opens a session where the revision has sessions.
    ///
    /// # Panics
    ///
    /// Where that fails.
    pub async fn open(url: &str, key: Option<&str>, version: ProtocolVersion) -> Self {
        // Nothing is heard but in answer to a POST.
        let (nobody, _) = mpsc::channel(1);
        let poster = Self { http: Http::new(url, key, version, nobody), version };
        if version != ProtocolVersion::MODERN {
            let params = json!({ "protocolVersion": version.as_str(),
                "capabilities": capabilities(version),
                "clientInfo": { "name": "poster", "version": "1" } });
            let message =
                json!({ "jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params });
            let reply = poster.post(&message.to_string()).await;
            let answer: Value = serde_json::from_str(&reply.messages[0]).unwrap();
            assert_eq!(answer["result"]["protocolVersion"], version.as_str(), "{reply:?}");
            let message = json!({ "jsonrpc": "2.0", "method": "notifications/initialized" });
            poster.post(&message.to_string()).await;
        }
        poster
    }

    /// Sends a body with the headers that belong to it.
    pub async fn post(&self, text: &str) -> Reply {
        let (heard, mut inbox) = mpsc::channel(QUEUE);
        let posting = self.http.exchange(text.to_owned(), heard);
        let status = tokio::time::timeout(LIMIT, posting).await.unwrap_or(0);
        let mut messages = Vec::new();
        while let Ok(Heard::Message(message)) = inbox.try_recv() {
            messages.push(message);
        }
        Reply { status, messages }
    }
}
