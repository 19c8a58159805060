//! What is managed by commands, and that it is so: keys let in and do not any more, users log in,
//! limits limit, and what is said of policies is what calls then get.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use switchboard_mcp::ProtocolVersion;
use switchboard_testkit::client::{Carrier, Client, Target};

use crate::common::{Home, succeeded, wait};

/// A daemon whose tenant `acme` has the demonstration server, and so has the default one.
struct Site {
    home: Home,
    authority: String,
    demo: Demo,
}

/// The demonstration server over HTTP, until it is dropped.
struct Demo(Child, String);

impl Demo {
    fn start() -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_switchboard"));
        command.args(["demo", "--http"]).stdin(Stdio::null()).stdout(Stdio::null());
        let mut child = command.stderr(Stdio::piped()).spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stderr.take().unwrap()).read_line(&mut line).unwrap();
        Self(child, line.trim().to_owned())
    }
}

impl Drop for Demo {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The answer to a request over HTTP: status, head, body.
struct Answer(u16, String, Value);

impl Site {
    fn start(config: &str) -> Self {
        let demo = Demo::start();
        let program = env!("CARGO_BIN_EXE_switchboard");
        let home = Home::new(&format!(
            "egress.allow = [\"127.0.0.1\"]\n{config}\n\
             [upstream.demo]\nstart = \"eager\"\nstdio = {{ command = {program:?}, args = [\"demo\"] }}\n"
        ));
        home.start();
        let authority = home.address().replace("http://", "").replace("/mcp", "");
        let site = Self { home, authority, demo };
        site.home.run(&["tenant", "create", "acme"]);
        let server = json!({ "definition": { "http": { "url": site.demo.1 } } });
        let owner = site.home.key();
        let put = site.send(
            "PUT /acme/api/v1/servers/demo",
            &owner,
            "application/json",
            &server.to_string(),
        );
        assert_eq!(put.0, 200, "{}", put.2);
        site
    }

    fn send(&self, request: &str, key: &str, kind: &str, body: &str) -> Answer {
        let mut stream = TcpStream::connect(&self.authority).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let key = if key.is_empty() { String::new() } else { format!("X-API-Key: {key}\r\n") };
        let text = format!(
            "{request} HTTP/1.1\r\nHost: {}\r\n{key}Content-Type: {kind}\r\nConnection: close\r\n\
             Content-Length: {}\r\n\r\n{body}",
            self.authority,
            body.len()
        );
        stream.write_all(text.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let status = answer.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        let body = serde_json::from_str(body).unwrap_or(Value::String(body.to_owned()));
        Answer(status, head.to_ascii_lowercase(), body)
    }

    /// A call of a tool of a tenant, by a single request.
    fn call(&self, key: &str, tenant: &str, tool: &str, arguments: &Value) -> Answer {
        let body = json!({ "jsonrpc": "2.0", "id": 7, "method": "tools/call",
            "params": { "name": tool, "arguments": arguments } });
        self.send(&format!("POST /{tenant}/mcp"), key, "application/json", &body.to_string())
    }

    fn echo(&self, key: &str, tenant: &str) -> Answer {
        self.call(key, tenant, "demo__echo", &json!({ "message": "hello" }))
    }

    /// Runs a command; exit code and both streams.
    fn try_run(&self, args: &[&str]) -> (i32, String, String) {
        let output = self.home.switchboard(args).output().unwrap();
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        (output.status.code().unwrap(), text(&output.stdout), text(&output.stderr))
    }

    /// Makes a key; its text.
    fn key(&self, args: &[&str]) -> String {
        let output = self.home.switchboard(&[&["key", "create"], args].concat()).output().unwrap();
        succeeded("key create", &output).trim().to_owned()
    }

    fn fed(&self, args: &[&str], text: &str) -> Output {
        let mut command = self.home.switchboard(args);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        // One that refuses its arguments ends without reading.
        let _ = child.stdin.take().unwrap().write_all(text.as_bytes());
        child.wait_with_output().unwrap()
    }

    fn log_in(&self, name: &str, password: &str) -> u16 {
        let form = format!("username={name}&password={password}");
        self.send("POST /acme/auth/token", "", "application/x-www-form-urlencoded", &form).0
    }

    /// Whether the command says that it is allowed; what it says as JSON.
    fn check(&self, args: &[&str]) -> (bool, Value) {
        let (code, stdout, stderr) = self.try_run(&[&["policy", "check", "--json"], args].concat());
        assert!(code < 2 && !stdout.is_empty(), "{args:?}: {code} {stdout} {stderr}");
        let explained: Value = serde_json::from_str(&stdout).unwrap();
        assert_eq!(explained["allowed"], code == 0, "{explained}");
        (code == 0, explained)
    }
}

fn is_result(answer: &Answer) -> bool {
    answer.0 == 200 && answer.2["result"].is_object()
}

#[test]
fn a_key_is_made_used_and_taken_back() {
    let site = Site::start("");
    let text = site.key(&["ci", "--tenant", "acme", "--expires", "90d", "--per-minute", "600"]);
    assert!(is_result(&site.echo(&text, "acme")));
    assert_eq!(site.echo(&text, "default").0, 401, "it is of one tenant");
    let listed = site.home.run(&["key", "list", "--tenant", "acme"]);
    assert!(
        listed.contains("ci") && listed.contains("valid") && !listed.contains(&text),
        "{listed}"
    );
    assert!(site.home.run(&["key", "list"]).contains("no keys"));
    assert!(site.home.run(&["key", "revoke", "ci", "--tenant", "acme"]).contains("revoked key"));
    assert_eq!(site.echo(&text, "acme").0, 401);
    assert!(site.home.run(&["key", "list", "--tenant", "acme"]).contains("revoked"));
    // What is said beside the text is for people, and goes elsewhere.
    let (_, stdout, stderr) = site.try_run(&["key", "create", "other", "--tenant", "acme"]);
    assert!(stderr.contains("/acme/mcp") && stderr.contains("X-API-Key"), "{stderr}");
    assert_eq!(stdout.lines().count(), 1);
    // A name that nobody has, one that two have, a scope that is none, a time that is none.
    for (args, code, exit) in [
        (&["key", "revoke", "none"][..], "manage-missing", 1),
        (&["key", "create", "x", "--server", "a b"], "manage-invalid", 1),
        (&["key", "create", "x", "--expires", "soon"], "usage", 2),
        (&["key", "list", "--tenant", "a b"], "tenant-invalid", 1),
    ] {
        let (actual, _, stderr) = site.try_run(args);
        assert!(actual == exit && stderr.contains(code) && stderr.contains("hint"), "{stderr}");
    }
}

/// What `--per-minute` promises holds whichever way the key is used, and for all of them together.
#[test]
fn a_key_is_good_for_its_rate_over_every_listener() {
    let site = Site::start("");
    let make = |name: &str| site.key(&[name, "--tenant", "acme", "--per-minute", "1"]);
    let text = make("ci");
    let Answer(status, head, body) = site.echo(&text, "acme");
    assert_eq!(status, 200, "{body}");
    assert!(head.contains("ratelimit: \"key:rate\";r=0;t=60"), "{head}");
    let check = |Answer(status, head, body): Answer| {
        assert_eq!(status, 429, "{body}");
        let told = ["retry-after: ", "ratelimit: \"key:rate\";r=0;t=", "x-ratelimit-remaining: 0"];
        assert!(told.iter().all(|told| head.contains(told)), "{head}");
        body
    };
    let refused = check(site.echo(&text, "acme"));
    let data = &refused["error"]["data"];
    assert_eq!((&data["reason"], &data["rule"]), (&json!("rate_limited"), &json!("key:rate")));
    let call = json!({ "jsonrpc": "2.0", "id": 7, "method": "tools/call",
        "params": { "name": "demo__echo", "arguments": { "message": "hello" } } });
    let posted = site.send("POST /acme/sse", &text, "application/json", &call.to_string());
    assert_eq!(check(posted)["error"]["data"]["rule"], "key:rate");
    let managed = check(site.send("GET /acme/api/v1/calls", &text, "application/json", ""));
    assert!(managed["detail"].as_str().unwrap().contains("1 calls in 60 s"), "{managed}");
    // Over connections that stay the error is the answer, and what they did counts elsewhere.
    let runtime = tokio::runtime::Runtime::new().unwrap();
    for (carrier, path) in [(Carrier::WebSocket, "ws"), (Carrier::Sse, "mcp/sse")] {
        let text = make(path.trim_start_matches("mcp/"));
        let scheme = if carrier == Carrier::WebSocket { "ws" } else { "http" };
        let url = format!("{scheme}://{}/acme/{path}", site.authority);
        let target = Target::Address { url, key: Some(text.clone()) };
        runtime.block_on(async {
            let version = ProtocolVersion::V2025_06_18;
            let mut client = Client::connect(version, carrier, &target).await.unwrap();
            let first = client.ask("tools/call", call["params"].clone()).await;
            assert!(first.is_ok(), "{carrier}: {first:?}");
            let second = client.ask("tools/call", call["params"].clone()).await;
            let refused = format!("{:?}", second.unwrap_err());
            assert!(refused.contains("key:rate"), "{carrier}: {refused}");
        });
        check(site.echo(&text, "acme"));
    }
}

/// A request for itself on the path of the feed is one like any other to the limits: it comes from an
/// address.
#[test]
fn what_is_posted_to_the_feed_is_limited_by_address() {
    let site = Site::start("[limits.rule.here]\nper = \"address\"\nrate = \"1/h\"");
    let text = site.key(&["ci", "--tenant", "acme"]);
    let call = json!({ "jsonrpc": "2.0", "id": 7, "method": "tools/call",
        "params": { "name": "demo__echo", "arguments": { "message": "hello" } } });
    let post = || site.send("POST /acme/sse", &text, "application/json", &call.to_string());
    assert_eq!(post().0, 200);
    let Answer(status, head, body) = post();
    assert_eq!((status, &body["error"]["data"]["rule"]), (429, &json!("here")), "{body}");
    assert!(head.contains("retry-after: ") && head.contains("ratelimit: \"here\";r=0"), "{head}");
    // Those who watch see it as well.
    assert_eq!(site.echo(&text, "acme").0, 429);
}

#[test]
fn a_user_is_added_logs_in_and_is_removed() {
    let site = Site::start("");
    let add = ["user", "add", "ann", "--tenant", "acme", "--role", "admin"];
    succeeded("user add", &site.fed(&add, "correct horse\n"));
    assert_eq!(site.log_in("ann", "correct%20horse"), 200);
    let again = site.fed(&add, "correct horse\n");
    let said = String::from_utf8_lossy(&again.stderr).into_owned();
    assert!(!again.status.success() && said.contains("manage-conflict"), "{said}");
    // Another password, from a file; the role stays.
    std::fs::write(site.home.path("password"), "battery staple\n").unwrap();
    let set = ["user", "set-password", "ann", "--tenant", "acme", "--password-file", "password"];
    site.home.run(&set);
    assert_eq!(site.log_in("ann", "correct%20horse"), 401);
    assert_eq!(site.log_in("ann", "battery%20staple"), 200);
    let listed = site.home.run(&["user", "list", "--tenant", "acme"]);
    assert!(listed.contains("ann") && listed.contains("admin"), "{listed}");
    let weak = site.fed(&["user", "set-password", "ann", "--tenant", "acme"], "short\n");
    assert!(String::from_utf8_lossy(&weak.stderr).contains("manage-invalid"));
    site.home.run(&["user", "remove", "ann", "--tenant", "acme"]);
    assert_eq!(site.log_in("ann", "battery%20staple"), 401);
    let (code, _, stderr) = site.try_run(&["user", "remove", "ann", "--tenant", "acme"]);
    assert!(code == 1 && stderr.contains("manage-missing"), "{stderr}");
}

#[test]
fn a_tenant_is_made_and_removed_with_all_it_has() {
    let site = Site::start("");
    let text = site.key(&["ci", "--tenant", "acme", "--role", "admin"]);
    assert!(is_result(&site.echo(&text, "acme")));
    succeeded("user add", &site.fed(&["user", "add", "ann", "--tenant", "acme"], "correct horse"));
    let (code, _, stderr) = site.try_run(&["tenant", "create", "acme"]);
    assert!(code == 1 && stderr.contains("manage-conflict"), "{stderr}");
    assert_eq!(site.home.run(&["tenant", "list"]), "acme\ndefault\n");
    wait("the call to be on record", || {
        site.home.run(&["history", "--tenant", "acme"]).contains("demo__echo")
    });
    let (code, _, stderr) = site.try_run(&["tenant", "remove", "acme"]);
    assert!(code == 2 && stderr.contains("--yes"), "{stderr}");
    site.home.run(&["tenant", "remove", "acme", "--yes"]);
    assert_eq!(site.echo(&text, "acme").0, 401);
    assert_eq!(site.log_in("ann", "correct%20horse"), 401);
    assert_eq!(site.home.run(&["tenant", "list"]), "default\n");
    let kept = site.home.run(&["store", "export"]);
    assert!(!kept.contains("\"acme\""), "{kept}");
    assert!(!site.home.path("s/default/tenants/acme").exists());
    let (code, _, stderr) = site.try_run(&["tenant", "remove", "acme", "--yes"]);
    assert!(code == 1 && stderr.contains("manage-missing"), "{stderr}");
    let (code, _, stderr) = site.try_run(&["tenant", "remove", "default", "--yes"]);
    assert!(code == 1 && stderr.contains("manage-invalid"), "{stderr}");
}

#[test]
fn a_limit_holds_from_when_it_is_set_until_it_is_removed() {
    let site = Site::start("");
    for tenant in ["default", "acme"] {
        let text = site.key(&["ci", "--tenant", tenant]);
        let free = site.echo(&text, tenant);
        assert!(is_result(&free) && !free.1.contains("ratelimit"), "{}", free.1);
        site.home.run(&["limit", "set", "calm", "--rate", "2/h", "--tenant", tenant]);
        let other = if tenant == "acme" { "default" } else { "acme" };
        assert!(site.home.run(&["limit", "list", "--tenant", other]).contains("no limits"));
        for left in [1, 0] {
            let Answer(status, head, body) = site.echo(&text, tenant);
            assert_eq!(status, 200, "{body}");
            assert!(head.contains(&format!("ratelimit: \"calm\";r={left};")), "{head}");
            assert!(head.contains(&format!("x-ratelimit-remaining: {left}")), "{head}");
        }
        let Answer(status, head, body) = site.echo(&text, tenant);
        assert_eq!(status, 429, "{body}");
        assert!(head.contains("retry-after: ") && head.contains("x-ratelimit-limit: 2"), "{head}");
        assert_eq!(body["error"]["data"]["rule"], "calm", "{body}");
        // One of the same name takes its place, and what was used of the other does not count.
        site.home.run(&["limit", "set", "calm", "--calls-per-day", "1", "--tenant", tenant]);
        assert_eq!(site.echo(&text, tenant).0, 200);
        assert_eq!(site.echo(&text, tenant).0, 429);
        site.home.run(&["limit", "remove", "calm", "--tenant", tenant]);
        let free = site.echo(&text, tenant);
        assert!(is_result(&free) && !free.1.contains("ratelimit"), "{}", free.1);
    }
    // They are there again after a restart.
    site.home.run(&["limit", "set", "calm", "--rate", "1/h"]);
    let text = site.key(&["again"]);
    site.home.run(&["restart"]);
    let site =
        Site { authority: site.home.address().replace("http://", "").replace("/mcp", ""), ..site };
    assert_eq!(site.echo(&text, "default").0, 200);
    assert_eq!(site.echo(&text, "default").0, 429);
    for (args, code) in [
        (&["limit", "set", "x", "--rate", "often"][..], "manage-invalid"),
        (&["limit", "set", "x", "--burst", "5"], "manage-invalid"),
        (&["limit", "remove", "none"], "manage-missing"),
    ] {
        let (actual, _, stderr) = site.try_run(args);
        assert!(actual == 1 && stderr.contains(code), "{stderr}");
    }
}

/// What the check says of a call, and what the call then gets.
#[track_caller]
fn agrees(site: &Site, (key, who): (&str, &str), tenant: &str, tool: &str, expected: bool) {
    let (allowed, explained) = site.check(&["--as", who, "--tenant", tenant, "call", tool]);
    let arguments = match tool {
        "demo__add" => json!({ "a": 1, "b": 2 }),
        _ => json!({ "message": "hello" }),
    };
    let answer = site.call(key, tenant, tool, &arguments);
    assert_eq!(allowed, expected, "{explained}");
    assert_eq!(is_result(&answer), expected, "{who} {tool}: {} {explained}", answer.2);
}

#[test]
fn what_is_said_of_policies_is_what_calls_get() {
    let policy = "@id(\"no-adding\") forbid (principal in Role::\"guest\", action, resource) \
                  when { resource is Tool && resource.name == \"add\" };";
    let site = Site::start(&format!("policy.text = '''{policy}'''\n"));
    let plain = site.key(&["plain", "--tenant", "acme"]);
    let guest = site.key(&["guest", "--tenant", "acme", "--role", "guest"]);
    let narrow = site.key(&["narrow", "--tenant", "acme", "--tool", "demo__ec*"]);
    for (key, who, tool, expected) in [
        (&plain, "plain", "demo__echo", true),
        (&plain, "plain", "demo__add", true),
        (&guest, "guest", "demo__echo", true),
        // By the policy of the configuration.
        (&guest, "guest", "demo__add", false),
        (&narrow, "narrow", "demo__echo", true),
        // By the scopes of the credential.
        (&narrow, "narrow", "demo__add", false),
    ] {
        agrees(&site, (key, who), "acme", tool, expected);
    }
    let (_, said) = site.check(&["--as", "guest", "--tenant", "acme", "call", "demo__add"]);
    let answer = &said["answers"][0];
    assert_eq!(answer["policies"][0]["id"], "no-adding", "{said}");
    assert_eq!(
        answer["policies"][0]["place"],
        json!({ "text": "policy.text", "line": 1, "column": 1 })
    );
    assert_eq!(
        (&said["principal"]["roles"], &said["principal"]["tenant"]),
        (&json!(["guest"]), &json!("acme"))
    );
    let (_, said) = site.check(&["--as", "narrow", "--tenant", "acme", "call", "demo__add"]);
    assert_eq!(said["answers"][0]["scopesInTheWay"], json!(["tool:demo__ec*"]), "{said}");

    // By a policy that the tenant keeps, which looks at arguments.
    let text = "@id(\"no-secrets\") forbid (principal, action, resource == Tool::\"demo/echo\") \
                when { context.arguments.message == \"secret\" };";
    std::fs::write(site.home.path("own.cedar"), text).unwrap();
    site.home.run(&["policy", "set", "own", "own.cedar", "--tenant", "acme"]);
    let ask = |arguments: &str| {
        let args =
            ["--as", "plain", "--tenant", "acme", "call", "demo__echo", "--arguments", arguments];
        site.check(&args)
    };
    for (message, expected) in [("hello", true), ("secret", false)] {
        let arguments = json!({ "message": message });
        let (allowed, said) = ask(&arguments.to_string());
        assert_eq!(allowed, expected, "{said}");
        let answer = site.call(&plain, "acme", "demo__echo", &arguments);
        assert_eq!(is_result(&answer), expected, "{}", answer.2);
    }
    let (_, said) = ask(r#"{"message":"secret"}"#);
    let decided = &said["answers"][0]["policies"][0];
    assert_eq!((&decided["id"], &decided["isOfTenant"]), (&json!("no-secrets"), &json!(true)));
    assert_eq!(decided["place"]["text"], "own", "{said}");
    assert!(ask("{}").1["dependsOnArguments"] == false);
    let (_, said) = site.check(&["--as", "plain", "--tenant", "acme", "call demo__echo"]);
    assert_eq!(said["dependsOnArguments"], true);
}

#[test]
fn other_questions_are_answered_too() {
    let site = Site::start("");
    succeeded("user add", &site.fed(&["user", "add", "ann", "--role", "admin"], "correct horse"));
    let text = site.key(&["ann-key", "--subject", "user:ann"]);
    for (args, expected) in [
        (&["--as", "owner", "spawn"][..], true),
        (&["--as", "user:ann", "manage keys"], true),
        (&["--as", "ann", "spawn"], false),
        (&["--role", "guest", "manage", "keys"], false),
        (&["--role", "guest", "inspect history"], false),
        (&["--role", "guest", "list"], true),
        (&["--role", "guest", "search", "echo"], true),
        (&["--role", "guest", "search", "nothing like this"], false),
        (&["--scope", "server:other", "list"], false),
        (&["--tenant", "default", "call demo__echo"], true),
    ] {
        let (allowed, said) = site.check(args);
        assert_eq!(allowed, expected, "{args:?}: {said}");
    }
    let (_, said) = site.check(&["--role", "guest", "search", "echo"]);
    assert_eq!(said["answers"][0]["about"], "tool demo__echo", "{said}");
    // Who is not let in any more may nothing.
    site.home.run(&["key", "revoke", "ann-key"]);
    let id = site.home.run(&["key", "list", "--json"]);
    let id = serde_json::from_str::<Value>(&id).unwrap()[0]["id"].as_str().unwrap().to_owned();
    let (allowed, said) = site.check(&["--as", &id, "call demo__echo"]);
    assert!(!allowed && said["principal"]["ended"] == "the key has been revoked", "{said}");
    assert_eq!(site.echo(&text, "default").0, 401);
    for (args, code, exit) in [
        (&["--as", "nobody", "list"][..], "manage-missing", 1),
        (&["--as", "owner", "call", "demo__none"], "manage-missing", 1),
        (&["--as", "owner", "dance"], "manage-invalid", 1),
        (&["--as", "owner", "list", "--arguments", "{}"], "manage-invalid", 1),
        (&["--as", "owner", "call x", "--arguments", "[]"], "usage", 2),
        (&["--role", "owner", "list"], "manage-invalid", 1),
        (&["list"], "--as", 2),
    ] {
        let (actual, _, stderr) = site.try_run(&[&["policy", "check"], args].concat());
        assert!(actual == exit && stderr.contains(code), "{args:?}: {actual} {stderr}");
    }
    // Over REST and GraphQL the same, for those who may; and nobody else.
    let wish = json!({ "question": "manage keys", "principal": "user:ann" });
    let owner = site.home.key();
    let rest = site.send("POST /api/v1/explain", &owner, "application/json", &wish.to_string());
    assert_eq!((rest.0, &rest.2["allowed"]), (200, &json!(true)), "{}", rest.2);
    let query = json!({ "query": "query ($it: ExplainInput!) { explain(input: $it) { allowed answers \
        { about policies { id place { text } } } } }", "variables": { "it": wish } });
    let graph = site.send("POST /graphql", &owner, "application/json", &query.to_string());
    let said = &graph.2["data"]["explain"];
    assert_eq!(
        (&said["allowed"], &said["answers"][0]["policies"][0]["id"]),
        (&json!(true), &json!("admin")),
        "{}",
        graph.2
    );
    let member = site.key(&["member"]);
    assert_eq!(
        site.send("POST /api/v1/explain", &member, "application/json", &wish.to_string()).0,
        403
    );
}
