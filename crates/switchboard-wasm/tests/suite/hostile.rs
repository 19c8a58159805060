//! Guests that mean harm, or are merely wrong: what each of them gets.

use std::time::Duration;

use switchboard_wasm::{Limits, Report, Source, Terms, WasmError};
use tokio::time::Instant;

use crate::guest::{component, module, tool};
use crate::surroundings::{Asked, engine, load};

/// Never ends by itself; the rest do something worse meanwhile.
pub(crate) const LOOP: &str = "(loop $forever (br $forever)) unreachable";

/// Asks once, for at most half a second, and says what came of it.
async fn outcome(bytes: Vec<u8>) -> (WasmError, Asked) {
    let program = load(&engine(), bytes).await;
    let asked = Asked::within(500);
    let began = Instant::now();
    let error = asked.tool(&program, "{}").await.expect_err("it does not answer");
    println!("{}: {error} ({:?}) {:?}", error.code(), began.elapsed(), error.detail());
    assert!(began.elapsed() < Duration::from_secs(10), "it did not end it");
    (error, asked)
}

async fn code(items: &str, body: &str) -> &'static str {
    outcome(tool(items, body)).await.0.code()
}

#[tokio::test]
async fn a_trap_is_told_with_where_it_was() {
    let items = "(func $innermost unreachable) (func $outer (call $innermost))";
    let (error, _) = outcome(tool(items, "(call $outer) (call $done)")).await;
    assert_eq!(error.code(), "wasm-trap");
    assert!(!error.to_string().contains("innermost"), "{error}");
    let detail = error.detail().unwrap();
    assert!(detail.contains("innermost") && detail.contains("outer"), "{detail}");
    assert_eq!(
        code("", "(i32.store (i32.const -1) (i32.const 0)) (call $done)").await,
        "wasm-trap"
    );
    assert_eq!(code("", "(i32.div_u (i32.const 1) (i32.const 0))").await, "wasm-trap");
}

#[tokio::test]
async fn what_does_not_end_is_ended() {
    assert_eq!(code("", LOOP).await, "wasm-deadline");
    // Filling memory is one instruction, which no epoch interrupts; many of them are.
    let fill = "(drop (memory.grow (i32.const 3000)))
        (loop $forever (memory.fill (i32.const 65536) (i32.const 1) (i32.const 190000000)) (br $forever)) unreachable";
    assert_eq!(code("", fill).await, "wasm-deadline");
    // Before it is even asked.
    let starting = module("(func $start (loop $forever (br $forever)))", "(call $done)");
    let starting = starting.replace("(data (i32", "(start $start) (data (i32");
    assert_eq!(outcome(component(&starting)).await.0.code(), "wasm-deadline");
}

#[tokio::test]
async fn what_waits_for_ever_is_ended() {
    let imports = r#"
        (import "wasi:clocks/monotonic-clock@0.2.12" "subscribe-duration" (func $after (param i64) (result i32)))
        (import "wasi:io/poll@0.2.12" "[method]pollable.block" (func $block (param i32)))"#;
    assert_eq!(
        code(imports, "(call $block (call $after (i64.const -1))) (call $done)").await,
        "wasm-deadline"
    );
}

#[tokio::test]
async fn memory_ends_at_its_limit() {
    let greedy = "(loop $more (br_if $more (i32.ne (memory.grow (i32.const 64)) (i32.const -1)))) unreachable";
    let (error, _) = outcome(tool("", greedy)).await;
    assert_eq!(error.code(), "wasm-memory");
    assert_eq!(
        error.to_string(),
        "the bundle wanted more than it may have: 268435456 bytes of memory"
    );
    // Who is refused may go on with what it has.
    let program =
        load(&engine(), tool("", "(drop (memory.grow (i32.const 60000))) (call $done)")).await;
    assert_eq!(Asked::within(500).tool(&program, "{}").await.unwrap(), r#"{"content":[]}"#);
    let stubborn = "(loop $more (drop (memory.grow (i32.const 64))) (br $more)) unreachable";
    assert_eq!(code("", stubborn).await, "wasm-deadline");
}

#[tokio::test]
async fn growing_in_vain_gives_no_memory_for_nothing() {
    // Of the second growth the limiter is told that it failed, and was never asked.
    let body = "(loop $more
            (drop (memory.grow (i32.const 65536)))
            (br_if $more (i32.ne (memory.grow (i32.const 16)) (i32.const -1))))
        (if (i32.gt_u (memory.size) (i32.const 128)) (then unreachable))
        (call $done)";
    let limits = Limits { memory_bytes: 8 << 20, ..Limits::default() };
    let asked = Asked::on(Terms { limits, ..Terms::default() });
    let program = load(&engine(), tool("", body)).await;
    assert_eq!(asked.tool(&program, "{}").await.unwrap(), r#"{"content":[]}"#);
    // Beyond what it says itself that it will have: neither given nor counted.
    let own = module("", "(loop $more (drop (memory.grow (i32.const 5))) (local.set $i (i32.add (local.get $i) (i32.const 1)))
            (br_if $more (i32.lt_u (local.get $i) (i32.const 1000))))
        (if (i32.ne (memory.size) (i32.const 2)) (then unreachable))
        (call $done)");
    let own = own.replace(r#"(memory (export "memory") 2)"#, r#"(memory (export "memory") 2 6)"#);
    let program = load(&engine(), component(&own)).await;
    assert_eq!(asked.tool(&program, "{}").await.unwrap(), r#"{"content":[]}"#);
}

#[tokio::test]
async fn texts_of_a_guest_are_cut() {
    let body = "(i32.store8 (i32.const 1024) (i32.const 1)) (i32.store8 (i32.const 1028) (i32.const 1))
        (memory.fill (i32.const 65536) (i32.const 120) (i32.const 60000))
        (i32.store (i32.const 1032) (i32.const 65536)) (i32.store (i32.const 1036) (i32.const 60000))
        (i32.const 1024)";
    let (error, _) = outcome(tool("", body)).await;
    assert_eq!((error.code(), error.to_string().len()), ("wasm-arguments", 8 << 10));
    let name = "n".repeat(10_000);
    let (error, _) = outcome(tool(
        &format!("(func ${name} unreachable)"),
        &format!("(call ${name}) (call $done)"),
    ))
    .await;
    assert!(error.detail().unwrap().len() < 1_000);
}

#[tokio::test]
async fn tables_end_at_their_limit() {
    let table = "(table $table 1 funcref)";
    let greedy = "(loop $more (br_if $more (i32.ne (table.grow $table (ref.null func) (i32.const 1000)) (i32.const -1)))) unreachable";
    let (error, _) = outcome(tool(table, greedy)).await;
    assert_eq!(error.code(), "wasm-memory");
    assert!(error.to_string().contains("elements of tables"), "{error}");
}

#[tokio::test]
async fn recursion_ends_at_the_end_of_the_stack() {
    let (error, _) =
        outcome(tool("(func $again (call $again))", "(call $again) (call $done)")).await;
    assert_eq!(error.code(), "wasm-trap");
    assert!(error.to_string().contains("call stack exhausted"), "{error}");
    assert!(error.detail().unwrap().lines().count() <= 32);
}

#[tokio::test]
async fn answers_of_gigabytes_are_not_copied() {
    let beyond = "(call $ok (i32.const 0) (i32.const 0x7fffffff))";
    assert_eq!(code("", beyond).await, "wasm-output");
    let large =
        "(drop (memory.grow (i32.const 3000))) (call $ok (i32.const 65536) (i32.const 190000000))";
    assert_eq!(code("", large).await, "wasm-output");
    // Little more than allowed: copied, measured, refused.
    let above = "(drop (memory.grow (i32.const 100))) (memory.fill (i32.const 65536) (i32.const 32) (i32.const 5000000))
        (call $ok (i32.const 65536) (i32.const 5000000))";
    let (error, _) = outcome(tool("", above)).await;
    assert_eq!(
        error.to_string(),
        "the answer of the bundle cannot be used: it has 5000000 bytes, and 4194304 are allowed"
    );
}

#[tokio::test]
async fn answers_that_are_no_object_are_refused() {
    for text in ["", "{", "[]", "null", "{}{}", "\\ff\\fe", "{\\\"a\\\":\\ff}"] {
        let items = format!(r#"(data (i32.const 256) "{text}")"#);
        let length = text.replace("\\ff", "x").replace("\\fe", "x").replace('\\', "").len();
        let body = format!("(call $ok (i32.const 256) (i32.const {length}))");
        assert_eq!(code(&items, &body).await, "wasm-output", "{text}");
    }
}

#[tokio::test]
async fn a_log_without_end_is_cut() {
    let log = r#"(import "switchboard:bundle/log@1.0.0" "write" (func $log (param i32 i32 i32)))"#;
    let body = "(loop $forever (call $log (i32.const 1) (local.get $name) (local.get $name_length)) (br $forever)) unreachable";
    let (error, asked) = outcome(tool(log, body)).await;
    assert_eq!(error.code(), "wasm-deadline");
    assert_eq!(asked.ear.lines(Source::Log).len(), (64 << 10) / 3);
    let last = asked.ear.lines(Source::Switchboard);
    assert!(last[0].ends_with("more lines were written, beyond what a call may log"), "{last:?}");
    // One line, as long as there is memory.
    let body = "(drop (memory.grow (i32.const 3000)))
        (call $log (i32.const 1) (i32.const 65536) (i32.const 190000000)) (call $done)";
    let (error, asked) = outcome(tool(log, body)).await;
    assert_eq!(error.code(), "wasm-trap");
    assert!(asked.ear.lines(Source::Log).is_empty());
}

#[tokio::test]
async fn printing_without_end_is_cut() {
    let imports = r#"
        (import "wasi:cli/stdout@0.2.12" "get-stdout" (func $stdout (result i32)))
        (import "wasi:io/streams@0.2.12" "[method]output-stream.blocking-write-and-flush" (func $write (param i32 i32 i32 i32)))
        (data (i32.const 256) "one\ntw")"#;
    let some = "(local.set $i (call $stdout))
        (call $write (local.get $i) (i32.const 256) (i32.const 6) (i32.const 512))
        (call $write (local.get $i) (i32.const 256) (i32.const 6) (i32.const 512))
        (call $done)";
    let program = load(&engine(), tool(imports, some)).await;
    let asked = Asked::within(500);
    asked.tool(&program, "{}").await.unwrap();
    assert_eq!(asked.ear.lines(Source::Stdout), ["one", "twone", "tw"]);
    let forever = "(local.set $i (call $stdout))
        (loop $forever (call $write (local.get $i) (i32.const 1024) (i32.const 4096) (i32.const 512)) (br $forever)) unreachable";
    let (error, asked) = outcome(tool(imports, forever)).await;
    assert_eq!(error.code(), "wasm-deadline");
    assert_eq!(asked.ear.lines(Source::Stdout).len(), 1, "one line, which is cut");
}

#[tokio::test]
async fn progress_without_end_is_cut() {
    let import = r#"(import "switchboard:bundle/progress@1.0.0" "report" (func $progress (param f64 i32 f64 i32 i32 i32)))"#;
    let body = "(loop $forever (call $progress (f64.const 1) (i32.const 0) (f64.const 0) (i32.const 0) (i32.const 0) (i32.const 0)) (br $forever)) unreachable";
    let (error, asked) = outcome(tool(import, body)).await;
    assert_eq!(error.code(), "wasm-deadline");
    let progress = asked
        .ear
        .reports()
        .iter()
        .filter(|report| matches!(report, Report::Progress { .. }))
        .count();
    assert_eq!(progress, 1_000);
}

#[tokio::test]
async fn what_it_holds_on_our_side_is_bounded() {
    let import = r#"(import "wasi:clocks/monotonic-clock@0.2.12" "subscribe-duration" (func $after (param i64) (result i32)))"#;
    let body = "(loop $forever (drop (call $after (i64.const -1))) (br $forever)) unreachable";
    assert_eq!(code(import, body).await, "wasm-trap");
}

#[tokio::test]
async fn leaving_is_breaking_off() {
    let import = r#"(import "wasi:cli/exit@0.2.12" "exit" (func $exit (param i32)))"#;
    let (error, _) = outcome(tool(import, "(call $exit (i32.const 1)) (call $done)")).await;
    assert_eq!(error.to_string(), "the bundle broke off: it exited with status 1");
}
