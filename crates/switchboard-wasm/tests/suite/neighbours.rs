//! While one bundle misbehaves, the calls of another go on.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use switchboard_wasm::Program;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::guest::{echo, tool};
use crate::hostile::LOOP;
use crate::surroundings::{Asked, call, engine, load};

/// Calls that are measured: enough for a 99th percentile.
const CALLS: usize = 300;

/// Only a bug reaches this: what a call waits for is a tick of each guest that computes.
const HARDLY: Duration = Duration::from_secs(2);

fn hostile() -> Vec<(&'static str, Vec<u8>)> {
    let log = r#"(import "switchboard:bundle/log@1.0.0" "write" (func $log (param i32 i32 i32)))"#;
    let greedy = "(loop $more (br_if $more (i32.ne (memory.grow (i32.const 16)) (i32.const -1)))) unreachable";
    let fill = "(drop (memory.grow (i32.const 500)))
        (loop $forever (memory.fill (i32.const 65536) (i32.const 1) (i32.const 32000000)) (br $forever)) unreachable";
    let logs = "(loop $forever (call $log (i32.const 1) (local.get $name) (local.get $name_length)) (br $forever)) unreachable";
    vec![
        ("computes without end", tool("", LOOP)),
        ("traps", tool("", "unreachable")),
        ("grows without end", tool("", greedy)),
        ("fills 32 MB again and again", tool("", fill)),
        ("recurses", tool("(func $again (call $again))", "(call $again) (call $done)")),
        ("logs without end", tool(log, logs)),
        (
            "returns 190 MB",
            tool(
                "",
                "(drop (memory.grow (i32.const 3000))) (call $ok (i32.const 65536) (i32.const 190000000))",
            ),
        ),
    ]
}

/// The median and the 99th percentile of calls one after the other.
async fn measure(program: &Program) -> (Duration, Duration) {
    let program = program.clone();
    let mut one = JoinSet::new();
    // On a thread that the others use, too, which the one of the test is not.
    one.spawn(async move {
        let mut times = Vec::new();
        for _ in 0..CALLS {
            let began = Instant::now();
            // Each call waits for its turn, as it would behind a socket.
            tokio::task::yield_now().await;
            assert_eq!(call(&program, r#"{"n":1}"#).await.unwrap(), r#"{"n":1}"#);
            times.push(began.elapsed());
        }
        times.sort();
        (times[CALLS / 2], times[CALLS * 99 / 100])
    });
    one.join_all().await[0]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_neighbour_goes_on() {
    let engine = engine();
    let good = load(&engine, echo()).await;
    let (alone, alone_late) = measure(&good).await;
    println!("alone: p50 {alone:?}, p99 {alone_late:?}");
    for (what, bytes) in hostile() {
        let program = load(&engine, bytes).await;
        let over = Arc::new(AtomicBool::new(false));
        let mut others = JoinSet::new();
        // As many as there are threads.
        for _ in 0..2 {
            let (program, over) = (program.clone(), Arc::clone(&over));
            others.spawn(async move {
                while !over.load(Ordering::Relaxed) {
                    assert!(Asked::within(200).tool(&program, "{}").await.is_err());
                    // As if the next call had to be read first.
                    tokio::task::yield_now().await;
                }
            });
        }
        let (median, late) = measure(&good).await;
        over.store(true, Ordering::Relaxed);
        others.join_all().await;
        let ratio = median.as_secs_f64() / alone.as_secs_f64();
        println!("two that {what}: p50 {median:?} ({ratio:.1} times), p99 {late:?}");
        assert!(late < HARDLY, "{what}");
    }
}
