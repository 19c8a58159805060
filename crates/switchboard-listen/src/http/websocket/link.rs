//! One open `WebSocket`: frames in, frames out, and how it ends.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt as _, StreamExt as _};
use tokio::time::Instant;
use tokio_tungstenite::tungstenite::error::{CapacityError, ProtocolError};
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::{Error, Message, Utf8Bytes};
use tokio_util::sync::CancellationToken;

use super::Socket;
use crate::conversation::{Conversation, Outgoing, Parting, QUEUE};
use crate::front::Front;

/// How often a client is asked whether it is there. Proxies commonly cut what is silent for 30 to
/// 60 s.
const PING: Duration = Duration::from_secs(20);

/// How long a client may say nothing at all, not even a pong: two pings and their time to arrive.
const SILENCE: Duration = Duration::from_secs(50);

/// How long a client may take to take one message; it is cut off when it does not.
const WRITE: Duration = Duration::from_secs(60);

/// How long we wait for the client's half of the closing handshake (RFC 6455, section 7.1.1).
const FAREWELL: Duration = Duration::from_secs(5);

/// Holds the conversation until either side ends it.
pub(super) async fn hold(
    front: &Arc<Front>,
    conversation: Arc<Conversation>,
    outgoing: Outgoing,
    socket: Socket,
    revoked: CancellationToken,
) {
    let (sink, stream) = socket.split();
    // Why the conversation ends, where it is the client's doing; the writer says so.
    let ending = Arc::new(Mutex::new(None));
    let draining = front.draining.clone();
    let mut writing = front.tasks.spawn({
        let (ending, revoked) = (Arc::clone(&ending), revoked.clone());
        async move {
            let mut sink = write(outgoing, sink, &revoked).await?;
            let code = ending.lock().expect("no one panics holding it").take();
            let code = code.unwrap_or_else(|| match draining.is_cancelled() {
                true => close(CloseCode::Away, "the daemon stops"),
                false => close(CloseCode::Normal, ""),
            });
            let closing = sink.send(Message::Close(Some(code)));
            tokio::time::timeout(FAREWELL, closing).await.ok()?.ok()?;
            Some(sink)
        }
    });
    let mut reader = Reader { stream, heard: Instant::now(), broken: false };
    let talking = Arc::clone(&conversation);
    let reading = async {
        let reason = tokio::select! {
            reason = reader.read(&talking) => reason,
            // The writer gave up.
            () = talking.unheard() => None,
            () = revoked.cancelled() => {
                Some(close(CloseCode::Policy, "the key is not valid any more"))
            }
        };
        *ending.lock().expect("no one panics holding it") = reason;
        Parting::Gone
    };
    conversation.hold(reading).await;
    match tokio::time::timeout(WRITE + FAREWELL, &mut writing).await {
        // Until the client has answered, or does not.
        Ok(Ok(Some(sink))) => drop(tokio::time::timeout(FAREWELL, reader.finish(sink)).await),
        Ok(_) => {}
        Err(_) => writing.abort(),
    }
}

fn close(code: CloseCode, reason: &'static str) -> CloseFrame {
    CloseFrame { code, reason: Utf8Bytes::from_static(reason) }
}

struct Reader {
    stream: SplitStream<Socket>,
    /// When the client last said anything.
    heard: Instant,
    /// Something came that is no frame, and nothing behind it can be told apart.
    broken: bool,
}

impl Reader {
    /// Hands messages to the conversation; gives the reason for which the connection is closed, if
    /// there is anybody to tell.
    async fn read(&mut self, conversation: &Arc<Conversation>) -> Option<CloseFrame> {
        loop {
            let next = tokio::time::timeout_at(self.heard + SILENCE, self.stream.next());
            let Ok(frame) = next.await else {
                return Some(close(CloseCode::Policy, "no pong came"));
            };
            self.heard = Instant::now();
            match frame? {
                Ok(Message::Text(text)) => conversation.take(text.into()).await,
                Ok(Message::Binary(_)) => {
                    return Some(close(CloseCode::Unsupported, "a message is a text frame"));
                }
                // The library answers pings, and a farewell when it is asked for what follows it.
                Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_) | Message::Close(_)) => {
                }
                Err(error) => {
                    self.broken = true;
                    return reason(&error);
                }
            }
        }
    }

    /// Reads to the end without looking: a connection that is closed before everything is read is
    /// reset, and then the client may lose what it was told last.
    async fn finish(mut self, sink: Sink) {
        if !self.broken {
            while let Some(Ok(_)) = self.stream.next().await {}
            return;
        }
        let Ok(socket) = self.stream.reunite(sink) else { return };
        let _ = tokio::io::copy(&mut socket.into_inner(), &mut tokio::io::sink()).await;
    }
}

/// Why a connection is closed that had a mistake in it.
fn reason(error: &Error) -> Option<CloseFrame> {
    match error {
        Error::Capacity(CapacityError::MessageTooLong { .. }) => {
            Some(close(CloseCode::Size, "the message is larger than `http.body_limit`"))
        }
        Error::Utf8(_) => Some(close(CloseCode::Invalid, "the text is not UTF-8")),
        // Gone without a word.
        Error::Protocol(ProtocolError::ResetWithoutClosingHandshake) => None,
        Error::Protocol(_) => Some(close(CloseCode::Protocol, "not a frame of RFC 6455")),
        _ => None,
    }
}

type Sink = SplitSink<Socket, Message>;

/// Writes messages, and pings where there is nothing to write; gives the sink back at the end of
/// the conversation, and nothing where the client does not read. What waits when the key ends goes
/// out no more: a client that reads slowly would have it for a minute yet.
async fn write(
    mut outgoing: Outgoing,
    mut sink: Sink,
    revoked: &CancellationToken,
) -> Option<Sink> {
    let mut messages = Vec::with_capacity(QUEUE);
    let mut ping = tokio::time::interval_at(Instant::now() + PING, PING);
    loop {
        let count = tokio::select! {
            count = outgoing.take(&mut messages) => Some(count),
            _ = ping.tick() => None,
        };
        match count {
            Some(0) => return Some(sink),
            Some(_) => {
                for message in messages.drain(..).take_while(|_| !revoked.is_cancelled()) {
                    // JSON is UTF-8; we wrote it or checked it.
                    let text = String::from_utf8(message).expect("messages are JSON");
                    tokio::time::timeout(WRITE, sink.feed(Message::text(text))).await.ok()?.ok()?;
                }
            }
            None => sink.feed(Message::Ping(bytes::Bytes::new())).await.ok()?,
        }
        tokio::time::timeout(WRITE, sink.flush()).await.ok()?.ok()?;
    }
}
