//! Servers that misbehave: whoever asked gets a correct error, nobody else notices, and the
//! upstream lives.

use std::sync::Arc;
use std::time::Duration;

use crate::common::{ALL, Bench, Kind, LEGACY, MODERN, Reports, ask, call_with};
use switchboard_config::TimeSpan;
use switchboard_core::Peer;
use switchboard_mcp::{Method, ProtocolVersion};
use switchboard_testkit::{Behaviour, Discover, Opening};
use switchboard_upstream::{Settings, State};

/// Calls `tool` while another call is held, and expects `answer`; the held call is answered, and
/// so is the next, by the same server.
async fn check(kind: Kind, version: ProtocolVersion, tool: &'static str, answer: &str) {
    let short = |settings: &mut Settings| settings.timeout = TimeSpan::from_secs(12);
    let bench = Bench::with(kind, Behaviour::new(version), short).await;
    let work = async {
        bench.fake.until("held", 1).await;
        let actual = bench.call(tool).await;
        assert!(actual.contains(answer), "{kind:?} {version} {tool}: {actual}");
        let echoed = bench.call("echo").await;
        assert!(echoed.contains("arguments"), "{kind:?} {version} after {tool}: {echoed}");
        bench.fake.release();
    };
    let (held, ()) = tokio::join!(bench.call("hold"), work);
    assert!(held.contains("hold"), "{kind:?} {version} {tool}, the other call: {held}");
    assert!(bench.fake.count("start") <= 1, "{kind:?} {version} {tool}: started again");
    assert!(bench.fake.count("initialize") <= 1, "{kind:?} {version} {tool}: opened again");
    bench.end().await;
}

pub(crate) async fn nonsense_over_stdio_disturbs_nobody() {
    for version in [LEGACY, MODERN] {
        for (tool, answer) in [
            ("garbage", "\"text\":\"garbage\""),
            ("utf8", "\"text\":\"utf8\""),
            ("long", "\"text\":\"long\""),
            ("flood", "\"text\":\"flood\""),
            ("twice", "\"text\":\"first\""),
            ("foreign", "\"text\":\"foreign\""),
            ("float_id", "\"text\":\"float_id\""),
            ("malformed", "malformed"),
            ("broken", "malformed"),
        ] {
            check(Kind::Stdio, version, tool, answer).await;
        }
    }
}

pub(crate) async fn an_answer_that_is_too_long_fails_the_only_call() {
    // One of 2026-07-28 has a subscription open all the while.
    for version in [LEGACY, MODERN] {
        let bench = Bench::new(Kind::Stdio, version).await;
        bench.call("echo").await;
        // Until then our own questions are under way as well.
        bench.until("the lists to be known", |upstream| upstream.view().lists.is_some()).await;
        if version == MODERN {
            bench.fake.until("listen", 1).await;
        }
        let answer = bench.call("endless").await;
        assert!(answer.contains("a line is longer than"), "{version}: {answer}");
        assert!(bench.call("echo").await.contains("arguments"), "{version}");
        bench.end().await;
    }
}

pub(crate) async fn nonsense_over_http_disturbs_nobody() {
    for version in [LEGACY, MODERN] {
        for (tool, answer) in [
            ("garbage", "\"text\":\"garbage\""),
            ("utf8", "\"text\":\"utf8\""),
            ("twice", "\"text\":\"first\""),
            ("foreign", "\"text\":\"foreign\""),
            ("die", "lost: "),
            ("http_cut", "lost: upstream `fake` was lost during the call: the stream ended"),
            ("http_html", "lost: "),
            ("http_empty", "lost: "),
            ("http_accepted", "lost: "),
            ("http_foreign", "lost: "),
            ("http_no_id", "refused: sorry (-32603)"),
            ("http_huge", "lost: "),
            ("http_500", "lost: upstream `fake` was lost during the call: the server answered 500"),
            ("http_503", "unavailable: "),
            (
                "http_redirect",
                "declined: upstream `fake` declined the request: the server answered 307",
            ),
        ] {
            check(Kind::Http, version, tool, answer).await;
        }
    }
}

pub(crate) async fn a_refusal_at_the_door_is_no_end_of_the_session() {
    for version in [LEGACY, MODERN] {
        for (tool, answer) in [
            ("http_400", "declined: "),
            ("http_401", "set the header it wants under `http.headers`"),
            ("http_413", "declined: "),
            ("http_429", "busy: "),
        ] {
            check(Kind::Http, version, tool, answer).await;
        }
    }
}

pub(crate) async fn a_lost_session_is_opened_again() {
    let bench = Bench::new(Kind::Http, LEGACY).await;
    bench.call("echo").await;
    bench.fake.forget_sessions();
    assert!(bench.call("echo").await.contains("arguments"));
    assert_eq!(bench.fake.count("initialize"), 2);
    assert_eq!(bench.fake.count("call echo"), 2, "the call was carried out once");
    bench.fake.hang_up();
    // Whether the request reached a connection that just closed cannot be known, so only one that
    // may be repeated is sure to be answered.
    let prompts = ask(&bench.upstream, Method::PromptsList, None, None).await;
    assert!(prompts.contains("greet"), "a new connection: {prompts}");
    assert_eq!(bench.fake.count("initialize"), 2, "in the same session");
    bench.end().await;
}

pub(crate) async fn progress_that_nobody_asked_for_reaches_nobody() {
    for (kind, version) in ALL {
        let bench = Bench::new(kind, version).await;
        let reports = Arc::new(Reports::default());
        let peer = Arc::clone(&reports) as Arc<dyn Peer>;
        let answer = call_with(&bench.upstream, "wrong_progress", "{}", Some(peer)).await;
        assert!(answer.contains("wrong_progress"), "{answer}");
        assert_eq!(*reports.0.lock().unwrap(), [""; 0], "{kind:?} {version}");
        bench.end().await;
    }
}

pub(crate) async fn a_server_may_ask_us_in_the_middle_of_a_call() {
    for kind in [Kind::Stdio, Kind::Http] {
        let bench = Bench::new(kind, LEGACY).await;
        let answer = bench.call("ask").await;
        assert_eq!(answer, "{\"content\":[],\"ping\":true,\"sampling\":false}");
        bench.end().await;
    }
}

pub(crate) async fn a_server_that_closes_its_output_is_replaced() {
    for version in [LEGACY, MODERN] {
        let bench = Bench::new(Kind::Stdio, version).await;
        let answer = bench.call("close").await;
        assert!(answer.contains("lost: ") && answer.contains("closed its output"), "{answer}");
        assert!(bench.call("echo").await.contains("arguments"));
        assert_eq!(bench.fake.count("start"), 2);
        bench.fake.until("end", 1).await;
        bench.end().await;
    }
}

pub(crate) async fn a_child_that_is_killed_is_replaced() {
    let bench = Bench::new(Kind::Stdio, MODERN).await;
    bench.call("echo").await;
    let pid = i32::try_from(bench.upstream.status().pid.unwrap()).unwrap();
    let killing = async {
        bench.fake.until("call never", 1).await;
        let pid = rustix::process::Pid::from_raw(pid).unwrap();
        rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    };
    let (answer, ()) = tokio::join!(bench.call("never"), killing);
    assert!(answer.starts_with("lost: ") && answer.contains("signal"), "{answer}");
    assert!(bench.call("echo").await.contains("arguments"));
    bench.end().await;
}

pub(crate) async fn a_server_that_dies_at_once_says_why() {
    let dead = Behaviour { opening: Opening::DiesAtOnce, ..Behaviour::new(LEGACY) };
    let bench = Bench::with(Kind::Stdio, dead, |_| {}).await;
    let answer = bench.call("echo").await;
    assert!(answer.starts_with("unavailable: upstream `fake` is unavailable"), "{answer}");
    assert!(answer.contains('5'), "the exit code: {answer}");
    bench.fake.behave(|behaviour| behaviour.opening = Opening::Normal);
    assert!(bench.call("echo").await.contains("arguments"), "repaired");
    bench.end().await;
}

/// What is written to it fails before its exit is known.
pub(crate) async fn a_server_that_dies_deaf_says_why() {
    let bench = Bench::with(Kind::Stdio, Behaviour::new(LEGACY), |settings| {
        let stdio = settings.stdio.as_mut().unwrap();
        stdio.command = "/bin/sh".to_owned();
        let script = ["-c", "exec <&-; sleep 0.2; exit 5"];
        stdio.args = serde_json::from_value(serde_json::json!(script)).unwrap();
    })
    .await;
    let answer = bench.call("echo").await;
    assert!(answer.contains("the server exited with code 5"), "{answer}");
    bench.end().await;
}

pub(crate) async fn a_server_that_refuses_to_open_says_why() {
    for kind in [Kind::Stdio, Kind::Http] {
        let refusing = Behaviour { opening: Opening::RefusesInitialize, ..Behaviour::new(LEGACY) };
        let bench = Bench::with(kind, refusing, |_| {}).await;
        let answer = bench.call("echo").await;
        assert!(answer.contains("initialize: not today (-32603)"), "{answer}");
        assert_eq!(bench.upstream.status().state, State::Waiting);
        bench.end().await;
    }
}

pub(crate) async fn a_slow_start_is_waited_for() {
    let time = Duration::from_millis(300);
    let slow = Behaviour { opening: Opening::Slow(time), ..Behaviour::new(LEGACY) };
    let bench = Bench::with(Kind::Stdio, slow, |_| {}).await;
    let (one, two) = tokio::join!(bench.call("echo"), bench.call("echo"));
    assert!(one.contains("arguments") && two.contains("arguments"));
    assert_eq!(bench.fake.count("start"), 1);
    bench.end().await;
}

pub(crate) async fn a_server_that_never_opens_is_given_up() {
    let time = Duration::from_secs(1_000);
    let slow = Behaviour { opening: Opening::Slow(time), ..Behaviour::new(LEGACY) };
    let bench = Bench::with(Kind::Stdio, slow, |settings| {
        settings.start_timeout = TimeSpan::from_millis(200);
    });
    let bench = bench.await;
    let answer = bench.call("echo").await;
    assert!(answer.contains("no answer to the opening within 0.2 s"), "{answer}");
    bench.end().await;
}

/// The time for the call is over before that for the opening is.
pub(crate) async fn what_the_opening_takes_is_time_of_the_call() {
    let slow = Opening::Slow(Duration::from_secs(1_000));
    let slow = Behaviour { opening: slow, ..Behaviour::new(LEGACY) };
    let bench = Bench::with(Kind::Stdio, slow, |settings| {
        settings.timeout_total = TimeSpan::from_millis(200);
        settings.start_timeout = TimeSpan::from_mins(10);
    });
    let bench = bench.await;
    let answer = bench.call("echo").await;
    assert_eq!(answer, "timed out: upstream `fake` did not answer within 0.2 s");
    bench.end().await;
}

pub(crate) async fn silence_to_discover_means_legacy() {
    let silent = Behaviour { discover: Discover::Silent, ..Behaviour::new(LEGACY) };
    let bench = Bench::with(Kind::Stdio, silent, |_| {}).await;
    assert!(bench.call("echo").await.contains("arguments"));
    assert_eq!(bench.fake.count("start"), 1);
    bench.end().await;
}

pub(crate) async fn a_restless_list_is_not_chased() {
    for (kind, version) in ALL {
        let restless = Behaviour { restless: true, ..Behaviour::new(version) };
        let bench = Bench::with(kind, restless, |_| {}).await;
        bench.upstream.wake();
        bench.until_tools("echo").await;
        tokio::time::sleep(Duration::from_millis(500)).await;
        let reads = bench.fake.count("tools/list");
        assert!(reads <= 8, "{kind:?} {version}: read {reads} times in half a second");
        bench.end().await;
    }
}
