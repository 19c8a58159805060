//! What a version is called: the SHA-256 of its content.

use std::fmt;

use sha2::{Digest as _, Sha256};

/// A SHA-256, which names a version.
#[derive(Clone, Copy, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Digest([u8; 32]);

impl Digest {
    pub fn of(content: &[u8]) -> Self {
        Self(Sha256::digest(content).into())
    }

    /// Of files with names: the same for the same content, however it was put together.
    pub(crate) fn of_files<'a>(files: impl Iterator<Item = (&'a str, &'a [u8])>) -> Self {
        let mut hash = Sha256::new();
        for (name, content) in files {
            // Lengths first, so that no other division of the same bytes has the same digest.
            hash.update((name.len() as u64).to_le_bytes());
            hash.update(name);
            hash.update((content.len() as u64).to_le_bytes());
            hash.update(content);
        }
        Self(hash.finalize().into())
    }

    /// Reads 64 hexadecimal digits.
    pub fn parse(text: &str) -> Option<Self> {
        let mut digest = [0; 32];
        if text.len() != 64 || !text.is_ascii() {
            return None;
        }
        for (byte, place) in digest.iter_mut().zip((0..).step_by(2)) {
            *byte = u8::from_str_radix(&text[place..place + 2], 16).ok()?;
        }
        Some(Self(digest))
    }

    /// The first twelve digits, for people.
    pub fn short(&self) -> String {
        self.to_string()[..12].to_owned()
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")
    }
}

#[cfg(test)]
mod tests {
    use super::Digest;

    #[test]
    fn a_digest_is_read_as_it_is_written() {
        let digest = Digest::of(b"abc");
        assert_eq!(
            digest.to_string(),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
        assert_eq!(Digest::parse(&digest.to_string()), Some(digest));
        assert_eq!(digest.short(), "ba7816bf8f01");
        for wrong in ["", "ba78", &"g".repeat(64), &"ä".repeat(32), &format!("{digest}0")] {
            assert_eq!(Digest::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn files_are_told_apart_by_names_and_contents() {
        let of = |files: &[(&str, &str)]| {
            Digest::of_files(files.iter().map(|(name, content)| (*name, content.as_bytes())))
        };
        let one = of(&[("a", "bc"), ("d", "")]);
        assert_eq!(one, of(&[("a", "bc"), ("d", "")]));
        for other in [&[("a", "b"), ("cd", "")][..], &[("a", "bc")], &[("ab", "c"), ("d", "")]] {
            assert_ne!(one, of(other));
        }
    }
}
