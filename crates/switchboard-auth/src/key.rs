//! The API key itself: what it is made of, and how it is kept from being printed.

use std::fmt;

use sha2::{Digest as _, Sha256};
use subtle::{Choice, ConstantTimeEq as _};

use crate::error::{KeyError, Unusable};

/// A key that clients present. [`Self::expose`] is the one way to read it; `Debug` prints `…`.
#[derive(Clone, Eq, PartialEq)]
pub struct Key(String);

/// SHA-256 of a key: what is compared and what is kept of a previous key.
///
/// A plain hash is enough because a generated key has 256 bits: there is no dictionary to try, and
/// a slow hash per request would be a gift to whoever wants to keep us busy. For the same reason it
/// is as secret as the key when a person chose the key, so `Debug` hides it too.
#[derive(Clone, Copy)]
pub(crate) struct Digest([u8; 32]);

/// Shortest key a person may choose: 16 characters are 96 bits if they are random base64, which no
/// one guesses over a network, and it turns away `secret`, `changeme` and the like.
const MIN_CHARACTERS: usize = 16;

/// Longest key, chosen or presented. Far above any key generator in use, and it bounds the hashing
/// that a stranger can make us do per request.
pub(crate) const MAX_BYTES: usize = 512;

/// Characters of a generated key: 32 bytes in base64 without padding.
const GENERATED_CHARACTERS: usize = 43;

/// RFC 4648, section 5: the alphabet that needs no escaping in a URL or a shell.
const BASE64_URL: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

impl Key {
    /// Makes a key from the operating system's random source.
    ///
    /// # Errors
    ///
    /// [`KeyError::Random`] when the source fails; there is no weaker one to fall back to.
    pub fn generate() -> Result<Self, KeyError> {
        let mut bytes = [0; 32];
        getrandom::fill(&mut bytes).map_err(KeyError::Random)?;
        Ok(Self::from_random(bytes))
    }

    /// Spells 32 random bytes as a key.
    pub fn from_random(bytes: [u8; 32]) -> Self {
        let mut text = String::with_capacity(GENERATED_CHARACTERS);
        for group in bytes.chunks(3) {
            let mut padded = [0; 4];
            padded[1..=group.len()].copy_from_slice(group);
            let bits = u32::from_be_bytes(padded);
            for position in 0..=group.len() {
                let six = (bits >> (18 - 6 * position)) & 0x3f;
                text.push(char::from(BASE64_URL[six as usize]));
            }
        }
        Self(text)
    }

    /// Takes a key that a person chose, from the configuration or the environment.
    ///
    /// # Errors
    ///
    /// [`KeyError::Unusable`] when it is too short, too long, or cannot be sent in a header. The
    /// error says why without quoting the key.
    pub fn configured(text: &str) -> Result<Self, KeyError> {
        let characters = text.chars().count();
        if characters < MIN_CHARACTERS {
            return Err(Unusable::TooShort { characters, minimum: MIN_CHARACTERS }.into());
        }
        if MAX_BYTES < text.len() {
            return Err(Unusable::TooLong { bytes: text.len(), maximum: MAX_BYTES }.into());
        }
        // Space, control characters and everything beyond ASCII are lost or refused somewhere
        // between a client and us (RFC 9110, section 5.5; RFC 6750, section 2.1): such a key could
        // be configured and never be presented.
        match text.chars().position(|character| !character.is_ascii_graphic()) {
            Some(index) => Err(Unusable::Unsendable { position: index + 1 }.into()),
            None => Ok(Self(text.to_owned())),
        }
    }

    /// Takes a line of a key file, if a key of ours is what it holds.
    pub(crate) fn parse_generated(line: &str) -> Option<Self> {
        let ours = line.len() == GENERATED_CHARACTERS
            && line.bytes().all(|byte| BASE64_URL.contains(&byte));
        ours.then(|| Self(line.to_owned()))
    }

    /// The key in the clear: for the person who asked for it and for the client's configuration.
    pub fn expose(&self) -> &str {
        &self.0
    }

    pub(crate) fn digest(&self) -> Digest {
        Digest::of(self.0.as_bytes())
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Key(…)")
    }
}

impl Digest {
    pub(crate) fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// Compares in a time that does not depend on where the two differ.
    pub(crate) fn same(&self, other: &Self) -> Choice {
        self.0.ct_eq(&other.0)
    }

    /// Reads 64 lower-case hexadecimal digits.
    pub(crate) fn parse(hex: &str) -> Option<Self> {
        let lower_case = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        if hex.len() != 64 || !hex.bytes().all(lower_case) {
            return None;
        }
        let mut bytes = [0; 32];
        for (index, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&hex[2 * index..2 * index + 2], 16).ok()?;
        }
        Some(Self(bytes))
    }

    pub(crate) fn bytes(&self) -> [u8; 32] {
        self.0
    }

    pub(crate) fn hex(&self) -> String {
        self.0.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Digest(…)")
    }
}

#[cfg(test)]
mod tests;
