use std::fs;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use tracing::{debug, error, info, info_span, warn};

use super::{FileConfig, Format, LogConfig, LogError, LostLines, Reloadable, subscriber};

fn config(directory: &tempfile::TempDir, format: Format, filter: &str) -> LogConfig {
    LogConfig {
        format,
        filter: filter.to_owned(),
        file: Some(FileConfig::new(directory.path().join("daemon.log"))),
        stderr: false,
        colour: false,
        clock: Arc::new(|| UNIX_EPOCH + Duration::from_millis(1_795_230_245_678)),
        lost: LostLines::default(),
    }
}

/// Logs what `events` logs and compares the lines of the file, without the timestamp.
#[track_caller]
fn check(format: Format, filter: &str, events: impl FnOnce(&Reloadable), expected: &[&str]) {
    let directory = tempfile::tempdir().unwrap();
    let (subscriber, reloadable) = subscriber(config(&directory, format, filter)).unwrap();
    tracing::subscriber::with_default(subscriber, || events(&reloadable));
    let text = fs::read_to_string(directory.path().join("daemon.log")).unwrap();
    let start = match format {
        Format::Text => "2026-11-21T03:04:05.678Z ",
        Format::Json => r#"{"ts":"2026-11-21T03:04:05.678Z","#,
    };
    let lines: Vec<_> = text.lines().map(|line| line.strip_prefix(start).unwrap()).collect();
    assert_eq!(lines, expected);
}

#[derive(Debug, thiserror::Error)]
#[error("upstream is gone")]
struct Outer(#[source] Inner);

#[derive(Debug, thiserror::Error)]
#[error("broken pipe")]
struct Inner;

fn some_events(_: &Reloadable) {
    info!(name = "files", tools = 12, "upstream started");
    warn!(seconds = 1.5, nan = f64::NAN, again = true, who = ?Some(1), "retry");
    error!(error = &Outer(Inner) as &dyn std::error::Error, "call failed");
    let outer = info_span!("connection", peer = "[::1]:1", call = tracing::field::Empty);
    let _outer = outer.enter();
    outer.record("call", 7);
    info_span!("inner", peer = "inner").in_scope(|| info!(method = "ping", "in spans"));
    info!(r#type = "a", ts = 1, level = 2, target = 3);
    debug!("not shown");
}

#[test]
fn text_lines() {
    check(
        Format::Text,
        "info",
        some_events,
        &[
            "INFO upstream started name=files tools=12",
            "WARN retry seconds=1.5 nan=NaN again=true who=Some(1)",
            r#"ERROR call failed error="upstream is gone: broken pipe""#,
            "INFO in spans peer=inner call=7 method=ping",
            "INFO peer=[::1]:1 call=7 type=a ts_=1 level_=2 target_=3",
        ],
    );
}

#[test]
fn json_lines() {
    let target = r#""target":"switchboard_telemetry::log::tests""#;
    let line = |level: &str, rest: &str| format!(r#""level":"{level}",{target},"message":{rest}"#);
    let expected = [
        line("INFO", r#""upstream started","name":"files","tools":12}"#),
        line("WARN", r#""retry","seconds":1.5,"nan":"NaN","again":true,"who":"Some(1)"}"#),
        line("ERROR", r#""call failed","error":"upstream is gone: broken pipe"}"#),
        line("INFO", r#""in spans","peer":"inner","call":7,"method":"ping"}"#),
        line("INFO", r#""","peer":"[::1]:1","call":7,"type":"a","ts_":1,"level_":2,"target_":3}"#),
    ];
    check(Format::Json, "info", some_events, &expected.each_ref().map(String::as_str));
}

#[test]
fn the_filter_decides_and_can_be_changed() {
    check(
        Format::Text,
        "warn, noisy=off",
        |reloadable| {
            info!("one");
            warn!("two");
            warn!(target: "noisy", "three");
            reloadable.set_filter("debug").unwrap();
            debug!("four");
            reloadable.set_filter("ifno").unwrap_err();
            debug!("five");
            reloadable.set_filter("").unwrap();
            debug!("six");
            info!("seven");
        },
        &["WARN two", "DEBUG four", "DEBUG five", "INFO seven"],
    );
}

#[test]
fn filters_without_effect_are_errors() {
    for (filter, expected) in [
        ("info", "good"),
        ("INFO", "good"),
        ("off", "good"),
        ("info,hyper=warn,switchboard_core::gateway=trace", "good"),
        ("[connection{peer=x}]=debug", "good"),
        ("ifno", "`ifno` in the log filter is neither a level nor `target=level`"),
        ("info, hyper", "`hyper` in the log filter is neither a level nor `target=level`"),
        ("hyper=loud", "the log filter `hyper=loud` is not valid"),
    ] {
        let directory = tempfile::tempdir().unwrap();
        let actual = match subscriber(config(&directory, Format::Text, filter)) {
            Ok(_) => "good".to_owned(),
            Err(error) => error.to_string(),
        };
        assert_eq!(actual, expected);
    }
}

#[test]
fn a_file_that_cannot_be_opened_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("gone/daemon.log");
    let file = Some(FileConfig::new(&path));
    let error = subscriber(LogConfig { file, ..config(&directory, Format::Text, "info") });
    let error = error.map(|_| ()).unwrap_err();
    assert!(matches!(&error, LogError::Open { path: named, .. } if *named == path), "{error}");
}

#[test]
fn lines_that_cannot_be_written_are_counted_and_nothing_else() {
    let directory = tempfile::tempdir().unwrap();
    let lost = LostLines::default();
    let file = Some(FileConfig::new("/dev/full"));
    let config = LogConfig { file, lost: lost.clone(), ..config(&directory, Format::Text, "info") };
    let (subscriber, _) = subscriber(config).unwrap();
    tracing::subscriber::with_default(subscriber, || {
        info!("one");
        info!("two");
    });
    assert_eq!((lost.file.get(), lost.stderr.get()), (2, 0));
}
