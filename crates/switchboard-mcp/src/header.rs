//! Values of `Mcp-Name` and `Mcp-Param-*` (2026-07-28, "Streamable HTTP", value encoding).

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

const START: &str = "=?base64?";
const END: &str = "?=";

/// Writes a value so that a header can carry it: plain where it can be, else marked base64.
pub fn encode_header(value: &str) -> Cow<'_, str> {
    let plain = value.bytes().all(|byte| matches!(byte, b'\t' | b' '..=b'~'))
        && value.trim() == value
        && !value.starts_with(START);
    if plain {
        return Cow::Borrowed(value);
    }
    Cow::Owned(format!("{START}{}{END}", STANDARD.encode(value)))
}

/// Reads a value; `None` where it is marked as base64 and is not.
pub fn decode_header(value: &str) -> Option<Cow<'_, str>> {
    let value = value.trim_matches([' ', '\t']);
    let Some(marked) = value.strip_prefix(START).and_then(|rest| rest.strip_suffix(END)) else {
        return Some(Cow::Borrowed(value));
    };
    let bytes = STANDARD.decode(marked).ok()?;
    String::from_utf8(bytes).ok().map(Cow::Owned)
}

#[cfg(test)]
mod tests {
    use super::{decode_header, encode_header};

    #[test]
    fn values_survive_the_header() {
        for value in ["search", "a b", " a", "a ", "größe", "a\nb", "", "=?base64?YQ==?="] {
            let header = encode_header(value);
            assert!(header.bytes().all(|byte| (b' '..=b'~').contains(&byte)), "{header}");
            assert_eq!(decode_header(&header).as_deref(), Some(value), "by way of `{header}`");
        }
        assert_eq!(decode_header("=?base64?***?="), None);
        assert_eq!(decode_header("=?base64?/w==?="), None);
    }
}
