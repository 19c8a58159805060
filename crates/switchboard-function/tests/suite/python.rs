//! What Python bundles can do.

use std::sync::Arc;
use std::time::Instant;

use serde_json::{Value, json};
use switchboard_core::{Context, Kind, Peer as _};
use switchboard_mcp::Method;

use crate::common::{Listener, Workshop, answer, call, owner, request, somebody, text};

/// The demonstration of the older engine: its shape, its kinds of function.
const OLDER: &str = r#"{
  "tools": [
    { "name": "hello", "description": "Says hello", "annotations": "",
      "inputSchema": { "type": "object", "properties": {
        "name": { "type": "string", "default": "World" } } } },
    { "name": "add_numbers", "description": "Adds two numbers",
      "inputSchema": { "type": "object", "required": ["a", "b"], "properties": {
        "a": { "type": "number" }, "b": { "type": "number" } } } },
    { "name": "where", "description": "Where it is" },
    { "name": "picture", "description": "A picture" },
    { "name": "document", "description": "A document" }
  ],
  "resources": [{ "uri": "demo://motd", "name": "motd", "mimeType": "text/plain" }],
  "prompts": [{ "name": "greet", "arguments": [{ "name": "who", "required": true }] }],
  "module_links": [
    { "type": "tool", "name": "hello", "module_name": "demo", "class_name": "Demo",
      "function_name": "hello", "return_type": "text" },
    { "type": "tool", "name": "add_numbers", "module_name": "demo", "class_name": "Demo",
      "function_name": "add_numbers", "return_type": "text" },
    { "type": "tool", "name": "where", "module_name": "demo", "class_name": "Demo",
      "function_name": "where", "return_type": "text" },
    { "type": "tool", "name": "picture", "module_name": "demo", "class_name": "Demo",
      "function_name": "picture", "return_type": "image" },
    { "type": "tool", "name": "document", "module_name": "demo", "class_name": "Demo",
      "function_name": "document", "return_type": "embedded_resource" },
    { "type": "resource", "name": "motd", "module_name": "demo", "class_name": "Demo",
      "function_name": "read_resource" },
    { "type": "prompt", "name": "greet", "module_name": "demo", "class_name": "Demo",
      "function_name": "get_prompt" }
  ],
  "modules": [{ "package_name": "demo", "module_name": "demo", "class_name": "Demo",
    "setting": { "greeting": "Hello" } }]
}"#;

const DEMO: &str = r#"
class Demo:
    def __init__(self, logger, **setting):
        self.logger = logger
        self.greeting = setting["greeting"]
        self.endpoint_id = None
        self.part_id = None

    def hello(self, **arguments):
        self.logger.info("somebody is greeted")
        return f"{self.greeting} {arguments['name']}!"

    def add_numbers(self, a, b):
        return {"result": a + b}

    def where(self):
        return f"{self.endpoint_id} {self.part_id}"

    def picture(self):
        return "aGVsbG8="

    def document(self):
        return "a text"

    def read_resource(self, uri):
        return f"what is at {uri}"

    def get_prompt(self, name, **arguments):
        return f"{name}: {arguments['who']}"
"#;

#[tokio::test]
async fn a_bundle_of_the_older_shape_does_all_that_it_did() {
    let workshop = Workshop::new().await;
    let files = [("mcp_configuration.json", OLDER), ("demo/__init__.py", DEMO)];
    let demo = workshop.bundle(&files, json!({})).await;
    let listed: Vec<_> = demo.lists().of(Kind::Tools).iter().map(|it| &*it.key).collect();
    assert_eq!(listed, ["hello", "add_numbers", "where", "picture", "document"]);
    let said = |text: &str| json!({ "resultType": "complete", "content": [{ "type": "text", "text": text }] });
    assert_eq!(call(&demo, "hello", json!({})).await, said("Hello World!"));
    assert_eq!(call(&demo, "hello", json!({ "name": "Ann" })).await, said("Hello Ann!"));
    assert_eq!(
        call(&demo, "add_numbers", json!({ "a": 1, "b": 2.5 })).await,
        said("{\"result\": 3.5}")
    );
    assert_eq!(call(&demo, "where", json!({})).await, said("acme None"));
    let picture = call(&demo, "picture", json!({})).await;
    let expected = json!([{ "type": "image", "data": "aGVsbG8=", "mimeType": "image/png" }]);
    assert_eq!(picture["content"], expected);
    let document = call(&demo, "document", json!({})).await;
    let expected = json!([{ "type": "resource", "resource": {
        "uri": "function://demo/document", "mimeType": "text/plain", "text": "a text" } }]);
    assert_eq!(document["content"], expected);
    let read = answer(&demo, Method::ResourcesRead, "demo://motd", Value::Null).await.unwrap();
    let expected = json!([{ "uri": "demo://motd", "mimeType": "text/plain",
        "text": "what is at demo://motd" }]);
    assert_eq!(read["contents"], expected);
    let prompt = answer(&demo, Method::PromptsGet, "greet", json!({ "who": "Bo" })).await.unwrap();
    let expected = json!([{ "role": "user", "content": { "type": "text", "text": "greet: Bo" } }]);
    assert_eq!(prompt["messages"], expected);
    let refused = answer(&demo, Method::PromptsGet, "greet", json!({})).await.unwrap_err();
    assert_eq!(refused, "the prompt needs the argument `who`");
    let log: Vec<_> = demo.log().lines(9).into_iter().map(|line| line.text).collect();
    assert!(log.contains(&"INFO somebody is greeted".to_owned()), "{log:?}");
}

#[tokio::test]
async fn arguments_are_held_against_the_schema_and_keep_their_keys() {
    let workshop = Workshop::new().await;
    let manifest = r#"
        name = "b"
        [python]
        [[tool]]
        name = "given"
        description = "What it was given"
        entry = "code:given"
        [tool.input]
        type = "object"
        required = ["firstName"]
        additionalProperties = false
        [tool.input.properties]
        firstName = { type = "string" }
        unit_of_measure = { enum = ["C", "F"], default = "C" }
        bigNumber = { type = "integer" }
    "#;
    let code = "def given(**arguments):\n    return {'given': arguments}\n";
    let bundle =
        workshop.bundle(&[("switchboard.toml", manifest), ("code.py", code)], json!({})).await;
    let given = call(&bundle, "given", json!({ "firstName": "Ann" })).await;
    let expected = json!({ "given": { "firstName": "Ann", "unit_of_measure": "C" } });
    assert_eq!(given["structuredContent"], expected);
    let big = json!({ "firstName": "A", "unit_of_measure": "F", "bigNumber": u64::MAX });
    let given = call(&bundle, "given", big.clone()).await;
    assert_eq!(given["structuredContent"], json!({ "given": big }));
    for (arguments, part) in [
        (json!({}), "\"firstName\" is a required property"),
        (json!({ "first_name": "A" }), "'first_name' was unexpected"),
        (
            json!({ "firstName": "A", "unit_of_measure": "K" }),
            "/unit_of_measure: \"K\" is not one of",
        ),
        (json!({ "firstName": 7 }), "/firstName: 7 is not of type \"string\""),
    ] {
        let (said, is_error) = text(&bundle, "given", arguments).await;
        assert!(is_error && said.contains(part), "{said}");
        assert!(said.starts_with("the arguments do not fit the tool's input schema: "), "{said}");
    }
}

#[expect(clippy::too_many_lines, reason = "a case for each kind")]
#[tokio::test]
async fn functions_of_every_kind_give_results() {
    let workshop = Workshop::new().await;
    let code = r#"
import dataclasses, datetime, sys

@dataclasses.dataclass
class Point:
    x: int
    y: int

def plain(): return "text"
async def waiting():
    import asyncio
    await asyncio.sleep(0)
    return {"a": 1}
def steps():
    yield 1
    yield (2, 3)
    yield "nearly"
    yield {"progress": 3, "total": 3, "message": "done"}
    return "end"
async def streams():
    yield 1
    yield "last"
def told():
    import switchboard
    switchboard.progress(5, 10, "half")
    return [switchboard.settings["colour"], switchboard.endpoint_id]
def blocks(): return [{"type": "text", "text": "a"}, {"type": "image", "data": "", "mimeType": "image/png"}]
def whole(): return {"content": [], "structuredContent": {"x": 1}, "isError": True}
def nothing(): return None
def objects(): return {"point": Point(1, 2), "day": datetime.date(2026, 7, 28), "set": {1}}
def noisy():
    print("to the log")
    sys.stdout.write('{"result": {}}\n')
    print("and this", file=sys.stderr)
    return "quiet"
def keyed(): return {1: "a", "ü": "\u2028"}
"#;
    let tools = [
        "plain", "waiting", "steps", "streams", "told", "blocks", "whole", "nothing", "objects",
        "noisy", "keyed",
    ];
    let manifest: String = tools
        .iter()
        .map(|tool| {
            format!("[[tool]]\nname = \"{tool}\"\ndescription = \"d\"\nentry = \"code:{tool}\"\n")
        })
        .collect();
    let manifest = format!("name = \"b\"\n[python]\n{manifest}[settings.colour]\n");
    let files = [("switchboard.toml", &*manifest), ("code.py", code)];
    let bundle = workshop.bundle(&files, json!({ "colour": "red" })).await;
    let listener = Arc::new(Listener::default());
    let context =
        Context { client: Some(Arc::clone(&listener) as _), wants_progress: true, ..owner() };
    let text = |text: &str| json!([{ "type": "text", "text": text }]);
    let progress = |of: &[Value]| of.to_vec();
    for (tool, content, structured, reports) in [
        ("plain", text("text"), Value::Null, vec![]),
        ("waiting", text("{\"a\": 1}"), json!({ "a": 1 }), vec![]),
        (
            "steps",
            text("end"),
            Value::Null,
            progress(&[
                json!({ "progress": 1 }),
                json!({ "progress": 2, "total": 3 }),
                json!({ "progress": 3, "message": "nearly" }),
                json!({ "progress": 3, "total": 3, "message": "done" }),
            ]),
        ),
        ("streams", text("last"), Value::Null, progress(&[json!({ "progress": 1 })])),
        (
            "told",
            text("[\"red\", \"acme\"]"),
            Value::Null,
            progress(&[json!({ "progress": 5, "total": 10, "message": "half" })]),
        ),
        (
            "blocks",
            json!([{ "type": "text", "text": "a" },
                { "type": "image", "data": "", "mimeType": "image/png" }]),
            Value::Null,
            vec![],
        ),
        ("whole", json!([]), json!({ "x": 1 }), vec![]),
        ("nothing", json!([]), Value::Null, vec![]),
        (
            "objects",
            text("{\"point\": {\"x\": 1, \"y\": 2}, \"day\": \"2026-07-28\", \"set\": [1]}"),
            json!({ "point": { "x": 1, "y": 2 }, "day": "2026-07-28", "set": [1] }),
            vec![],
        ),
        ("noisy", text("quiet"), Value::Null, vec![]),
        (
            "keyed",
            text("{\"1\": \"a\", \"ü\": \"\u{2028}\"}"),
            json!({ "1": "a", "ü": "\u{2028}" }),
            vec![],
        ),
    ] {
        let asked = request(Method::ToolsCall, tool, json!({}));
        let response = bundle.request(&context, asked).await.unwrap().result;
        let result: Value = serde_json::from_str(response.as_str()).unwrap();
        assert_eq!(result["content"], content, "{tool}");
        assert_eq!(result["structuredContent"], structured, "{tool}");
        assert_eq!(std::mem::take(&mut *listener.0.lock().unwrap()), reports, "{tool}");
    }
    let log: Vec<_> = bundle.log().lines(9).into_iter().map(|line| line.text).collect();
    for line in ["to the log", "{\"result\": {}}", "and this"] {
        assert!(log.contains(&line.to_owned()), "{log:?}");
    }
}

#[tokio::test]
async fn what_fails_says_why_and_only_administrators_see_where() {
    let workshop = Workshop::new().await;
    let code = "def fails(): raise ValueError('no such city')\ndef wants(a): return a\n";
    let bundle = workshop.tools(code, &["fails", "wants", "gone"], "").await;
    let result = call(&bundle, "fails", json!({})).await;
    assert_eq!(result["content"][0]["text"], "ValueError: no such city");
    let trace = result["_meta"]["switchboard/traceback"].as_str().unwrap();
    assert!(trace.contains("code.py") && !trace.contains("worker-"), "{trace}");
    let asked = request(Method::ToolsCall, "fails", json!({}));
    let hidden = bundle.request(&somebody(), asked).await.unwrap().result;
    assert!(hidden.as_str().contains("no such city") && !hidden.as_str().contains("code.py"));
    let (said, is_error) = text(&bundle, "wants", json!({})).await;
    assert!(is_error && said.contains("missing 1 required positional argument: 'a'"), "{said}");
    let (said, is_error) = text(&bundle, "gone", json!({})).await;
    assert_eq!((&*said, is_error), ("the module `code` has no `gone`", true));
    let broken = workshop.tools("import nothing_of_the_kind", &["a"], "").await;
    let (said, is_error) = text(&broken, "a", json!({})).await;
    let expected = "the module `code` cannot be imported: ModuleNotFoundError: \
                    No module named 'nothing_of_the_kind'";
    assert_eq!((&*said, is_error), (expected, true));
}

#[tokio::test]
async fn results_are_held_against_the_output_schema() {
    let workshop = Workshop::new().await;
    let manifest = r#"
        name = "b"
        [python]
        [[tool]]
        name = "measured"
        description = "d"
        entry = "code:measured"
        input = { type = "object" }
        output = { type = "object", required = ["degrees"], properties = { degrees = { type = "number" } } }
    "#;
    let code = "def measured(of): return of\n";
    let bundle =
        workshop.bundle(&[("switchboard.toml", manifest), ("code.py", code)], json!({})).await;
    let good = call(&bundle, "measured", json!({ "of": { "degrees": 7 } })).await;
    assert_eq!(good["structuredContent"], json!({ "degrees": 7 }));
    let json = call(&bundle, "measured", json!({ "of": "{\"degrees\": 1.5}" })).await;
    assert_eq!(json["structuredContent"], json!({ "degrees": 1.5 }));
    for (of, part) in [
        (json!({}), "\"degrees\" is a required property"),
        (json!({ "degrees": "warm" }), "/degrees: \"warm\" is not of type \"number\""),
        (json!("warm"), "returned text that is no JSON"),
        (json!(null), "it has no structured content"),
    ] {
        let (said, is_error) = text(&bundle, "measured", json!({ "of": of })).await;
        assert!(is_error && said.contains(part), "{said}");
    }
}

#[tokio::test]
async fn templates_are_read_by_what_stands_in_their_places() {
    let workshop = Workshop::new().await;
    let manifest = r#"
        name = "b"
        [python]
        [[resource]]
        uri_template = "w://{kind}/{id}"
        name = "w"
        mime_type = "application/json"
        entry = "code:w"
    "#;
    let code = "def w(uri, kind, id): return {'uri': uri, 'kind': kind, 'id': id}\n";
    let bundle =
        workshop.bundle(&[("switchboard.toml", manifest), ("code.py", code)], json!({})).await;
    let read = answer(&bundle, Method::ResourcesRead, "w://a/b%20c", Value::Null).await.unwrap();
    let text = "{\"uri\": \"w://a/b%20c\", \"kind\": \"a\", \"id\": \"b c\"}";
    let expected = json!({ "uri": "w://a/b%20c", "mimeType": "application/json", "text": text });
    assert_eq!(read["contents"][0], expected);
    let missing = answer(&bundle, Method::ResourcesRead, "w://a", Value::Null).await.unwrap_err();
    assert_eq!(missing, "no resource named `w://a`");
}

/// Figures for people; what they are depends on the machine.
#[expect(clippy::print_stderr, reason = "the figures are what this is for")]
#[tokio::test]
async fn workers_are_kept_and_used_again() {
    let workshop = Workshop::new().await;
    let code = "import os\ndef pid(): return str(os.getpid())\n";
    let bundle = workshop.tools(code, &["pid"], "").await;
    let begin = Instant::now();
    let (first, _) = text(&bundle, "pid", json!({})).await;
    let cold = begin.elapsed();
    let mut times = Vec::new();
    for _ in 0..200 {
        let begin = Instant::now();
        assert_eq!(text(&bundle, "pid", json!({})).await.0, first);
        times.push(begin.elapsed());
    }
    times.sort();
    eprintln!("cold {cold:?}, warm {:?} in the middle of {}", times[100], times.len());
    let worn = workshop.tools(code, &["pid"], "[limits]\ncalls = 3\n").await;
    let mut pids = Vec::new();
    for _ in 0..7 {
        pids.push(text(&worn, "pid", json!({})).await.0);
    }
    pids.dedup();
    assert_eq!(pids.len(), 3, "a new one after three calls each");
}

#[tokio::test]
async fn calls_run_side_by_side_up_to_the_limit() {
    let workshop = Workshop::new().await;
    let code = "import os, time\ndef pid():\n    time.sleep(0.2)\n    return str(os.getpid())\n";
    let bundle = workshop.tools(code, &["pid"], "[limits]\nworkers = 3\n").await;
    let calls = (0..7).map(|_| text(&bundle, "pid", json!({})));
    let mut pids: Vec<_> = futures_util::future::join_all(calls).await;
    pids.sort();
    pids.dedup();
    assert_eq!(pids.len(), 3);
}
