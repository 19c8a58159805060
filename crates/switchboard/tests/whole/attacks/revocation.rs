//! A key that leaked, and what its finder holds open when it is replaced.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use super::scene::{Scene, modern_headers};
use crate::common::PATIENCE;

/// How long the key that is replaced is still good for.
const GRACES: [&str; 2] = ["0s", "2s"];

/// What was opened with a key ends with it, at the rotation or at the end of the grace: WebSockets,
/// HTTP+SSE, the stream of a session, subscriptions (attack table, row 32; Cloudflare's session
/// authentication, whose revocations came late).
#[test]
fn revocation_lag() {
    for grace in GRACES {
        let scene = Scene::alone("");
        let open = held_open(&scene);
        scene.home.run(&["rotate-key", "--grace", grace]);
        for (what, mut stream) in open {
            let mut rest = Vec::new();
            let ended = stream.read_to_end(&mut rest);
            // A reset is an end as well; only silence is wrong.
            let silent = |error: &std::io::Error| error.kind() == std::io::ErrorKind::WouldBlock;
            assert!(!ended.as_ref().is_err_and(silent), "{what} is still open after {grace}");
            let rest = String::from_utf8_lossy(&rest);
            assert!(!rest.contains("\"result\""), "{what}: {rest}");
        }
        let ping = r#"{"jsonrpc":"2.0","id":2,"method":"ping"}"#;
        assert_eq!(scene.post("", ping).status, 401, "the old key, after {grace}");
    }
}

/// All that stays open for as long as a client likes, with its head read.
fn held_open(scene: &Scene) -> Vec<(&'static str, TcpStream)> {
    let meta = "io.modelcontextprotocol";
    let listen = format!(
        "{{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"subscriptions/listen\",\"params\":{{\
         \"notifications\":{{\"toolsListChanged\":true}},\"_meta\":{{\
         \"{meta}/protocolVersion\":\"2026-07-28\",\"{meta}/clientCapabilities\":{{}}}}}}}}"
    );
    let headers = modern_headers("subscriptions/listen", "x").replace("Mcp-Name: x\r\n", "");
    let session = format!("Mcp-Session-Id: {}\r\n", scene.session());
    let upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                   Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    [
        ("WebSocket", "GET /ws", upgrade, "", 101),
        ("HTTP+SSE", "GET /sse", "", "", 200),
        ("the stream of a session", "GET /mcp", &session, "", 200),
        ("a subscription", "POST /mcp", &headers, &listen, 200),
    ]
    .map(|(what, target, headers, body, status)| {
        let mut stream = TcpStream::connect(&scene.authority).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let (authority, key) = (&scene.authority, &scene.key);
        // One that keeps its connection would not be seen to end with its stream.
        let close = if status == 101 { "" } else { "Connection: close\r\n" };
        let request = format!(
            "{target} HTTP/1.1\r\nHost: {authority}\r\nX-API-Key: {key}\r\n{close}Accept: \
             application/json, text/event-stream\r\nContent-Type: application/json\r\n{headers}\
             Content-Length: {}\r\n\r\n{body}",
            body.len(),
        );
        stream.write_all(request.as_bytes()).unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            head.push(byte[0]);
        }
        let head = String::from_utf8(head).unwrap();
        assert!(head.starts_with(&format!("HTTP/1.1 {status}")), "{what}: {head}");
        (what, stream)
    })
    .into()
}
