//! Standard streams, unix sockets and WebSocket.

use std::path::Path;
use std::process::Stdio;

use futures_util::{SinkExt as _, StreamExt as _};
use switchboard_mcp::Lines;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpStream, UnixStream};
use tokio::process::{Child, Command};
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;

use super::link::{Heard, QUEUE};
use super::trouble::Trouble;

pub(super) struct Duplex {
    out: mpsc::Sender<String>,
    _tasks: JoinSet<()>,
    _child: Option<Child>,
}

impl Duplex {
    pub(super) async fn send(&mut self, text: String) {
        // Where the connection has ended, the inbox says so.
        let _ = self.out.send(text).await;
    }

    fn lines(
        reader: impl AsyncRead + Send + Unpin + 'static,
        writer: impl AsyncWrite + Send + Unpin + 'static,
        heard: mpsc::Sender<Heard>,
    ) -> Self {
        let (out, queue) = mpsc::channel(QUEUE);
        let mut tasks = JoinSet::new();
        tasks.spawn(write(queue, writer));
        tasks.spawn(read(reader, heard));
        Self { out, _tasks: tasks, _child: None }
    }
}

fn ended(what: impl std::fmt::Display) -> Trouble {
    Trouble::Ended(what.to_string())
}

pub(super) fn child(
    command: &str,
    args: &[String],
    env: &[(String, String)],
    heard: mpsc::Sender<Heard>,
) -> Result<Duplex, Trouble> {
    let mut command = Command::new(command);
    command.args(args).env_clear().envs(env.iter().cloned()).kill_on_drop(true);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
    let mut child = command.spawn().map_err(ended)?;
    let (reader, writer) = (child.stdout.take().unwrap(), child.stdin.take().unwrap());
    Ok(Duplex { _child: Some(child), ..Duplex::lines(reader, writer, heard) })
}

pub(super) async fn socket(path: &Path, heard: mpsc::Sender<Heard>) -> Result<Duplex, Trouble> {
    let (reader, writer) = UnixStream::connect(path).await.map_err(ended)?.into_split();
    Ok(Duplex::lines(reader, writer, heard))
}

async fn write(mut queue: mpsc::Receiver<String>, mut writer: impl AsyncWrite + Unpin) {
    while let Some(mut text) = queue.recv().await {
        text.push('\n');
        if writer.write_all(text.as_bytes()).await.is_err() || writer.flush().await.is_err() {
            return;
        }
    }
}

async fn read(mut reader: impl AsyncRead + Unpin, heard: mpsc::Sender<Heard>) {
    let mut lines = Lines::new(1 << 26);
    while matches!(reader.read_buf(lines.space()).await, Ok(count) if count > 0) {
        while let Some(Ok(line)) = lines.next_line() {
            let text = String::from_utf8_lossy(&line).into_owned();
            if heard.send(Heard::Message(text)).await.is_err() {
                return;
            }
        }
    }
}

pub(super) async fn websocket(
    url: &str,
    key: Option<&str>,
    heard: mpsc::Sender<Heard>,
) -> Result<Duplex, Trouble> {
    let mut request = url.into_client_request().map_err(ended)?;
    let headers = request.headers_mut();
    headers.insert("sec-websocket-protocol", "mcp".parse().unwrap());
    if let Some(key) = key {
        headers.insert("authorization", format!("Bearer {key}").parse().unwrap());
    }
    let host = request.uri().authority().unwrap().as_str().to_owned();
    let stream = TcpStream::connect(host).await.map_err(ended)?;
    stream.set_nodelay(true).map_err(ended)?;
    let opened = tokio_tungstenite::client_async(request, stream).await;
    let (socket, response) = opened.map_err(ended)?;
    if response.headers().get("sec-websocket-protocol").is_none_or(|it| it != "mcp") {
        return Err(Trouble::Wrong("the sub-protocol `mcp` was not agreed".to_owned()));
    }
    let (mut sink, mut stream) = socket.split();
    let (out, mut queue) = mpsc::channel::<String>(QUEUE);
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        while let Some(text) = queue.recv().await {
            if sink.send(Message::text(text)).await.is_err() {
                return;
            }
        }
    });
    tasks.spawn(async move {
        while let Some(Ok(message)) = stream.next().await {
            let Message::Text(text) = message else { continue };
            if heard.send(Heard::Message(text.to_string())).await.is_err() {
                return;
            }
        }
    });
    Ok(Duplex { out, _tasks: tasks, _child: None })
}
