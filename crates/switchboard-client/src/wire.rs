//! A socket on which lines go back and forth.

use std::path::Path;
use std::time::Duration;

use bytes::Bytes;
use switchboard_mcp::Lines;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::time::timeout;

use crate::error::ClientError;

/// How long connecting may take. A daemon that lives accepts at once; one whose queue is full for
/// this long is stuck.
const CONNECT_LIMIT: Duration = Duration::from_secs(2);

/// The longest line we take from a daemon. Far above its own limits: whoever is on the other end has
/// the same user, so this bounds a mistake and not an attack.
const LINE_LIMIT: usize = 64 * 1024 * 1024;

#[derive(Debug)]
pub(crate) struct Wire {
    stream: UnixStream,
    lines: Lines,
}

impl Wire {
    pub(crate) async fn connect(path: &Path) -> Result<Self, ClientError> {
        let stream = timeout(CONNECT_LIMIT, UnixStream::connect(path)).await;
        let stream = stream.map_err(|_| ClientError::Slow(CONNECT_LIMIT))?;
        let stream = stream.map_err(|cause| ClientError::connect(path, cause))?;
        Ok(Self { stream, lines: Lines::new(LINE_LIMIT) })
    }

    /// Sends one line; `text` has no line end.
    pub(crate) async fn send(&mut self, text: &[u8]) -> Result<(), ClientError> {
        let line = [text, b"\n"].concat();
        let sent = self.stream.write_all(&line).await;
        sent.map_err(|cause| ClientError::Broken { doing: "send to the daemon", cause })
    }

    /// The next line, or `None` when the daemon has closed the connection.
    ///
    /// # Cancel safety
    ///
    /// What was read is kept for the next call.
    pub(crate) async fn receive(&mut self) -> Result<Option<Bytes>, ClientError> {
        const DOING: &str = "read what the daemon says";
        loop {
            if let Some(line) = self.lines.next_line() {
                return line.map(Some).map_err(|error| ClientError::nonsense(DOING, error));
            }
            let read = self.stream.read_buf(self.lines.space()).await;
            match read {
                Ok(0) => return Ok(self.lines.finish()),
                Ok(_) => {}
                Err(cause) => return Err(ClientError::Broken { doing: DOING, cause }),
            }
        }
    }
}
