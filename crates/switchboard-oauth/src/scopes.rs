//! Sets of scopes, in the order in which they were named.

/// Most scopes that are kept of one list, and the longest one. Large providers list under 50.
const MOST: usize = 100;
const LONGEST: usize = 256;

pub(crate) const OFFLINE: &str = "offline_access";

/// The scopes in a text (RFC 6749, section 3.3); what is none is left out.
pub(crate) fn read(text: &str) -> Vec<String> {
    union([&text.split(' ').map(str::to_owned).collect()])
}

/// All of them, each once.
pub(crate) fn union<'a>(lists: impl IntoIterator<Item = &'a Vec<String>>) -> Vec<String> {
    let mut all: Vec<String> = Vec::new();
    for scope in lists.into_iter().flatten() {
        let valid = |byte: u8| byte.is_ascii_graphic() && byte != b'"' && byte != b'\\';
        let fits = !scope.is_empty() && scope.len() <= LONGEST && all.len() < MOST;
        if fits && scope.bytes().all(valid) && !all.contains(scope) {
            all.push(scope.clone());
        }
    }
    all
}

/// What to ask for.
pub(crate) struct Wishes<'a> {
    /// From the challenge.
    pub(crate) challenged: Option<&'a Vec<String>>,
    /// From the metadata of the resource.
    pub(crate) listed: Option<&'a Vec<String>>,
    pub(crate) configured: &'a Vec<String>,
    /// What was asked for before, when more is wanted now.
    pub(crate) before: &'a Vec<String>,
    /// Whether the authorization server lists `offline_access`.
    pub(crate) offline: bool,
    /// Whether a refresh token is of use.
    pub(crate) refresh: bool,
}

impl Wishes<'_> {
    /// The challenge's scopes, else the listed ones; no scope at all if neither says.
    pub(crate) fn choose(&self) -> Vec<String> {
        let none = Vec::new();
        let base = self.challenged.or(self.listed).unwrap_or(&none);
        let mut all = union([self.before, base, self.configured]);
        all.retain(|scope| scope != OFFLINE);
        // Alone it would turn "whatever is usual" into "nothing but this".
        if self.offline && self.refresh && !all.is_empty() {
            all.push(OFFLINE.to_owned());
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::{Wishes, read};

    /// `challenged | listed | configured | before`, `-` where nothing is said.
    #[track_caller]
    fn check(wishes: &str, offline: bool, refresh: bool, expected: &str) {
        let parts: Vec<_> = wishes.split('|').map(str::trim).collect();
        let said = |part: usize| (parts[part] != "-").then(|| read(parts[part]));
        let (challenged, listed) = (said(0), said(1));
        let wishes = Wishes {
            challenged: challenged.as_ref(),
            listed: listed.as_ref(),
            configured: &said(2).unwrap_or_default(),
            before: &said(3).unwrap_or_default(),
            offline,
            refresh,
        };
        assert_eq!(wishes.choose().join(" "), expected);
    }

    #[test]
    fn what_is_asked_for() {
        check("- | - | - | -", false, true, "");
        check("- | - | - | -", true, true, "");
        check("a b | c | - | -", false, true, "a b");
        check("- | c d | - | -", false, true, "c d");
        check(" | c d | - | -", false, true, "");
        check("a | c | x | -", false, true, "a x");
        check("b | - | - | a", false, true, "a b");
        check("a a b | - | - | b", false, true, "b a");
        check("a | - | - | -", true, true, "a offline_access");
        check("a | - | - | -", true, false, "a");
        check("a offline_access | - | - | -", false, true, "a");
        check("- | offline_access a | - | -", true, true, "a offline_access");
    }
}
