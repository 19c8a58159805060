//! Callers and servers that take as much as they get (obot#7929 and others).
//!
//! What is measured is what the daemon keeps, against a bound that no sound daemon comes near.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use super::scene::{INITIALIZE, Lines, Scene, modern_headers};

/// By how much the daemon may grow, in KiB. Generous: allocators keep what they had.
const GROWTH: u64 = 96 << 10;

/// Runs the attack, and sees the daemon small and in its senses after it.
fn check(scene: &Scene, attack: impl FnOnce()) {
    let before = scene.memory();
    attack();
    // Whoever attacked has used up its own share, and is told to come again.
    let deadline = Instant::now() + Duration::from_secs(10);
    let answer = loop {
        let answer = scene.call("hostile__echo", "{}", "");
        if answer.status != 503 || Instant::now() > deadline {
            break answer;
        }
        std::thread::sleep(Duration::from_millis(100));
    };
    assert_eq!(answer.status, 200, "{answer:?}");
    let grown = scene.memory().saturating_sub(before);
    assert!(grown < GROWTH, "the daemon grew by {grown} KiB");
}

/// Sessions beyond the limit take the place of those that are idle for longest.
#[test]
fn session_flood() {
    let scene = Scene::hostile("http.sessions = 50");
    check(&scene, || {
        let first = scene.session();
        for _ in 0..300 {
            scene.session();
        }
        let ping = r#"{"jsonrpc":"2.0","id":2,"method":"ping"}"#;
        assert_eq!(scene.post(&format!("Mcp-Session-Id: {first}\r\n"), ping).status, 404);
    });
}

/// Heads and bodies that never come to an end are cut off, and keep nobody else out meanwhile.
#[test]
fn slow_loris() {
    let scene = Scene::hostile(
        "http.header_timeout = \"1s\"\nhttp.body_timeout = \"1s\"\nhttp.connections = 40",
    );
    let mut open: Vec<TcpStream> = Vec::new();
    check(&scene, || {
        for number in 0..60 {
            let mut stream = TcpStream::connect(&scene.authority).unwrap();
            let (authority, key) = (&scene.authority, &scene.key);
            let head = format!("POST /mcp HTTP/1.1\r\nHost: {authority}\r\nX-API-Key: {key}\r\n");
            let rest = "Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n{";
            let start = if number % 2 == 0 { head } else { format!("{head}{rest}") };
            let _ = stream.write_all(start.as_bytes());
            open.push(stream);
        }
    });
    for mut stream in open {
        stream.set_read_timeout(Some(Duration::from_secs(30))).unwrap();
        let mut answer = Vec::new();
        // The end, or a reset; only silence is wrong.
        let ended = stream.read_to_end(&mut answer);
        let silent = |error: &std::io::Error| error.kind() == std::io::ErrorKind::WouldBlock;
        assert!(!ended.as_ref().is_err_and(silent), "still open: {ended:?}");
    }
}

/// Lines, bodies and frames without end are refused at their limit, not kept.
#[test]
fn huge_lines() {
    let scene = Scene::hostile("http.body_limit = \"1 MiB\"");
    let megabyte = vec![b'x'; 1 << 20];
    check(&scene, || {
        let mut stream = UnixStream::connect(scene.socket()).unwrap();
        stream.set_write_timeout(Some(Duration::from_secs(30))).unwrap();
        for _ in 0..256 {
            if stream.write_all(&megabyte).is_err() {
                break;
            }
        }
        drop(stream);
        let (authority, key) = (&scene.authority, &scene.key);
        let mut stream = TcpStream::connect(authority).unwrap();
        stream.set_write_timeout(Some(Duration::from_secs(30))).unwrap();
        let head = format!(
            "POST /mcp HTTP/1.1\r\nHost: {authority}\r\nX-API-Key: {key}\r\n\
             Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).unwrap();
        let chunk = [b"100000\r\n", &*megabyte, b"\r\n"].concat();
        let taken = (0..256).take_while(|_| stream.write_all(&chunk).is_ok()).count();
        assert!(taken < 256, "a body of 256 MiB was taken");
        // The same from the other side.
        let answer = scene.call("hostile__pile", "{}", ",\"arguments\":{\"bytes\":80000000}");
        assert!(answer.json()["error"].is_object(), "{}", answer.head);
    });
}

/// A body that grows when it is unpacked is not unpacked.
#[test]
fn zip_bombs() {
    let scene = Scene::hostile("");
    for encoding in ["gzip", "deflate", "br", "zstd"] {
        let headers = format!("Content-Encoding: {encoding}\r\n");
        let answer = scene.post(&headers, b"\x1f\x8b\x08\0\0\0\0\0\0\x03");
        assert!(matches!(answer.status, 400 | 415), "{encoding}: {answer:?}");
    }
}

/// Notifications by the thousand reach no client a thousandfold, and calls go on.
#[test]
fn notification_storms() {
    let scene = Scene::hostile("");
    let reader = Lines::open(&scene);
    // One that opens and never reads.
    let mut idle = UnixStream::connect(scene.socket()).unwrap();
    idle.write_all(format!("{INITIALIZE}\n").as_bytes()).unwrap();
    let mut stormy = Lines::open(&scene);
    check(&scene, || {
        let params = r#"{"name":"hostile__storm"}"#;
        stormy.send(format!(
            "{{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"params\":{params}}}"
        ));
        let message = stormy.next();
        assert_eq!(message["result"]["content"][0]["text"], "stormed", "{message}");
    });
    drop((reader, idle));
}

/// Calls beyond the limit are refused as busy, also over the socket, and the rest is answered.
#[test]
fn call_floods() {
    let scene = Scene::hostile("http.in_flight = 2");
    check(&scene, || {
        let mut lines = Lines::open(&scene);
        let calls: Vec<_> = (1..=100)
            .map(|id| {
                format!(
                    "{{\"jsonrpc\":\"2.0\",\"id\":{id},\"method\":\"tools/call\",\"params\":\
                     {{\"name\":\"hostile__echo\"}}}}"
                )
            })
            .collect();
        // At once, so that they come faster than any server answers.
        lines.send(calls.join("\n"));
        let (mut answered, mut busy) = (0, 0);
        for _ in &calls {
            let message = lines.next();
            answered += usize::from(message["result"].is_object());
            busy += usize::from(message["error"]["data"]["reason"] == "busy");
        }
        assert_eq!(answered + busy, calls.len());
        assert!(answered > 0 && busy > 0, "{answered} answered, {busy} refused");
    });
}

/// A client that asks for much and reads nothing is waited for, not buffered for.
#[test]
fn slow_readers() {
    let scene = Scene::hostile("");
    check(&scene, || {
        let mut stream = UnixStream::connect(scene.socket()).unwrap();
        stream.set_write_timeout(Some(Duration::from_millis(500))).unwrap();
        stream.write_all(format!("{INITIALIZE}\n").as_bytes()).unwrap();
        for id in 1..=500 {
            let call = format!(
                "{{\"jsonrpc\":\"2.0\",\"id\":{id},\"method\":\"tools/call\",\"params\":{{\"name\":\
                 \"hostile__pile\",\"arguments\":{{\"bytes\":1000000}}}}}}\n"
            );
            if stream.write_all(call.as_bytes()).is_err() {
                break;
            }
        }
        std::thread::sleep(Duration::from_secs(2));
    });
}

/// Thousands of subscriptions, and streams that are opened and not read.
#[test]
fn subscription_flood() {
    let scene = Scene::hostile("http.connections = 100");
    let mut open = Vec::new();
    check(&scene, || {
        let mut lines = Lines::open(&scene);
        for id in 1..=5_000 {
            lines.send(format!(
                "{{\"jsonrpc\":\"2.0\",\"id\":{id},\"method\":\"resources/subscribe\",\
                 \"params\":{{\"uri\":\"x:/{id}\"}}}}"
            ));
            lines.next();
        }
        let meta = "io.modelcontextprotocol";
        let body = format!(
            "{{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"subscriptions/listen\",\"params\":{{\
             \"notifications\":{{\"toolsListChanged\":true}},\"_meta\":{{\
             \"{meta}/protocolVersion\":\"2026-07-28\",\"{meta}/clientCapabilities\":{{}},\
             \"{meta}/clientInfo\":{{\"name\":\"c\",\"version\":\"1\"}}}}}}}}"
        );
        let headers = modern_headers("subscriptions/listen", "x").replace("Mcp-Name: x\r\n", "");
        for _ in 0..80 {
            let mut stream = TcpStream::connect(&scene.authority).unwrap();
            let head = format!(
                "POST /mcp HTTP/1.1\r\nHost: {}\r\nX-API-Key: {}\r\nAccept: application/json, \
                 text/event-stream\r\nContent-Type: application/json\r\n{headers}\
                 Content-Length: {}\r\n\r\n{body}",
                scene.authority,
                scene.key,
                body.len(),
            );
            stream.write_all(head.as_bytes()).unwrap();
            open.push(stream);
        }
        let answer = scene.call("hostile__storm", "{}", "");
        assert_eq!(answer.status, 200, "{answer:?}");
    });
}
