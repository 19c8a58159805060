//! The tools of a fake: the name of each is the way in which it misbehaves.

use std::collections::HashMap;
use std::sync::Arc;

use serde::Deserialize;
use serde_json::value::RawValue;
use tokio::sync::mpsc;

use crate::fake::{Inner, Say, error};

#[derive(Deserialize)]
struct Params<'a> {
    name: String,
    #[serde(borrow)]
    arguments: Option<&'a RawValue>,
}

/// An id, and a token, that nobody uses.
const STRANGE: &str = "987654321";

/// More than the longest line that an upstream takes.
const TOO_LONG: usize = (64 << 20) + 1;

/// Notes that a call was given up, unless it came to its end.
struct Open<'a> {
    inner: &'a Inner,
    name: &'a str,
    ended: bool,
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        if !self.ended {
            self.inner.journal.note(format!("cancelled {}", self.name));
        }
    }
}

pub(crate) async fn call(inner: &Arc<Inner>, id: &str, params: &str, say: &mpsc::Sender<Say>) {
    let Ok(Params { name, arguments }) = serde_json::from_str(params) else {
        return inner.reply(say, id, &error(-32602, "no name")).await;
    };
    inner.journal.note(format!("call {name}"));
    let mut open = Open { inner, name: &name, ended: false };
    for before in spoken_before(&name, params) {
        let _ = say.send(before).await;
    }
    let arguments = arguments.map_or("{}", RawValue::get);
    let answer = match name.as_str() {
        "echo" => Some(format!("\"result\":{{\"content\":[],\"arguments\":{arguments}}}")),
        "fail" => Some("\"result\":{\"content\":[],\"isError\":true}".to_owned()),
        "refuse" => Some(error(-32602, "unknown tool")),
        "never" | "close" => std::future::pending().await,
        "ask" => Some(ask(inner, say).await),
        _ => usual(inner, &name, id, say).await,
    };
    open.ended = true;
    if let Some(answer) = answer {
        inner.reply(say, id, &answer).await;
    }
}

/// Tools that answer as every tool does, or with something that is no answer.
async fn usual(inner: &Inner, name: &str, id: &str, say: &mpsc::Sender<Say>) -> Option<String> {
    let result = |text: &str| format!("\"result\":{{\"content\":[],\"text\":\"{text}\"}}");
    match name {
        "hold" => inner.held.hold(&inner.journal).await,
        "change" => inner.add_tool("new"),
        "twice" => inner.reply(say, id, &result("first")).await,
        "foreign" => inner.reply(say, STRANGE, &result("not yours")).await,
        "float_id" => {
            inner.reply(say, &format!("{id}.0"), &result(name)).await;
            return None;
        }
        "malformed" => {
            let _ = say.send(line(format!("{{\"jsonrpc\":\"2.0\",\"id\":{id}}}"))).await;
            return None;
        }
        "broken" => {
            let mut text = format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"result\":\"").into_bytes();
            text.extend_from_slice(b"\xff\"}");
            let _ = say.send(Say::Line(text)).await;
            return None;
        }
        "endless" => {
            let _ = say.send(Say::Line(vec![b'x'; TOO_LONG])).await;
            return None;
        }
        "die" => {
            let _ = say.send(Say::Exit(7)).await;
            return None;
        }
        "garbage" | "utf8" | "long" | "flood" | "progress" | "wrong_progress" => {}
        other => return Some(error(-32602, &format!("no tool {other}"))),
    }
    Some(result(name))
}

/// What goes out before the answer.
fn spoken_before(name: &str, params: &str) -> Vec<Say> {
    match name {
        "close" => vec![Say::CloseOutput],
        "garbage" => ["starting up...", "", "{", "[\"2.0\",1,\"ping\"]", "null", "{\"a\":\u{1}}"]
            .map(|text| line(text.to_owned()))
            .into(),
        "utf8" => {
            let text = b"{\"jsonrpc\":\"2.0\",\"method\":\"notifications/message\",\"x\":\"\xff\"}";
            vec![Say::Line(text.to_vec())]
        }
        "long" => vec![Say::Line(vec![b'x'; TOO_LONG])],
        "flood" => (0..64).map(|_| Say::Stderr(b"noise\n".repeat(10_000))).collect(),
        "progress" => progress(params),
        "wrong_progress" => wrong_progress(params),
        _ => Vec::new(),
    }
}

fn line(text: String) -> Say {
    Say::Line(text.into_bytes())
}

/// Three steps, where the caller wants to hear of them.
pub(crate) fn progress(params: &str) -> Vec<Say> {
    let Some(token) = progress_token(params) else { return Vec::new() };
    let step = |step| {
        line(format!(
            "{{\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\",\"params\":\
             {{\"progressToken\":{token},\"progress\":{step},\"x-future\":1.10}}}}"
        ))
    };
    (1..=3).map(step).collect()
}

/// Progress under tokens that nobody gave, and without any.
fn wrong_progress(params: &str) -> Vec<Say> {
    let own = progress_token(params).unwrap_or_default();
    let tokens = [STRANGE.to_owned(), "\"x\"".to_owned(), "null".to_owned(), format!("[{own}]")];
    let mut lines: Vec<_> = tokens
        .iter()
        .map(|token| {
            line(format!(
                "{{\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\",\"params\":\
                 {{\"progressToken\":{token},\"progress\":1}}}}"
            ))
        })
        .collect();
    lines.push(line("{\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\"}".to_owned()));
    lines
}

/// The token of a request that asks for progress, as it was written.
fn progress_token(params: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Params<'a> {
        #[serde(borrow, rename = "_meta")]
        meta: Option<HashMap<String, &'a RawValue>>,
    }
    let params: Params<'_> = serde_json::from_str(params).ok()?;
    Some(params.meta?.get("progressToken")?.get().to_owned())
}

/// Asks the client two things in the middle of a call, and answers with what it said.
async fn ask(inner: &Inner, say: &mpsc::Sender<Say>) -> String {
    for (id, method) in [("\"q1\"", "ping"), ("\"q2\"", "sampling/createMessage")] {
        let text = format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"method\":\"{method}\"}}");
        let _ = say.send(Say::Line(text.into_bytes())).await;
    }
    inner.journal.until("response", 2).await;
    let seen = inner.journal.entries();
    let of = |id: &str| seen.iter().any(|entry| entry.contains(id) && entry.contains("\"result\""));
    format!("\"result\":{{\"content\":[],\"ping\":{},\"sampling\":{}}}", of("q1"), of("q2"))
}
