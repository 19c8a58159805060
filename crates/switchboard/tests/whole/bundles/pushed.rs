//! Bundles that are pushed, uploaded, or lie in a bucket.

use serde_json::{Value, json};

use super::{CLIENT, DEMO, OLDER, listed, text, write};
use crate::asked::{ask, authority};
use crate::common::{Home, Moto, peers, put, succeeded};

/// What `t` of the bundle `b` is to say.
fn saying(home: &Home, what: &str) {
    write(home, "b", &format!("def t(): return '{what}'\n"), "");
}

fn versions(home: &Home) -> Vec<(String, bool)> {
    let listed = home.run(&["bundle", "versions", "b", "--json"]);
    let listed: Vec<Value> = serde_json::from_str(&listed).unwrap();
    let version = |it: &Value| (it["digest"].as_str().unwrap().to_owned(), it["isCurrent"] == true);
    listed.iter().map(version).collect()
}

#[track_caller]
fn refused(home: &Home, args: &[&str], part: &str) {
    let output = home.switchboard(args).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && said.contains(part), "{args:?}: {said}");
}

#[test]
fn versions_are_pushed_and_rolled_back() {
    let home = Home::new("");
    home.start();
    for what in ["one", "two", "three"] {
        saying(&home, what);
        home.run(&["bundle", "push", "b"]);
        assert_eq!(text(&home, "b__t"), what, "at once");
    }
    let kept = versions(&home);
    assert_eq!(kept.iter().map(|it| it.1).collect::<Vec<_>>(), [true, false, false]);
    home.run(&["bundle", "rollback", "b"]);
    assert_eq!(text(&home, "b__t"), "two");
    home.run(&["bundle", "rollback", "b"]);
    assert_eq!(text(&home, "b__t"), "one");
    refused(&home, &["bundle", "rollback", "b"], "there is no version before");
    home.run(&["bundle", "rollback", "b", &kept[0].0[..12]]);
    assert_eq!(text(&home, "b__t"), "three");
    // What cannot be served is not kept.
    write(&home, "b", "def u(): return 1\n", "");
    refused(&home, &["bundle", "push", "b"], "`t` names `t`, which is not in `code`");
    assert_eq!((text(&home, "b__t").as_str(), versions(&home).len()), ("three", 3));
    // Another process has the same, and the configuration comes first.
    home.run(&["restart"]);
    assert_eq!(text(&home, "b__t"), "three");
    write(&home, "c", "def t(): return 'configured'\n", "");
    home.configure("[bundle.b]\nsource = \"c\"\n");
    home.run(&["reload"]);
    assert_eq!(text(&home, "b__t"), "configured");
    refused(&home, &["bundle", "push", "c", "--as", "b"], "stands in the configuration file");
    home.configure("");
    home.run(&["reload"]);
    assert_eq!(text(&home, "b__t"), "three");
    home.run(&["bundle", "remove", "b"]);
    assert_eq!(listed(&home, "b"), Value::Null);
    refused(&home, &["bundle", "versions", "b"], "there is no bundle `b`");
}

/// What is set and granted stays, is checked, and is shown to nobody.
#[test]
fn what_is_set_of_a_pushed_bundle_stays() {
    let home = Home::new("");
    let code = "import switchboard\ndef t(): return switchboard.settings['word']\n";
    let manifest = "[settings.word]\nrequired = true\n[wants]\nhosts = [\"api.example.com\"]\n";
    write(&home, "b", code, manifest);
    home.start();
    refused(&home, &["bundle", "push", "b"], "the setting `word` is missing");
    refused(&home, &["bundle", "push", "b", "--set", "word=hush"], "it wants to connect to");
    let grant = ["--grant-host", "api.example.com"];
    home.run(&[&["bundle", "push", "b", "--set", "word=hush"], &grant[..]].concat());
    assert_eq!(text(&home, "b__t"), "hush");
    write(&home, "b", &code.replace("return ", "return 'again ' + "), manifest);
    let shown = home.run(&["bundle", "push", "b", "--json"]);
    assert!(shown.contains("api.example.com") && !shown.contains("hush"), "{shown}");
    assert_eq!(text(&home, "b__t"), "again hush");
    home.run(&["bundle", "push", "b", "--prefix", "p"]);
    assert_eq!(text(&home, "p__t"), "again hush");
    home.run(&["stop"]);
    let kept = home.run(&["store", "export"]);
    let row = kept.lines().find(|line| line.contains("\"switchboard_bundles\"")).unwrap();
    assert!(row.contains("$sealed") && !row.contains("hush"), "{row}");
}

/// One request of GraphQL of whoever runs the daemon.
#[track_caller]
fn graphql(home: &Home, tenant: &str, query: &str, variables: &Value) -> Value {
    let body = json!({ "query": query, "variables": variables }).to_string();
    let headers = format!("X-API-Key: {}\r\n", home.key());
    let place = format!("POST /{tenant}/mcp_core_graphql");
    let said = ask(&authority(home), &place, &headers, &body);
    assert_eq!(said.status, 200, "{said:?}");
    assert!(said.body.get("errors").is_none(), "{said:?}");
    said.body["data"].clone()
}

/// The text of the result of a tool of a tenant; the whole answer where there is none.
fn text_of(home: &Home, tenant: &str, tool: &str, arguments: &Value) -> String {
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {
        "name": tool, "arguments": arguments } });
    let headers = format!("X-API-Key: {}\r\n", home.key());
    let said = ask(&authority(home), &format!("POST /{tenant}/mcp"), &headers, &body.to_string());
    let text = said.body["result"]["content"][0]["text"].as_str();
    text.map_or_else(|| said.body.to_string(), str::to_owned)
}

#[test]
fn bundles_of_tenants_are_their_own() {
    let home = Home::new("");
    home.start();
    for tenant in ["acme", "other"] {
        home.run(&["tenant", "create", tenant]);
        saying(&home, tenant);
        home.run(&["bundle", "push", "b", "--tenant", tenant]);
    }
    for tenant in ["acme", "other"] {
        assert_eq!(text_of(&home, tenant, "b__t", &json!({})), tenant);
    }
    assert_eq!(listed(&home, "b"), Value::Null, "and none of the default one");
    // The machine is not theirs.
    let files = ["bundle", "push", "b", "--tenant", "acme", "--grant-file", "/etc"];
    refused(&home, &files, "granted to bundles of its owner only");
    let variable = ["bundle", "push", "b", "--tenant", "acme", "--grant-env", "PATH"];
    refused(&home, &variable, "granted to bundles of its owner only");
    write(&home, "b", "def t(): return 1\n", "");
    let manifest = std::fs::read_to_string(home.path("b/switchboard.toml")).unwrap();
    let requires = manifest.replace("[python]", "[python]\nrequirements = \"requirements.txt\"");
    std::fs::write(home.path("b/switchboard.toml"), requires).unwrap();
    std::fs::write(home.path("b/requirements.txt"), "evil @ https://x.example/evil.tar.gz\n")
        .unwrap();
    refused(&home, &["bundle", "push", "b", "--tenant", "acme"], "has to be in its archive");
    refused(&home, &["bundle", "push", "b"], "its requirements have `evil @ https");
    home.configure("bundles.sandbox = \"off\"\n");
    home.run(&["reload"]);
    write(&home, "b", "def t():\n    return open('/etc/passwd').read()\n", "");
    home.run(&["bundle", "push", "b", "--tenant", "acme"]);
    let said = text_of(&home, "acme", "b__t", &json!({}));
    assert!(said.contains("Permission denied"), "confined, whatever is configured: {said}");
    home.run(&["restart"]);
    assert_eq!(text_of(&home, "other", "b__t", &json!({})), "other");
    home.run(&["bundle", "remove", "b", "--tenant", "other"]);
    assert!(text_of(&home, "other", "b__t", &json!({})).contains("error"));
}

/// Packs the demonstration of the older engine, with another word in it.
fn demo(home: &Home, greeting: &str) -> Vec<u8> {
    let directory = home.path("demo-source/demo");
    std::fs::create_dir_all(&directory).unwrap();
    std::fs::write(directory.join("__init__.py"), DEMO.replace("{name}!", greeting)).unwrap();
    std::fs::write(home.path("demo-source/mcp_configuration.json"), OLDER).unwrap();
    home.run(&["bundle", "pack", "demo-source", "--output", "demo.zip"]);
    std::fs::read(home.path("demo.zip")).unwrap()
}

/// What the client of the Python SDK sees, by the address alone.
#[track_caller]
fn seen_by_python(home: &Home, address: &str) {
    let python = peers().join("python-mcp1/bin/python");
    let output = home.command(python).args(["-c", CLIENT, address, &home.key()]).output().unwrap();
    let expected = "add_numbers hello\nHello Ann! False\n{\"result\": 3} False\n\
                    what is at demo://motd\ngreet Bo\n";
    assert_eq!(succeeded("the client", &output), expected);
}

#[test]
fn the_demonstration_of_the_older_engine_is_served_out_of_s3() {
    let (moto, home) = (Moto::start(), Home::new(""));
    moto.put("pail", b"");
    moto.put("pail/demo.zip", &demo(&home, "{name}!"));
    let source = "[bundle.demo]\nsource = \"s3://pail/demo.zip\"\n";
    home.configure(&format!("{source}{}", moto.blobs("other")));
    home.start();
    seen_by_python(&home, &home.address());
    for (source, part) in [
        ("s3://pail/none.zip", "there is no `s3://pail/none.zip`"),
        ("s3://pail", "is not of the form `s3://BUCKET/KEY`"),
    ] {
        home.configure(&format!("[bundle.demo]\nsource = \"{source}\"\n{}", moto.blobs("other")));
        home.run(&["reload"]);
        let problem = listed(&home, "demo")["problem"].to_string();
        assert!(problem.contains(part), "{problem}");
    }
    seen_by_python(&home, &home.address());
}

/// As a program does it that was written for the older engine.
#[test]
fn a_package_is_uploaded_processed_and_changed_by_rows() {
    let (moto, home) = (Moto::start(), Home::new(""));
    moto.put("pail", b"");
    home.configure(&moto.blobs("pail"));
    home.start();
    home.run(&["tenant", "create", "acme"]);
    let upload = "mutation { generateMcpPackageUploadUrl(packageName: \"demo\") \
                  { ok uploadUrl s3Key } }";
    let process = "mutation ($key: String!, $with: JSONCamelCase) { processMcpPackage(s3Key: $key, \
                   moduleName: \"demo\", packageName: \"demo\", variables: $with, updatedBy: \"ann\") \
                   { ok message stats { tools resources prompts modules settings } } }";
    let send = |greeting: &str, with: Value| {
        let to = graphql(&home, "acme", upload, &json!({}))["generateMcpPackageUploadUrl"].clone();
        assert_eq!(put(to["uploadUrl"].as_str().unwrap(), "", &demo(&home, greeting)), 200);
        let variables = json!({ "key": to["s3Key"], "with": with });
        graphql(&home, "acme", process, &variables)["processMcpPackage"].clone()
    };
    let done = send("{name}!", Value::Null);
    let stats = json!({ "tools": 2, "resources": 1, "prompts": 1, "modules": 1, "settings": 1 });
    assert_eq!((&done["ok"], &done["stats"]), (&json!(true), &stats), "{done}");
    seen_by_python(&home, &home.address().replace("/mcp", "/acme/mcp"));
    // A new version, and a variable that overrides a setting.
    let done = send("{name}, again!", json!({ "greeting": "Servus" }));
    assert_eq!(done["ok"], true, "{done}");
    let hello = || text_of(&home, "acme", "hello", &json!({ "name": "Ann" }));
    assert_eq!(hello(), "Servus Ann, again!");
    // What is changed in rows is served.
    let change = "mutation { insertUpdateMcpFunction(name: \"add_numbers\", mcpType: \"tool\", \
                  status: 0, updatedBy: \"ann\") { mcpFunction { status } } }";
    graphql(&home, "acme", change, &json!({}));
    let add = text_of(&home, "acme", "add_numbers", &json!({ "a": 1, "b": 2 }));
    assert!(add.contains("error"), "{add}");
    let setting = "{ mcpModule(moduleName: \"demo\") { classes } }";
    let classes = graphql(&home, "acme", setting, &json!({}))["mcpModule"]["classes"].clone();
    let change = "mutation ($id: String!, $to: JSONCamelCase) { insertUpdateMcpSetting(settingId: \
                  $id, setting: $to, updatedBy: \"ann\") { mcpSetting { settingId } } }";
    let with = json!({ "id": classes[0]["settingId"], "to": { "greeting": "Grüezi" } });
    graphql(&home, "acme", change, &with);
    assert_eq!(hello(), "Grüezi Ann, again!");
    home.run(&["restart"]);
    assert_eq!(hello(), "Grüezi Ann, again!");
    // The version before has what it had, and its settings stay.
    home.run(&["bundle", "rollback", "demo", "--tenant", "acme"]);
    assert_eq!(hello(), "Grüezi Ann!");
    assert_eq!(
        text_of(&home, "acme", "add_numbers", &json!({ "a": 1, "b": 2 })).trim(),
        add.trim()
    );
    // What was uploaded by nobody, or by somebody else, is not there.
    for key in ["packages/other/demo.zip", "demo.zip", "packages/acme/../other/demo.zip"] {
        let variables = json!({ "key": key, "with": null });
        let done = graphql(&home, "acme", process, &variables)["processMcpPackage"].clone();
        assert_eq!(done["ok"], false, "{key}: {done}");
    }
}

/// A bucket and rows as the older engine left them are served as they are.
#[test]
fn a_package_in_the_bucket_of_the_older_engine_is_served_in_place() {
    let (moto, home) = (Moto::start(), Home::new(""));
    moto.put("functs", b"");
    moto.put("functs/demo.zip", &demo(&home, "{name}!"));
    home.configure(&moto.blobs("functs"));
    home.start();
    home.run(&["tenant", "create", "acme"]);
    let load = "mutation ($it: JSONCamelCase) { loadMcpConfiguration(packageName: \"demo\", source: \"\", \
                mcpConfiguration: $it, updatedBy: \"ann\") { ok message } }";
    let manifest: Value = serde_json::from_str(OLDER).unwrap();
    let done = graphql(&home, "acme", load, &json!({ "it": manifest }));
    assert_eq!(done["loadMcpConfiguration"]["ok"], true, "{done}");
    seen_by_python(&home, &home.address().replace("/mcp", "/acme/mcp"));
    // No name of a package leads to what another tenant uploaded, and none brings anything down.
    moto.put("functs/packages/other/theirs.zip", &demo(&home, "{name}!"));
    moto.put("functs/my__pkg.zip", b"no archive");
    for name in ["packages/other/theirs", "my__pkg", "../demo", "a b"] {
        let query = "mutation ($name: String!) { insertUpdateMcpModule(moduleName: \"m\", packageName: \
                     $name, source: \"\", classes: [{className: \"Demo\"}], updatedBy: \"ann\") \
                     { mcpModule { source } } }";
        graphql(&home, "acme", query, &json!({ "name": name }));
        let servers = home.run(&["bundle", "list", "--tenant", "acme", "--json"]);
        assert!(servers.contains("demo") && !servers.contains("theirs"), "{name}: {servers}");
        let load = "mutation ($name: String!) { loadMcpConfiguration(packageName: $name, source: \"\", \
                    updatedBy: \"b\") { ok message } }";
        let done = graphql(&home, "acme", load, &json!({ "name": name }));
        assert_eq!(done["loadMcpConfiguration"]["ok"], false, "{name}: {done}");
    }
    // No code is run but that of the package.
    let manifest = "mutation ($it: JSONCamelCase) { loadMcpConfiguration(packageName: \"demo\", source: \"\", \
                    mcpConfiguration: $it, updatedBy: \"ann\") { ok message } }";
    let foreign = json!({ "tools": [{ "name": "trace" }], "module_links": [{ "type": "tool",
        "name": "trace", "module_name": "trace", "class_name": "Trace", "function_name": "run" }],
        "modules": [{ "package_name": "demo", "module_name": "trace", "class_name": "Trace" }] });
    graphql(&home, "acme", manifest, &json!({ "it": foreign }));
    let said = text_of(&home, "acme", "trace", &json!({ "cmd": "1" }));
    assert!(said.contains("error"), "{said}");
    let listed = home.run(&["bundle", "list", "--tenant", "acme", "--json"]);
    assert!(listed.contains("names a module that is not in the bundle: `trace`"), "{listed}");
    // By its name alone it is kept as a version.
    home.run(&["tenant", "create", "other"]);
    let load = "mutation { loadMcpConfiguration(moduleName: \"demo\", source: \"\", updatedBy: \"b\") \
                { ok message } }";
    let done = graphql(&home, "other", load, &json!({}));
    assert_eq!(done["loadMcpConfiguration"]["ok"], true, "{done}");
    seen_by_python(&home, &home.address().replace("/mcp", "/other/mcp"));
}

/// Numbers that are the same in each run (SplitMix64).
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }
}

/// What a client of a tenant is served: the names and descriptions of its tools.
fn served(home: &Home, tenant: &str) -> Vec<(String, String)> {
    let body = json!({ "jsonrpc": "2.0", "id": 1, "method": "tools/list" }).to_string();
    let headers = format!("X-API-Key: {}\r\n", home.key());
    let said = ask(&authority(home), &format!("POST /{tenant}/mcp"), &headers, &body);
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let tools = said.body["result"]["tools"].as_array().cloned().unwrap_or_default();
    let mut tools: Vec<_> =
        tools.iter().map(|tool| (text(&tool["name"]), text(&tool["description"]))).collect();
    tools.sort();
    tools
}

/// What rows say that is served, and by which method.
fn kept(home: &Home, tenant: &str) -> Vec<(String, String, String)> {
    let query = "{ mcpFunctionList(moduleName: \"many\", limit: 100) { mcpFunctionList \
                 { name description functionName status } } }";
    let list = graphql(home, tenant, query, &json!({}))["mcpFunctionList"].clone();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let used = list["mcpFunctionList"].as_array().unwrap().iter().filter(|it| it["status"] != 0);
    let mut used: Vec<_> = used
        .map(|it| (text(&it["name"]), text(&it["description"]), text(&it["functionName"])))
        .collect();
    used.sort();
    used
}

const MANY: &str = "
class Many:
    def __init__(self, logger, **setting):
        self.word = setting['word']
    def a(self): return self.word + ' a'
    def b(self): return self.word + ' b'
    def c(self): return self.word + ' c'
";

/// Packs a module with three tools and a setting, in base64.
fn many(home: &Home) -> String {
    use base64::Engine as _;
    let directory = home.path("many-source/many");
    std::fs::create_dir_all(&directory).unwrap();
    std::fs::write(directory.join("__init__.py"), MANY).unwrap();
    let tools = ["a", "b", "c"].map(|name| json!({ "name": name, "description": "first" }));
    let links = ["a", "b", "c"].map(|name| {
        json!({ "type": "tool", "name": name, "module_name": "many", "class_name": "Many",
            "function_name": name, "return_type": "text" })
    });
    let manifest = json!({ "tools": tools, "module_links": links, "modules": [{
        "package_name": "many", "module_name": "many", "class_name": "Many",
        "setting": { "word": "zero" } }] });
    std::fs::write(home.path("many-source/mcp_configuration.json"), manifest.to_string()).unwrap();
    home.run(&["bundle", "pack", "many-source", "--output", "many.zip"]);
    let content = std::fs::read(home.path("many.zip")).unwrap();
    base64::engine::general_purpose::STANDARD.encode(content)
}

/// One change of a row, at random.
fn change(dice: &mut Dice, setting: &str) -> (String, Value) {
    let name = ["a", "b", "c", "d"][dice.below(4) as usize];
    let number = dice.below(1_000);
    let put = |members: String| {
        format!(
            "mutation ($v: JSONCamelCase) {{ insertUpdateMcpFunction(name: \"{name}\", mcpType: \
             \"tool\", moduleName: \"many\", className: \"Many\", data: $v, {members}, updatedBy: \
             \"ann\") {{ mcpFunction {{ name }} }} }}"
        )
    };
    let method = ["a", "b", "c"][dice.below(3) as usize];
    let query = match dice.below(6) {
        0 => put(format!("description: \"is {number}\", functionName: \"{method}\"")),
        1 => put(format!("functionName: \"{method}\", status: 1")),
        2 => put(format!("functionName: \"{method}\", status: 0")),
        3 => format!("mutation {{ deleteMcpFunction(name: \"{name}\") {{ ok }} }}"),
        _ => {
            let query = "mutation ($id: String!, $v: JSONCamelCase) { insertUpdateMcpSetting(settingId: \
                         $id, setting: $v, updatedBy: \"ann\") { mcpSetting { settingId } } }";
            let to = json!({ "id": setting, "v": { "word": format!("word {number}") } });
            return (query.to_owned(), to);
        }
    };
    (query, json!({ "v": { "inputSchema": { "type": "object" } } }))
}

/// Whatever is written of a tenant is what its clients are served from the next request on, and no
/// client of another is.
#[test]
fn what_is_served_is_what_rows_say() {
    let home = Home::new("");
    home.start();
    let load = "mutation ($package: String!) { loadMcpConfiguration(packageName: \"many\", moduleName: \
                \"many\", packageBase64: $package, updatedBy: \"ann\") { ok message } }";
    for tenant in ["acme", "other"] {
        home.run(&["tenant", "create", tenant]);
        let done = graphql(&home, tenant, load, &json!({ "package": many(&home) }));
        assert_eq!(done["loadMcpConfiguration"]["ok"], true, "{done}");
    }
    let theirs = served(&home, "other");
    let classes =
        graphql(&home, "acme", "{ mcpModule(moduleName: \"many\") { classes } }", &json!({}));
    let setting = classes["mcpModule"]["classes"][0]["settingId"].as_str().unwrap().to_owned();
    let read = "query ($id: String!) { mcpSetting(settingId: $id) { setting } }";
    let mut dice = Dice(7);
    for step in 0..40 {
        let (query, variables) = change(&mut dice, &setting);
        // What is not there cannot be deleted, which changes nothing either.
        let body = json!({ "query": query, "variables": variables }).to_string();
        let headers = format!("X-API-Key: {}\r\n", home.key());
        ask(&authority(&home), "POST /acme/mcp_core_graphql", &headers, &body);
        let kept = kept(&home, "acme");
        let expected: Vec<_> =
            kept.iter().map(|(name, description, _)| (name.clone(), description.clone())).collect();
        assert_eq!(served(&home, "acme"), expected, "step {step}: {query}");
        if let Some((name, _, method)) = kept.first() {
            let word =
                graphql(&home, "acme", read, &json!({ "id": setting }))["mcpSetting"].clone();
            let word = word["setting"]["word"].as_str().unwrap();
            let said = text_of(&home, "acme", name, &json!({}));
            assert_eq!(said, format!("{word} {method}"), "step {step}: {query}");
        }
    }
    assert_eq!(served(&home, "other"), theirs);
    assert_eq!(text_of(&home, "other", "a", &json!({})), "zero a");
}
