//! Server-sent events, as far as MCP uses them (WHATWG HTML, section 9.2).

use bytes::{Buf as _, Bytes, BytesMut};

/// One event of a stream.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Event {
    /// `message` where the stream names none.
    pub name: Option<String>,
    pub data: Bytes,
    pub id: Option<String>,
    pub retry_ms: Option<u64>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub enum SseError {
    #[error("an event is longer than {limit} bytes")]
    TooLong { limit: usize },
}

/// Cuts a stream of bytes into events.
#[derive(Debug)]
pub struct SseDecoder {
    buffer: BytesMut,
    /// How far `buffer` is known to hold no line end, so that a long line is searched once.
    searched: usize,
    data: BytesMut,
    event: Event,
    has_data: bool,
    limit: usize,
}

impl SseDecoder {
    pub fn new(limit: usize) -> Self {
        Self {
            buffer: BytesMut::new(),
            searched: 0,
            data: BytesMut::new(),
            event: Event::default(),
            has_data: false,
            limit,
        }
    }

    pub fn feed(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next complete event. Events without data but with an id or a retry time are handed out
    /// too: they tell how to resume (2025-11-25, "Streamable HTTP", polling).
    ///
    /// # Errors
    ///
    /// [`SseError::TooLong`]; the stream can not be used further.
    pub fn next_event(&mut self) -> Result<Option<Event>, SseError> {
        while let Some(line) = self.take_line() {
            if line.is_empty() {
                if let Some(event) = self.dispatch() {
                    return Ok(Some(event));
                }
                continue;
            }
            self.field(&line);
            if self.data.len() > self.limit {
                return Err(SseError::TooLong { limit: self.limit });
            }
        }
        if self.buffer.len() > self.limit {
            return Err(SseError::TooLong { limit: self.limit });
        }
        Ok(None)
    }

    /// Lines end with LF, CRLF or a lone CR; a CR at the very end may be half of a CRLF.
    fn take_line(&mut self) -> Option<BytesMut> {
        let found = memchr::memchr2(b'\n', b'\r', &self.buffer[self.searched..]);
        let Some(at) = found.map(|at| at + self.searched) else {
            self.searched = self.buffer.len();
            return None;
        };
        self.searched = at;
        if self.buffer[at] == b'\n' {
            let line = self.buffer.split_to(at);
            self.buffer.advance(1);
            self.searched = 0;
            return Some(line);
        }
        let after = *self.buffer.get(at + 1)?;
        self.searched = 0;
        let line = self.buffer.split_to(at);
        self.buffer.advance(if after == b'\n' { 2 } else { 1 });
        Some(line)
    }

    fn field(&mut self, line: &[u8]) {
        let (name, value) = match memchr::memchr(b':', line) {
            Some(at) => (&line[..at], &line[at + 1..]),
            None => (line, &[][..]),
        };
        let value = value.strip_prefix(b" ").unwrap_or(value);
        let text = || String::from_utf8_lossy(value).into_owned();
        match name {
            b"data" => {
                if self.has_data {
                    self.data.extend_from_slice(b"\n");
                }
                self.has_data = true;
                self.data.extend_from_slice(value);
            }
            b"event" => self.event.name = Some(text()),
            b"id" if !value.contains(&0) => self.event.id = Some(text()),
            b"retry" => self.event.retry_ms = text().parse().ok(),
            _ => {}
        }
    }

    fn dispatch(&mut self) -> Option<Event> {
        let mut event = std::mem::take(&mut self.event);
        event.data = self.data.split().freeze();
        let worth =
            std::mem::take(&mut self.has_data) || event.id.is_some() || event.retry_ms.is_some();
        worth.then_some(event)
    }
}

/// Writes one event; `data` must hold no line end, which JSON we wrote or checked does not unless
/// it was pretty-printed: those become spaces, which JSON does not distinguish.
pub fn encode_event(out: &mut Vec<u8>, id: Option<&str>, data: &[u8]) {
    if let Some(id) = id {
        out.extend_from_slice(b"id: ");
        out.extend_from_slice(id.as_bytes());
        out.push(b'\n');
    }
    out.extend_from_slice(b"data: ");
    let start = out.len();
    out.extend_from_slice(data);
    for byte in &mut out[start..] {
        if matches!(byte, b'\n' | b'\r') {
            *byte = b' ';
        }
    }
    out.extend_from_slice(b"\n\n");
}

#[cfg(test)]
mod tests {
    use super::{SseDecoder, encode_event};

    /// Feeds the stream whole and byte by byte, and expects the same events.
    #[track_caller]
    fn check(stream: &str, expected: &str) {
        for step in [stream.len(), 1] {
            let mut decoder = SseDecoder::new(64);
            let mut events = Vec::new();
            'stream: for piece in stream.as_bytes().chunks(step) {
                decoder.feed(piece);
                loop {
                    match decoder.next_event() {
                        Ok(Some(event)) => events.push(format!(
                            "{}:{}{}{}",
                            event.name.as_deref().unwrap_or("message"),
                            String::from_utf8_lossy(&event.data).replace('\n', "/"),
                            event.id.map_or(String::new(), |id| format!("#{id}")),
                            event.retry_ms.map_or(String::new(), |ms| format!("~{ms}")),
                        )),
                        Ok(None) => break,
                        Err(error) => {
                            events.push(error.to_string());
                            break 'stream;
                        }
                    }
                }
            }
            assert_eq!(events.join(" "), expected, "in steps of {step}");
        }
    }

    #[test]
    fn events_are_cut_at_blank_lines() {
        check("data: {}\n\n", "message:{}");
        check("event: endpoint\r\ndata: /m\r\n\r\ndata:x\n\n", "endpoint:/m message:x");
        check(": ping\n\ndata: a\ndata: b\nid: 7\n\n", "message:a/b#7");
        check("id: 1\nretry: 500\ndata:\n\n", "message:#1~500");
        check("data: cut off", "");
    }

    #[test]
    fn an_endless_event_is_refused() {
        check(&format!("data: {}\n\n", "x".repeat(100)), "an event is longer than 64 bytes");
    }

    #[test]
    fn written_events_are_one_line() {
        let mut out = Vec::new();
        encode_event(&mut out, Some("3"), b"{\n  \"a\": 1\n}");
        assert_eq!(String::from_utf8(out).unwrap(), "id: 3\ndata: {   \"a\": 1 }\n\n");
    }
}
