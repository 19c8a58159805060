//! Which arguments of calls a policy speaks of, and what they have to be.
//!
//! Cedar checks policies against a schema in which everything has a type, but what arguments a call
//! has only its tool knows. So what a policy takes an argument for is what it is declared as: text
//! where it is compared with a text or matched by `like`, a number where it is counted with, and so
//! on. A policy that takes one argument for two things is refused.
//!
//! An argument that the policy asks for with `has` is declared as one that may be absent, and may
//! then only be read after asking, as Cedar wants it. Any other is declared as always there: that a
//! call comes without it is then an error when the policy is evaluated, which fails closed.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::Value;

/// The record of arguments as a policy takes it.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Shape(BTreeMap<String, Argument>);

#[derive(Clone, Debug, PartialEq)]
struct Argument {
    kind: Kind,
    /// Whether the policy asks if it is there.
    is_asked_for: bool,
}

/// What something is taken for.
#[derive(Clone, Debug, PartialEq)]
enum Kind {
    /// Nothing says what.
    Unknown,
    Bool,
    Long,
    Text,
    Set(Box<Self>),
    Record(Shape),
}

/// Whether the expression or policy, in Cedar's JSON, depends on the arguments of a call.
pub(crate) fn is_mentioned(part: &Value) -> bool {
    match part {
        Value::Array(parts) => parts.iter().any(is_mentioned),
        Value::Object(members) => {
            if is_var(part, "context") {
                return true;
            }
            // Of the context there is nothing but the arguments and how the caller logged in.
            if let Some((left, attribute)) = attribute(part)
                && is_var(left, "context")
            {
                return attribute != "method";
            }
            members.values().any(is_mentioned)
        }
        _ => false,
    }
}

impl Shape {
    /// Reads what the policy, in Cedar's JSON, takes its arguments for.
    ///
    /// # Errors
    ///
    /// A message where it takes one for two things.
    pub(crate) fn read(policy: &Value) -> Result<Self, String> {
        let mut shape = Self::default();
        for condition in policy["conditions"].as_array().into_iter().flatten() {
            shape.walk(&condition["body"], &Kind::Bool)?;
        }
        Ok(shape)
    }

    /// Notes what `expression` takes arguments for, where it is itself taken for `wanted`.
    fn walk(&mut self, expression: &Value, wanted: &Kind) -> Result<(), String> {
        if let Some(path) = path(expression) {
            return self.note(&path, wanted.clone(), false);
        }
        let Some((operator, operands)) = expression.as_object().and_then(|it| it.iter().next())
        else {
            return Ok(());
        };
        let (left, right) = (&operands["left"], &operands["right"]);
        match operator.as_str() {
            "Value" | "Var" | "Slot" => Ok(()),
            "!" => self.walk(&operands["arg"], &Kind::Bool),
            "neg" => self.walk(&operands["arg"], &Kind::Long),
            "isEmpty" => self.walk(&operands["arg"], &set_of(Kind::Unknown)),
            "&&" | "||" => self.both(left, right, &Kind::Bool),
            "<" | "<=" | ">" | ">=" | "+" | "-" | "*" => self.both(left, right, &Kind::Long),
            "==" | "!=" => {
                for side in [left, right] {
                    if side.get("Record").is_some() {
                        return Err(
                            "whole records of arguments cannot be compared, because parts \
                                    of them may be left out; compare the parts"
                                .to_owned(),
                        );
                    }
                }
                self.walk(left, &kind_of(right))?;
                self.walk(right, &kind_of(left))
            }
            "contains" => {
                self.walk(left, &set_of(kind_of(right)))?;
                self.walk(right, &element(&kind_of(left)))
            }
            "containsAll" | "containsAny" => {
                self.walk(left, &kind_of(right))?;
                self.walk(right, &kind_of(left))
            }
            "like" => self.walk(left, &Kind::Text),
            "has" => self.asked_for(left, &operands["attr"]),
            "if-then-else" => {
                self.walk(&operands["if"], &Kind::Bool)?;
                self.walk(&operands["then"], wanted)?;
                self.walk(&operands["else"], wanted)
            }
            "Set" => self.each(operands, &element(wanted)),
            _ => self.each(operands, &Kind::Unknown),
        }
    }

    fn both(&mut self, left: &Value, right: &Value, wanted: &Kind) -> Result<(), String> {
        self.walk(left, wanted)?;
        self.walk(right, wanted)
    }

    /// All that stand in a list or under names.
    fn each(&mut self, operands: &Value, wanted: &Kind) -> Result<(), String> {
        match operands {
            Value::Array(operands) => operands.iter().try_for_each(|it| self.walk(it, wanted)),
            Value::Object(operands) => operands.values().try_for_each(|it| self.walk(it, wanted)),
            _ => Ok(()),
        }
    }

    /// `left has attribute`, where that may be a chain of them.
    fn asked_for(&mut self, left: &Value, attributes: &Value) -> Result<(), String> {
        let attributes: Vec<_> = match attributes {
            Value::Array(chain) => chain.iter().filter_map(Value::as_str).collect(),
            one => one.as_str().into_iter().collect(),
        };
        let Some(mut path) = path_or_context(left) else {
            return self.walk(left, &Kind::Unknown);
        };
        for attribute in attributes {
            path.push(attribute.to_owned());
            if let [first, own @ ..] = &path[..]
                && first == "arguments"
                && !own.is_empty()
            {
                self.note(own, Kind::Unknown, true)?;
            }
        }
        Ok(())
    }

    fn note(&mut self, path: &[String], kind: Kind, is_asked_for: bool) -> Result<(), String> {
        let Some((first, rest)) = path.split_first() else { return Ok(()) };
        let argument = self
            .0
            .entry(first.clone())
            .or_insert(Argument { kind: Kind::Unknown, is_asked_for: false });
        if rest.is_empty() {
            argument.is_asked_for |= is_asked_for;
            return argument.kind.be(kind).map_err(|what| format!("the argument `{first}` {what}"));
        }
        argument
            .kind
            .be(Kind::Record(Self::default()))
            .map_err(|what| format!("the argument `{first}` {what}"))?;
        match &mut argument.kind {
            Kind::Record(shape) => shape.note(rest, kind, is_asked_for),
            _ => Ok(()),
        }
    }
}

impl Kind {
    /// Takes it for `other` as well.
    fn be(&mut self, other: Self) -> Result<(), String> {
        match (&mut *self, other) {
            (_, Self::Unknown) | (Self::Record(_), Self::Record(_)) => Ok(()),
            (Self::Unknown, other) => {
                *self = other;
                Ok(())
            }
            (Self::Set(own), Self::Set(other)) => own.be(*other),
            (own, other) if *own == other => Ok(()),
            (own, other) => {
                Err(format!("is taken for {} and for {}", own.in_words(), other.in_words()))
            }
        }
    }

    fn in_words(&self) -> &'static str {
        match self {
            Self::Unknown => "anything",
            Self::Bool => "a truth value",
            Self::Long => "a number",
            Self::Text => "a text",
            Self::Set(_) => "a set",
            Self::Record(_) => "a record",
        }
    }
}

/// As a type of a Cedar schema. What nothing is known of is text, like most arguments.
impl fmt::Display for Kind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown | Self::Text => formatter.write_str("String"),
            Self::Bool => formatter.write_str("Bool"),
            Self::Long => formatter.write_str("Long"),
            Self::Set(element) => write!(formatter, "Set<{element}>"),
            Self::Record(shape) => shape.fmt(formatter),
        }
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("{")?;
        for (name, Argument { kind, is_asked_for }) in &self.0 {
            let mark = if *is_asked_for { "?" } else { "" };
            // Cedar's texts are escaped as Rust's are.
            write!(formatter, "\"{}\"{mark}: {kind},", name.escape_default())?;
        }
        formatter.write_str("}")
    }
}

fn set_of(element: Kind) -> Kind {
    Kind::Set(Box::new(element))
}

fn element(set: &Kind) -> Kind {
    match set {
        Kind::Set(element) => (**element).clone(),
        _ => Kind::Unknown,
    }
}

/// What an expression is, by itself.
fn kind_of(expression: &Value) -> Kind {
    match expression.get("Value") {
        Some(Value::Bool(_)) => return Kind::Bool,
        Some(Value::Number(_)) => return Kind::Long,
        Some(Value::String(_)) => return Kind::Text,
        Some(_) => return Kind::Unknown,
        None => {}
    }
    if let Some((left, attribute)) = attribute(expression) {
        return match attribute {
            _ if path(left).is_some() => Kind::Unknown,
            "scopes" => set_of(Kind::Text),
            "subject" | "name" | "method" | "server" | "uri" => Kind::Text,
            _ => Kind::Unknown,
        };
    }
    let Some((operator, operands)) = expression.as_object().and_then(|it| it.iter().next()) else {
        return Kind::Unknown;
    };
    match operator.as_str() {
        "+" | "-" | "*" | "neg" => Kind::Long,
        "Set" => set_of(operands.get(0).map_or(Kind::Unknown, kind_of)),
        "!" | "&&" | "||" | "==" | "!=" | "<" | "<=" | ">" | ">=" | "in" | "is" | "has"
        | "like" | "contains" | "containsAll" | "containsAny" | "isEmpty" => Kind::Bool,
        _ => Kind::Unknown,
    }
}

/// The names below `context.arguments` of an expression that leads there.
fn path(expression: &Value) -> Option<Vec<String>> {
    let mut path = path_or_context(expression)?;
    (path.first()? == "arguments").then(|| path.split_off(1))
}

/// The names below `context`.
fn path_or_context(expression: &Value) -> Option<Vec<String>> {
    if is_var(expression, "context") {
        return Some(Vec::new());
    }
    let (left, attribute) = attribute(expression)?;
    let mut path = path_or_context(left)?;
    path.push(attribute.to_owned());
    Some(path)
}

/// The parts of `left.attribute`.
fn attribute(expression: &Value) -> Option<(&Value, &str)> {
    let access = expression.get(".")?;
    Some((&access["left"], access["attr"].as_str()?))
}

fn is_var(expression: &Value, name: &str) -> bool {
    expression.get("Var").and_then(Value::as_str) == Some(name)
}

#[cfg(test)]
mod tests {
    use cedar_policy::Policy;

    use super::{Shape, is_mentioned};

    #[track_caller]
    fn check(condition: &str, expected: &str) {
        let text = format!("permit (principal, action, resource) when {{ {condition} }};");
        let policy = Policy::parse(None, &text).unwrap().to_json().unwrap();
        let shape = Shape::read(&policy).map_or_else(|error| error, |shape| shape.to_string());
        assert_eq!(shape, expected, "{condition}");
        assert_eq!(is_mentioned(&policy), condition.contains("arguments"), "{condition}");
    }

    #[test]
    fn an_argument_is_what_it_is_taken_for() {
        check("principal.method == \"oidc\" && context.method == \"oidc\"", "{}");
        check("context.arguments.repo like \"acme/*\"", r#"{"repo": String,}"#);
        check("context.arguments.repo == principal.subject", r#"{"repo": String,}"#);
        check(
            "context.arguments.count < 3 || -context.arguments.n == 2",
            r#"{"count": Long,"n": Long,}"#,
        );
        check("!context.arguments.force", r#"{"force": Bool,}"#);
        check("context.arguments.force == true", r#"{"force": Bool,}"#);
        check("context.arguments.paths.contains(\"x\")", r#"{"paths": Set<String>,}"#);
        check("context.arguments.ids.containsAny([1, 2])", r#"{"ids": Set<Long>,}"#);
        check("[\"a\"].contains(context.arguments.name)", r#"{"name": String,}"#);
        check("context.arguments.a.b[\"c d\"] > 1", r#"{"a": {"b": {"c d": Long,},},}"#);
        check("context.arguments[\"x\\\"y\"] == \"z\"", r#"{"x\"y": String,}"#);
        check("context.arguments.a == context.arguments.b", r#"{"a": String,"b": String,}"#);
        check(
            "if context.arguments.a then context.arguments.b else true",
            r#"{"a": Bool,"b": Bool,}"#,
        );
    }

    #[test]
    fn what_is_asked_for_may_be_absent() {
        check("context.arguments has force", r#"{"force"?: String,}"#);
        check("context.arguments has force && context.arguments.force", r#"{"force"?: Bool,}"#);
        check(
            "context.arguments has a.b && context.arguments.a.b == 1",
            r#"{"a"?: {"b"?: Long,},}"#,
        );
        check("context has arguments.a", r#"{"a"?: String,}"#);
    }

    #[test]
    fn one_argument_is_one_thing() {
        check(
            "context.arguments.a == 1 && context.arguments.a == \"x\"",
            "the argument `a` is taken for a number and for a text",
        );
        check(
            "context.arguments.a.b == 1 && context.arguments.a",
            "the argument `a` is taken for a record and for a truth value",
        );
        check(
            "context.arguments.a == {b: 1}",
            "whole records of arguments cannot be compared, because parts of them may be left out; \
             compare the parts",
        );
    }
}
