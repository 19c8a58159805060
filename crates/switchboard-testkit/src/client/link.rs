//! A connection as a queue of texts each way.

use switchboard_mcp::ProtocolVersion;
use tokio::sync::mpsc;

use super::http::{Http, Sse};
use super::trouble::Trouble;
use super::{Carrier, Target, duplex};

pub(super) enum Heard {
    /// One JSON text.
    Message(String),
    /// The HTTP response to a request is over.
    Ended { request: u64, status: u16 },
    /// The connection itself is over.
    Closed,
}

/// What the client sends with, and where what it hears arrives.
pub(super) struct Link {
    way: Way,
    inbox: mpsc::Receiver<Heard>,
}

enum Way {
    Duplex(duplex::Duplex),
    Http(Http),
    Sse(Sse),
}

/// More than a server says in one go.
pub(super) const QUEUE: usize = 1024;

impl Link {
    pub(super) async fn open(
        carrier: Carrier,
        target: &Target,
        version: ProtocolVersion,
    ) -> Result<Self, Trouble> {
        let (heard, inbox) = mpsc::channel(QUEUE);
        let opening = async {
            Ok(match (carrier, target) {
                (Carrier::Http, Target::Address { url, key }) => {
                    Way::Http(Http::new(url, key.as_deref(), version, heard))
                }
                (Carrier::Sse, Target::Address { url, key }) => {
                    Way::Sse(Sse::open(url, key.as_deref(), heard).await?)
                }
                (Carrier::WebSocket, Target::Address { url, key }) => {
                    Way::Duplex(duplex::websocket(url, key.as_deref(), heard).await?)
                }
                (Carrier::Stdio, Target::Program { command, args, env }) => {
                    Way::Duplex(duplex::child(command, args, env, heard)?)
                }
                (Carrier::Unix | Carrier::Stdio, Target::Socket(path)) => {
                    Way::Duplex(duplex::socket(path, heard).await?)
                }
                (carrier, target) => panic!("{carrier} does not lead to {target:?}"),
            })
        };
        let opened = tokio::time::timeout(super::PATIENCE, opening).await;
        let way = opened.unwrap_or_else(|_| Err(Trouble::Silent("it never opened".to_owned())))?;
        Ok(Self { way, inbox })
    }

    /// After `notifications/initialized`: what else a session has.
    pub(super) async fn opened(&mut self) -> Result<(), Trouble> {
        match &mut self.way {
            Way::Http(http) => http.stream().await,
            _ => Ok(()),
        }
    }

    pub(super) async fn send(&mut self, text: String) {
        match &mut self.way {
            Way::Duplex(duplex) => duplex.send(text).await,
            Way::Http(http) => http.post(text),
            Way::Sse(sse) => sse.post(text).await,
        }
    }

    /// Closes the stream of a request.
    pub(super) fn leave(&mut self, id: u64) {
        if let Way::Http(http) = &mut self.way {
            http.leave(id);
        }
    }

    pub(super) async fn hear(&mut self) -> Option<Heard> {
        self.inbox.recv().await
    }
}
