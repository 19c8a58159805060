//! Setting up, as a newcomer meets it: an empty home, a home with clients, and the way back.

#![expect(clippy::unwrap_used, reason = "in a test, a panic is the report")]

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use tempfile::TempDir;

const DESKTOP: &str = ".config/Claude/claude_desktop_config.json";
const CANARY: &str = "canary-of-a-secret-4711";

/// A home of its own, with a daemon that ends with the test.
struct Home {
    root: TempDir,
}

/// What one command printed, and its exit code.
struct Ran {
    code: i32,
    stdout: String,
    stderr: String,
}

impl Home {
    fn new() -> Self {
        let home = Self { root: tempfile::tempdir().unwrap() };
        fs::create_dir(home.path("project")).unwrap();
        // A server of another name than ours: an entry that starts `switchboard` is Switchboard.
        symlink(env!("CARGO_BIN_EXE_switchboard"), home.path("demo-server")).unwrap();
        home
    }

    fn path(&self, below: &str) -> PathBuf {
        self.root.path().join(below)
    }

    fn config(&self) -> PathBuf {
        self.path(".config/switchboard/config.toml")
    }

    fn write(&self, below: &str, text: &str) {
        let path = self.path(below);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn read(&self, path: &Path) -> String {
        fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
    }

    /// An entry that starts a working server.
    fn server(&self) -> Value {
        json!({ "command": self.path("demo-server"), "args": ["demo"] })
    }

    /// Runs a command in the project directory, without a terminal.
    fn run(&self, arguments: &[&str]) -> Ran {
        let output = Command::new(env!("CARGO_BIN_EXE_switchboard"))
            .args(arguments)
            .env_clear()
            .env("HOME", self.root.path())
            .env("PATH", "/usr/bin:/bin")
            // Any port that is free.
            .env("SWITCHBOARD_HTTP_PORT", "0")
            .current_dir(self.path("project"))
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        let (stdout, stderr) = (text(output.stdout), text(output.stderr));
        for shown in [&stdout, &stderr] {
            assert!(!shown.contains(CANARY), "{arguments:?} shows a secret:\n{shown}");
        }
        Ran { code: output.status.code().unwrap_or(-1), stdout, stderr }
    }

    /// Runs a command that has to end with `code`.
    #[track_caller]
    fn expect(&self, code: i32, arguments: &[&str]) -> Ran {
        let ran = self.run(arguments);
        let Ran { stdout, stderr, .. } = &ran;
        assert_eq!(ran.code, code, "{arguments:?}\n{stdout}\n{stderr}");
        ran
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        self.run(&["stop"]);
    }
}

#[test]
fn with_nothing_found_the_demonstration_server_answers_and_again_changes_nothing() {
    let home = Home::new();
    let first = home.expect(0, &["up"]);
    assert!(first.stdout.contains("demo__echo"), "{}", first.stdout);
    assert!(first.stdout.contains("Hello from Switchboard"), "{}", first.stdout);
    assert!(first.stdout.contains("switchboard connect claude-code"), "{}", first.stdout);
    home.expect(0, &["config", "check"]);
    let written = home.read(&home.config());

    let again = home.expect(0, &["up", "--json"]);
    let summary: Value = serde_json::from_str(&again.stdout).unwrap();
    assert_eq!(summary["config_changed"], json!(false));
    assert_eq!(summary["already_running"], json!(true));
    assert_eq!(summary["call"]["tool"], json!("demo__echo"));
    assert_eq!(home.read(&home.config()), written);

    home.expect(0, &["undo", "--yes"]);
    assert!(!home.config().exists());
    assert!(home.expect(0, &["undo"]).stderr.contains("nothing to undo"));
}

#[test]
fn servers_of_clients_are_imported_and_their_secrets_stay_out_of_the_configuration() {
    let home = Home::new();
    let mut desktop = home.server();
    desktop["env"] = json!({ "TOKEN": CANARY });
    let desktop = json!({ "mcpServers": { "desk": desktop } }).to_string();
    home.write(DESKTOP, &desktop);
    let mut code = home.server();
    code["env"] = json!({ "API_KEY": CANARY });
    home.write(
        ".config/Code/User/mcp.json",
        &json!({ "servers": { "my code": code } }).to_string(),
    );

    let up = home.expect(0, &["up", "--yes"]);
    assert!(up.stderr.contains("my-code"), "{}", up.stderr);
    assert!(up.stdout.contains("__clock"), "{}", up.stdout);
    home.expect(0, &["config", "check"]);
    let config = home.read(&home.config());
    assert!(config.contains(DESKTOP) && config.contains("[upstream.my-code]"), "{config}");
    assert!(!config.contains(CANARY) && !config.contains("demo]"), "{config}");
    let secret = home.path(".local/state/switchboard/default/secrets/my-code-API_KEY");
    assert_eq!(home.read(&secret), format!("{CANARY}\n"));
    assert_eq!(fs::metadata(&secret).unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(home.read(&home.path(DESKTOP)), desktop, "the client's file is only read");

    home.expect(0, &["up"]);
    assert_eq!(home.read(&home.config()), config);
    home.expect(0, &["undo", "--yes"]);
    assert!(!home.config().exists() && !secret.exists());
}

#[test]
fn without_a_terminal_somebody_has_to_say_yes() {
    let home = Home::new();
    home.write(DESKTOP, &json!({ "mcpServers": { "desk": home.server() } }).to_string());
    let refused = home.expect(2, &["up"]);
    assert!(refused.stderr.contains("--yes") && refused.stderr.contains("--no-import"));
    assert!(!home.config().exists());
}

#[test]
fn servers_of_a_project_take_more_than_a_yes() {
    let home = Home::new();
    home.write(
        "project/.mcp.json",
        &json!({ "mcpServers": { "theirs": home.server() } }).to_string(),
    );
    home.expect(0, &["up", "--yes"]);
    let config = home.read(&home.config());
    assert!(!config.contains("theirs") && config.contains("[upstream.demo]"), "{config}");
    home.expect(0, &["up", "--yes", "--include-project"]);
    assert!(home.read(&home.config()).contains("[upstream.theirs]"));
}

#[test]
fn undo_puts_an_existing_configuration_back_byte_for_byte() {
    let home = Home::new();
    let before = "# mine\r\n\n[log]   \nlevel = 'warn' # quiet\n";
    home.write(".config/switchboard/config.toml", before);
    home.expect(0, &["up", "--demo"]);
    let config = home.read(&home.config());
    assert!(config.contains("level = 'warn' # quiet"), "{config}");
    let listed = home.expect(0, &["undo", "--list", "--json"]);
    let listed: Value = serde_json::from_str(&listed.stdout).unwrap();
    assert_eq!(listed.as_array().map(Vec::len), Some(1));
    home.expect(0, &["undo", "--yes"]);
    assert_eq!(home.read(&home.config()), before);
}

#[test]
fn a_wrong_configuration_is_told_and_left_alone() {
    let home = Home::new();
    home.write(".config/switchboard/config.toml", "[htpp]\nport = 1\n");
    let failed = home.expect(4, &["up", "--yes"]);
    assert!(failed.stderr.contains("htpp"), "{}", failed.stderr);
    assert_eq!(home.read(&home.config()), "[htpp]\nport = 1\n");
}

#[test]
fn a_client_is_connected_and_disconnected_and_its_file_otherwise_left_alone() {
    let home = Home::new();
    let before =
        format!("{{\n  \"mcpServers\": {{\n    \"a\": {{ \"command\": \"{CANARY}\" }}\n  }}\n}}\n");
    home.write(".cursor/mcp.json", &before);
    let cursor = home.path(".cursor/mcp.json");
    assert!(home.expect(2, &["connect", "cursor"]).stderr.contains("--yes"));
    let preview = home.expect(0, &["connect", "cursor", "--dry-run"]);
    assert!(preview.stdout.contains("+ ") && preview.stdout.contains("\"stdio\""));
    assert_eq!(home.read(&cursor), before);

    let connected = home.expect(0, &["connect", "cursor", "--yes"]);
    assert!(connected.stdout.contains("Restart it"), "{}", connected.stdout);
    let file: Value = serde_json::from_str(&home.read(&cursor)).unwrap();
    let entry = &file["mcpServers"]["switchboard"];
    assert_eq!(entry["args"], json!(["stdio"]));
    assert!(entry["command"].as_str().is_some_and(|command| command.starts_with('/')));
    assert!(home.expect(0, &["connect", "cursor"]).stdout.contains("already"));
    let list = home.expect(0, &["connect", "--list", "--json"]);
    let list: Value = serde_json::from_str(&list.stdout).unwrap();
    let state = list.as_array().unwrap().iter().find(|row| row["client"] == "cursor");
    assert_eq!(state.unwrap()["state"], json!("connected"));

    home.expect(0, &["disconnect", "cursor", "--yes"]);
    assert_eq!(home.read(&cursor), before);
    assert!(home.expect(0, &["disconnect", "cursor"]).stdout.contains("not connected"));
    // The disconnection is undone first, then the connection.
    home.expect(0, &["undo", "--yes"]);
    assert!(home.read(&cursor).contains("switchboard"));
    home.expect(0, &["undo", "--yes"]);
    assert_eq!(home.read(&cursor), before);
    home.expect(2, &["connect", "emacs"]);
}

#[test]
fn an_instance_is_connected_under_its_own_name() {
    let home = Home::new();
    home.expect(0, &["connect", "claude-code", "--yes", "--name", "work"]);
    let file: Value = serde_json::from_str(&home.read(&home.path(".claude.json"))).unwrap();
    let entry = &file["mcpServers"]["switchboard-work"];
    assert_eq!(entry["args"], json!(["stdio", "--name", "work"]));
}

#[test]
fn the_doctor_tells_problems_by_its_exit_code() {
    let home = Home::new();
    let report = |ran: &Ran| -> Value { serde_json::from_str(&ran.stdout).unwrap() };
    let healthy = home.expect(0, &["doctor", "--json"]);
    assert_eq!(report(&healthy)["problems"], json!(0));
    let checks = report(&healthy)["checks"].clone();
    let layers = checks.as_array().unwrap().iter().filter(|check| check["name"] == "sandbox");
    let told = |check: &Value| check["state"] == "ok" || check["hint"].is_string();
    assert!(layers.clone().all(told) && layers.count() == 8, "{checks}");

    home.write(
        ".config/switchboard/config.toml",
        "[upstream.gone]\nstdio = { command = 'no-such-program' }\n",
    );
    let ill = home.expect(1, &["doctor", "--json"]);
    let checks = report(&ill)["checks"].clone();
    let checks = checks.as_array().unwrap();
    let problem = checks.iter().find(|check| check["state"] == "problem").unwrap();
    assert!(problem["message"].as_str().unwrap().contains("no-such-program"));
    assert!(problem["hint"].is_string());

    home.write(".config/switchboard/config.toml", "[htpp]\n");
    assert!(home.expect(1, &["doctor"]).stdout.contains("htpp"));
}
