//! Events out of a stream: however the stream was cut, they are those that WHATWG HTML (9.2.6,
//! "Interpreting an event stream") makes of the whole, and nothing longer than the limit is kept.

use switchboard_mcp::{Event, SseDecoder, encode_event};

use crate::choices::{Choices, pieces};

/// What came out, and whether it ended with the refusal of something too long.
type Outcome = (Vec<Event>, bool);

pub(crate) fn check(input: &[u8]) {
    let mut choices = Choices::new(input);
    let (limit, seed) = (choices.below(96), choices.byte());
    let stream = choices.rest();
    let expected = expected(stream, limit);
    assert_eq!(read(&[stream], limit), expected, "in one piece");
    assert_eq!(read(&pieces(stream, seed), limit), expected, "in pieces");
    assert_eq!(read(&stream.chunks(1).collect::<Vec<_>>(), limit), expected, "byte by byte");
    reads_back(stream, seed);
}

fn read(pieces: &[&[u8]], limit: usize) -> Outcome {
    let mut decoder = SseDecoder::new(limit);
    let mut events = Vec::new();
    for piece in pieces {
        decoder.feed(piece);
        loop {
            match decoder.next_event() {
                Ok(Some(event)) => events.push(event),
                Ok(None) => break,
                Err(_) => return (events, true),
            }
        }
    }
    (events, false)
}

/// The same in the simplest words, with the whole stream at hand.
fn expected(stream: &[u8], limit: usize) -> Outcome {
    let (mut events, mut event) = (Vec::new(), Event::default());
    let mut data: Option<Vec<u8>> = None;
    let mut lines = lines(stream);
    let unfinished = lines.pop().unwrap_or_default();
    for (at, line) in lines.into_iter().enumerate() {
        if line.len() > limit + "data: ".len() {
            return (events, true);
        }
        // One byte order mark at the start of a stream is no part of it.
        let line = if at == 0 { line.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(line) } else { line };
        if line.is_empty() {
            let mut done = std::mem::take(&mut event);
            let is_message = data.is_some();
            done.data = data.take().unwrap_or_default().into();
            if is_message || done.id.is_some() || done.retry_ms.is_some() {
                events.push(done);
            }
            continue;
        }
        let colon = line.iter().position(|byte| *byte == b':').unwrap_or(line.len());
        let value = line.get(colon + 1..).unwrap_or_default();
        let value = value.strip_prefix(b" ").unwrap_or(value);
        let text = String::from_utf8_lossy(value).into_owned();
        match &line[..colon] {
            b"data" => {
                data = Some(data.map_or(value.to_vec(), |data| [&data, value].join(&b'\n')));
            }
            b"event" => event.name = Some(text),
            b"id" if !value.contains(&0) => event.id = Some(text),
            b"retry" if value.iter().all(u8::is_ascii_digit) => {
                event.retry_ms = text.parse().ok().or(event.retry_ms);
            }
            _ => {}
        }
        if data.as_ref().is_some_and(|data| data.len() > limit) {
            return (events, true);
        }
    }
    (events, unfinished.len() > limit + "data: ".len())
}

/// The lines of a stream, the last of which has no end.
fn lines(stream: &[u8]) -> Vec<&[u8]> {
    let mut lines = Vec::new();
    let mut rest = stream;
    while let Some(at) = rest.iter().position(|byte| matches!(byte, b'\n' | b'\r')) {
        lines.push(&rest[..at]);
        let end = if rest[at..].starts_with(b"\r\n") { 2 } else { 1 };
        rest = &rest[at + end..];
    }
    lines.push(rest);
    lines
}

/// What we write is one event with the same data; line ends in it become spaces.
fn reads_back(data: &[u8], seed: u8) {
    let id = (seed % 2 == 1).then(|| seed.to_string());
    let mut written = Vec::new();
    encode_event(&mut written, id.as_deref(), data);
    let plain = |byte: &u8| if matches!(byte, b'\n' | b'\r') { b' ' } else { *byte };
    let data: Vec<u8> = data.iter().map(plain).collect();
    let event = Event { data: data.into(), id, ..Event::default() };
    assert_eq!(read(&[&written], written.len()), (vec![event], false), "written and read");
}
