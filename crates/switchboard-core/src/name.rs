//! The names under which clients see what servers offer.
//!
//! `server__tool`. The rule looks at the configuration and the tool alone, so a name is the same
//! after a restart, whatever else is running.

use std::fmt::Write as _;

use sha2::{Digest as _, Sha256};

/// Longest name shown to clients: hosts built on the OpenAI and Anthropic APIs refuse longer ones
/// (both document `^[a-zA-Z0-9_-]{1,64}$`), though MCP itself allows 128.
pub const NAME_LIMIT: usize = 64;

/// Between prefix and name. Upstream names may not contain it, so the first one in an exposed name
/// ends the prefix.
const SEPARATOR: &str = "__";

/// What stands before the names of one upstream; empty for bare names.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Prefix(String);

#[derive(Debug, Eq, PartialEq, thiserror::Error)]
pub enum PrefixError {
    #[error("`{0}` may only have letters, digits, `-` and single `_` inside")]
    Characters(String),
    #[error("`{0}` is longer than {PREFIX_LIMIT} characters")]
    TooLong(String),
}

/// Half of a name: the rest is for the tool.
const PREFIX_LIMIT: usize = 32;

impl Prefix {
    /// # Errors
    ///
    /// [`PrefixError`] when a name made with it could be read in two ways.
    pub fn new(text: &str) -> Result<Self, PrefixError> {
        let clean = text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
        if !clean || text.contains(SEPARATOR) || text.starts_with('_') || text.ends_with('_') {
            return Err(PrefixError::Characters(text.to_owned()));
        }
        if text.len() > PREFIX_LIMIT {
            return Err(PrefixError::TooLong(text.to_owned()));
        }
        Ok(Self(text.to_owned()))
    }

    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The own name behind this prefix, if `exposed` has it and was not shortened.
    pub fn strip<'a>(&self, exposed: &'a str) -> Option<&'a str> {
        if self.is_empty() {
            return Some(exposed);
        }
        exposed.strip_prefix(&self.0)?.strip_prefix(SEPARATOR)
    }
}

/// The name that clients see for `own` of the upstream with `prefix`.
///
/// A name that does not fit, or has characters that hosts refuse, keeps its readable start and
/// ends with a hash of the whole, because two tools must not become one.
pub fn exposed_name(prefix: &Prefix, own: &str) -> String {
    let whole = if prefix.is_empty() {
        own.to_owned()
    } else {
        format!("{}{SEPARATOR}{own}", prefix.as_str())
    };
    let clean = own.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    if clean && !own.is_empty() && whole.len() <= NAME_LIMIT {
        return whole;
    }
    with_hash(&whole)
}

/// The other name of `own` where the first is taken by an upstream configured before.
pub(crate) fn second_name(upstream: &str, exposed: &str) -> String {
    with_hash(&format!("{upstream}{SEPARATOR}{exposed}"))
}

fn with_hash(whole: &str) -> String {
    let mut name: String = whole
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' })
        .take(NAME_LIMIT - HASH_LENGTH - 1)
        .collect();
    name.push('_');
    for byte in Sha256::digest(whole).iter().take(HASH_LENGTH / 2) {
        write!(name, "{byte:02x}").expect("writing to memory");
    }
    name
}

/// Hexadecimal digits of the hash: among a thousand shortened names the chance that any two agree
/// is about 1 in 8,000; one that does is reported and left out.
const HASH_LENGTH: usize = 8;

#[cfg(test)]
mod tests {
    use super::{NAME_LIMIT, Prefix, exposed_name};

    #[track_caller]
    fn check(prefix: &str, own: &str, expected: &str) {
        let name = exposed_name(&Prefix::new(prefix).unwrap(), own);
        assert_eq!(name, expected);
        assert!(name.len() <= NAME_LIMIT);
    }

    #[test]
    fn names_say_where_they_come_from() {
        check("git", "log", "git__log");
        check("", "log", "log");
        check("a-b", "c__d", "a-b__c__d");
    }

    #[test]
    fn names_that_hosts_refuse_keep_a_readable_start_and_a_hash() {
        check("git", "repo.log", "git__repo_log_36f9267e");
        check("git", "repo/log", "git__repo_log_85b67685");
        check("git", "größe", "git__gr__e_220034d7");
        let long = "x".repeat(80);
        check("git", &long, &format!("git__{}_dfa37ea0", "x".repeat(50)));
    }

    #[test]
    fn prefixes_that_could_be_read_in_two_ways_are_refused() {
        for prefix in ["a__b", "_a", "a_", "a.b", "a b", "ä", &"x".repeat(33)] {
            assert!(Prefix::new(prefix).is_err(), "{prefix}");
        }
    }
}
