//! What a request over HTTP is taken for, and what it gets: tables of requests and answers.
//!
//! The order of the checks is that of the listener's own documentation: who, from where, with which
//! key; which media; how large; what kind of message; and for 2026-07-28 envelope, headers, version,
//! method (its "Streamable HTTP", error table).

use crate::house::{ENVELOPE, House, initialize, new, old};

/// The status, and the code of the error or `ok`; `-` for a body that is no JSON-RPC message.
fn outcome(status: u16, body: &str) -> String {
    let value: serde_json::Value = serde_json::from_str(body).unwrap_or_default();
    let rpc = match (&value["error"]["code"], &value["result"]) {
        (serde_json::Value::Number(code), _) => code.to_string(),
        (_, serde_json::Value::Null) => "-".to_owned(),
        _ => "ok".to_owned(),
    };
    format!("{status} {rpc}")
}

struct Table {
    house: House,
    wrong: Vec<String>,
}

impl Table {
    async fn new() -> Self {
        Self { house: House::new().await, wrong: Vec::new() }
    }

    async fn check(&mut self, request: &str, body: impl AsRef<[u8]>, expected: &str) {
        let body = body.as_ref();
        let (head, answer) = self.house.ask(request, body).await;
        let actual = outcome(head.status, &answer);
        if actual != expected {
            let body = String::from_utf8_lossy(body);
            let body: String = body.chars().take(200).collect();
            self.wrong.push(format!("{request}\n  {body}\n  {expected}, not {actual}: {answer}"));
        }
    }

    async fn end(self) {
        assert!(self.wrong.is_empty(), "\n{}", self.wrong.join("\n"));
        self.house.end().await;
    }
}

pub(crate) async fn the_door_comes_first() {
    let mut table = Table::new().await;
    for path in ["/mcp", "/health", "/metrics", "/nowhere"] {
        for method in ["GET", "POST", "DELETE", "PUT", "OPTIONS"] {
            for bad in [
                "host=evil.example",
                "host=localhost.evil.example",
                "host=localhost host=localhost",
                "host",
                "origin=https://evil.example",
                "origin=null",
                "origin=https://app.example origin=https://app.example",
            ] {
                // RFC 9112, section 3.2: a request without exactly one Host is a 400 or, here, 403.
                table.check(&format!("{method} {path} {bad}"), "", "403 -").await;
            }
        }
    }
    for (request, expected) in [
        ("GET /health key", "200 -"),
        ("GET /health host=gate.example key", "200 -"),
        ("GET /health origin=https://app.example key", "200 -"),
        ("GET /health origin=http://localhost:3000 key", "200 -"),
        ("GET /metrics key", "401 -"),
        ("GET /metrics key=wrong", "401 -"),
        ("GET /metrics", "200 -"),
        ("GET /mcp key", "401 -"),
        ("POST /mcp key", "401 -"),
        ("DELETE /mcp key=wrong", "401 -"),
        ("PUT /mcp key", "401 -"),
        ("GET /nowhere key", "401 -"),
        ("GET /nowhere", "404 -"),
        ("GET /mcp/", "404 -"),
        ("PUT /mcp", "405 -"),
        ("OPTIONS /mcp", "405 -"),
        ("POST /health", "405 -"),
        ("DELETE /metrics", "405 -"),
        ("GET /mcp", "405 -"),
    ] {
        table.check(request, "", expected).await;
    }
    table.end().await;
}

pub(crate) async fn media_and_size_come_before_the_message() {
    let mut table = Table::new().await;
    let ping = initialize("2025-11-25");
    let big = format!("{}{ping}", " ".repeat(4 << 20));
    for (request, body, expected) in [
        ("POST type=text/plain", &*ping, "415 -"),
        ("POST type", &ping, "415 -"),
        ("POST type=application/jsonp", &ping, "415 -"),
        ("POST type=application/json;charset=utf-8", &ping, "200 ok"),
        ("POST type=APPLICATION/JSON", &ping, "200 ok"),
        ("POST accept=application/json", &ping, "406 -"),
        ("POST accept=text/event-stream", &ping, "406 -"),
        ("POST accept=text/html,*/*", &ping, "200 ok"),
        ("POST accept=application/*,text/event-stream;q=0.5", &ping, "200 ok"),
        ("POST accept", &ping, "200 ok"),
        ("POST", &big, "413 -"),
        ("POST length=99999999999", "", "413 -"),
        ("POST", "", "400 -32700"),
    ] {
        table.check(request, body, expected).await;
    }
    table.end().await;
}

pub(crate) async fn what_is_no_message_is_said_to_be_none() {
    let mut table = Table::new().await;
    let deep = format!(
        "{{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\",\"params\":{{\"a\":{}{}}}}}",
        "[".repeat(200),
        "]".repeat(200)
    );
    let long_id =
        format!("{{\"jsonrpc\":\"2.0\",\"id\":\"{}\",\"method\":\"ping\"}}", "x".repeat(300));
    for (body, expected) in [
        (&b"{"[..], "400 -32700"),
        (b"{} {}", "400 -32700"),
        (b"nonsense", "400 -32700"),
        (b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\xff\"}", "400 -32700"),
        (b"\xef\xbb\xbf{}", "400 -32700"),
        (deep.as_bytes(), "400 -32700"),
        (b"null", "400 -32600"),
        (b"7", "400 -32600"),
        (b"\"ping\"", "400 -32600"),
        (b"{}", "400 -32600"),
        (b"[]", "400 -32600"),
        (b"[\"2.0\",1,\"ping\"]", "400 -32600"),
        (b"{\"id\":1,\"method\":\"ping\"}", "400 -32600"),
        (b"{\"jsonrpc\":\"1.0\",\"id\":1,\"method\":\"ping\"}", "400 -32600"),
        (b"{\"jsonrpc\":\"2.0\",\"id\":null,\"method\":\"ping\"}", "400 -32600"),
        (b"{\"jsonrpc\":\"2.0\",\"id\":1.5,\"method\":\"ping\"}", "400 -32600"),
        (b"{\"jsonrpc\":\"2.0\",\"id\":{},\"method\":\"ping\"}", "400 -32600"),
        (b"{\"jsonrpc\":\"2.0\",\"id\":true,\"method\":\"ping\"}", "400 -32600"),
        (long_id.as_bytes(), "400 -32600"),
        (b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":7}", "400 -32600"),
        (b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\",\"params\":[]}", "400 -32600"),
        (b"{\"jsonrpc\":\"2.0\",\"id\":1,\"id\":2,\"method\":\"ping\"}", "400 -32600"),
        (b"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"ping\",\"result\":{}}", "400 -32600"),
        (b"{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{},\"error\":{}}", "400 -32600"),
        // A response without a session, to a question that nobody asked.
        (b"{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}", "400 -32000"),
    ] {
        table.check("POST", body, expected).await;
    }
    table.end().await;
}

pub(crate) async fn methods_of_sessions_are_none_without_one() {
    let mut table = Table::new().await;
    for method in ["resources/subscribe", "resources/unsubscribe"] {
        let request = format!("POST v=2026-07-28 m={method} n=a://b");
        table.check(&request, new("1", method, "\"uri\":\"a://b\"", ""), "404 -32601").await;
        table.check(&request, new("1", method, "", ""), "404 -32601").await;
    }
    table.end().await;
}

pub(crate) async fn modern_requests_climb_their_ladder() {
    let mut table = Table::new().await;
    let list = new("1", "tools/list", "", "");
    let call = |name: &str| new("1", "tools/call", &format!("\"name\":\"{name}\""), "");
    let only = |meta: &str| old("1", "tools/list", &format!("\"_meta\":{{{meta}}}"));
    let capabilities = "\"io.modelcontextprotocol/clientCapabilities\":{}";
    let level = |level: &str| format!("\"io.modelcontextprotocol/logLevel\":\"{level}\"");
    let version = |version: &str| {
        only(&format!("\"io.modelcontextprotocol/protocolVersion\":\"{version}\",{capabilities}"))
    };
    let good = "POST v=2026-07-28 m=tools/list";
    let base64 = "POST v=2026-07-28 m=tools/call n==?base64?ZWNobw==?=";
    for (request, body, expected) in [
        (good, list.clone(), "200 ok"),
        ("POST v=2026-07-28 m=server/discover", new("1", "server/discover", "", ""), "200 ok"),
        ("POST v=2026-07-28 m=tools/call n=echo", call("echo"), "200 ok"),
        (base64, call("echo"), "200 ok"),
        // The envelope, before anything else.
        (good, only(capabilities), "400 -32602"),
        (good, only("\"io.modelcontextprotocol/protocolVersion\":\"2026-07-28\""), "400 -32602"),
        (good, only("\"io.modelcontextprotocol/protocolVersion\":7"), "400 -32602"),
        (good, old("1", "tools/list", "\"_meta\":7"), "400 -32602"),
        (good, old("1", "tools/list", ""), "400 -32602"),
        (good, only(&format!("{ENVELOPE},\"progressToken\":{{}}")), "400 -32602"),
        (good, only(&format!("{ENVELOPE},{capabilities}")), "400 -32602"),
        (good, only(&format!("{ENVELOPE},\"io.modelcontextprotocol/logLevel\":7")), "400 -32602"),
        (good, only(&format!("{ENVELOPE},{}", level("loud"))), "400 -32602"),
        (good, only(&format!("{ENVELOPE},{}", level("info"))), "200 ok"),
        // Then the headers.
        ("POST m=tools/list", list.clone(), "400 -32020"),
        ("POST v=2026-07-28", list.clone(), "400 -32020"),
        ("POST v=2025-11-25 m=tools/list", list.clone(), "400 -32020"),
        ("POST v=2026-07-28 m=tools/call", list.clone(), "400 -32020"),
        ("POST v=2026-07-28 m=Tools/List", list.clone(), "400 -32020"),
        ("POST v=2026-07-28 v=2026-07-28 m=tools/list", list.clone(), "400 -32020"),
        ("POST v=2026-07-28 m=tools/list m=tools/list", list.clone(), "400 -32020"),
        ("POST v=2026-07-28 m=tools/call", call("echo"), "400 -32020"),
        ("POST v=2026-07-28 m=tools/call n=other", call("echo"), "400 -32020"),
        ("POST v=2026-07-28 m=tools/call n=echo n=echo", call("echo"), "400 -32020"),
        ("POST v=2026-07-28 m=tools/call n==?base64?!!?=", call("echo"), "400 -32020"),
        // Then the version, in header and body.
        ("POST v=2099-01-01 m=tools/list", version("2099-01-01"), "400 -32022"),
        ("POST v=2025-11-25 m=tools/list", version("2025-11-25"), "400 -32022"),
        ("POST v=2026-07-28 m=tools/list", version("2099-01-01"), "400 -32020"),
        // Then the method.
        ("POST v=2026-07-28 m=no/such", new("1", "no/such", "", ""), "404 -32601"),
        ("POST v=2026-07-28 m=initialize", new("1", "initialize", "", ""), "404 -32601"),
        ("POST v=2026-07-28 m=ping", new("1", "ping", "", ""), "404 -32601"),
        ("POST v=2026-07-28 m=tasks/list", new("1", "tasks/list", "", ""), "404 -32601"),
        (
            "POST v=2026-07-28 m=logging/setLevel",
            new("1", "logging/setLevel", "", ""),
            "404 -32601",
        ),
        // What the method makes of it is an answer.
        ("POST v=2026-07-28 m=tools/call n=none", call("none"), "200 -32602"),
        ("POST v=2026-07-28 m=tools/call n=refuse", call("refuse"), "200 -32602"),
        ("POST v=2026-07-28 m=tools/call n=unavailable", call("unavailable"), "200 -32603"),
        (good, new("1", "tools/list", "\"cursor\":\"none\"", ""), "200 -32602"),
        (good, new("1", "tools/list", "\"cursor\":7", ""), "200 -32602"),
        (good, new("1", "tools/list", "\"cursor\":null", ""), "200 ok"),
        // A session header is ignored.
        ("POST v=2026-07-28 m=tools/list s=none", list.clone(), "200 ok"),
        // Versions that mean to be modern, without the envelope.
        ("POST v=2099-01-01 m=tools/list", old("1", "tools/list", ""), "400 -32602"),
    ] {
        table.check(request, body, expected).await;
    }
    let read = new("1", "resources/read", "\"uri\":\"test://none\"", "");
    let request = "POST v=2026-07-28 m=resources/read n=test://none";
    table.check(request, read, "200 -32602").await;
    table.end().await;
}

pub(crate) async fn legacy_requests_need_their_session() {
    let mut table = Table::new().await;
    let session = table.house.session("2025-11-25").await;
    let session = &session;
    let list = || old("1", "tools/list", "");
    for (request, body, expected) in [
        ("POST v=2025-11-25", initialize("2025-11-25"), "200 ok"),
        ("POST", initialize("2024-11-05"), "200 ok"),
        ("POST", initialize("1999-01-01"), "200 ok"),
        ("POST", initialize("2026-07-28"), "200 ok"),
        ("POST", old("1", "initialize", ""), "200 -32602"),
        ("POST", list(), "400 -32000"),
        ("POST", old("1", "ping", ""), "400 -32000"),
        ("POST v=2025-06-18", list(), "400 -32000"),
        ("POST s=unknown", list(), "404 -32000"),
        ("POST s=SESSION", list(), "200 ok"),
        ("POST s=SESSION v=2025-11-25", list(), "200 ok"),
        ("POST s=SESSION v=2025-06-18", list(), "200 ok"),
        ("POST s=SESSION v=2026-07-28", list(), "400 -32000"),
        ("POST s=SESSION v=nonsense", list(), "400 -32000"),
        ("POST s=SESSION key=k2", list(), "404 -32000"),
        ("POST s=SESSION", old("1", "ping", ""), "200 ok"),
        ("POST s=SESSION", old("1", "no/such", ""), "200 -32601"),
        ("POST s=SESSION", old("1", "server/discover", ""), "200 -32601"),
        ("POST s=SESSION", old("1", "tools/call", ""), "200 -32602"),
        ("POST s=SESSION", old("1", "tools/call", "\"name\":\"none\""), "200 -32602"),
        ("POST s=SESSION", old("1", "tools/call", "\"name\":\"a\",\"name\":\"b\""), "200 -32602"),
        ("POST s=SESSION", old("1", "resources/read", "\"uri\":\"test://none\""), "200 -32002"),
        (
            "POST s=SESSION",
            "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"}".into(),
            "202 -",
        ),
        (
            "POST s=unknown",
            "{\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"}".into(),
            "404 -32000",
        ),
        ("POST s=SESSION", "{\"jsonrpc\":\"2.0\",\"id\":1,\"result\":{}}".into(), "202 -"),
        ("POST s=SESSION", format!("[{}]", list()), "400 -32600"),
        ("GET s=unknown", String::new(), "404 -32000"),
        ("GET s=SESSION accept=application/json", String::new(), "406 -"),
        ("GET s=SESSION key=k2", String::new(), "404 -32000"),
        ("DELETE", String::new(), "400 -32000"),
        ("DELETE s=unknown", String::new(), "404 -32000"),
        ("DELETE s=SESSION key=k2", String::new(), "404 -32000"),
        ("POST s=SESSION", list(), "200 ok"),
        ("DELETE s=SESSION", String::new(), "204 -"),
        ("POST s=SESSION", list(), "404 -32000"),
        ("DELETE s=SESSION", String::new(), "404 -32000"),
    ] {
        table.check(&request.replace("SESSION", session), body, expected).await;
    }
    table.end().await;
}

pub(crate) async fn batches_belong_to_one_revision() {
    let house = House::new().await;
    let session = house.session("2025-03-26").await;
    let request = format!("POST s={session}");
    let batch = format!(
        "[{},{},{},{{\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"}},7,{},{}]",
        old("\"a\"", "tools/call", "\"name\":\"echo\",\"arguments\":{\"n\":1.10}"),
        old("2", "ping", ""),
        old("3", "no/such", ""),
        initialize("2025-03-26"),
        old("4", "tools/call", "\"name\":\"none\""),
    );
    let (head, body) = house.ask(&request, batch).await;
    assert_eq!(head.status, 200);
    let answers: Vec<serde_json::Value> = serde_json::from_str(&body).unwrap();
    let codes: Vec<_> =
        answers.iter().map(|it| format!("{} {}", it["id"], it["error"]["code"])).collect();
    assert_eq!(
        codes,
        ["\"a\" null", "2 null", "3 -32601", "null -32600", "0 -32600", "4 -32602"],
        "{body}"
    );
    assert!(body.contains("\"arguments\":{\"n\":1.10}"), "{body}");
    let (head, body) = house
        .ask(&request, "[{\"jsonrpc\":\"2.0\",\"method\":\"notifications/initialized\"}]")
        .await;
    assert_eq!((head.status, &*body), (202, ""));
    let many = format!("[{}]", vec![old("1", "ping", ""); 257].join(","));
    for wrong in ["[]", "[[]]", &many] {
        let (head, body) = house.ask(&request, wrong).await;
        assert!(
            outcome(head.status, &body).contains("-32600") || body.contains("-32600"),
            "{body}"
        );
    }
    house.end().await;
}
