//! HTTP as a test wrote it: nothing is added, checked or put right on the way out.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// Longer than anything takes on a busy machine, and than any keep-alive; only a failing test waits
/// for it.
const PATIENCE: Duration = Duration::from_secs(25);

/// One connection to a server.
pub struct Wire {
    stream: TcpStream,
    /// Read and not yet handed out.
    buffer: Vec<u8>,
    chunked: bool,
    left: usize,
}

/// The head of a response.
#[derive(Debug)]
pub struct Head {
    pub status: u16,
    headers: String,
}

impl Head {
    /// A header by its name in lower case.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.lines().find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then_some(value.trim())
        })
    }
}

impl Wire {
    pub async fn connect(address: SocketAddr) -> Self {
        let stream = TcpStream::connect(address).await.unwrap();
        Self { stream, buffer: Vec::new(), chunked: false, left: 0 }
    }

    pub async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        // A server that refuses early may close before it has read all.
        let _ = self.stream.write_all(bytes.as_ref()).await;
    }

    /// Reads more; false at the end of the connection.
    async fn fill(&mut self) -> bool {
        let read = tokio::time::timeout(PATIENCE, self.stream.read_buf(&mut self.buffer)).await;
        matches!(read.expect("the server says something, or ends"), Ok(count) if count > 0)
    }

    /// The head of the next response, or `None` where the connection ended instead.
    pub async fn head(&mut self) -> Option<Head> {
        loop {
            if let Some(at) = self.buffer.windows(4).position(|four| four == b"\r\n\r\n") {
                let text = String::from_utf8(self.buffer.drain(..at + 4).collect()).unwrap();
                let (line, headers) = text.split_once("\r\n").unwrap();
                let status = line.split(' ').nth(1).unwrap().parse().unwrap();
                let head = Head { status, headers: headers.to_owned() };
                self.chunked = head.header("transfer-encoding").is_some();
                self.left = head.header("content-length").map_or(0, |it| it.parse().unwrap());
                return Some(head);
            }
            if !self.fill().await {
                return None;
            }
        }
    }

    /// The next piece of a chunked body; `None` at its end, or where the connection ended.
    pub async fn piece(&mut self) -> Option<String> {
        loop {
            if let Some(at) = self.buffer.windows(2).position(|two| two == b"\r\n") {
                let size = std::str::from_utf8(&self.buffer[..at]).unwrap();
                let size = usize::from_str_radix(size, 16).unwrap();
                if self.buffer.len() >= at + 2 + size + 2 {
                    let piece = self.buffer[at + 2..at + 2 + size].to_vec();
                    self.buffer.drain(..at + 2 + size + 2);
                    return (size > 0).then(|| String::from_utf8(piece).unwrap());
                }
            }
            if !self.fill().await {
                return None;
            }
        }
    }

    /// The rest of the body.
    pub async fn body(&mut self) -> String {
        let mut body = String::new();
        if self.chunked {
            while let Some(piece) = self.piece().await {
                body.push_str(&piece);
            }
            return body;
        }
        while self.buffer.len() < self.left && self.fill().await {}
        let end = self.left.min(self.buffer.len());
        String::from_utf8(self.buffer.drain(..end).collect()).unwrap()
    }

    /// Whether the server closes the connection without another word.
    pub async fn is_cut(&mut self) -> bool {
        !self.fill().await
    }
}
