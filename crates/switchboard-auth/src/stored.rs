//! What the key file says, as text.
//!
//! ```text
//! AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8
//! previous sha256=ba7816bf… expires=1795000000
//! ```
//!
//! The first line is the bare key, so that `head -n 1` is a fallback for `show-key`. The key before
//! it is kept as a hash: accepting it a while longer does not need its text.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::key::{Digest, Key};
use crate::keys::{Keys, Previous};

/// The content of a key file.
#[derive(Clone, Debug)]
pub struct Stored {
    key: Key,
    previous: Option<Previous>,
}

/// A line that is not what it should be.
#[derive(Debug, Eq, PartialEq)]
pub(crate) struct Damage {
    pub(crate) line: usize,
    pub(crate) expected: &'static str,
}

impl Stored {
    pub(crate) fn new(key: Key) -> Self {
        Self { key, previous: None }
    }

    /// The current key, for `show-key` and for client configurations.
    pub fn key(&self) -> &Key {
        &self.key
    }

    /// The keys to verify clients with.
    pub fn keys(&self) -> Keys {
        Keys::new(&self.key, self.previous)
    }

    /// Puts `key` in front and lets the present one live until `now + grace`.
    ///
    /// One previous key is kept at most: rotating twice ends the first key at once, which is what
    /// someone who rotates again within the grace wants.
    pub(crate) fn rotate(self, key: Key, now: SystemTime, grace: Duration) -> Self {
        let previous = expiry(now, grace)
            .map(|expires| Previous { digest: self.key.digest(), expires })
            .filter(|_| !grace.is_zero());
        Self { key, previous }
    }

    /// What tells the keys apart: of the present one, and of the one before until it ends.
    pub(crate) fn digests(&self) -> ([u8; 32], Option<([u8; 32], SystemTime)>) {
        let previous = self.previous.map(|previous| (previous.digest.bytes(), previous.expires));
        (self.key.digest().bytes(), previous)
    }

    pub(crate) fn previous_expires(&self) -> Option<SystemTime> {
        self.previous.map(|previous| previous.expires)
    }

    pub(crate) fn parse(text: &str) -> Result<Self, Damage> {
        let mut lines = text.lines();
        let key = lines
            .next()
            .and_then(Key::parse_generated)
            .ok_or(Damage { line: 1, expected: "a key of 43 url-safe base64 characters" })?;
        let previous = match lines.next() {
            Some(line) => Some(parse_previous(line).ok_or(Damage {
                line: 2,
                expected: "`previous sha256=<64 hex digits> expires=<unix seconds>`",
            })?),
            None => None,
        };
        match lines.next() {
            Some(_) => Err(Damage { line: 3, expected: "the end of the file" }),
            None => Ok(Self { key, previous }),
        }
    }

    pub(crate) fn render(&self) -> String {
        let mut text = format!("{}\n", self.key.expose());
        if let Some(Previous { digest, expires }) = &self.previous {
            let digest = digest.hex();
            let expires = unix_seconds(*expires);
            text.push_str(&format!("previous sha256={digest} expires={expires}\n"));
        }
        text
    }
}

fn parse_previous(line: &str) -> Option<Previous> {
    let (digest, expires) = line.strip_prefix("previous sha256=")?.split_once(" expires=")?;
    let expires = UNIX_EPOCH.checked_add(Duration::from_secs(expires.parse().ok()?))?;
    Some(Previous { digest: Digest::parse(digest)?, expires })
}

/// `now + grace` in whole seconds, rounded up so that nobody gets less than what was promised, and
/// so that the daemon and the file agree. `None` when the sum is beyond what a clock can say.
fn expiry(now: SystemTime, grace: Duration) -> Option<SystemTime> {
    let exact = now.checked_add(grace)?.duration_since(UNIX_EPOCH).ok()?;
    let seconds = exact.as_secs().checked_add(u64::from(exact.subsec_nanos() > 0))?;
    UNIX_EPOCH.checked_add(Duration::from_secs(seconds))
}

fn unix_seconds(time: SystemTime) -> u64 {
    time.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs())
}

#[cfg(test)]
mod tests;
