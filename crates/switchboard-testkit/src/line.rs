//! The fake over standard input and output: a connection for each child process.

use std::collections::HashMap;
use std::sync::Arc;

use bytes::Bytes;
use switchboard_mcp::Lines;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::unix::OwnedWriteHalf;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinSet};

use crate::behaviour::{Behaviour, Opening, Speaks};
use crate::fake::{Inner, Message, Say};
use crate::relay;

pub(crate) async fn serve(inner: Arc<Inner>, listener: UnixListener) {
    let mut children = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        inner.journal.note("start");
        children.spawn(child(Arc::clone(&inner), stream));
    }
}

/// The server in one child process, until that ends.
async fn child(inner: Arc<Inner>, stream: UnixStream) {
    let (mut reader, writer) = stream.into_split();
    let (say, queue) = mpsc::channel(64);
    let mut tasks = JoinSet::new();
    tasks.spawn(write(queue, writer));
    match inner.behaviour().opening {
        Opening::DiesAtOnce => {
            let _ = say.send(Say::Exit(5)).await;
            std::future::pending::<()>().await;
        }
        Opening::Slow(time) => tokio::time::sleep(time).await,
        _ => {}
    }
    tasks.spawn(announce(Arc::clone(&inner), say.clone()));
    let mut open = HashMap::new();
    let mut lines = Lines::new(1 << 30);
    while matches!(reader.read_buf(lines.space()).await, Ok(count) if count > 0) {
        while let Some(Ok(line)) = lines.next_line() {
            take(&inner, &say, &mut tasks, &mut open, &line);
        }
    }
    inner.journal.note("end");
}

/// Requests run side by side; a cancelled one ends.
fn take(
    inner: &Arc<Inner>,
    say: &mpsc::Sender<Say>,
    tasks: &mut JoinSet<()>,
    open: &mut HashMap<String, AbortHandle>,
    line: &Bytes,
) {
    let message = serde_json::from_slice::<Message<'_>>(line).ok();
    let cancelled = message.as_ref().and_then(cancelled_id);
    if let Some(task) = cancelled.and_then(|id| open.remove(&id)) {
        task.abort();
    }
    let id = message.and_then(|message| Some(message.id?.get().to_owned()));
    let task = tasks.spawn(Arc::clone(inner).handle(line.clone(), say.clone()));
    if let Some(id) = id {
        open.insert(id, task);
    }
}

/// The request that a message gives up.
pub(crate) fn cancelled_id(message: &Message<'_>) -> Option<String> {
    if message.method.as_deref() != Some("notifications/cancelled") {
        return None;
    }
    let params: serde_json::Value = serde_json::from_str(message.params?.get()).ok()?;
    Some(params["requestId"].to_string())
}

/// A legacy server says unasked what changed.
async fn announce(inner: Arc<Inner>, say: mpsc::Sender<Say>) {
    let mut announcements = inner.announcements.subscribe();
    while let Ok(method) = announcements.recv().await {
        let Behaviour { speaks: Speaks::Legacy(_), .. } = inner.behaviour() else { continue };
        let line = format!("{{\"jsonrpc\":\"2.0\",\"method\":\"{method}\"}}");
        if say.send(Say::Line(line.into_bytes())).await.is_err() {
            return;
        }
    }
}

async fn write(mut queue: mpsc::Receiver<Say>, mut writer: OwnedWriteHalf) {
    while let Some(next) = queue.recv().await {
        let (kind, body) = match next {
            Say::Line(mut line) => {
                line.push(b'\n');
                (relay::OUTPUT, line)
            }
            Say::Stderr(text) => (relay::ERROR, text),
            Say::CloseOutput => (relay::CLOSE_OUTPUT, Vec::new()),
            Say::Exit(code) => (relay::EXIT, vec![code]),
        };
        if writer.write_all(&relay::frame(kind, &body)).await.is_err() {
            return;
        }
    }
}
