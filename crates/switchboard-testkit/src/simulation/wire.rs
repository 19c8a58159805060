//! Lines of JSON over a stream in memory.

use serde_json::Value;
use tokio::io::{AsyncRead, AsyncReadExt as _};

/// Lines that come in over `R`.
pub(super) struct Incoming<R> {
    from: R,
    kept: Vec<u8>,
}

impl<R: AsyncRead + Unpin> Incoming<R> {
    pub(super) fn new(from: R) -> Self {
        Self { from, kept: Vec::new() }
    }

    /// The next line; `None` when no more come. Dropping the future loses nothing.
    pub(super) async fn next(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.kept.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = self.kept.drain(..=end).collect();
                return Some(String::from_utf8_lossy(&line[..end]).into_owned());
            }
            match self.from.read_buf(&mut self.kept).await {
                Ok(0) | Err(_) => return None,
                Ok(_) => {}
            }
        }
    }
}

/// A message out of its members, as `"method":"ping"`.
pub(super) fn message(members: &str) -> String {
    format!("{{\"jsonrpc\":\"2.0\",{members}}}")
}

pub(super) fn answer(id: &str, member: &str, value: &Value) -> String {
    message(&format!("\"id\":{id},\"{member}\":{value}"))
}

pub(super) fn notification(method: &str, params: &Value) -> String {
    message(&format!("\"method\":\"{method}\",\"params\":{params}"))
}
