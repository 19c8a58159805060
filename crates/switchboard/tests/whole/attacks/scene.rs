//! A daemon in front of a hostile server, and requests to it byte by byte.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::Path;

use serde_json::{Value, json};
use switchboard_testkit::client::{Carrier, Target};

use crate::common::{Home, PATIENCE, peers, wait};

pub(super) struct Scene {
    pub home: Home,
    pub authority: String,
    pub key: String,
}

/// What came back over HTTP.
#[derive(Debug)]
pub(super) struct Answer {
    pub status: u16,
    pub head: String,
    pub body: String,
}

impl Answer {
    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

impl Scene {
    /// Only the daemon, with the demonstration server that it has by itself.
    pub(super) fn alone(config: &str) -> Self {
        Self::around(Home::new(config))
    }

    /// With the hostile server, of which the tool `forbidden` is filtered.
    pub(super) fn hostile(config: &str) -> Self {
        let home = Home::new("");
        home.configure(&format!("{config}\n{}", table(&home)));
        let scene = Self::around(home);
        scene.home.wait_for("hostile", "ready");
        wait("the tools to be listed", || scene.home.run(&["tools"]).contains("hostile__echo"));
        scene
    }

    /// With a configuration that wants to know the home.
    pub(super) fn with(configure: &impl Fn(&Home)) -> Self {
        let home = Home::new("");
        configure(&home);
        Self::around(home)
    }

    fn around(home: Home) -> Self {
        home.start();
        let authority = home.address().replace("http://", "").replace("/mcp", "");
        let key = home.key();
        Self { home, authority, key }
    }

    /// Sends what is given, as it is, and reads to the end of the connection.
    pub(super) fn send(&self, bytes: &[u8]) -> Answer {
        let mut stream = TcpStream::connect(&self.authority).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        // A refusal may come before everything is sent.
        let _ = stream.write_all(bytes);
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        let answer = String::from_utf8_lossy(&answer).into_owned();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or((&answer, ""));
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
        Answer { status, head: head.to_owned(), body: body.to_owned() }
    }

    /// A POST with a key to `/mcp`.
    pub(super) fn post(&self, headers: &str, body: impl AsRef<[u8]>) -> Answer {
        let (body, Self { authority, key, .. }) = (body.as_ref(), self);
        let head = format!(
            "POST /mcp HTTP/1.1\r\nHost: {authority}\r\nX-API-Key: {key}\r\nConnection: close\r\n\
             Accept: application/json, text/event-stream\r\nContent-Type: application/json\r\n\
             {headers}Content-Length: {}\r\n\r\n",
            body.len(),
        );
        self.send(&[head.as_bytes(), body].concat())
    }

    /// A call of 2026-07-28 with the headers that belong to it; `members` are more of `params`.
    pub(super) fn call(&self, tool: &str, capabilities: &str, members: &str) -> Answer {
        self.post(&modern_headers("tools/call", tool), modern_call(tool, capabilities, members))
    }

    /// A session of 2025-06-18.
    pub(super) fn session(&self) -> String {
        let answer = self.post("", INITIALIZE);
        let id = answer.head.lines().find_map(|line| {
            let (name, value) = line.split_once(": ")?;
            name.eq_ignore_ascii_case("mcp-session-id").then(|| value.to_owned())
        });
        id.unwrap_or_else(|| panic!("no session in {answer:?}"))
    }

    pub(super) fn socket(&self) -> std::path::PathBuf {
        self.home.path("s/default/mcp.sock")
    }

    /// The lines that the hostile server has read.
    pub(super) fn lines(&self) -> String {
        std::fs::read_to_string(self.home.path("lines")).unwrap_or_default()
    }

    pub(super) fn target(&self, carrier: Carrier) -> Target {
        let Self { authority, key, .. } = self;
        let address = |url: String| Target::Address { url, key: Some(key.clone()) };
        match carrier {
            Carrier::Http => address(format!("http://{authority}/mcp")),
            Carrier::Sse => address(format!("http://{authority}/sse")),
            Carrier::WebSocket => address(format!("ws://{authority}/ws")),
            Carrier::Unix | Carrier::Stdio => Target::Socket(self.socket()),
        }
    }

    /// The memory of the daemon in KiB.
    pub(super) fn memory(&self) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.home.daemon_pid()));
        let status = status.unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
        line.trim().trim_end_matches(" kB").parse().unwrap()
    }
}

pub(super) const INITIALIZE: &str = "{\"jsonrpc\":\"2.0\",\"id\":0,\"method\":\"initialize\",\
    \"params\":{\"protocolVersion\":\"2025-06-18\",\"capabilities\":{},\
    \"clientInfo\":{\"name\":\"c\",\"version\":\"1\"}}}";

pub(super) fn modern_headers(method: &str, name: &str) -> String {
    format!("MCP-Protocol-Version: 2026-07-28\r\nMcp-Method: {method}\r\nMcp-Name: {name}\r\n")
}

pub(super) fn modern_call(tool: &str, capabilities: &str, members: &str) -> String {
    let meta = "io.modelcontextprotocol";
    format!(
        "{{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"tools/call\",\"params\":{{\"name\":{tool:?},\
         \"_meta\":{{\"{meta}/protocolVersion\":\"2026-07-28\",\
         \"{meta}/clientCapabilities\":{capabilities},\
         \"{meta}/clientInfo\":{{\"name\":\"c\",\"version\":\"1\"}}}}{members}}}}}"
    )
}

fn table(home: &Home) -> String {
    let server = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/whole/servers/hostile.py");
    let python = peers().join("python-mcp1/bin/python");
    format!(
        "[upstream.hostile]\nstart = \"eager\"\nexclude_tools = [\"forbidden\"]\n\
         stdio = {{ command = {python:?}, args = [{server:?}], env = {{ LINE_FILE = {:?} }} }}\n",
        home.path("lines"),
    )
}

/// An opened conversation over the unix socket.
pub(super) struct Lines {
    stream: UnixStream,
    reader: BufReader<UnixStream>,
}

impl Lines {
    pub(super) fn open(scene: &Scene) -> Self {
        let stream = UnixStream::connect(scene.socket()).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        let reader = BufReader::new(stream.try_clone().unwrap());
        let mut lines = Self { stream, reader };
        lines.send(INITIALIZE);
        assert_eq!(lines.next()["id"], 0);
        lines.send(json!({"jsonrpc": "2.0", "method": "notifications/initialized"}).to_string());
        lines
    }

    pub(super) fn send(&mut self, line: impl AsRef<[u8]>) {
        let line = [line.as_ref(), b"\n"].concat();
        self.stream.write_all(&line).unwrap();
    }

    /// The next message that answers something.
    pub(super) fn next(&mut self) -> Value {
        loop {
            let message = self.next_of_any_kind();
            if message["method"].is_null() {
                return message;
            }
        }
    }

    pub(super) fn next_of_any_kind(&mut self) -> Value {
        let mut line = String::new();
        self.reader.read_line(&mut line).unwrap();
        assert!(!line.is_empty(), "the conversation ended");
        serde_json::from_str(&line).unwrap()
    }
}
