use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use switchboard_clientfile::{Client, Reach, Server};

use super::edited;
use crate::setup::plan::{Addition, Demo, Plan};

fn stdio(command: &str, args: &[&str], env: &[(&str, &str)]) -> Reach {
    Reach::Stdio {
        command: command.to_owned(),
        args: args.iter().map(|&arg| arg.to_owned()).collect(),
        env: pairs(env),
        cwd: None,
    }
}

fn pairs(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
    pairs.iter().map(|&(name, value)| (name.to_owned(), value.to_owned())).collect()
}

fn addition(name: &str, reach: Reach) -> Addition {
    let server = Server {
        name: name.to_owned(),
        reach,
        timeout: None,
        include_tools: Vec::new(),
        exclude_tools: Vec::new(),
        optional: false,
        disabled: false,
    };
    Addition { name: name.to_owned(), server, client: Client::Vscode, path: "/c/mcp.json".into() }
}

/// The configuration `before` with the plan; secrets would go to `/s`, which does not exist.
#[track_caller]
fn check(before: &str, plan: &Plan, expected: &str) {
    let (after, _) = edited(Some(before), plan, Path::new("/s")).unwrap();
    assert_eq!(after, expected);
}

#[test]
fn what_is_there_stays_as_it_is() {
    let before = "# mine\n[http]\nport = 9000 # why\n\n[upstream.a]\nstdio = {command='x'}\n";
    let plan = Plan {
        imports: vec![PathBuf::from("/c/claude.json")],
        tables: vec![addition("b", stdio("y", &["-v"], &[]))],
        ..Plan::default()
    };
    check(
        before,
        &plan,
        "import = [\"/c/claude.json\"]\n# mine\n[http]\nport = 9000 # why\n\n\
         [upstream.a]\nstdio = {command='x'}\n\n\
         # From VS Code: /c/mcp.json\n[upstream.b]\n\
         stdio = { command = \"y\", args = [\"-v\"] }\n",
    );
    check(before, &Plan::default(), before);
    let import = Plan { imports: vec![PathBuf::from("/d")], ..Plan::default() };
    check("import = [ '/c' ] # two\n", &import, "import = [ '/c' , \"/d\"] # two\n");
    let port = Plan { port: Some(9001), ..Plan::default() };
    check("[http]\nport = 9000 # why\n", &port, "[http]\nport = 9001 # why\n");
}

#[test]
fn the_demonstration_server_is_this_program() {
    let plan = Plan {
        demo: Some(Demo { name: "demo".to_owned(), program: "/bin/switchboard".into() }),
        ..Plan::default()
    };
    check(
        "",
        &plan,
        "\n# The built-in demonstration server: echo, add, clock.\n[upstream.demo]\n\
         stdio = { command = \"/bin/switchboard\", args = [\"demo\"] }\n",
    );
}

#[test]
fn settings_of_a_server_keep_their_meaning() {
    let mut full = addition("a", stdio("x", &["${HOME}"], &[]));
    full.server.timeout = Some(Duration::from_millis(1500));
    full.server.include_tools = vec!["read_*".to_owned()];
    full.server.optional = true;
    let plan = Plan { tables: vec![full], ..Plan::default() };
    check(
        "",
        &plan,
        "\n# From VS Code: /c/mcp.json\n[upstream.a]\n\
         stdio = { command = \"x\", args = [\"$${HOME}\"] }\n\
         timeout = \"1500ms\"\ninclude_tools = [\"read_*\"]\noptional = true\n",
    );
}

#[test]
fn secrets_are_never_in_the_configuration() {
    const CANARY: &str = "canary-4711";
    let with_canary = [
        stdio("x", &["--token", CANARY], &[("KEY", CANARY), ("LEVEL", CANARY)]),
        stdio("x", &["-e", "API_KEY=canary-4711", "postgres://me:canary-4711@h/db"], &[]),
        Reach::Http {
            url: "https://example.com/mcp".to_owned(),
            headers: pairs(&[("Authorization", "Bearer canary-4711")]),
        },
        Reach::Http { url: format!("https://example.com/mcp?k={CANARY}"), headers: pairs(&[]) },
    ];
    for reach in with_canary {
        let plan = Plan { tables: vec![addition("a", reach.clone())], ..Plan::default() };
        let (text, files) = edited(None, &plan, Path::new("/s")).unwrap();
        assert!(!text.contains(CANARY), "{text}");
        assert!(text.contains("/s/a"), "{text}");
        assert!(text.starts_with("# Configuration of Switchboard"), "{text}");
        assert!(files.iter().any(|file| file.content.contains(CANARY)));
        assert!(!format!("{files:?}{plan:?}").contains("Bearer"));
    }
}
