//! Values of headers: what we write is plain ASCII and reads back; what others write is read or
//! refused.

use switchboard_mcp::{decode_header, encode_header};

pub(crate) fn check(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    let header = encode_header(text);
    assert!(header.bytes().all(|byte| matches!(byte, b'\t' | b' '..=b'~')), "{header}");
    assert_eq!(decode_header(&header).as_deref(), Some(text), "by way of `{header}`");
    if let Some(value) = decode_header(text) {
        let again = encode_header(&value);
        assert_eq!(decode_header(&again).as_deref(), Some(&*value), "by way of `{again}`");
    }
}
