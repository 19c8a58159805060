//! What a credential is limited to, as texts.
//!
//! ```text
//! server:github        the tools of this server
//! tool:github__*       the tools whose shown name begins so
//! effect:read          tools that only read; `effect:write`, `effect:destructive`
//! ```
//!
//! Scopes take away and never give. Of each of these sorts that a credential has, one scope has to be
//! met; a sort of which it has none limits nothing. `*` stands at the end of a name alone, so that
//! what a scope covers can be read off it.
//!
//! Tokens of identity providers have scopes that are none of these (`openid`); they limit nothing
//! here and are for the policy to judge.

use std::sync::Arc;

use switchboard_core::{Denied, Effect, Reason};

/// A set of scopes, read. Of each sort `None` where there is no limit.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Scopes {
    servers: Option<Vec<Pattern>>,
    tools: Option<Vec<Pattern>>,
    effects: Option<Vec<Effect>>,
}

/// A name, or how it begins.
#[derive(Clone, Debug, Eq, PartialEq)]
struct Pattern {
    name: String,
    is_prefix: bool,
}

/// Why something is no scope of ours.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum NoScope {
    #[error(
        "`{0}` is no scope; use `server:NAME`, `tool:NAME`, `effect:read`, `effect:write` or \
         `effect:destructive`, with `*` at the end of a name for any that begin so"
    )]
    Unknown(String),
    /// It would limit nothing, which whoever writes a list does not mean.
    #[error("the list of scopes is empty; leave it out where nothing is limited")]
    Empty,
    #[error("there are more than {LIMIT} scopes")]
    TooMany,
}

/// Most scopes of one credential: each is compared on each call.
const LIMIT: usize = 100;

/// Longest name in a scope.
const NAME: usize = 256;

impl Scopes {
    /// Reads the scopes of a credential that is made here.
    ///
    /// # Errors
    ///
    /// [`NoScope`] for whoever makes it.
    pub fn parse<S: AsRef<str>>(texts: &[S]) -> Result<Self, NoScope> {
        if texts.is_empty() {
            return Err(NoScope::Empty);
        }
        if LIMIT < texts.len() {
            return Err(NoScope::TooMany);
        }
        for text in texts.iter().map(AsRef::as_ref) {
            let is_one = match text.split_once(':') {
                Some(("server" | "tool", name)) => Pattern::read(name).is_some(),
                Some(("effect", name)) => effect(name).is_some(),
                _ => false,
            };
            if !is_one {
                return Err(NoScope::Unknown(text.to_owned()));
            }
        }
        Ok(Self::of(texts))
    }

    /// Reads the scopes of any token. What looks like ours and is not covers nothing: whoever wrote
    /// it wanted a limit.
    pub fn of<S: AsRef<str>>(texts: &[S]) -> Self {
        let mut scopes = Self::default();
        for text in texts.iter().map(AsRef::as_ref) {
            match text.split_once(':') {
                Some(("server", name)) => {
                    scopes.servers.get_or_insert_default().extend(Pattern::read(name));
                }
                Some(("tool", name)) => {
                    scopes.tools.get_or_insert_default().extend(Pattern::read(name));
                }
                Some(("effect", name)) => {
                    scopes.effects.get_or_insert_default().extend(effect(name));
                }
                _ => {}
            }
        }
        scopes
    }

    /// Whether a tool of `server`, shown as `tool`, may be used that does this.
    pub fn allows(&self, server: &str, tool: &str, does: Effect) -> bool {
        self.missing(server, tool, does).is_empty()
    }

    /// The scopes that a token would need besides its own for such a use; none where it is allowed.
    pub fn missing(&self, server: &str, tool: &str, does: Effect) -> Vec<Arc<str>> {
        let mut needed: Vec<Arc<str>> = Vec::new();
        if !covers(self.servers.as_deref(), server) {
            needed.push(format!("server:{server}").into());
        }
        if !covers(self.tools.as_deref(), tool) {
            needed.push(format!("tool:{tool}").into());
        }
        if !self.effects.as_ref().is_none_or(|effects| effects.contains(&does)) {
            needed.push(format!("effect:{}", does.as_str()).into());
        }
        needed
    }
}

/// The answer to a good credential that is not for this: the client may ask for these scopes and
/// come again (step-up; RFC 6750, section 3.1).
pub fn step_up(needed: Vec<Arc<str>>) -> Denied {
    Denied::new(Reason::InsufficientScope { needed }, "this needs scopes that the token has not")
}

fn covers(patterns: Option<&[Pattern]>, name: &str) -> bool {
    patterns.is_none_or(|patterns| patterns.iter().any(|pattern| pattern.covers(name)))
}

impl Pattern {
    fn read(text: &str) -> Option<Self> {
        let (name, is_prefix) = match text.strip_suffix('*') {
            Some(start) => (start, true),
            None => (text, false),
        };
        // What may stand in a scope of OAuth (RFC 6749, section 3.3), so that ours can be asked for.
        let fine = |byte: u8| byte.is_ascii_graphic() && !b"\"\\*".contains(&byte);
        let is_name = (is_prefix || !name.is_empty()) && name.len() <= NAME;
        (is_name && name.bytes().all(fine)).then(|| Self { name: name.to_owned(), is_prefix })
    }

    fn covers(&self, name: &str) -> bool {
        if self.is_prefix { name.starts_with(&self.name) } else { name == self.name }
    }
}

fn effect(name: &str) -> Option<Effect> {
    [Effect::Reads, Effect::Writes, Effect::Destroys].into_iter().find(|it| it.as_str() == name)
}

#[cfg(test)]
mod tests {
    use switchboard_core::Effect::{Destroys, Reads, Writes};

    use super::Scopes;

    /// Asks for reading, writing and destroying with `github__log` of `github`, then reading with
    /// `git__log` of `git`.
    #[track_caller]
    fn check(scopes: &str, expected: [bool; 4]) {
        let scopes = Scopes::of(&scopes.split_whitespace().collect::<Vec<_>>());
        let github = |effect| scopes.allows("github", "github__log", effect);
        let git = scopes.allows("git", "git__log", Reads);
        assert_eq!([github(Reads), github(Writes), github(Destroys), git], expected);
    }

    #[test]
    fn of_each_sort_one_scope_has_to_be_met() {
        check("", [true; 4]);
        check("server:github", [true, true, true, false]);
        check("server:git", [false, false, false, true]);
        check("server:git*", [true; 4]);
        check("server:*", [true; 4]);
        check("tool:github__log", [true, true, true, false]);
        check("tool:github__*", [true, true, true, false]);
        check("tool:github__", [false; 4]);
        check("tool:github__log tool:git__*", [true; 4]);
        check("tool:github__log server:git", [false; 4]);
        check("effect:read", [true, false, false, true]);
        check("effect:write", [false, true, false, false]);
        check("effect:destructive effect:read", [true, false, true, true]);
        check("server:github effect:read", [true, false, false, false]);
    }

    #[test]
    fn what_others_mean_limits_nothing_and_what_looks_like_ours_does() {
        check("openid profile mcp:tools *", [true; 4]);
        check("openid effect:read", [true, false, false, true]);
        check("tool:a*b", [false; 4]);
        check("server:", [false; 4]);
        check("effect:everything", [false; 4]);
    }

    #[test]
    fn what_is_missing_can_be_asked_for() {
        let scopes = Scopes::of(&["server:git", "effect:read"]);
        let missing = scopes.missing("github", "github__push", Writes);
        assert_eq!(missing, ["server:github".into(), "effect:write".into()]);
        assert!(scopes.missing("git", "git__log", Reads).is_empty());
        assert!(Scopes::of(&["tool:git__*"]).allows("git", "git__push", Destroys));
    }

    #[test]
    fn whoever_makes_a_key_hears_what_is_wrong() {
        let refused = |texts: &[&str]| Scopes::parse(texts).unwrap_err().to_string();
        assert!(refused(&[]).contains("is empty"));
        assert!(refused(&["openid"]).contains("`openid` is no scope"));
        assert!(refused(&["*"]).contains("`*` is no scope"));
        assert!(refused(&["tool:a*b"]).contains("`tool:a*b`"));
        assert!(refused(&["server:git", "effect:all"]).contains("`effect:all`"));
        assert!(refused(&["tool:*"; 101]).contains("more than 100"));
        assert!(Scopes::parse(&["tool:*", "effect:write"]).is_ok());
    }
}
