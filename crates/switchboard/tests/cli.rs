//! The program as a person meets it: a clean home, what is typed, what is printed, the exit code.

#[path = "cli/machine.rs"]
mod machine;

use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{ChildStdin, ChildStdout};

use machine::{Machine, Said};
use serde_json::{Value, json};

/// What a command says on a machine where nothing was ever configured or started.
#[track_caller]
fn check(command: &str, exit: i32, stdout: &str, stderr: &str) {
    let said = Machine::new().type_in(command);
    let actual = (said.exit, said.stdout.trim_end(), said.stderr.trim_end());
    assert_eq!(actual, (exit, stdout, stderr), "{command}");
}

#[test]
fn without_a_daemon_commands_say_so_and_what_to_do() {
    let message =
        "error[not-running]: no daemon is running\n hint: start it with `switchboard start`";
    for command in [
        "status",
        "stop",
        "tools",
        "call a__b",
        "rotate-key",
        "reload",
        "logs --upstream a",
        "route explain a__b",
        "tenant list",
        "user list",
        "key list",
        "limit list",
        "policy check --as a list",
    ] {
        check(command, 3, "", message);
    }
    check(
        "status --name work",
        3,
        "",
        "error[not-running]: no daemon named `work` is running\n hint: start it with `switchboard start --name work`",
    );
    check("health", 1, "unhealthy: no daemon is running", "");
    check(
        "status --json",
        3,
        "",
        r#"{"error":{"code":"not-running","message":"no daemon is running","hint":"start it with `switchboard start`"}}"#,
    );
    check("servers", 0, "", "No server is configured; `switchboard up` looks for those you use.");
    check("servers --json", 0, "[]", "");
    check(
        "logs",
        1,
        "",
        "error[no-log]: there is no log yet
 cause: `~/.local/state/switchboard/default/daemon.log` does not exist
 hint: `switchboard start` starts the daemon, which writes it",
    );
    check(
        "show-key",
        1,
        "",
        "error[no-key]: there is no key yet
 cause: the daemon makes one when it starts for the first time
 hint: start it with `switchboard start`",
    );
}

#[test]
fn a_command_line_that_is_wrong_is_answered_with_what_is_near() {
    let machine = Machine::new();
    for (command, expected) in [
        ("statsu", "similar subcommands exist: 'start', 'status'"),
        ("status --jsno", "a similar argument exists: '--json'"),
        ("", "Usage: switchboard [OPTIONS] <COMMAND>"),
        ("status --name a/b", "error[no-directories]: `a/b` cannot be the name of an instance"),
        ("stop --timeout soon", "it must be a number of seconds"),
        ("call a__b word", "error[usage]: `word` is no argument of a tool"),
        ("call a__b a:=x", "error[usage]: `x` is not JSON"),
        ("completions tcsh", "invalid value 'tcsh'"),
    ] {
        let said = machine.type_in(command);
        assert_eq!((said.exit, said.stdout.as_str()), (2, ""), "{command}");
        assert!(said.stderr.contains(expected), "{command}: {}", said.stderr);
    }
}

#[test]
fn help_lists_every_command_and_each_has_an_example() {
    let machine = Machine::new();
    let overview = machine.type_in("--help");
    assert_eq!((overview.exit, overview.stderr.as_str()), (0, ""));
    for heading in ["Getting started:", "Daemon:", "Using servers:", "Exit codes:"] {
        assert!(overview.stdout.contains(heading), "no `{heading}`");
    }
    let commands: Vec<&str> = overview
        .stdout
        .lines()
        .skip_while(|line| !line.starts_with("Getting started"))
        .take_while(|line| !line.starts_with("Options"))
        .filter_map(|line| line.strip_prefix("  ")?.split_whitespace().next())
        .collect();
    assert!(commands.len() > 20, "{commands:?}");
    assert!(!commands.contains(&"guard"), "for the daemon only");
    for command in commands {
        let said = machine.type_in(&format!("{command} --help"));
        assert_eq!((said.exit, said.stderr.as_str()), (0, ""), "{command}");
        assert!(said.stdout.contains("Example"), "no example:\n{}", said.stdout);
        let longest = said.stdout.lines().map(|line| line.chars().count()).max();
        assert!(longest <= Some(110), "{command} has a line of {longest:?} characters");
    }
}

#[test]
fn what_needs_no_home_works_without_one() {
    let machine = Machine::new();
    for (command, expected) in [
        ("completions bash", "complete -F _switchboard"),
        ("completions zsh", "#compdef switchboard"),
        ("man", ".TH switchboard 1"),
        ("--version", concat!("switchboard ", env!("CARGO_PKG_VERSION"))),
    ] {
        let said = machine.type_in_without_home(command);
        assert_eq!((said.exit, said.stderr.as_str()), (0, ""), "{command}");
        assert!(said.stdout.contains(expected), "{command}: {}", said.stdout);
    }
    let said = machine.type_in_without_home("status");
    assert_eq!(said.exit, 4);
    assert!(said.stderr.starts_with("error[no-directories]: neither HOME nor"), "{}", said.stderr);
}

#[test]
fn the_manual_has_a_page_for_each_command() {
    let machine = Machine::new();
    let said = machine.type_in("man --dir pages");
    assert!(said.stderr.starts_with("Wrote the pages"), "{}", said.stderr);
    let page = machine.read("pages/switchboard-config-explain.1");
    assert!(page.contains(".TH switchboard-config-explain 1"), "{page}");
}

/// What `config check` says about a configuration.
#[track_caller]
fn check_config(text: &str, exit: i32, expected: &str) {
    let machine = Machine::new();
    machine.configure(text);
    let said = machine.type_in("config check");
    let heard = if exit == 0 { said.stdout.trim_end() } else { said.stderr.trim_end() };
    assert_eq!((said.exit, heard), (exit, expected));
    // A daemon refuses the same, for the same reason, and is not started.
    if exit != 0 {
        let started = machine.type_in("start");
        assert_eq!(started.exit, 4, "{}", started.stderr);
        assert!(
            started.stderr.starts_with(expected.lines().next().unwrap_or(expected)),
            "{}",
            started.stderr
        );
    }
}

#[test]
fn a_good_configuration_is_called_fine() {
    let fine = "~/.config/switchboard/config.toml is fine.";
    check_config("", 0, fine);
    check_config("[http]\nport = 0\n[upstream.git]\nstdio = { command = \"git-mcp\" }", 0, fine);
    check_config("[upstream.web]\nhttp = { url = \"https://example.org/mcp\" }", 0, fine);
    check(
        "config check",
        0,
        "There is no ~/.config/switchboard/config.toml; the defaults are in effect.",
        "",
    );
}

#[test]
fn a_bad_configuration_is_shown_where_it_is_bad() {
    check_config(
        "[http]\nprot = 1",
        4,
        "error[config-unknown-key]: unknown key `prot` in `http`
 --> ~/.config/switchboard/config.toml:2:1
  |
2 | prot = …
  | ^^^^
  = hint: did you mean `port`?

error[config-invalid]: the configuration has a mistake",
    );
    check_config(
        "[http]\nport = \"x\"\nconnections = 0",
        4,
        "error[config-wrong-type]: `http.port` must be an integer from 0 to 65535, not the string `x`
 --> ~/.config/switchboard/config.toml:2:8
  |
2 | port = \"x\"
  |        ^^^

error[config-out-of-range]: `http.connections` must be an integer from 1 to 100000, not `0`
 --> ~/.config/switchboard/config.toml:3:15
  |
3 | connections = 0
  |               ^

error[config-invalid]: the configuration has 2 mistakes",
    );
}

/// A configuration with an upstream `x` is refused: where, why, and what to do instead.
#[track_caller]
fn check_upstream(text: &str, line: usize, message: &str, hint: &str) {
    let machine = Machine::new();
    machine.configure(&format!("[upstream.x]\n{text}"));
    let said = machine.type_in("config check");
    assert_eq!(said.exit, 4, "{text}: {}", said.stdout);
    let place = format!("config.toml:{line}:1\n");
    let message = format!("error[config-invalid-value]: {message}\n");
    for part in [&message, &place, hint] {
        assert!(said.stderr.contains(part), "{text}: no `{part}` in\n{}", said.stderr);
    }
    assert_eq!(said.stderr.matches("error[").count(), 2, "{}", said.stderr);
}

#[test]
fn every_endpoint_is_reached_in_one_way() {
    let program = "stdio = { command = \"a\" }";
    check_upstream(
        "",
        1,
        "upstream `x` has none of `stdio`, `http`, `sse` and `websocket`",
        "add stdio",
    );
    check_upstream(
        &format!("{program}\nendpoints = [{{ {program} }}]"),
        2,
        "upstream `x` has both `endpoints` and `stdio`",
        "make the other way one of the endpoints",
    );
    check_upstream(
        &format!("endpoints = [{{ {program} }}, {{ weight = 2 }}]"),
        2,
        "upstream.x.endpoints[1] has none of `stdio`, `http`, `sse` and `websocket`",
        "add stdio",
    );
    let tables = "[[upstream.x.endpoints]]\nstdio.command = \"a\"\n[[upstream.x.endpoints]]\n";
    check_upstream(
        &format!("{tables}stdio.command = \"a\"\nhttp.url = \"http://h\""),
        4,
        "upstream.x.endpoints[1] has both `stdio` and `http`",
        "keep the one that is meant",
    );
    check_upstream(
        &format!("{tables}stdio.command = \" \""),
        5,
        "upstream.x.endpoints[1].stdio.command is empty",
        "name a program",
    );
    check_upstream(
        &format!("{tables}websocket.url = \"https://h\""),
        5,
        "upstream.x.endpoints[1].websocket.url is no address that begins with ws:// or wss://",
        "such as `wss://host/mcp`",
    );
    check_upstream(
        &format!("{tables}http.url = \"https://h\"\nhttp.headers = {{ \"a b\" = \"c\" }}"),
        6,
        "upstream.x.endpoints[1].http.headers: `a b` is no name of a header",
        "such as `Authorization`",
    );
    check_upstream(
        "era = \"modern\"\nendpoints = [{ sse = { url = \"http://h/sse\" } }]",
        2,
        "upstream.x: 2026-07-28 is not spoken over HTTP+SSE",
        "leave `era` out",
    );
}

#[test]
fn keys_that_would_do_nothing_are_refused() {
    let program = "stdio = { command = \"a\" }";
    let one = |keys: &str| format!("{keys}\n{program}");
    let two = |keys: &str| format!("{keys}\nendpoints = [{{ {program} }}, {{ {program} }}]");
    for (text, message, hint) in [
        (
            one("pool = {}\nsharing = \"per_session\""),
            "pool and `sharing` exclude each other: a pool is for everybody",
            "keep the one that is meant",
        ),
        (
            two("pool = {}"),
            "pool and `endpoints` exclude each other: a pool has instances of one server",
            "keep the one that is meant",
        ),
        (
            one("pool = { min = 3, max = 2 }"),
            "pool.min is 3, more than `max`, which is 2",
            "write no more for `min` than for `max`",
        ),
        (
            two("instances = 7"),
            "instances does nothing while everybody shares the server",
            "add sharing = \"per_session\"",
        ),
        (
            one("balance = \"round_robin\""),
            "balance does nothing where a call has but one endpoint to go to",
            "add `endpoints` or a `pool`",
        ),
        (
            two("balance = \"round_robin\"\nsharing = \"per_principal\""),
            "balance does nothing where a call has but one endpoint to go to",
            "or leave it out",
        ),
        (
            one("retry = { hedge_after = \"1s\" }"),
            "retry.hedge_after does nothing where a call has but one endpoint to go to",
            "add `endpoints` or a `pool`",
        ),
        (
            one("health = { timeout = \"0s\" }"),
            "health.timeout leaves no time for an answer, so that every server would be replaced",
            "asks no server",
        ),
        (
            two("hash_argument = \"repo\"\nbalance = \"round_robin\""),
            "hash_argument does nothing without `balance = \"consistent_hash\"`",
            "add that",
        ),
    ] {
        check_upstream(&text, 2, &format!("upstream.x.{message}"), hint);
    }
    let fine = "~/.config/switchboard/config.toml is fine.";
    for text in [
        one("balance = \"power_of_two\"\ninstances = 64\nbreaker = { slow_percent = 10 }"),
        one("sharing = \"per_principal\"\ninstances = 2"),
        one("pool = { min = 2, max = 2 }\nbalance = \"round_robin\""),
        two("hash_argument = \"repo\"\nbalance = \"consistent_hash\""),
    ] {
        check_config(&format!("[upstream.x]\n{text}"), 0, fine);
    }
}

#[test]
fn a_group_of_nobody_is_refused() {
    let check = |group: &str, message: &str, hint: &str| {
        let machine = Machine::new();
        let upstream = |name: &str| format!("[upstream.{name}]\nstdio = {{ command = \"c\" }}\n");
        machine.configure(&format!("{}{}{group}", upstream("x"), upstream("y")));
        let said = machine.type_in("config check");
        assert_eq!(said.exit, 4, "{group}: {}", said.stdout);
        let message = format!("error[config-invalid-value]: {message}");
        for part in [&*message, "config.toml:", hint] {
            assert!(said.stderr.contains(part), "{group}: no `{part}` in\n{}", said.stderr);
        }
    };
    let group = |members: &str| format!("[group.g]\nupstreams = [{members}]\n");
    check("[group.g]", "group.g.upstreams names fewer than two", "offer the same");
    check(&group(r#""x""#), "group.g.upstreams names fewer than two", "offer the same");
    check(&group(r#""x", "z""#), "group.g.upstreams names `z`, which is none", "servers");
    check(&group(r#""x", "x""#), "group.g.upstreams names `x`, as group.g does", "once");
    let both = group(r#""x", "y""#);
    let hashed = format!("{both}hash_argument = \"repo\"");
    check(&hashed, "group.g.hash_argument does nothing without", "add that");
    let prefixed = format!("{both}prefix = \"a__b\"");
    check(&prefixed, "group.g.prefix `a__b` may only have", "bare names");
    let again = both.replace("group.g", "group.x");
    check(&again, "group.x has the name of an upstream", "rename one of them");
}

#[test]
fn a_configuration_that_was_named_has_to_exist() {
    let said = Machine::new().type_in("config check --config missing.toml");
    assert_eq!(said.exit, 4);
    assert!(said.stderr.contains("`missing.toml` cannot be read"), "{}", said.stderr);
}

#[test]
fn settings_say_what_they_are_and_where_they_came_from() {
    let machine = Machine::new();
    machine.configure("[http]\nport = 9000\n[auth]\napi_key = \"a key of mine, long enough\"");
    let shown = machine.type_in("config show");
    assert_eq!(shown.exit, 0, "{}", shown.stderr);
    let line = |start: &str| shown.stdout.lines().find(|line| line.starts_with(start)).unwrap();
    assert!(line("port = 9000").ends_with("config.toml:2:1"), "{}", line("port = 9000"));
    assert!(line("host =").ends_with("# default"), "{}", line("host ="));
    assert!(!shown.stdout.contains("a key of mine"), "a secret was shown");

    let explained = machine.type_in("config explain http.port").stdout;
    for part in ["http.port = 9000", "config.toml:2:1", "8765", "SWITCHBOARD_HTTP_PORT"] {
        assert!(explained.contains(part), "no `{part}` in\n{explained}");
    }
    let unknown = machine.type_in("config explain http.prot");
    assert_eq!(unknown.exit, 2);
    assert!(unknown.stderr.contains("did you mean `http.port`?"), "{}", unknown.stderr);

    let schema: Value = serde_json::from_str(&machine.type_in("config schema").stdout).unwrap();
    assert!(schema.pointer("/properties/upstream").is_some());
}

#[test]
fn the_key_of_the_configuration_is_the_key() {
    let machine = Machine::new();
    machine.configure("[auth]\napi_key = \"a key of mine, long enough\"");
    let said = machine.type_in("show-key --quiet");
    let actual = (said.exit, said.stdout.as_str(), said.stderr.as_str());
    assert_eq!(actual, (0, "a key of mine, long enough\n", ""));
    let said = machine.type_in("show-key");
    assert_eq!(said.stdout, "a key of mine, long enough\n", "only the key is data");
    assert!(said.stderr.contains("http://127.0.0.1:8765/mcp"), "{}", said.stderr);
}

#[test]
fn units_are_shown_before_anything_is_written() {
    let machine = Machine::new();
    let said = machine.type_in("service install --socket --dry-run --name work");
    assert_eq!(said.exit, 0, "{}", said.stderr);
    for part in [
        "# ~/.config/systemd/user/switchboard-work.service",
        "# ~/.config/systemd/user/switchboard-work.socket",
        "\"run\" \"--name=work\"",
        "ListenStream=127.0.0.1:8765",
    ] {
        assert!(said.stdout.contains(part), "no `{part}` in\n{}", said.stdout);
    }
    assert!(said.stderr.contains("systemctl --user enable --now switchboard-work.socket"));
    assert!(!machine.has(".config/systemd"), "nothing is written");
    assert_eq!(machine.type_in("service uninstall").exit, 1);
}

/// A daemon with the demonstration server, started.
#[track_caller]
fn started() -> Machine {
    let machine = Machine::with_demo();
    let Said { exit, stdout, stderr } = machine.type_in("start");
    assert_eq!(exit, 0, "{stderr}");
    assert!(stdout.starts_with("Switchboard is running at http://127.0.0.1:"), "{stdout}");
    machine
}

#[test]
fn a_daemon_runs_once_and_stops_when_it_is_told_to() {
    let machine = started();
    let again = machine.type_in("start");
    assert_eq!(again.exit, 0, "{}", again.stderr);
    assert!(again.stdout.starts_with("Switchboard is already running at"), "{}", again.stdout);
    assert!(machine.type_in("logs").stdout.contains("ready"));
    let stopped = machine.type_in("stop");
    assert_eq!(stopped.exit, 0, "{}", stopped.stderr);
    assert_eq!(machine.type_in("stop").exit, 3);
}

#[test]
fn tools_are_listed_and_called() {
    let machine = started();
    let tools = machine.type_in("tools add").stdout;
    assert!(tools.contains("demo__add") && !tools.contains("demo__echo"), "{tools}");
    for (command, exit, stdout) in [
        ("call demo__add a=2 b=3", 0, "5\n"),
        (r#"call demo__echo {"message":"hi"}"#, 0, "hi\n"),
        ("call demo__echo {}", 5, "`message` must be a string\n"),
        ("call demo__nothing {}", 1, ""),
        ("call demo__nothing a=1", 1, ""),
        ("call demo__add a=two", 2, ""),
    ] {
        let said = machine.type_in(command);
        assert_eq!((said.exit, said.stdout.as_str()), (exit, stdout), "{command}: {}", said.stderr);
    }
    let sum = machine.type_in("call demo__add a=2 b=3 --json");
    let sum: Value = serde_json::from_str(&sum.stdout).unwrap();
    assert_eq!(sum["content"][0]["text"], "5");
}

#[test]
fn where_a_call_would_go_is_explained() {
    let machine = started();
    machine.type_in("tools");
    let said = machine.type_in("route explain demo__add a=2 b=3 --json");
    let explained: Value = serde_json::from_str(&said.stdout).expect(&said.stderr);
    let expected = [("tool", "demo__add"), ("upstream", "demo"), ("own_name", "add")];
    for (member, value) in expected.into_iter().chain([("sharing", "shared")]) {
        assert_eq!(explained[member], value, "{explained}");
    }
    assert_eq!(explained["endpoints"][0]["name"], "demo");
    assert_eq!(explained["endpoints"][0]["place"], 1);
    let reason = explained["endpoints"][0]["reason"].as_str().unwrap();
    assert!(reason.starts_with("ready, "), "{reason}");
    let refused = machine.type_in("route explain demo__nothing");
    let called = machine.type_in("call demo__nothing {}");
    assert_eq!(refused.exit, called.exit);
    let first = |said: &Said| said.stderr.lines().next().unwrap_or_default().to_owned();
    assert_eq!(first(&refused), first(&called), "the error that the call gets");
    assert_eq!(machine.type_in("route explain demo__add a=two").exit, 2);
}

#[test]
fn an_endpoint_has_a_name_of_its_own() {
    let machine = Machine::new();
    machine.configure(
        "[upstream.x]\nendpoints = [{ stdio = { command = \"a\" } }, \
         { http = { url = \"http://h\", headers = { Authorization = \"a secret\" } } }]",
    );
    for (command, expected) in [
        ("login x", "no logging in at `x`: it is not reached by `http`"),
        ("login x.2", "no logging in at `x.2`: its `headers` have an `Authorization`"),
        ("login x.3", "no upstream is named `x.3`"),
        ("logout x.1", "no upstream is named `x.1`"),
    ] {
        let said = machine.type_in(command);
        assert!(said.stderr.contains(expected), "{command}: {}", said.stderr);
    }
    let shown = machine.type_in("config show").stdout;
    assert!(shown.contains("Authorization") && !shown.contains("a secret"), "{shown}");
    let servers: Value = serde_json::from_str(&machine.type_in("servers --json").stdout).unwrap();
    assert_eq!(servers[0]["kind"], "stdio+http");
    let doctor = machine.type_in("doctor").stdout;
    assert!(doctor.contains("`a`"), "the program of an endpoint is looked for: {doctor}");
}

#[test]
fn the_state_of_every_server_is_shown() {
    let machine = started();
    machine.type_in("tools");
    let status: Value = serde_json::from_str(&machine.type_in("status --json").stdout).unwrap();
    assert_eq!(status["upstreams"][0]["state"], "ready");
    assert!(machine.type_in("status").stdout.contains("\ndemo    stdio  ready"));
    assert!(machine.type_in("health").stdout.starts_with("healthy: 1 server, 4 tools"));
    assert_eq!(machine.type_in("reload").stdout, "Nothing changed (1 server).\n");
}

#[test]
fn a_rotated_key_replaces_the_old_one() {
    let machine = started();
    let old = machine.type_in("show-key -q").stdout;
    let new = machine.type_in("rotate-key --grace 0s");
    assert!(new.exit == 0 && new.stdout != old, "{}", new.stderr);
    assert_eq!(machine.type_in("show-key -q").stdout, new.stdout);
}

#[test]
fn a_daemon_that_cannot_start_says_why() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let Said { exit, stderr, .. } = Machine::new().type_in(&format!("start --port {port}"));
    assert_eq!(exit, 1);
    assert!(stderr.starts_with("error[listen-failed]: cannot listen on"), "{stderr}");
}

#[test]
fn an_address_given_once_is_kept_over_a_restart() {
    let machine = Machine::with_demo();
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = free.local_addr().unwrap().port();
    drop(free);
    let started = machine.type_in(&format!("start --port {port}"));
    assert_eq!(started.exit, 0, "{}", started.stderr);
    let restarted = machine.type_in("restart");
    assert_eq!(restarted.exit, 0, "{}", restarted.stderr);
    assert!(restarted.stdout.contains(&format!(":{port}/mcp")), "{}", restarted.stdout);
}

/// A client that speaks through `switchboard stdio`.
struct Client {
    stdin: ChildStdin,
    stdout: BufReader<ChildStdout>,
}

impl Client {
    fn tell(&mut self, message: &Value) {
        writeln!(self.stdin, "{message}").expect("the program reads");
    }

    /// Sends a request and reads up to its answer.
    fn ask(&mut self, id: u32, method: &str, params: &Value) -> Value {
        self.tell(&json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params }));
        loop {
            let mut line = String::new();
            assert!(
                self.stdout.read_line(&mut line).expect("lines are text") > 0,
                "no answer to {id}"
            );
            let message: Value = serde_json::from_str(&line).expect("only MCP is on stdout");
            if message.get("method").is_none() {
                assert_eq!(message["id"], id, "{line}");
                return message;
            }
        }
    }
}

#[test]
fn a_client_on_standard_input_does_not_notice_a_restart() {
    let machine = Machine::with_demo();
    let mut child = machine.spawn("stdio");
    let mut client = Client {
        stdin: child.stdin.take().unwrap(),
        stdout: BufReader::new(child.stdout.take().unwrap()),
    };
    let params = json!({
        "protocolVersion": "2025-11-25",
        "capabilities": {},
        "clientInfo": { "name": "test", "version": "1" },
    });
    let opened = client.ask(1, "initialize", &params);
    assert_eq!(opened["result"]["protocolVersion"], "2025-11-25", "{opened}");
    client.tell(&json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }));
    let add = json!({ "name": "demo__add", "arguments": { "a": 2, "b": 3 } });
    for id in [2, 3] {
        let answer = client.ask(id, "tools/call", &add);
        assert_eq!(answer["result"]["content"][0]["text"], "5", "{answer}");
        let restarted = machine.type_in("restart");
        assert_eq!(restarted.exit, 0, "{}", restarted.stderr);
    }
    drop(client);
    assert_eq!(child.wait().unwrap().code(), Some(0));
}

#[test]
fn a_client_may_have_everything_in_one_process() {
    let machine = Machine::with_demo();
    let mut child = machine.spawn("stdio --embedded");
    let mut client = Client {
        stdin: child.stdin.take().unwrap(),
        stdout: BufReader::new(child.stdout.take().unwrap()),
    };
    let meta = json!({ "_meta": {
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
    }});
    let answer = client.ask(1, "tools/list", &meta);
    assert_eq!(answer["result"]["tools"][0]["name"], "demo__echo", "{answer}");
    drop(client);
    assert_eq!(child.wait().unwrap().code(), Some(0));
    assert_eq!(machine.type_in("status").exit, 3, "there is no daemon");
}
