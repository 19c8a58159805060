//! A daemon is replaced while it is used: nobody is refused, nothing is lost, nothing is left.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{ScopedJoinHandle, scope, sleep};
use std::time::Duration;

use serde_json::{Value, json};

use crate::common::{Home, PATIENCE, Running, counting, kill_9, processes_with, wait};

fn started() -> Home {
    let home = Home::new("");
    home.configure(&counting(&home.path(""), ", SLEEPER = \"1\""));
    home.start();
    home.wait_for("counting", "ready");
    home
}

/// The processes of the server, whoever started them.
fn servers(home: &Home) -> Vec<u32> {
    processes_with(&format!("COUNT_FILE={}", home.path("counts").display()))
}

fn is_alive(pid: u32) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit(')').next().is_some_and(|rest| !rest.is_empty() && !rest.starts_with(" Z"))
}

/// Replaces the daemon; the PIDs before and after.
#[track_caller]
fn restart(home: &Home) -> (u32, u32) {
    let (before, address) = (home.daemon_pid(), home.address());
    let said: Value = serde_json::from_str(&home.run(&["restart", "--json"])).unwrap();
    let after = home.daemon_pid();
    assert_ne!(before, after);
    assert_eq!(said["pid"], after, "the one that answers is the one that was announced");
    assert_eq!(home.address(), address);
    (before, after)
}

/// What came back over HTTP.
struct Answer {
    body: Value,
    closes: bool,
}

/// A client that keeps its connection for as long as it is let.
struct Caller {
    authority: String,
    key: String,
    stream: Option<BufReader<TcpStream>>,
}

impl Caller {
    fn new(home: &Home) -> Self {
        let address = home.address();
        let authority = address.trim_start_matches("http://").trim_end_matches("/mcp");
        Self { authority: authority.to_owned(), key: home.key(), stream: None }
    }

    fn call(&mut self, tool: &str, arguments: &Value) -> std::io::Result<Answer> {
        let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {
            "name": tool, "arguments": arguments,
            "_meta": {
                "io.modelcontextprotocol/protocolVersion": "2026-07-28",
                "io.modelcontextprotocol/clientCapabilities": {} } } })
        .to_string();
        let mut stream = match self.stream.take() {
            Some(stream) => stream,
            None => {
                let stream = TcpStream::connect(&self.authority)?;
                stream.set_read_timeout(Some(PATIENCE))?;
                BufReader::new(stream)
            }
        };
        let request = format!(
            "POST /mcp HTTP/1.1\r\nHost: {}\r\nX-API-Key: {}\r\nContent-Type: application/json\r\n\
             Accept: application/json, text/event-stream\r\nMCP-Protocol-Version: 2026-07-28\r\n\
             Mcp-Method: tools/call\r\nMcp-Name: {tool}\r\nContent-Length: {}\r\n\r\n{body}",
            self.authority,
            self.key,
            body.len(),
        );
        stream.get_mut().write_all(request.as_bytes())?;
        let answer = read(&mut stream)?;
        self.stream = (!answer.closes).then_some(stream);
        Ok(answer)
    }
}

fn read(stream: &mut BufReader<TcpStream>) -> std::io::Result<Answer> {
    let (mut status, mut length, mut closes) = (String::new(), 0, false);
    if stream.read_line(&mut status)? == 0 {
        return Err(std::io::ErrorKind::UnexpectedEof.into());
    }
    loop {
        let mut line = String::new();
        stream.read_line(&mut line)?;
        let line = line.trim_end().to_ascii_lowercase();
        match line.split_once(": ") {
            Some(("content-length", value)) => length = value.parse().unwrap(),
            Some(("connection", value)) => closes = value == "close",
            Some(_) => {}
            None => break,
        }
    }
    let mut body = vec![0; length];
    stream.read_exact(&mut body)?;
    let body = String::from_utf8_lossy(&body).into_owned();
    assert!(status.starts_with("HTTP/1.1 200"), "{status}{body}");
    Ok(Answer { body: serde_json::from_str(&body).unwrap(), closes })
}

/// What the server says of a call: its PID and the arguments.
#[track_caller]
fn seen(answer: &Value) -> Value {
    let text = answer["result"]["content"][0]["text"].as_str();
    serde_json::from_str(text.unwrap_or_else(|| panic!("{answer}"))).unwrap()
}

#[test]
fn three_restarts_under_load_refuse_nobody_and_lose_no_call() {
    let home = started();
    let (over, answered) = (AtomicBool::new(false), AtomicUsize::new(0));
    let work = |number: u64, keeps: bool| {
        let mut caller = Caller::new(&home);
        let mut calls = 0_u64;
        while !over.load(Ordering::Relaxed) {
            let arguments = json!({ "client": number, "call": calls });
            let answer = caller.call("counting__echo", &arguments);
            let answer = answer.unwrap_or_else(|error| panic!("call {calls}: {error}"));
            assert_eq!(seen(&answer.body)["arguments"], arguments);
            if !keeps {
                caller.stream = None;
            }
            calls += 1;
            answered.fetch_add(1, Ordering::Relaxed);
        }
    };
    let work = &work;
    scope(|scope| {
        let clients: Vec<ScopedJoinHandle<'_, ()>> =
            (0..6).map(|number| scope.spawn(move || work(number, number % 2 == 0))).collect();
        // A client that failed has a reason; it must not leave the others at it for ever.
        let is_over = || clients.iter().any(ScopedJoinHandle::is_finished);
        for _ in 0..3 {
            let before = answered.load(Ordering::Relaxed);
            let enough = || answered.load(Ordering::Relaxed) > before + 100 || is_over();
            wait("calls before the restart", enough);
            restart(&home);
        }
        let before = answered.load(Ordering::Relaxed);
        wait("calls at the end", || answered.load(Ordering::Relaxed) > before + 100 || is_over());
        over.store(true, Ordering::Relaxed);
    });
    // Those of the daemons that were replaced end with them.
    wait("one server and its sleeper", || servers(&home).len() == 2);
}

#[test]
fn a_call_under_way_ends_where_it_began() {
    let home = started();
    let mut over_http = Caller::new(&home);
    let result = scope(|scope| {
        let slow = scope.spawn(|| over_http.call("counting__slow", &json!({ "seconds": 4 })));
        let mut command = home.switchboard(&["call", "counting__slow", "seconds=4", "--json"]);
        let mut over_socket = Running(command.stdout(Stdio::piped()).spawn().unwrap());
        wait("the calls to arrive", || {
            let counts = std::fs::read_to_string(home.path("counts")).unwrap();
            counts.lines().filter(|line| *line == "slow begins").count() >= 1
        });
        let (before, _) = restart(&home);
        assert!(is_alive(before), "the old daemon waits for its calls");
        let mut text = String::new();
        over_socket.0.stdout.take().unwrap().read_to_string(&mut text).unwrap();
        assert!(over_socket.0.wait().unwrap().success(), "{text}");
        assert!(text.contains("\\\"seconds\\\": 4"), "{text}");
        wait("the old daemon to end", || !is_alive(before));
        slow.join().unwrap()
    });
    let answer = result.unwrap();
    assert_eq!(seen(&answer.body)["arguments"], json!({ "seconds": 4 }));
    assert!(answer.closes, "the next request is for the new daemon");
    over_http.call("counting__echo", &json!({})).unwrap();
    wait("one server and its sleeper", || servers(&home).len() == 2);
}

#[test]
fn an_open_connection_is_served_by_the_old_daemon_once_more() {
    let home = started();
    let mut caller = Caller::new(&home);
    let first = caller.call("counting__echo", &json!({})).unwrap();
    assert!(!first.closes);
    restart(&home);
    let second = caller.call("counting__echo", &json!({})).unwrap();
    assert!(second.closes);
    assert_eq!(seen(&first.body)["pid"], seen(&second.body)["pid"]);
    let third = caller.call("counting__echo", &json!({})).unwrap();
    assert_ne!(seen(&first.body)["pid"], seen(&third.body)["pid"]);
}

#[test]
fn a_restart_that_cannot_succeed_leaves_the_daemon_as_it_is() {
    let home = started();
    let (pid, address) = (home.daemon_pid(), home.address());
    let mut caller = Caller::new(&home);
    let server = home.status()["upstreams"][0]["pid"].clone();
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let good = std::fs::read_to_string(home.path("config.toml")).unwrap();
    let elsewhere = good.replacen("http.port = 0", &format!("http.port = {port}"), 1);
    let unsigned = format!("{good}[http.tls]\ncertificate = \"none\"\nkey = \"none\"\n");
    // Found when it is read, when it is carried out, and only after the sockets were handed over.
    let cases = [
        ("[upstream.x]\nstdoi = 1\n".to_owned(), "stdoi"),
        ("[upstream.x]\nstdio = {}\n".to_owned(), "upstream.x"),
        (elsewhere, "listen-failed"),
        (unsigned, "certificate-unusable"),
    ];
    for (config, complaint) in cases {
        std::fs::write(home.path("config.toml"), config).unwrap();
        let restarted = home.switchboard(&["restart"]).output().unwrap();
        let stderr = String::from_utf8_lossy(&restarted.stderr);
        assert!(!restarted.status.success(), "{complaint}");
        assert!(stderr.contains(complaint), "{complaint}: {stderr}");
        assert_eq!((home.daemon_pid(), home.address()), (pid, address.clone()), "{complaint}");
        // Over an open connection, and over a new one.
        caller.call("counting__echo", &json!({})).unwrap();
        caller.stream = None;
        caller.call("counting__echo", &json!({})).unwrap();
    }
    assert_eq!(home.status()["upstreams"][0]["pid"], server, "it was not even restarted");
    std::fs::write(home.path("config.toml"), good).unwrap();
    restart(&home);
}

#[test]
fn a_new_address_is_bound_by_the_new_daemon() {
    let home = started();
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = free.local_addr().unwrap().port();
    drop(free);
    let old = Caller::new(&home).authority;
    home.run(&["restart", "--port", &port.to_string()]);
    assert_eq!(home.address(), format!("http://127.0.0.1:{port}/mcp"));
    wait("the old address to be free", || TcpStream::connect(&old).is_err());
    Caller::new(&home).call("counting__echo", &json!({})).unwrap();
}

#[test]
fn a_restart_without_a_daemon_starts_one() {
    let home = Home::new("");
    home.run(&["restart"]);
    home.daemon_pid();
}

#[test]
fn stopping_ends_the_daemon_before_as_well() {
    let home = started();
    let mut idle = Caller::new(&home);
    idle.call("counting__echo", &json!({})).unwrap();
    let (before, after) = restart(&home);
    assert!(is_alive(before), "a client has a connection to it");
    home.run(&["stop"]);
    wait("both to be gone", || !is_alive(before) && !is_alive(after));
    assert_eq!(servers(&home), [0_u32; 0]);
}

#[test]
fn whenever_the_old_daemon_is_killed_the_new_one_works() {
    let home = started();
    let mut successors = Vec::new();
    for round in 0..12_u64 {
        let old = home.daemon_pid();
        let mut command = home.switchboard(&["run", "--detached", "--takeover"]);
        let mut successor = Running(command.stdout(Stdio::piped()).spawn().unwrap());
        // Spread over the hand-over, which takes some ten milliseconds.
        sleep(Duration::from_millis(4 * round));
        kill_9(old);
        let mut report = String::new();
        let stdout = successor.0.stdout.take().unwrap();
        BufReader::new(stdout).read_line(&mut report).unwrap();
        assert!(report.starts_with("{\"ready\""), "round {round}: {report}");
        assert_eq!(home.daemon_pid(), successor.0.id(), "round {round}");
        home.call("counting__echo", &json!({}));
        Caller::new(&home).call("counting__echo", &json!({})).unwrap();
        wait("one server and its sleeper", || servers(&home).len() == 2);
        successors.push(successor);
    }
    home.run(&["stop"]);
    assert_eq!(servers(&home), [0_u32; 0]);
}

#[test]
fn a_successor_that_dies_over_it_changes_nothing() {
    let home = started();
    let pid = home.daemon_pid();
    for _ in 0..2 {
        let mut successor = UnixStream::connect(home.path("s/default/control.sock")).unwrap();
        successor.set_read_timeout(Some(PATIENCE)).unwrap();
        successor.write_all(b"{\"command\":\"hand_over\"}\n").unwrap();
        let mut reply = String::new();
        BufReader::new(&successor).read_line(&mut reply).unwrap();
        assert!(reply.contains("handed_over"), "{reply}");
        // It has the sockets now, and goes with them.
        drop(successor);
        assert_eq!(home.daemon_pid(), pid);
        home.call("counting__echo", &json!({}));
        Caller::new(&home).call("counting__echo", &json!({})).unwrap();
        home.run(&["reload"]);
    }
    restart(&home);
}
