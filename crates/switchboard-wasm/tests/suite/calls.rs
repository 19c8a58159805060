//! Good guests.

use std::num::NonZeroU32;

use switchboard_wasm::{Ask, Grants, Level, Line, Report, Reuse, Source, Terms, WasmError};

use crate::guest::{echo, tool};
use crate::surroundings::{Asked, call, engine, load};

/// Answers with the number of the call, in a new instance 1.
fn counting() -> Vec<u8> {
    tool(
        r#"(global $count (mut i32) (i32.const 48)) (data (i32.const 256) "{\"n\":0}")"#,
        "(global.set $count (i32.add (global.get $count) (i32.const 1)))
         (i32.store8 (i32.const 261) (global.get $count))
         (call $ok (i32.const 256) (i32.const 7))",
    )
}

#[tokio::test]
async fn arguments_go_in_and_an_answer_comes_out() {
    let program = load(&engine(), echo()).await;
    let arguments = r#"{"text": "größe 🦀", "n": [1, 2.5, null]}"#;
    assert_eq!(call(&program, arguments).await.unwrap(), arguments);
    let long = format!(r#"{{"text": "{}"}}"#, "x".repeat(1_000_000));
    assert_eq!(call(&program, &long).await.unwrap(), long);
}

#[tokio::test]
async fn what_a_bundle_says_went_wrong_is_told_apart() {
    let engine = engine();
    let failing = |kind: u32, detail: u32| {
        let body = format!(
            r#"(i32.store8 (i32.const 1024) (i32.const 1))
               (i32.store8 (i32.const 1028) (i32.const {kind}))
               (i32.store (i32.const 1032) (local.get $name)) (i32.store (i32.const 1036) (local.get $name_length))
               (i32.store8 (i32.const 1040) (i32.const {detail}))
               (i32.store (i32.const 1044) (local.get $text)) (i32.store (i32.const 1048) (local.get $length))
               (i32.const 1024)"#
        );
        tool("", &body)
    };
    let ask = async |bytes| {
        let program = load(&engine, bytes).await;
        let error = call(&program, r#"{"a":1}"#).await.unwrap_err();
        (error.code(), error.to_string(), error.detail())
    };
    assert_eq!(
        ask(failing(0, 0)).await,
        ("wasm-not-found", "the bundle has no `do`".to_owned(), None)
    );
    assert_eq!(ask(failing(1, 0)).await, ("wasm-arguments", "do".to_owned(), None));
    assert_eq!(ask(failing(2, 0)).await, ("wasm-failed", "do".to_owned(), None));
    assert_eq!(
        ask(failing(2, 1)).await,
        ("wasm-failed", "do".to_owned(), Some(r#"{"a":1}"#.to_owned()))
    );
}

#[tokio::test]
async fn a_new_instance_for_each_call_unless_the_bundle_says_otherwise() {
    let program = load(&engine(), counting()).await;
    let three = Asked::reusing(3);
    let mut seen = Vec::new();
    for asked in [&Asked::on(Terms::default()), &three] {
        for _ in 0..5 {
            seen.push(asked.tool(&program, "{}").await.unwrap());
        }
    }
    let count = |n: &str| format!(r#"{{"n":{n}}}"#);
    assert_eq!(seen, ["1", "1", "1", "1", "1", "1", "2", "3", "1", "2"].map(count));
    // Terms that changed are those of another bundle.
    let changed = Asked::on(Terms {
        grants: Grants { clock: true, ..Grants::default() },
        reuse: Reuse::Calls(NonZeroU32::new(3).unwrap()),
        ..Terms::default()
    });
    assert_eq!(changed.tool(&program, "{}").await.unwrap(), count("1"));
}

#[tokio::test]
async fn programs_of_the_same_bytes_share_nothing() {
    let engine = engine();
    let (one, other) = (load(&engine, counting()).await, load(&engine, counting()).await);
    let asked = Asked::reusing(9);
    assert_eq!(asked.tool(&one, "{}").await.unwrap(), r#"{"n":1}"#);
    assert_eq!(asked.tool(&one, "{}").await.unwrap(), r#"{"n":2}"#);
    assert_eq!(asked.tool(&other, "{}").await.unwrap(), r#"{"n":1}"#);
}

#[tokio::test]
async fn an_instance_that_broke_off_is_not_asked_again() {
    let bytes = tool(
        "(global $count (mut i32) (i32.const 0))",
        "(global.set $count (i32.add (global.get $count) (i32.const 1)))
         (if (i32.eq (global.get $count) (i32.const 2)) (then unreachable))
         (call $done)",
    );
    let program = load(&engine(), bytes).await;
    let asked = Asked::reusing(100);
    let mut traps = 0;
    for _ in 0..6 {
        traps += usize::from(asked.tool(&program, "{}").await.is_err());
    }
    assert_eq!(traps, 3, "every second call");
}

#[tokio::test]
async fn progress_and_log_reach_the_host() {
    let imports = r#"
        (import "switchboard:bundle/progress@1.0.0" "report"
            (func $progress (param f64 i32 f64 i32 i32 i32)))
        (import "switchboard:bundle/log@1.0.0" "write" (func $log (param i32 i32 i32)))"#;
    let body = "(call $progress (f64.const 1) (i32.const 1) (f64.const 2) (i32.const 1) (local.get $name) (local.get $name_length))
        (call $progress (f64.const 2) (i32.const 0) (f64.const 0) (i32.const 0) (i32.const 0) (i32.const 0))
        (call $progress (f64.const nan) (i32.const 0) (f64.const 0) (i32.const 0) (i32.const 0) (i32.const 0))
        (call $log (i32.const 2) (local.get $name) (local.get $name_length))
        (call $done)";
    let program = load(&engine(), tool(imports, body)).await;
    let asked = Asked::on(Terms::default());
    asked.tool(&program, "{}").await.unwrap();
    let line = Line { level: Level::Warn, source: Source::Log, text: "do".to_owned() };
    assert_eq!(
        asked.ear.reports(),
        [
            Report::Progress { done: 1.0, total: Some(2.0), message: Some("do".to_owned()) },
            Report::Progress { done: 2.0, total: None, message: None },
            Report::Log(line),
        ]
    );
}

#[tokio::test]
async fn settings_are_read() {
    let imports =
        r#"(import "switchboard:bundle/settings@1.0.0" "get" (func $settings (param i32)))"#;
    let body = "(call $settings (i32.const 512))
        (call $ok (i32.load (i32.const 512)) (i32.load (i32.const 516)))";
    let program = load(&engine(), tool(imports, body)).await;
    let asked = Asked::on(Terms { settings: r#"{"unit":"km"}"#.to_owned(), ..Terms::default() });
    assert_eq!(asked.tool(&program, "{}").await.unwrap(), r#"{"unit":"km"}"#);
}

/// Keeps its arguments under the name of the tool, and answers with what it reads back.
fn keeping() -> Vec<u8> {
    let imports = r#"
        (import "switchboard:bundle/key-value@1.0.0" "set" (func $set (param i32 i32 i32 i32 i32)))
        (import "switchboard:bundle/key-value@1.0.0" "get" (func $get (param i32 i32 i32)))"#;
    let body = "(call $set (local.get $name) (local.get $name_length) (local.get $text) (local.get $length) (i32.const 512))
        (if (i32.load8_u (i32.const 512)) (then
            ;; Not granted, which is the first of the errors.
            (if (i32.load8_u (i32.const 516)) (then unreachable))
            (return (call $done))))
        (call $get (local.get $name) (local.get $name_length) (i32.const 512))
        (call $ok (i32.load (i32.const 520)) (i32.load (i32.const 524)))";
    tool(imports, body)
}

#[tokio::test]
async fn values_are_kept_where_it_is_granted() {
    let program = load(&engine(), keeping()).await;
    let asked = Asked::granted(Grants { key_value: true, ..Grants::default() });
    assert_eq!(asked.tool(&program, r#"{"kept":1}"#).await.unwrap(), r#"{"kept":1}"#);
    let denied = Asked::on(Terms::default());
    assert_eq!(denied.tool(&program, r#"{"kept":1}"#).await.unwrap(), r#"{"content":[]}"#);
    assert_eq!(denied.ear.denied(), [switchboard_wasm::Denied::KeyValue]);
    // What is beyond the allowance is neither: the guest above breaks off at any other error.
    let name = "full".to_owned();
    let ask = Ask::Tool { name, arguments: "{}".to_owned() };
    assert!(matches!(asked.ask(&program, ask).await, Err(WasmError::Trap { .. })));
    let ask = Ask::Tool { name: "k".repeat(513), arguments: "{}".to_owned() };
    assert!(matches!(asked.ask(&program, ask).await, Err(WasmError::Trap { .. })));
}

#[tokio::test]
async fn calls_of_one_program_run_beside_each_other() {
    let program = load(&engine(), echo()).await;
    let calls = (0..50).map(|n| {
        let program = program.clone();
        async move {
            let arguments = format!(r#"{{"n":{n}}}"#);
            assert_eq!(call(&program, &arguments).await.unwrap(), arguments);
        }
    });
    futures_util::future::join_all(calls).await;
}
