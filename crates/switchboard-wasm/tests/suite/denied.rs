//! What a bundle gets that asks for what it is not granted: an answer, and it is told on.

use std::time::Duration;

use switchboard_wasm::{Denied, Grants, Source, WasmError};

use crate::guest::tool;
use crate::surroundings::{Asked, engine, load};

/// Answers with the bits of a number, as an array.
const NUMBER: &str = r#"(data (i32.const 256) "{\"n\":00000000000000000000}")
    (func $number (param $n i64) (result i32) (local $at i32)
        (local.set $at (i32.const 280))
        (loop $digit
            (i32.store8 (local.get $at) (i32.add (i32.const 48) (i32.wrap_i64 (i64.rem_u (local.get $n) (i64.const 10)))))
            (local.set $n (i64.div_u (local.get $n) (i64.const 10)))
            (local.set $at (i32.sub (local.get $at) (i32.const 1)))
            (br_if $digit (i64.ne (local.get $n) (i64.const 0))))
        ;; Leading zeros are no JSON: blanks.
        (loop $blank
            (if (i32.ge_u (local.get $at) (i32.const 261)) (then
                (i32.store8 (local.get $at) (i32.const 32))
                (local.set $at (i32.sub (local.get $at) (i32.const 1)))
                (br $blank))))
        (call $ok (i32.const 256) (i32.const 26)))"#;

/// What a guest sees of a function that gives an `i64`, in two calls.
async fn number(
    import: &str,
    call: &str,
    grants: Grants,
) -> (Vec<Result<u64, WasmError>>, Vec<Denied>) {
    let program =
        load(&engine(), tool(&format!("{import} {NUMBER}"), &format!("(call $number {call})")))
            .await;
    let asked = Asked::granted(grants);
    let mut seen = Vec::new();
    for _ in 0..2 {
        let text = asked.tool(&program, "{}").await;
        seen.push(text.map(|text| {
            let digits: String = text.chars().filter(char::is_ascii_digit).collect();
            digits.parse().unwrap()
        }));
    }
    (seen, asked.ear.denied())
}

fn numbers(seen: Vec<Result<u64, WasmError>>) -> Vec<u64> {
    seen.into_iter().map(Result::unwrap).collect()
}

#[tokio::test]
async fn without_the_clock_time_is_the_second_of_the_call_and_stands_still() {
    let wall = r#"(import "wasi:clocks/wall-clock@0.2.12" "now" (func $now (param i32)))"#;
    let twice = "(i64.mul
        (block (result i64) (call $now (i32.const 512)) (i64.load (i32.const 512)))
        (i64.extend_i32_u (i32.add (i32.const 1) (block (result i32) (call $now (i32.const 512)) (i32.load (i32.const 520))))))";
    // Seconds, times one more than the nanoseconds: none.
    let (seen, denied) = number(wall, twice, Grants::default()).await;
    assert_eq!(numbers(seen), [1_700_000_000, 1_700_000_000]);
    assert_eq!(denied, [Denied::Clock, Denied::Clock], "once for each call");
    let seconds = "(block (result i64) (call $now (i32.const 512)) (i64.load (i32.const 512)))";
    let (seen, denied) = number(wall, seconds, Grants { clock: true, ..Grants::default() }).await;
    assert!(numbers(seen).iter().all(|second| (1_700_000_000..1_700_000_060).contains(second)));
    assert!(denied.is_empty());
}

#[tokio::test]
async fn without_the_clock_nothing_can_be_measured() {
    let monotonic =
        r#"(import "wasi:clocks/monotonic-clock@0.2.12" "now" (func $now (result i64)))"#;
    let (seen, denied) = number(monotonic, "(call $now)", Grants::default()).await;
    assert_eq!(numbers(seen), [0, 0]);
    assert_eq!(denied.len(), 2);
    let (seen, _) =
        number(monotonic, "(call $now)", Grants { clock: true, ..Grants::default() }).await;
    assert!(numbers(seen).iter().all(|nanoseconds| *nanoseconds > 0));
}

#[tokio::test]
async fn without_the_grant_nobody_gets_bytes_for_a_key() {
    let random =
        r#"(import "wasi:random/random@0.2.12" "get-random-u64" (func $random (result i64)))"#;
    let (seen, denied) = number(random, "(call $random)", Grants::default()).await;
    for outcome in seen {
        let error = outcome.unwrap_err();
        assert!(matches!(error, WasmError::NotGranted { what: Denied::Random, .. }), "{error:?}");
        assert_eq!(error.to_string(), "the bundle is not granted what it needs: random");
    }
    assert_eq!(denied, [Denied::Random, Denied::Random]);
    let (seen, _) =
        number(random, "(call $random)", Grants { random: true, ..Grants::default() }).await;
    let seen = numbers(seen);
    assert_ne!(seen[0], seen[1]);
}

#[tokio::test]
async fn what_need_only_look_random_is_the_same_each_time() {
    let insecure = r#"(import "wasi:random/insecure@0.2.12" "get-insecure-random-u64" (func $random (result i64)))"#;
    let (seen, denied) = number(insecure, "(call $random)", Grants::default()).await;
    let seen = numbers(seen);
    assert_eq!(seen[0], seen[1]);
    assert!(denied.is_empty());
}

#[tokio::test]
async fn there_are_no_sockets_and_no_directories() {
    let imports = r#"
        (import "wasi:sockets/tcp-create-socket@0.2.12" "create-tcp-socket" (func $tcp (param i32 i32)))
        (import "wasi:sockets/udp-create-socket@0.2.12" "create-udp-socket" (func $udp (param i32 i32)))
        (import "wasi:filesystem/preopens@0.2.12" "get-directories" (func $directories (param i32)))"#;
    let body = "(call $tcp (i32.const 0) (i32.const 512))
        (if (i32.ne (i32.load8_u (i32.const 512)) (i32.const 1)) (then unreachable))
        ;; `access-denied`
        (if (i32.ne (i32.load8_u (i32.const 516)) (i32.const 1)) (then unreachable))
        (call $udp (i32.const 0) (i32.const 512))
        (if (i32.ne (i32.load8_u (i32.const 512)) (i32.const 1)) (then unreachable))
        (call $directories (i32.const 512))
        (if (i32.load (i32.const 516)) (then unreachable))
        (call $done)";
    let program = load(&engine(), tool(imports, body)).await;
    let asked = Asked::granted(Grants::default());
    asked.tool(&program, "{}").await.unwrap();
    assert_eq!(asked.ear.denied(), [Denied::Sockets]);
}

#[tokio::test]
async fn only_what_is_granted_stands_in_the_environment() {
    let imports = r#"(import "wasi:cli/environment@0.2.12" "get-environment" (func $environment (param i32)))"#;
    let body = "(call $environment (i32.const 512)) (call $number (i64.load32_u (i32.const 516)))";
    let program = load(&engine(), tool(&format!("{imports} {NUMBER}"), body)).await;
    let nothing = Asked::granted(Grants::default()).tool(&program, "{}").await.unwrap();
    assert!(nothing.ends_with(" 0}"), "{nothing}");
    let environment =
        vec![("LANG".to_owned(), "C".to_owned()), ("TZ".to_owned(), "UTC".to_owned())];
    let granted = Asked::granted(Grants { environment, ..Grants::default() });
    let two = granted.tool(&program, "{}").await.unwrap();
    assert!(two.ends_with(" 2}"), "{two}");
}

/// Sends a request to the host that its arguments name, and answers with the number of the error.
fn requesting() -> Vec<u8> {
    let imports = r#"
        (import "wasi:http/types@0.2.12" "[constructor]fields" (func $fields (result i32)))
        (import "wasi:http/types@0.2.12" "[constructor]outgoing-request" (func $request (param i32) (result i32)))
        (import "wasi:http/types@0.2.12" "[method]outgoing-request.set-authority" (func $authority (param i32 i32 i32 i32) (result i32)))
        (import "wasi:http/types@0.2.12" "[method]outgoing-request.set-path-with-query" (func $path (param i32 i32 i32 i32) (result i32)))
        (import "wasi:http/types@0.2.12" "[method]future-incoming-response.subscribe" (func $subscribe (param i32) (result i32)))
        (import "wasi:http/types@0.2.12" "[method]future-incoming-response.get" (func $get (param i32 i32)))
        (import "wasi:io/poll@0.2.12" "[method]pollable.block" (func $block (param i32)))
        (import "wasi:http/outgoing-handler@0.2.12" "handle" (func $handle (param i32 i32 i32 i32)))
        (data (i32.const 300) "/")"#;
    // The name of the tool is the host. The future gives option<result<result<response, error-code>>>.
    let body = "(local.set $i (call $request (call $fields)))
        (if (call $authority (local.get $i) (i32.const 1) (local.get $name) (local.get $name_length)) (then unreachable))
        (if (call $path (local.get $i) (i32.const 1) (i32.const 300) (i32.const 1)) (then unreachable))
        (call $handle (local.get $i) (i32.const 0) (i32.const 0) (i32.const 512))
        (if (i32.load8_u (i32.const 512)) (then unreachable))
        (local.set $j (i32.load (i32.const 520)))
        (call $block (call $subscribe (local.get $j)))
        (call $get (local.get $j) (i32.const 512))
        (if (i32.eqz (i32.load8_u (i32.const 528))) (then (return (call $done))))
        (call $number (i64.load8_u (i32.const 536)))";
    tool(&format!("{imports} {NUMBER}"), body)
}

/// The numbers of `wasi:http/types.error-code`.
const DESTINATION_IP_PROHIBITED: u64 = 4;
const CONNECTION_REFUSED: u64 = 6;
const HTTP_REQUEST_DENIED: u64 = 15;

#[tokio::test]
async fn requests_go_to_granted_hosts_only_and_never_inside() {
    let program = load(&engine(), requesting()).await;
    let ask = async |host: &str, grants: &[&str]| {
        let hosts = grants.iter().map(|grant| grant.parse().unwrap()).collect();
        let asked = Asked::granted(Grants { hosts, ..Grants::default() });
        let ask = switchboard_wasm::Ask::Tool { name: host.to_owned(), arguments: "{}".to_owned() };
        let text = asked.ask(&program, ask).await.unwrap();
        let digits: String = text.chars().filter(char::is_ascii_digit).collect();
        (digits.parse::<u64>().unwrap(), asked.ear.denied(), asked.ear.lines(Source::Switchboard))
    };
    let denied = |host: &str| vec![Denied::Host(host.to_owned())];
    for (host, grants) in [
        ("evil.example", &["good.example"][..]),
        ("evil.example", &[]),
        ("good.example:8443", &["good.example"]),
    ] {
        assert_eq!(ask(host, grants).await, (HTTP_REQUEST_DENIED, denied(host), vec![]));
    }
    // Granted, and still the metadata service of the cloud, or a host of the network.
    for host in ["169.254.169.254", "10.0.0.1"] {
        let (number, denied, lines) = ask(host, &[host]).await;
        assert_eq!((number, denied), (DESTINATION_IP_PROHIBITED, vec![]));
        assert!(lines[0].contains("is refused"), "{lines:?}");
    }
    let (number, _, lines) = ask("127.0.0.1:1", &["127.0.0.1:1"]).await;
    assert_eq!(number, CONNECTION_REFUSED, "{lines:?}");
}

#[tokio::test]
async fn waiting_needs_no_clock() {
    let imports = r#"
        (import "wasi:clocks/monotonic-clock@0.2.12" "subscribe-duration" (func $after (param i64) (result i32)))
        (import "wasi:io/poll@0.2.12" "[method]pollable.block" (func $block (param i32)))"#;
    let body = "(call $block (call $after (i64.const 20000000))) (call $done)";
    let program = load(&engine(), tool(imports, body)).await;
    let began = tokio::time::Instant::now();
    Asked::granted(Grants::default()).tool(&program, "{}").await.unwrap();
    assert!(began.elapsed() >= Duration::from_millis(20));
}
