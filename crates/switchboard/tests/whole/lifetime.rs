//! One connection for everybody, and nothing left behind.

use std::io::Write as _;
use std::os::unix::net::UnixListener;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::common::{Home, Running, counting, kill_9, processes_with, succeeded, wait};
use serde_json::json;

fn home(extra: &str) -> Home {
    let home = Home::new("");
    home.configure(&counting(&home.path(""), extra));
    home
}

fn counts(home: &Home, word: &str) -> usize {
    let text = std::fs::read_to_string(home.path("counts")).unwrap_or_default();
    text.lines().filter(|line| line.split(' ').next() == Some(word)).count()
}

/// What a client that starts its servers writes to `switchboard stdio`: an opening and five calls.
fn conversation(client: usize) -> String {
    let mut lines = vec![
        json!({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {
            "protocolVersion": "2025-06-18", "capabilities": {},
            "clientInfo": { "name": "client", "version": "1" } } }),
        json!({"jsonrpc": "2.0", "method": "notifications/initialized"}),
    ];
    lines.extend((1..=5).map(|call| {
        json!({"jsonrpc": "2.0", "id": call, "method": "tools/call", "params": {
            "name": "counting__echo", "arguments": { "client": client, "call": call } } })
    }));
    lines.iter().map(|line| format!("{line}\n")).collect()
}

fn begin(home: &Home, client: usize) -> Running {
    let mut command = home.switchboard(&["stdio"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(conversation(client).as_bytes()).unwrap();
    Running(child)
}

/// Every call was answered once, to the client that made it, under its own id.
fn finish(mut running: Running, client: usize) {
    let mut stdout = String::new();
    std::io::Read::read_to_string(&mut running.0.stdout.take().unwrap(), &mut stdout).unwrap();
    assert!(running.0.wait().unwrap().success());
    let mut answered = Vec::new();
    for line in stdout.lines() {
        let message: serde_json::Value = serde_json::from_str(line).unwrap();
        let Some(text) = message["result"]["content"][0]["text"].as_str() else { continue };
        let seen: serde_json::Value = serde_json::from_str(text).unwrap();
        assert_eq!(seen["arguments"], json!({ "client": client, "call": message["id"] }));
        answered.push(message["id"].as_u64().unwrap());
    }
    answered.sort_unstable();
    assert_eq!(answered, [1, 2, 3, 4, 5], "client {client}: {stdout}");
}

#[test]
fn two_hundred_client_processes_and_a_thousand_calls_share_one_connection() {
    let home = home("");
    home.start();
    for client in 0..100 {
        finish(begin(&home, client), client);
    }
    let together: Vec<_> = (100..200).map(|client| (begin(&home, client), client)).collect();
    for (running, client) in together {
        finish(running, client);
    }
    let counts = ["call", "initialize", "start"].map(|word| counts(&home, word));
    assert_eq!(counts, [1_000, 1, 1], "calls, connections, processes");
}

#[test]
fn a_daemon_that_is_killed_leaves_nothing_behind_and_starts_again() {
    let home = home(", SLEEPER = \"1\"");
    home.start();
    home.wait_for("counting", "ready");
    let marker = format!("COUNT_FILE={}", home.path("counts").display());
    wait("the server and its sleeper", || processes_with(&marker).len() == 2);
    let mut slow = home.switchboard(&["call", "counting__slow", "seconds=100"]);
    let mut slow = Running(slow.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
    wait("the call to arrive", || counts(&home, "slow") == 1);

    kill_9(home.daemon_pid());
    let killed = Instant::now();
    wait("the children to end", || processes_with(&marker).is_empty());
    let took = killed.elapsed();
    assert!(took < Duration::from_secs(1), "children outlived the daemon by {took:?}");
    assert!(!slow.0.wait().unwrap().success(), "a call without an answer must not look answered");

    home.start();
    let result = home.call("counting__echo", &json!({ "x": 1 }));
    assert!(result["content"][0]["text"].as_str().unwrap().contains("\"x\": 1"), "{result}");
}

/// The system closes the sockets of a daemon that was killed one after the other, and whoever comes
/// to the control socket meanwhile is cut.
#[test]
fn a_start_that_meets_a_dying_daemon_starts_another() {
    let home = home("");
    let socket = home.path("s/default/control.sock");
    std::fs::create_dir_all(socket.parent().unwrap()).unwrap();
    let listener = UnixListener::bind(&socket).unwrap();
    let dying = std::thread::spawn(move || {
        drop(listener.accept().unwrap());
        drop(listener);
    });
    home.start();
    dying.join().unwrap();
    home.wait_for("counting", "ready");
}

#[test]
fn a_server_that_is_killed_is_back_for_the_next_call() {
    let home = home("");
    home.start();
    home.wait_for("counting", "ready");
    let mut slow = home.switchboard(&["call", "counting__slow", "seconds=100"]);
    let slow = Running(slow.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap());
    wait("the call to arrive", || counts(&home, "slow") == 1);
    let pid = home.status()["upstreams"][0]["pid"].as_u64().unwrap();
    kill_9(u32::try_from(pid).unwrap());

    let result = home.call("counting__echo", &json!({ "x": 2 }));
    assert!(result["content"][0]["text"].as_str().unwrap().contains("\"x\": 2"), "{result}");
    let output = wait_with_output(slow);
    assert!(!output.status.success());
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(stderr.contains("was lost during the call"), "{stderr}");
}

fn wait_with_output(mut running: Running) -> std::process::Output {
    let read = |from: &mut dyn std::io::Read| {
        let mut bytes = Vec::new();
        from.read_to_end(&mut bytes).unwrap();
        bytes
    };
    let stdout = read(&mut running.0.stdout.take().unwrap());
    let stderr = read(&mut running.0.stderr.take().unwrap());
    std::process::Output { status: running.0.wait().unwrap(), stdout, stderr }
}

#[test]
fn stopping_ends_the_servers_and_says_so() {
    let home = home(", SLEEPER = \"1\"");
    home.start();
    home.wait_for("counting", "ready");
    let marker = format!("COUNT_FILE={}", home.path("counts").display());
    home.run(&["stop"]);
    assert_eq!(processes_with(&marker), [0_u32; 0]);
    let status = home.switchboard(&["status"]).output().unwrap();
    assert_eq!(status.status.code(), Some(3), "{}", String::from_utf8_lossy(&status.stderr));
}

#[test]
fn a_reload_touches_only_what_changed() {
    let home = home("");
    home.start();
    home.wait_for("counting", "ready");
    let before = home.status()["upstreams"][0]["pid"].clone();
    let program = env!("CARGO_BIN_EXE_switchboard");
    let more = format!("[upstream.demo]\nstdio = {{ command = {program:?}, args = [\"demo\"] }}\n");
    home.configure(&format!("{}{more}", counting(&home.path(""), "")));
    home.run(&["reload"]);
    home.wait_for("demo", "ready");
    assert_eq!(home.status()["upstreams"][0]["pid"], before, "an unchanged server was restarted");

    home.configure("[upstream.x]\nstdoi = 1\n");
    let reload = home.switchboard(&["reload"]).output().unwrap();
    assert!(!reload.status.success());
    let stderr = String::from_utf8_lossy(&reload.stderr);
    assert!(stderr.contains("stdoi") && stderr.contains("stdio"), "{stderr}");
    assert_eq!(home.status()["upstreams"].as_array().unwrap().len(), 2, "the old one is kept");

    home.configure("");
    home.run(&["reload"]);
    assert_eq!(home.status()["upstreams"], json!([]));
    let marker = format!("COUNT_FILE={}", home.path("counts").display());
    wait("the removed server to end", || processes_with(&marker).is_empty());
}

/// A call that is under way ends at what it began with, and one that comes after it goes to what is
/// there now.
#[test]
fn a_reload_costs_no_call() {
    let home = home("");
    home.start();
    home.wait_for("counting", "ready");
    let before = home.status()["upstreams"][0]["pid"].clone();
    let until = home.path("let-go");
    let slow = |home: &Home| {
        let until = format!("until={}", until.display());
        let mut slow = home.switchboard(&["call", "counting__slow", &until]);
        Running(slow.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap())
    };
    let mut calls: Vec<_> = (0..3).map(|_| slow(&home)).collect();
    wait("the calls to arrive", || counts(&home, "slow") == 3);

    home.configure(&counting(&home.path(""), ", CHANGED = \"1\""));
    home.run(&["reload"]);
    calls.push(slow(&home));
    let status = home.status();
    assert_eq!(status["leaving"][0]["name"], "counting", "{status}");
    assert_eq!(status["leaving"][0]["in_flight"], 3, "{status}");
    assert_eq!(status["leaving"][0]["pid"], before, "{status}");
    home.wait_for("counting", "ready");
    assert_ne!(home.status()["upstreams"][0]["pid"], before);
    home.call("counting__echo", &json!({ "x": 1 }));

    std::fs::write(&until, "").unwrap();
    for call in calls {
        let output = wait_with_output(call);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    let gone = || home.status()["leaving"].is_null();
    wait("what was replaced to end", gone);
    let marker = format!("COUNT_FILE={}", home.path("counts").display());
    assert_eq!(processes_with(&marker).len(), 1);
}

/// What is left of its grace is nobody's when the daemon ends.
#[test]
fn a_stop_ends_what_a_reload_replaced() {
    let home = Home::new("");
    let drain = "daemon.drain = \"1s\"\n";
    home.configure(&format!("{drain}{}", counting(&home.path(""), "")));
    home.start();
    home.wait_for("counting", "ready");
    let mut slow = home.switchboard(&["call", "counting__slow", "seconds=100"]);
    let mut slow = Running(slow.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
    wait("the call to arrive", || counts(&home, "slow") == 1);
    home.configure(drain);
    home.run(&["reload"]);
    assert_eq!(home.status()["upstreams"], json!([]));
    home.run(&["stop"]);
    let marker = format!("COUNT_FILE={}", home.path("counts").display());
    assert_eq!(processes_with(&marker), [0_u32; 0]);
    assert!(!slow.0.wait().unwrap().success(), "a call without an answer must not look answered");
}

#[test]
fn curl_makes_a_call_without_a_session() {
    let home = home("");
    home.start();
    let body = json!({"jsonrpc": "2.0", "id": "a", "method": "tools/call", "params": {
        "name": "counting__echo", "arguments": { "n": 1 },
        "_meta": {
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientCapabilities": {} } } });
    let key = format!("X-API-Key: {}", home.key());
    let headers = [
        key.as_str(),
        "Content-Type: application/json",
        "MCP-Protocol-Version: 2026-07-28",
        "Mcp-Method: tools/call",
        "Mcp-Name: counting__echo",
    ];
    let mut curl = Command::new("curl");
    curl.args(["-sS", &home.address(), "--data", &body.to_string()]);
    for header in headers {
        curl.args(["-H", header]);
    }
    let answer = succeeded("curl", &curl.output().unwrap());
    let answer: serde_json::Value = serde_json::from_str(&answer).unwrap();
    assert_eq!(answer["id"], "a");
    assert_eq!(answer["result"]["resultType"], "complete", "{answer}");
}
