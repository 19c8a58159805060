//! `WWW-Authenticate` of a refused request (RFC 9110, section 11.6.1; RFC 6750; RFC 9728).

use crate::scopes;

/// What a `Bearer` challenge says.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Challenge {
    pub(crate) resource_metadata: Option<String>,
    /// `None` if the server does not say; it then has no wish of its own.
    pub(crate) scopes: Option<Vec<String>>,
    pub(crate) error: Option<String>,
}

/// Longest header that is read. Common ones have 200 bytes.
const LONGEST: usize = 8 * 1024;

impl Challenge {
    /// Reads all `WWW-Authenticate` values of a response; `None` if there is no `Bearer` in them.
    pub fn read<'a>(values: impl IntoIterator<Item = &'a str>) -> Option<Self> {
        let mut found: Option<Self> = None;
        for value in values.into_iter().filter(|value| value.len() <= LONGEST) {
            let mut bearer = false;
            for part in parts(value) {
                match part {
                    Part::Scheme(scheme) => {
                        bearer = scheme.eq_ignore_ascii_case("bearer");
                        if bearer {
                            found.get_or_insert_default();
                        }
                    }
                    Part::Parameter(name, value) if bearer => {
                        if let Some(challenge) = &mut found {
                            challenge.take(name, value);
                        }
                    }
                    Part::Parameter(..) => {}
                }
            }
        }
        found
    }

    /// The first of each counts, so that a second challenge cannot change it.
    fn take(&mut self, name: &str, value: String) {
        match name.to_ascii_lowercase().as_str() {
            "resource_metadata" => _ = self.resource_metadata.get_or_insert(value),
            "scope" => _ = self.scopes.get_or_insert_with(|| scopes::read(&value)),
            "error" => _ = self.error.get_or_insert(value),
            _ => {}
        }
    }

    pub(crate) fn wants_more_scope(&self) -> bool {
        self.error.as_deref() == Some("insufficient_scope")
    }
}

enum Part<'a> {
    Scheme(&'a str),
    Parameter(&'a str, String),
}

/// Splits a value into schemes and parameters. A word before `=` is a parameter, any other begins a
/// challenge; what fits neither (a token68) is skipped.
fn parts(value: &str) -> Vec<Part<'_>> {
    let mut found = Vec::new();
    let mut rest = value;
    loop {
        rest = rest.trim_start_matches([' ', '\t', ',', '=']);
        let end = rest.find(|c: char| !is_token(c)).unwrap_or(rest.len());
        let (word, after) = rest.split_at(end);
        if word.is_empty() {
            let Some(skipped) = rest.char_indices().nth(1) else { return found };
            rest = &rest[skipped.0..];
            continue;
        }
        match after.trim_start_matches([' ', '\t']).strip_prefix('=') {
            Some(value) => {
                let (value, after) = parameter(value.trim_start_matches([' ', '\t']));
                found.push(Part::Parameter(word, value));
                rest = after;
            }
            None => {
                found.push(Part::Scheme(word));
                rest = after;
            }
        }
    }
}

/// A token or a quoted string, and what follows.
fn parameter(text: &str) -> (String, &str) {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find(|c: char| !is_token(c)).unwrap_or(text.len());
        return (text[..end].to_owned(), &text[end..]);
    };
    let mut value = String::new();
    let mut characters = quoted.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return (value, &quoted[at + 1..]),
            '\\' => value.extend(characters.next().map(|(_, escaped)| escaped)),
            _ => value.push(character),
        }
    }
    (value, "")
}

fn is_token(character: char) -> bool {
    character.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(character)
}

#[cfg(test)]
mod tests {
    use super::Challenge;

    #[track_caller]
    fn check(values: &[&str], expected: &str) {
        let actual = Challenge::read(values.iter().copied()).map_or("none".to_owned(), |found| {
            format!(
                "{} | {} | {}",
                found.resource_metadata.unwrap_or_default(),
                found.scopes.map_or("-".to_owned(), |scopes| scopes.join(" ")),
                found.error.unwrap_or_default()
            )
        });
        assert_eq!(actual, expected, "{values:?}");
    }

    #[test]
    fn challenges() {
        check(&[], "none");
        check(&["Basic realm=\"x\""], "none");
        check(&["Bearer"], " | - | ");
        check(
            &[
                "Bearer resource_metadata=\"https://a/b\", scope=\"one two\", error=\"invalid_token\"",
            ],
            "https://a/b | one two | invalid_token",
        );
        check(&["bearer SCOPE=one"], " | one | ");
        check(&["Bearer scope=\"\""], " |  | ");
        check(&["Basic realm=\"Bearer scope=no\", Bearer scope=\"yes\""], " | yes | ");
        check(&["Negotiate abc==, Bearer error=x"], " | - | x");
        check(&["Negotiate a/b/c==, Bearer error=x"], " | - | x");
        check(&["Basic realm=x", "Bearer scope=y"], " | y | ");
        check(&["Bearer scope=\"first\"", "Bearer scope=\"second\""], " | first | ");
        check(&["Bearer realm=\"a \\\" b, scope=no\", scope=yes"], " | yes | ");
        check(&["Bearer scope=\"unterminated"], " | unterminated | ");
        check(&["Bearer scope=\"good \u{7}bad \u{e9}\""], " | good | ");
        check(&["Bearer , ,, = = scope = x"], " | x | ");
        check(&["\u{e9}\u{e9}"], "none");
        check(&[&"Bearer ".repeat(5000)], "none");
    }
}
