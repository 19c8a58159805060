//! One member put into a JSON text or taken out of it, with every other byte left where it was.
//!
//! Putting in and taking out are each other's inverse, comments and trailing commas included, so
//! that a person who connects and disconnects has the file they had.

use serde::Serialize as _;
use serde_json::{Map, Value};

use super::comments::without_comments;
use super::scan::{Member, Object};

/// The text with `value` at `path`; objects on the way are made when they are missing.
///
/// The text is a valid object, or has nothing but comments in it.
pub(crate) fn set(text: &str, path: &[&str], value: &Value) -> String {
    let style = Style::of(text);
    let plain = without_comments(text);
    let Some(mut object) = Object::root(&plain) else {
        let document = style.render(&nested(path, value.clone()), "");
        let separator = if text.is_empty() || text.ends_with('\n') { "" } else { style.newline };
        return format!("{text}{separator}{document}{}", style.newline);
    };
    for (depth, key) in path.iter().enumerate() {
        let rest = &path[depth + 1..];
        let Some(index) = object.position(key) else {
            return insert(text, &object, key, &nested(rest, value.clone()), &style);
        };
        let member = &object.members[index];
        match Object::at(&plain, member.value.start) {
            Some(inner) if !rest.is_empty() => object = inner,
            _ => {
                let new =
                    style.render(&nested(rest, value.clone()), line_indent(text, member.key_start));
                return format!(
                    "{}{new}{}",
                    &text[..member.value.start],
                    &text[member.value.end..]
                );
            }
        }
    }
    text.to_owned()
}

/// The text without the member at `path`, unchanged if there is none.
pub(crate) fn unset(text: &str, path: &[&str]) -> String {
    let plain = without_comments(text);
    let Some(mut object) = Object::root(&plain) else { return text.to_owned() };
    for (depth, key) in path.iter().enumerate() {
        let Some(index) = object.position(key) else { break };
        if depth + 1 == path.len() {
            return remove(text, &object, index);
        }
        let Some(inner) = Object::at(&plain, object.members[index].value.start) else { break };
        object = inner;
    }
    text.to_owned()
}

fn insert(text: &str, object: &Object, key: &str, value: &Value, style: &Style) -> String {
    let inside = &text[object.open + 1..object.close];
    let Some(last) = object.members.last() else {
        let indent = format!("{}{}", line_indent(text, object.open), style.unit);
        let member = style.member(key, value, &indent);
        let (head, tail) = (&text[..=object.open], &text[object.close..]);
        return match (style.one_line, inside.trim().is_empty()) {
            (true, _) => format!("{head}{member}{inside}{tail}"),
            (false, true) => {
                let close_indent = line_indent(text, object.open);
                format!("{head}{nl}{indent}{member}{nl}{close_indent}{tail}", nl = style.newline)
            }
            // Only comments are inside; they stay below.
            (false, false) => format!("{head}{}{indent}{member}{inside}{tail}", style.newline),
        };
    };
    let one_line = !inside.contains('\n');
    let indent = if starts_line(text, last.key_start) {
        line_indent(text, last.key_start).to_owned()
    } else {
        format!("{}{}", line_indent(text, object.open), style.unit)
    };
    let lead = if one_line { " ".to_owned() } else { format!("{}{indent}", style.newline) };
    let lead = if one_line && style.one_line { String::new() } else { lead };
    let member =
        if one_line { style.on_one_line(key, value) } else { style.member(key, value, &indent) };
    // Where the file ends its lists with a comma, ours ends with one too, and the neighbour keeps its own.
    let (comma_before, comma_after) = if last.comma.is_some() { ("", ",") } else { (",", "") };
    let after = last.comma.map_or(last.value.end, |comma| comma + 1);
    let at = if one_line { after } else { past_comments(text, after) };
    format!(
        "{}{comma_before}{}{lead}{member}{comma_after}{}",
        &text[..last.value.end],
        &text[last.value.end..at],
        &text[at..],
    )
}

fn remove(text: &str, object: &Object, index: usize) -> String {
    let member = &object.members[index];
    let start = before_key(text, member.key_start);
    let previous = index.checked_sub(1).map(|index| &object.members[index]);
    let removed = match (member.comma, previous) {
        (Some(comma), _) => format!("{}{}", &text[..start], &text[comma + 1..]),
        (None, Some(Member { comma: Some(comma), .. })) => {
            format!(
                "{}{}{}",
                &text[..*comma],
                &text[comma + 1..start.max(comma + 1)],
                &text[member.value.end..]
            )
        }
        (None, _) => format!("{}{}", &text[..start], &text[member.value.end..]),
    };
    // The braces of an object that has nothing left close up.
    let plain = without_comments(&removed);
    match Object::at(&plain, object.open) {
        Some(left)
            if left.members.is_empty() && removed[left.open + 1..left.close].trim().is_empty() =>
        {
            format!("{}{}", &removed[..=left.open], &removed[left.close..])
        }
        _ => removed,
    }
}

/// How a file is laid out.
struct Style {
    unit: String,
    newline: &'static str,
    one_line: bool,
}

impl Style {
    fn of(text: &str) -> Self {
        let plain = without_comments(text);
        let first = Object::root(&plain).and_then(|object| object.members.into_iter().next());
        let unit = first.filter(|member| starts_line(text, member.key_start));
        let unit = unit.map_or("", |member| line_indent(text, member.key_start));
        let content = text.trim();
        Self {
            unit: if unit.is_empty() { "  ".to_owned() } else { unit.to_owned() },
            newline: if text.contains("\r\n") { "\r\n" } else { "\n" },
            // Written by a program for programs.
            one_line: content.starts_with('{')
                && content.len() > 2
                && !content.contains('\n')
                && !content.contains(": "),
        }
    }

    fn member(&self, key: &str, value: &Value, indent: &str) -> String {
        if self.one_line {
            return self.on_one_line(key, value);
        }
        format!("{}: {}", Value::from(key), self.render(value, indent))
    }

    fn on_one_line(&self, key: &str, value: &Value) -> String {
        let space = if self.one_line { "" } else { " " };
        format!("{}:{space}{value}", Value::from(key))
    }

    fn render(&self, value: &Value, indent: &str) -> String {
        if self.one_line {
            return value.to_string();
        }
        let mut bytes = Vec::new();
        let formatter = serde_json::ser::PrettyFormatter::with_indent(self.unit.as_bytes());
        let mut serializer = serde_json::Serializer::with_formatter(&mut bytes, formatter);
        value.serialize(&mut serializer).expect("a value with text keys becomes JSON in memory");
        let text = String::from_utf8(bytes).expect("JSON is UTF-8");
        text.replace('\n', &format!("{}{indent}", self.newline))
    }
}

fn nested(path: &[&str], value: Value) -> Value {
    path.iter()
        .rev()
        .fold(value, |value, &key| Value::Object(Map::from_iter([(key.to_owned(), value)])))
}

/// The white space that the line around `at` starts with.
fn line_indent(text: &str, at: usize) -> &str {
    let start = text[..at].rfind('\n').map_or(0, |newline| newline + 1);
    let line = &text[start..];
    &line[..line.len() - line.trim_start_matches([' ', '\t']).len()]
}

fn starts_line(text: &str, at: usize) -> bool {
    text[..at].trim_end_matches([' ', '\t']).ends_with('\n')
}

/// The start of a key with the white space before it, one line end included.
fn before_key(text: &str, key: usize) -> usize {
    let before = text[..key].trim_end_matches([' ', '\t']);
    let before =
        before.strip_suffix('\n').map_or(before, |line| line.strip_suffix('\r').unwrap_or(line));
    before.len()
}

/// The offset after the comments that follow `at` on the same line.
fn past_comments(text: &str, at: usize) -> usize {
    let mut end = at;
    loop {
        let rest = &text[end..];
        let comment = rest.trim_start_matches([' ', '\t']);
        let start = end + (rest.len() - comment.len());
        end = match comment.get(..2) {
            Some("//") => {
                let line = comment.split('\n').next().unwrap_or_default();
                return start + line.strip_suffix('\r').unwrap_or(line).len();
            }
            // The end is looked for after the beginning: `/*/` is not a whole comment.
            Some("/*") => {
                start + comment[2..].find("*/").map_or(comment.len(), |length| length + 4)
            }
            _ => return end,
        };
    }
}
