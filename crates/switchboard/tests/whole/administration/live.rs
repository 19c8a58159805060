//! What happens, as those see it who watch: subscriptions of GraphQL and the activity feed.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpStream;
use std::time::Instant;

use serde_json::{Value, json};

use super::{As, Demo, Site};
use crate::common::{Home, PATIENCE, kill_9, wait};

/// A stream of events, read as it comes.
struct Events {
    lines: BufReader<TcpStream>,
}

/// One event: `id`, `event` and the data.
#[derive(Debug)]
struct Event {
    id: Option<String>,
    name: Option<String>,
    data: Value,
}

impl Events {
    fn open(site: &Site, who: As<'_>, head: &str, body: &str) -> Self {
        let who = match who {
            As::Nobody => String::new(),
            As::Key(key) => format!("X-API-Key: {key}\r\n"),
            As::Token(token) => format!("Authorization: Bearer {token}\r\n"),
        };
        let mut stream = TcpStream::connect(&site.authority).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let (request, headers) = head.split_once('\n').unwrap_or((head, ""));
        // Of 1.0, so that the body comes as it is.
        let text = format!(
            "{request} HTTP/1.0\r\nHost: {}\r\n{who}{headers}Accept: text/event-stream\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            site.authority,
            body.len()
        );
        stream.write_all(text.as_bytes()).unwrap();
        let mut lines = BufReader::new(stream);
        let mut line = String::new();
        lines.read_line(&mut line).unwrap();
        assert!(line.contains(" 200 "), "{request}: {line}");
        while line != "\r\n" {
            line.clear();
            assert_ne!(lines.read_line(&mut line).unwrap(), 0, "{request}");
        }
        Self { lines }
    }

    fn subscribe(site: &Site, who: As<'_>, path: &str, query: &str) -> Self {
        let body = json!({ "query": format!("subscription {{ {query} }}") }).to_string();
        let mut events = Self::open(site, who, &format!("POST {path}"), &body);
        // It listens.
        let mut line = String::new();
        events.lines.read_line(&mut line).unwrap();
        assert_eq!(line, ":\n");
        events
    }

    /// The feed of a tenant, after its opening; what was missed comes with it.
    fn feed(site: &Site, who: As<'_>, tenant: &str, last: Option<&str>) -> (Self, Vec<Event>) {
        let last = last.map(|id| format!("\nLast-Event-ID: {id}\r\n")).unwrap_or_default();
        let mut events = Self::open(site, who, &format!("GET /{tenant}/sse{last}"), "");
        let first = events.next().unwrap();
        assert_eq!(first.name.as_deref(), Some("connected"));
        let mut missed = Vec::new();
        loop {
            let event = events.next().unwrap();
            if event.data["method"] == "initialize" && event.id.is_none() {
                return (events, missed);
            }
            missed.push(event);
        }
    }

    /// The next event that is not for keeping the connection; `None` where the stream has ended.
    fn next(&mut self) -> Option<Event> {
        let deadline = Instant::now() + PATIENCE;
        let mut event = Event { id: None, name: None, data: Value::Null };
        loop {
            assert!(Instant::now() < deadline, "waited in vain for an event");
            let mut line = String::new();
            if self.lines.read_line(&mut line).unwrap() == 0 {
                return None;
            }
            match line.trim_end().split_once(": ") {
                Some(("id", id)) => event.id = Some(id.to_owned()),
                Some(("event", name)) => event.name = Some(name.to_owned()),
                Some(("data", data)) => event.data = serde_json::from_str(data).unwrap(),
                _ if line.trim_end().is_empty()
                    && !event.data.is_null()
                    && event.name.as_deref() != Some("heartbeat") =>
                {
                    return Some(event);
                }
                _ if line.trim_end().is_empty() => event.name = None,
                _ => {}
            }
        }
    }

    /// The next item of a subscription.
    #[track_caller]
    fn item(&mut self) -> Value {
        let event = self.next().expect("the subscription has not ended");
        assert_eq!(event.name.as_deref(), Some("next"), "{event:?}");
        let data = event.data["data"].as_object().unwrap_or_else(|| panic!("{event:?}"));
        data.values().next().unwrap().clone()
    }

    /// The next activity.
    #[track_caller]
    fn activity(&mut self) -> (String, Value) {
        let event = self.next().expect("the feed has not ended");
        assert_eq!((event.name, &event.data["type"]), (None, &json!("mcp_activity")));
        (event.id.unwrap(), event.data)
    }
}

/// Two tenants with the demonstration server, and people who use it.
fn settled() -> (Site, Demo) {
    let (site, demo) = (Site::start(), Demo::start());
    for (tenant, name) in [("acme", "ann"), ("acme", "bob"), ("other", "ann")] {
        site.add_user(tenant, name, &["admin"]);
    }
    for tenant in ["acme", "other"] {
        let server = json!({ "definition": { "http": { "url": demo.1 } } });
        let request = format!("PUT /{tenant}/api/v1/servers/demo");
        let (status, answer) = site.ask(site.owner(), &request, &server);
        assert!([200, 201].contains(&status), "{status} {answer}");
    }
    (site, demo)
}

/// Calls `echo` of a tenant over `path`.
#[track_caller]
fn echo(site: &Site, who: As<'_>, path: &str, message: &str) {
    let params = json!({ "name": "demo__echo", "arguments": { "message": message } });
    let body = json!({ "jsonrpc": "2.0", "id": 7, "method": "tools/call", "params": params });
    let (status, answer) = site.ask(who, &format!("POST {path}"), &body);
    assert!(status == 200 && answer["result"]["content"].is_array(), "{status} {answer}");
}

#[test]
fn a_subscription_sees_calls_and_the_crash_of_a_server() {
    let program = env!("CARGO_BIN_EXE_switchboard");
    let upstream =
        format!("[upstream.demo]\nstdio = {{ command = {program:?}, args = [\"demo\"] }}\n");
    let home = Home::new(&upstream);
    home.start();
    let site = Site::of(home);
    site.home.wait_for("demo", "ready");
    let query = "calls { name status subject upstream endpoint attempt cache duration }";
    let mut calls = Events::subscribe(&site, site.owner(), "/graphql", query);
    let mut states = Events::subscribe(
        &site,
        site.owner(),
        "/graphql",
        "serverStates(name: \"demo\") { name state transport }",
    );
    let mut changes = Events::subscribe(&site, site.owner(), "/graphql", "events { area }");
    site.home.call("demo__echo", &json!({ "message": "hello" }));
    let call = calls.item();
    assert_eq!((&call["name"], &call["status"]), (&json!("demo__echo"), &json!("completed")));
    assert_eq!((&call["upstream"], &call["endpoint"]), (&json!("demo"), &json!("demo")));
    assert_eq!((&call["attempt"], &call["cache"]), (&json!(1), &json!("none")));
    assert!(call["duration"].as_i64().unwrap() > 0, "{call}");

    let pid = site.home.status()["upstreams"][0]["pid"].as_u64().unwrap();
    kill_9(u32::try_from(pid).unwrap());
    let mut seen = Vec::new();
    while seen.last().map(String::as_str) != Some("OPEN") {
        let state = states.item();
        assert_eq!((&state["name"], &state["transport"]), (&json!("demo"), &json!("stdio")));
        seen.push(state["state"].as_str().unwrap().to_owned());
    }
    assert!(seen.iter().any(|state| state == "WAITING"), "{seen:?}");

    site.home.configure(&upstream.replace("upstream.demo", "upstream.other"));
    site.home.run(&["reload"]);
    let mut areas = Vec::new();
    while !["servers", "policies", "cache"].iter().all(|area| areas.contains(area)) {
        let area = changes.item()["area"].as_str().unwrap().to_owned();
        areas.push(["servers", "policies", "cache"].into_iter().find(|it| *it == area).unwrap());
    }
}

#[test]
fn nobody_sees_what_happens_in_another_tenant() {
    let (site, _demo) = settled();
    let (ann, other) = (site.token("acme", "ann"), site.token("other", "ann"));
    let (ann, other) = (As::Token(&ann), As::Token(&other));
    let query = "calls { partitionKey name subject arguments }";
    let mut own = Events::subscribe(&site, ann, "/acme/graphql", query);
    let mut others = Events::subscribe(&site, other, "/other/graphql", query);
    let mut roots = Events::subscribe(&site, site.owner(), "/graphql", query);
    let mut changes = Events::subscribe(&site, other, "/other/graphql", "events { area }");
    echo(&site, ann, "/acme/mcp", "mine");
    let call = own.item();
    assert_eq!((&call["partitionKey"], &call["subject"]), (&json!("acme"), &json!("user:ann")));
    assert_eq!(call["arguments"], json!({ "message": "mine" }));
    // What comes first to the others is what happens in their own.
    site.add_user("acme", "carl", &[]);
    echo(&site, other, "/other/mcp", "theirs");
    assert_eq!(others.item()["arguments"], json!({ "message": "theirs" }));
    let wish = json!({ "name": "robot" });
    assert_eq!(site.ask(other, "POST /other/api/v1/keys", &wish).0, 201);
    // Before it may come that lists were read; of the other's users nothing does.
    let areas = std::iter::repeat_with(|| changes.item()["area"].clone());
    let areas: Vec<Value> = areas.take_while(|area| area != "keys").collect();
    assert!(areas.iter().all(|area| area == "cache"), "{areas:?}");
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call",
        "params": { "name": "nothing" } });
    assert_eq!(site.ask(site.owner(), "POST /default/mcp", &body).0, 200);
    assert_eq!(roots.item()["name"], "nothing");
}

#[test]
fn the_feed_shows_calls_over_every_listener_to_who_made_them() {
    let (site, _demo) = settled();
    let tokens = [("acme", "ann"), ("acme", "bob"), ("other", "ann")]
        .map(|(tenant, name)| site.token(tenant, name));
    let [ann, bob, other] = tokens.each_ref().map(|token| As::Token(token));
    let (mut feed, _) = Events::feed(&site, ann, "acme", None);
    let (mut bobs, _) = Events::feed(&site, bob, "acme", None);
    let (mut others, _) = Events::feed(&site, other, "other", None);

    let secret = format!("sk-{}", "a1".repeat(20));
    echo(&site, ann, "/acme/mcp", &format!("hello {secret}"));
    let (last, shown) = feed.activity();
    assert_eq!(shown["method"], "tools/call");
    assert_eq!(shown["request"]["method"], "tools/call");
    assert_eq!(shown["request"]["params"]["name"], "demo__echo");
    assert_eq!(shown["request"]["params"]["arguments"]["message"], "hello [redacted]");
    assert_eq!(shown["response"]["result"]["content"][0]["text"], "hello [redacted]");
    assert!(shown["timestamp"].is_string() && shown["id"].is_u64(), "{shown}");
    assert!(!shown.to_string().contains("a1a1"), "{shown}");

    // What is posted to the feed is shown once, as it was posted, and what fails is shown too.
    echo(&site, ann, "/acme/sse", "posted");
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call",
        "params": { "name": "nothing" } });
    site.ask(ann, "POST /acme/mcp", &body);
    let (_, posted) = feed.activity();
    assert_eq!((&posted["request"]["id"], &posted["response"]["id"]), (&json!(7), &json!(7)));
    assert_eq!(posted["request"]["params"]["arguments"]["message"], "posted");
    let (_, failed) = feed.activity();
    assert_eq!(failed["request"]["params"]["name"], "nothing");
    assert!(failed["response"]["error"]["message"].is_string(), "{failed}");

    // The others have seen nothing of all that.
    for (who, path, heard) in [(bob, "/acme/mcp", &mut bobs), (other, "/other/mcp", &mut others)] {
        echo(&site, who, path, "own");
        let (_, shown) = heard.activity();
        assert_eq!(shown["request"]["params"]["arguments"]["message"], "own");
    }

    // Who comes back hears what was missed, and nothing of others.
    drop(feed);
    echo(&site, ann, "/acme/mcp", "meanwhile");
    echo(&site, bob, "/acme/mcp", "bob's");
    let (mut feed, missed) = Events::feed(&site, ann, "acme", Some(&last));
    let messages: Vec<_> = missed
        .iter()
        .map(|event| event.data["request"]["params"]["arguments"]["message"].as_str())
        .collect();
    assert_eq!(messages, [Some("posted"), None, Some("meanwhile")]);
    echo(&site, ann, "/acme/mcp", "again");
    assert_eq!(feed.activity().1["request"]["params"]["arguments"]["message"], "again");
}

/// Calls that fill what the network holds for a client that does not read (some ten megabytes of
/// buffers on Linux), and then its queue.
const MANY: usize = 600;

#[test]
fn a_slow_client_of_the_feed_is_dropped_with_the_reason() {
    let (site, _demo) = settled();
    let token = site.token("acme", "ann");
    let ann = As::Token(&token);
    let (mut slow, _) = Events::feed(&site, ann, "acme", None);
    let message = "x".repeat(28_000);
    for _ in 0..MANY {
        echo(&site, ann, "/acme/mcp", &message);
    }
    let mut last = None;
    let mut shown = 0;
    while let Some(event) = slow.next() {
        shown += usize::from(event.name.is_none());
        last = Some(event);
    }
    let last = last.unwrap();
    assert_eq!((last.name.as_deref(), &last.data["reason"]), (Some("dropped"), &json!("slow")));
    assert!(shown < MANY, "{shown}");
    // Nothing of it is left, and whoever comes again goes on.
    let (mut again, _) = Events::feed(&site, ann, "acme", None);
    echo(&site, ann, "/acme/mcp", "on");
    assert_eq!(again.activity().1["request"]["params"]["arguments"]["message"], "on");
    let facts = site.ask(ann, "GET /acme", &Value::Null).1;
    assert_eq!(facts["sse_stats"]["total_clients"], 1, "{facts}");
}

#[test]
fn a_record_says_which_endpoint_answered() {
    let demo = Demo::start();
    // Nobody listens on a port that was free a moment ago.
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let home = Home::new(&format!(
        "egress.allow = [\"127.0.0.1\"]\n[upstream.pair]\nbalance = \"round_robin\"\nendpoints = [\n  \
         {{ http = {{ url = \"http://{nobody}/mcp\" }} }},\n  {{ http = {{ url = {:?} }} }},\n]\n",
        demo.1
    ));
    home.start();
    home.wait_for("pair", "ready");
    for _ in 0..4 {
        home.call("pair__echo", &json!({ "message": "hello" }));
    }
    let listed: Value = serde_json::from_str(&home.run(&["history", "--json"])).unwrap();
    let calls = listed["calls"].as_array().unwrap();
    assert_eq!(calls.len(), 4);
    for call in calls {
        assert_eq!((&call["upstream"], &call["endpoint"]), (&json!("pair"), &json!("pair.2")));
        assert!([1, 2].contains(&call["attempt"].as_i64().unwrap()), "{call}");
        assert_eq!(call["cache"], "none");
    }
    let shown = home.run(&["history", "show", calls[0]["id"].as_str().unwrap()]);
    assert!(shown.contains("endpoint  pair.2\nattempt   "), "{shown}");
    // One that goes to nobody was not tried.
    let _ = home.switchboard(&["call", "pair__nothing", "{}"]).output().unwrap();
    let listed: Value = serde_json::from_str(&home.run(&["history", "--json"])).unwrap();
    let refused = &listed["calls"][0];
    assert_eq!((&refused["name"], &refused["attempt"]), (&json!("pair__nothing"), &json!(0)));
    assert_eq!((&refused["endpoint"], &refused["cache"]), (&Value::Null, &Value::Null));
}

#[test]
fn tokens_that_are_over_are_let_go_of() {
    let home = Home::new("");
    let row = |id: &str, until: &str| {
        let row = json!({ "id": id, "body": {}, "until": until });
        json!({ "table": "switchboard_tokens", "tenant": "acme", "row": row }).to_string()
    };
    let lines = [
        json!({ "format": "switchboard-store", "version": 1 }).to_string(),
        row("jti:over", "2026-01-01T00:00:00.000000Z"),
        row("jti:still", "2999-01-01T00:00:00.000000Z"),
        json!({ "end": { "rows": 2, "blobs": 0 } }).to_string(),
    ];
    std::fs::write(home.path("kept.jsonl"), lines.join("\n") + "\n").unwrap();
    home.run(&["store", "import", "kept.jsonl"]);
    assert!(home.run(&["store", "export"]).contains("jti:over"));
    home.start();
    wait("the token to be let go of", || !home.run(&["store", "export"]).contains("jti:over"));
    assert!(home.run(&["store", "export"]).contains("jti:still"));
}
