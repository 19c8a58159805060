use std::collections::BTreeSet;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, UNIX_EPOCH};

use super::{CONTENT_TYPE, Metrics, Outcome, Standing, reference};

fn metrics() -> Metrics {
    Metrics::new("0.1.0", UNIX_EPOCH + Duration::from_millis(1_795_230_245_500))
}

/// Does `events` and compares the samples of the metrics whose names contain `name`.
#[track_caller]
fn check(name: &str, events: impl FnOnce(&Metrics), expected: &[&str]) {
    let metrics = metrics();
    events(&metrics);
    let page = metrics.encode();
    let samples = page.lines().filter(|line| !line.starts_with('#') && line.contains(name));
    assert_eq!(samples.collect::<Vec<_>>(), expected);
}

#[test]
fn the_whole_page() {
    let metrics = metrics();
    let files = metrics.upstream("files");
    files.set_state("starting");
    files.set_state("ready");
    files.record(Outcome::Ok, Duration::from_micros(80));
    files.record(Outcome::Ok, Duration::from_millis(20));
    files.record(Outcome::ToolError, Duration::from_secs(90));
    files.restarted();
    files.show(Standing {
        queued: 4,
        late: 2,
        retries: 7,
        breakers_open: 1,
        ..Standing::default()
    });
    let _waiting = files.begin();
    metrics.sessions("http").set(3);
    metrics.http("mcp").record(200);
    metrics.rejected("key_invalid").inc();
    metrics.notifications_dropped().inc();
    metrics.lost_lines().stderr.inc();
    assert_eq!(metrics.encode(), include_str!("golden.txt"));
    assert!(CONTENT_TYPE.starts_with("application/openmetrics-text"));
}

#[test]
fn a_new_daemon_has_a_page() {
    let page = metrics().encode();
    assert!(page.contains("switchboard_build_info{version=\"0.1.0\"} 1\n"), "{page}");
    assert!(page.ends_with("# EOF\n"), "{page}");
}

#[test]
fn handles_of_one_name_count_together() {
    check(
        "calls_total",
        |metrics| {
            metrics.upstream("files").record(Outcome::Ok, Duration::ZERO);
            metrics.upstream("files").record(Outcome::Ok, Duration::ZERO);
            metrics.upstream("files").record(Outcome::Error, Duration::ZERO);
        },
        &[
            r#"switchboard_calls_total{upstream="files",outcome="error"} 1"#,
            r#"switchboard_calls_total{upstream="files",outcome="ok"} 2"#,
            r#"switchboard_calls_total{upstream="files",outcome="tool_error"} 0"#,
        ],
    );
}

#[test]
fn a_call_that_is_cancelled_no_longer_waits() {
    check(
        "in_flight",
        |metrics| {
            let files = metrics.upstream("files");
            let kept = files.begin();
            drop(files.begin());
            drop((kept, files.begin()));
            let _waits_to_the_end_of_this_closure = files.begin();
            assert!(metrics.encode().contains("in_flight{upstream=\"files\"} 1\n"));
        },
        &[r#"switchboard_calls_in_flight{upstream="files"} 0"#],
    );
}

#[test]
fn an_upstream_is_in_one_state() {
    check(
        "state",
        |metrics| {
            let files = metrics.upstream("files");
            for state in ["starting", "ready", "ready", "stopped", "starting"] {
                files.clone().set_state(state);
            }
        },
        &[
            r#"switchboard_upstream_state{upstream="files",state="ready"} 0"#,
            r#"switchboard_upstream_state{upstream="files",state="starting"} 1"#,
            r#"switchboard_upstream_state{upstream="files",state="stopped"} 0"#,
        ],
    );
}

#[test]
fn a_new_handle_takes_over_the_state() {
    check(
        "state",
        |metrics| {
            metrics.upstream("files").set_state("ready");
            metrics.upstream("files").set_state("stopped");
        },
        &[
            r#"switchboard_upstream_state{upstream="files",state="ready"} 0"#,
            r#"switchboard_upstream_state{upstream="files",state="stopped"} 1"#,
        ],
    );
}

#[test]
fn a_removed_upstream_is_forgotten() {
    check(
        "upstream",
        |metrics| {
            for name in ["files", "git"] {
                let upstream = metrics.upstream(name);
                upstream.set_state("ready");
                upstream.record(Outcome::Ok, Duration::ZERO);
                upstream.restarted();
            }
            metrics.retain_upstreams(|_| false);
        },
        &[],
    );
}

#[test]
fn statuses_are_counted_by_class() {
    check(
        "http",
        |metrics| {
            let mcp = metrics.http("mcp");
            for status in [100, 200, 202, 304, 401, 404, 499, 500, 599, 0, 99, 600, u16::MAX] {
                mcp.record(status);
            }
        },
        &[
            r#"switchboard_http_requests_total{route="mcp",status="1xx"} 1"#,
            r#"switchboard_http_requests_total{route="mcp",status="2xx"} 2"#,
            r#"switchboard_http_requests_total{route="mcp",status="3xx"} 1"#,
            r#"switchboard_http_requests_total{route="mcp",status="4xx"} 3"#,
            r#"switchboard_http_requests_total{route="mcp",status="5xx"} 6"#,
        ],
    );
}

#[test]
fn names_are_escaped() {
    check(
        "sessions",
        |metrics| {
            metrics.sessions("a\"b\\c\nd").set(1);
        },
        &[r#"switchboard_sessions{listener="a\"b\\c\nd"} 1"#],
    );
}

#[test]
fn nothing_is_lost_between_threads() {
    let metrics = metrics();
    let files = Arc::new(metrics.upstream("files"));
    let callers: Vec<_> = (0..4)
        .map(|_| {
            let files = Arc::clone(&files);
            thread::spawn(move || {
                for _ in 0..1000 {
                    let _waiting = files.begin();
                    files.record(Outcome::Ok, Duration::from_millis(1));
                }
            })
        })
        .collect();
    for caller in callers {
        caller.join().unwrap();
    }
    let page = metrics.encode();
    for sample in [
        "switchboard_calls_total{upstream=\"files\",outcome=\"ok\"} 4000\n",
        "switchboard_calls_in_flight{upstream=\"files\"} 0\n",
        "switchboard_call_duration_seconds_count{upstream=\"files\"} 4000\n",
        "switchboard_call_duration_seconds_sum{upstream=\"files\"} 4.0\n",
    ] {
        assert!(page.contains(sample), "{sample}{page}");
    }
}

#[test]
fn the_reference_lists_what_the_page_shows() {
    let reference = reference();
    let rows = reference.lines().skip(2);
    let listed: BTreeSet<_> = rows.map(|row| row.split('`').nth(1).unwrap()).collect();
    let samples = include_str!("golden.txt").lines().filter(|line| !line.starts_with('#'));
    let shown: BTreeSet<_> = samples
        .map(|line| line.split(['{', ' ']).next().unwrap())
        .map(|name| {
            let parts = ["_bucket", "_sum", "_count"];
            parts.iter().find_map(|part| name.strip_suffix(part)).unwrap_or(name)
        })
        .collect();
    assert_eq!(listed, shown);
    assert!(listed.iter().all(|name| name.starts_with("switchboard_")));
}
