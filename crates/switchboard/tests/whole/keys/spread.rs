//! The keys that say how the calls of an upstream are spread, held back, sent again and stopped, and
//! when it is looked after.

use std::path::PathBuf;
use std::process::Command;
use std::thread::Scope;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use super::{counted, initialize, post, refused, with_counting};
use crate::common::{Home, counting, wait};

pub(super) fn upstream_in_flight() {
    let home = with_counting("", "in_flight = 1\nqueue = { size = 0 }");
    home.wait_for("counting", "ready");
    std::thread::scope(|scope| {
        let gate = Gate::closed(&home);
        hold(scope, &home, &gate);
        let reason = "1 calls are already under way at this upstream";
        refused(&home, &["call", "counting__echo"], reason);
    });
    home.call("counting__echo", &json!({}));
}

pub(super) fn upstream_queue() {
    let home = with_counting("", "in_flight = 1\nqueue = { size = 1 }");
    let home = &home;
    home.wait_for("counting", "ready");
    let echo = || ask(home, "", "counting__echo", &json!({}));
    std::thread::scope(|scope| {
        let gate = Gate::closed(home);
        hold(scope, home, &gate);
        // There is room for one of them.
        let (done, ended) = std::sync::mpsc::channel();
        for _ in 0..2 {
            let done = done.clone();
            scope.spawn(move || done.send(echo()).unwrap());
        }
        let refusal = ended.recv().unwrap().unwrap_err();
        assert!(refusal.contains("and 1 wait for it"), "{refusal}");
        gate.open();
        ended.recv().unwrap().unwrap();
    });

    recount(home, "in_flight = 1\nqueue = { wait = \"200ms\" }", &[""]);
    std::thread::scope(|scope| {
        let gate = Gate::closed(home);
        hold(scope, home, &gate);
        let refusal = echo().unwrap_err();
        assert!(refusal.contains("none has ended within"), "{refusal}");
    });

    // A limit that is found begins at 16, and an answer that is too slow takes a tenth away.
    recount(home, "queue = { size = 0, adapt_to = \"100ms\" }", &[""]);
    ask(home, "", "counting__slow", &json!({ "seconds": 0.3 })).unwrap();
    std::thread::scope(|scope| {
        let gate = Gate::closed(home);
        for _ in 0..14 {
            hold(scope, home, &gate);
        }
        let refusal = echo().unwrap_err();
        assert!(refusal.contains("14 calls are already under way"), "{refusal}");
    });
}

pub(super) fn upstream_sharing() {
    let home = Home::new("");
    home.start();
    let pids = |more: &str| {
        recount(&home, more, &[""]);
        let sessions = [initialize(&home), initialize(&home)];
        let pid = |session: &String| {
            let headers = format!("Mcp-Session-Id: {session}\r\n");
            ask(&home, &headers, "counting__echo", &json!({})).unwrap()["pid"].clone()
        };
        [&sessions[0], &sessions[0], &sessions[1]].map(pid)
    };
    let [one, again, other] = pids("sharing = \"per_session\"");
    assert!(one == again && one != other, "{one} {again} {other}");
    assert_eq!(endpoints(&home).len(), 3, "one for the lists, and one for each session");
    pids("sharing = \"per_session\"\ninstances = 1");
    assert_eq!(endpoints(&home).len(), 2, "the one that was used last is left");
    let [one, _, other] = pids("sharing = \"per_principal\"");
    assert!(one == other && one != endpoints(&home)[0]["pid"], "{one} {other}");
}

pub(super) fn upstream_pool() {
    let home = Home::new("");
    home.start();
    recount(&home, "pool = { min = 2, max = 3, idle = \"3s\" }", &[""]);
    ask(&home, "", "counting__echo", &json!({})).unwrap();
    wait("the least there is of a pool", || endpoints(&home).len() == 2);
    std::thread::scope(|scope| {
        let gate = Gate::closed(&home);
        let begin = || {
            hold(scope, &home, &gate);
            all_ready(&home);
        };
        // It grows when a call finds none free; one that is slow to start is free for longer.
        let grown = (0..20).any(|_| {
            begin();
            endpoints(&home).len() == 3
        });
        assert!(grown, "the pool does not grow");
        (0..4).for_each(|_| begin());
        assert!(endpoints(&home).len() <= 3, "the most there is of the pool");
    });
    wait("the pool to shrink", || endpoints(&home).len() == 2);
}

pub(super) fn upstream_balance() {
    let home = Home::new("");
    home.start();
    let who = |repo: usize| {
        let arguments = json!({ "repo": format!("repo {repo}") });
        ask(&home, "", "counting__echo", &arguments).unwrap()["who"].clone()
    };
    let sticky = "balance = \"consistent_hash\"";
    recount(&home, &format!("{sticky}\nhash_argument = \"repo\""), &["", ""]);
    let each: Vec<_> = (0..12).map(|repo| [who(repo), who(repo)]).collect();
    assert!(each.iter().all(|[one, again]| one == again), "{each:?}");
    assert!(each.iter().any(|one| *one != each[0]), "all repositories at one endpoint: {each:?}");
    recount(&home, sticky, &["", ""]);
    let each: Vec<_> = (0..12).map(who).collect();
    assert!(each.iter().all(|one| *one == each[0]), "one principal at several: {each:?}");
}

pub(super) fn upstream_weight() {
    let home = Home::new("");
    home.start();
    recount(&home, "balance = \"round_robin\"", &["weight = 1", "weight = 9"]);
    let who = |_| ask(&home, "", "counting__echo", &json!({})).unwrap()["who"].clone();
    let heavy = (0..20).map(who).filter(|who| who == "2").count();
    assert!(heavy >= 14, "{heavy} of 20");
}

pub(super) fn upstream_breaker() {
    let home = Home::new("");
    home.start();
    // Each word is a call: good, slow, or never answered. Then, whether the next one is let in.
    let after = |breaker: &str, calls: &str| {
        recount(&home, &format!("timeout = \"2s\"\nbreaker = {{ {breaker} }}"), &[""]);
        for call in calls.split(' ') {
            let seconds = match call {
                "good" => 0.0,
                "slow" => 0.6,
                _ => 100.0,
            };
            let outcome = ask(&home, "", "counting__slow", &json!({ "seconds": seconds }));
            assert_eq!(outcome.is_ok(), call != "lost", "{breaker}: {outcome:?}");
        }
        ask(&home, "", "counting__echo", &json!({})).err()
    };
    // Neither what it is by default, 5 s, nor the default limit, 5 min; up to a half is taken off.
    let refusal = after("failures = 1, open = \"1h\", open_limit = \"10m\"", "lost").unwrap();
    let (_, seconds) = refusal.split_once("it is tried again in ").expect(&refusal);
    let seconds: u64 = seconds.split(' ').next().unwrap().parse().unwrap();
    assert!((300..=600).contains(&seconds), "{refusal}");
    let status = home.run(&["status"]);
    assert!(status.contains("  counting") && status.contains("circuit breaker open"), "{status}");

    // Two of three, which is more than the half of the default.
    let share = |percent: u32| {
        let share = format!("failures = 0, failure_percent = {percent}, minimum_calls = 2");
        after(&share, "good lost lost")
    };
    assert_eq!(share(67), None);
    assert!(share(66).is_some());
    let short = "failures = 0, minimum_calls = 2, window = \"200ms\"";
    assert_eq!(after(short, "lost lost"), None, "the first is forgotten by then");
    let slow = "slow = \"300ms\", slow_percent = 60, minimum_calls = 2";
    assert!(after(slow, "good slow slow").is_some());
}

pub(super) fn upstream_retry() {
    let home = Home::new("");
    home.start();
    // A call that goes to the first endpoint, which does not answer in time.
    let read = |timeout: &str, retry: &str| {
        let sticky = "balance = \"consistent_hash\"\nhash_argument = \"key\"";
        let more = format!("{sticky}\ntimeout = {timeout:?}\nretry = {{ {retry} }}");
        recount_with(&home, &more, &[("", ", LAG = \"100\""), ("", "")]);
        let first = |key: &u32| {
            let route = ["route", "explain", "counting__read", &format!("key:={key}"), "--json"];
            let route: Value = serde_json::from_str(&home.run(&route)).unwrap();
            route["endpoints"][0]["name"] == "counting"
        };
        let key = (0..).find(first).unwrap();
        ask(&home, "", "counting__read", &json!({ "key": key })).map(|it| it["who"].clone())
    };
    for (retry, is_answered) in [
        ("", false),
        ("trust_hints = true", true),
        ("trust_hints = true, burst = 0", false),
        ("trust_hints = true, percent = 0, per_second = 0", false),
        ("trust_hints = true, percent = 0, per_second = 1", true),
        ("trust_hints = true, percent = 100, per_second = 0", true),
    ] {
        match read("2s", retry) {
            Ok(who) => assert!(is_answered && who == "2", "{retry}: {who}"),
            Err(error) => assert!(!is_answered, "{retry}: {error}"),
        }
    }
    let began = Instant::now();
    assert_eq!(read("1m", "trust_hints = true, hedge_after = \"100ms\"").unwrap(), "2");
    assert!(began.elapsed() < Duration::from_secs(50), "the first was waited for");
}

/// A server that is frozen while nobody calls it is replaced.
pub(super) fn upstream_health() {
    let home = Home::new("");
    home.start();
    recount(&home, "health = { interval = \"100ms\", timeout = \"200ms\" }", &[""]);
    let pid = || home.status()["upstreams"][0]["pid"].clone();
    let frozen = pid();
    let kill = Command::new("kill").args(["-STOP", &frozen.to_string()]).status().unwrap();
    assert!(kill.success());
    let began = Instant::now();
    wait("another server", || pid().is_number() && pid() != frozen);
    // By default it would be asked after 22 s at the earliest, and twice for 10 s.
    assert!(began.elapsed() < Duration::from_secs(20), "{:?}", began.elapsed());
}

// ── The tools of these cases ─────────────────────────────────────────────────────────────────────

/// Calls a tool of the counting server over HTTP; what it answers, or why it does not. `headers`
/// may name a session.
pub(super) fn ask(
    home: &Home,
    headers: &str,
    tool: &str,
    arguments: &Value,
) -> Result<Value, String> {
    let mut params = json!({ "name": tool, "arguments": arguments });
    let headers = match headers {
        "" => {
            params["_meta"] = json!({
                "io.modelcontextprotocol/protocolVersion": "2026-07-28",
                "io.modelcontextprotocol/clientCapabilities": {} });
            format!(
                "MCP-Protocol-Version: 2026-07-28\r\nMcp-Method: tools/call\r\nMcp-Name: {tool}\r\n"
            )
        }
        headers => headers.to_owned(),
    };
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params });
    let answer = post(home, &headers, &body.to_string());
    let (_, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("{answer:?}"));
    let body = body.find('{').zip(body.rfind('}')).map(|(start, end)| &body[start..=end]);
    let body = body.unwrap_or_else(|| panic!("no message in {answer:?}"));
    let message: Value = serde_json::from_str(body).unwrap();
    match message["result"]["content"][0]["text"].as_str() {
        Some(text) => Ok(serde_json::from_str(text).unwrap()),
        None => Err(message["error"]["message"].as_str().unwrap_or(body).to_owned()),
    }
}

/// Has the daemon run the counting server with other settings: once, or as several endpoints with
/// something more in each. Waits until all are there.
fn recount(home: &Home, more: &str, each: &[&str]) {
    let each: Vec<_> = each.iter().map(|more| (*more, "")).collect();
    recount_with(home, more, &each);
}

/// The same, with more variables for each.
fn recount_with(home: &Home, more: &str, each: &[(&str, &str)]) {
    let ways = each.iter().zip(1..).map(|((more, variables), number)| {
        let table = counting(&home.path(""), &format!(", WHO = \"{number}\"{variables}"));
        let way = table.lines().nth(1).unwrap().to_owned();
        if more.is_empty() { way } else { format!("{way}, {more}") }
    });
    let ways: Vec<_> = ways.collect();
    let ways = match &ways[..] {
        [only] => only.clone(),
        several => format!("endpoints = [{{ {} }}]", several.join(" }, { ")),
    };
    home.configure(&format!("[upstream.counting]\nstart = \"eager\"\n{more}\n{ways}"));
    home.run(&["reload"]);
    home.wait_for("counting", "ready");
    all_ready(home);
}

/// The endpoints of the one upstream; none where there is but one that is well.
fn endpoints(home: &Home) -> Vec<Value> {
    home.status()["upstreams"][0]["endpoints"].as_array().cloned().unwrap_or_default()
}

fn all_ready(home: &Home) {
    wait("all endpoints to be ready", || {
        endpoints(home).iter().all(|endpoint| endpoint["state"] == "ready")
    });
}

/// What calls wait for at the server; open when it is dropped, so that a test that fails ends.
struct Gate(PathBuf);

impl Gate {
    fn closed(home: &Home) -> Self {
        let path = home.path("go");
        // Open before, or never there.
        let _ = std::fs::remove_file(&path);
        Self(path)
    }

    fn open(&self) {
        std::fs::write(&self.0, "").unwrap();
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.open();
    }
}

/// Begins a call that ends with `gate`, and waits until it is at the server.
fn hold<'scope>(scope: &'scope Scope<'scope, '_>, home: &'scope Home, gate: &Gate) {
    let begun = counted(home, "slow");
    let arguments = json!({ "until": gate.0 });
    scope.spawn(move || ask(home, "", "counting__slow", &arguments).unwrap());
    wait("the call to arrive", || counted(home, "slow") == begun + 1);
}
