//! The text of a key: `sbk_` ID `_` SECRET.
//!
//! The id finds the row, so that one key is compared and not all; it is no secret. The beginning
//! tells people and scanners for leaked secrets what it is.

use std::fmt;

use subtle::ConstantTimeEq as _;

use crate::error::KeyError;
use crate::key::{Digest, Key};

/// How every key begins.
pub(crate) const PREFIX: &str = "sbk_";

/// Hexadecimal digits of an id: 64 random bits, of which no tenant makes two alike.
const ID: usize = 16;

/// Characters of a secret: 256 random bits in base64.
const SECRET: usize = 43;

/// Which key it is.
#[derive(Clone, Copy, Eq, Hash, PartialEq)]
pub(crate) struct Id([u8; ID]);

/// A key that a client presents.
pub(crate) struct Parsed {
    pub(crate) id: Id,
    pub(crate) digest: Digest,
}

impl Id {
    pub(crate) fn generate() -> Result<Self, KeyError> {
        let mut bytes = [0; ID / 2];
        getrandom::fill(&mut bytes).map_err(KeyError::Random)?;
        Ok(Self::parse(&hex(&bytes)).expect("so many hexadecimal digits"))
    }

    pub(crate) fn parse(text: &str) -> Option<Self> {
        let digit = |byte: &u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(byte);
        let bytes: [u8; ID] = text.as_bytes().try_into().ok()?;
        bytes.iter().all(digit).then_some(Self(bytes))
    }

    pub(crate) fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("hexadecimal digits")
    }
}

impl fmt::Debug for Id {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// Makes the text of a key, and what is kept of it.
pub(crate) fn make(id: Id) -> Result<(String, Digest), KeyError> {
    let secret = Key::generate()?;
    let text = format!("{PREFIX}{}_{}", id.as_str(), secret.expose());
    let digest = Digest::of(text.as_bytes());
    Ok((text, digest))
}

/// Reads what begins like a key of ours; `None` where it is none.
pub(crate) fn parse(text: &str) -> Option<Parsed> {
    let rest = text.strip_prefix(PREFIX)?;
    if rest.len() != ID + 1 + SECRET || !rest.is_ascii() {
        return None;
    }
    let (id, secret) = rest.split_at(ID);
    secret.strip_prefix('_')?;
    Some(Parsed { id: Id::parse(id)?, digest: Digest::of(text.as_bytes()) })
}

/// Whether `digest` is the one that was kept as `kept`, in a time that says nothing about it.
pub(crate) fn is_same(digest: &Digest, kept: &str) -> bool {
    digest.hex().as_bytes().ct_eq(kept.as_bytes()).into()
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::{Id, make, parse};

    #[test]
    fn a_key_that_was_made_is_read_and_nothing_else_is() {
        let id = Id::generate().unwrap();
        let (text, digest) = make(id).unwrap();
        let parsed = parse(&text).unwrap();
        assert_eq!(parsed.id, id);
        assert!(super::is_same(&parsed.digest, &digest.hex()));
        for wrong in [
            &text[..text.len() - 1],
            &text[1..],
            &format!("{text}x"),
            &text.replace('_', "-"),
            &text.to_uppercase(),
            "sbk_",
            "",
        ] {
            assert!(parse(wrong).is_none(), "{wrong}");
        }
    }
}
