//! The server and the daemon under test, each in a home of its own.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde_json::Value;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};
use tokio::time::Instant;

use crate::process;
use crate::report::AtRest;

/// A server program, and what it is asked.
pub(crate) struct Subject {
    /// For people.
    pub name: &'static str,
    pub program: PathBuf,
    /// What makes it serve its standard streams.
    pub stdio: &'static [&'static str],
    /// What makes it serve HTTP, at an address that it prints.
    pub http: &'static [&'static str],
    pub tool: &'static str,
    /// Part of what the tool answers.
    pub answer: &'static str,
}

impl Subject {
    /// Our own, which answers faster than servers that are written with the SDKs: a slow server
    /// hides what a gateway costs.
    pub(crate) fn demo(program: &Path) -> Self {
        Self {
            name: "the demonstration server",
            program: program.to_owned(),
            stdio: &["demo"],
            http: &["demo", "--http"],
            tool: "echo",
            answer: "lazy dog",
        }
    }

    /// The fixture of the conformance suite, which is written with the Rust SDK.
    pub(crate) fn sdk(program: &Path) -> Self {
        Self {
            name: "a server written with the Rust SDK",
            program: program.to_owned(),
            stdio: &["--era", "both", "--stdio"],
            http: &["--era", "both", "--http", "0"],
            tool: "test_simple_text",
            answer: "simple text response",
        }
    }
}

/// A server over HTTP.
pub(crate) struct Server {
    pub address: String,
    pub pid: u32,
    _child: Child,
}

impl Server {
    pub(crate) async fn start(subject: &Subject) -> Result<Self> {
        let mut command = Command::new(&subject.program);
        command.args(subject.http).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.kill_on_drop(true).spawn()?;
        let stdout = BufReader::new(child.stdout.take().context("piped")?);
        let stderr = BufReader::new(child.stderr.take().context("piped")?);
        let (mut said, mut noted) = (stdout.lines(), stderr.lines());
        let address = tokio::select! {
            Ok(Some(line)) = said.next_line() => line,
            Ok(Some(line)) = noted.next_line() => line,
            else => bail!("the server said nothing"),
        };
        let pid = child.id().context("the server is gone")?;
        Ok(Self { address, pid, _child: child })
    }
}

/// A daemon with a server behind it, over standard input and output (`stdio`) and
/// over HTTP (`http`), there also in one era only (`modern`, `legacy`).
pub(crate) struct Daemon {
    pub address: String,
    pub key: String,
    pub pid: u32,
    /// The child behind `stdio`.
    pub child: u32,
    home: Home,
}

/// A home directory with the program to run in it.
pub(crate) struct Home {
    directory: TempDir,
    program: PathBuf,
}

impl Home {
    pub(crate) fn new(program: &Path, config: &str) -> Result<Self> {
        let directory = TempDir::new()?;
        std::fs::write(directory.path().join("config.toml"), config)?;
        Ok(Self { directory, program: std::path::absolute(program)? })
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }

    pub(crate) async fn run(&self, args: &[&str]) -> Result<String> {
        let home = self.directory.path();
        let output = Command::new(&self.program)
            .args(args)
            .env_clear()
            .env("HOME", home)
            .env("PATH", std::env::var_os("PATH").unwrap_or_default())
            .env("SWITCHBOARD_CONFIG", home.join("config.toml"))
            .env("SWITCHBOARD_STATE_DIR", home.join("s"))
            .output()
            .await?;
        if !output.status.success() {
            bail!("{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        }
        Ok(String::from_utf8(output.stdout)?.trim().to_owned())
    }

    pub(crate) async fn status(&self) -> Result<Value> {
        Ok(serde_json::from_str(&self.run(&["status", "--json"]).await?)?)
    }
}

impl Daemon {
    pub(crate) async fn start(program: &Path, subject: &Subject, server: &str) -> Result<Self> {
        let (child, args) = (std::path::absolute(&subject.program)?, subject.stdio);
        let config = format!(
            "[http]\nport = 0\n\
             [upstream.stdio]\nstart = \"eager\"\nstdio = {{ command = {child:?}, args = {args:?} }}\n\
             [upstream.http]\nstart = \"eager\"\nhttp = {{ url = {server:?} }}\n\
             [upstream.modern]\nera = \"modern\"\nstart = \"eager\"\nhttp = {{ url = {server:?} }}\n\
             [upstream.legacy]\nera = \"legacy\"\nstart = \"eager\"\nhttp = {{ url = {server:?} }}\n",
        );
        let home = Home::new(program, &config)?;
        home.run(&["start"]).await?;
        let key = home.run(&["show-key", "--quiet"]).await?;
        let ready = |status: &Value| {
            let upstreams = status["upstreams"].as_array().map_or(&[][..], Vec::as_slice);
            upstreams.len() == 4
                && upstreams.iter().all(|u| u["state"] == "ready" && u["tools"] != 0)
        };
        let mut status = home.status().await?;
        let deadline = Instant::now() + Duration::from_secs(10);
        while !ready(&status) {
            if Instant::now() > deadline {
                bail!("the upstreams did not get ready: {status}");
            }
            status = home.status().await?;
        }
        let number = |value: &Value| value.as_u64().and_then(|n| u32::try_from(n).ok());
        let upstreams = status["upstreams"].as_array().context("upstreams")?;
        let child = upstreams.iter().find_map(|u| number(&u["pid"])).context("pid of the child")?;
        let address = status["address"].as_str().context("address")?.to_owned();
        let pid = number(&status["pid"]).context("pid")?;
        Ok(Self { address, key, pid, child, home })
    }

    /// Where clients of the same user are served, a message a line.
    pub(crate) fn socket(&self) -> PathBuf {
        self.home.directory.path().join("s/default/mcp.sock")
    }

    pub(crate) async fn stop(self) -> Result<()> {
        self.home.run(&["stop"]).await.map(drop)
    }
}

/// Times the start of a daemon that knows `lazy` servers, and weighs it when it has nothing to do.
pub(crate) async fn at_rest(program: &Path, lazy: usize, starts: usize) -> Result<AtRest> {
    let program = std::path::absolute(program)?;
    let mut config = "[http]\nport = 0\n".to_owned();
    for n in 0..lazy {
        config.push_str(&format!(
            "[upstream.lazy{n}]\nstdio = {{ command = {program:?}, args = [\"demo\"] }}\n"
        ));
    }
    let home = Home::new(&program, &config)?;
    // Once, so that what the servers list is known and none has to be started for it.
    home.run(&["start"]).await?;
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let status = home.status().await?;
        let upstreams = status["upstreams"].as_array().context("upstreams")?;
        if upstreams.iter().all(|upstream| upstream["tools"] == 4) {
            break;
        }
        if Instant::now() > deadline {
            bail!("not all lists are known: {status}");
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    home.run(&["stop"]).await?;
    let mut times = Vec::new();
    let mut memory = Vec::new();
    for _ in 0..starts {
        let started = Instant::now();
        home.run(&["start"]).await?;
        times.push(started.elapsed());
        let pid = home.status().await?["pid"].as_u64().context("pid")?;
        memory.push(process::memory(u32::try_from(pid)?)?);
        home.run(&["stop"]).await?;
    }
    times.sort_unstable();
    memory.sort_unstable();
    Ok(AtRest { lazy, ready: times[times.len() / 2], memory: memory[memory.len() / 2] })
}
