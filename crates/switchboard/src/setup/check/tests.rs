use std::fs;
use std::net::{IpAddr, Ipv4Addr, TcpListener};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use serde_json::json;
use switchboard_client::control::Status;
use switchboard_config::Diagnostic;
use switchboard_process::sandbox::{Layer, LayerKind, Missing};

use super::{
    Check, Needed, State, configuration, conflicts, key, leftovers, log, port, programs, sandbox,
    state_directory, upstreams, version,
};

/// The checks as lines: `state message | hint`.
#[track_caller]
fn expect(checks: &[Check], expected: &[(State, &str)]) {
    let states: Vec<_> = checks.iter().map(|check| check.state).collect();
    let wanted: Vec<_> = expected.iter().map(|(state, _)| *state).collect();
    assert_eq!(states, wanted, "{checks:?}");
    for (check, (_, text)) in checks.iter().zip(expected) {
        let all = format!("{} | {}", check.message, check.hint.as_deref().unwrap_or_default());
        assert!(all.contains(text), "{all}");
        assert!(check.state == State::Ok || check.hint.is_some(), "no hint: {all}");
    }
}

fn status(upstreams: &serde_json::Value) -> Status {
    let status = json!({
        "instance": "default", "version": "0.1.0", "pid": 1, "state": "ready", "address": "",
        "config": "", "uptime_seconds": 0, "tools": 0, "prompts": 0, "resources": 0,
        "sessions": 0, "upstreams": upstreams, "conflicts": [],
    });
    serde_json::from_value(status).unwrap()
}

fn upstream(state: &str, problem: Option<&str>, optional: bool) -> serde_json::Value {
    json!({
        "name": "git", "kind": "stdio", "state": state, "since_seconds": 0, "pid": null,
        "revision": null, "software": null, "restarts": 0, "in_flight": 0, "tools": null,
        "optional": optional, "problem": problem,
    })
}

#[test]
fn a_server_is_judged_by_its_state() {
    let check = |state: &str, problem: Option<&str>, optional, expected: (State, &str)| {
        expect(&upstreams(&status(&json!([upstream(state, problem, optional)]))), &[expected]);
    };
    check("ready", None, false, (State::Ok, "`git` is ready"));
    check("dormant", None, false, (State::Ok, "first use starts it"));
    check("waiting", Some("boom"), false, (State::Problem, "logs --upstream git"));
    check("waiting", Some("boom"), true, (State::Warning, "logs --upstream git"));
    check("ready", Some("boom"), false, (State::Warning, "`git` is ready"));
    expect(&upstreams(&status(&json!([]))), &[(State::Warning, "switchboard up")]);
}

#[test]
fn a_layer_of_the_sandbox_is_in_force_or_says_what_helps() {
    let missing = Missing { why: "no Landlock".to_owned(), hint: "a newer kernel".to_owned() };
    let layers = vec![
        Layer { kind: LayerKind::Limits, missing: None },
        Layer { kind: LayerKind::Files, missing: Some(missing) },
    ];
    let checks = sandbox(layers);
    expect(&checks, &[(State::Ok, "limits: what runs"), (State::Warning, "a newer kernel")]);
    assert_eq!(checks[1].cause.as_deref(), Some("no Landlock"));
}

#[test]
fn the_daemon_is_this_program() {
    expect(&[version("1.0.0", "1.0.0")], &[(State::Ok, "1.0.0")]);
    expect(&[version("1.0.0", "1.1.0")], &[(State::Warning, "switchboard restart")]);
}

#[test]
fn names_that_were_changed_are_told() {
    expect(&conflicts(&[]), &[(State::Ok, "")]);
    expect(&conflicts(&["a is b".to_owned()]), &[(State::Warning, "a is b")]);
}

#[test]
fn a_port_is_free_or_used_by_somebody() {
    let ip = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let listener = TcpListener::bind((ip, 0)).unwrap();
    let used = listener.local_addr().unwrap().port();
    expect(&[port(ip, used)], &[(State::Problem, "used by another program")]);
    expect(&[port(ip, 0)], &[(State::Ok, "is free")]);
}

#[test]
fn files_are_ours_alone() {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("api-key");
    expect(&[key(&path)], &[(State::Ok, "does not exist yet")]);
    fs::write(&path, "key").unwrap();
    let check = |mode: u32, checked: fn(&Path) -> Check, path: &Path, expected| {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        expect(&[checked(path)], &[expected]);
    };
    check(0o600, key, &path, (State::Ok, "mode 600"));
    check(0o644, key, &path, (State::Problem, "switchboard rotate-key"));
    check(0o755, state_directory, root.path(), (State::Problem, "chmod 700"));
    check(0o700, state_directory, root.path(), (State::Ok, "mode 700"));
    expect(&[state_directory(&path)], &[(State::Problem, "not a directory")]);
    expect(&[log(&root.path().join("daemon.log"))], &[(State::Ok, "can be written")]);
}

#[test]
fn a_configuration_is_valid_or_says_why_not() {
    let path = Path::new("/nowhere/config.toml");
    expect(&configuration(path, &[], &[]), &[(State::Warning, "switchboard up")]);
    let mistake = Diagnostic::new("config-unknown-key", "unknown key `x`").with_hint("did you");
    expect(&configuration(path, &[mistake], &[]), &[(State::Problem, "unknown key `x` | did you")]);
}

#[test]
fn programs_are_looked_for_where_the_server_looks() {
    let root = tempfile::tempdir().unwrap();
    let bin = root.path().join("bin");
    fs::create_dir(&bin).unwrap();
    for program in ["npx", "server"] {
        fs::write(bin.join(program), "").unwrap();
        fs::set_permissions(bin.join(program), fs::Permissions::from_mode(0o755)).unwrap();
    }
    fs::write(bin.join("plain"), "").unwrap();
    let path = bin.to_str().unwrap();
    let check = |command: &str, expected: &[(State, &str)]| {
        let needed = Needed { upstream: "a", command, path, cwd: Some(root.path()) };
        expect(&programs(&[needed], root.path()), expected);
    };
    check("server", &[(State::Ok, "bin/server")]);
    check("./bin/server", &[(State::Ok, "bin/server")]);
    check("~/bin/server", &[(State::Ok, "bin/server")]);
    check("missing", &[(State::Problem, "command -v missing")]);
    check("plain", &[(State::Problem, "not found")]);
    check("uvx", &[(State::Problem, "install uv")]);
    // `npx` is there, and what runs it is not.
    check("npx", &[(State::Problem, "Node.js"), (State::Ok, "bin/npx")]);
}

#[test]
fn processes_that_are_left_are_found_by_the_ledger() {
    let root = tempfile::tempdir().unwrap();
    expect(&[leftovers(root.path())], &[(State::Ok, "none")]);
    expect(&[leftovers(&root.path().join("missing"))], &[(State::Ok, "none")]);
    let write = |pid: u32| {
        let process = json!({ "pid": pid, "started": 1, "group": pid });
        let ledger =
            json!({ "boot": "", "children": { "x.1": { "label": "git", "process": process } } });
        fs::write(root.path().join("children-x-1-1.json"), ledger.to_string()).unwrap();
    };
    write(std::process::id());
    expect(&[leftovers(root.path())], &[(State::Warning, "git (process ")]);
    // Larger than any process id (proc(5), `pid_max`).
    write(1 << 30);
    expect(&[leftovers(root.path())], &[(State::Ok, "none")]);
}
