//! Servers that stop answering, and how that is found out where nobody calls them.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU16, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use switchboard_config::TimeSpan;
use switchboard_core::{Context, Error, Peer as _, Principal, Request};
use switchboard_mcp::{Json, Method, ProtocolVersion};
use switchboard_testkit::Behaviour;
use switchboard_upstream::{HealthSettings, Settings, State};

use crate::common::{ALL, Bench, Kind, LEGACY, PATIENCE};
use crate::puppet::{Client, Stage};
use crate::web::{Reply, Seen, Web, legacy};

/// Asked so often that a test need not wait.
const OFTEN: TimeSpan = TimeSpan::from_millis(40);

/// Longer than any test.
const NEVER: TimeSpan = TimeSpan::from_mins(60);

/// Time in which a server that is asked often would have been asked many times.
const A_WHILE: Duration = Duration::from_millis(400);

fn asked(interval: TimeSpan, timeout: TimeSpan) -> impl FnOnce(&mut Settings) {
    move |settings| settings.health = HealthSettings { interval, timeout }
}

fn question(version: ProtocolVersion) -> &'static str {
    if version == LEGACY { "< ping" } else { "< server/discover" }
}

async fn bench(kind: Kind, version: ProtocolVersion, change: impl FnOnce(&mut Settings)) -> Bench {
    let bench = Bench::with(kind, Behaviour::new(version), change).await;
    // With anything scripted the journal has every question.
    bench.fake.script("test/none", "\"result\":{}");
    bench.upstream.wake();
    bench.until_tools("echo").await;
    bench
}

/// The fake knows no `ping`, as strict servers do not before they are initialised or after.
pub(crate) async fn whatever_it_answers_the_server_is_there() {
    for (kind, version) in ALL {
        let bench = bench(kind, version, asked(OFTEN, TimeSpan::from_secs(10))).await;
        let before = bench.fake.count(question(version));
        let lists = bench.fake.count("tools/list");
        bench.fake.until(question(version), before + 4).await;
        let status = bench.upstream.status();
        assert_eq!((status.state, status.restarts), (State::Ready, 0), "{kind:?} {version}");
        assert_eq!(bench.fake.count("tools/list"), lists, "{kind:?} {version}: listed for it");
        bench.end().await;
    }
}

pub(crate) async fn a_server_at_work_is_not_asked() {
    for (kind, version) in ALL {
        // One that does one thing at a time would not answer, and be replaced for that.
        let bench = bench(kind, version, asked(OFTEN, TimeSpan::from_secs(10))).await;
        let work = async {
            bench.fake.until("held", 1).await;
            let before = bench.fake.count(question(version));
            tokio::time::sleep(A_WHILE).await;
            let questions = bench.fake.count(question(version)) - before;
            // One may have been on its way.
            assert!(questions <= 1, "{kind:?} {version}: asked {questions} times");
            bench.fake.release();
        };
        let (answer, ()) = tokio::join!(bench.call("hold"), work);
        assert!(answer.contains("hold"), "{answer}");
        bench.fake.until(question(version), bench.fake.count(question(version)) + 1).await;
        bench.end().await;
    }
}

pub(crate) async fn a_server_that_rests_is_not_asked() {
    for (interval, idle_stop) in
        [(OFTEN, Some(TimeSpan::from_millis(100))), (TimeSpan::from_secs(0), None)]
    {
        let change = |settings: &mut Settings| {
            asked(interval, TimeSpan::from_secs(10))(settings);
            settings.idle_stop = idle_stop;
        };
        let bench = bench(Kind::Http, LEGACY, change).await;
        let state = if idle_stop.is_some() { State::Dormant } else { State::Ready };
        bench.until_state(state).await;
        let before = bench.fake.count("< ");
        tokio::time::sleep(A_WHILE).await;
        assert_eq!(bench.fake.count("< "), before, "{interval}");
        assert_eq!(bench.upstream.status().state, state, "{interval}");
        bench.end().await;
    }
}

async fn stage(change: impl FnOnce(&mut Settings)) -> Stage {
    let stage = Stage::with(LEGACY, json!({ "tools": {} }), change).await;
    stage.upstream.wake();
    stage.puppet.next("initialize").await;
    stage.news.until(|| stage.upstream.view().lists.is_some()).await;
    stage
}

pub(crate) async fn a_server_that_does_not_answer_is_replaced() {
    let stage = stage(asked(OFTEN, TimeSpan::from_millis(100))).await;
    let pid = stage.upstream.status().pid;
    let ping = stage.puppet.next("ping").await;
    stage.puppet.answer(&ping, &json!({})).await;
    stage.puppet.next("ping").await;
    stage.puppet.next("ping").await;
    stage.puppet.next("initialize").await;
    stage.news.until(|| stage.upstream.status().state == State::Ready).await;
    assert_ne!(stage.upstream.status().pid, pid);
    let call = stage.call(&Client::new(json!({}), None)).await;
    stage.finish(call).await;
    stage.end().await;
}

pub(crate) async fn a_server_may_miss_a_question() {
    let stage = stage(asked(OFTEN, TimeSpan::from_secs(1))).await;
    stage.puppet.next("ping").await;
    let ping = stage.puppet.next("ping").await;
    stage.puppet.answer(&ping, &json!({})).await;
    let ping = stage.puppet.next("ping").await;
    stage.puppet.answer(&ping, &json!({})).await;
    assert_eq!(stage.upstream.status().restarts, 0);
    stage.end().await;
}

/// Small servers that answer what they know, and nothing to the rest.
pub(crate) async fn a_server_without_pings_is_replaced_once() {
    let stage = stage(asked(OFTEN, TimeSpan::from_millis(50))).await;
    stage.puppet.next("initialize").await;
    let client = Client::new(json!({}), None);
    let call = stage.call(&client).await;
    stage.finish(call).await;
    for _ in 0..4 {
        stage.puppet.next("ping").await;
    }
    tokio::time::sleep(A_WHILE).await;
    assert_eq!(stage.upstream.status().restarts, 1);
    let call = stage.call(&client).await;
    stage.finish(call).await;
    stage.end().await;
}

pub(crate) async fn a_server_is_asked_after_a_call_timed_out() {
    for (kind, version) in ALL {
        let change = |settings: &mut Settings| {
            asked(NEVER, TimeSpan::from_secs(10))(settings);
            settings.timeout = TimeSpan::from_millis(200);
        };
        let bench = bench(kind, version, change).await;
        let before = bench.fake.count(question(version));
        assert!(bench.call("never").await.starts_with("timed out: "));
        bench.fake.until(question(version), before + 1).await;
        assert!(bench.call("echo").await.contains("arguments"));
        assert_eq!(bench.upstream.status().restarts, 0, "{kind:?} {version}");
        bench.end().await;
    }
}

pub(crate) async fn a_server_that_hangs_in_a_call_is_replaced() {
    let change = |settings: &mut Settings| {
        asked(NEVER, TimeSpan::from_millis(100))(settings);
        settings.timeout = TimeSpan::from_millis(200);
    };
    let stage = stage(change).await;
    let client = Client::new(json!({}), None);
    let call = stage.call(&client).await;
    assert!(matches!(call.done().await, Err(Error::TimedOut { .. })));
    stage.puppet.next("ping").await;
    stage.puppet.next("ping").await;
    stage.puppet.next("initialize").await;
    stage.end().await;
}

/// Calls a tool; whether it was answered.
async fn answers(web: &Web) -> bool {
    let context = Context::new(Principal::new("owner"), ProtocolVersion::NEWEST_LEGACY);
    let params = Some(Json::encode(&json!({ "name": "x" })));
    let request = Request { method: Method::ToolsCall, params, name: Some("x".to_owned()) };
    let answer = tokio::time::timeout(PATIENCE, web.upstream.request(&context, request)).await;
    answer.unwrap().is_ok()
}

/// What a server in order answers, to the question as well.
fn usual(seen: &Seen) -> Reply {
    match seen.method() {
        "tools/call" => Reply::Result(json!({ "content": [] })),
        "ping" => Reply::Result(json!({})),
        _ => legacy(seen).unwrap_or(Reply::Status(405)),
    }
}

/// Nobody calls it but once, which opens its circuit breaker for an hour.
pub(crate) async fn a_server_that_is_down_is_found_out_and_comes_back() {
    for word in [502, 503] {
        let down = Arc::new(AtomicU16::new(0));
        let is_down = Arc::clone(&down);
        let answer = move |seen: &Seen| match is_down.load(Ordering::Relaxed) {
            0 => usual(seen),
            status => Reply::Status(status),
        };
        let change = |settings: &mut Settings| {
            asked(OFTEN, TimeSpan::from_millis(100))(settings);
            settings.breaker.failures = 1;
            settings.breaker.open = NEVER;
            settings.breaker.open_limit = NEVER;
        };
        let web = Web::changed(change, answer).await;
        assert!(answers(&web).await);
        down.store(word, Ordering::Relaxed);
        web.news.until(|| web.upstream.status().state == State::Waiting).await;
        let problem = web.upstream.status().problem.unwrap();
        assert!(problem.contains(&word.to_string()), "{problem}");
        assert!(!answers(&web).await);
        assert_eq!(web.upstream.endpoints()[0].breaker, "open", "{word}");
        down.store(0, Ordering::Relaxed);
        web.news.until(|| web.upstream.status().state == State::Ready).await;
        // Its coming back is worth a try, and what it answers closes it.
        assert_eq!(web.upstream.endpoints()[0].breaker, "half-open", "{word}");
        assert!(answers(&web).await);
        assert!(answers(&web).await);
        assert_eq!(web.upstream.endpoints()[0].breaker, "closed", "{word}");
        web.end().await;
    }
}

pub(crate) async fn a_server_that_fails_at_the_question_is_there() {
    for status in [202, 307, 400, 401, 429, 500] {
        let answer = move |seen: &Seen| match seen.method() {
            "ping" => Reply::Status(status),
            _ => usual(seen),
        };
        let web = Web::changed(asked(OFTEN, TimeSpan::from_secs(10)), answer).await;
        web.upstream.wake();
        web.until_seen("ping", 4).await;
        let now = web.upstream.status();
        assert_eq!((now.state, now.restarts), (State::Ready, 0), "{status}: {now:?}");
        web.end().await;
    }
}

/// A server that lists one tool more, and knows no session any more, once it was started anew.
struct Restarting {
    is_new: Arc<AtomicBool>,
    gone: u16,
    streams: bool,
}

impl Restarting {
    fn answer(&self, seen: &Seen) -> Reply {
        let is_new = self.is_new.load(Ordering::Relaxed);
        let known = if is_new { "new" } else { "old" };
        let session = seen.header("mcp-session-id");
        let tools = |names: &[&str]| {
            let tools: Vec<Value> = names.iter().map(|name| json!({ "name": name })).collect();
            Reply::Result(json!({ "tools": tools }))
        };
        match (seen.method(), legacy(seen)) {
            ("initialize", Some(Reply::Result(result))) => Reply::Opened(known.to_owned(), result),
            _ if session.is_some_and(|session| session != known) => Reply::Status(self.gone),
            ("tools/list", _) if is_new => tools(&["x", "y"]),
            ("tools/list", _) => tools(&["x"]),
            _ if seen.verb == "GET" && self.streams => {
                Reply::Events(": and it ends\n\n".to_owned())
            }
            _ => usual(seen),
        }
    }

    /// Runs until the new list is known, though nobody calls.
    async fn check(gone: u16, streams: bool, change: impl FnOnce(&mut Settings)) {
        let is_new = Arc::new(AtomicBool::new(false));
        let server = Self { is_new: Arc::clone(&is_new), gone, streams };
        let web = Web::changed(change, move |seen| server.answer(seen)).await;
        let tools = || web.upstream.view().lists.map_or(0, |lists| lists.tools.len());
        web.upstream.wake();
        web.news.until(|| tools() == 1).await;
        if streams {
            web.until_seen("GET", 1).await;
        }
        is_new.store(true, Ordering::Relaxed);
        web.news.until(|| tools() == 2).await;
        assert_eq!(web.upstream.status().state, State::Ready, "{gone}");
        web.end().await;
    }
}

pub(crate) async fn a_session_that_is_gone_is_found_out() {
    for gone in [404, 410] {
        Restarting::check(gone, false, asked(OFTEN, TimeSpan::from_secs(10))).await;
    }
}

pub(crate) async fn a_stream_that_is_gone_tells_of_its_session() {
    for gone in [404, 410] {
        Restarting::check(gone, true, asked(NEVER, TimeSpan::from_secs(10))).await;
    }
}
