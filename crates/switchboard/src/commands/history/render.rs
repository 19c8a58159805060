//! Records, for people. What servers and clients wrote in them is shown as text.

use std::fmt::Write as _;

use serde_json::Value;
use switchboard_client::control::{RecordedCall, RecordedCalls, Replayed};

use crate::output::Table;
use crate::untrusted;

pub(super) fn list(calls: &RecordedCalls, width: Option<u16>) -> String {
    if calls.calls.is_empty() {
        return "no calls".to_owned();
    }
    let mut table = Table::new(&["ID", "STARTED", "STATUS", "TOOK", "BY", "NAME"]);
    for call in &calls.calls {
        table.row([
            call.id.clone(),
            seconds(&call.started).to_owned(),
            untrusted::line(&call.status),
            took(call.duration_us),
            untrusted::line(&call.subject),
            untrusted::line(&call.name),
        ]);
    }
    table.render(width)
}

pub(super) fn call(call: &RecordedCall) -> String {
    let mut text = String::new();
    let mut line = |name: &str, value: &str| {
        let _ = writeln!(text, "{name:<10}{}", untrusted::line(value));
    };
    line("id", &call.id);
    line(&call.kind, &call.name);
    line("status", &call.status);
    line("started", &call.started);
    line("took", &took(call.duration_us));
    line("by", &call.subject);
    let attempt = call.attempt.map(|attempt| match attempt {
        0 => "no server was asked".to_owned(),
        attempt => attempt.to_string(),
    });
    for (name, value) in [
        ("server", &call.upstream),
        ("endpoint", &call.endpoint),
        ("attempt", &attempt),
        ("cache", &call.cache),
        ("trace", &call.trace_id),
        ("notes", &call.notes),
    ] {
        if let Some(value) = value {
            line(name, value);
        }
    }
    if let (Some(tokens_in), Some(tokens_out)) = (call.tokens_in, call.tokens_out) {
        line("tokens", &format!("about {tokens_in} in, {tokens_out} out"));
    }
    for (name, value) in
        [("arguments", &call.arguments), ("result", &call.result), ("error", &call.error)]
    {
        if let Some(value) = value {
            let _ = write!(text, "\n{name}\n{}\n", pretty(value));
        }
    }
    text.trim_end().to_owned()
}

pub(super) fn replayed(replayed: &Replayed) -> String {
    let Replayed { recorded, upstream, duration_us, error, difference, .. } = replayed;
    let name = untrusted::line(&recorded.name);
    let mut text = format!(
        "asked {} for {name}: {}, {} when it was recorded",
        untrusted::line(upstream),
        took(*duration_us),
        took(recorded.duration_us),
    );
    match error {
        Some(error) => {
            let _ = write!(text, "\nit failed: {}", untrusted::line(error));
        }
        None if difference.is_empty() => text += "\nthe result is the same",
        None => {
            let _ = write!(text, "\n\n{}", untrusted::text(difference));
        }
    }
    text
}

fn pretty(value: &Value) -> String {
    untrusted::text(&serde_json::to_string_pretty(value).expect("a value is JSON"))
}

/// Down to the second: `2026-11-21 08:00:00`.
fn seconds(time: &str) -> String {
    untrusted::line(time.get(..19).unwrap_or(time)).replace('T', " ")
}

fn took(microseconds: i64) -> String {
    let microseconds = microseconds.max(0).unsigned_abs();
    match microseconds {
        0..1_000 => format!("{microseconds} µs"),
        1_000..1_000_000 => format!("{:.1} ms", microseconds as f64 / 1e3),
        _ => format!("{:.1} s", microseconds as f64 / 1e6),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use switchboard_client::control::{RecordedCall, RecordedCalls, Replayed};

    fn recorded() -> RecordedCall {
        RecordedCall {
            id: "17952480000000001234".to_owned(),
            name: "git__log\u{7}".to_owned(),
            kind: "tool".to_owned(),
            status: "completed".to_owned(),
            started: "2026-11-21T08:00:00.000000Z".to_owned(),
            duration_us: 12_345,
            subject: "owner".to_owned(),
            upstream: Some("git".to_owned()),
            endpoint: Some("git.2".to_owned()),
            attempt: Some(1),
            cache: Some("none".to_owned()),
            arguments: Some(json!({ "count": 3 })),
            result: Some(json!({ "content": [] })),
            error: None,
            notes: None,
            tokens_in: Some(3),
            tokens_out: Some(4),
            trace_id: None,
            can_be_replayed: true,
        }
    }

    #[track_caller]
    fn check(text: &str, expected: &str) {
        let text = anstream::adapter::strip_str(text).to_string();
        assert_eq!(text, expected);
    }

    #[test]
    fn calls_are_lines_of_a_table() {
        check(&super::list(&RecordedCalls::default(), None), "no calls");
        let calls = RecordedCalls { calls: vec![recorded()], next: None };
        check(
            &super::list(&calls, None),
            "ID                    STARTED              STATUS     TOOK     BY     NAME\n\
             17952480000000001234  2026-11-21 08:00:00  completed  12.3 ms  owner  git__log",
        );
    }

    #[test]
    fn a_call_is_shown_whole() {
        check(
            &super::call(&recorded()),
            "id        17952480000000001234\ntool      git__log\nstatus    completed\n\
             started   2026-11-21T08:00:00.000000Z\ntook      12.3 ms\nby        owner\n\
             server    git\nendpoint  git.2\nattempt   1\ncache     none\ntokens    about 3 in, 4 out\n\narguments\n{\n  \"count\": 3\n}\n\n\
             result\n{\n  \"content\": []\n}",
        );
    }

    #[test]
    fn a_replay_says_what_differs() {
        let replayed = |error: Option<&str>, difference: &str| Replayed {
            recorded: recorded(),
            upstream: "git".to_owned(),
            duration_us: 900,
            result: None,
            error: error.map(str::to_owned),
            difference: difference.to_owned(),
        };
        let head = "asked git for git__log: 900 µs, 12.3 ms when it was recorded";
        check(&super::replayed(&replayed(None, "")), &format!("{head}\nthe result is the same"));
        check(&super::replayed(&replayed(Some("gone"), "")), &format!("{head}\nit failed: gone"));
        check(&super::replayed(&replayed(None, "-1\n+2")), &format!("{head}\n\n-1\n+2"));
    }
}
