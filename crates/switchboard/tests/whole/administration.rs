//! Tenants that are managed while the daemon runs: by programs that were written for the older
//! engine, and by those that know ours.

mod live;

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};

use crate::common::{Home, wait};

/// A daemon that may be sent to this machine, and somebody who talks to it.
struct Site {
    home: Home,
    authority: String,
    key: String,
}

/// How a request says who sends it.
#[derive(Clone, Copy)]
enum As<'a> {
    Nobody,
    Key(&'a str),
    Token(&'a str),
}

impl Site {
    fn start() -> Self {
        let home = Home::new("egress.allow = [\"127.0.0.1\"]\n");
        home.start();
        Self::of(home)
    }

    /// One that runs already.
    fn of(home: Home) -> Self {
        let authority = home.address().replace("http://", "").replace("/mcp", "");
        let key = home.key();
        Self { home, authority, key }
    }

    fn owner(&self) -> As<'_> {
        As::Key(&self.key)
    }

    /// Sends a request with a body of JSON; status and answer.
    fn ask(&self, who: As<'_>, request: &str, body: &Value) -> (u16, Value) {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        self.send(who, request, "application/json", &body)
    }

    fn send(&self, who: As<'_>, request: &str, kind: &str, body: &str) -> (u16, Value) {
        let who = match who {
            As::Nobody => String::new(),
            As::Key(key) => format!("X-API-Key: {key}\r\n"),
            As::Token(token) => format!("Authorization: Bearer {token}\r\n"),
        };
        let mut stream = TcpStream::connect(&self.authority).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        let text = format!(
            "{request} HTTP/1.1\r\nHost: {}\r\n{who}Content-Type: {kind}\r\nConnection: close\r\n\
             Content-Length: {}\r\n\r\n{body}",
            self.authority,
            body.len()
        );
        stream.write_all(text.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let status = answer.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap();
        let body = answer.split_once("\r\n\r\n").unwrap().1;
        (status, serde_json::from_str(body).unwrap_or(Value::String(body.to_owned())))
    }

    #[track_caller]
    fn graphql(&self, who: As<'_>, tenant: &str, query: &str, variables: &Value) -> Value {
        let body = json!({ "query": query, "variables": variables });
        let (status, answer) = self.ask(who, &format!("POST /{tenant}/mcp_core_graphql"), &body);
        assert_eq!(status, 200, "{answer}");
        answer
    }

    /// Logs in as the older engine wants it.
    #[track_caller]
    fn log_in(&self, tenant: &str, name: &str, password: &str) -> (u16, Value) {
        let form = format!("username={name}&password={password}");
        let request = format!("POST /{tenant}/auth/token");
        self.send(As::Nobody, &request, "application/x-www-form-urlencoded", &form)
    }

    fn add_user(&self, tenant: &str, name: &str, roles: &[&str]) {
        let user = json!({ "password": "correct horse", "roles": roles });
        let request = format!("PATCH /{tenant}/api/v1/users/{name}");
        let (status, answer) = self.ask(self.owner(), &request, &user);
        assert!([200, 201].contains(&status), "{status} {answer}");
    }

    fn token(&self, tenant: &str, name: &str) -> String {
        let (status, answer) = self.log_in(tenant, name, "correct%20horse");
        assert_eq!(status, 200, "{answer}");
        assert_eq!(answer["token_type"], "bearer");
        answer["access_token"].as_str().unwrap().to_owned()
    }

    fn call(&self, who: As<'_>, tenant: &str, tool: &str) -> (u16, Value) {
        let params = json!({ "name": tool, "arguments": { "message": "hello" } });
        let body = json!({ "jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": params });
        self.ask(who, &format!("POST /{tenant}/mcp"), &body)
    }
}

/// The demonstration server over HTTP, until it is dropped.
pub(crate) struct Demo(Child, pub(crate) String);

impl Demo {
    pub(crate) fn start() -> Self {
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

#[test]
fn a_client_of_the_older_engine_finds_everything() {
    let (site, demo) = (Site::start(), Demo::start());
    site.add_user("acme", "ann", &["admin"]);
    assert_eq!(site.log_in("acme", "ann", "wrong").0, 401);
    assert_eq!(site.log_in("acme", "nobody", "wrong").0, 401);
    let token = site.token("acme", "ann");
    let ann = As::Token(&token);
    let (status, me) = site.ask(ann, "GET /acme/me", &Value::Null);
    assert_eq!((status, me["username"].as_str()), (200, Some("ann")), "{me}");

    // The configuration is loaded, from a server that others run.
    let sync = "mutation ($url: String!) { syncExternalMcpServer(serverName: \"demo\", baseUrl: $url, updatedBy: \"ann\") \
                { ok message stats { tools } } }";
    let answer = site.graphql(ann, "acme", sync, &json!({ "url": demo.1 }));
    assert_eq!(answer["data"]["syncExternalMcpServer"]["ok"], true, "{answer}");
    let list =
        "{ mcpFunctionList(mcpType: \"tool\") { total mcpFunctionList { name moduleName } } }";
    let functions = &site.graphql(ann, "acme", list, &json!({}))["data"]["mcpFunctionList"];
    assert_eq!(functions["total"], 4, "{functions}");
    let manifest = json!({ "settings": {}, "tools": [{ "name": "later", "description": "x",
        "inputSchema": { "type": "object" } }], "module_links": [{ "type": "tool", "name": "later",
        "module_name": "m", "class_name": "C", "function_name": "f" }],
        "modules": [{ "package_name": "p", "module_name": "m", "class_name": "C",
        "setting": { "apiKey": "hush" } }] });
    let load = "mutation ($it: JSONCamelCase) { loadMcpConfiguration(mcpConfiguration: $it, updatedBy: \"ann\") { ok } }";
    let answer = site.graphql(ann, "acme", load, &json!({ "it": manifest }));
    assert_eq!(answer["data"]["loadMcpConfiguration"]["ok"], true, "{answer}");

    // A call, by a single request.
    let (status, answer) = site.call(ann, "acme", "demo__echo");
    assert_eq!(
        (status, &answer["result"]["content"][0]["text"]),
        (200, &json!("hello")),
        "{answer}"
    );
    let calls = "{ mcpFunctionCallList(pageNumber: 1, limit: 5) { total mcpFunctionCallList \
                 { mcpFunctionCallUuid name status arguments updatedBy } } }";
    wait("the call to be on record", || {
        let answer = site.graphql(ann, "acme", calls, &json!({}));
        let count = answer["data"]["mcpFunctionCallList"]["total"].as_i64().unwrap_or_default();
        count == 1
    });
    let kept = std::mem::take(
        &mut site.graphql(ann, "acme", calls, &json!({}))["data"]["mcpFunctionCallList"]["mcpFunctionCallList"]
            [0],
    );
    assert_eq!(kept["name"], "demo__echo");
    assert_eq!(kept["arguments"], json!({ "message": "hello" }));
    assert_eq!(kept["mcpFunctionCallUuid"].as_str().unwrap().len(), 20);

    // The cache is looked at, filled and purged.
    let (status, facts) = site.ask(ann, "GET /acme", &Value::Null);
    assert_eq!((status, facts["partition_key"].as_str()), (200, Some("acme")), "{facts}");
    for request in ["GET /acme/admin/cache/status", "POST /acme/admin/cache/refresh"] {
        assert_eq!(site.ask(ann, request, &json!({})).0, 200, "{request}");
    }
    assert_eq!(site.ask(ann, "DELETE /acme/admin/cache", &Value::Null).0, 200);
    assert_eq!(site.call(ann, "acme", "demo__echo").0, 200, "it is filled again");

    // What is posted to the feed is answered.
    let ping = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list" });
    let (status, answer) = site.ask(ann, "POST /acme/sse", &ping);
    assert_eq!(status, 200);
    assert!(answer.to_string().contains("demo__echo"), "{answer}");
}

#[test]
fn nobody_reaches_another_tenant() {
    let (site, demo) = (Site::start(), Demo::start());
    for tenant in ["acme", "other"] {
        site.add_user(tenant, "ann", &["admin"]);
        let server = json!({ "definition": { "http": { "url": demo.1 } } });
        let request = format!("PUT /{tenant}/api/v1/servers/mine");
        let (status, answer) = site.ask(site.owner(), &request, &server);
        assert!([200, 201].contains(&status), "{status} {answer}");
    }
    let wish = json!({ "name": "robot", "roles": ["admin"] });
    let (status, made) = site.ask(site.owner(), "POST /acme/api/v1/keys", &wish);
    assert_eq!(status, 201, "{made}");
    let key = made["text"].as_str().unwrap().to_owned();
    let token = site.token("acme", "ann");
    let requests = [
        ("POST /TENANT/mcp", json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list" })),
        ("POST /TENANT/sse", json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list" })),
        ("GET /TENANT/sse", Value::Null),
        ("GET /TENANT/me", Value::Null),
        ("GET /TENANT", Value::Null),
        ("POST /TENANT/mcp_core_graphql", json!({ "query": "{ mcpFunctionList { total } }" })),
        ("GET /TENANT/api/v1/calls", Value::Null),
        ("GET /TENANT/api/v1/keys", Value::Null),
        ("PUT /TENANT/api/v1/servers/x", json!({ "definition": { "http": { "url": demo.1 } } })),
        ("POST /TENANT/admin/cache/refresh", json!({})),
        ("DELETE /TENANT/admin/cache", Value::Null),
    ];
    for who in [As::Token(&token), As::Key(&key)] {
        for (request, body) in &requests {
            for tenant in ["other", "default", "acme2"] {
                let (status, answer) = site.ask(who, &request.replace("TENANT", tenant), body);
                assert_eq!(status, 401, "{request} of {tenant}: {answer}");
            }
            // The stream is opened below.
            if !request.starts_with("GET /TENANT/sse") {
                let (status, answer) = site.ask(who, &request.replace("TENANT", "acme"), body);
                assert!(status < 400, "{request}: {status} {answer}");
            }
        }
        assert_eq!(site.ask(who, "POST /mcp", &requests[0].1).0, 401, "nor the root");
        assert_eq!(site.ask(who, "GET /metrics", &Value::Null).0, 401);
        assert_eq!(site.ask(who, "DELETE /admin/cache", &Value::Null).0, 401);
    }
    // A key that is taken back lets nobody in.
    let id = made["key"]["id"].as_str().unwrap();
    let request = format!("DELETE /acme/api/v1/keys/{id}");
    assert!(site.ask(site.owner(), &request, &Value::Null).0 < 300);
    assert_eq!(site.call(As::Key(&key), "acme", "mine__echo").0, 401);
}

#[test]
fn a_member_uses_and_manages_nothing() {
    let (site, demo) = (Site::start(), Demo::start());
    site.add_user("acme", "bob", &[]);
    site.add_user("acme", "ann", &["admin"]);
    let server = json!({ "definition": { "http": { "url": demo.1 } } });
    let (bob, ann) = (site.token("acme", "bob"), site.token("acme", "ann"));
    let (bob, ann) = (As::Token(&bob), As::Token(&ann));
    assert_eq!(site.ask(bob, "PUT /acme/api/v1/servers/mine", &server).0, 403);
    assert!(site.ask(ann, "PUT /acme/api/v1/servers/mine", &server).0 < 300);
    // Nobody of a tenant starts programs.
    let program = json!({ "definition": { "stdio": { "command": "/bin/true" } } });
    assert_eq!(site.ask(ann, "PUT /acme/api/v1/servers/run", &program).0, 403);
    let hidden =
        json!({ "definition": { "endpoints": [{ "stdio": { "command": "/bin/true" } }] } });
    assert_eq!(site.ask(ann, "PUT /acme/api/v1/servers/run", &hidden).0, 403);
    assert_eq!(site.call(bob, "acme", "mine__echo").0, 200);
    for request in ["GET /acme/api/v1/keys", "GET /acme/api/v1/users", "GET /acme/api/v1/calls"] {
        assert_eq!(site.ask(bob, request, &Value::Null).0, 403, "{request}");
    }
    // A policy of the tenant takes the tool away, and its mistakes are said.
    let policy = json!({ "text": "forbid (principal, action, resource == Tool::\"mine/echo\");" });
    assert_eq!(site.ask(ann, "PUT /acme/api/v1/policies/p", &json!({ "text": "forbid" })).0, 400);
    assert!(site.ask(ann, "PUT /acme/api/v1/policies/p", &policy).0 < 300);
    wait("the policy to hold", || site.call(bob, "acme", "mine__echo").1["error"].is_object());
    let (_, list) = site.ask(
        bob,
        "POST /acme/mcp",
        &json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list" }),
    );
    assert!(!list.to_string().contains("mine__echo") && list.to_string().contains("mine__add"));
    assert!(site.home.run(&["status"]).contains("ready"));
}
