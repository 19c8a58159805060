//! Comments and trailing commas, blanked out so that every other byte keeps its offset.

/// The text with spaces in place of comments; line ends stay.
pub(crate) fn without_comments(text: &str) -> String {
    let mut bytes = text.as_bytes().to_vec();
    let mut at = 0;
    while at < bytes.len() {
        at = match (bytes[at], bytes.get(at + 1)) {
            (b'"', _) => string_end(&bytes, at),
            (b'/', Some(b'/')) => blank(&mut bytes, at, "\n"),
            (b'/', Some(b'*')) => blank(&mut bytes, at, "*/"),
            _ => at + 1,
        };
    }
    String::from_utf8(bytes)
        .expect("comments end at ASCII bytes, so only whole characters were replaced")
}

/// The text, which has no comments, with spaces in place of commas that end an object or a list.
pub(super) fn without_trailing_commas(text: &str) -> String {
    let mut bytes = text.as_bytes().to_vec();
    let mut comma = None;
    let mut at = 0;
    while at < bytes.len() {
        match bytes[at] {
            b'"' => {
                comma = None;
                at = string_end(&bytes, at);
                continue;
            }
            b',' => comma = Some(at),
            b'}' | b']' => {
                if let Some(comma) = comma.take() {
                    bytes[comma] = b' ';
                }
            }
            byte if byte.is_ascii_whitespace() => {}
            _ => comma = None,
        }
        at += 1;
    }
    String::from_utf8(bytes).expect("a comma is a whole character")
}

/// The offset after the string that starts at `at`, or the end of a text that never closes it.
pub(super) fn string_end(bytes: &[u8], at: usize) -> usize {
    let mut at = at + 1;
    while at < bytes.len() {
        match bytes[at] {
            b'"' => return at + 1,
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
    bytes.len()
}

/// Blanks from `start` to the end of the comment; a line comment leaves its line end. One that never
/// ends is none and stays, for the parser to refuse: what was written behind it would be lost in it.
fn blank(bytes: &mut [u8], start: usize, end_mark: &str) -> usize {
    let body = start + 2;
    let found =
        bytes[body..].windows(end_mark.len()).position(|window| window == end_mark.as_bytes());
    let end = match found {
        Some(length) if end_mark == "\n" => body + length,
        Some(length) => body + length + end_mark.len(),
        None if end_mark == "\n" => bytes.len(),
        None => return bytes.len(),
    };
    for byte in &mut bytes[start..end] {
        if !matches!(*byte, b'\n' | b'\r') {
            *byte = b' ';
        }
    }
    end
}
