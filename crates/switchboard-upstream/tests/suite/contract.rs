//! What every kind of upstream keeps, whatever server is behind it: one connection for everybody,
//! started when it is needed, replaced when it breaks.

use std::sync::Arc;
use std::time::Duration;

use crate::common::{ALL, Bench, Kind, LEGACY, MODERN, Reports, ask, call, call_with};
use futures_util::future::join_all;
use serde_json::Value;
use switchboard_config::{Secret, TimeSpan};
use switchboard_core::Peer;
use switchboard_mcp::Method;
use switchboard_testkit::{Behaviour, Discover, Opening, Pages};
use switchboard_upstream::{EraChoice, State};

pub(crate) async fn one_process_serves_all_callers() {
    for (kind, version) in ALL {
        let bench = Bench::new(kind, version).await;
        for _ in 0..4 {
            let calls = join_all((0..25).map(|_| bench.call("echo"))).await;
            assert!(calls.iter().all(|answer| answer.contains("arguments")), "{calls:?}");
        }
        let (starts, connects) = (bench.fake.count("start"), bench.fake.count("connect"));
        let opened = bench.fake.count("initialize") + bench.fake.count("discover");
        match kind {
            Kind::Stdio => assert_eq!((starts, connects), (1, 0)),
            // Of a pool: no more than there were requests at once (calls, lists, the stream).
            Kind::Http => assert!(starts == 0 && connects <= 32, "{connects} connections"),
        }
        assert!(opened <= 2, "{:?}", bench.fake.seen());
        assert_eq!(bench.fake.count("call echo"), 100);
        bench.end().await;
    }
}

pub(crate) async fn nothing_runs_before_it_is_needed() {
    for (kind, version) in ALL {
        let bench = Bench::new(kind, version).await;
        assert_eq!(bench.upstream.status().state, State::Dormant);
        assert!(bench.upstream.wants_to_run(), "its lists are not known");
        assert_eq!(bench.fake.seen(), [""; 0]);
        bench.call("echo").await;
        assert_eq!(bench.upstream.status().state, State::Ready);
        assert_eq!(bench.upstream.status().version, Some(version.as_str()));
        assert_eq!(bench.upstream.status().software.as_deref(), Some("fake 1"));
        bench.until_tools("echo").await;
        bench.end().await;
    }
}

pub(crate) async fn answers_find_their_callers_in_any_order() {
    for (kind, version) in ALL {
        let bench = Bench::new(kind, version).await;
        let early: Vec<_> = (0..10).map(|_| bench.upstream.clone()).collect();
        let held = join_all(early.iter().map(|upstream| call(upstream, "hold", "{}")));
        let rest = async {
            bench.fake.until("held", 10).await;
            for number in 0..10 {
                let arguments = format!("{{\"n\":{number}}}");
                let answer = call(&bench.upstream, "echo", &arguments).await;
                assert!(answer.contains(&arguments), "{answer}");
            }
            bench.fake.release();
        };
        let (held, ()) = tokio::join!(held, rest);
        assert!(held.iter().all(|answer| answer.contains("\"text\":\"hold\"")), "{held:?}");
        bench.end().await;
    }
}

pub(crate) async fn parameters_and_results_are_not_touched() {
    let odd = r#"{"n":1.10,"big":9007199254740993,"e":1E+2,"u":"\u00e4\/","z":{ "b":1, "a":2 }}"#;
    for (kind, version) in ALL {
        let bench = Bench::new(kind, version).await;
        let answer = call(&bench.upstream, "echo", odd).await;
        assert_eq!(answer, format!("{{\"content\":[],\"arguments\":{odd}}}"));
        assert_eq!(bench.call("fail").await, "{\"content\":[],\"isError\":true}");
        assert_eq!(bench.call("refuse").await, "refused: unknown tool (-32602)");
        bench.end().await;
    }
}

pub(crate) async fn progress_reaches_the_one_who_asked() {
    for (kind, version) in ALL {
        let bench = Bench::new(kind, version).await;
        let reports: Vec<_> = (0..5).map(|_| Arc::new(Reports::default())).collect();
        let calls = reports.iter().map(|reports| {
            let peer = Arc::clone(reports) as Arc<dyn Peer>;
            call_with(&bench.upstream, "progress", "{}", Some(peer))
        });
        join_all(calls).await;
        let mut tokens = Vec::new();
        for reports in reports {
            let reports = reports.0.lock().unwrap().clone();
            assert_eq!(reports.len(), 3, "{reports:?}");
            let token = reports[0].split(',').next().unwrap().to_owned();
            for (step, report) in (1..).zip(&reports) {
                assert_eq!(*report, format!("{token},\"progress\":{step},\"x-future\":1.10}}"));
            }
            tokens.push(token);
        }
        tokens.dedup();
        assert_eq!(tokens.len(), 5, "each call has a token of its own");
        assert!(bench.call("progress").await.contains("progress"), "nobody listens");
        bench.end().await;
    }
}

pub(crate) async fn a_caller_that_leaves_cancels() {
    for (kind, version) in ALL {
        let bench = Bench::new(kind, version).await;
        let leaving = async {
            tokio::select! {
                answer = bench.call("never") => panic!("{answer}"),
                () = bench.fake.until("call never", 1) => {}
            }
        };
        leaving.await;
        bench.fake.until("cancelled never", 1).await;
        assert!(bench.call("echo").await.contains("arguments"), "the others go on");
        assert_eq!(
            bench.fake.count("initialize") + bench.fake.count("start") / 2,
            bench.fake.count("initialize")
        );
        bench.end().await;
    }
}

pub(crate) async fn a_changed_list_is_read_again() {
    for (kind, version) in ALL {
        let bench = Bench::new(kind, version).await;
        bench.call("echo").await;
        bench.until_tools("echo").await;
        match (kind, version) {
            (Kind::Http, LEGACY) => bench.fake.until("get stream", 1).await,
            (_, MODERN) => bench.fake.until("listen", 1).await,
            _ => {}
        }
        bench.fake.add_tool("one");
        bench.until_tools("echo one").await;
        bench.fake.add_tool("two");
        bench.until_tools("echo one two").await;
        bench.end().await;
    }
}

pub(crate) async fn lists_are_known_without_a_start() {
    for (kind, version) in ALL {
        let bench = Bench::new(kind, version).await;
        bench.call("echo").await;
        bench.until_tools("echo").await;
        let seen = bench.fake.count("tools/list");
        let again = bench.again(kind).await;
        assert_eq!(again.tools().as_deref(), Some("echo"));
        assert!(!again.upstream.wants_to_run());
        assert_eq!(bench.fake.count("tools/list"), seen);
        let item = again.upstream.view().lists.unwrap().tools[0].json.to_string();
        assert_eq!(item, "{\"name\":\"echo\",\"x-future\":1.10}");
        again.end().await;
        bench.end().await;
    }
}

pub(crate) async fn lists_of_another_command_are_not_shown() {
    let bench = Bench::new(Kind::Stdio, MODERN).await;
    bench.call("echo").await;
    bench.until_tools("echo").await;
    for (args, known) in [(vec![], Some("echo")), (vec!["--root=/other"], None)] {
        let again = bench.again_with(Kind::Stdio, |settings| {
            let stdio = settings.stdio.as_mut().unwrap();
            stdio.args.extend(args.iter().map(|arg| Secret::new(*arg)));
        });
        let again = again.await;
        assert_eq!(again.tools().as_deref(), known, "{args:?}");
        again.end().await;
    }
    bench.end().await;
}

pub(crate) async fn a_part_of_a_list_never_replaces_the_whole() {
    for pages in [Pages::Broken, Pages::Endless] {
        for (kind, version) in ALL {
            let bench = Bench::new(kind, version).await;
            bench.call("echo").await;
            bench.until_tools("echo").await;
            bench.fake.behave(|behaviour| behaviour.pages = pages);
            let again = bench.again(kind).await;
            bench.fake.add_tool("more");
            again.call("echo").await;
            again.until("a problem", |upstream| upstream.status().problem.is_some()).await;
            assert_eq!(again.tools().as_deref(), Some("echo"));
            let third = bench.again(kind).await;
            assert_eq!(third.tools().as_deref(), Some("echo"), "nor on disk");
            again.end().await;
            third.end().await;
            bench.end().await;
        }
    }
}

pub(crate) async fn pages_are_read_to_the_end() {
    for (kind, version) in ALL {
        let pages = Behaviour { pages: Pages::EmptyCursor, ..Behaviour::new(version) };
        let bench = Bench::with(kind, pages, |_| {}).await;
        bench.upstream.wake();
        bench.until_tools("echo second").await;
        bench.end().await;
    }
}

pub(crate) async fn a_crashed_server_is_replaced() {
    for (kind, version) in ALL {
        let bench = Bench::new(kind, version).await;
        bench.call("echo").await;
        let waiting = async {
            let lost = bench.call("die").await;
            assert!(lost.starts_with("lost: upstream `fake` was lost during the call"), "{lost}");
            if kind == Kind::Stdio {
                assert!(lost.contains('7'), "the exit code: {lost}");
            }
        };
        waiting.await;
        assert!(bench.call("echo").await.contains("arguments"));
        assert_eq!(bench.fake.count("call die"), 1, "not sent twice");
        if kind == Kind::Stdio {
            assert_eq!(bench.fake.count("start"), 2);
            assert_eq!(bench.upstream.status().restarts, 1);
        }
        bench.end().await;
    }
}

pub(crate) async fn an_idle_server_stops_and_comes_back() {
    for (kind, version) in ALL {
        let brief = |settings: &mut switchboard_upstream::Settings| {
            settings.idle_stop = Some(TimeSpan::from_millis(100));
        };
        let bench = Bench::with(kind, Behaviour::new(version), brief).await;
        let held = bench.upstream.clone();
        let held = async { call(&held, "hold", "{}").await };
        let released = async {
            bench.fake.until("held", 1).await;
            // Longer than the idle time, in which a call is under way.
            tokio::time::sleep(Duration::from_millis(250)).await;
            assert_eq!(bench.upstream.status().state, State::Ready);
            bench.fake.release();
        };
        let (answer, ()) = tokio::join!(held, released);
        assert!(answer.contains("hold"), "{answer}");
        bench.until_state(State::Dormant).await;
        assert_eq!(bench.upstream.status().pid, None);
        assert!(bench.call("echo").await.contains("arguments"));
        if kind == Kind::Stdio {
            assert_eq!(bench.fake.count("start"), 2);
        }
        bench.end().await;
    }
}

pub(crate) async fn too_many_calls_are_refused() {
    for (kind, version) in ALL {
        let few = |settings: &mut switchboard_upstream::Settings| {
            settings.in_flight = 8;
            settings.queue.size = 0;
        };
        let bench = Bench::with(kind, Behaviour::new(version), few).await;
        bench.upstream.wake();
        bench.until_tools("echo").await;
        let held = join_all((0..12).map(|_| bench.call("hold")));
        let release = async {
            // What we ask ourselves (lists, the subscription) takes no place.
            bench.fake.until("held", 8).await;
            bench.fake.release();
        };
        let (answers, ()) = tokio::join!(held, release);
        let busy: Vec<_> = answers.iter().filter(|answer| answer.starts_with("busy")).collect();
        assert_eq!(busy.len(), 4, "{answers:?}");
        let words = "8 calls are already under way at this upstream";
        assert!(busy.iter().all(|answer| answer.contains(words)), "{busy:?}");
        bench.end().await;
    }
}

pub(crate) async fn a_silent_server_is_given_up() {
    for (kind, version) in ALL {
        let short = |settings: &mut switchboard_upstream::Settings| {
            settings.timeout = TimeSpan::from_millis(200);
        };
        let bench = Bench::with(kind, Behaviour::new(version), short).await;
        let answer = bench.call("never").await;
        assert_eq!(answer, "timed out: upstream `fake` did not answer within 0.2 s");
        bench.fake.until("cancelled never", 1).await;
        assert!(bench.call("echo").await.contains("arguments"));
        bench.end().await;
    }
}

pub(crate) async fn the_dead_do_not_hold_up_the_living() {
    for kind in [Kind::Stdio, Kind::Http] {
        let dead = Behaviour { opening: Opening::DiesAtOnce, ..Behaviour::new(LEGACY) };
        let dead = Bench::with(Kind::Stdio, dead, |_| {}).await;
        let living = Bench::new(kind, MODERN).await;
        let both = async { tokio::join!(dead.call("echo"), living.call("echo")) };
        let (dead_answer, living_answer) = both.await;
        assert!(dead_answer.starts_with("unavailable: "), "{dead_answer}");
        assert!(living_answer.contains("arguments"));
        assert_eq!(dead.upstream.status().state, State::Waiting);
        assert!(dead.upstream.status().problem.is_some());
        dead.end().await;
        living.end().await;
    }
}

pub(crate) async fn the_era_is_found_out_once() {
    for discover in [Discover::Refused, Discover::Redirected, Discover::Fatal] {
        let old = Behaviour { discover, ..Behaviour::new(LEGACY) };
        let bench = Bench::with(Kind::Stdio, old, |_| {}).await;
        let answer = bench.call("echo").await;
        assert!(answer.contains("arguments"), "{discover:?}: {answer}");
        bench.until_tools("echo").await;
        assert_eq!(bench.fake.count("discover"), 1);
        let again = bench.again(Kind::Stdio).await;
        assert!(again.call("echo").await.contains("arguments"));
        assert_eq!(bench.fake.count("discover"), 1, "remembered");
        again.end().await;
        bench.end().await;
    }
}

pub(crate) async fn a_server_of_the_older_era_is_asked_again_after_a_day() {
    let bench = Bench::new(Kind::Stdio, LEGACY).await;
    bench.call("echo").await;
    bench.until_tools("echo").await;
    bench.upstream.stop().await;
    assert_eq!(bench.fake.count("discover"), 1);
    let path = bench.directory.path().join("lists/fake.json");
    let mut kept: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
    assert!(kept["asked"].as_u64() > Some(0), "{kept}");
    kept["asked"] = 0.into();
    std::fs::write(&path, kept.to_string()).unwrap();
    // What it lists by then tells when its lists, and with them the date, are written again.
    bench.fake.add_tool("one");
    for why in ["long ago", "just now"] {
        let again = bench.again(Kind::Stdio).await;
        assert!(again.call("echo").await.contains("arguments"), "{why}");
        again.until_tools("echo one").await;
        assert_eq!(bench.fake.count("discover"), 2, "{why}");
        again.end().await;
    }
    bench.end().await;
}

pub(crate) async fn a_fixed_era_is_not_asked_for() {
    let fixed = |settings: &mut switchboard_upstream::Settings| settings.era = EraChoice::Legacy;
    let bench = Bench::with(Kind::Http, Behaviour::new(LEGACY), fixed).await;
    bench.call("echo").await;
    assert_eq!(bench.fake.count("discover"), 0);
    bench.end().await;
}

pub(crate) async fn a_server_that_changed_its_era_is_asked_again() {
    for kind in [Kind::Stdio, Kind::Http] {
        for (before, after) in [(LEGACY, MODERN), (MODERN, LEGACY)] {
            let bench = Bench::new(kind, before).await;
            bench.call("echo").await;
            bench.until_tools("echo").await;
            bench.fake.behave(|behaviour| *behaviour = Behaviour::new(after));
            let again = bench.again(kind).await;
            let answer = again.call("echo").await;
            assert!(answer.contains("arguments"), "{kind:?} {before} {after}: {answer}");
            assert_eq!(again.upstream.status().version, Some(after.as_str()));
            again.end().await;
            bench.end().await;
        }
    }
}

pub(crate) async fn stopping_ends_everything() {
    for (kind, version) in ALL {
        let bench = Bench::new(kind, version).await;
        bench.call("echo").await;
        let upstream = Arc::clone(&bench.upstream);
        bench.end().await;
        let answer = ask(&upstream, Method::ToolsCall, Some(("{\"name\":\"echo\"}", "echo")), None);
        assert!(answer.await.starts_with("unavailable: "), "a stopped upstream says so");
    }
}
