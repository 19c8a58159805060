//! The reference servers, each doing its own work behind the daemon.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::upstream::{self, Transport};
use super::{node, npm};
use crate::common::{Home, peers, succeeded};

/// A server of somebody else, and a call that shows that it works.
struct Server {
    name: &'static str,
    command: PathBuf,
    args: Vec<String>,
    env: Vec<(&'static str, String)>,
    tool: &'static str,
    arguments: Value,
    /// What the text of the answer has in it.
    expected: &'static str,
}

fn servers(home: &Home) -> Vec<Server> {
    let python = |program: &str| peers().join("python-mcp2/bin").join(program);
    let files = home.path("files");
    std::fs::create_dir_all(&files).unwrap();
    std::fs::write(files.join("hello.txt"), "hello from a file").unwrap();
    let repository = repository(home);
    let page = home.path("page");
    std::fs::create_dir_all(&page).unwrap();
    vec![
        Server {
            name: "everything",
            command: node(),
            args: vec![npm("@modelcontextprotocol/server-everything"), "stdio".into()],
            env: vec![],
            tool: "echo",
            arguments: json!({ "message": "anybody there" }),
            expected: "anybody there",
        },
        Server {
            name: "filesystem",
            command: node(),
            args: vec![npm("@modelcontextprotocol/server-filesystem"), files.display().to_string()],
            env: vec![],
            tool: "read_text_file",
            arguments: json!({ "path": files.join("hello.txt") }),
            expected: "hello from a file",
        },
        Server {
            name: "memory",
            command: node(),
            args: vec![npm("@modelcontextprotocol/server-memory")],
            env: vec![("MEMORY_FILE_PATH", home.path("memory.jsonl").display().to_string())],
            tool: "create_entities",
            arguments: json!({ "entities": [
                { "name": "Ada", "entityType": "person", "observations": ["writes programs"] } ] }),
            expected: "writes programs",
        },
        Server {
            name: "git",
            command: python("mcp-server-git"),
            args: vec!["--repository".into(), repository.clone()],
            env: vec![],
            tool: "git_log",
            arguments: json!({ "repo_path": repository }),
            expected: "the first commit",
        },
        Server {
            name: "time",
            command: python("mcp-server-time"),
            args: vec!["--local-timezone".into(), "UTC".into()],
            env: vec![],
            tool: "convert_time",
            arguments: json!({
                "source_timezone": "UTC", "time": "12:00", "target_timezone": "Asia/Tokyo" }),
            expected: "21:00",
        },
        Server {
            name: "fetch",
            command: python("mcp-server-fetch"),
            args: vec!["--allow-private-ips".into(), "--ignore-robots-txt".into()],
            // Without node on its path it does not install anything.
            env: vec![("PATH", peers().join("python-mcp2/bin").display().to_string())],
            tool: "fetch",
            arguments: json!({}),
            expected: "\"status\":\"ok\"",
        },
    ]
}

/// A repository with one commit.
fn repository(home: &Home) -> String {
    let path = home.path("repository");
    let git = |args: &[&str]| {
        let mut command = home.command("git");
        command.args(["-c", "user.name=a", "-c", "user.email=a@b.invalid"]).args(args);
        let output =
            command.current_dir(if path.exists() { &path } else { Path::new("/") }).output();
        succeeded(&format!("git {args:?}"), &output.unwrap());
    };
    git(&["init", "--quiet", path.to_str().unwrap()]);
    git(&["commit", "--quiet", "--allow-empty", "--message", "the first commit"]);
    path.display().to_string()
}

fn table(server: &Server) -> String {
    let env: Vec<_> = server.env.iter().map(|(key, value)| format!("{key} = {value:?}")).collect();
    format!(
        "[upstream.{}]\nstdio = {{ command = {:?}, args = {:?}, env = {{ {} }} }}\n",
        server.name,
        server.command,
        server.args,
        env.join(", "),
    )
}

#[test]
fn six_servers_of_others_answer_behind_one_daemon() {
    let home = Home::new("");
    let servers = servers(&home);
    home.configure(&servers.iter().map(table).collect::<String>());
    home.start();
    for server in &servers {
        home.wait_for(server.name, "ready");
    }
    // The page that `fetch` is to read: the daemon's own, which needs no key.
    let page = home.address().replace("/mcp", "/health");
    for server in &servers {
        let arguments = match server.name {
            "fetch" => json!({ "url": page, "raw": true }),
            _ => server.arguments.clone(),
        };
        let tool = format!("{}__{}", server.name, server.tool);
        let result = home.call(&tool, &arguments);
        let text = result["content"].to_string().replace("\\\"", "\"").replace("\\n", "\n");
        assert!(text.contains(server.expected), "{tool}: {result}");
    }
    let status = home.status();
    let restarts: u64 =
        status["upstreams"].as_array().unwrap().iter().filter_map(|u| u["restarts"].as_u64()).sum();
    assert_eq!(restarts, 0, "{status}");
}

#[test]
fn a_server_over_http_is_served_like_one_that_is_a_child() {
    let home = Home::new("");
    let remote = upstream::everything_at(&home, "remote", Transport::Http);
    home.configure(&remote.table);
    home.start();
    home.wait_for("remote", "ready");
    let result = home.call("remote__echo", &json!({ "message": "over the wire" }));
    assert!(result.to_string().contains("over the wire"), "{result}");
}
