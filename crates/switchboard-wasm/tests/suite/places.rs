//! Instances are bounded, given out in turn, and given back whatever happens.

use std::num::NonZeroU32;
use std::time::Duration;

use switchboard_wasm::{Engine, Limits, Terms, WasmError};

use crate::guest::{echo, tool};
use crate::hostile::LOOP;
use crate::surroundings::{Asked, call, engine_with, load};

fn one_place(wait: Duration, waiting: usize) -> Engine {
    engine_with(|settings| {
        settings.instances = NonZeroU32::MIN;
        settings.wait = wait;
        settings.waiting = waiting;
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_waits_too_long_is_refused() {
    let engine = one_place(Duration::from_millis(50), 1);
    let (looping, good) = (load(&engine, tool("", LOOP)).await, load(&engine, echo()).await);
    let busy = Asked::within(400);
    let first = busy.tool(&looping, "{}");
    let others = async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        let one = call(&good, "{}").await.unwrap_err();
        assert!(matches!(one, WasmError::Busy { places: 1, .. }), "{one:?}");
        // The queue has room for one.
        let (one, other) = tokio::join!(call(&good, "{}"), call(&good, "{}"));
        assert!(one.is_err() && other.is_err());
    };
    let (first, ()) = tokio::join!(first, others);
    assert_eq!(first.unwrap_err().code(), "wasm-deadline");
    assert_eq!(call(&good, "{}").await.unwrap(), "{}");
}

#[tokio::test]
async fn who_waits_gets_the_place_when_it_is_free() {
    let engine = one_place(Duration::from_secs(60), 100);
    let good = load(&engine, echo()).await;
    let asked = Asked::reusing(2);
    let calls = (0..20).map(|_| asked.tool(&good, "{}"));
    for answer in futures_util::future::join_all(calls).await {
        assert_eq!(answer.unwrap(), "{}");
    }
}

#[tokio::test]
async fn an_idle_instance_makes_room() {
    let engine = one_place(Duration::from_millis(50), 1);
    let (one, other) = (load(&engine, echo()).await, load(&engine, echo()).await);
    assert!(Asked::reusing(100).tool(&one, "{}").await.is_ok());
    assert!(call(&other, "{}").await.is_ok(), "the place of the one that is kept");
}

#[tokio::test]
async fn a_call_that_is_dropped_ends_its_guest() {
    let engine = one_place(Duration::from_secs(10), 1);
    let log = r#"(import "switchboard:bundle/log@1.0.0" "write" (func $log (param i32 i32 i32)))"#;
    let body =
        format!("(call $log (i32.const 1) (local.get $name) (local.get $name_length)) {LOOP}");
    let (looping, good) = (load(&engine, tool(log, &body)).await, load(&engine, echo()).await);
    let asked = Asked::within(60_000);
    for _ in 0..3 {
        let dropped = tokio::time::timeout(Duration::from_millis(30), asked.tool(&looping, "{}"));
        assert!(dropped.await.is_err());
        assert_eq!(call(&good, "{}").await.unwrap(), "{}", "its place is free");
    }
    assert_eq!(asked.ear.reports().len(), 3, "it ran");
}

#[tokio::test]
async fn a_program_that_is_dropped_leaves_no_instance() {
    let engine = one_place(Duration::from_millis(50), 1);
    let one = load(&engine, echo()).await;
    Asked::reusing(100).tool(&one, "{}").await.unwrap();
    drop(one);
    let other = load(&engine, echo()).await;
    assert!(call(&other, "{}").await.is_ok());
}

#[tokio::test]
async fn the_memory_of_all_is_bounded() {
    let engine = engine_with(|settings| settings.memory_bytes = 4 << 20);
    let body =
        "(if (i32.eq (memory.grow (i32.const 80)) (i32.const -1)) (then unreachable)) (call $done)";
    let program = load(&engine, tool("", body)).await;
    let error = call(&program, "{}").await.unwrap_err();
    assert_eq!(error.code(), "wasm-memory");
    assert!(error.to_string().contains("all bundles together"), "{error}");
    // What was taken is given back, also after an error.
    let small = load(&engine, echo()).await;
    for _ in 0..100 {
        assert!(call(&small, "{}").await.is_ok());
        assert!(call(&program, "{}").await.is_err());
    }
}

#[tokio::test]
async fn terms_beyond_the_engine_are_held_to_it() {
    let engine = engine_with(|settings| settings.instance_memory_bytes = 8 << 20);
    let body = "(if (i32.eq (memory.grow (i32.const 1000)) (i32.const -1)) (then unreachable)) (call $done)";
    let program = load(&engine, tool("", body)).await;
    let limits = Limits { memory_bytes: 1 << 30, ..Limits::default() };
    let error =
        Asked::on(Terms { limits, ..Terms::default() }).tool(&program, "{}").await.unwrap_err();
    assert_eq!(error.code(), "wasm-memory", "{error}");
}
