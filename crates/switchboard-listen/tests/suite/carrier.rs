//! One client's conversation over each of the carriers, so that a test is written once.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{SinkExt as _, StreamExt as _};
use switchboard_core::Principal;
use switchboard_listen::lines::{Limits, serve};
use tokio::io::{
    AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, DuplexStream, Lines, ReadHalf, WriteHalf,
    split,
};
use tokio::net::TcpStream;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::{Error, Message};

use crate::house::{Client, House, has, initialize};

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Carrier {
    Lines,
    Sse,
    WebSocket,
}

impl Carrier {
    pub(crate) const ALL: [Self; 3] = [Self::Lines, Self::Sse, Self::WebSocket];
    /// Those over which 2026-07-28 is spoken as well.
    pub(crate) const OF_BOTH_ERAS: [Self; 2] = [Self::Lines, Self::WebSocket];
}

impl fmt::Display for Carrier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self, f)
    }
}

/// One conversation.
pub(crate) enum Talk {
    Lines { lines: Lines<BufReader<ReadHalf<DuplexStream>>>, writer: WriteHalf<DuplexStream> },
    Sse { down: Box<Events>, up: Box<Client>, endpoint: String },
    WebSocket(Box<WebSocketStream<TcpStream>>),
}

/// Only a failing test waits for it.
const PATIENCE: Duration = Duration::from_secs(25);

impl Talk {
    /// A conversation in which nothing has been said yet.
    pub(crate) async fn begin(house: &House, carrier: Carrier) -> Self {
        match carrier {
            Carrier::Lines => Self::lines(house, Limits::default()),
            Carrier::Sse => {
                let mut down = Events::open(house, "GET /sse").await;
                let (name, endpoint) = down.next().await.expect("the endpoint comes first");
                assert_eq!(name, "endpoint");
                let up = Box::new(house.connect().await);
                Self::Sse { down: Box::new(down), up, endpoint }
            }
            Carrier::WebSocket => Self::WebSocket(Box::new(dial(house, &[]).await.unwrap())),
        }
    }

    pub(crate) fn lines(house: &House, limits: Limits) -> Self {
        let (ours, theirs) = tokio::io::duplex(1 << 20);
        let (reader, writer) = split(theirs);
        let front = Arc::clone(&house.front);
        let tasks = front.tasks.clone();
        tasks.spawn(serve(front, Principal::new("ann"), limits, reader, writer));
        let (reader, writer) = split(ours);
        Self::Lines { lines: BufReader::new(reader).lines(), writer }
    }

    /// A conversation in a session of `version`, of a client that cannot be asked anything.
    pub(crate) async fn legacy(house: &House, carrier: Carrier, version: &str) -> Self {
        Self::declaring(house, carrier, version, "").await
    }

    /// The same, of a client with these capabilities.
    pub(crate) async fn declaring(
        house: &House,
        carrier: Carrier,
        version: &str,
        capabilities: &str,
    ) -> Self {
        let mut talk = Self::begin(house, carrier).await;
        let capabilities = format!("\"capabilities\":{{{capabilities}}}");
        let opening = initialize(version).replace("\"capabilities\":{}", &capabilities);
        let answer = talk.ask(&opening).await;
        has(&answer, version);
        talk.say("{\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"}").await;
        talk
    }

    pub(crate) async fn say(&mut self, message: impl AsRef<[u8]>) {
        match self {
            Self::Lines { writer, .. } => {
                writer.write_all(&[message.as_ref(), b"\n"].concat()).await.unwrap();
            }
            Self::Sse { up, endpoint, .. } => {
                let (head, body) = up.ask(&format!("POST {endpoint}"), message).await;
                assert_eq!((head.status, &*body), (202, "Accepted"));
            }
            Self::WebSocket(socket) => {
                let text = std::str::from_utf8(message.as_ref()).unwrap();
                socket.send(Message::text(text)).await.unwrap();
            }
        }
    }

    /// The next message; empty where the listener ended the conversation.
    pub(crate) async fn hear(&mut self) -> String {
        let next = async {
            match self {
                Self::Lines { lines, .. } => lines.next_line().await.unwrap().unwrap_or_default(),
                Self::Sse { down, .. } => match down.next().await {
                    Some((name, data)) => {
                        assert_eq!(name, "message");
                        data
                    }
                    None => String::new(),
                },
                Self::WebSocket(socket) => loop {
                    match socket.next().await {
                        Some(Ok(Message::Text(text))) => break text.to_string(),
                        Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                        _ => break String::new(),
                    }
                },
            }
        };
        tokio::time::timeout(PATIENCE, next).await.expect("the listener says something")
    }

    pub(crate) async fn ask(&mut self, message: &str) -> String {
        self.say(message).await;
        self.hear().await
    }
}

/// Dials `/ws` with these headers; the key is `k1` where none is among them.
pub(crate) async fn dial(
    house: &House,
    headers: &[(&'static str, &str)],
) -> Result<WebSocketStream<TcpStream>, Error> {
    let mut request = format!("ws://{}/ws", house.address).into_client_request()?;
    let request_headers = request.headers_mut();
    request_headers.insert("x-api-key", "k1".parse().unwrap());
    for (name, value) in headers {
        request_headers.insert(*name, value.parse().unwrap());
    }
    let stream = TcpStream::connect(house.address).await.unwrap();
    Ok(tokio_tungstenite::client_async(request, stream).await?.0)
}

/// A stream of named events.
pub(crate) struct Events {
    pub client: Client,
    text: String,
    waiting: VecDeque<(String, String)>,
}

impl Events {
    pub(crate) async fn open(house: &House, request: &str) -> Self {
        let mut client = house.connect().await;
        let head = client.open(request, "").await;
        assert_eq!(head.status, 200, "{request}");
        assert_eq!(head.header("content-type"), Some("text/event-stream"));
        Self { client, text: String::new(), waiting: VecDeque::new() }
    }

    /// The name and the data of the next event; `None` at the end of the stream.
    pub(crate) async fn next(&mut self) -> Option<(String, String)> {
        loop {
            if let Some(event) = self.waiting.pop_front() {
                return Some(event);
            }
            self.text += &self.client.wire.piece().await?;
            while let Some(end) = self.text.find("\n\n") {
                let event: String = self.text.drain(..end + 2).collect();
                if event.starts_with(':') {
                    continue;
                }
                let (name, data) = event.trim_end().split_once("\ndata: ").unwrap();
                let name = name.strip_prefix("event: ").unwrap();
                self.waiting.push_back((name.to_owned(), data.to_owned()));
            }
        }
    }
}
