//! A home directory with a daemon of its own, for tests of the whole program.

use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;
use tempfile::TempDir;

/// How long anything may take before the test has failed: the machines that test are slow and busy.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A home directory. What was started in it ends with it.
pub(crate) struct Home {
    root: TempDir,
}

impl Home {
    pub(crate) fn new(config: &str) -> Self {
        let home = Self { root: TempDir::new().unwrap() };
        home.configure(config);
        home
    }

    /// Writes the configuration, with any free port.
    pub(crate) fn configure(&self, config: &str) {
        std::fs::write(self.path("config.toml"), format!("http.port = 0\n{config}")).unwrap();
    }

    pub(crate) fn path(&self, below: &str) -> PathBuf {
        self.root.path().join(below)
    }

    /// A command in this home; nothing of the caller's environment but `PATH`.
    pub(crate) fn command(&self, program: impl AsRef<Path>) -> Command {
        let mut command = Command::new(program.as_ref());
        command
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("HOME", self.root.path())
            .env("SWITCHBOARD_CONFIG", self.path("config.toml"))
            .env("SWITCHBOARD_STATE_DIR", self.path("s"))
            .current_dir(self.root.path())
            .stdin(Stdio::null());
        command
    }

    pub(crate) fn switchboard(&self, args: &[&str]) -> Command {
        let mut command = self.command(env!("CARGO_BIN_EXE_switchboard"));
        command.args(args);
        command
    }

    /// Runs to the end; what it printed, or a panic with what it complained of.
    #[track_caller]
    pub(crate) fn run(&self, args: &[&str]) -> String {
        let output = self.switchboard(args).output().unwrap();
        succeeded(&format!("switchboard {args:?}"), &output)
    }

    #[track_caller]
    pub(crate) fn start(&self) {
        self.run(&["start"]);
    }

    #[track_caller]
    pub(crate) fn status(&self) -> Value {
        serde_json::from_str(&self.run(&["status", "--json"])).unwrap()
    }

    pub(crate) fn daemon_pid(&self) -> u32 {
        u32::try_from(self.status()["pid"].as_u64().unwrap()).unwrap()
    }

    pub(crate) fn address(&self) -> String {
        self.status()["address"].as_str().unwrap().to_owned()
    }

    pub(crate) fn key(&self) -> String {
        self.run(&["show-key", "--quiet"]).trim().to_owned()
    }

    /// The result of a call as the server gave it.
    #[track_caller]
    pub(crate) fn call(&self, tool: &str, arguments: &Value) -> Value {
        let text = self.run(&["call", tool, &arguments.to_string(), "--json"]);
        serde_json::from_str(&text).unwrap()
    }

    /// Waits until `upstream` is in `state` and its tools are known.
    #[track_caller]
    pub(crate) fn wait_for(&self, upstream: &str, state: &str) {
        wait(&format!("{upstream} to be {state}"), || {
            let status = self.status();
            let upstreams = status["upstreams"].as_array().unwrap();
            let found = upstreams.iter().find(|u| u["name"] == upstream).cloned();
            found.is_some_and(|u| u["state"] == state && u["tools"].is_number())
        });
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        // Nothing runs, or it ends; a test that failed must not leave a daemon behind.
        let _ = self.switchboard(&["stop"]).output();
    }
}

#[track_caller]
pub(crate) fn succeeded(what: &str, output: &Output) -> String {
    let stderr = String::from_utf8_lossy(&output.stderr);
    let stdout = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success(), "{what} ended with {}:\n{stdout}\n{stderr}", output.status);
    stdout.into_owned()
}

/// Waits for something that can be observed.
#[track_caller]
pub(crate) fn wait(what: &str, is_so: impl Fn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// The servers and clients of others, installed by `cargo xtask setup`.
pub(crate) fn peers() -> PathBuf {
    let path = std::env::var_os("SWITCHBOARD_PEERS").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/peers"),
        PathBuf::from,
    );
    path.canonicalize().unwrap_or_else(|_| {
        panic!("{} is missing: `cargo xtask setup` installs it", path.display())
    })
}

/// The server that counts, as the table of an upstream; it writes to `counts` in `home`.
pub(crate) fn counting(home: &Path, extra: &str) -> String {
    let server = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/whole/servers/counting.py");
    let python = peers().join("python-mcp1/bin/python");
    let mut table = String::new();
    writeln!(
        table,
        "[upstream.counting]\nstdio = {{ command = {python:?}, args = [{server:?}], \
         env = {{ COUNT_FILE = {:?}{extra} }} }}",
        home.join("counts"),
    )
    .unwrap();
    table
}

/// Processes of which the environment has `text` in it: what an upstream started, and what that
/// started.
pub(crate) fn processes_with(text: &str) -> Vec<u32> {
    let entries = std::fs::read_dir("/proc").unwrap().filter_map(Result::ok);
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter(|pid: &u32| {
        let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        // A process that has ended and was not waited for has no environment any more.
        String::from_utf8_lossy(&environment).contains(text)
    })
    .collect()
}

pub(crate) fn kill_9(pid: u32) {
    let killed = Command::new("kill").args(["-9", &pid.to_string()]).status().unwrap();
    assert!(killed.success());
}

/// Asks PostgreSQL, as the tests of the store do.
pub(crate) fn psql(statement: &str) -> String {
    let mut command = Command::new("psql");
    let output = command.args([&postgres(), "-Atc", statement]).output().unwrap();
    succeeded("psql", &output).trim().to_owned()
}

pub(crate) fn postgres() -> String {
    std::env::var("SWITCHBOARD_TEST_POSTGRES")
        .unwrap_or_else(|_| "postgres://postgres@127.0.0.1:5432/postgres".to_owned())
}

/// A child process that is ended with the test.
pub(crate) struct Running(pub(crate) Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The server that stands for Amazon's, until it is dropped.
pub(crate) struct Moto(Child, u16);

impl Moto {
    pub(crate) fn port(&self) -> u16 {
        self.1
    }

    pub(crate) fn start() -> Self {
        let script =
            concat!(env!("CARGO_MANIFEST_DIR"), "/../switchboard-store/tests/moto/serve.py");
        let mut command = Command::new(peers().join("moto/bin/python"));
        let mut child = command
            .arg(script)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let port = line.trim().rsplit([':', ' ']).next().unwrap().parse().unwrap();
        Self(child, port)
    }
}

impl Moto {
    /// Makes a bucket, or an object in one.
    #[track_caller]
    pub(crate) fn put(&self, place: &str, content: &[u8]) {
        // What it does not check it wants to see, before something is put in the place of another.
        let credential = "AKTEST/20261121/us-east-1/s3/aws4_request";
        let signature = "SignedHeaders=host, Signature=none";
        let header =
            format!("Authorization: AWS4-HMAC-SHA256 Credential={credential}, {signature}\r\n");
        let status = put(&format!("http://127.0.0.1:{}/{place}", self.1), &header, content);
        assert_eq!(status, 200, "{place}");
    }

    /// The configuration under which blobs are in a bucket.
    pub(crate) fn blobs(&self, bucket: &str) -> String {
        format!(
            "[blobs.s3]\nbucket = \"{bucket}\"\nregion = \"us-east-1\"\n\
             endpoint = \"http://127.0.0.1:{}\"\naccess_key_id = \"AKTEST\"\n\
             secret_access_key = \"hush\"\n",
            self.1
        )
    }
}

/// Sends a file with `PUT`, as a client does that knows nothing of AWS; the status.
pub(crate) fn put(url: &str, headers: &str, content: &[u8]) -> u16 {
    let (host, path) = url.strip_prefix("http://").unwrap().split_once('/').unwrap();
    let mut stream = TcpStream::connect(host).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let head = format!(
        "PUT /{path} HTTP/1.1\r\nHost: {host}\r\n{headers}Content-Type: application/zip\r\n\
         Content-Length: {}\r\nConnection: close\r\n\r\n",
        content.len()
    );
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(content).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap()
}

impl Drop for Moto {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
