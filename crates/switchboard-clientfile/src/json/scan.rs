//! Where things are in a JSON text: enough of a parser to know which bytes to replace.
//!
//! The text has no comments (they are blanked first) and was already accepted by `serde_json`, apart
//! from trailing commas, so nothing here reports errors: what does not fit is simply not found.

use std::ops::Range;

use super::comments::string_end;

/// An object, by the offsets of its parts.
pub(super) struct Object {
    pub(super) open: usize,
    pub(super) close: usize,
    pub(super) members: Vec<Member>,
}

pub(super) struct Member {
    pub(super) key: String,
    pub(super) key_start: usize,
    pub(super) value: Range<usize>,
    /// The comma after the value.
    pub(super) comma: Option<usize>,
}

impl Object {
    /// The object that starts at `open`.
    pub(super) fn at(text: &str, open: usize) -> Option<Self> {
        let bytes = text.as_bytes();
        if bytes.get(open) != Some(&b'{') {
            return None;
        }
        let mut members = Vec::new();
        let mut at = skip_space(bytes, open + 1);
        while *bytes.get(at)? != b'}' {
            let key_end = string_end(bytes, at);
            let key = serde_json::from_str(&text[at..key_end]).ok()?;
            let colon = skip_space(bytes, key_end);
            let start = skip_space(bytes, colon + 1);
            let end = value_end(bytes, start)?;
            let after = skip_space(bytes, end);
            let comma = (bytes.get(after) == Some(&b',')).then_some(after);
            members.push(Member { key, key_start: at, value: start..end, comma });
            at = skip_space(bytes, comma.map_or(after, |comma| comma + 1));
        }
        Some(Self { open, close: at, members })
    }

    /// The object a whole text consists of.
    pub(super) fn root(text: &str) -> Option<Self> {
        Self::at(text, start(text))
    }

    /// The member of that name; of several the last, as every JSON reader takes it.
    pub(super) fn position(&self, key: &str) -> Option<usize> {
        self.members.iter().rposition(|member| member.key == key)
    }
}

/// The offset of the value at `path`, or of the last one on the way to it.
pub(super) fn nearest(text: &str, path: &[String]) -> usize {
    let mut offset = start(text);
    for key in path {
        let Some(object) = Object::at(text, offset) else { break };
        let Some(index) = object.position(key) else { break };
        offset = object.members[index].value.start;
    }
    offset.min(text.len())
}

/// The offset of the value a text consists of, after a byte order mark.
fn start(text: &str) -> usize {
    let mark = if text.starts_with('\u{feff}') { '\u{feff}'.len_utf8() } else { 0 };
    skip_space(text.as_bytes(), mark)
}

fn skip_space(bytes: &[u8], at: usize) -> usize {
    let rest = bytes.get(at..).unwrap_or_default();
    at + rest.iter().take_while(|byte| byte.is_ascii_whitespace()).count()
}

fn value_end(bytes: &[u8], start: usize) -> Option<usize> {
    match bytes.get(start)? {
        b'"' => Some(string_end(bytes, start)),
        b'{' | b'[' => closing(bytes, start),
        _ => {
            let ends = |byte: &u8| matches!(byte, b',' | b'}' | b']') || byte.is_ascii_whitespace();
            let length = bytes[start..].iter().position(ends);
            Some(length.map_or(bytes.len(), |length| start + length))
        }
    }
}

/// The offset after the bracket that closes the one at `start`.
fn closing(bytes: &[u8], start: usize) -> Option<usize> {
    let mut depth = 0_usize;
    let mut at = start;
    while at < bytes.len() {
        match bytes[at] {
            b'"' => {
                at = string_end(bytes, at);
                continue;
            }
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth -= 1,
            _ => {}
        }
        at += 1;
        if depth == 0 {
            return Some(at);
        }
    }
    None
}
