//! Clients that send a message a line: over the unix socket, and over standard input and output.

use std::sync::Arc;
use std::time::Duration;

use switchboard_core::Principal;
use switchboard_mcp::{Lines, RpcError, code};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use crate::bounds::Bounds;
use crate::conversation::{Conversation, Outgoing, Parting, QUEUE, Terms};
use crate::front::Front;
use crate::steady::Steady;

/// What one conversation may use.
#[derive(Clone)]
pub struct Limits {
    /// The longest line.
    pub line: usize,
    /// Requests under way at once; more are refused as busy.
    pub in_flight: usize,
    /// What it shares with other conversations, if it does.
    pub bounds: Option<Bounds>,
}

impl Default for Limits {
    fn default() -> Self {
        // The same as over HTTP, and more calls than one program makes at once.
        Self { line: 4 << 20, in_flight: 256, bounds: None }
    }
}

/// The longest message that is copied to be written together with others: more than nearly all have,
/// and little beside what a call to the system costs.
const GATHERED: usize = 64 << 10;

/// How long a client may take to read the last of what it is told.
const LAST_WORDS: Duration = Duration::from_secs(10);

/// Holds one conversation until the client closes it or the daemon drains.
pub async fn serve(
    front: Arc<Front>,
    principal: Principal,
    limits: Limits,
    reader: impl AsyncRead + Send + Unpin,
    writer: impl AsyncWrite + Send + Unpin + 'static,
) {
    let terms = Terms {
        listener: "lines",
        in_flight: limits.in_flight,
        shared: limits.bounds.clone(),
        pace: limits.bounds.as_ref().and_then(|bounds| bounds.pace(&principal)),
        stateless: true,
        batches: true,
        address: None,
    };
    let (conversation, outgoing) = Conversation::open(&front, principal, terms);
    let mut writing = front.tasks.spawn(write(outgoing, Steady::new(writer)));
    let talking = Arc::clone(&conversation);
    let reading = async {
        tokio::select! {
            parting = read(&talking, limits.line, reader) => parting,
            // The writer gave up.
            () = talking.unheard() => Parting::Gone,
        }
    };
    conversation.hold(reading).await;
    if tokio::time::timeout(LAST_WORDS, &mut writing).await.is_err() {
        // A client that does not read: nobody may wait for it, the drain least of all.
        writing.abort();
    }
}

async fn read(
    conversation: &Arc<Conversation>,
    limit: usize,
    mut reader: impl AsyncRead + Unpin,
) -> Parting {
    let mut lines = Lines::new(limit);
    loop {
        match reader.read_buf(lines.space()).await {
            Ok(0) => break,
            Ok(_) => {}
            Err(_) => return Parting::Gone,
        }
        while let Some(line) = lines.next_line() {
            match line {
                Ok(line) => conversation.take(line).await,
                Err(error) => {
                    let error = RpcError::new(code::INVALID_REQUEST, error.to_string());
                    conversation.refuse(&error).await;
                }
            }
        }
    }
    if let Some(rest) = lines.finish() {
        conversation.take(rest).await;
    }
    Parting::Silent
}

/// Writes messages as lines, as many at a time as there are.
async fn write(mut outgoing: Outgoing, mut writer: impl AsyncWrite + Unpin) {
    let mut messages = Vec::with_capacity(QUEUE);
    let mut batch = Vec::new();
    while outgoing.take(&mut messages).await > 0 {
        for mut message in messages.drain(..) {
            // Line ends in JSON stand between tokens only, where a space means the same.
            for byte in message.iter_mut().filter(|byte| matches!(byte, b'\n' | b'\r')) {
                *byte = b' ';
            }
            // What is large goes out from where it is, after what came before it.
            if GATHERED < message.len() {
                let before = std::mem::take(&mut batch);
                for part in [&*before, &*message, b"\n"] {
                    if writer.write_all(part).await.is_err() {
                        return;
                    }
                }
                continue;
            }
            batch.extend_from_slice(&message);
            batch.push(b'\n');
        }
        if writer.write_all(&batch).await.is_err() || writer.flush().await.is_err() {
            return;
        }
        batch.clear();
    }
    // Tells the client that no answer follows; it may be gone already.
    let _ = writer.shutdown().await;
}
