//! The key in a query: found for the check, hidden for the log.

use std::borrow::Cow;

const NAME: &str = "api_key";

/// The decoded values of `api_key`, in order.
pub(crate) fn api_keys(query: &str) -> impl Iterator<Item = Cow<'_, [u8]>> {
    query.split('&').filter_map(|pair| {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        (*percent_decode(name) == *NAME.as_bytes()).then(|| percent_decode(value))
    })
}

/// Replaces the value of every `api_key` by `…`, for logs. Takes a query or a whole request target.
///
/// Hides more than is accepted: `API-Key=` or `;api_key=` do not let anybody in, but what
/// follows is probably a key all the same.
pub fn redact_query(text: &str) -> Cow<'_, str> {
    let mut redacted = String::new();
    let mut copied = 0;
    let mut start = 0;
    for piece in text.split_inclusive(['?', '&', ';', '#']) {
        let pair = piece.trim_end_matches(['?', '&', ';', '#']);
        if let Some((name, value)) = pair.split_once('=')
            && names_a_key(name)
            && !value.is_empty()
        {
            let value_start = start + name.len() + 1;
            redacted.push_str(&text[copied..value_start]);
            redacted.push('…');
            copied = value_start + value.len();
        }
        start += piece.len();
    }
    if copied == 0 {
        return Cow::Borrowed(text);
    }
    redacted.push_str(&text[copied..]);
    Cow::Owned(redacted)
}

fn names_a_key(name: &str) -> bool {
    let decoded = percent_decode(name);
    let letters = decoded.iter().filter(|byte| !b"_-.".contains(byte));
    letters.map(u8::to_ascii_lowercase).eq(*b"apikey")
}

/// Decodes `%XX` and keeps everything else as it is.
///
/// A broken escape stays as it stands (URL Standard, section 1.3). `+` stays too, though forms use it
/// for a space: a key may contain `+` and never a space, so a client that did not escape it is right.
fn percent_decode(text: &str) -> Cow<'_, [u8]> {
    let bytes = text.as_bytes();
    if !bytes.contains(&b'%') {
        return Cow::Borrowed(bytes);
    }
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some((&first, after)) = rest.split_first() {
        match (first, after) {
            (b'%', [high, low, after @ ..]) if let Some(byte) = hex_pair(*high, *low) => {
                decoded.push(byte);
                rest = after;
            }
            _ => {
                decoded.push(first);
                rest = after;
            }
        }
    }
    Cow::Owned(decoded)
}

fn hex_pair(high: u8, low: u8) -> Option<u8> {
    let digit = |byte: u8| char::from(byte).to_digit(16);
    u8::try_from(digit(high)? * 16 + digit(low)?).ok()
}

#[cfg(test)]
mod tests;
