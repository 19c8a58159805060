//! Texts read and checked.

use std::collections::HashSet;

use cedar_policy::ffi::DetailedError;
use cedar_policy::{Effect, Policy, PolicyId, PolicySet, ValidationMode, ValidationWarning};
use serde_json::Value;

use crate::arguments::{Shape, is_mentioned};
use crate::mistake::{Mistake, Mistakes};
use crate::names::are_looked_at;
use crate::rules::Rule;
use crate::schema::validator;
use crate::seen::seen;
use crate::text::{Place, Text};

/// The longest text; a thousand policies of people.
const TEXT_LIMIT: usize = 256 * 1024;

/// Most operators in one policy. They nest at most as deep, and what walks through a policy does
/// that on the stack.
const OPERATOR_LIMIT: usize = 256;

/// Most policies together: each is evaluated for each decision, at about a microsecond.
const RULE_LIMIT: usize = 1_000;

/// The stack on which texts are read. A policy of as many operators as are allowed, one in the
/// other, took between 4 and 8 MiB unoptimised (measured 2026-11-21); only what is used is taken
/// from the system.
const STACK: usize = 64 * 1024 * 1024;

/// Whether `texts` can be read, as policies of a tenant.
///
/// # Errors
///
/// [`Mistakes`], all that are found.
pub fn validate(texts: &[Text]) -> Result<(), Mistakes> {
    load(texts).map(drop)
}

/// Reads all policies of `texts`, on a thread of its own: what they need of a stack is more than
/// the caller may have left.
///
/// # Errors
///
/// [`Mistakes`], all that are found in all texts.
pub(crate) fn load(texts: &[Text]) -> Result<Vec<Rule>, Mistakes> {
    let Some(first) = texts.first() else { return Ok(Vec::new()) };
    let refused = |message: String| {
        let place = first.place(0);
        Mistakes(vec![Mistake { place, policy: None, message, hint: None }])
    };
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name("policies".to_owned()).stack_size(STACK);
        let reading = thread
            .spawn_scoped(scope, || read(texts))
            .map_err(|error| refused(format!("there is no thread to read it: {error}")))?;
        // The default hook has said what it was.
        reading.join().unwrap_or_else(|_| Err(refused("it cannot be read".to_owned())))
    })
}

fn read(texts: &[Text]) -> Result<Vec<Rule>, Mistakes> {
    let mut rules: Vec<Rule> = Vec::new();
    let mut mistakes = Vec::new();
    for text in texts {
        match policies(text) {
            Ok(policies) => {
                for (number, policy) in policies.into_iter().enumerate() {
                    match rule(text, number, &policy) {
                        Ok(rule) => rules.push(rule),
                        Err(found) => mistakes.extend(found),
                    }
                }
            }
            Err(found) => mistakes.extend(found),
        }
    }
    let mut names = HashSet::new();
    for rule in &rules {
        if !names.insert(&rule.name) {
            mistakes.push(Mistake {
                place: rule.place.clone(),
                policy: Some(rule.name.clone()),
                message: "another policy has the same name".to_owned(),
                hint: Some("give it an `@id` of its own".to_owned()),
            });
        }
    }
    if let Some(first) = rules.get(RULE_LIMIT) {
        mistakes.push(Mistake {
            place: first.place.clone(),
            policy: Some(first.name.clone()),
            message: format!("more than {RULE_LIMIT} policies"),
            hint: Some("say with sets and roles what several policies say now".to_owned()),
        });
    }
    if mistakes.is_empty() { Ok(rules) } else { Err(Mistakes(mistakes)) }
}

/// The policies of a text, in order.
fn policies(text: &Text) -> Result<Vec<Policy>, Vec<Mistake>> {
    check_size(text).map_err(|mistake| vec![mistake])?;
    let set: PolicySet = text.content.parse().map_err(|errors: cedar_policy::ParseErrors| {
        let mistake = |error| described(text, text.place(0), None, error);
        errors.iter().map(|error| mistake(DetailedError::from(error))).collect::<Vec<_>>()
    })?;
    if let Some(template) = set.templates().next() {
        let start = template.as_ref().loc().map_or(0, |loc| loc.start());
        return Err(vec![Mistake {
            place: text.place(start),
            policy: template.annotation("id").map(str::to_owned),
            message: "`?principal` and `?resource` are for templates, which are not used here"
                .to_owned(),
            hint: Some("write the policy out for whom or what it is".to_owned()),
        }]);
    }
    let mut policies: Vec<_> = set.policies().cloned().collect();
    policies.sort_by_key(start);
    Ok(policies)
}

fn start(policy: &Policy) -> usize {
    policy.as_ref().loc().map_or(0, |loc| loc.start())
}

/// One policy, checked.
fn rule(text: &Text, number: usize, policy: &Policy) -> Result<Rule, Vec<Mistake>> {
    let name = match policy.annotation("id").filter(|id| !id.is_empty()) {
        Some(id) => id.to_owned(),
        None => format!("{}#{}", text.name, number + 1),
    };
    let place = text.place(start(policy));
    let mistake = |message: String, hint: Option<&str>| {
        vec![Mistake {
            place: place.clone(),
            policy: Some(name.clone()),
            message,
            hint: hint.map(str::to_owned),
        }]
    };
    let json = policy.to_json().map_err(|error| mistake(error.to_string(), None))?;
    let shape = match is_mentioned(&json) {
        false => None,
        true => Some(Shape::read(&json).map_err(|message| mistake(message, None))?),
    };
    check(text, policy, &name, shape.as_ref())?;
    let seen = shape.is_some().then(|| seen_policy(&json)).transpose();
    Ok(Rule {
        permits: policy.effect() == Effect::Permit,
        seen: seen.map_err(|message| mistake(message, None))?,
        full: policy.clone(),
        looks_at_names: are_looked_at(&json),
        is_of_tenant: false,
        name,
        place: place.clone(),
    })
}

fn seen_policy(json: &Value) -> Result<Policy, String> {
    Policy::from_json(None, seen(json)).map_err(|error| error.to_string())
}

/// Checks one policy against the schema.
fn check(
    text: &Text,
    policy: &Policy,
    name: &str,
    shape: Option<&Shape>,
) -> Result<(), Vec<Mistake>> {
    let place = || text.place(start(policy));
    let alone = PolicySet::from_policies([policy.new_id(PolicyId::new(name))]);
    let checked = alone.map_err(|error| error.to_string()).and_then(|alone| {
        validator(shape, |validator| validator.validate(&alone, ValidationMode::Strict))
    });
    let result = checked.map_err(|message| {
        vec![Mistake { place: place(), policy: Some(name.to_owned()), message, hint: None }]
    })?;
    let errors = result.validation_errors().map(DetailedError::from);
    let mut mistakes: Vec<_> =
        errors.map(|error| described(text, place(), Some(name), error)).collect();
    // What can never apply is more often a slip than meant, and a `forbid` that does not forbid is
    // worse than none. Texts that look like others are how a rule is made to say something else.
    let matter = result.validation_warnings().filter(|warning| {
        matches!(
            warning,
            ValidationWarning::ImpossiblePolicy(_)
                | ValidationWarning::BidiCharsInString(_)
                | ValidationWarning::BidiCharsInIdentifier(_)
        )
    });
    if mistakes.is_empty() {
        mistakes.extend(matter.map(|warning| match warning {
            ValidationWarning::ImpossiblePolicy(_) => Mistake {
                place: place(),
                policy: Some(name.to_owned()),
                message: "it can never apply".to_owned(),
                hint: Some(IMPOSSIBLE.to_owned()),
            },
            other => described(text, place(), Some(name), DetailedError::from(other)),
        }));
    }
    if mistakes.is_empty() { Ok(()) } else { Err(mistakes) }
}

/// The common reasons for which a policy never applies.
const IMPOSSIBLE: &str = "groups of actions are written `action in Action::\"use\"`; tools, prompts \
                          and resources are used, the tenant is managed";

/// What to do about the mistakes that are made most.
fn hint(message: &str) -> Option<&'static str> {
    let hints = [
        ("`arguments`", "only what is used has arguments: begin with `action in Action::\"use\"`"),
        ("unrecognized action", "the actions are in the guide: `use`, `read`, `inspect:keys`, …"),
        (
            "unable to guarantee safety of access to optional attribute",
            "ask first: `principal has name && …`, `context.arguments has x && …`",
        ),
    ];
    hints.into_iter().find(|(part, _)| message.contains(part)).map(|(_, hint)| hint)
}

/// What Cedar says, at the place that it says.
fn described(text: &Text, place: Place, policy: Option<&str>, error: DetailedError) -> Mistake {
    let place = error.source_locations.first().map_or(place, |at| text.place(at.loc.start));
    // Cedar begins with whose mistake it is, which is said already.
    let prefix = policy.map(|policy| format!("for policy `{policy}`, "));
    let message = match prefix.and_then(|prefix| error.message.strip_prefix(&prefix)) {
        Some(message) => message.to_owned(),
        None => error.message,
    };
    let hint = hint(&message).map(str::to_owned).or(error.help);
    Mistake { place, policy: policy.map(str::to_owned), message, hint }
}

/// Refuses what is too much to look at, before anything does.
fn check_size(text: &Text) -> Result<(), Mistake> {
    let mistake = |place: Place, message: String| Mistake {
        place,
        policy: None,
        message,
        hint: Some("divide it into several".to_owned()),
    };
    if text.content.len() > TEXT_LIMIT {
        let message = format!("a text of more than {} KiB", TEXT_LIMIT / 1024);
        return Err(mistake(text.place(0), message));
    }
    let mut count = 0;
    let mut begin = 0;
    for (at, sign) in signs(&text.content) {
        match sign {
            b';' => (count, begin) = (0, at + 1),
            _ => count += 1,
        }
        if count > OPERATOR_LIMIT {
            let message = format!("a policy with more than {OPERATOR_LIMIT} operators");
            let rest = &text.content[begin..];
            return Err(mistake(text.place(begin + rest.len() - rest.trim_start().len()), message));
        }
    }
    Ok(())
}

/// The signs that make one thing a part of another, and the ends of policies, outside of texts and
/// comments. Words that do (`if`, `in`, `has`, …) are counted by their first letter where they
/// stand alone.
fn signs(text: &str) -> impl Iterator<Item = (usize, u8)> {
    let bytes = text.as_bytes();
    let mut at = 0;
    std::iter::from_fn(move || {
        while let Some(&byte) = bytes.get(at) {
            let here = at;
            at += 1;
            match byte {
                b'"' => at = end_of_text(bytes, at),
                b'/' if bytes.get(at) == Some(&b'/') => {
                    at +=
                        bytes[at..].iter().position(|it| *it == b'\n').unwrap_or(bytes.len() - at);
                }
                b'&' | b'|' | b'=' | b'<' | b'>' => {
                    // Of two such signs that are one operator, the second is not counted.
                    at += usize::from(matches!(bytes.get(at), Some(b'&' | b'|' | b'=')));
                    return Some((here, byte));
                }
                b'!' | b'-' | b'+' | b'*' | b'.' | b'(' | b'[' | b'{' | b';' => {
                    return Some((here, byte));
                }
                _ if byte.is_ascii_alphabetic() || byte == b'_' => {
                    let rest = &bytes[here..];
                    let is_part = |it: &u8| it.is_ascii_alphanumeric() || *it == b'_';
                    let length = rest.iter().position(|it| !is_part(it)).unwrap_or(rest.len());
                    at = here + length;
                    if matches!(&rest[..length], b"if" | b"in" | b"is" | b"has" | b"like") {
                        return Some((here, byte));
                    }
                }
                _ => {}
            }
        }
        None
    })
}

/// Where the text ends that begins before `at`.
fn end_of_text(bytes: &[u8], mut at: usize) -> usize {
    while let Some(byte) = bytes.get(at) {
        at += if *byte == b'\\' { 2 } else { 1 };
        if *byte == b'"' {
            break;
        }
    }
    at.min(bytes.len())
}

#[cfg(test)]
mod tests;
