//! What the daemon keeps while clients leave without a word and servers die, hang and babble: with
//! real processes, over every listener, in numbers.
//!
//! Longer and harder is `cargo xtask chaos`; here are bounds that hold on any machine, and figures
//! for whoever reads the run.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustix::process::{Pid, Resource, Rlimit, Signal, getrlimit, kill_process, setrlimit};
use serde_json::json;
use switchboard_testkit::campaign::{
    Aim, Daemon, KINDS, Latencies, Load, Resources, Server, Tally, neighbours, one_call,
};
use switchboard_testkit::client::{Carrier, Client, Target};
use switchboard_testkit::faulty::{self, Fault, Plan, Web};
use switchboard_testkit::raw::Wire;
use tokio::sync::{Barrier, Semaphore};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use crate::common::PATIENCE;

/// The server in a child process, as `matrix::relay` is one.
#[test]
#[ignore = "a child process of other tests"]
fn child() {
    let Some(plan) = std::env::var_os(faulty::VARIABLE) else { return };
    let output = File::options().write(true).open("/dev/fd/3").unwrap();
    faulty::serve(&plan.to_str().unwrap().parse().unwrap(), output);
}

fn server() -> Server {
    let script = "exec \"$0\" \"$@\" 3>&1 >/dev/null";
    let program = std::env::current_exe().unwrap().to_str().unwrap().to_owned();
    let args = ["-c", script, &program, "reliability::child", "--exact", "--ignored"];
    Server { command: "/bin/sh".to_owned(), args: args.map(str::to_owned).into() }
}

fn daemon() -> Daemon {
    // Clients of every listener have one or two descriptors each, here and in the daemon.
    let most = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: most, maximum: most }).unwrap();
    Daemon::new(Path::new(env!("CARGO_BIN_EXE_switchboard")))
}

/// A daemon with `count` good servers, all of which run.
async fn started(count: usize, config: &str) -> Daemon {
    let mut daemon = daemon();
    let mut tables = format!("{config}\n");
    for number in 0..count {
        let name = format!("good{number}");
        let mark = daemon.mark().to_owned();
        tables.push_str(&server().stdio(&name, &Plan::NONE, &mark, "start = \"eager\""));
    }
    daemon.configure(&tables);
    daemon.start().unwrap();
    until("all servers to run", || daemon.census().alive.len() == count).await;
    for number in 0..count {
        call(&daemon, number).await;
    }
    daemon
}

async fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        sleep(Duration::from_millis(20)).await;
    }
}

/// Calls a server until it answers: one that was killed a moment ago may need it.
async fn call(daemon: &Daemon, number: usize) {
    let deadline = Instant::now() + PATIENCE;
    let target = daemon.target(Carrier::Http);
    let mut client = Client::connect(KINDS[0].1, KINDS[0].0, &target).await.unwrap();
    while let Err(trouble) =
        one_call(&mut client, &format!("good{number}__echo"), &json!({ "n": number })).await
    {
        assert!(trouble.is_refusal() && Instant::now() < deadline, "good{number}: {trouble}");
        sleep(Duration::from_millis(50)).await;
    }
}

fn targets(daemon: &Daemon) -> Vec<Target> {
    KINDS.iter().map(|(carrier, _)| daemon.target(*carrier)).collect()
}

fn run(test: impl Future<Output = ()>) {
    tokio::runtime::Runtime::new().unwrap().block_on(test);
}

#[test]
fn whatever_a_server_does_a_call_has_one_answer_and_the_next_is_served() {
    run(async {
        let mut daemon = daemon();
        let webs: Vec<Web> = Fault::ALL.iter().map(|_| Web::start(Plan::NONE)).collect();
        let mut tables = String::new();
        let more = "timeout = \"3s\"\nbreaker.failures = 0\nbreaker.failure_percent = 0";
        for ((_, fault), web) in Fault::ALL.iter().zip(&webs) {
            let (name, mark) = (format!("child_{fault}"), daemon.mark().to_owned());
            tables.push_str(&server().stdio(&name, &Plan::NONE, &mark, more));
            let url = web.url();
            tables.push_str(&format!("[upstream.web_{fault}]\nhttp.url = {url:?}\n{more}\n"));
        }
        daemon.configure(&tables);
        daemon.start().unwrap();
        let daemon = Arc::new(daemon);
        let mut faults = JoinSet::new();
        for (fault, name) in Fault::ALL {
            for server in ["child", "web"] {
                let target = daemon.target(Carrier::Unix);
                faults
                    .spawn(async move { meet(*fault, &format!("{server}_{name}"), &target).await });
            }
        }
        while let Some(met) = faults.join_next().await {
            met.unwrap();
        }
        assert!(daemon.census().strays.is_empty());
    });
}

/// Calls the tool that brings the fault, and then `echo` on the same connection, which would show
/// an answer too many.
async fn meet(fault: Fault, server: &str, target: &Target) {
    let (carrier, version) = KINDS[4];
    let mut client = Client::connect(version, carrier, target).await.unwrap();
    client.patience = PATIENCE;
    let (_, name) = Fault::ALL.iter().find(|(known, _)| *known == fault).unwrap();
    let outcome = one_call(&mut client, &format!("{server}__{name}"), &json!({ "n": 1 })).await;
    match &outcome {
        Ok(()) => {}
        Err(trouble) => assert!(trouble.is_refusal(), "{server}: {trouble}"),
    }
    let harmless = [Fault::Duplicate, Fault::Reorder, Fault::Leak];
    assert!(outcome.is_ok() || !harmless.contains(&fault), "{server}: {outcome:?}");
    let deadline = Instant::now() + PATIENCE;
    let tool = format!("{server}__echo");
    while let Err(trouble) = one_call(&mut client, &tool, &json!({ "n": 2 })).await {
        assert!(trouble.is_refusal() && Instant::now() < deadline, "{server}: {trouble}");
        sleep(Duration::from_millis(100)).await;
    }
}

const SESSIONS: u64 = 2_000;
const CALLS: u64 = 10_000;
const SERVERS: usize = 50;

/// What the daemon may keep: a descriptor or two of connections that are just being closed, and
/// what the allocator does not give back.
const DESCRIPTORS: usize = 4;
const MEMORY_KIB: u64 = 24 << 10;

#[test]
fn sessions_dropped_rudely_and_servers_killed_leave_nothing_behind() {
    run(async {
        let config = "http.connections = 2000\nhttp.session_idle = \"1s\"";
        let daemon = started(SERVERS, config).await;
        let pid = daemon.pid().unwrap();
        let aim = Aim {
            targets: targets(&daemon),
            tools: (0..SERVERS).map(|number| format!("good{number}__echo")).collect(),
            pause: Duration::ZERO,
            // Five calls, and one that nobody waits for.
            leaves_after: Some(6),
            may_be_refused: true,
            patience: PATIENCE,
            seed: 4,
        };
        // What is made on first use, and what the allocator keeps for each thread, is there now.
        until_done(&Load::start(&aim, 25), SESSIONS / 8, |_| true).await;
        let before = at_rest(pid, None).await;

        let mut samples = 0;
        let mut order = shuffled(SERVERS);
        let load = Load::start(&aim, 25);
        let begun = Instant::now();
        let seen = until_done(&load, SESSIONS, |seen| {
            let census = daemon.census();
            assert!(census.strays.is_empty(), "children that nobody owns: {census}");
            samples += 1;
            // Spread over the run; who is just being started has its turn at the next sample.
            let left = SESSIONS.saturating_sub(seen.opened) * SERVERS as u64 / SESSIONS;
            while order.len() as u64 > left && kill(&daemon, order[order.len() - 1]) {
                order.pop();
            }
            order.is_empty()
        })
        .await;
        let took = begun.elapsed();
        let rest = load.stop().await;
        assert_eq!((seen.wrong, rest.wrong), (Vec::new(), Vec::new()));
        for number in 0..SERVERS {
            call(&daemon, number).await;
        }
        until("all servers to be back", || {
            let census = daemon.census();
            let named: BTreeSet<u32> = pids(&daemon).into_values().collect();
            census.is_settled() && named.len() == SERVERS && census.alive.keys().copied().eq(named)
        })
        .await;
        let after = at_rest(pid, Some(before.descriptors + DESCRIPTORS)).await;
        println!(
            "{} sessions, {} calls ({} refused: {:?}), {SERVERS} servers killed in {took:.1?}; \
             {samples} samples without a stray; descriptors {} and {}, memory {} and {} KiB",
            seen.opened,
            seen.answered + seen.refused,
            seen.refused,
            seen.reasons,
            before.descriptors,
            after.descriptors,
            before.memory_kib,
            after.memory_kib,
        );
        assert!(after.descriptors <= before.descriptors + DESCRIPTORS, "{before:?}, {after:?}");
        assert!(after.memory_kib < before.memory_kib + MEMORY_KIB, "{before:?}, {after:?}");
        daemon.run(&["stop"]).unwrap();
        assert!(daemon.census().alive.is_empty());
    });
}

/// The processes of the servers, as the status names them.
fn pids(daemon: &Daemon) -> BTreeMap<String, u32> {
    let status = daemon.status().unwrap();
    let upstreams = status["upstreams"].as_array().unwrap().iter();
    let named = upstreams.filter_map(|it| Some((it["name"].as_str()?, it["pid"].as_u64()?)));
    named.map(|(name, pid)| (name.to_owned(), u32::try_from(pid).unwrap())).collect()
}

/// Kills a server; false where it is not running at this moment.
fn kill(daemon: &Daemon, server: usize) -> bool {
    let census = daemon.census();
    let named = pids(daemon).get(&format!("good{server}")).copied();
    let Some(pid) = named.filter(|pid| census.alive.contains_key(pid)) else { return false };
    let pid = Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    kill_process(pid, Signal::KILL).is_ok()
}

/// Waits until so many sessions were opened, five times as many calls made, and whoever looks
/// around meanwhile is content.
async fn until_done(load: &Load, sessions: u64, mut look: impl FnMut(&Tally) -> bool) -> Tally {
    let calls = CALLS * sessions / SESSIONS;
    let deadline = Instant::now() + PATIENCE * 3;
    let mut seen = Tally::default();
    while !look(&seen) || seen.opened < sessions || seen.answered + seen.refused < calls {
        assert!(Instant::now() < deadline, "{seen:?}");
        sleep(Duration::from_millis(50)).await;
        seen.merge(&load.take());
    }
    seen
}

/// What a daemon has after its sessions were idle for too long: the least within some seconds, or
/// as soon as it is `enough`.
async fn at_rest(pid: u32, enough: Option<usize>) -> Resources {
    let deadline = Instant::now() + Duration::from_secs(if enough.is_some() { 20 } else { 4 });
    let mut least = Resources::of(pid).unwrap();
    while Instant::now() < deadline && enough.is_none_or(|enough| least.descriptors > enough) {
        sleep(Duration::from_millis(100)).await;
        let now = Resources::of(pid).unwrap();
        least.descriptors = least.descriptors.min(now.descriptors);
        least.memory_kib = now.memory_kib;
    }
    least
}

/// The numbers below `count` in an order that is always the same and looks like none.
fn shuffled(count: usize) -> Vec<usize> {
    // 7,919 is a prime, so that each number comes once.
    (0..count).map(|number| number * 7_919 % count).collect()
}

#[test]
fn servers_that_hang_crash_or_babble_do_not_touch_their_neighbours() {
    run(async {
        let mut daemon = daemon();
        let seen = neighbours::compare(&mut daemon, &server(), Duration::from_secs(4)).await;
        let seen = seen.unwrap();
        println!("{seen}");
        assert_eq!(seen.undisturbed.wrong, [""; 0]);
        assert_eq!(seen.disturbed.wrong, [""; 0]);
        assert!(seen.undisturbed.answered > 0 && seen.disturbed.answered > 0);
        assert!(seen.refused > 0, "the bad ones were not called");
    });
}

const CLIENTS: usize = 1_000;

#[test]
fn a_thousand_clients_of_all_listeners_call_at_once() {
    run(async {
        let daemon = started(4, "http.connections = 5000\nhttp.in_flight = 5000").await;
        let targets = Arc::new(targets(&daemon));
        // Connections come a few at a time: the queue of a listening socket is short.
        let doors = Arc::new(Semaphore::new(32));
        let barrier = Arc::new(Barrier::new(CLIENTS));
        let mut clients = JoinSet::new();
        for number in 0..CLIENTS {
            let (targets, doors) = (Arc::clone(&targets), Arc::clone(&doors));
            let barrier = Arc::clone(&barrier);
            clients.spawn(async move {
                let place = doors.acquire().await.unwrap();
                let (carrier, version) = KINDS[number % KINDS.len()];
                let target = &targets[number % KINDS.len()];
                let client = Client::connect(version, carrier, target).await;
                let mut client = client.map_err(|trouble| format!("{carrier}: {trouble}"))?;
                client.patience = PATIENCE;
                drop(place);
                barrier.wait().await;
                let begun = Instant::now();
                let tool = format!("good{}__echo", number % 4);
                let outcome = one_call(&mut client, &tool, &json!({ "n": number })).await;
                outcome.map(|()| begun.elapsed()).map_err(|trouble| format!("{carrier}: {trouble}"))
            });
        }
        let mut latencies = Latencies::default();
        while let Some(outcome) = clients.join_next().await {
            latencies.add(outcome.unwrap().unwrap());
        }
        assert_eq!(latencies.total(), CLIENTS as u64);
        let [p50, p99] = [50, 99].map(|percent| latencies.percentile(percent));
        println!("{CLIENTS} clients at once: p50 {p50:.1?}, p99 {p99:.1?}");
    });
}

/// As many as a daemon keeps by default.
const IDLE: u64 = 10_000;

/// The bound of a session that nobody uses.
const SESSION_BYTES: u64 = 24 << 10;

#[test]
fn idle_sessions_take_little() {
    run(async {
        let daemon = started(1, "http.sessions = 12000").await;
        let pid = daemon.pid().unwrap();
        let first = open_sessions(&daemon, 400).await;
        let before = Resources::of(pid).unwrap();
        let last = open_sessions(&daemon, IDLE).await;
        let after = Resources::of(pid).unwrap();
        let bytes = (after.memory_kib.saturating_sub(before.memory_kib) << 10) / IDLE;
        println!("{IDLE} idle sessions: {bytes} bytes each");
        for session in [first, last] {
            let ping = r#"{"jsonrpc":"2.0","id":2,"method":"ping"}"#;
            let (status, _) = post(&mut wire(&daemon).await, &daemon, &session, ping).await;
            assert_eq!(status, 200, "the session is still known");
        }
        assert!(bytes < SESSION_BYTES, "{bytes} bytes for each session");
    });
}

/// Opens sessions as a client does that goes and never says so; the name of the first.
async fn open_sessions(daemon: &Daemon, count: u64) -> String {
    let mut wire = wire(daemon).await;
    let mut first = None;
    for number in 0..count {
        let params = json!({ "protocolVersion": "2025-11-25",
            "capabilities": { "roots": { "listChanged": true }, "sampling": {}, "elicitation": {} },
            "clientInfo": { "name": "a-client-with-a-name", "version": format!("1.0.{number}") } });
        let opening =
            json!({ "jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params });
        let (status, session) = post(&mut wire, daemon, "", &opening.to_string()).await;
        assert_eq!(status, 200);
        let session = session.unwrap();
        let opened = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;
        assert_eq!(post(&mut wire, daemon, &session, opened).await.0, 202);
        first.get_or_insert(session);
    }
    first.unwrap()
}

fn address(daemon: &Daemon) -> (String, String) {
    let Target::Address { url, key } = daemon.target(Carrier::Http) else { unreachable!() };
    let authority = url.trim_start_matches("http://").trim_end_matches("/mcp");
    (authority.to_owned(), key.unwrap())
}

async fn wire(daemon: &Daemon) -> Wire {
    Wire::connect(address(daemon).0.parse().unwrap()).await
}

/// The status, and the session that the answer names.
async fn post(
    wire: &mut Wire,
    daemon: &Daemon,
    session: &str,
    body: &str,
) -> (u16, Option<String>) {
    let (authority, key) = address(daemon);
    let session = match session {
        "" => String::new(),
        id => format!("Mcp-Session-Id: {id}\r\nMCP-Protocol-Version: 2025-11-25\r\n"),
    };
    wire.send(format!(
        "POST /mcp HTTP/1.1\r\nHost: {authority}\r\nX-API-Key: {key}\r\n{session}\
         Accept: application/json, text/event-stream\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len(),
    ))
    .await;
    let head = wire.head().await.unwrap();
    let given = head.header("mcp-session-id").map(str::to_owned);
    wire.body().await;
    (head.status, given)
}
