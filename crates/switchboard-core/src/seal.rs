//! The port to whoever keeps the key under which we hand out things that come back.

use std::time::Duration;

use crate::principal::Principal;

/// Turns what we would have to remember into a text that a client keeps for us.
///
/// The text tells its holder nothing, cannot be changed or made up, and is good for one principal
/// and one purpose only. Called on the way of a request, so it must not wait.
pub trait Seal: Send + Sync {
    fn seal(&self, purpose: Purpose, principal: &Principal, payload: &[u8]) -> String;

    /// What was sealed; `None` for anything that this principal was not given for this purpose, or
    /// was given too long ago. Why is nobody's business.
    fn open(&self, purpose: Purpose, principal: &Principal, text: &str) -> Option<Vec<u8>>;
}

/// What a sealed text is for; one is never good for another.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Purpose {
    /// The place in a list.
    Cursor,
    /// A server's `requestState`.
    State,
    /// A call that is parked here until its client answers.
    Parked,
    /// A task of a server.
    Task,
}

impl Purpose {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Cursor => "cursor",
            Self::State => "state",
            Self::Parked => "parked",
            Self::Task => "task",
        }
    }

    /// How long the text is good; `None` for as long as the key is.
    pub fn lifetime(self) -> Option<Duration> {
        match self {
            // A list is read to its end at once, and a task lives as long as its server says.
            Self::Cursor | Self::Task => None,
            // Somebody has to answer a question; one that lies open for an hour is forgotten.
            Self::State | Self::Parked => Some(Duration::from_secs(60 * 60)),
        }
    }
}

#[cfg(test)]
pub(crate) mod bare {
    //! A seal that shows what it seals, for tests of who may open it.

    use super::{Principal, Purpose, Seal};

    pub(crate) struct Bare;

    impl Seal for Bare {
        fn seal(&self, purpose: Purpose, principal: &Principal, payload: &[u8]) -> String {
            let payload: String = payload.iter().map(|byte| format!("{byte:02x}")).collect();
            format!("{}:{}:{payload}", purpose.as_str(), principal.subject)
        }

        fn open(&self, purpose: Purpose, principal: &Principal, text: &str) -> Option<Vec<u8>> {
            let head = format!("{}:{}:", purpose.as_str(), principal.subject);
            let payload = text.strip_prefix(&head)?.as_bytes();
            let pairs = payload.chunks(2).map(|pair| std::str::from_utf8(pair).ok());
            pairs.map(|pair| u8::from_str_radix(pair?, 16).ok()).collect()
        }
    }
}
