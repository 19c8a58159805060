//! One event as one line, in either format.

use std::fmt::{self, Write as _};

use tracing::Level;
use tracing::field::{Field, Visit};

use super::Format;
use super::escape::{push_escaped, push_quoted, push_word};

/// Everything a line says. `ts` and the names are ours, the rest may be anybody's.
pub(super) struct Event<'a> {
    pub(super) ts: &'a str,
    pub(super) level: Level,
    pub(super) target: &'a str,
    pub(super) message: &'a str,
    pub(super) fields: &'a Fields,
}

/// Fields in the order of their first appearance; spans first, outermost first.
#[derive(Clone, Default)]
pub(super) struct Fields(Vec<(&'static str, Value)>);

/// A [`Fields`] together with the event's message, as `tracing` hands them out.
#[derive(Default)]
pub(super) struct Recorder {
    pub(super) message: String,
    pub(super) fields: Fields,
}

#[derive(Clone)]
enum Value {
    /// A number or a boolean: the same in text and in JSON.
    Bare(String),
    Text(String),
}

/// Longest value, in bytes. Enough for a stack trace or an error chain; a log is read by people, and
/// a server that writes megabytes into an error must not own the log file.
const MAX_VALUE_BYTES: usize = 8 * 1024;

/// Keys of our own in a JSON line; a field of that name gets a `_` behind it.
const RESERVED: [&str; 4] = ["ts", "level", "target", "message"];

/// Bold red, yellow, green, blue, magenta.
const COLOURS: [(Level, &str); 5] = [
    (Level::ERROR, "\x1b[1;31m"),
    (Level::WARN, "\x1b[33m"),
    (Level::INFO, "\x1b[32m"),
    (Level::DEBUG, "\x1b[34m"),
    (Level::TRACE, "\x1b[35m"),
];

impl Event<'_> {
    /// The line with its newline.
    pub(super) fn render(&self, format: Format, colour: bool) -> String {
        let mut line = match format {
            Format::Text => self.text(colour),
            Format::Json => self.json(),
        };
        line.push('\n');
        line
    }

    fn text(&self, colour: bool) -> String {
        let mut line = format!("{} ", self.ts);
        let on = COLOURS.iter().find(|(level, _)| *level == self.level).map_or("", |(_, on)| on);
        if colour {
            line.push_str(on);
        }
        line.push_str(self.level.as_str());
        if colour {
            line.push_str("\x1b[0m");
        }
        if !self.message.is_empty() {
            line.push(' ');
            push_escaped(&mut line, self.message);
        }
        for (name, value) in &self.fields.0 {
            line.push(' ');
            push_word(&mut line, name);
            line.push('=');
            match value {
                Value::Bare(value) => line.push_str(value),
                Value::Text(value) => push_word(&mut line, value),
            }
        }
        line
    }

    fn json(&self) -> String {
        let mut line = String::from("{");
        let own = [self.ts, self.level.as_str(), self.target, self.message];
        for (name, value) in RESERVED.iter().zip(own) {
            push_member(&mut line, name);
            push_quoted(&mut line, value);
        }
        for (name, value) in &self.fields.0 {
            push_member(&mut line, name);
            match value {
                Value::Bare(value) => line.push_str(value),
                Value::Text(value) => push_quoted(&mut line, value),
            }
        }
        line.push('}');
        line
    }
}

fn push_member(line: &mut String, name: &str) {
    if line.len() > 1 {
        line.push(',');
    }
    push_quoted(line, name);
    line.push(':');
}

impl Fields {
    /// Adds the fields of a span or event that is further in; of two of one name the inner wins.
    pub(super) fn extend(&mut self, inner: &Self) {
        for (name, value) in &inner.0 {
            self.set(name, value.clone());
        }
    }

    fn set(&mut self, name: &'static str, value: Value) {
        match self.0.iter_mut().find(|(known, _)| *known == name) {
            Some((_, known)) => *known = value,
            None => self.0.push((name, value)),
        }
    }
}

impl Recorder {
    fn put(&mut self, field: &Field, value: Value) {
        // `r#type` is how Rust spells a field called `type`.
        let name = field.name().trim_start_matches("r#");
        match (name, value) {
            ("message", Value::Bare(value) | Value::Text(value)) => self.message = value,
            ("ts", value) => self.fields.set("ts_", value),
            ("level", value) => self.fields.set("level_", value),
            ("target", value) => self.fields.set("target_", value),
            (name, value) => self.fields.set(name, value),
        }
    }
}

impl Visit for Recorder {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.put(field, Value::Text(bounded(format_args!("{value:?}"))));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, Value::Text(bounded(format_args!("{value}"))));
    }

    /// The whole chain, since the log is the edge at which it is printed.
    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        let mut text = value.to_string();
        let mut cause = value.source();
        while let Some(error) = cause {
            text.push_str(": ");
            text.push_str(&error.to_string());
            cause = error.source();
        }
        self.put(field, Value::Text(bounded(format_args!("{text}"))));
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.put(field, Value::Bare(value.to_string()));
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.put(field, Value::Bare(value.to_string()));
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.put(field, Value::Bare(value.to_string()));
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        // JSON has no NaN and no infinity.
        let text = value.to_string();
        self.put(field, if value.is_finite() { Value::Bare(text) } else { Value::Text(text) });
    }
}

/// Formats at most [`MAX_VALUE_BYTES`], and says how much is missing. What is beyond is never held.
fn bounded(value: fmt::Arguments<'_>) -> String {
    let mut bounded = Bounded { text: String::new(), left_out: 0 };
    // Fails only when the value's own formatting does; what it wrote until then is what there is.
    let _ = bounded.write_fmt(value);
    if 0 < bounded.left_out {
        let left_out = bounded.left_out;
        bounded.text.push_str(&format!("…(+{left_out} bytes)"));
    }
    bounded.text
}

struct Bounded {
    text: String,
    left_out: usize,
}

impl fmt::Write for Bounded {
    fn write_str(&mut self, piece: &str) -> fmt::Result {
        let room = if self.left_out == 0 { MAX_VALUE_BYTES - self.text.len() } else { 0 };
        let fits = piece.floor_char_boundary(room);
        self.text.push_str(&piece[..fits]);
        self.left_out += piece.len() - fits;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
