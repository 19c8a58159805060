//! Requests of a client that knows nothing of AWS.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

/// Only a bug reaches it.
const PATIENCE: Duration = Duration::from_secs(60);

/// Sends one request as any HTTP client would; its status.
pub(crate) fn send(method: &str, url: &str, body: &[u8]) -> u16 {
    let rest = url.strip_prefix("http://").unwrap();
    let (host, target) = rest.split_once('/').unwrap();
    let mut stream = TcpStream::connect(host).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let length = body.len();
    write!(
        stream,
        "{method} /{target} HTTP/1.1\r\nHost: {host}\r\nContent-Length: {length}\r\n\
         Connection: close\r\n\r\n"
    )
    .unwrap();
    stream.write_all(body).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let answer = String::from_utf8_lossy(&answer);
    answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap()
}
