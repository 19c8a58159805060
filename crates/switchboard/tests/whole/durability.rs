//! What a `kill -9` in the middle of 500 calls a second costs: of the history what was recorded
//! within `history.window` and nothing else, and of what is kept nothing.
//!
//! Seen from outside: a call that was answered earlier than that before the kill is on record
//! afterwards, whole; no call is that was not made; and the next daemon opens what it finds.

use std::collections::BTreeMap;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::Command;
use std::time::Duration;

use serde_json::{Value, json};
use switchboard_mcp::ProtocolVersion;
use switchboard_testkit::client::{Carrier, Client, Target};
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until, timeout};
use tokio_util::sync::CancellationToken;

use crate::common::{Home, PATIENCE, kill_9, peers, postgres, psql, succeeded};

/// Calls a second, and by how many clients.
const RATE: u32 = 500;
const CLIENTS: u32 = 25;

/// What a crash may cost, as the daemon is told: some batches, so that there is something to lose.
const WINDOW: Duration = Duration::from_secs(1);

/// What comes on top where the machine has others to serve as well: with three tests at once, a build
/// that is not optimised took half a second to write a batch with a long result (November 2026).
const BUSY: Duration = Duration::from_secs(2);

/// How long after the first call the daemon is killed.
const KILLS: [Duration; 4] = [
    Duration::from_millis(700),
    Duration::from_millis(3_690),
    Duration::from_millis(4_230),
    Duration::from_millis(5_470),
];

/// Every so many calls one is so long that its result goes to a blob.
const LONG: u64 = 400;

/// A call that was made, and when it was answered.
struct Made {
    number: u64,
    answered: Option<Instant>,
}

fn daemon(config: &str) -> Home {
    let program = env!("CARGO_BIN_EXE_switchboard");
    let server = format!("stdio = {{ command = {program:?}, args = [\"demo\"] }}");
    let home = Home::new(&format!("{config}\n[upstream.demo]\nstart = \"eager\"\n{server}\n"));
    home.start();
    home.wait_for("demo", "ready");
    home
}

fn message(number: u64) -> String {
    let length = if number.is_multiple_of(LONG) { 270_000 } else { 20 };
    format!("{number} {}", "x".repeat(length))
}

/// Calls `RATE` times a second, with numbers from `first` on, until told to stop or cut off.
async fn load(target: &Target, first: u64, stop: CancellationToken) -> Vec<Made> {
    let mut clients = JoinSet::new();
    for client in 0..CLIENTS {
        let (target, stop) = (target.clone(), stop.clone());
        let numbers = (first + u64::from(client)..).step_by(CLIENTS as usize);
        clients.spawn(async move { one_client(&target, numbers, &stop).await });
    }
    clients.join_all().await.into_iter().flatten().collect()
}

async fn one_client(
    target: &Target,
    numbers: impl Iterator<Item = u64>,
    stop: &CancellationToken,
) -> Vec<Made> {
    let mut client = Client::connect(ProtocolVersion::MODERN, Carrier::Http, target).await.unwrap();
    client.patience = PATIENCE;
    let mut pace = interval(Duration::from_secs(1) * CLIENTS / RATE);
    pace.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut made = Vec::new();
    for number in numbers {
        pace.tick().await;
        if stop.is_cancelled() {
            break;
        }
        let arguments = json!({ "message": message(number) });
        let call =
            client.ask("tools/call", json!({ "name": "demo__echo", "arguments": arguments }));
        let answer = timeout(PATIENCE, call).await.expect("an answer, or the end of it");
        made.push(Made { number, answered: answer.is_ok().then(Instant::now) });
        if answer.is_err() {
            break;
        }
    }
    made
}

fn target(home: &Home) -> Target {
    Target::Address { url: home.address(), key: Some(home.key()) }
}

/// Everything on record, by the numbers of the calls.
fn recorded(home: &Home) -> BTreeMap<u64, Value> {
    let mut records = BTreeMap::new();
    let mut after: Option<String> = None;
    loop {
        let mut args = vec!["history", "--json", "-n", "1000"];
        if let Some(after) = &after {
            args.extend(["--after", after]);
        }
        let page: Value = serde_json::from_str(&home.run(&args)).unwrap();
        for record in page["calls"].as_array().unwrap() {
            let text = record["arguments"]["message"].as_str().unwrap();
            let number = text.split(' ').next().unwrap().parse().unwrap();
            assert!(records.insert(number, record.clone()).is_none(), "{number} is there twice");
        }
        match page["next"].as_str() {
            Some(next) => after = Some(next.to_owned()),
            None => return records,
        }
    }
}

/// Judges what is on record of `made` after a kill at `killed`.
#[track_caller]
fn judge(store: &str, made: &[Made], records: &BTreeMap<u64, Value>, killed: Instant) {
    let mut lost = Vec::new();
    for Made { number, answered } in made {
        match (records.get(number), answered) {
            (Some(record), _) => {
                assert_eq!(record["status"], "completed", "{number}");
                assert!(record["arguments"]["message"] == message(*number), "{number}: arguments");
                let text = &record["result"]["content"][0]["text"];
                assert!(*text == message(*number), "{number}: its result is not whole");
            }
            (None, Some(answered)) => lost.push(killed.saturating_duration_since(*answered)),
            (None, None) => {}
        }
    }
    let oldest = lost.iter().max().copied().unwrap_or_default();
    let answered = made.iter().filter(|call| call.answered.is_some()).count();
    println!(
        "{store}: killed under load: {answered} calls answered, {} lost; the oldest of them was \
         answered {oldest:.0?} before, and the window is {WINDOW:?}",
        lost.len()
    );
    assert!(oldest <= WINDOW + BUSY, "a record was lost that had waited for {oldest:?}");
}

/// Kills a daemon under load several times, at different moments.
async fn kill_and_look(store: &str, home: &Home) {
    let mut first = 0;
    for after in KILLS {
        let (pid, target) = (home.daemon_pid(), target(home));
        let begun = Instant::now();
        let kill = async {
            sleep_until(begun + after).await;
            let killed = Instant::now();
            kill_9(pid);
            killed
        };
        let (made, killed) = tokio::join!(load(&target, first, CancellationToken::new()), kill);
        let seconds = after.as_secs_f64();
        println!("{store}: {:.0} calls/s", made.len() as f64 / seconds);
        home.start();
        let records = recorded(home);
        let known =
            |number: &u64| *number < first || made.iter().any(|call| call.number == *number);
        assert!(records.keys().all(known), "a call is on record that was not made");
        assert!(made.iter().any(|call| call.answered.is_some()), "nothing was answered");
        judge(store, &made, &records, killed);
        first = made.iter().map(|call| call.number + 1).max().unwrap_or(first);
        first = first.next_multiple_of(u64::from(CLIENTS));
    }
}

fn run(test: impl Future<Output = ()>) {
    tokio::runtime::Runtime::new().unwrap().block_on(test);
}

fn config() -> String {
    let window = WINDOW.as_millis();
    format!("history = {{ window = \"{window}ms\", arguments_limit = \"1 MiB\" }}")
}

#[test]
fn a_kill_under_load_costs_the_stated_window_and_leaves_sqlite_whole() {
    let home = daemon(&config());
    run(kill_and_look("sqlite", &home));
    let look = "import sqlite3, sys; print(sqlite3.connect(sys.argv[1])\
                .execute('PRAGMA integrity_check').fetchall())";
    let python = peers().join("python-mcp1/bin/python");
    let mut command = Command::new(python);
    let output = command.args(["-c", look]).arg(home.path("s/default/store.db")).output().unwrap();
    assert_eq!(succeeded("the check", &output).trim(), "[('ok',)]");
}

#[test]
fn a_kill_under_load_costs_the_stated_window_on_postgres() {
    let schema = format!("killed_{}", std::process::id());
    let store = format!("[store.postgres]\nurl = \"{}\"\nschema = \"{schema}\"", postgres());
    let home = daemon(&format!("{}\n{store}", config()));
    run(kill_and_look("postgres", &home));
    home.run(&["stop"]);
    psql(&format!("drop schema {schema} cascade"));
}

#[test]
fn what_is_dropped_under_load_is_counted() {
    let home = daemon("history = { window = \"1m\", queue = 100, arguments_limit = \"1 MiB\" }");
    run(async {
        let (stop, target) = (CancellationToken::new(), target(&home));
        let begun = Instant::now();
        let end = async {
            sleep_until(begun + Duration::from_secs(1)).await;
            stop.cancel();
        };
        let (made, ()) = tokio::join!(load(&target, 1, stop.clone()), end);
        let answered = made.iter().filter(|call| call.answered.is_some()).count();
        let lost = lost(&home);
        println!("a full queue: {answered} calls answered, {lost} counted as lost");
        assert!(lost > 0);
        assert_eq!(recorded(&home).len() + lost, answered);
    });
}

fn lost(home: &Home) -> usize {
    let authority = home.address().replace("http://", "").replace("/mcp", "");
    let mut stream = TcpStream::connect(&authority).unwrap();
    let request = format!(
        "GET /metrics HTTP/1.1\r\nHost: {authority}\r\nX-API-Key: {}\r\nConnection: close\r\n\r\n",
        home.key()
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let line = answer.lines().find_map(|it| it.strip_prefix("switchboard_history_lost_total "));
    line.unwrap().parse().unwrap()
}
