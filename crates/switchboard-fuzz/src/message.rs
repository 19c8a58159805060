//! Messages: what is accepted is JSON to any parser, says the same when it is written again, and has
//! no member of the envelope twice.

use bytes::Bytes;
use serde_json::Value;
use switchboard_mcp::{
    Envelope, Frame, Incoming, Json, Naming, RequestId, RpcError, encode, split_batch,
};

use crate::strict;

/// Most messages of a batch, as a listener may set it.
const BATCH: usize = 8;

pub(crate) fn check(input: &[u8]) {
    let text = Bytes::copy_from_slice(input);
    let parsed = Json::parse(text.clone());
    if let Err(error) = &parsed {
        let is_deep = error.to_string().contains("nested deeper");
        assert!(is_deep || !strict::is_json(input), "refused, but JSON: {error}");
    }
    let json = parsed.ok();
    match Incoming::decode(text) {
        Ok(incoming) => accepted(input, json.as_ref().expect("a message is JSON"), &incoming),
        Err(refusal) => {
            strict_error(refusal.id.as_ref(), &refusal.error);
            let again = json.as_ref().map(Incoming::read);
            assert!(again.is_none_or(|again| again.is_err()), "refused, and then accepted");
        }
    }
    let Some(json) = json else { return };
    strict::value(input);
    if let Ok(members) = json.members() {
        let names = strict::names(input).expect("an object");
        assert!(strict::distinct(&names), "a member twice: {json}");
        assert!(names.iter().map(String::as_str).eq(members.iter().map(|(name, _)| name)));
    }
    for message in split_batch(&json, BATCH).unwrap_or_default() {
        strict::sound(&message);
        let _ = Incoming::read(&message);
    }
}

/// Where a member of the envelope is in the text of a message.
fn accepted(text: &[u8], json: &Json, incoming: &Incoming) {
    let names = strict::names(text).expect("a message is an object");
    for name in ["jsonrpc", "id", "method", "params", "result", "error"] {
        let count = names.iter().filter(|other| *other == name).count();
        assert!(count < 2, "`{name}` is there {count} times");
    }
    let again = Incoming::read(json).expect("the same text is the same message");
    assert_eq!(format!("{again:?}"), format!("{incoming:?}"), "read in two ways");

    let written = match incoming {
        Incoming::Request { id, method, params } => encode::request(id, method, params.as_ref()),
        Incoming::Notification { method, params } => encode::notification(method, params.as_ref()),
        Incoming::Response { id: Some(id), outcome } => encode::outcome(id, outcome),
        Incoming::Response { id: None, outcome } => match outcome {
            Err(error) => return strict_error(None, error),
            Ok(result) => return strict::sound(result),
        },
    };
    let copy = Incoming::decode(written.clone().into()).expect("what we write, we read");
    assert_eq!(format!("{copy:?}"), format!("{incoming:?}"), "written and read");
    if let (Some(first), Some(second)) = (strict::value(text), strict::value(&written)) {
        says_the_same(&first, &second, incoming);
    }
    if let Incoming::Request { method, params: Some(params), .. } = incoming {
        let frame = Frame {
            id: None,
            method,
            params: Some(params),
            naming: Naming::Same,
            envelope: &[],
            progress: false,
        };
        goes_on(&frame, params);
    }
}

fn strict_error(id: Option<&RequestId>, error: &RpcError) {
    let written = encode::error(id, error);
    Json::parse(written.clone().into()).expect("an error is JSON");
    strict::value(&written);
}

fn says_the_same(first: &Value, second: &Value, incoming: &Incoming) {
    let members: &[&str] = match incoming {
        Incoming::Request { .. } | Incoming::Notification { .. } => &["id", "method", "params"],
        Incoming::Response { outcome: Ok(_), .. } => &["id", "result"],
        // An error that was malformed is one in our words.
        Incoming::Response { outcome: Err(_), .. } => &["id"],
    };
    for name in members {
        assert_eq!(first.get(name), second.get(name), "`{name}`");
    }
}

/// On its way to a server a request keeps every parameter but `_meta`, and is one line.
fn goes_on(frame: &Frame<'_>, params: &Json) {
    let members = params.members();
    if let Ok(members) = &members {
        let _ = Envelope::read(params, members);
    }
    let Ok(line) = frame.encode() else { return };
    let members = members.expect("only what has no member twice goes on");
    assert!(!line.contains(&b'\n') && !line.contains(&b'\r'), "more than one line");
    let Ok(Incoming::Notification { params: Some(sent), .. }) = Incoming::decode(line.into())
    else {
        panic!("what goes on is the notification it was written as");
    };
    let sent = sent.members().expect("no member twice");
    for (name, value) in members.iter().filter(|(name, _)| !name.eq_ignore_ascii_case("_meta")) {
        let flat = |text: &str| text.replace(['\n', '\r'], " ");
        assert_eq!(sent.get(name).map(|sent| flat(sent.get())), Some(flat(value.get())), "{name}");
    }
}
