//! Messages of one revision for a peer of another: whatever is in them, what comes out is JSON, and
//! what is not the protocol's stays as it was.

use bytes::Bytes;
use switchboard_mcp::{
    Answers, ClientCapabilities, Frame, InputRequired, Json, Method, Naming, ParamHeaders,
    ProtocolVersion, Raw, RpcError, Task, TaskGeneration, TaskWish, fingerprint,
    question_to_client, related_task, renumber, rewrite_error_uris, rewrite_item_uris,
    rewrite_task_ids, rewrite_uris, to_client, url_elicitations, with_related_task, with_uri,
    without_hop_meta,
};

use crate::strict::sound;

pub(crate) fn check(input: &[u8]) {
    let room = [b"[[", input, b"]]"].concat();
    if Json::parse(room.into()).is_err() {
        return;
    }
    if let Ok(message) = Json::parse(Bytes::copy_from_slice(input)) {
        all(&message);
    }
}

/// Every translation of a message, which leaves room for two more levels around it.
///
/// # Panics
///
/// If one gives back what is not JSON, or takes away what it does not know.
pub fn all(message: &Json) {
    translate(message);
    read(message);
    refuse(message);
    send(message);
}

/// The methods whose results have addresses, one of each shape.
const RESULTS: [&str; 8] = [
    "tools/call",
    "tools/list",
    "prompts/get",
    "resources/read",
    "resources/list",
    "skills/list",
    "skills/get",
    "tasks/get",
];

/// The members of a result that some revision has and another has not, or spells otherwise.
const TRANSLATED: [&str; 8] = [
    "_meta",
    "cacheScope",
    "content",
    "messages",
    "resultType",
    "structuredContent",
    "tools",
    "ttlMs",
];

/// What is not of the protocol, or the same in all its revisions, is there as it was.
fn keeps_the_rest(before: &Json, after: &Json) {
    let Ok(before) = before.members() else { return };
    let after = after.members().expect("no member twice");
    for (name, value) in before.iter() {
        if !TRANSLATED.iter().any(|other| other.eq_ignore_ascii_case(name)) {
            assert_eq!(after.get(name).map(Raw::get), Some(value.get()), "`{name}`");
        }
    }
}

fn map(text: &str) -> Option<String> {
    Some(format!("new \"{text}\""))
}

fn translate(message: &Json) {
    let info = Json::empty_object();
    for to in ProtocolVersion::ALL {
        for from in [ProtocolVersion::NEWEST_LEGACY, ProtocolVersion::MODERN] {
            if let Ok(result) = to_client(message.clone(), (from, to), None, &info) {
                sound(&result);
                keeps_the_rest(message, &result);
            }
        }
        let _ = without_hop_meta(message.clone(), to).map(|json| sound(&json));
        for question in [Method::CreateMessage, Method::Elicit, Method::RootsList] {
            let asked = question_to_client(&question, Some(message.clone()), to, "e");
            let _ = asked.map(|params| params.iter().for_each(sound));
        }
    }
    sound(&rewrite_item_uris(message.clone(), map));
    sound(&rewrite_task_ids(message.clone(), map));
    for method in RESULTS {
        sound(&rewrite_uris(&method.into(), message.clone(), map));
    }
    let capabilities = ClientCapabilities::read(message.clone());
    let _ = capabilities.check(&Method::CreateMessage, Some(message));
    sound(&capabilities.as_json());
    sound(&capabilities.with_extension("a/b", true));
}

fn read(message: &Json) {
    let _ = InputRequired::read(message).map(|wanted| wanted.map(|w| sound(&w.encode())));
    let _ = Answers::read(message);
    let _ = fingerprint(&Method::ToolsCall, Some(message));
    let _ = TaskWish::read(message);
    let _ = TaskWish::put(None, Some(message)).map(|json| sound(&json));
    let _ = related_task(message);
    let _ = with_related_task(Some(message), "t").map(|json| sound(&json));
    for from in [TaskGeneration::Experimental, TaskGeneration::Extension] {
        let task = Task::read(message, from).ok();
        let created = Task::read_created(message, from).ok().flatten();
        for task in task.into_iter().chain(created) {
            for to in [TaskGeneration::Experimental, TaskGeneration::Extension] {
                sound(&task.encode(to));
                sound(&task.encode_created(to));
            }
        }
    }
    if let Ok(Some(headers)) = ParamHeaders::read(message) {
        let arguments: Raw<'_> = message.view().expect("any JSON is that");
        let expected = headers.expected(Some(arguments));
        let received = expected.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
        let _ = headers.check(Some(arguments), received);
    }
}

fn refuse(data: &Json) {
    for code in [-32002, -32020, -32021, -32022, -32042, -32602] {
        let error = RpcError { data: Some(data.clone()), ..RpcError::new(code, "m") };
        for (from, to) in
            ProtocolVersion::ALL.into_iter().zip(ProtocolVersion::ALL.into_iter().rev())
        {
            let _ = renumber(error.clone(), from, to, &Method::ResourcesRead);
        }
        let _ = rewrite_error_uris(with_uri(error.clone(), "a:b"), map);
        let asked = url_elicitations(&error).unwrap_or_default();
        asked.iter().filter_map(|request| request.params.as_ref()).for_each(sound);
    }
}

fn send(params: &Json) {
    for naming in [Naming::Same, Naming::Member("name", "x"), Naming::Reference("name", "x")] {
        let frame = Frame {
            id: None,
            method: &Method::ToolsCall,
            params: Some(params),
            naming,
            envelope: &[("io.modelcontextprotocol/logLevel", "\"info\"".into())],
            progress: false,
        };
        if let Ok(line) = frame.encode() {
            sound(&Json::parse(line.into()).expect("what was written is JSON"));
        }
    }
}
