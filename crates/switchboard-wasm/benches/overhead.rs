//! What running a function as WebAssembly costs: `cargo bench -p switchboard-wasm`.
//!
//! Without arguments it measures a guest of one function; with the paths of components it measures
//! calls of their tool `add`, too, with `{"a": 1, "b": 2}`.

use std::fmt;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use bytes::Bytes;
use switchboard_egress::{EgressSettings, Guard};
use switchboard_wasm::{
    Ask, Cache, Call, Engine, EngineSettings, Grants, Host, KeyValue, KeyValueError, Program,
    Report, Reuse, Stored, Terms,
};
use tokio::time::Instant;

/// Answers with its arguments.
const ECHO: &str = include_str!("echo.wat");

struct Nobody;

#[async_trait]
impl Host for Nobody {
    fn report(&self, _: Report) {}

    async fn key_value(&self, _: KeyValue) -> Result<Stored, KeyValueError> {
        Ok(Stored::Done)
    }
}

fn main() {
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    runtime.worker_threads(1).enable_all().build().expect("a runtime").block_on(measure());
}

async fn measure() {
    let place = tempfile::tempdir().expect("a directory");
    let echo = wat::parse_str(ECHO).expect("text of a component");
    let mut guests = vec![("a guest of one function".to_owned(), Bytes::from(echo))];
    // cargo adds `--bench`.
    let paths = std::env::args_os().skip(1).filter(|argument| argument != "--bench");
    for path in paths.map(PathBuf::from) {
        let bytes = std::fs::read(&path).expect("a component");
        guests.push((path.display().to_string(), bytes.into()));
    }
    for (name, bytes) in guests {
        say(format_args!("{name}, {} bytes", bytes.len()));
        let cache = Cache::open(place.path().join("wasm"), [0; 32]).expect("a directory");
        load("  loaded, compiling", &bytes, &cache).await;
        let program = load("  loaded, compiled before", &bytes, &cache).await;
        calls("  call of a new instance", &program, Reuse::Never).await;
        calls("  call of a warm instance", &program, Reuse::Calls(NonZeroU32::MAX)).await;
    }
}

/// By an engine that has not seen it, as after a restart.
async fn load(what: &str, bytes: &Bytes, cache: &Cache) -> Program {
    let guard = Guard::new(&EgressSettings::default()).expect("nothing is set");
    let engine = Engine::new(EngineSettings::default(), guard).expect("an engine");
    let began = Instant::now();
    let program = engine.load(bytes.clone(), Some(cache.clone())).await;
    let program = program.unwrap_or_else(|error| panic!("{error}"));
    say(format_args!("{what}: {:?}", began.elapsed()));
    program
}

async fn calls(what: &str, program: &Program, reuse: Reuse) {
    let grants = Grants { random: true, clock: true, ..Grants::default() };
    let terms = Arc::new(Terms { reuse, grants, ..Terms::default() });
    let mut times: Vec<Duration> = Vec::new();
    let began = Instant::now();
    while times.len() < 20_000 && (times.len() < 20 || began.elapsed() < Duration::from_secs(3)) {
        let ask = Ask::Tool { name: "add".to_owned(), arguments: r#"{"a": 1, "b": 2}"#.to_owned() };
        let now = SystemTime::UNIX_EPOCH;
        let call = Call { ask, terms: Arc::clone(&terms), host: Arc::new(Nobody), now };
        let start = Instant::now();
        program.call(call).await.unwrap_or_else(|error| panic!("{error} {:?}", error.detail()));
        times.push(start.elapsed());
    }
    times.sort();
    let at = |percent: usize| times[(times.len() - 1) * percent / 100];
    say(format_args!("{what}: p50 {:?}, p99 {:?} ({} calls)", at(50), at(99), times.len()));
}

#[expect(clippy::print_stdout, reason = "what it is for")]
fn say(text: fmt::Arguments<'_>) {
    println!("{text}");
}
