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
    /// The line before ended with CR, to which an LF that follows belongs.
    after_return: bool,
    /// The first line has been taken.
    begun: bool,
    data: BytesMut,
    event: Event,
    has_data: bool,
    limit: usize,
}

/// What a line of data may have before it.
const DATA_FIELD: &[u8] = b"data: ";

const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

impl SseDecoder {
    pub fn new(limit: usize) -> Self {
        Self {
            buffer: BytesMut::new(),
            searched: 0,
            after_return: false,
            begun: false,
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
        while let Some(line) = self.take_line()? {
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
        Ok(None)
    }

    /// Lines end with LF, CRLF or a lone CR. One that ends with CR is taken at once: what would tell
    /// whether an LF follows may be an answer to what it says.
    ///
    /// Every line has the limit, whatever its field and however it arrives, so that the same stream
    /// is refused or not wherever it was cut.
    fn take_line(&mut self) -> Result<Option<BytesMut>, SseError> {
        if self.after_return && !self.buffer.is_empty() {
            self.after_return = false;
            if self.buffer[0] == b'\n' {
                self.buffer.advance(1);
            }
        }
        let found = memchr::memchr2(b'\n', b'\r', &self.buffer[self.searched..]);
        self.searched = found.map_or(self.buffer.len(), |at| at + self.searched);
        if self.searched > self.limit + DATA_FIELD.len() {
            return Err(SseError::TooLong { limit: self.limit });
        }
        if found.is_none() {
            return Ok(None);
        }
        let mut line = self.buffer.split_to(std::mem::take(&mut self.searched));
        self.after_return = self.buffer[0] == b'\r';
        self.buffer.advance(1);
        if !std::mem::replace(&mut self.begun, true) && line.starts_with(BYTE_ORDER_MARK) {
            line.advance(BYTE_ORDER_MARK.len());
        }
        Ok(Some(line))
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
            b"retry" if value.iter().all(u8::is_ascii_digit) => {
                self.event.retry_ms = text().parse().ok().or(self.event.retry_ms);
            }
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
    encode_event_with(out, id, |out| out.extend_from_slice(data));
}

/// The same for data that `write` appends, so that it is written where it goes out and nowhere else.
pub fn encode_event_with(out: &mut Vec<u8>, id: Option<&str>, write: impl FnOnce(&mut Vec<u8>)) {
    if let Some(id) = id {
        out.extend_from_slice(b"id: ");
        out.extend_from_slice(id.as_bytes());
        out.push(b'\n');
    }
    out.extend_from_slice(DATA_FIELD);
    let start = out.len();
    write(out);
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
    fn an_event_ends_with_its_last_carriage_return() {
        check("data: a\r\r", "message:a");
        check("data: a\r\n\r\ndata: b\r\rdata: c\n\n", "message:a message:b message:c");
    }

    #[test]
    fn a_byte_order_mark_is_no_part_of_the_first_field() {
        check("\u{feff}data: a\n\n\u{feff}data: b\n\n", "message:a");
    }

    #[test]
    fn a_retry_time_is_digits() {
        check("retry: 7\nretry: +5\nretry: soon\n\nretry: +5\n\n", "message:~7");
    }

    #[test]
    fn an_endless_event_is_refused() {
        check(&format!("data: {}\n\n", "x".repeat(100)), "an event is longer than 64 bytes");
        check(&format!(": {}\n\n", "x".repeat(100)), "an event is longer than 64 bytes");
        let most = "x".repeat(64);
        check(&format!("data: {most}\r\n\r\n"), &format!("message:{most}"));
    }

    #[test]
    fn written_events_are_one_line() {
        let mut out = Vec::new();
        encode_event(&mut out, Some("3"), b"{\n  \"a\": 1\n}");
        assert_eq!(String::from_utf8(out).unwrap(), "id: 3\ndata: {   \"a\": 1 }\n\n");
    }
}
