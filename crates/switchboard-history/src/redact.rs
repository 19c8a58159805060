//! Putting secrets out of sight: by the names of members, by what a schema says of them, and by
//! what they look like.

use std::borrow::Cow;

use regex::Regex;
use serde_json::Value;

use crate::config::RedactConfig;

/// What stands where a secret was.
pub(crate) const REDACTED: &str = "[redacted]";

/// Knows secrets when it sees them.
#[derive(Debug)]
pub struct Redactor {
    names: Vec<String>,
    pattern: Regex,
}

/// A pattern of the configuration that is no regular expression.
#[derive(Debug, thiserror::Error)]
#[error("`{pattern}` is not a regular expression: {cause}")]
pub struct BadPattern {
    pub pattern: String,
    pub cause: String,
}

/// Members whose values nobody should read.
const NAMES: &[&str] = &[
    "password",
    "passwd",
    "secret",
    "token",
    "api_key",
    "apikey",
    "authorization",
    "credential",
    "private_key",
    "cookie",
];

/// What looks like a secret, by the public descriptions of who gives them out: OpenAI and
/// Anthropic, GitHub, GitLab, Slack, AWS, Google, Stripe; our own keys; JSON Web Tokens (RFC 7519),
/// bearer tokens (RFC 6750), private keys (RFC 7468), passwords in addresses (RFC 3986, 3.2.1).
const PATTERNS: &[&str] = &[
    r"\bsk-[A-Za-z0-9_-]{20,}",
    r"\bgh[pousr]_[A-Za-z0-9]{36,}",
    r"\bgithub_pat_[A-Za-z0-9_]{22,}",
    r"\bglpat-[A-Za-z0-9_-]{20,}",
    r"\bxox[abeprs]-[A-Za-z0-9-]{10,}",
    r"\b(?:AKIA|ASIA)[0-9A-Z]{16}\b",
    r"\bAIza[0-9A-Za-z_-]{35}",
    r"\b[rs]k_(?:live|test)_[0-9A-Za-z]{16,}",
    r"\bsbk_[A-Za-z0-9_-]{20,}",
    r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*",
    r"(?i)\bbearer\s+[A-Za-z0-9._~+/-]{16,}=*",
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----(?:[\s\S]*?-----END [A-Z ]*PRIVATE KEY-----|[\s\S]*)",
    r"(?i)\b[a-z][a-z0-9+.-]*://[^\s/:@]*:[^\s/@]+@",
];

/// Values inside values that are looked at; what is deeper is no argument of a person.
const DEPTH: usize = 64;

impl Redactor {
    /// # Errors
    ///
    /// [`BadPattern`] for one of the configuration's.
    pub fn new(config: &RedactConfig) -> Result<Self, BadPattern> {
        for pattern in &config.patterns {
            Regex::new(pattern).map_err(|error| BadPattern {
                pattern: pattern.clone(),
                cause: error.to_string(),
            })?;
        }
        let own = PATTERNS.iter().copied();
        let all: Vec<_> = own.chain(config.patterns.iter().map(String::as_str)).collect();
        let pattern = Regex::new(&format!("(?:{})", all.join(")|(?:"))).map_err(|error| {
            BadPattern { pattern: config.patterns.join("`, `"), cause: error.to_string() }
        })?;
        let names = NAMES.iter().map(|name| (*name).to_owned());
        let names = names.chain(config.names.iter().map(|name| name.to_ascii_lowercase()));
        Ok(Self { names: names.collect(), pattern })
    }

    /// Puts out of sight what is secret in `value`; `schema` is what the tool says of it. Whether
    /// there was anything.
    pub(crate) fn value(&self, value: &mut Value, schema: Option<&Value>) -> bool {
        self.walk(value, schema, DEPTH)
    }

    /// The text without what looks like a secret.
    pub(crate) fn text<'a>(&self, text: &'a str) -> Cow<'a, str> {
        self.pattern.replace_all(text, REDACTED)
    }

    /// Whether a member of this name may be secret anywhere in `text`: a look that is cheaper than
    /// taking the text apart.
    pub(crate) fn suspects(&self, text: &str) -> bool {
        let text = text.to_ascii_lowercase();
        self.names.iter().any(|name| text.contains(name.as_str()))
    }

    fn walk(&self, value: &mut Value, schema: Option<&Value>, depth: usize) -> bool {
        let is_marked = schema.is_some_and(is_marked);
        if depth == 0 || (is_marked && !value.is_null()) {
            *value = REDACTED.into();
            return true;
        }
        match value {
            Value::String(text) => match self.text(text) {
                Cow::Borrowed(_) => false,
                Cow::Owned(without) => {
                    *text = without;
                    true
                }
            },
            Value::Array(items) => {
                let schema = schema.and_then(|schema| schema.get("items"));
                let walk = |found, item| self.walk(item, schema, depth - 1) | found;
                items.iter_mut().fold(false, walk)
            }
            Value::Object(members) => {
                let properties = schema.and_then(|schema| schema.get("properties"));
                let walk = |found, (name, member): (&String, &mut Value)| {
                    let is_secret = self.is_secret(name) && !member.is_null();
                    if is_secret && !is_structure(member) {
                        *member = REDACTED.into();
                        return true;
                    }
                    let schema = properties.and_then(|properties| properties.get(name));
                    self.walk(member, schema, depth - 1) | found
                };
                members.iter_mut().fold(false, walk)
            }
            _ => false,
        }
    }

    fn is_secret(&self, name: &str) -> bool {
        let name = name.to_ascii_lowercase().replace('-', "_");
        self.names.iter().any(|secret| name.contains(secret.as_str()))
    }
}

/// What has members of its own is looked into: `tokens: { used: 3 }` is no secret.
fn is_structure(value: &Value) -> bool {
    matches!(value, Value::Object(_) | Value::Bool(_) | Value::Number(_))
}

/// JSON Schema, "Validation", 9.4 (`writeOnly`); OpenAPI's format `password`.
fn is_marked(schema: &Value) -> bool {
    schema.get("writeOnly").and_then(Value::as_bool) == Some(true)
        || schema.get("format").and_then(Value::as_str) == Some("password")
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{REDACTED, Redactor};
    use crate::config::RedactConfig;

    fn redactor() -> Redactor {
        let config =
            RedactConfig { names: vec!["Badge".into()], patterns: vec!["ACME-[0-9]{4}".into()] };
        Redactor::new(&config).unwrap()
    }

    /// `*` in `expected` stands for what was put out of sight.
    #[track_caller]
    fn check(mut value: Value, expected: &Value) {
        let found = redactor().value(&mut value, None);
        let expected: Value =
            serde_json::from_str(&expected.to_string().replace('*', REDACTED)).unwrap();
        assert_eq!(value, expected);
        assert_eq!(found, expected.to_string().contains(REDACTED));
    }

    #[test]
    fn members_are_known_by_their_names() {
        check(json!({ "city": "Ulm" }), &json!({ "city": "Ulm" }));
        check(json!({ "password": "x", "n": 1 }), &json!({ "password": "*", "n": 1 }));
        check(json!({ "DB-Password": "x" }), &json!({ "DB-Password": "*" }));
        check(json!({ "db": { "api_key": "x" } }), &json!({ "db": { "api_key": "*" } }));
        check(json!({ "cookies": ["a", "b"] }), &json!({ "cookies": "*" }));
        check(json!([{ "secret": null }]), &json!([{ "secret": null }]));
        check(json!({ "badge_number": "7" }), &json!({ "badge_number": "*" }));
        // A count of tokens is none.
        check(json!({ "max_tokens": 100 }), &json!({ "max_tokens": 100 }));
        check(json!({ "tokens": { "used": 3 } }), &json!({ "tokens": { "used": 3 } }));
    }

    #[test]
    fn texts_are_known_by_their_looks() {
        let key = format!("sk-{}", "a1".repeat(16));
        check(json!({ "text": format!("use {key}, please") }), &json!({ "text": "use *, please" }));
        check(json!(["ACME-1234 and ACME-12"]), &json!(["* and ACME-12"]));
        let token = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0xx.c2ln";
        check(json!(token), &json!("*"));
        check(json!("postgres://me:hush@db/x"), &json!("*db/x"));
        check(json!("-----BEGIN PRIVATE KEY-----\nabc"), &json!("*"));
        check(json!("Authorization: Bearer abcdefghijklmnop"), &json!("Authorization: *"));
        check(json!("https://example.com/a:b@c"), &json!("https://example.com/a:b@c"));
    }

    #[test]
    fn a_schema_marks_what_nobody_should_read() {
        let schema = json!({ "properties": {
            "pin": { "type": "string", "writeOnly": true },
            "users": { "items": { "properties": { "code": { "format": "password" } } } },
        } });
        let mut value = json!({ "pin": "1234", "users": [{ "code": "x", "name": "ann" }] });
        assert!(redactor().value(&mut value, Some(&schema)));
        let expected = json!({ "pin": REDACTED, "users": [{ "code": REDACTED, "name": "ann" }] });
        assert_eq!(value, expected);
    }

    #[test]
    fn a_pattern_that_is_none_is_named() {
        let config = RedactConfig { patterns: vec!["(".into()], ..RedactConfig::default() };
        let error = Redactor::new(&config).unwrap_err().to_string();
        assert!(error.starts_with("`(` is not a regular expression"), "{error}");
    }
}
