//! The transports on which both sides may speak at any time: standard streams and WebSocket.

use std::sync::Arc;

use futures_util::{SinkExt as _, StreamExt as _};
use switchboard_mcp::Lines;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::UnixListener;
use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Message;

use super::Inner;
use super::session::Session;
use crate::relay;

/// More than a conversation ever has under way.
const QUEUE: usize = 256;

/// A connection of a relay for each child process.
pub(crate) async fn serve_children(server: Arc<Inner>, listener: UnixListener) {
    let mut children = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let server = Arc::clone(&server);
        children.spawn(async move {
            server.journal.note("start");
            let (mut reader, mut writer) = stream.into_split();
            let (out, mut queue) = mpsc::channel::<String>(QUEUE);
            let session = Session::new(server, out.clone());
            let mut writing = JoinSet::new();
            writing.spawn(async move {
                while let Some(mut text) = queue.recv().await {
                    text.push('\n');
                    if writer.write_all(&relay::output(text.as_bytes())).await.is_err() {
                        return;
                    }
                }
            });
            let mut lines = Lines::new(1 << 26);
            while matches!(reader.read_buf(lines.space()).await, Ok(count) if count > 0) {
                while let Some(Ok(line)) = lines.next_line() {
                    session.take(&line, &out);
                }
            }
            session.end();
            session.server.journal.note("end");
        });
    }
}

pub(crate) async fn converse<S>(server: Arc<Inner>, socket: WebSocketStream<S>)
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let (out, mut queue) = mpsc::channel::<String>(QUEUE);
    let session = Session::new(server, out.clone());
    let (mut sink, mut stream) = socket.split();
    loop {
        tokio::select! {
            Some(text) = queue.recv() => {
                if sink.send(Message::text(text)).await.is_err() {
                    break;
                }
            }
            heard = stream.next() => match heard {
                Some(Ok(Message::Text(text))) => session.take(text.as_bytes(), &out),
                Some(Ok(_)) => {}
                Some(Err(_)) | None => break,
            },
        }
    }
    session.end();
}
