//! Secrets in the definitions of servers: never shown, and kept where they come back unseen.

use serde_json::{Map, Value};

/// What is shown instead of a secret.
const MASK: &str = "…";

/// Members whose values are all secrets.
const WHOLE: &[&str] = &["env", "headers", "settings"];

/// Words in the names of members that are secrets.
const WORDS: &[&str] = &["authorization", "key", "password", "secret", "token"];

/// The same definition without what must not be seen.
pub(crate) fn mask(value: &Value) -> Value {
    mask_within(value, false)
}

/// Why a mask does not stand for what was kept.
#[derive(Debug, Eq, PartialEq)]
pub(crate) enum NoSecret {
    /// There is nothing at this place.
    Nothing(String),
    /// The secret at this place was given for another destination than this new one.
    Elsewhere { place: String, destination: String },
}

impl std::fmt::Display for NoSecret {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Nothing(place) => {
                write!(formatter, "`…` at `{place}` stands for a secret, and there is none kept")
            }
            Self::Elsewhere { place, destination } => write!(
                formatter,
                "`{place}` has to be given anew instead of as `…`: it was given for another \
                 destination, and `{destination}` is not to get it unasked"
            ),
        }
    }
}

/// The definition that somebody means who was shown `kept` and sends `sent`: where the mask comes
/// back, what it stood for is meant.
///
/// Whoever may change a definition need not know its secrets, and does not learn them by having them
/// sent somewhere else: where `sent` leads to another host, or starts another program, no mask is taken.
pub(crate) fn unmask(sent: Value, kept: Option<&Value>) -> Result<Value, NoSecret> {
    let known = kept.map(destinations).unwrap_or_default();
    let new = destinations(&sent).into_iter().find(|destination| !known.contains(destination));
    unmask_within(sent, kept, &mut Place { path: String::new(), new })
}

/// Where in a definition, and what is new in it.
struct Place {
    path: String,
    new: Option<String>,
}

impl Place {
    fn kept(&self, value: Option<Value>) -> Result<Value, NoSecret> {
        let place = || self.path.trim_start_matches('.').to_owned();
        match (value, &self.new) {
            (None, _) => Err(NoSecret::Nothing(place())),
            (Some(_), Some(new)) => {
                Err(NoSecret::Elsewhere { place: place(), destination: new.clone() })
            }
            (Some(value), None) => Ok(value),
        }
    }

    fn within<T>(&mut self, step: &str, then: impl FnOnce(&mut Self) -> T) -> T {
        let length = self.path.len();
        self.path.push('.');
        self.path.push_str(step);
        let done = then(self);
        self.path.truncate(length);
        done
    }
}

fn unmask_within(sent: Value, kept: Option<&Value>, place: &mut Place) -> Result<Value, NoSecret> {
    match sent {
        Value::String(text) if text == MASK => place.kept(kept.cloned()),
        Value::String(text) if has_masked_part(&text) => {
            let kept = kept.and_then(Value::as_str).and_then(|kept| fill(&text, kept));
            place.kept(kept.map(Value::String))
        }
        Value::Object(members) => {
            let member = |(name, value): (String, Value)| {
                let kept = kept.and_then(|kept| kept.get(&name));
                let value = place.within(&name, |place| unmask_within(value, kept, place))?;
                Ok((name, value))
            };
            members.into_iter().map(member).collect::<Result<Map<_, _>, _>>().map(Value::Object)
        }
        Value::Array(items) => {
            let item = |(at, value): (usize, Value)| {
                let kept = kept.and_then(|kept| kept.get(at));
                place.within(&at.to_string(), |place| unmask_within(value, kept, place))
            };
            items.into_iter().enumerate().map(item).collect::<Result<Vec<_>, _>>().map(Value::Array)
        }
        other => Ok(other),
    }
}

/// Everywhere that something of a definition goes: hosts of addresses, programs.
fn destinations(definition: &Value) -> Vec<String> {
    let mut found = Vec::new();
    find_destinations(definition, None, &mut found);
    found
}

fn find_destinations(value: &Value, name: Option<&str>, found: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            members.iter().for_each(|(name, value)| find_destinations(value, Some(name), found));
        }
        Value::Array(items) => items.iter().for_each(|item| find_destinations(item, name, found)),
        Value::String(text) if name == Some("command") => found.push(text.clone()),
        Value::String(text) => found.extend(origin(text)),
        _ => {}
    }
}

/// The parts of an address: up to `//`, what logs in, host and path, what is asked.
struct Address<'a> {
    scheme: &'a str,
    login: Option<&'a str>,
    rest: &'a str,
    query: Option<&'a str>,
}

impl<'a> Address<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let (scheme, after) = text.split_once("://")?;
        let (before, query) = match after.split_once('?') {
            Some((before, query)) => (before, Some(query)),
            None => (after, None),
        };
        let host_ends = before.find(['/', '#']).unwrap_or(before.len());
        let login = before[..host_ends].rfind('@').map(|at| &before[..at]);
        let rest = login.map_or(before, |login| &before[login.len() + 1..]);
        Some(Self { scheme, login, rest, query })
    }

    fn write(&self, login: Option<&str>, query: Option<&str>) -> String {
        let login = login.map(|login| format!("{login}@")).unwrap_or_default();
        let query = query.map(|query| format!("?{query}")).unwrap_or_default();
        format!("{}://{login}{}{query}", self.scheme, self.rest)
    }
}

/// Scheme, host and port of an address.
fn origin(text: &str) -> Option<String> {
    let address = Address::parse(text)?;
    let host = address.rest.split(['/', '#']).next().unwrap_or_default().to_ascii_lowercase();
    let scheme = address.scheme.to_ascii_lowercase();
    let usual = match scheme.as_str() {
        "http" | "ws" => ":80",
        "https" | "wss" => ":443",
        _ => "",
    };
    let host = host.strip_suffix(usual).unwrap_or(&host);
    Some(format!("{scheme}://{host}"))
}

/// What logs in, and what is asked: both may be secrets, and are often.
fn mask_address(text: &str) -> Option<String> {
    let address = Address::parse(text)?;
    let masked = |part: Option<&str>| part.filter(|part| !part.is_empty()).map(|_| MASK);
    let (login, query) = (masked(address.login), masked(address.query));
    (login.is_some() || query.is_some()).then(|| address.write(login, query))
}

fn has_masked_part(text: &str) -> bool {
    let is_mask = |part: Option<&str>| part == Some(MASK);
    Address::parse(text).is_some_and(|it| is_mask(it.login) || is_mask(it.query))
}

/// An address whose masked parts are those of the one that is kept.
fn fill(sent: &str, kept: &str) -> Option<String> {
    let (sent, kept) = (Address::parse(sent)?, Address::parse(kept)?);
    let part = |sent, kept| match sent {
        Some(MASK) => kept,
        sent => sent,
    };
    let (login, query) = (part(sent.login, kept.login), part(sent.query, kept.query));
    let is_there = |sent: Option<_>, filled: Option<_>| sent.is_some() == filled.is_some();
    let is_whole = is_there(sent.login, login) && is_there(sent.query, query);
    is_whole.then(|| sent.write(login, query))
}

fn mask_within(value: &Value, is_secret: bool) -> Value {
    match value {
        Value::Object(members) => {
            let member = |(name, value): (&String, &Value)| {
                let is_secret = is_secret || is_secret_name(name);
                (name.clone(), mask_within(value, is_secret))
            };
            Value::Object(members.iter().map(member).collect())
        }
        Value::Array(items) => {
            Value::Array(items.iter().map(|item| mask_within(item, is_secret)).collect())
        }
        Value::Null => Value::Null,
        _ if is_secret => Value::String(MASK.to_owned()),
        Value::String(text) => Value::String(mask_address(text).unwrap_or_else(|| text.clone())),
        other => other.clone(),
    }
}

fn is_secret_name(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    WHOLE.contains(&name.as_str()) || WORDS.iter().any(|word| name.contains(word))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{NoSecret, mask, unmask};

    #[track_caller]
    fn check(kept: &Value, shown: &Value) {
        assert_eq!(mask(kept), *shown);
        assert_eq!(unmask(shown.clone(), Some(kept)).as_ref(), Ok(kept));
    }

    #[test]
    fn secrets_are_not_shown_and_survive_being_sent_back() {
        check(
            &json!({"http": {"url": "https://a", "headers": {"X-Team": "red"}, "bearer_token": "t"}}),
            &json!({"http": {"url": "https://a", "headers": {"X-Team": "…"}, "bearer_token": "…"}}),
        );
        check(
            &json!({"stdio": {"command": "x", "args": ["-v"], "env": {"A": "1", "B": null}}}),
            &json!({"stdio": {"command": "x", "args": ["-v"], "env": {"A": "…", "B": null}}}),
        );
        check(&json!({"apiKeys": ["a", {"b": 1}]}), &json!({"apiKeys": ["…", {"b": "…"}]}));
        check(
            &json!({"sse": {"url": "https://me:pass@a:8443/sse?api_key=x&b=1"}}),
            &json!({"sse": {"url": "https://…@a:8443/sse?…"}}),
        );
        check(
            &json!({"stdio": {"command": "x", "args": ["https://a/?k=1", "what?"]}}),
            &json!({"stdio": {"command": "x", "args": ["https://a/?…", "what?"]}}),
        );
    }

    #[test]
    fn a_mask_that_stands_for_nothing_is_found() {
        let nothing = |place: &str| Err(NoSecret::Nothing(place.to_owned()));
        let kept = json!({"headers": {}, "url": "https://a"});
        assert_eq!(unmask(json!({"headers": {"New": "…"}}), Some(&kept)), nothing("headers.New"));
        assert_eq!(unmask(json!({"url": "https://a?…"}), Some(&kept)), nothing("url"));
        assert_eq!(unmask(json!("…"), None), nothing(""));
    }

    /// Sends the masked `kept` back with another member at `pointer`; whether the secrets go along.
    #[track_caller]
    fn moved(kept: &Value, pointer: &str, to: &str, expected: bool) {
        let mut sent = mask(kept);
        *sent.pointer_mut(pointer).unwrap() = to.into();
        let outcome = unmask(sent, Some(kept));
        assert_eq!(outcome.is_ok(), expected, "{to}: {outcome:?}");
        if let Err(why) = outcome {
            assert!(matches!(why, NoSecret::Elsewhere { .. }), "{why}");
            let said = why.to_string();
            assert!(said.contains("given anew") && !said.contains("s3cret"), "{said}");
        }
    }

    #[test]
    fn a_secret_goes_nowhere_but_where_it_was_given_for() {
        let http = json!({"http": {"url": "https://a/mcp", "headers": {"X": "s3cret"}}});
        for (url, is_same) in [
            ("https://a/other", true),
            ("https://A:443/mcp", true),
            ("https://b/mcp", false),
            ("http://a/mcp", false),
            ("https://a:444/mcp", false),
            ("https://a@b/mcp", false),
            ("https://b#@a/mcp", false),
            ("https://a.b/mcp", false),
        ] {
            moved(&http, "/http/url", url, is_same);
        }
        let stdio = json!({"stdio": {"command": "npx", "args": ["x"], "env": {"T": "s3cret"}}});
        moved(&stdio, "/stdio/command", "curl", false);
        moved(&stdio, "/stdio/args/0", "y", true);
        moved(&stdio, "/stdio/args/0", "https://b", false);
        let asked = json!({"http": {"url": "https://a/mcp?key=s3cret"}});
        moved(&asked, "/http/url", "https://a/else?…", true);
        moved(&asked, "/http/url", "https://b/mcp?…", false);
    }

    #[test]
    fn where_no_mask_is_sent_everything_may_be_another() {
        let kept = json!({"http": {"url": "https://a", "headers": {"X": "1"}}});
        let sent = json!({"http": {"url": "https://b", "headers": {"X": "2"}}});
        assert_eq!(unmask(sent.clone(), Some(&kept)), Ok(sent));
    }
}
