//! Servers behind a WebSocket: sub-protocol `mcp`, one message for each text frame. No revision
//! defines this transport; it is what the SDKs agree on.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream::{SplitSink, SplitStream};
use futures_util::{SinkExt as _, StreamExt as _};
use http::{HeaderValue, Request, Uri};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use switchboard_config::Secret;
use switchboard_egress::{Stream, Trust};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::time::{Instant, MissedTickBehavior};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig as Protocol;
use tokio_tungstenite::tungstenite::{Message, Utf8Bytes};

use crate::duplex::{Duplex, Held};
use crate::http::{Outside, sent_headers};
use crate::queue::Queue;
use crate::two_way::TwoWay;
use crate::unasked::Unasked;

/// An address that speaks MCP over a WebSocket.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
pub struct WebSocketConfig {
    /// The address, `ws://` or `wss://`.
    pub url: String,
    /// Headers sent with the request that opens the connection, such as `Authorization`.
    #[serde(default)]
    pub headers: BTreeMap<String, Secret>,
}

/// The largest message of a server; the same as for a line over standard streams.
const MESSAGE_LIMIT: usize = 64 << 20;

/// How often we ask whether the server is still there: proxies cut silent connections after 30 to
/// 60 s.
const PING: Duration = Duration::from_secs(20);

/// How long a server may say nothing at all, not even a pong.
const SILENCE: Duration = Duration::from_secs(60);

/// How long a server may take to take one message.
const WRITE: Duration = Duration::from_secs(60);

/// How long the closing handshake may take; nothing depends on it.
const GOODBYE: Duration = Duration::from_secs(1);

type Socket = WebSocketStream<Stream>;

pub(crate) struct WebSocketLink {
    link: Held<Queue>,
}

impl WebSocketConfig {
    pub(crate) async fn open(
        &self,
        outside: Outside<'_>,
        unasked: Arc<Unasked>,
    ) -> Result<WebSocketLink, String> {
        let socket = self.connect(&outside).await?;
        let (sink, stream) = socket.split();
        let name = Arc::clone(outside.name);
        let link = Duplex::new(name, Queue::default(), outside.in_flight, unasked);
        outside.tasks.spawn({
            let link = Arc::clone(&link);
            async move {
                tokio::select! {
                    written = write(&link.carrier, sink) => if let Err(reason) = written {
                        link.end(reason, None);
                    },
                    // A server that does not read hears no farewell either.
                    () = async { link.lost().await; tokio::time::sleep(GOODBYE).await } => {}
                }
            }
        });
        outside.tasks.spawn({
            let link = Arc::clone(&link);
            async move {
                let reason = tokio::select! {
                    reason = read(&link, stream) => reason,
                    reason = link.lost() => reason,
                };
                link.end(reason, None);
            }
        });
        Ok(WebSocketLink { link: Held(link) })
    }

    async fn connect(&self, outside: &Outside<'_>) -> Result<Socket, String> {
        let request = self.request()?;
        let stream = outside.guard.connect(&self.server()?, Trust::Configured).await;
        let stream = stream.map_err(|error| error.to_string())?;
        let limits = Protocol::default()
            .max_message_size(Some(MESSAGE_LIMIT))
            .max_frame_size(Some(MESSAGE_LIMIT));
        let opened = tokio_tungstenite::client_async_with_config(request, stream, Some(limits));
        let (socket, _) = opened.await.map_err(|error| format!("no WebSocket there: {error}"))?;
        Ok(socket)
    }

    /// The server as the guard knows it.
    fn server(&self) -> Result<Uri, String> {
        let rest = self.url.strip_prefix("ws");
        let rest = rest.ok_or_else(|| "the url must begin with ws:// or wss://".to_owned())?;
        format!("http{rest}").parse().map_err(|error| format!("the url: {error}"))
    }

    fn request(&self) -> Result<Request<()>, String> {
        let request = self.url.as_str().into_client_request();
        let mut request = request.map_err(|error| format!("the url: {error}"))?;
        let headers = request.headers_mut();
        headers.insert("sec-websocket-protocol", HeaderValue::from_static("mcp"));
        headers.extend(sent_headers(&self.headers)?);
        Ok(request)
    }
}

/// Sends what is asked, and pings; the reason if it cannot. Pings go out however much else does: all
/// calls may be slow ones, and a server that works on them says nothing.
async fn write<S: AsyncRead + AsyncWrite + Unpin>(
    queue: &Queue,
    mut sink: SplitSink<WebSocketStream<S>, Message>,
) -> Result<(), String> {
    let mut pings = tokio::time::interval_at(Instant::now() + PING, PING);
    pings.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        let message = tokio::select! {
            biased;
            _ = pings.tick() => Message::Ping(Bytes::new()),
            message = queue.next() => match message {
                Some(message) => {
                    let text = Utf8Bytes::try_from(Bytes::from(message));
                    Message::Text(text.map_err(|_| "a message of ours is no text".to_owned())?)
                }
                None => {
                    // The link has ended; the server hears of it where it still listens.
                    let _ = tokio::time::timeout(GOODBYE, sink.close()).await;
                    return Ok(());
                }
            },
        };
        match tokio::time::timeout(WRITE, sink.send(message)).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return Err(format!("writing to the server failed: {error}")),
            Err(_) => return Err("the server does not read".to_owned()),
        }
    }
}

/// Hands over what the server says, until it says no more; the reason.
async fn read(link: &Arc<Duplex<Queue>>, mut stream: SplitStream<Socket>) -> String {
    let mut heard = Instant::now();
    loop {
        let Ok(frame) = tokio::time::timeout_at(heard + SILENCE, stream.next()).await else {
            return "the server does not answer pings".to_owned();
        };
        heard = Instant::now();
        match frame {
            Some(Ok(Message::Text(text))) => {
                if let Err(cause) = link.receive(&text.into()) {
                    tracing::warn!(cause, "the server sent a frame that is no message");
                }
            }
            Some(Ok(Message::Binary(_))) => {
                tracing::warn!("the server sent a binary frame, which is no message");
            }
            // The library answers pings, and the end follows a farewell.
            Some(Ok(_)) => {}
            Some(Err(error)) => return format!("reading from the server failed: {error}"),
            None => return "the server closed the connection".to_owned(),
        }
    }
}

impl TwoWay for WebSocketLink {
    type Carrier = Queue;

    fn duplex(&self) -> &Duplex<Queue> {
        &self.link
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures_util::StreamExt as _;
    use tokio_tungstenite::WebSocketStream;
    use tokio_tungstenite::tungstenite::Message;
    use tokio_tungstenite::tungstenite::protocol::Role;

    use super::{PING, SILENCE, write};
    use crate::duplex::Carrier as _;
    use crate::queue::Queue;

    /// A server that is asked again and again, and works on it in silence, must not be taken for
    /// dead: it is asked for a sign of life all the same.
    #[tokio::test(start_paused = true)]
    async fn a_busy_link_pings_too() {
        let (ours, theirs) = tokio::io::duplex(1 << 16);
        let ours = WebSocketStream::from_raw_socket(ours, Role::Client, None).await;
        let mut theirs = WebSocketStream::from_raw_socket(theirs, Role::Server, None).await;
        let queue = Queue::default();
        let (sink, _stream) = ours.split();
        let asking = async {
            let often = PING / 4;
            for _ in 0..SILENCE.as_secs() / often.as_secs() {
                queue.send(b"{}".to_vec(), false).unwrap();
                tokio::time::sleep(often).await;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
            queue.close();
        };
        let (mut pings, mut messages) = (0, 0);
        let hearing = async {
            while let Some(Ok(frame)) = theirs.next().await {
                match frame {
                    Message::Ping(_) => pings += 1,
                    Message::Text(_) => messages += 1,
                    _ => {}
                }
            }
        };
        let written = async { write(&queue, sink).await };
        let (written, (), ()) = tokio::join!(written, asking, hearing);
        assert_eq!(written, Ok(()));
        assert_eq!((pings, messages), (3, 12));
    }
}
