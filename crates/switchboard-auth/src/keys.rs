//! The decision: is what a client presents the key?

use std::fmt;
use std::time::SystemTime;

use crate::key::{Digest, Key, MAX_BYTES};

/// The keys a daemon accepts: the current one and, for a while after a rotation, the one before.
///
/// Holds hashes only. Built once per load or reload and never changed: a reload makes another.
#[derive(Clone)]
pub struct Keys {
    current: Digest,
    previous: Option<Previous>,
}

/// A key that was replaced, kept as a hash until it expires.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Previous {
    pub(crate) digest: Digest,
    /// The first moment at which it is refused.
    pub(crate) expires: SystemTime,
}

/// A key without its text, to tell whether two sets have the same one.
#[derive(Clone, Copy, Debug)]
pub struct KeyId(Digest);

/// What became of a presented key.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Verdict {
    Accepted,
    /// The key from before the rotation: fine until `expires`, and worth a line in the log.
    AcceptedPrevious {
        expires: SystemTime,
    },
    Refused,
}

impl Keys {
    /// Accepts one key: that of a person who chose it.
    pub fn only(key: &Key) -> Self {
        Self::new(key, None)
    }

    pub(crate) fn new(key: &Key, previous: Option<Previous>) -> Self {
        Self { current: key.digest(), previous }
    }

    /// Compares any bytes with the keys, in a time that says nothing about them.
    ///
    /// Both sides are hashed first, so that the comparison always covers 32 bytes and neither the
    /// length of our key nor a matching beginning can be measured. The previous key is compared
    /// even when the current one matched.
    pub fn verify(&self, presented: &[u8], now: SystemTime) -> Verdict {
        // The length is the client's own and no secret.
        if MAX_BYTES < presented.len() {
            return Verdict::Refused;
        }
        let presented = Digest::of(presented);
        let current = bool::from(presented.same(&self.current));
        let previous = self.previous.filter(|previous| {
            bool::from(presented.same(&previous.digest)) && now < previous.expires
        });
        match previous {
            _ if current => Verdict::Accepted,
            Some(Previous { expires, .. }) => Verdict::AcceptedPrevious { expires },
            None => Verdict::Refused,
        }
    }
}

impl Keys {
    /// The key that is shown to people.
    pub fn current(&self) -> KeyId {
        KeyId(self.current)
    }

    /// The key from before the rotation, and the first moment at which it is refused.
    pub fn previous(&self) -> Option<(KeyId, SystemTime)> {
        self.previous.map(|previous| (KeyId(previous.digest), previous.expires))
    }
}

impl PartialEq for KeyId {
    fn eq(&self, other: &Self) -> bool {
        self.0.same(&other.0).into()
    }
}

impl fmt::Debug for Keys {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("Keys(…)")
    }
}

#[cfg(test)]
mod tests;
