//! Every key of the configuration changes what the daemon does: one case for each, and a test that
//! no key is without one.

mod allowed;
mod bundle;
mod group;
mod identity;
mod kept;
mod limits;
mod providers;
mod spread;

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::common::{Home, Running, counting, processes_with, succeeded, wait};

type Case = (&'static str, fn());

const CASES: &[Case] = &[
    ("import", import),
    ("http.host", http_host),
    ("http.port", http_port),
    ("http.allow_remote", http_allow_remote),
    ("http.allowed_hosts", http_allowed_hosts),
    ("http.allowed_origins", http_allowed_origins),
    ("http.trusted_proxies", http_wrong_keys),
    ("http.wrong_keys", http_wrong_keys),
    ("http.body_limit", http_body_limit),
    ("http.header_limit", http_header_limit),
    ("http.header_timeout", http_header_timeout),
    ("http.body_timeout", http_body_timeout),
    ("http.connections", http_connections),
    ("http.in_flight", http_in_flight),
    ("http.rate", http_rate),
    ("http.sessions", http_sessions),
    ("http.session_idle", http_session_idle),
    ("http.tls.certificate", http_tls),
    ("http.tls.key", http_tls),
    ("http.tls.client_ca", http_tls),
    ("auth.api_key", auth_api_key),
    ("auth.rotate_grace", auth_rotate_grace),
    ("auth.order", identity::order),
    ("auth.loopback", identity::loopback),
    ("auth.admin_token", identity::admin_token),
    ("auth.passwords", providers::cognito),
    ("auth.keys.fresh", identity::keys_fresh),
    ("auth.tokens.secret", identity::tokens),
    ("auth.tokens.algorithm", identity::tokens),
    ("auth.tokens.issuer", identity::tokens),
    ("auth.tokens.audience", identity::tokens),
    ("auth.tokens.lifetime", identity::tokens),
    ("auth.tokens.refresh_lifetime", identity::tokens),
    ("auth.tokens.clock_skew", identity::tokens),
    ("auth.users.file", identity::users),
    ("auth.users.tenant", identity::users),
    ("auth.users.admin_name", identity::users),
    ("auth.users.admin_password", identity::users),
    ("auth.oidc.NAME.issuer", providers::oidc),
    ("auth.oidc.NAME.audience", providers::oidc),
    ("auth.oidc.NAME.jwks_url", providers::oidc),
    ("auth.oidc.NAME.algorithms", providers::oidc),
    ("auth.oidc.NAME.tenant", providers::oidc),
    ("auth.oidc.NAME.tenant_claim", providers::oidc),
    ("auth.oidc.NAME.roles_claim", providers::oidc),
    ("auth.oidc.NAME.scopes_claim", providers::oidc),
    ("auth.oidc.NAME.name_claim", providers::oidc),
    ("auth.oidc.NAME.clock_skew", providers::oidc),
    ("auth.oidc.NAME.jwks_ttl", providers::oidc_keys),
    ("auth.oidc.NAME.jwks_floor", providers::oidc_keys),
    ("auth.cognito.client_secret", providers::cognito),
    ("auth.cognito.endpoint", providers::cognito),
    ("auth.cognito.tenant", providers::cognito),
    ("auth.cognito.region", providers::cognito_keys),
    ("auth.cognito.user_pool_id", providers::cognito_keys),
    ("auth.cognito.client_id", providers::cognito_keys),
    ("auth.cognito.token_use", providers::cognito_keys),
    ("auth.cognito.jwks_url", providers::cognito_keys),
    ("auth.cognito.jwks_ttl", providers::cognito_keys),
    ("auth.cognito.clock_skew", providers::cognito_keys),
    ("auth.resource.addresses", providers::resource),
    ("auth.resource.authorization_servers", providers::resource),
    ("auth.resource.scopes", providers::resource),
    ("auth.resource.documentation", providers::resource),
    ("egress.allow", egress),
    ("egress.ca_file", egress),
    ("log.level", log_level),
    ("log.format", log_format),
    ("log.file_size", log_files),
    ("log.files", log_files),
    ("log.file_age", log_file_age),
    ("limits.rule.NAME.per", limits::per),
    ("limits.rule.NAME.tenant", limits::whom),
    ("limits.rule.NAME.role", limits::whom),
    ("limits.rule.NAME.subject", limits::whom),
    ("limits.rule.NAME.server", limits::whom),
    ("limits.rule.NAME.tool", limits::whom),
    ("limits.rule.NAME.rate", limits::rates),
    ("limits.rule.NAME.burst", limits::rates),
    ("limits.rule.NAME.concurrency", limits::places),
    ("limits.rule.NAME.wait", limits::places),
    ("limits.rule.NAME.queue", limits::places),
    ("limits.rule.NAME.calls_per_day", limits::quotas),
    ("limits.rule.NAME.calls_per_month", limits::quotas),
    ("limits.rule.NAME.tokens_per_day", limits::quotas),
    ("limits.rule.NAME.tokens_per_month", limits::quotas),
    ("daemon.drain", daemon_drain),
    ("daemon.list_wait", daemon_list_wait),
    ("upstream.NAME.stdio.command", upstream_stdio),
    ("upstream.NAME.stdio.args", upstream_stdio),
    ("upstream.NAME.stdio.env", upstream_stdio),
    ("upstream.NAME.stdio.cwd", upstream_stdio),
    ("upstream.NAME.http.url", upstream_http),
    ("upstream.NAME.http.headers", upstream_http),
    ("upstream.NAME.http.oauth.client_id", upstream_oauth),
    ("upstream.NAME.http.oauth.client_secret", upstream_oauth),
    ("upstream.NAME.http.oauth.client_auth", upstream_oauth),
    ("upstream.NAME.http.oauth.client_metadata_url", upstream_oauth),
    ("upstream.NAME.http.oauth.issuer", upstream_oauth),
    ("upstream.NAME.http.oauth.grant", upstream_oauth),
    ("upstream.NAME.http.oauth.scopes", upstream_oauth),
    ("upstream.NAME.http.oauth.redirect_port", upstream_oauth),
    ("upstream.NAME.http.oauth.per_principal", upstream_oauth),
    ("upstream.NAME.sse.url", upstream_sse),
    ("upstream.NAME.sse.headers", upstream_sse),
    ("upstream.NAME.websocket.url", upstream_websocket),
    ("upstream.NAME.websocket.headers", upstream_websocket),
    ("upstream.NAME.roots", upstream_roots),
    ("upstream.NAME.prefix", upstream_prefix),
    ("upstream.NAME.start", upstream_start),
    ("upstream.NAME.era", upstream_era),
    ("upstream.NAME.start_timeout", upstream_start_timeout),
    ("upstream.NAME.timeout", upstream_timeout),
    ("upstream.NAME.timeout_total", upstream_timeout_total),
    ("upstream.NAME.idle_stop", upstream_idle_stop),
    ("upstream.NAME.in_flight", spread::upstream_in_flight),
    ("upstream.NAME.endpoints[].stdio.command", upstream_stdio),
    ("upstream.NAME.endpoints[].stdio.args", upstream_stdio),
    ("upstream.NAME.endpoints[].stdio.env", upstream_stdio),
    ("upstream.NAME.endpoints[].stdio.cwd", upstream_stdio),
    ("upstream.NAME.endpoints[].http.url", upstream_http),
    ("upstream.NAME.endpoints[].http.headers", upstream_http),
    ("upstream.NAME.endpoints[].http.oauth.client_id", upstream_oauth),
    ("upstream.NAME.endpoints[].http.oauth.client_secret", upstream_oauth),
    ("upstream.NAME.endpoints[].http.oauth.client_auth", upstream_oauth),
    ("upstream.NAME.endpoints[].http.oauth.client_metadata_url", upstream_oauth),
    ("upstream.NAME.endpoints[].http.oauth.issuer", upstream_oauth),
    ("upstream.NAME.endpoints[].http.oauth.grant", upstream_oauth),
    ("upstream.NAME.endpoints[].http.oauth.scopes", upstream_oauth),
    ("upstream.NAME.endpoints[].http.oauth.redirect_port", upstream_oauth),
    ("upstream.NAME.endpoints[].http.oauth.per_principal", upstream_oauth),
    ("upstream.NAME.endpoints[].sse.url", upstream_sse),
    ("upstream.NAME.endpoints[].sse.headers", upstream_sse),
    ("upstream.NAME.endpoints[].websocket.url", upstream_websocket),
    ("upstream.NAME.endpoints[].websocket.headers", upstream_websocket),
    ("upstream.NAME.endpoints[].weight", spread::upstream_weight),
    ("upstream.NAME.queue.size", spread::upstream_queue),
    ("upstream.NAME.queue.wait", spread::upstream_queue),
    ("upstream.NAME.queue.adapt_to", spread::upstream_queue),
    ("upstream.NAME.sharing", spread::upstream_sharing),
    ("upstream.NAME.instances", spread::upstream_sharing),
    ("upstream.NAME.pool.min", spread::upstream_pool),
    ("upstream.NAME.pool.max", spread::upstream_pool),
    ("upstream.NAME.pool.idle", spread::upstream_pool),
    ("upstream.NAME.balance", spread::upstream_balance),
    ("upstream.NAME.hash_argument", spread::upstream_balance),
    ("upstream.NAME.breaker.failures", spread::upstream_breaker),
    ("upstream.NAME.breaker.failure_percent", spread::upstream_breaker),
    ("upstream.NAME.breaker.slow", spread::upstream_breaker),
    ("upstream.NAME.breaker.slow_percent", spread::upstream_breaker),
    ("upstream.NAME.breaker.window", spread::upstream_breaker),
    ("upstream.NAME.breaker.minimum_calls", spread::upstream_breaker),
    ("upstream.NAME.breaker.open", spread::upstream_breaker),
    ("upstream.NAME.breaker.open_limit", spread::upstream_breaker),
    ("upstream.NAME.health.interval", spread::upstream_health),
    ("upstream.NAME.health.timeout", spread::upstream_health),
    ("upstream.NAME.retry.percent", spread::upstream_retry),
    ("upstream.NAME.retry.per_second", spread::upstream_retry),
    ("upstream.NAME.retry.burst", spread::upstream_retry),
    ("upstream.NAME.retry.trust_hints", spread::upstream_retry),
    ("upstream.NAME.retry.hedge_after", spread::upstream_retry),
    ("upstream.NAME.include_tools", upstream_filters),
    ("upstream.NAME.exclude_tools", upstream_filters),
    ("upstream.NAME.disabled", upstream_disabled),
    ("upstream.NAME.optional", upstream_optional),
    ("bundle.NAME.source", bundle::settings),
    ("bundle.NAME.settings", bundle::settings),
    ("bundle.NAME.grants.environment", bundle::grants),
    ("bundle.NAME.grants.files", bundle::grants),
    ("bundle.NAME.grants.hosts", bundle::grants),
    ("bundle.NAME.grants.clock", bundle::component),
    ("bundle.NAME.grants.key_value", bundle::component),
    ("bundle.NAME.grants.random", bundle::component),
    ("bundle.NAME.prefix", bundle::prefix),
    ("bundle.NAME.disabled", bundle::switches),
    ("bundle.NAME.optional", bundle::switches),
    ("bundles.configuration", bundle::configuration),
    ("bundles.python", bundle::python),
    ("bundles.sandbox", bundle::sandbox),
    ("bundles.index", bundle::index),
    ("bundles.signing_keys", bundle::signing_keys),
    ("bundles.refresh", bundle::fetching),
    ("bundles.refresh_remote", bundle::remote),
    ("bundles.unpacked", bundle::fetching),
    ("bundles.packed", bundle::packed),
    ("group.NAME.upstreams", group::members),
    ("group.NAME.prefix", group::prefix),
    ("group.NAME.balance", group::balance),
    ("group.NAME.hash_argument", group::balance),
    ("tenants.served", kept::tenants_served),
    ("tenants.idle", kept::tenants_served),
    ("tenants.refresh", kept::tenants_refresh),
    ("tenants.sync", kept::tenants_sync),
    ("store.sqlite.path", kept::store_sqlite),
    ("store.postgres.url", kept::store_postgres),
    ("store.postgres.schema", kept::store_postgres),
    ("store.postgres.connections", kept::store_postgres),
    ("store.dynamodb.region", kept::store_dynamodb),
    ("store.dynamodb.endpoint", kept::store_dynamodb),
    ("store.dynamodb.access_key_id", kept::store_dynamodb),
    ("store.dynamodb.secret_access_key", kept::store_dynamodb),
    ("store.dynamodb.session_token", kept::store_dynamodb),
    ("store.dynamodb.table_prefix", kept::store_dynamodb),
    ("store.dynamodb.initialize_tables", kept::store_dynamodb),
    ("blobs.directory.path", kept::blobs_directory),
    ("blobs.s3.bucket", kept::blobs_s3),
    ("blobs.s3.prefix", kept::blobs_s3),
    ("blobs.s3.region", kept::blobs_s3),
    ("blobs.s3.endpoint", kept::blobs_s3),
    ("blobs.s3.access_key_id", kept::blobs_s3),
    ("blobs.s3.secret_access_key", kept::blobs_s3),
    ("blobs.s3.session_token", kept::blobs_s3),
    ("vault.key", kept::vault),
    ("vault.former_keys", kept::vault),
    ("history.enabled", kept::history_enabled),
    ("history.window", kept::history_window),
    ("history.queue", kept::history_queue),
    ("history.queue_size", kept::history_queue),
    ("history.arguments_limit", kept::history_limits),
    ("history.result_limit", kept::history_limits),
    ("history.keep", kept::history_keep),
    ("history.keep_calls", kept::history_keep),
    ("history.redact.names", kept::history_redact),
    ("history.redact.patterns", kept::history_redact),
    ("policy.files", allowed::policy),
    ("policy.text", allowed::policy),
    ("policy.default", allowed::policy),
    ("limits.flush", allowed::limits_flush),
];

/// The keys that have a value of their own, as the generated reference lists them.
fn keys() -> Vec<String> {
    let reference = switchboard_config::reference::<switchboard_daemon::Config>();
    let rows = reference.lines().filter_map(|line| line.strip_prefix("| `"));
    let keys = rows.filter_map(|row| row.split_once('`')).map(|(key, _)| key.to_owned());
    let keys: Vec<_> =
        keys.map(|key| key.trim_end_matches(".KEY").trim_end_matches(".NAME").to_owned()).collect();
    let is_table = |key: &String| {
        let inside = [format!("{key}."), format!("{key}[].")];
        keys.iter().any(|other| inside.iter().any(|start| other.starts_with(start)))
    };
    let mut leaves: Vec<_> = keys.iter().filter(|key| !is_table(key)).cloned().collect();
    leaves.dedup();
    leaves
}

#[test]
fn no_key_is_without_a_case() {
    let mut covered: Vec<_> = CASES.iter().map(|(key, _)| (*key).to_owned()).collect();
    let mut known = keys();
    covered.sort();
    known.sort();
    assert_eq!(covered, known);
}

#[test]
fn every_key_changes_what_happens() {
    // `SWITCHBOARD_KEY=auth.oidc` is for whoever works on a key; nothing is left out without it.
    let only = std::env::var("SWITCHBOARD_KEY").unwrap_or_default();
    let mut run: Vec<fn()> = Vec::new();
    for (_, case) in CASES.iter().filter(|(key, _)| key.starts_with(&only)) {
        if !run.iter().any(|other| std::ptr::fn_addr_eq(*other, *case)) {
            run.push(*case);
        }
    }
    // A few at a time: most of them wait for something.
    let next = std::sync::atomic::AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..6 {
            scope.spawn(|| {
                while let Some(case) =
                    run.get(next.fetch_add(1, std::sync::atomic::Ordering::Relaxed))
                {
                    case();
                }
            });
        }
    });
}

// ── The tools of the cases ──────────────────────────────────────────────────────────────────────

fn demo(more: &str) -> String {
    let program = env!("CARGO_BIN_EXE_switchboard");
    format!("[upstream.demo]\n{more}\nstdio = {{ command = {program:?}, args = [\"demo\"] }}\n")
}

fn started(config: &str) -> Home {
    let home = Home::new(config);
    home.start();
    home
}

fn with_counting(tables: &str, more: &str) -> Home {
    let home = Home::new("");
    let table = counting(&home.path(""), "")
        .replace("[upstream.counting]", &format!("[upstream.counting]\n{more}"));
    home.configure(&format!("{tables}\n{table}"));
    home.start();
    home
}

/// How a way to a server is written: for the upstream, and for one of its endpoints.
const FORMS: [fn(&str) -> String; 2] =
    [|way| way.to_owned(), |way| format!("endpoints = [{{ {way} }}]")];

fn authority(home: &Home) -> String {
    home.address().replace("http://", "").replace("/mcp", "")
}

/// Sends what is given, as it is, and reads until the other side closes or has answered.
fn raw(authority: &str, request: &str) -> String {
    let mut stream = TcpStream::connect(authority).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    // A refusal may come before everything is sent.
    let _ = stream.write_all(request.as_bytes());
    let mut answer = String::new();
    let _ = stream.read_to_string(&mut answer);
    answer
}

/// Posts a message with these headers; the whole answer.
fn post(home: &Home, headers: &str, body: &str) -> String {
    let authority = authority(home);
    let host =
        if headers.contains("Host:") { String::new() } else { format!("Host: {authority}\r\n") };
    let key = home.key();
    let length = body.len();
    raw(
        &authority,
        &format!(
            "POST /mcp HTTP/1.1\r\n{host}X-API-Key: {key}\r\nContent-Type: application/json\r\n\
             Connection: close\r\n{headers}Content-Length: {length}\r\n\r\n{body}"
        ),
    )
}

fn status(answer: &str) -> u16 {
    let code = answer.split(' ').nth(1).and_then(|code| code.parse().ok());
    code.unwrap_or_else(|| panic!("no status in {answer:?}"))
}

fn initialize(home: &Home) -> String {
    let body = json!({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
        "protocolVersion": "2025-06-18", "capabilities": {},
        "clientInfo": { "name": "c", "version": "1" } } });
    let answer = post(home, "", &body.to_string());
    let session = answer.lines().find_map(|line| line.strip_prefix("mcp-session-id: "));
    session.unwrap_or_else(|| panic!("no session in {answer}")).to_owned()
}

fn ping(home: &Home, session: &str) -> u16 {
    let headers = format!("Mcp-Session-Id: {session}\r\n");
    status(&post(home, &headers, r#"{"jsonrpc":"2.0","id":2,"method":"ping"}"#))
}

fn tools(home: &Home) -> String {
    let tools: Value = serde_json::from_str(&home.run(&["tools", "--json"])).unwrap();
    tools.to_string()
}

fn log(home: &Home) -> String {
    std::fs::read_to_string(home.path("s/default/daemon.log")).unwrap_or_default()
}

fn counted(home: &Home, word: &str) -> usize {
    let text = std::fs::read_to_string(home.path("counts")).unwrap_or_default();
    text.lines().filter(|line| line.starts_with(word)).count()
}

/// Fails with this text.
fn refused(home: &Home, args: &[&str], reason: &str) {
    let output = home.switchboard(args).output().unwrap();
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && stderr.contains(reason), "{args:?}: {stderr}");
}

// ── The cases ───────────────────────────────────────────────────────────────────────────────────

fn import() {
    let home = Home::new("import = [\"mcp.json\"]");
    let program = env!("CARGO_BIN_EXE_switchboard");
    let file = json!({ "mcpServers": { "from file": { "command": program, "args": ["demo"] } } });
    std::fs::write(home.path("mcp.json"), file.to_string()).unwrap();
    home.start();
    home.wait_for("from-file", "ready");
    assert!(tools(&home).contains("from-file__echo"));
}

fn http_host() {
    let home = started("http.host = \"127.0.0.2\"");
    assert!(home.address().starts_with("http://127.0.0.2:"), "{}", home.address());
}

fn http_port() {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = free.local_addr().unwrap().port();
    let home = Home::new("");
    std::fs::write(home.path("config.toml"), format!("http.port = {port}")).unwrap();
    refused(&home, &["start"], "cannot listen on");
    drop(free);
    home.start();
    assert_eq!(home.address(), format!("http://127.0.0.1:{port}/mcp"));
}

fn http_allow_remote() {
    let home = Home::new("http.host = \"0.0.0.0\"");
    refused(&home, &["start"], "http.allow_remote = true");
    home.configure("http.host = \"0.0.0.0\"\nhttp.allow_remote = true");
    home.start();
}

fn http_allowed_hosts() {
    let home = started("http.allowed_hosts = [\"gate.example\"]");
    let ask = |host: &str| status(&post(&home, &format!("Host: {host}\r\n"), "{}"));
    assert_eq!([ask("gate.example"), ask("other.example")], [400, 403]);
}

fn http_allowed_origins() {
    let home = started("http.allowed_origins = [\"https://app.example\"]");
    let ask = |origin: &str| status(&post(&home, &format!("Origin: {origin}\r\n"), "{}"));
    assert_eq!([ask("https://app.example"), ask("https://evil.example")], [400, 403]);
}

fn http_body_limit() {
    let home = started("http.body_limit = \"1 KiB\"");
    let ask = |size: usize| status(&post(&home, "", &" ".repeat(size)));
    assert_eq!([ask(1_000), ask(1_100)], [400, 413]);
}

fn http_header_limit() {
    let home = started("http.header_limit = \"8 KiB\"");
    let ask =
        |size: usize| status(&post(&home, &format!("X-Long: {}\r\n", "x".repeat(size)), "{}"));
    assert_eq!([ask(4_000), ask(9_000)], [400, 431]);
}

fn http_header_timeout() {
    let home = started("http.header_timeout = \"200ms\"");
    let started = Instant::now();
    raw(&authority(&home), "POST /mcp HTTP/1.1\r\nHost: loc");
    assert!(started.elapsed() < Duration::from_secs(9), "the default is 10 s");
}

fn http_body_timeout() {
    let home = started("http.body_timeout = \"200ms\"");
    let (authority, key) = (authority(&home), home.key());
    let answer = raw(
        &authority,
        &format!(
            "POST /mcp HTTP/1.1\r\nHost: {authority}\r\nX-API-Key: {key}\r\nConnection: close\r\n\
             Content-Type: application/json\r\nContent-Length: 100\r\n\r\n{{"
        ),
    );
    assert_eq!(status(&answer), 408, "{answer}");
}

fn http_connections() {
    let home = started("http.connections = 1");
    let authority = authority(&home);
    let mut held = TcpStream::connect(&authority).unwrap();
    let mut second = TcpStream::connect(&authority).unwrap();
    let request = format!("GET /health HTTP/1.1\r\nHost: {authority}\r\nConnection: close\r\n\r\n");
    second.write_all(request.as_bytes()).unwrap();
    second.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    let mut answer = String::new();
    second.read_to_string(&mut answer).unwrap();
    assert_eq!(status(&answer), 200);
    held.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    assert_eq!(held.read(&mut [0]).unwrap(), 0, "two connections are open at once");
}

fn http_in_flight() {
    let home = with_counting("http.in_flight = 1", "");
    home.wait_for("counting", "ready");
    let call = |tool: &str, arguments: Value| {
        let body = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {
            "name": tool, "arguments": arguments, "_meta": {
                "io.modelcontextprotocol/protocolVersion": "2026-07-28",
                "io.modelcontextprotocol/clientCapabilities": {} } } });
        let headers = format!(
            "MCP-Protocol-Version: 2026-07-28\r\nMcp-Method: tools/call\r\nMcp-Name: {tool}\r\n"
        );
        status(&post(&home, &headers, &body.to_string()))
    };
    std::thread::scope(|scope| {
        let slow = scope.spawn(|| call("counting__slow", json!({ "seconds": 1 })));
        wait("the first call to arrive", || counted(&home, "slow") == 1);
        assert_eq!(call("counting__echo", json!({})), 503);
        assert_eq!(slow.join().unwrap(), 200);
    });
    assert_eq!(call("counting__echo", json!({})), 200);
}

fn http_sessions() {
    let home = started("http.sessions = 1");
    let first = initialize(&home);
    assert_eq!(ping(&home, &first), 200);
    let second = initialize(&home);
    assert_eq!([ping(&home, &first), ping(&home, &second)], [404, 200]);
}

fn http_session_idle() {
    let home = started("http.session_idle = \"50ms\"");
    let session = initialize(&home);
    std::thread::sleep(Duration::from_millis(80));
    assert_eq!(ping(&home, &session), 404);
}

fn http_rate() {
    let home = started("http.rate = 1");
    // Two within a second; a machine with much to do takes longer now and then.
    let mut statuses = (0..40).map(|_| status(&post(&home, "", "{}")));
    assert!(statuses.any(|status| status == 429));
    let authority = authority(&home);
    let health = format!("GET /health HTTP/1.1\r\nHost: {authority}\r\nConnection: close\r\n\r\n");
    assert_eq!(status(&raw(&authority, &health)), 200, "what needs no key is not counted");
}

fn http_wrong_keys() {
    let home = started("http.wrong_keys = \"1/h\"\nhttp.trusted_proxies = [\"127.0.0.1\"]");
    let (authority, key) = (authority(&home), home.key());
    let ask = |key: &str, from: &str| {
        status(&raw(
            &authority,
            &format!(
                "GET /metrics HTTP/1.1\r\nHost: {authority}\r\nX-API-Key: {key}\r\n\
                 X-Forwarded-For: {from}\r\nConnection: close\r\n\r\n"
            ),
        ))
    };
    let (guesser, other) = ("203.0.113.1", "203.0.113.2");
    assert_eq!([ask("a-guess-of-some-length", guesser), ask(&key, guesser)], [401, 429]);
    assert_eq!(ask(&key, other), 200);
}

fn http_tls() {
    let home = Home::new("");
    let key = rcgen::KeyPair::generate().unwrap();
    let params = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    let certificate = params.self_signed(&key).unwrap();
    std::fs::write(home.path("cert.pem"), certificate.pem()).unwrap();
    std::fs::write(home.path("key.pem"), key.serialize_pem()).unwrap();
    let configure = |key: &str, client_ca: &str| {
        let path = |name: &str| format!("{:?}", home.path(name).display().to_string());
        let (certificate, key) = (path("cert.pem"), path(key));
        home.configure(&format!(
            "http.tls = {{ certificate = {certificate}, key = {key}{client_ca} }}"
        ));
    };
    // Each of the files counts.
    configure("cert.pem", "");
    refused(&home, &["start"], "no private key");
    configure("key.pem", ", client_ca = \"/nowhere/ca.pem\"");
    refused(&home, &["start"], "/nowhere/ca.pem");
    configure("key.pem", "");
    home.start();
    let address = home.address();
    let authority = address.strip_prefix("https://").unwrap().trim_end_matches("/mcp");
    let mut clear = TcpStream::connect(authority).unwrap();
    clear.write_all(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    // An alert, or nothing: no HTTP.
    let _ = clear.read_to_end(&mut answer);
    assert!(!answer.starts_with(b"HTTP"), "answered in the clear");
}

fn auth_api_key() {
    let home = started("auth.api_key = \"a-key-of-my-own-choice\"");
    assert_eq!(home.key(), "a-key-of-my-own-choice");
    assert_eq!(status(&post(&home, "", "{}")), 400, "the key is accepted");
    assert!(!home.path("s/default/api-key").exists(), "no other key is made");
    refused(&home, &["rotate-key"], "comes from the configuration");
    home.configure("");
    home.run(&["reload"]);
    home.run(&["rotate-key"]);
    assert_eq!(status(&post(&home, "", "{}")), 400, "the new key of the state directory");
}

fn auth_rotate_grace() {
    let home = started("auth.rotate_grace = \"300ms\"");
    let old = home.key();
    let ask = |key: &str| {
        let authority = authority(&home);
        status(&raw(
            &authority,
            &format!(
                "GET /metrics HTTP/1.1\r\nHost: {authority}\r\nX-API-Key: {key}\r\n\
                 Connection: close\r\n\r\n"
            ),
        ))
    };
    assert_eq!(ask(&old), 200);
    home.run(&["rotate-key"]);
    assert_ne!(home.key(), old);
    assert_eq!(ask(&home.key()), 200);
    wait("the old key to expire", || ask(&old) == 401);
}

fn log_level() {
    let quiet = started("log.level = \"error\"");
    let loud = started("");
    assert!(!log(&quiet).contains("ready"), "{}", log(&quiet));
    assert!(log(&loud).contains("ready"));
}

fn log_format() {
    let home = started("log.format = \"json\"");
    let first: Value = serde_json::from_str(log(&home).lines().next().unwrap()).unwrap();
    assert!(first["ts"].is_string() && first["level"].is_string(), "{first}");
}

fn log_files() {
    // Each reload logs a line about every entry that it leaves out.
    let entry = json!({ "url": "http://user@127.0.0.1:1/mcp" });
    let servers: serde_json::Map<_, _> =
        (0..300).map(|n| (format!("s{n}"), entry.clone())).collect();
    let home = Home::new("import = [\"mcp.json\"]\nlog = { file_size = \"64 KiB\", files = 2 }");
    std::fs::write(home.path("mcp.json"), json!({ "mcpServers": servers }).to_string()).unwrap();
    home.start();
    let old = |n: usize| home.path(&format!("s/default/daemon.log.{n}"));
    for _ in 0..8 {
        home.run(&["reload"]);
    }
    assert!(old(2).exists() && !old(3).exists(), "two files are kept beside the current one");
    assert!(std::fs::metadata(old(1)).unwrap().len() <= 64 << 10);
}

fn log_file_age() {
    let home = started("log.file_age = \"1s\"");
    std::thread::sleep(Duration::from_millis(1_100));
    home.run(&["reload"]);
    assert!(home.path("s/default/daemon.log.1").exists());
}

fn daemon_drain() {
    let home = with_counting("daemon.drain = \"200ms\"", "");
    home.wait_for("counting", "ready");
    let mut call = home.switchboard(&["call", "counting__slow", "seconds=100"]);
    let _call = Running(call.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap());
    wait("the call to arrive", || counted(&home, "slow") == 1);
    let started = Instant::now();
    home.run(&["stop"]);
    assert!(started.elapsed() < Duration::from_secs(20), "the default is 25 s");
}

fn daemon_list_wait() {
    // A server that never answers its opening.
    let home = started(
        "daemon.list_wait = \"100ms\"\n[upstream.mute]\nstdio = { command = \"sleep\", args = [\"1000\"] }",
    );
    let started = Instant::now();
    assert_eq!(tools(&home), "[]");
    assert!(started.elapsed() < Duration::from_secs(4), "the default is 5 s");
}

fn upstream_stdio() {
    FORMS.iter().for_each(stdio_as);
}

fn stdio_as(form: &fn(&str) -> String) {
    let home = Home::new("");
    std::fs::create_dir(home.path("elsewhere")).unwrap();
    let script = "echo \"$0 $1 $FLAVOUR $PWD\" > \"$HOME/seen\"; exec sleep 1000";
    let way = form(&format!(
        "stdio = {{ command = \"sh\", args = [\"-c\", {script:?}, \"zero\", \"one\"], \
         env = {{ FLAVOUR = \"${{env:TASTE}}\" }}, cwd = {:?} }}",
        home.path("elsewhere")
    ));
    home.configure(&format!("[upstream.x]\nstart_timeout = \"2s\"\n{way}"));
    let output = home.switchboard(&["start"]).env("TASTE", "sweet").output().unwrap();
    succeeded("start", &output);
    let seen = || std::fs::read_to_string(home.path("seen")).unwrap_or_default();
    wait("the server to start", || seen().ends_with('\n'));
    let expected =
        format!("zero one sweet {}\n", home.path("elsewhere").canonicalize().unwrap().display());
    assert_eq!(seen(), expected);
}

fn upstream_http() {
    for form in FORMS {
        let head = first_request(form, "http", "http");
        assert!(head.starts_with("post /some/path http/1.1\r\n"), "{head}");
    }
}

fn upstream_sse() {
    for form in FORMS {
        let head = first_request(form, "sse", "http");
        assert!(head.starts_with("get /some/path http/1.1\r\n"), "{head}");
        assert!(head.contains("accept: text/event-stream\r\n"), "{head}");
    }
}

fn upstream_websocket() {
    for form in FORMS {
        let head = first_request(form, "websocket", "ws");
        assert!(head.starts_with("get /some/path http/1.1\r\n"), "{head}");
        assert!(head.contains("sec-websocket-protocol: mcp\r\n"), "{head}");
    }
}

/// The head of what is asked first of a server that is reached as `kind`.
fn first_request(form: fn(&str) -> String, kind: &str, scheme: &str) -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("{scheme}://{}/some/path", listener.local_addr().unwrap());
    let way = form(&format!("{kind} = {{ url = {url:?}, headers = {{ X-Flavour = \"sour\" }} }}"));
    let home = started(&format!("[upstream.x]\n{way}"));
    let (mut stream, _) = listener.accept().unwrap();
    let mut head = [0; 4096];
    let length = stream.read(&mut head).unwrap();
    drop(home);
    let head = String::from_utf8_lossy(&head[..length]).to_lowercase();
    assert!(head.contains("x-flavour: sour\r\n"), "{head}");
    head
}

/// A server that asks for roots outside of any call gets those of the configuration.
fn upstream_roots() {
    let home = Home::new("");
    let seen = home.path("seen");
    let script = format!(
        "read line; printf '%s\\n' '{}'; read line; printf '%s\\n' '{}'; read answer; \
         printf '%s' \"$answer\" > {}; cat > /dev/null",
        r#"{"jsonrpc":"2.0","id":1,"result":{"protocolVersion":"2025-06-18","capabilities":{},"serverInfo":{"name":"s","version":"1"}}}"#,
        r#"{"jsonrpc":"2.0","id":"r","method":"roots/list"}"#,
        seen.display(),
    );
    home.configure(&format!(
        "[upstream.x]\nroots = [\"/srv/notes\"]\nera = \"legacy\"\nstart = \"eager\"\n\
         stdio = {{ command = \"sh\", args = [\"-c\", {script:?}] }}"
    ));
    home.start();
    wait("the answer to roots/list", || {
        std::fs::read_to_string(&seen).is_ok_and(|answer| answer.contains("file:///srv/notes"))
    });
}

fn egress() {
    let check = ["config", "check"];
    let home = Home::new("egress.allow = [\"10.0.0.0/8\", \"*.corp.example\"]");
    home.run(&check);
    home.configure("egress.allow = [\"10.0.0.1/8\"]");
    refused(&home, &check, "`10.0.0.1/8` in egress.allow");
    home.configure("egress.ca_file = \"/nowhere/ca.pem\"");
    refused(&home, &check, "/nowhere/ca.pem");
}

fn upstream_oauth() {
    let server = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let origin = format!("http://{}", server.local_addr().unwrap());
    let me = origin.clone();
    std::thread::spawn(move || {
        for stream in server.incoming() {
            authorize(stream.unwrap(), &me);
        }
    });
    FORMS.iter().for_each(|form| oauth_as(form, &origin));
}

fn oauth_as(form: &fn(&str) -> String, origin: &str) {
    let home = Home::new("");
    let configure = |oauth: &str| {
        let way = form(&format!("http = {{ url = \"{origin}/mcp\", oauth = {{ {oauth} }} }}"));
        home.configure(&format!("[upstream.x]\n{way}"));
    };
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let client = format!(
        "client_id = \"me\", client_secret = \"mine\", client_auth = \"post\", \
         issuer = {origin:?}, scopes = [\"more\"], redirect_port = {free}"
    );
    configure(&client);
    let address = log_in(&home);
    for part in ["client_id=me", "scope=more", &format!("127.0.0.1%3A{free}%2Fcallback")] {
        assert!(address.contains(part), "{part} is not in {address}");
    }
    configure(&format!("{client}, per_principal = true"));
    assert!(home.run(&["logout", "x"]).contains("Nobody"), "the login of all is not the owner's");
    configure(&client);
    assert!(!home.run(&["logout", "x"]).contains("Nobody"));
    configure(&format!("{client}, grant = \"client_credentials\""));
    let output = home.run(&["login", "x"]);
    assert!(output.contains("is logged in at"), "{output}");
    for (wrong, reason) in [
        ("issuer = \"https://other.example\"", "the server does not name it"),
        ("client_secret = \"mine\"", "there is no `client_id`"),
        ("client_metadata_url = \"http://me.example\"", "it must be an https address"),
    ] {
        configure(wrong);
        refused(&home, &["login", "x"], reason);
    }
}

/// Runs `login` and agrees; the address that was to be visited.
fn log_in(home: &Home) -> String {
    let mut login = home.switchboard(&["login", "x"]);
    let mut login = Running(login.stdout(Stdio::piped()).spawn().unwrap());
    let mut address = String::new();
    let mut stdout = std::io::BufReader::new(login.0.stdout.take().unwrap());
    std::io::BufRead::read_line(&mut stdout, &mut address).unwrap();
    let parameter = |name: &str| {
        let (_, rest) = address.split_once(&format!("{name}=")).unwrap();
        rest.split('&').next().unwrap().trim().to_owned()
    };
    let host = parameter("redirect_uri").replace("%3A", ":").replace("%2F", "/");
    let host = host.trim_start_matches("http://").trim_end_matches("/callback").to_owned();
    let state = parameter("state");
    let target = format!("/callback?code=c&state={state}");
    raw(&host, &format!("GET {target} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n"));
    assert!(login.0.wait().unwrap().success(), "{address}");
    address
}

/// A server that is its own authorization server.
fn authorize(mut stream: TcpStream, me: &str) {
    let mut request = Vec::new();
    let mut piece = [0; 4096];
    while !request.windows(4).any(|end| end == b"\r\n\r\n") {
        match stream.read(&mut piece) {
            Ok(length) if length > 0 => request.extend_from_slice(&piece[..length]),
            _ => return,
        }
    }
    let request = String::from_utf8_lossy(&request).into_owned();
    let path = request.split(' ').nth(1).unwrap_or_default();
    let (status, body) = match path {
        "/mcp" => ("401 Unauthorized", json!({})),
        "/.well-known/oauth-protected-resource/mcp" => {
            ("200 OK", json!({ "resource": format!("{me}/mcp"), "authorization_servers": [me] }))
        }
        "/.well-known/oauth-authorization-server" => {
            let metadata = json!({
                "issuer": me,
                "authorization_endpoint": format!("{me}/authorize"),
                "token_endpoint": format!("{me}/token"),
                "code_challenge_methods_supported": ["S256"],
                "token_endpoint_auth_methods_supported": ["client_secret_post"],
            });
            ("200 OK", metadata)
        }
        "/token" => ("200 OK", json!({ "access_token": "t", "token_type": "Bearer" })),
        _ => ("404 Not Found", json!({})),
    };
    let body = body.to_string();
    let length = body.len();
    let answer = format!(
        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\
         WWW-Authenticate: Bearer\r\nConnection: close\r\n\r\n{body}"
    );
    // Whoever asked may have left.
    let _ = stream.write_all(answer.as_bytes());
}

fn upstream_prefix() {
    let bare = started(&demo("prefix = \"\""));
    bare.wait_for("demo", "ready");
    assert!(tools(&bare).contains("\"echo\""));
    let other = started(&demo("prefix = \"d\""));
    other.wait_for("demo", "ready");
    assert!(tools(&other).contains("\"d__echo\""));
}

fn upstream_start() {
    let state = |home: &Home| home.status()["upstreams"][0]["state"].as_str().unwrap().to_owned();
    let home = started(&demo(""));
    home.wait_for("demo", "ready");
    home.run(&["restart"]);
    assert_eq!(state(&home), "dormant", "a lazy server whose lists are known waits to be needed");
    home.configure(&demo("start = \"eager\""));
    home.run(&["restart"]);
    home.wait_for("demo", "ready");
}

fn upstream_era() {
    let revision = |era: &str| {
        let home = started(&demo(&format!("era = {era:?}")));
        home.wait_for("demo", "ready");
        home.status()["upstreams"][0]["revision"].as_str().unwrap().to_owned()
    };
    assert_eq!(revision("auto"), "2026-07-28");
    assert_eq!(revision("legacy"), "2025-11-25");
    assert_eq!(revision("modern"), "2026-07-28");
}

fn upstream_start_timeout() {
    let home = started(
        "[upstream.mute]\nstart_timeout = \"200ms\"\nstdio = { command = \"sleep\", args = [\"1000\"] }",
    );
    wait("the start to be given up", || {
        let problem = home.status()["upstreams"][0]["problem"].to_string();
        problem.contains("within 0.2 s")
    });
}

fn upstream_timeout() {
    let home = with_counting("", "timeout = \"200ms\"");
    home.wait_for("counting", "ready");
    refused(&home, &["call", "counting__slow", "seconds=100"], "did not answer within 0.2 s");
}

fn upstream_timeout_total() {
    let home = with_counting("", "timeout_total = \"200ms\"");
    home.wait_for("counting", "ready");
    refused(&home, &["call", "counting__slow", "seconds=100"], "did not answer within 0.2 s");
}

fn upstream_idle_stop() {
    let home = with_counting("", "idle_stop = \"200ms\"");
    home.wait_for("counting", "dormant");
    let marker = format!("COUNT_FILE={}", home.path("counts").display());
    assert_eq!(processes_with(&marker), [0_u32; 0]);
    home.call("counting__echo", &json!({}));
    assert_eq!(counted(&home, "start"), 2);
}

fn upstream_filters() {
    let home = started(&demo("include_tools = [\"a*\"]"));
    home.wait_for("demo", "ready");
    let shown = tools(&home);
    assert!(shown.contains("demo__add") && !shown.contains("demo__echo"), "{shown}");
    refused(&home, &["call", "demo__echo", "message=x"], "demo__echo");
    let home = started(&demo("exclude_tools = [\"a*\"]"));
    home.wait_for("demo", "ready");
    let shown = tools(&home);
    assert!(!shown.contains("demo__add") && shown.contains("demo__echo"), "{shown}");
}

fn upstream_disabled() {
    let home = started(&demo("disabled = true"));
    assert_eq!(home.status()["upstreams"], json!([]));
}

fn upstream_optional() {
    let broken = |optional: bool| {
        let home = started(&format!(
            "[upstream.x]\noptional = {optional}\nstdio = {{ command = \"no-such-program\" }}"
        ));
        wait("the start to fail", || home.status()["upstreams"][0]["state"] == "waiting");
        home.switchboard(&["health"]).output().unwrap().status.code()
    };
    assert_eq!(broken(true), Some(0));
    assert_eq!(broken(false), Some(1));
}
