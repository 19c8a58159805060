use std::io::{Cursor, Write as _};

use zip::ZipWriter;
use zip::write::SimpleFileOptions;

use super::{FILE, FunctionKind, Manifest, ManifestError, OLDER_FILE, Runtime};
use crate::archive::{Archive, Caps};

fn archive(files: &[(&str, &str)]) -> Archive {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, content) in files {
        zip.start_file(*name, SimpleFileOptions::default()).unwrap();
        zip.write_all(content.as_bytes()).unwrap();
    }
    let bytes = zip.finish().unwrap().into_inner();
    Archive::unzip(&bytes, &Caps::default()).unwrap()
}

const GOOD: &str = r#"
name = "weather"
version = "1.2.0"

[python]
path = "src"

[[tool]]
name = "forecast"
description = "The weather of a city."
entry = "weather:Weather.forecast"
input = { type = "object", required = ["city"], properties = { city = { type = "string" } } }
output = "schemas/forecast.json"
annotations = { readOnlyHint = true }
time = "5s"

[[resource]]
uri = "weather://stations"
name = "stations"
mime_type = "application/json"
entry = "weather:stations"

[[resource]]
uri_template = "weather://stations/{station}"
name = "station"
entry = "weather:station"

[[prompt]]
name = "report"
arguments = [{ name = "city", required = true }]
entry = "weather:report"

[settings.token]
secret = true
required = true

[limits]
memory = "256MiB"

[wants]
hosts = ["api.weather.example"]
"#;

fn read(manifest: &str) -> Result<Manifest, ManifestError> {
    Manifest::of(&archive(&[
        (FILE, manifest),
        ("src/weather.py", ""),
        ("a.wasm", ""),
        ("schemas/forecast.json", r#"{ "type": "object" }"#),
        ("schemas/broken.json", "{"),
    ]))
}

#[test]
fn a_manifest_says_what_is_in_a_bundle() {
    let manifest = read(GOOD).unwrap();
    assert_eq!(manifest.name, "weather");
    let runtime = Runtime::Python { path: "src".to_owned(), requirements: None };
    assert_eq!(manifest.runtime, runtime);
    let functions: Vec<_> =
        manifest.functions.iter().map(|it| (it.kind, &*it.key, it.item.as_str())).collect();
    assert_eq!(
        functions,
        [
            (
                FunctionKind::Tool,
                "forecast",
                r#"{"name":"forecast","description":"The weather of a city.","inputSchema":{"properties":{"city":{"type":"string"}},"required":["city"],"type":"object"},"outputSchema":{"type":"object"},"annotations":{"readOnlyHint":true}}"#
            ),
            (
                FunctionKind::Resource,
                "weather://stations",
                r#"{"uri":"weather://stations","name":"stations","mimeType":"application/json"}"#
            ),
            (
                FunctionKind::Template,
                "weather://stations/{station}",
                r#"{"uriTemplate":"weather://stations/{station}","name":"station"}"#
            ),
            (
                FunctionKind::Prompt,
                "report",
                r#"{"name":"report","arguments":[{"name":"city","required":true}]}"#
            ),
        ]
    );
    assert_eq!(manifest.limits.memory.bytes(), 256 << 20);
    assert_eq!(manifest.wants.hosts, ["api.weather.example"]);
    let handler = &manifest.functions[0].handler;
    assert_eq!(handler.class_name.as_deref(), Some("Weather"));
}

/// What is written instead of what, and what is said of it.
const RULES: &[(&str, &str, &str)] = &[
    ("name = \"weather\"", "name = \"we ather\"", "`name` is no name for a bundle: `we ather`"),
    ("name = \"weather\"", "", "`name` is no name for a bundle: ``"),
    ("[python]\npath = \"src\"", "", "`python` is not there, and neither is `wasm`"),
    ("[python]", "[wasm]\ncomponent = \"a.wasm\"\n[python]", "`wasm` and `python` are both there"),
    ("path = \"src\"", "path = \"lib\"", "`python.path` names a directory that is not in the"),
    ("path = \"src\"", "path = 7", "`python.path`"),
    (
        "path = \"src\"",
        "requirements = \"r.txt\"",
        "`python.requirements` names a file that is not in the bundle: `r.txt`",
    ),
    ("\"forecast\"", "\"fore cast\"", "`tool[0].name` is no name for a function: `fore cast`"),
    ("The weather of a city.", " ", "`tool[0].description` is empty"),
    ("entry = \"weather:Weather.forecast\"", "", "`tool[0].entry` is not there"),
    ("weather:Weather.forecast", "weather", "`tool[0].entry` names no code: `weather`"),
    ("weather:Weather.forecast", "os:a.b.c", "`tool[0].entry` names no code: `os:a.b.c`"),
    ("type = \"object\", required", "required", "`tool[0].input` is not of `type` `object`"),
    (
        "properties = { city = { type = \"string\" } }",
        "properties = 7",
        "`tool[0].input` is no JSON Schema",
    ),
    ("schemas/forecast.json", "f.json", "`tool[0].output` names a file that is not in the"),
    (
        "schemas/forecast.json",
        "schemas/broken.json",
        "`tool[0].output` names a file that is no JSON",
    ),
    ("{ readOnlyHint = true }", "true", "`tool[0].annotations` is no table"),
    ("time = \"5s\"", "time = \"soon\"", "`tool[0].time`"),
    ("uri = \"weather://stations\"", "uri = \"stations\"", "`resource[0].uri` is no address"),
    ("uri = \"weather://stations\"", "", "`resource[0]` has either `uri` or `uri_template`"),
    ("{station}", "{", "`resource[1].uri_template` has a `{` without its `}`"),
    ("name = \"station\"", "", "`resource[1].name` is empty"),
    ("\"report\"", "\"\"", "`prompt[0].name` is no name for a function: ``"),
    (
        "{ name = \"city\", required = true }",
        "{ required = true }",
        "`prompt[0].arguments[0].name`",
    ),
    (
        "[{ name = \"city\", required = true }]",
        "[{ name = \"a\" }, { name = \"a\" }]",
        "`prompt[0].arguments[1].name` is there twice: `a`",
    ),
    (
        "secret = true",
        "secret = true\ndefault = 1",
        "`settings.token` is required and has a default",
    ),
    ("[settings.token]", "[settings.\"to ken\"]", "`settings.to ken` is no name of a parameter"),
    ("memory = \"256MiB\"", "memory = \"1B\"", "`limits.memory`"),
    ("memory = \"256MiB\"", "workers = 0", "`limits.workers`"),
    ("memory = \"256MiB\"", "ram = 1", "unknown key `ram` in `limits`"),
    ("api.weather.example", "https://a", "`wants.hosts` has what is no host: `https://a`"),
    (
        "hosts = [\"api.weather.example\"]",
        "files = [\"a\"]",
        "`wants.files` has what is no absolute",
    ),
    (
        "hosts = [\"api.weather.example\"]",
        "environment = [\"A B\"]",
        "`wants.environment` has what",
    ),
    ("version = \"1.2.0\"", "colour = 1", "unknown key `colour`"),
    (
        "[[prompt]]",
        "[[tool]]\nname = \"forecast\"\ndescription = \"x\"\nentry = \"a:b\"\n[[prompt]]",
        "`forecast` is there twice",
    ),
];

#[test]
fn every_rule_has_its_message() {
    for (from, to, expected) in RULES {
        assert!(GOOD.contains(from), "{from}");
        let said = read(&GOOD.replacen(from, to, 1)).unwrap_err().to_string();
        assert!(said.contains(expected), "{to}: {said}");
    }
    let empty = read("name = \"a\"\n[python]\n").unwrap_err().to_string();
    assert!(empty.contains("neither is `resource` or `prompt`"), "{empty}");
    let wasm = "name = \"a\"\n[wasm]\ncomponent = \"a.wasm\"\n[[tool]]\nname = \"t\"\ndescription = \"d\"\n";
    assert!(read(wasm).is_ok());
    let entry = read(&format!("{wasm}entry = \"a:b\"\n")).unwrap_err().to_string();
    assert!(entry.contains("`tool[0].entry` means nothing with `wasm`"), "{entry}");
    let missing = Manifest::of(&archive(&[("a.py", "")])).unwrap_err().to_string();
    assert_eq!(missing, "there is neither `switchboard.toml` nor `mcp_configuration.json` in it");
}

/// Of the shape of the older engine's demonstration.
const OLDER: &str = r#"{
  "tools": [
    { "name": "hello", "description": "Greets", "annotations": "",
      "inputSchema": { "type": "object", "properties": { "name": { "type": "string" } } } },
    { "name": "slow", "description": "Takes long", "is_async": true }
  ],
  "resources": [{ "uri": "demo://motd", "name": "motd", "mimeType": "text/plain" }],
  "prompts": [{ "name": "greet", "arguments": [{ "name": "who", "required": true }] }],
  "module_links": [
    { "type": "tool", "name": "hello", "module_name": "demo", "class_name": "Demo",
      "function_name": "hello", "return_type": "text" },
    { "type": "tool", "name": "slow", "module_name": "demo", "class_name": "Demo",
      "function_name": "slow" },
    { "type": "resource", "name": "motd", "module_name": "demo", "class_name": "Demo",
      "function_name": "read_resource" },
    { "type": "prompt", "name": "greet", "module_name": "demo", "class_name": "Demo",
      "function_name": "get_prompt" }
  ],
  "modules": [{ "package_name": "demo_package", "module_name": "demo", "class_name": "Demo",
    "setting": { "colour": "red" }, "source": "" }]
}"#;

#[test]
fn configurations_of_the_older_engine_are_read() {
    let manifest =
        Manifest::of(&archive(&[(OLDER_FILE, OLDER), ("demo/__init__.py", "")])).unwrap();
    assert!(manifest.is_older);
    assert_eq!(manifest.name, "demo_package");
    let functions: Vec<_> =
        manifest.functions.iter().map(|it| (it.kind, &*it.key, it.is_async)).collect();
    assert_eq!(
        functions,
        [
            (FunctionKind::Tool, "hello", false),
            (FunctionKind::Tool, "slow", true),
            (FunctionKind::Resource, "demo://motd", false),
            (FunctionKind::Prompt, "greet", false),
        ]
    );
    assert_eq!(manifest.functions[0].handler.settings["colour"], "red");
    assert!(manifest.functions[3].handler.takes_name);
}

#[test]
fn mistakes_of_the_older_shape_are_all_named() {
    let cases: &[(&str, &str, &str)] = &[
        (
            "\"type\": \"prompt\"",
            "\"type\": \"promt\"",
            "`module_links[3].type` has a type that there is not",
        ),
        (
            "\"name\": \"hello\", \"description\"",
            "\"name\": \"hallo\", \"description\"",
            "`tools[0]` is linked to no code: `hallo`",
        ),
        (
            "\"class_name\": \"Demo\",\n      \"function_name\": \"hello\"",
            "\"function_name\": \"hello\"",
            "`module_links[0].class_name` names nothing in Python",
        ),
        (
            "\"module_name\": \"demo\", \"class_name\": \"Demo\",\n      \"function_name\": \"slow\"",
            "\"module_name\": \"demi\", \"class_name\": \"Demo\",\n      \"function_name\": \"slow\"",
            "`module_links[1].module_name` names a module that `modules` has not: `demi`",
        ),
        (
            "\"return_type\": \"text\"",
            "\"return_type\": \"film\"",
            "`tools[0].return_type` returns what there is not: `film`",
        ),
        ("\"tools\": [", "\"tools\": 7, \"x\": [", "is not valid"),
        (
            "\"module_name\": \"demo\"",
            "\"module_name\": \"os\"",
            "`module_links[0].module_name` names a module that is not in the bundle: `os`",
        ),
    ];
    for (from, to, expected) in cases {
        assert!(OLDER.contains(from), "{from}");
        let text = OLDER.replacen(from, to, 1);
        let said = Manifest::of(&archive(&[(OLDER_FILE, &text), ("demo/__init__.py", "")]))
            .unwrap_err()
            .to_string();
        assert!(said.contains(expected), "{to}: {said}");
    }
}
