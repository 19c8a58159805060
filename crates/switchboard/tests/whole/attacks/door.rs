//! Who may speak to us at all, and what may be believed of a request's head.

use std::os::unix::fs::PermissionsExt as _;

use serde_json::json;

use super::scene::{INITIALIZE, Scene, modern_call, modern_headers};

/// Every path of the port; the last is none.
const PATHS: [&str; 7] =
    ["/mcp", "/sse", "/messages?session_id=x", "/ws", "/health", "/metrics", "/other"];

const METHODS: [&str; 5] = ["GET", "POST", "DELETE", "OPTIONS", "PUT"];

/// What an attacker adds, so that a page's request is as good as it can be. The key is right.
fn request(scene: &Scene, method: &str, target: &str, headers: &str) -> Vec<u8> {
    format!(
        "{method} {target} HTTP/1.1\r\n{headers}X-API-Key: {}\r\nConnection: close\r\n\
         Access-Control-Request-Method: POST\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{INITIALIZE}",
        scene.key,
        INITIALIZE.len(),
    )
    .into_bytes()
}

/// Pages of other origins reach no path by any method, not even a pre-flight's permission, and see
/// no `Access-Control-Allow-Origin` (MCP Inspector, CVE-2025-49596; the "0.0.0.0-day").
#[test]
fn local_proxy_without_auth_and_csrf() {
    let scene = Scene::alone("");
    let authority = &scene.authority;
    let port = authority.rsplit(':').next().unwrap();
    for origin in ["https://evil.example", "null", "file://", "http://localhost.evil.example"] {
        for (path, method) in PATHS.iter().flat_map(|path| METHODS.map(|method| (path, method))) {
            let headers = format!("Host: {authority}\r\nOrigin: {origin}\r\n");
            let answer = scene.send(&request(&scene, method, path, &headers));
            assert_eq!(answer.status, 403, "{method} {path} from {origin}: {answer:?}");
            let head = answer.head.to_ascii_lowercase();
            assert!(!head.contains("access-control-allow"), "{answer:?}");
        }
    }
    for path in PATHS {
        let headers = format!("Host: 0.0.0.0:{port}\r\nOrigin: http://0.0.0.0:{port}\r\n");
        let answer = scene.send(&request(&scene, "POST", path, &headers));
        assert_eq!(answer.status, 403, "{path}: {answer:?}");
    }
    // Without the key nothing but health is told, however friendly the caller looks.
    for path in PATHS.iter().filter(|path| **path != "/health") {
        let head = format!("GET {path} HTTP/1.1\r\nHost: {authority}\r\nConnection: close\r\n\r\n");
        let answer = scene.send(head.as_bytes());
        assert_eq!(answer.status, 401, "{path}: {answer:?}");
    }
}

/// A page whose name was made to resolve to us still says its own name (docker CVE-2025-64443,
/// go-sdk CVE-2026-34742 and the way around it by the SSE handler, rmcp GHSA-89vp-x53w-74fx,
/// TypeScript and Python SDK CVE-2025-66414 and CVE-2025-66416).
#[test]
fn dns_rebinding() {
    let scene = Scene::alone("");
    let port = scene.authority.rsplit(':').next().unwrap();
    for host in [
        format!("evil.example:{port}"),
        "evil.example".to_owned(),
        format!("127.0.0.1.evil.example:{port}"),
        format!("localhost.evil.example:{port}"),
        format!("192.168.0.7:{port}"),
        "127.0.0.1:1".to_owned(),
        String::new(),
    ] {
        for (path, method) in PATHS.iter().flat_map(|path| METHODS.map(|method| (path, method))) {
            let answer = scene.send(&request(&scene, method, path, &format!("Host: {host}\r\n")));
            assert_eq!(answer.status, 403, "{method} {path} for {host}: {answer:?}");
        }
    }
}

/// Two hosts, a broken one, or another one in the request line are no way around the check
/// (Starlette "BadHost", CVE-2026-48710).
#[test]
fn host_header_auth_bypass() {
    let scene = Scene::alone("");
    let authority = &scene.authority;
    let evil = "Host: evil.example\r\n";
    let ours = format!("Host: {authority}\r\n");
    let absolute = format!("http://{authority}");
    for (target, headers) in [
        ("", format!("{ours}{evil}")),
        ("", format!("{evil}{ours}")),
        ("", format!("{ours}{ours}")),
        ("", String::new()),
        ("", format!("Host: {authority}@evil.example\r\n")),
        ("", format!("Host: evil.example#{authority}\r\n")),
        ("", format!("Host: {authority}/evil.example\r\n")),
        ("", format!("Host: {authority}, evil.example\r\n")),
        ("", format!("{evil}X-Forwarded-Host: {authority}\r\n")),
        ("", format!("{evil}Forwarded: host={authority}\r\n")),
        ("http://evil.example", ours),
        (&absolute, evil.to_owned()),
    ] {
        for path in PATHS {
            let answer = scene.send(&request(&scene, "POST", &format!("{target}{path}"), &headers));
            // What is no HTTP at all is refused by the parser.
            assert!(matches!(answer.status, 400 | 403), "{target}{path} {headers}: {answer:?}");
            assert!(!answer.body.contains("\"result\""), "{answer:?}");
        }
    }
}

/// A tool that a filter hides cannot be called by whoever knows its name (Obot up to 0.21.0).
#[test]
fn hidden_but_callable_tools() {
    let scene = Scene::hostile("");
    for name in ["hostile__forbidden", "forbidden", "hostile__FORBIDDEN", "hostile__ forbidden"] {
        let answer = scene.call(name, "{}", "");
        assert!(answer.json()["error"].is_object(), "{name}: {answer:?}");
    }
    let tools = scene.home.run(&["tools", "--json"]);
    assert!(tools.contains("hostile__echo") && !tools.contains("forbidden"), "{tools}");
    assert!(!scene.lines().contains("forbidden"), "{}", scene.lines());
}

/// Headers that some gateway writes for its own next hop say nothing to us (Kuadrant,
/// GHSA-g53w-w6mj-hrpp).
#[test]
fn internal_hop_header_spoofing() {
    let scene = Scene::alone("");
    for header in [
        "X-Switchboard-Principal: admin",
        "X-Forwarded-User: admin",
        "X-Mcp-Authorized: true",
        "mcp-init-host: localhost",
        "router-key: secret",
        "X-Original-URL: /health",
        "X-Rewrite-URL: /health",
        "X-Forwarded-For: 127.0.0.1",
        "X-HTTP-Method-Override: GET",
    ] {
        let bytes = format!(
            "POST /mcp HTTP/1.1\r\nHost: {}\r\n{header}\r\nConnection: close\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{INITIALIZE}",
            scene.authority,
            INITIALIZE.len(),
        );
        let answer = scene.send(bytes.as_bytes());
        assert_eq!(answer.status, 401, "{header}: {answer:?}");
    }
}

/// Headers that repeat the body must say the same, and the body alone decides (2026-07-28,
/// "Streamable HTTP"): whoever routes or permits by the header would see another call.
#[test]
fn header_body_mismatch() {
    let scene = Scene::hostile("");
    let version = "MCP-Protocol-Version: 2026-07-28\r\n";
    let method = "Mcp-Method: tools/call\r\n";
    let name = "Mcp-Name: hostile__echo\r\n";
    let body = modern_call("hostile__echo", "{}", "");
    assert_eq!(scene.post(&format!("{version}{method}{name}"), &body).status, 200);
    let called = scene.lines();
    for headers in [
        format!("{version}{method}Mcp-Name: hostile__environment\r\n"),
        format!("{version}{method}Mcp-Name: HOSTILE__ECHO\r\n"),
        format!("{version}{method}{name}{name}"),
        format!("{version}{method}{name}Mcp-Name: other\r\n"),
        format!("{version}{method}"),
        format!("{version}Mcp-Method: tools/list\r\n{name}"),
        format!("{version}{method}{method}{name}"),
        format!("{version}{name}"),
        format!("MCP-Protocol-Version: 2025-06-18\r\n{method}{name}"),
        format!("{version}{version}{method}{name}"),
    ] {
        let answer = scene.post(&headers, &body);
        assert_eq!(answer.status, 400, "{headers}: {answer:?}");
        let code = &answer.json()["error"]["code"];
        let expected = [json!(-32020), json!(-32600), json!(-32022)];
        assert!(expected.contains(code), "{headers}: {answer:?}");
    }
    assert_eq!(scene.lines(), called, "a refused call reached the server");
}

/// A client's credentials end with us; no server sees them, whatever header they came in (the
/// specification's "Security Best Practices", "Token Passthrough").
#[test]
fn token_passthrough() {
    let scene = Scene::hostile("");
    let headers = format!(
        "{}Cookie: canary-cookie\r\nX-Secret: canary-header\r\n",
        modern_headers("tools/call", "hostile__echo"),
    );
    let answer = scene.post(&headers, modern_call("hostile__echo", "{}", ""));
    assert_eq!(answer.status, 200, "{answer:?}");
    let (lines, environment) = (scene.lines(), scene.call("hostile__environment", "{}", ""));
    for text in [&lines, &environment.body] {
        assert!(!text.contains(&scene.key) && !text.contains("canary"), "{text}");
    }
}

/// A daemon as it comes listens on loopback, wants a key on the port, and lets only its owner to
/// its sockets, keys and log (Azure MCP, CVE-2026-32211; mcphub's `admin123`).
#[test]
fn missing_auth_on_a_shipped_server() {
    let scene = Scene::alone("");
    assert!(scene.authority.starts_with("127.0.0.1:"), "{}", scene.authority);
    let directory = scene.home.path("s");
    let mut left = vec![directory];
    while let Some(path) = left.pop() {
        let kind = std::fs::symlink_metadata(&path).unwrap();
        let mode = kind.permissions().mode() & 0o777;
        assert_eq!(mode & 0o077, 0, "{} is {mode:o}", path.display());
        if kind.is_dir() {
            left.extend(std::fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        }
    }
    for socket in ["s/default/mcp.sock", "s/default/control.sock"] {
        let mode = std::fs::metadata(scene.home.path(socket)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{socket}");
    }
}

/// Ids of sessions are neither guessed nor chosen by a client, and end when they are ended
/// (the specification's "Security Best Practices", "Session Hijacking").
#[test]
fn session_id_guessing_and_fixation() {
    let scene = Scene::alone("");
    let ping = |id: &str| {
        let body = r#"{"jsonrpc":"2.0","id":2,"method":"ping"}"#;
        scene.post(&format!("Mcp-Session-Id: {id}\r\n"), body).status
    };
    let ids: Vec<_> = (0..20).map(|_| scene.session()).collect();
    let mut different = ids.clone();
    different.sort();
    different.dedup();
    assert_eq!(different.len(), ids.len());
    let id = &ids[0];
    assert!(id.len() >= 22, "128 bits are 22 characters of base64: {id}");
    assert_eq!(ping(id), 200);
    let last = if id.ends_with('A') { "B" } else { "A" };
    let changed = format!("{}{last}", &id[..id.len() - 1]);
    for wrong in [&*changed, &id[..id.len() - 1], &format!("{id}{last}"), "chosen", "1"] {
        assert_eq!(ping(wrong), 404, "{wrong}");
    }
    // One that the client brings to the opening is not made its own.
    let headers = "Mcp-Session-Id: chosen-by-the-attacker\r\n";
    let fixed = scene.post(headers, INITIALIZE);
    assert!(!fixed.head.contains("chosen-by-the-attacker"), "{fixed:?}");
    assert_eq!(ping("chosen-by-the-attacker"), 404);
    let end = format!(
        "DELETE /mcp HTTP/1.1\r\nHost: {}\r\nX-API-Key: {}\r\nMcp-Session-Id: {id}\r\n\
         Connection: close\r\n\r\n",
        scene.authority, scene.key,
    );
    assert!(matches!(scene.send(end.as_bytes()).status, 200 | 202 | 204));
    assert_eq!([ping(id), ping(&ids[1])], [404, 200]);
}
