//! Function bundles, as people write them and as clients meet them.

mod pushed;

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::common::{Home, peers, succeeded, wait};

/// Writes a bundle whose one module is `code`, with `t` as its one tool.
pub(crate) fn write(home: &Home, name: &str, code: &str, more: &str) {
    let directory = home.path(name);
    std::fs::create_dir_all(&directory).unwrap();
    let manifest = format!(
        "name = \"{name}\"\n{more}\n[python]\n[[tool]]\nname = \"t\"\ndescription = \"d\"\n\
         entry = \"code:t\"\ninput = {{ type = \"object\" }}\n"
    );
    std::fs::write(directory.join("code.py"), code).unwrap();
    std::fs::write(directory.join("switchboard.toml"), manifest).unwrap();
}

/// The text of the result of `t`.
#[track_caller]
pub(crate) fn text(home: &Home, tool: &str) -> String {
    let result = home.call(tool, &json!({}));
    result["content"][0]["text"].as_str().unwrap_or_default().to_owned()
}

/// What the daemon says of a bundle.
pub(crate) fn listed(home: &Home, name: &str) -> Value {
    let list: Value = serde_json::from_str(&home.run(&["bundle", "list", "--json"])).unwrap();
    let mut bundles = list.as_array().unwrap().iter();
    bundles.find(|bundle| bundle["name"] == name).cloned().unwrap_or_default()
}

pub(crate) const OLDER: &str = r#"{
  "tools": [
    { "name": "hello", "description": "Says hello", "annotations": "",
      "inputSchema": { "type": "object", "required": ["name"],
        "properties": { "name": { "type": "string" } } } },
    { "name": "add_numbers", "description": "Adds two numbers",
      "inputSchema": { "type": "object", "required": ["a", "b"],
        "properties": { "a": { "type": "number" }, "b": { "type": "number" } } } }
  ],
  "resources": [{ "uri": "demo://motd", "name": "motd", "mimeType": "text/plain" }],
  "prompts": [{ "name": "greet", "arguments": [{ "name": "who", "required": true }] }],
  "module_links": [
    { "type": "tool", "name": "hello", "module_name": "demo", "class_name": "Demo",
      "function_name": "hello", "return_type": "text" },
    { "type": "tool", "name": "add_numbers", "module_name": "demo", "class_name": "Demo",
      "function_name": "add_numbers", "return_type": "text" },
    { "type": "resource", "name": "motd", "module_name": "demo", "class_name": "Demo",
      "function_name": "read_resource" },
    { "type": "prompt", "name": "greet", "module_name": "demo", "class_name": "Demo",
      "function_name": "get_prompt" }
  ],
  "modules": [{ "package_name": "demo", "module_name": "demo", "class_name": "Demo",
    "setting": { "greeting": "Hello" } }]
}"#;

pub(crate) const DEMO: &str = "
class Demo:
    def __init__(self, logger, **setting):
        self.greeting = setting['greeting']
    def hello(self, name):
        return f'{self.greeting} {name}!'
    def add_numbers(self, a, b):
        return {'result': a + b}
    def read_resource(self, uri):
        return f'what is at {uri}'
    def get_prompt(self, name, **arguments):
        return f'{name} {arguments[\"who\"]}'
";

pub(crate) const CLIENT: &str = "
import asyncio, sys
from mcp import ClientSession
from mcp.client.streamable_http import streamablehttp_client

async def main(address, key):
    headers = {'Authorization': f'Bearer {key}'}
    async with streamablehttp_client(address, headers=headers) as (read, write, _):
        async with ClientSession(read, write) as session:
            await session.initialize()
            print(*sorted(tool.name for tool in (await session.list_tools()).tools))
            for name, arguments in [('hello', {'name': 'Ann'}), ('add_numbers', {'a': 1, 'b': 2})]:
                result = await session.call_tool(name, arguments)
                print(result.content[0].text, result.isError)
            resources = await session.list_resources()
            print((await session.read_resource(resources.resources[0].uri)).contents[0].text)
            prompt = await session.get_prompt('greet', {'who': 'Bo'})
            print(prompt.messages[0].content.text)

asyncio.run(main(*sys.argv[1:]))
";

#[test]
fn a_bundle_of_the_older_engine_is_called_by_the_python_sdk() {
    let home = Home::new("");
    let directory = home.path("demo-source/demo");
    std::fs::create_dir_all(&directory).unwrap();
    std::fs::write(directory.join("__init__.py"), DEMO).unwrap();
    std::fs::write(home.path("demo-source/mcp_configuration.json"), OLDER).unwrap();
    home.run(&["bundle", "pack", "demo-source", "--output", "demo.zip"]);
    home.configure("[bundle.demo]\nsource = \"demo.zip\"\n");
    home.start();
    let python = peers().join("python-mcp1/bin/python");
    let output =
        home.command(python).args(["-c", CLIENT, &home.address(), &home.key()]).output().unwrap();
    let said = succeeded("the client", &output);
    let expected = "add_numbers hello\nHello Ann! False\n{\"result\": 3} False\n\
                    what is at demo://motd\ngreet Bo\n";
    assert_eq!(said, expected);
}

#[test]
fn what_is_saved_is_served_and_what_is_broken_is_not() {
    let home = Home::new("[bundle.b]\nsource = \"b\"\n");
    write(&home, "b", "def t(): return 'one'\n", "");
    home.start();
    assert_eq!(text(&home, "b__t"), "one");
    write(&home, "b", "def t(): return 'another'\n", "");
    wait("the new version", || text(&home, "b__t") == "another");
    for (code, more, part) in [
        ("def t(: return 1\n", "", "SyntaxError"),
        ("def u(): return 1\n", "", "`t` names `t`, which is not in `code`"),
        ("def t(): return 'third'\n", "colour = 1", "unknown key `colour`"),
        (
            "def t(): return 'third'\n",
            "[settings.x]\nrequired = true",
            "the setting `x` is missing",
        ),
    ] {
        write(&home, "b", code, more);
        wait(part, || listed(&home, "b")["problem"].to_string().contains(part));
        assert_eq!(text(&home, "b__t"), "another", "with {part}");
    }
    write(&home, "b", "def t(): return 'good again'\n", "");
    wait("the good one", || text(&home, "b__t") == "good again");
    assert_eq!(listed(&home, "b")["problem"], Value::Null);
    // The file is gone for a moment, as it is while somebody replaces it.
    std::fs::rename(home.path("b"), home.path("away")).unwrap();
    wait("the loss", || listed(&home, "b")["problem"].to_string().contains("cannot be read"));
    assert_eq!(text(&home, "b__t"), "good again");
}

/// A bundle that never worked does not keep the daemon from starting.
#[test]
fn a_bundle_that_cannot_be_served_says_why() {
    let home = Home::new("[bundle.none]\nsource = \"nowhere.zip\"\n[bundle.b]\nsource = \"b\"\n");
    write(&home, "b", "def t(): return 'good'\n", "");
    home.start();
    assert_eq!(text(&home, "b__t"), "good");
    let problem = listed(&home, "none")["problem"].as_str().unwrap().to_owned();
    assert!(problem.contains("nowhere.zip") && problem.contains("No such file"), "{problem}");
    assert!(!home.switchboard(&["health"]).status().unwrap().success());
}

/// One POST on a connection of its own.
fn post(authority: &str, key: &str, tool: &str) -> Value {
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {
        "name": tool, "arguments": {}, "_meta": {
            "io.modelcontextprotocol/protocolVersion": "2026-07-28",
            "io.modelcontextprotocol/clientInfo": { "name": "test", "version": "1" },
            "io.modelcontextprotocol/clientCapabilities": {} } } })
    .to_string();
    let request = format!(
        "POST /mcp HTTP/1.1\r\nHost: {authority}\r\nAuthorization: Bearer {key}\r\n\
         Accept: application/json, text/event-stream\r\nContent-Type: application/json\r\n\
         MCP-Protocol-Version: 2026-07-28\r\nMcp-Method: tools/call\r\nMcp-Name: {tool}\r\n\
         Connection: close\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let mut stream = TcpStream::connect(authority).unwrap();
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let body = answer.split_once("\r\n\r\n").unwrap().1;
    serde_json::from_str(body.trim()).unwrap_or_else(|_| panic!("{answer}"))
}

/// Each version says its number from two modules, one of them read while the call runs.
fn write_version(home: &Home, number: usize) {
    let staged = home.path("staged");
    std::fs::create_dir_all(&staged).unwrap();
    let code = format!(
        "import time\nONE = {number}\ndef t():\n    time.sleep(0.01)\n    import late\n    \
         return f'{{ONE}} {{late.TWO}}'\n"
    );
    let write = |name: &str, text: String| std::fs::write(staged.join(name), text).unwrap();
    write("code.py", code);
    write("late.py", format!("TWO = {number}\n"));
    write(
        "switchboard.toml",
        "name = \"b\"\n[python]\n[[tool]]\nname = \"t\"\ndescription = \"d\"\nentry = \"code:t\"\n"
            .to_owned(),
    );
    home.run(&["bundle", "pack", "staged", "--output", "next.zip"]);
    std::fs::rename(home.path("next.zip"), home.path("b.zip")).unwrap();
}

#[test]
fn a_new_version_fails_no_call_and_none_sees_both() {
    let home = Home::new("[bundle.b]\nsource = \"b.zip\"\n[bundles]\nrefresh = \"100ms\"\n");
    write_version(&home, 1);
    home.start();
    let (address, key) = (home.address(), home.key());
    let authority = address.replace("http://", "").replace("/mcp", "");
    assert_eq!(post(&authority, &key, "b__t")["result"]["content"][0]["text"], "1 1");
    let done = AtomicBool::new(false);
    let begin = Instant::now();
    let seen: Vec<String> = std::thread::scope(|scope| {
        let caller = |_| {
            let (authority, key, done) = (&authority, &key, &done);
            scope.spawn(move || {
                let mut seen = Vec::new();
                while !done.load(Ordering::Relaxed) {
                    let next = Instant::now() + Duration::from_millis(40);
                    let answer = post(authority, key, "b__t");
                    let text = answer["result"]["content"][0]["text"].as_str();
                    seen.push(text.unwrap_or(&answer.to_string()).to_owned());
                    std::thread::sleep(next.saturating_duration_since(Instant::now()));
                }
                seen
            })
        };
        let callers: Vec<_> = (0..14).map(caller).collect();
        for number in 2..=4 {
            std::thread::sleep(Duration::from_secs(1));
            write_version(&home, number);
            let expected = format!("{number} {number}");
            wait(&expected, || {
                post(&authority, &key, "b__t")["result"]["content"][0]["text"] == *expected
            });
        }
        done.store(true, Ordering::Relaxed);
        callers.into_iter().flat_map(|caller| caller.join().unwrap()).collect()
    });
    let rate = seen.len() as f64 / begin.elapsed().as_secs_f64();
    println!("{} calls, {rate:.0} a second, over four versions", seen.len());
    for text in &seen {
        let (one, two) = text.split_once(' ').unwrap_or((text, ""));
        assert!(one == two && one.parse::<usize>().is_ok(), "{text}");
    }
    for number in 1..=4 {
        assert!(seen.contains(&format!("{number} {number}")), "nobody saw {number}");
    }
}

/// Writes a bundle that is the example of a component in Rust, which is built where that was not done.
pub(crate) fn write_component(home: &Home, name: &str, more: &str) {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap();
    let target = root.join("target/bundles/rust");
    let output = std::process::Command::new("cargo")
        .args(["build", "--quiet", "--locked", "--release", "--target", "wasm32-wasip2"])
        .current_dir(root.join("examples/bundles/wasm-rust"))
        .env("CARGO_TARGET_DIR", &target)
        .output()
        .unwrap();
    succeeded("building the component", &output);
    let directory = home.path(name);
    std::fs::create_dir_all(&directory).unwrap();
    let built = target.join("wasm32-wasip2/release/switchboard_example_bundle.wasm");
    std::fs::copy(built, directory.join("bundle.wasm")).unwrap();
    let manifest = format!(
        "name = \"{name}\"\n[wasm]\ncomponent = \"bundle.wasm\"\n\
         [[tool]]\nname = \"add\"\ndescription = \"Adds two numbers\"\n[tool.input]\n\
         type = \"object\"\nrequired = [\"a\", \"b\"]\n\
         properties = {{ a = {{ type = \"number\" }}, b = {{ type = \"number\" }} }}\n\
         [[tool]]\nname = \"count\"\ndescription = \"Counts its calls\"\n\
         [[tool]]\nname = \"gone\"\ndescription = \"Is not there\"\n\
         [[resource]]\nuri = \"settings://all\"\nname = \"settings\"\n\
         [[prompt]]\nname = \"greet\"\narguments = [{{ name = \"who\" }}]\n\
         [settings.colour]\ndefault = \"red\"\n{more}"
    );
    std::fs::write(directory.join("switchboard.toml"), manifest).unwrap();
}

#[test]
fn a_component_is_served_like_any_bundle() {
    let home = Home::new("[bundle.c]\nsource = \"c\"\n");
    write_component(&home, "c", "");
    home.start();
    wait("the component", || listed(&home, "c")["tools"] == 3);
    assert_eq!(listed(&home, "c")["kind"], "wasm");
    let sum = home.call("c__add", &json!({ "a": 1, "b": 2 }));
    assert_eq!(sum["structuredContent"], json!({ "sum": 3 }));
    let refused = home.switchboard(&["call", "c__add", "{\"a\": 1}", "--json"]).output().unwrap();
    let said = String::from_utf8_lossy(&refused.stdout);
    assert!(said.contains("\\\"b\\\" is a required property"), "{said}");
    for (tool, part) in [("c__count", "I may not keep anything"), ("c__gone", "has no `gone`")] {
        let output = home.switchboard(&["call", tool, "--json"]).output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.code() == Some(5) && said.contains(part), "{tool}: {said}");
    }
    let logged = home.run(&["logs", "--upstream", "c"]);
    assert!(logged.contains("key-value"), "{logged}");
    // What was compiled is there again after a restart, at once.
    home.run(&["restart"]);
    assert_eq!(
        home.call("c__add", &json!({ "a": 2, "b": 2 }))["structuredContent"],
        json!({ "sum": 4 })
    );
    // What it keeps outlives it, where it is granted.
    home.configure("[bundle.c]\nsource = \"c\"\ngrants = { key_value = true }\n");
    home.run(&["reload"]);
    for count in 1..=2 {
        let counted = home.call("c__count", &json!({}));
        assert_eq!(counted["structuredContent"], json!({ "count": count }));
        home.run(&["restart"]);
    }
    let tried = home.run(&["bundle", "run", "c", "add", "a=1", "b=1", "--json"]);
    assert!(tried.contains("\"sum\":2") || tried.contains("\"sum\": 2"), "{tried}");
    // One that is none leaves it in place.
    std::fs::write(home.path("c/bundle.wasm"), "no component").unwrap();
    wait("the problem", || {
        listed(&home, "c")["problem"].to_string().contains("no WebAssembly component")
    });
    assert_eq!(
        home.call("c__add", &json!({ "a": 3, "b": 2 }))["structuredContent"],
        json!({ "sum": 5 })
    );
}

/// What `new --rust-wasm` makes is built as its README says, and works.
#[test]
fn what_is_begun_in_rust_is_built_and_works() {
    let home = Home::new("");
    // Whose dependencies are the same, and are fetched by their lock file.
    write_component(&home, "other", "");
    home.run(&["bundle", "new", "my-tools", "--rust-wasm"]);
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap();
    let target = root.join("target/bundles/new");
    let output = std::process::Command::new("cargo")
        .args(["build", "--quiet", "--offline", "--release", "--target", "wasm32-wasip2"])
        .current_dir(home.path("my-tools"))
        .env("CARGO_TARGET_DIR", &target)
        .output()
        .unwrap();
    succeeded("building what was begun", &output);
    let built = target.join("wasm32-wasip2/release/my_tools.wasm");
    std::fs::copy(built, home.path("my-tools/bundle/my-tools.wasm")).unwrap();
    let said = home.run(&["bundle", "run", "my-tools/bundle", "hello", "name=Ann"]);
    assert_eq!(said, "Hello Ann!\n");
}

/// What `new` makes works as it is.
#[test]
fn what_is_begun_works() {
    let home = Home::new("");
    home.run(&["bundle", "new", "my-tools"]);
    let said = home.run(&["bundle", "run", "my-tools", "hello", "name=Ann"]);
    assert_eq!(said, "Hello Ann!\n");
    let checked: Value =
        serde_json::from_str(&home.run(&["bundle", "check", "my-tools", "--json"])).unwrap();
    assert_eq!(checked["tools"], json!(["hello"]));
    let again = home.switchboard(&["bundle", "new", "my-tools"]).output().unwrap();
    assert!(String::from_utf8_lossy(&again.stderr).contains("it is there already"));
    assert!(Path::new(&home.path("my-tools/src/my_tools.py")).is_file());
    let output = home.switchboard(&["bundle", "run", "my-tools", "hello"]).output().unwrap();
    assert_eq!(output.status.code(), Some(5), "{}", String::from_utf8_lossy(&output.stderr));
}
