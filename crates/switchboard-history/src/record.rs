//! What is written of a call.

use std::borrow::Cow;
use std::time::Duration;

use serde_json::{Value, json};
use switchboard_core::store::Row;
use switchboard_core::{Call, CallOutcome, Error, rfc3339_micros};
use switchboard_mcp::{Json, Members, Method};

use crate::config::HistoryConfig;
use crate::keeper::Facts;
use crate::queue::{Cut, Noted};
use crate::redact::{REDACTED, Redactor};

/// How calls are written.
pub(crate) struct Form {
    pub redactor: Redactor,
    pub arguments_limit: usize,
}

/// The states of calls, as the older engine names them; the last is ours.
pub(crate) const COMPLETED: &str = "completed";
pub(crate) const FAILED: &str = "failed";
pub(crate) const CANCELLED: &str = "cancelled";

/// How a call stands to a cache: results are never taken from one, every call goes to its server.
const NOT_CACHED: &str = "none";

/// Bytes of text that one token of a model stands for, on average over English and JSON: what
/// model vendors give as a rule of thumb. An estimate is enough to see what a tool costs.
const TOKEN: usize = 4;

impl Form {
    pub(crate) fn new(config: &HistoryConfig, redactor: Redactor) -> Self {
        Self { redactor, arguments_limit: config.arguments_limit.as_usize() }
    }

    /// The row of a call whose id is `id`.
    pub(crate) fn row(&self, id: String, noted: &Noted, facts: &Facts) -> Row {
        let Call { principal, method, name, params, outcome, went, .. } = &noted.call;
        let (started, ended) = (noted.started(), noted.ended);
        let members = params.as_ref().and_then(|params| params.members().ok());
        let upstream = went.upstream.as_deref().or(facts.upstream.as_deref());
        let is_asked = went.attempt > 0;
        let row = Row::new(id)
            .with("name", key_text(name))
            .with("mcp_type", kind(method))
            .with("method", method.as_str())
            .with("subject", key_text(&principal.subject))
            .with("updated_by", key_text(&principal.subject))
            .with("upstream", upstream.map(key_text))
            .with("endpoint", went.endpoint.as_deref().map(key_text))
            .with("attempt", i64::from(went.attempt))
            .with("cache", is_asked.then_some(NOT_CACHED))
            .with("created_at", rfc3339_micros(started))
            .with("updated_at", rfc3339_micros(ended))
            .with("duration", micros(noted.took()))
            .with("time_spent", micros(noted.took()) / 1_000)
            .with("content_in_s3", false)
            .with("trace_id", members.as_ref().and_then(trace_id));
        let row = self.arguments(row, members.as_ref(), facts);
        self.outcome(row, outcome, noted.cut.as_ref())
    }

    fn arguments(&self, row: Row, members: Option<&Members<'_>>, facts: &Facts) -> Row {
        let Some(arguments) = members.and_then(|members| members.get("arguments")) else {
            return row;
        };
        let length = arguments.get().len();
        let row = row.with("tokens_in", tokens(length));
        if self.arguments_limit < length {
            return row.with("notes", format!("arguments of {length} bytes were left out"));
        }
        let Ok(mut value) = serde_json::from_str::<Value>(arguments.get()) else { return row };
        storable(&mut value, DEPTH);
        let schema = facts.schema.as_ref().filter(|schema| may_mark(schema));
        let schema = schema.and_then(|schema| schema.view::<Value>().ok());
        if self.redactor.value(&mut value, schema.as_ref()) {
            return row.with("arguments", value).with("notes", "arguments were redacted");
        }
        row.with("arguments", value)
    }

    fn outcome(&self, row: Row, outcome: &CallOutcome, cut: Option<&Cut>) -> Row {
        match outcome {
            CallOutcome::Answered(response) => {
                let (is_error, length, content) = match cut {
                    Some(cut) => {
                        let beginning = Value::from(cut.beginning.as_str()).to_string();
                        (cut.is_error, cut.length, self.content(&beginning))
                    }
                    None => {
                        let text = response.result.as_str();
                        (response.is_tool_error(), text.len(), self.content(text))
                    }
                };
                let row = row
                    .with("status", if is_error { FAILED } else { COMPLETED })
                    .with("content", content)
                    .with("tokens_out", tokens(length));
                match cut {
                    Some(_) => and_note(row, &format!("the result of {length} bytes was cut")),
                    None => row,
                }
            }
            CallOutcome::Failed(error) => {
                let text = without_nul(self.redactor.text(&error.to_string()));
                let error = json!({
                    "message": text,
                    "may_be_sent_again": error.may_be_sent_again(),
                    "code": code(error),
                });
                and_note(row.with("status", FAILED).with("error", error), &text)
            }
            CallOutcome::Abandoned => row.with("status", CANCELLED),
        }
    }

    fn content(&self, text: &str) -> String {
        if self.redactor.suspects(text)
            && let Ok(mut value) = serde_json::from_str(text)
            && self.redactor.value(&mut value, None)
        {
            return without_nul(value.to_string());
        }
        without_nul(self.redactor.text(text))
    }
}

/// Whether a schema may mark anything as secret: a look that is cheaper than taking it apart, which
/// is worth it for few. Who wrote letters as numbers may have meant either word.
fn may_mark(schema: &Json) -> bool {
    let text = schema.as_str();
    ["writeOnly", "password", "\\u"].iter().any(|word| text.contains(word))
}

/// Whether the arguments of a row are not those that were sent.
pub(crate) fn lacks_arguments(row: &Row) -> bool {
    row.text("notes")
        .is_some_and(|notes| notes.contains("arguments of") || notes.contains("arguments were"))
        || row.get("arguments").is_some_and(|arguments| arguments.to_string().contains(REDACTED))
}

fn and_note(row: Row, note: &str) -> Row {
    let notes = match row.text("notes") {
        Some(notes) => format!("{notes}; {note}"),
        None => note.to_owned(),
    };
    row.with("notes", notes)
}

/// The longest text that rows are found by: what every kind of store takes.
const KEY_LIMIT: usize = 1_024;

/// Levels of arguments that are written; stores take a hundred.
const DEPTH: usize = 64;

/// A text that rows are found by. Clients ask for names of any length.
fn key_text(text: &str) -> String {
    without_nul(&text[..text.floor_char_boundary(KEY_LIMIT)])
}

/// Stores take no NUL, which PostgreSQL has no room for.
fn without_nul<'a>(text: impl Into<Cow<'a, str>>) -> String {
    let text = text.into();
    if text.contains('\0') { text.replace('\0', "\u{2400}") } else { text.into_owned() }
}

/// Replaces what stores do not take.
fn storable(value: &mut Value, depth: usize) {
    match value {
        Value::String(text) if text.contains('\0') => *text = without_nul(&**text),
        Value::Array(_) | Value::Object(_) if depth == 0 => *value = "\u{2026}".into(),
        Value::Array(items) => items.iter_mut().for_each(|item| storable(item, depth - 1)),
        Value::Object(members) => {
            if members.keys().any(|name| name.contains('\0')) {
                let clean = |(name, member): (String, Value)| (without_nul(name), member);
                *members = std::mem::take(members).into_iter().map(clean).collect();
            }
            members.values_mut().for_each(|member| storable(member, depth - 1));
        }
        _ => {}
    }
}

/// What the older engine calls it.
fn kind(method: &Method) -> &'static str {
    match method {
        Method::PromptsGet => "prompt",
        Method::ResourcesRead => "resource",
        _ => "tool",
    }
}

fn code(error: &Error) -> &'static str {
    match error {
        Error::NotFound { .. } => "not_found",
        Error::Invalid(_) => "invalid",
        Error::NoSuchMethod(_) => "no_such_method",
        Error::Unavailable { .. } => "upstream_unavailable",
        Error::Declined { .. } => "upstream_declined",
        Error::Unauthorized { .. } => "upstream_unauthorized",
        Error::Busy { .. } => "upstream_busy",
        Error::Lost { .. } => "upstream_lost",
        Error::TimedOut { .. } => "timeout",
        Error::Limited(_) => "rate_limited",
        Error::Server { .. } => "refused_by_server",
        Error::Refused(_) => "refused",
    }
}

/// The trace that a request belongs to (W3C Trace Context, 3.2; 2026-07-28, `_meta.traceparent`).
fn trace_id(members: &Members<'_>) -> Option<String> {
    let meta = members.get("_meta").and_then(|meta| Members::parse(meta).ok())?;
    let parent = meta.read::<String>("traceparent")?;
    let id = parent.split('-').nth(1)?;
    let is_id = id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_id.then(|| id.to_owned())
}

fn micros(time: Duration) -> i64 {
    i64::try_from(time.as_micros()).unwrap_or(i64::MAX)
}

fn tokens(bytes: usize) -> i64 {
    i64::try_from(bytes.div_ceil(TOKEN)).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
