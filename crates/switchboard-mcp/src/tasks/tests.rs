use bytes::Bytes;

use super::TaskGeneration::{self, Experimental, Extension};
use super::{Task, TaskStatus, TaskWish, encode_task_list};
use super::{related_task, rewrite_task_ids, with_related_task};
use crate::error::RpcError;
use crate::json::Json;
use crate::version::ProtocolVersion;

fn json(text: &str) -> Json {
    Json::parse(Bytes::copy_from_slice(text.as_bytes())).unwrap()
}

/// A task with what follows its times, in either generation.
fn task(generation: TaskGeneration, status: &str, rest: &str) -> String {
    let head = format!(
        r#""taskId":"t","status":"{status}","statusMessage":"m","createdAt":"2026-01-01T00:00:00Z","lastUpdatedAt":"2026-01-02T00:00:00Z""#
    );
    match generation {
        Experimental => format!(r#"{head},"ttl":60000,"pollInterval":500{rest}"#),
        Extension => format!(r#"{head},"ttlMs":60000,"pollIntervalMs":500{rest}"#),
    }
}

/// Takes the result of a call from one generation to the other.
#[track_caller]
fn check_created(from: TaskGeneration, result: &str, to: TaskGeneration, expected: &str) {
    let actual = match Task::read_created(&json(result), from) {
        Ok(None) => "none".to_owned(),
        Ok(Some(task)) => task.encode_created(to).to_string(),
        Err(error) => format!("error: {error}"),
    };
    assert!(actual.starts_with(expected), "gave\n{actual}, expected\n{expected}");
}

#[test]
fn a_call_that_became_a_task_is_written_for_either() {
    let old = |rest: &str| format!(r#"{{"task":{{{}}}{rest}}}"#, task(Experimental, "working", ""));
    let new =
        |rest: &str| format!(r#"{{"resultType":"task",{}{rest}}}"#, task(Extension, "working", ""));
    let meta = r#","_meta":{"io.modelcontextprotocol/model-immediate-response":"soon"}"#;
    for (from, result) in [(Experimental, old(meta)), (Extension, new(meta))] {
        check_created(from, &result, Experimental, &old(meta));
        check_created(from, &result, Extension, &new(meta));
    }
}

#[test]
fn other_results_are_no_tasks() {
    for generation in [Experimental, Extension] {
        check_created(generation, r#"{"content":[]}"#, Extension, "none");
        check_created(
            generation,
            r#"{"content":[],"structuredContent":{"taskId":"t"}}"#,
            Extension,
            "none",
        );
    }
    let flat = format!("{{{}}}", task(Extension, "working", ""));
    check_created(Extension, &flat, Extension, "none");
    check_created(
        Extension,
        r#"{"resultType":"task","taskId":7}"#,
        Extension,
        "error: `createdAt`",
    );
    check_created(Experimental, r#"{"task":{"taskId":"t"}}"#, Extension, "error: `createdAt`");
    check_created(
        Experimental,
        r#"{"task":"taskId","taskId":1}"#,
        Extension,
        "error: invalid type",
    );
}

/// Takes a task from one generation to the other.
#[track_caller]
fn check(from: TaskGeneration, given: &str, to: TaskGeneration, expected: &str) {
    let actual = match Task::read(&json(given), from) {
        Ok(task) => task.encode(to).to_string(),
        Err(error) => format!("error: {error}"),
    };
    assert!(actual.starts_with(expected), "gave\n{actual}, expected\n{expected}");
}

#[test]
fn the_same_facts_have_other_names() {
    for status in ["working", "cancelled", "input_required"] {
        let old = format!("{{{}}}", task(Experimental, status, r#","x-future":[ 1 ]"#));
        let new = format!("{{{}}}", task(Extension, status, r#","x-future":[ 1 ]"#));
        check(Experimental, &old, Extension, &new);
        check(Extension, &new, Experimental, &old);
        check(Experimental, &old, Experimental, &old);
        check(Extension, &new, Extension, &new);
    }
}

#[test]
fn without_an_end_and_without_an_interval() {
    let head = r#""taskId":"t","status":"working","createdAt":"a","lastUpdatedAt":"a""#;
    let old = format!(r#"{{{head},"ttl":null}}"#);
    let new = format!(r#"{{{head},"ttlMs":null}}"#);
    check(Experimental, &old, Extension, &new);
    check(Extension, &new, Experimental, &old);
    // Of the two times one is enough, and a time to live that is not there is none.
    let short = r#"{"taskId":"t","status":"working","createdAt":"a"}"#;
    check(Experimental, short, Extension, &new);
    check(Experimental, &old.replace("null", "1.5e3"), Extension, &new.replace("null", "1500"));
}

#[test]
fn what_came_of_a_task_stands_in_it_or_behind_it() {
    let result = r#","result":{"content":[],"isError":true}"#;
    let done = format!("{{{}}}", task(Extension, "completed", result));
    check(Extension, &done, Extension, &done);
    check(Extension, &done, Experimental, &format!("{{{}}}", task(Experimental, "completed", "")));
    let error = r#","error":{"code":-32603,"message":"e"}"#;
    let failed = format!("{{{}}}", task(Extension, "failed", error));
    check(Extension, &failed, Extension, &failed);
    check(Extension, &failed, Experimental, &format!("{{{}}}", task(Experimental, "failed", "")));
    let requests = r#","inputRequests":{"k":{"method":"roots/list"}}"#;
    let asking = format!("{{{}}}", task(Extension, "input_required", requests));
    check(Extension, &asking, Extension, &asking);
    check(
        Extension,
        &asking,
        Experimental,
        &format!("{{{}}}", task(Experimental, "input_required", "")),
    );
}

#[test]
fn a_tool_that_failed_has_a_result_and_completes() {
    let failed = format!("{{{}}}", task(Experimental, "failed", ""));
    let mut read = Task::read(&json(&failed), Experimental).unwrap();
    assert!(read.lacks_outcome());
    let error = r#","error":{"code":-32603,"message":"m"}"#;
    assert_eq!(
        read.encode(Extension).as_str(),
        format!("{{{}}}", task(Extension, "failed", error))
    );
    read.outcome = Some(Ok(json(r#"{"isError":true}"#)));
    assert!(!read.lacks_outcome());
    let result = r#","result":{"isError":true}"#;
    let expected = format!("{{{}}}", task(Extension, "completed", result));
    assert_eq!(read.encode(Extension).as_str(), expected);
    read.outcome = Some(Err(RpcError::new(-1, "x")));
    let error = r#","error":{"code":-1,"message":"x"}"#;
    assert_eq!(
        read.encode(Extension).as_str(),
        format!("{{{}}}", task(Extension, "failed", error))
    );
}

#[test]
fn malformed_tasks_are_refused() {
    let with = |rest: &str| format!(r#"{{"createdAt":"a",{rest}}}"#);
    check(Experimental, "[]", Extension, "error: invalid type");
    check(Experimental, &with(r#""taskId":7,"status":"working""#), Extension, "error: `taskId`");
    check(Experimental, &with(r#""taskId":"t","status":"lost""#), Extension, "error: `status`");
    check(Experimental, &with(r#""taskId":"t","taskId":"u""#), Extension, "error: duplicate");
    let time = |value: &str| with(&format!(r#""taskId":"t","status":"working","ttl":{value}"#));
    for wrong in ["-1", "\"1\"", "{}", "true"] {
        check(Experimental, &time(wrong), Extension, "error: `ttl` must be a number");
    }
    check(
        Extension,
        &with(r#""taskId":"t","status":"completed","result":{},"error":{}"#),
        Extension,
        "error: a task has either",
    );
    check(
        Extension,
        &with(r#""taskId":"t","status":"completed","result":[]"#),
        Extension,
        "error: a task has either",
    );
    check(
        Extension,
        &with(r#""taskId":"t","status":"input_required","inputRequests":{"k":{}}"#),
        Extension,
        "error: `k` has no method",
    );
}

#[test]
fn a_list_is_one_of_tasks() {
    let one = format!("{{{}}}", task(Experimental, "working", ""));
    let tasks = vec![Task::read(&json(&one), Experimental).unwrap(); 2];
    assert_eq!(encode_task_list(&[], None).as_str(), r#"{"tasks":[]}"#);
    let expected = format!(r#"{{"tasks":[{one},{one}],"nextCursor":"c"}}"#);
    assert_eq!(encode_task_list(&tasks, Some("c")).as_str(), expected);
}

#[test]
fn statuses_and_generations() {
    for status in TaskStatus::ALL {
        assert_eq!(TaskStatus::parse(status.as_str()), Some(status));
    }
    assert!(TaskStatus::Cancelled.is_final() && !TaskStatus::InputRequired.is_final());
    let notification = |version| TaskGeneration::of(version).map(|g| g.notification().to_string());
    let names = ProtocolVersion::ALL.map(notification);
    assert_eq!(names[..3], [None, None, None]);
    assert_eq!(names[3].as_deref(), Some("notifications/tasks/status"));
    assert_eq!(names[4].as_deref(), Some("notifications/tasks"));
}

#[test]
fn a_wish_is_read_and_put() {
    let read = |params: &str| TaskWish::read(&json(params)).map_err(|error| error.to_string());
    assert_eq!(read(r#"{"name":"t"}"#), Ok(None));
    assert_eq!(read(r#"{"task":null}"#), Ok(None));
    assert_eq!(read(r#"{"task":{}}"#), Ok(Some(TaskWish { ttl_ms: None })));
    assert_eq!(read(r#"{"task":{"ttl":7}}"#), Ok(Some(TaskWish { ttl_ms: Some(7) })));
    read(r#"{"task":true}"#).unwrap_err();
    read(r#"{"task":{"ttl":"7"}}"#).unwrap_err();
    let put = |wish, params: &str| TaskWish::put(wish, Some(&json(params))).unwrap().to_string();
    let wish = Some(TaskWish { ttl_ms: Some(7) });
    assert_eq!(put(wish, r#"{"name": "t"}"#), r#"{"name":"t","task":{"ttl":7}}"#);
    assert_eq!(put(None, r#"{"name":"t","task":{"ttl":7}}"#), r#"{"name":"t"}"#);
    let none = TaskWish::put(Some(TaskWish::default()), None).unwrap();
    assert_eq!(none.as_str(), r#"{"task":{}}"#);
}

#[test]
fn ids_are_replaced_wherever_they_stand() {
    let check = |text: &str| {
        let given = json(&text.replace(['<', '>'], ""));
        let actual = rewrite_task_ids(given, |id| (id == "t").then(|| "\"new\"".to_owned()));
        assert_eq!(actual.as_str(), text.replace("\"<t>\"", r#""\"new\"""#));
    };
    check(r#"{"taskId":"<t>","status":"t", "x":{"taskId":"t"}}"#);
    check(r#"{"task":{"taskId":"<t>","_meta":{}}}"#);
    check(r#"{"tasks":[{"taskId":"<t>"},{"taskId":"u"}, {"taskId":"<t>"}]}"#);
    check(r#"{"_meta":{"io.modelcontextprotocol/related-task":{"taskId":"<t>"},"taskId":"t"}}"#);
    check(
        r#"{"taskId":"<t>","result":{"_meta":{"io.modelcontextprotocol/related-task":{"taskId":"<t>"}},"structuredContent":{"taskId":"t"}}}"#,
    );
    check(r#"{"notifications":{"taskIds":["<t>","u"],"toolsListChanged":true}}"#);
    check(r#"{"arguments":{"taskId":"t","task":{"taskId":"t"}},"task":{"ttl":1}}"#);
    check(r#"{"taskId":{"taskId":"t"},"tasks":"t"}"#);
    check(r#"{"taskId":"t","taskId":"t"}"#);
}

#[test]
fn a_message_says_which_task_it_belongs_to() {
    let put = |text: Option<&str>| {
        with_related_task(text.map(json).as_ref(), "a\"b").map(|json| json.to_string())
    };
    let meta = r#""io.modelcontextprotocol/related-task":{"taskId":"a\"b"}"#;
    assert_eq!(put(None).unwrap(), format!(r#"{{"_meta":{{{meta}}}}}"#));
    let given = r#"{"_meta":{"io.modelcontextprotocol/related-task":{"taskId":"old"},"x":1},"content":[ ]}"#;
    let expected = format!(r#"{{"content":[ ],"_meta":{{"x":1,{meta}}}}}"#);
    assert_eq!(put(Some(given)).unwrap(), expected);
    assert_eq!(related_task(&json(&expected)).as_deref(), Some("a\"b"));
    put(Some("[]")).unwrap_err();
    put(Some(r#"{"_meta":1}"#)).unwrap_err();
    for none in ["{}", "[]", r#"{"_meta":1}"#, r#"{"_meta":{"taskId":"t"}}"#] {
        assert_eq!(related_task(&json(none)), None, "{none}");
    }
}
