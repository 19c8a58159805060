//! The keys of what is kept: the store, the vault, the history, the tenants.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use super::{demo, post, started, status, succeeded};
use crate::administration::Demo;
use crate::asked::{ask, authority};
use crate::common::{Home, Moto, postgres, psql, wait};

/// A daemon with the demonstration server and these settings of the history.
fn recording(history: &str) -> Home {
    started(&format!("[history]\n{history}\n{}", demo("start = \"eager\"")))
}

fn say(home: &Home, message: &str) {
    home.call("demo__echo", &json!({ "message": message }));
}

/// The same with a message that is too long for a command line.
fn say_at_length(home: &Home, message: &str) {
    let params = json!({ "name": "demo__echo", "arguments": { "message": message } });
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params });
    let answer = post_to(home, "default", &body.to_string());
    assert_eq!(status(&answer), 200, "{}", &answer[..answer.len().min(300)]);
}

/// Posts a message to a tenant, as clients do that know no sessions.
fn post_to(home: &Home, tenant: &str, body: &str) -> String {
    let (authority, key) = (super::authority(home), home.key());
    super::raw(
        &authority,
        &format!(
            "POST /{tenant}/mcp HTTP/1.1\r\nHost: {authority}\r\nX-API-Key: {key}\r\n\
             Content-Type: application/json\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        ),
    )
}

/// The recorded calls, the newest first, whole.
fn recorded(home: &Home) -> Vec<Value> {
    let page: Value = serde_json::from_str(&home.run(&["history", "--json"])).unwrap();
    page["calls"].as_array().unwrap().clone()
}

/// What the store has, without asking the daemon, which would write what it has first.
fn kept(home: &Home) -> String {
    home.run(&["store", "export"])
}

fn lost(home: &Home) -> u64 {
    let metrics = metrics(home);
    let line = metrics.lines().find_map(|it| it.strip_prefix("switchboard_history_lost_total "));
    line.unwrap().parse().unwrap()
}

fn metrics(home: &Home) -> String {
    let authority = super::authority(home);
    let key = home.key();
    super::raw(
        &authority,
        &format!(
            "GET /metrics HTTP/1.1\r\nHost: {authority}\r\nX-API-Key: {key}\r\n\
             Connection: close\r\n\r\n"
        ),
    )
}

pub(super) fn history_enabled() {
    let home = recording("enabled = false");
    say(&home, "unseen");
    assert_eq!(recorded(&home), [] as [Value; 0]);
    let home = recording("");
    say(&home, "seen");
    let calls = recorded(&home);
    assert_eq!(calls[0]["arguments"], json!({ "message": "seen" }));
    let id = calls[0]["id"].as_str().unwrap();
    assert!(home.run(&["history", "show", id]).contains("demo__echo"));
    assert!(home.run(&["history", "replay", id]).contains("the result is the same"));
    assert_eq!(recorded(&home).len(), 2, "a replay is a call");
}

pub(super) fn history_window() {
    let home = recording("window = \"1m\"");
    say(&home, "waits");
    assert!(!kept(&home).contains("waits"));
    // Whoever asks sees it all the same, and an ordered end loses nothing.
    assert_eq!(recorded(&home).len(), 1);
    say(&home, "last words");
    home.run(&["stop"]);
    assert!(kept(&home).contains("last words"));
    let home = recording("window = \"10ms\"");
    say(&home, "written");
    wait("the record to be written", || kept(&home).contains("written"));
}

pub(super) fn history_queue() {
    let home = recording("window = \"1m\"\nqueue = 1");
    say(&home, "one");
    assert_eq!(lost(&home), 0);
    say(&home, "two");
    assert_eq!(lost(&home), 1);
    let home = recording("window = \"1m\"\nqueue_size = \"1 MiB\"\nresult_limit = \"2 MiB\"");
    let long = "x".repeat(400_000);
    say_at_length(&home, &long);
    assert_eq!(lost(&home), 0);
    say_at_length(&home, &long);
    assert_eq!(lost(&home), 1);
}

pub(super) fn history_limits() {
    let home = recording("arguments_limit = \"30 B\"\nresult_limit = \"100 B\"");
    say(&home, "short");
    say(&home, &"long ".repeat(40));
    let calls = recorded(&home);
    assert_eq!(calls[1]["arguments"], json!({ "message": "short" }));
    assert_eq!(calls[0]["arguments"], Value::Null);
    let notes = calls[0]["notes"].as_str().unwrap();
    assert!(notes.contains("arguments of 214 bytes were left out"), "{notes}");
    assert!(notes.contains("was cut"), "{notes}");
    let refused = home.switchboard(&["history", "replay", calls[0]["id"].as_str().unwrap()]);
    let mut refused = refused;
    let refused = refused.output().unwrap();
    assert!(String::from_utf8_lossy(&refused.stderr).contains("call-not-replayable"));
}

pub(super) fn history_keep() {
    let home = recording("keep_calls = 2");
    ["one", "two", "three"].iter().for_each(|message| say(&home, message));
    assert_eq!(recorded(&home).len(), 3);
    home.run(&["restart"]);
    wait("the oldest to leave", || recorded(&home).len() == 2);
    assert_eq!(recorded(&home)[1]["arguments"], json!({ "message": "two" }));
    let home = recording("keep = \"1s\"");
    say(&home, "gone soon");
    wait("the record to be too old", || {
        home.run(&["restart"]);
        recorded(&home).is_empty()
    });
}

pub(super) fn history_redact() {
    let home = recording("redact = { names = [\"badge\"], patterns = [\"ACME-[0-9]+\"] }");
    home.call("demo__echo", &json!({ "message": "of ACME-77", "my_badge": "7", "pin": "8" }));
    let call = &recorded(&home)[0];
    let expected = json!({ "message": "of [redacted]", "my_badge": "[redacted]", "pin": "8" });
    assert_eq!(call["arguments"], expected);
    assert!(!kept(&home).contains("ACME-77"));
    let home = Home::new("history.redact.patterns = [\"(\"]\n");
    let output = home.switchboard(&["config", "check"]).output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(text.contains("history.redact.patterns"), "{text}");
}

pub(super) fn store_sqlite() {
    let home = started(&format!("store.sqlite.path = \"elsewhere.db\"\n{}", demo("")));
    say(&home, "kept");
    assert_eq!(recorded(&home).len(), 1);
    let state = home.path("s/default");
    assert!(state.join("elsewhere.db").exists() && !state.join("store.db").exists());
}

pub(super) fn store_postgres() {
    let schema = format!("whole_{}", std::process::id());
    let config = |schema: &str| {
        let url = postgres();
        format!(
            "[store.postgres]\nurl = \"{url}\"\nschema = \"{schema}\"\nconnections = 1\n{}",
            demo("")
        )
    };
    let home = started(&config(&schema));
    say(&home, "shared");
    assert_eq!(recorded(&home).len(), 1);
    let open = format!("select count(*) from pg_stat_activity where query like '%\"{schema}\"%'");
    let ours = "and pid <> pg_backend_pid()";
    assert_eq!(psql(&format!("{open} {ours}")), "1");
    assert_eq!(psql(&format!("select count(*) from {schema}.mcp_function_calls")), "1");
    // Another daemon with the same store sees the same, one with another schema does not.
    assert_eq!(recorded(&started(&config(&schema))).len(), 1);
    let other = format!("{schema}_other");
    assert_eq!(recorded(&started(&config(&other))).len(), 0);
    home.run(&["stop"]);
    psql(&format!("drop schema {schema} cascade; drop schema {other} cascade"));
}

pub(super) fn blobs_directory() {
    let config = "history = { result_limit = \"2 MiB\" }\nblobs.directory.path = \"large\"\n";
    let home = started(&format!("{config}{}", demo("")));
    say_at_length(&home, &"large ".repeat(60_000));
    let call = recorded(&home)[0].clone();
    assert!(call["result"].to_string().len() > 300_000);
    let mut files = std::fs::read_dir(home.path("s/default/large/mcp_content/default")).unwrap();
    let name = files.next().unwrap().unwrap().file_name();
    assert!(name.to_str().unwrap().starts_with(call["id"].as_str().unwrap()), "{name:?}");
}

/// Something that takes what is put there, and remembers what it was sent; passes it on where
/// there is somebody to answer it.
pub(super) fn spy(behind: Option<u16>) -> (String, Arc<Mutex<String>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let seen = Arc::<Mutex<String>>::default();
    let noted = Arc::clone(&seen);
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let noted = Arc::clone(&noted);
            std::thread::spawn(move || match behind {
                Some(port) => relay(&stream, port, &noted),
                None => answer(&stream, &noted),
            });
        }
    });
    (address, seen)
}

/// Passes on what either end sends.
fn relay(client: &TcpStream, port: u16, noted: &Mutex<String>) {
    let server = TcpStream::connect(("127.0.0.1", port)).unwrap();
    let (mut down, mut up) = (server.try_clone().unwrap(), client.try_clone().unwrap());
    std::thread::spawn(move || std::io::copy(&mut down, &mut up));
    let (mut client, mut server, mut buffer) = (client, &server, vec![0; 65_536]);
    while let Ok(read) = client.read(&mut buffer)
        && read > 0
    {
        noted.lock().unwrap().push_str(&String::from_utf8_lossy(&buffer[..read]));
        server.write_all(&buffer[..read]).unwrap();
    }
    let _ = server.shutdown(std::net::Shutdown::Both);
}

fn answer(mut stream: &TcpStream, noted: &Mutex<String>) {
    let mut reader = BufReader::new(stream);
    loop {
        let (mut head, mut line, mut length) = (String::new(), String::new(), 0);
        while reader.read_line(&mut line).is_ok_and(|read| read > 0) && line != "\r\n" {
            let lower = line.to_ascii_lowercase();
            if let Some(value) = lower.strip_prefix("content-length:") {
                length = value.trim().parse().unwrap();
            }
            head.push_str(&line);
            line.clear();
        }
        if head.is_empty() {
            return;
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body).unwrap();
        noted.lock().unwrap().push_str(&head);
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nETag: \"1\"\r\nContent-Length: 0\r\n\r\n");
    }
}

pub(super) fn store_dynamodb() {
    let moto = Moto::start();
    let (endpoint, seen) = spy(Some(moto.port()));
    let config = |makes: bool| {
        format!(
            "[store.dynamodb]\nregion = \"eu-south-2\"\nendpoint = \"{endpoint}\"\n\
             access_key_id = \"AKTEST\"\nsecret_access_key = \"hush\"\nsession_token = \"passing\"\n\
             table_prefix = \"sb-\"\ninitialize_tables = {makes}\n{}",
            demo("")
        )
    };
    let home = Home::new(&config(false));
    let refused = home.switchboard(&["start"]).output().unwrap();
    let refused = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(refused.contains("initialize_tables"), "{refused}");
    // The variable of the engine before us says it where the configuration does not.
    let unsaid = config(true).replace("initialize_tables = true\n", "");
    home.configure(&unsaid.replace("region = \"eu-south-2\"\n", ""));
    let mut start = home.switchboard(&["start"]);
    start.env("INITIALIZE_TABLES", "1").env("REGION_NAME", "eu-south-2");
    succeeded("start", &start.output().unwrap());
    home.run(&["stop"]);
    home.configure(&config(true));
    home.start();
    say(&home, "kept");
    wait("the call to be on record", || !recorded(&home).is_empty());
    home.run(&["stop"]);
    let seen = seen.lock().unwrap().clone();
    assert!(seen.contains("Credential=AKTEST/") && seen.contains("/eu-south-2/dynamodb/"));
    assert!(seen.contains("x-amz-security-token: passing") && !seen.contains("hush"));
    assert!(seen.contains("\"TableName\":\"sb-mcp-function_calls\""));
}

pub(super) fn blobs_s3() {
    let (endpoint, seen) = spy(None);
    let home = started(&format!(
        "history = {{ result_limit = \"2 MiB\" }}\n[blobs.s3]\nbucket = \"pail\"\nprefix = \"sb\"\n\
         region = \"eu-test-7\"\nendpoint = \"{endpoint}\"\naccess_key_id = \"AKTEST\"\n\
         secret_access_key = \"hush\"\nsession_token = \"passing\"\n{}",
        demo("")
    ));
    say_at_length(&home, &"large ".repeat(60_000));
    home.run(&["history"]);
    let seen = seen.lock().unwrap().clone();
    assert!(seen.contains("PUT /pail/sb/mcp_content/"), "{seen}");
    assert!(seen.contains("Credential=AKTEST/") && seen.contains("/eu-test-7/s3/"), "{seen}");
    assert!(seen.contains("x-amz-security-token: passing"), "{seen}");
    assert!(!seen.contains("hush"), "{seen}");
}

/// An export with a server of the demonstration for a tenant.
fn tenants(names: &[&str]) -> String {
    let mut text = "{\"format\":\"switchboard-store\",\"version\":1}\n".to_owned();
    for tenant in names {
        let body = json!({ "stdio": {
            "command": env!("CARGO_BIN_EXE_switchboard"), "args": ["demo"] }, "start": "eager" });
        let row = json!({ "id": "mine", "body": body });
        let line = json!({ "table": "switchboard_servers", "tenant": tenant, "row": row });
        text.push_str(&format!("{line}\n"));
    }
    text.push_str(&format!("{{\"end\":{{\"rows\":{},\"blobs\":0}}}}\n", names.len()));
    text
}

fn bring(home: &Home, names: &[&str]) {
    let file = home.path("tenants.jsonl");
    std::fs::write(&file, tenants(names)).unwrap();
    home.run(&["store", "import", file.to_str().unwrap()]);
}

/// Lists the tools of a tenant.
fn list(home: &Home, tenant: &str) -> String {
    post_to(home, tenant, r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#)
}

pub(super) fn vault() {
    let (one, other) = ("11".repeat(32), "22".repeat(32));
    let home = Home::new(&format!("vault.key = \"{one}\"\n"));
    bring(&home, &["acme"]);
    assert!(!kept(&home).contains("$sealed"));
    assert!(home.run(&["store", "reseal"]).contains("resealed 1 row"));
    assert!(kept(&home).contains("$sealed") && !kept(&home).contains("demo"));
    // Another key opens nothing, unless it knows the one before.
    home.configure(&format!("vault.key = \"{other}\"\n"));
    home.start();
    assert!(!list(&home, "acme").contains("mine__echo"));
    home.configure(&format!("vault.key = \"{other}\"\nvault.former_keys = [\"{one}\"]\n"));
    home.run(&["restart"]);
    assert!(list(&home, "acme").contains("mine__echo"));
    home.run(&["store", "reseal"]);
    home.configure(&format!("vault.key = \"{other}\"\n"));
    home.run(&["restart"]);
    assert!(list(&home, "acme").contains("mine__echo"));
}

/// Whether servers of the tenant run.
fn is_served(home: &Home, tenant: &str) -> bool {
    metrics(home).contains(&format!("upstream=\"{tenant}/mine\""))
}

pub(super) fn tenants_served() {
    let home = Home::new("tenants.served = 1\ntenants.idle = \"2s\"\n");
    bring(&home, &["acme", "other"]);
    home.start();
    assert!(status(&list(&home, "nobody")) == 404 && !is_served(&home, "acme"));
    assert!(list(&home, "acme").contains("mine__echo") && is_served(&home, "acme"));
    // One is asked for again and again; the other makes room for it, long before its hour.
    wait("the one that is not asked for to leave", || {
        assert!(list(&home, "other").contains("mine__echo"));
        is_served(&home, "other") && !is_served(&home, "acme")
    });
    wait("the last one to be idle", || !is_served(&home, "other"));
    assert!(list(&home, "acme").contains("mine__echo"), "it is back when it is asked for");
    // Nothing of it is seen at the root.
    assert!(!post(&home, "", r#"{"jsonrpc":"2.0","id":1,"method":"tools/list"}"#).contains("mine"));
}

/// Whether a guest of the default tenant may use the demonstration.
fn is_allowed(home: &Home) -> bool {
    let check = ["policy", "check", "--role", "guest", "call", "demo__echo"];
    home.switchboard(&check).output().unwrap().status.success()
}

pub(super) fn tenants_refresh() {
    let shared = Home::new("");
    let path = shared.path("shared.db");
    let daemon = |refresh: &str| {
        let store = format!("tenants.refresh = \"{refresh}\"\nstore.sqlite.path = {path:?}\n");
        started(&format!("{store}{}", demo("start = \"eager\"")))
    };
    let (here, soon, late) = (daemon("1h"), daemon("100ms"), daemon("1h"));
    let text = "forbid (principal in Role::\"guest\", action in Action::\"use\", resource);";
    std::fs::write(here.path("no.cedar"), text).unwrap();
    here.run(&["policy", "set", "no", "no.cedar"]);
    assert!(!is_allowed(&here), "where it is changed it holds at once");
    wait("the other daemon to hear of it", || !is_allowed(&soon));
    assert!(is_allowed(&late));
    here.run(&["policy", "remove", "no"]);
    wait("it to hear of the end", || is_allowed(&soon));
}

/// The functions that a tenant has.
fn functions(home: &Home) -> String {
    let key = format!("X-API-Key: {}\r\n", home.key());
    ask(&authority(home), "GET /acme/api/v1/functions", &key, "").body.to_string()
}

pub(super) fn tenants_sync() {
    let server = Demo::start();
    let home = Home::new("egress.allow = [\"127.0.0.1\"]\ntenants.sync = \"24h\"\n");
    home.start();
    let key = format!("X-API-Key: {}\r\n", home.key());
    let query = "mutation ($url: String!) { syncExternalMcpServer(serverName: \"demo\", \
                 baseUrl: $url, updatedBy: \"ann\") { ok } }";
    let body = json!({ "query": query, "variables": { "url": server.1 } }).to_string();
    let said = ask(&authority(&home), "POST /acme/mcp_core_graphql", &key, &body);
    assert_eq!(said.body["data"]["syncExternalMcpServer"]["ok"], true, "{said:?}");
    // As if it had had one more when it was asked.
    let ghost = json!({ "mcpType": "tool", "moduleName": "demo" }).to_string();
    let put = ask(&authority(&home), "PUT /acme/api/v1/functions/ghost", &key, &ghost);
    assert_eq!(put.status, 200, "{put:?}");
    std::thread::sleep(std::time::Duration::from_secs(2));
    assert!(functions(&home).contains("ghost"), "nobody asks for a day");
    home.configure("egress.allow = [\"127.0.0.1\"]\ntenants.sync = \"1s\"\n");
    home.run(&["restart"]);
    wait("it to be gone", || !functions(&home).contains("ghost"));
    assert!(functions(&home).contains("echo"));
}

/// The key in the state directory is another one afterwards, and opens everything.
#[test]
fn the_key_of_secrets_is_rotated_by_command() {
    let home = Home::new("");
    bring(&home, &["acme"]);
    home.run(&["store", "reseal"]);
    let key = || std::fs::read(home.path("s/default/vault.key")).unwrap();
    let (before, sealed) = (key(), kept(&home));
    home.start();
    let refused = home.switchboard(&["store", "rotate-key"]).output().unwrap();
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && said.contains("knows the old key"), "{said}");
    home.run(&["stop"]);
    assert!(home.run(&["store", "rotate-key"]).contains("resealed 1 row"));
    assert!(key() != before && kept(&home) != sealed && kept(&home).contains("$sealed"));
    assert!(!home.path("s/default/vault.key.former").exists());
    home.start();
    assert!(list(&home, "acme").contains("mine__echo"));
    home.run(&["stop"]);
    // One that was cut short after the key was replaced has lost nothing, and is brought to its end.
    std::fs::rename(home.path("s/default/vault.key"), home.path("s/default/vault.key.former"))
        .unwrap();
    home.start();
    assert!(list(&home, "acme").contains("mine__echo"));
    home.run(&["stop"]);
    home.run(&["store", "rotate-key"]);
    assert!(!home.path("s/default/vault.key.former").exists());
    home.start();
    assert!(list(&home, "acme").contains("mine__echo"));
}
