//! The clients of `tests-peers`, and the ways by which they reach the daemon.

use std::fs::File;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::plan::{Feature, Plan, Seen};
use super::upstream::{Transport, Upstream};
use super::{node, python, script};
use crate::common::{Home, PATIENCE, Running, peers, wait};

/// One program of `tests-peers`.
pub(super) struct Client {
    program: PathBuf,
    script: &'static str,
    progress: Seen,
}

impl Client {
    pub(super) fn python_1() -> Self {
        Self { program: python(1), script: "python_mcp1.py", progress: Seen::All }
    }

    pub(super) fn python_2() -> Self {
        Self { program: python(2), script: "python_mcp2.py", progress: Seen::All }
    }

    pub(super) fn fastmcp() -> Self {
        Self { program: python(2), script: "python_fastmcp.py", progress: Seen::All }
    }

    pub(super) fn typescript_1() -> Self {
        Self { program: node(), script: "typescript_v1.mjs", progress: Seen::FirstOnes }
    }

    pub(super) fn typescript_2() -> Self {
        Self { program: node(), script: "typescript_v2.mjs", progress: Seen::FirstOnes }
    }

    /// Runs it to its end; what it printed, or what it complained of.
    ///
    /// It gives up each call after 20 s by itself; that it hangs as a whole is for the deadline.
    fn run(&self, home: &Home, plan: &str, to: &[String]) -> Result<Value, String> {
        let (printed, complaint) = (home.path("client.out"), home.path("client.err"));
        let mut command = home.command(&self.program);
        command.env("SWITCHBOARD_PEERS", peers());
        command.arg(script(self.script)).arg(plan).args(to);
        command.stdout(File::create(&printed).unwrap()).stderr(File::create(&complaint).unwrap());
        let mut child = Running(command.spawn().unwrap());
        let deadline = Instant::now() + 3 * PATIENCE;
        let status = loop {
            match child.0.try_wait().unwrap() {
                Some(status) => break status.to_string(),
                None if Instant::now() > deadline => break "no end in time".to_owned(),
                None => std::thread::sleep(Duration::from_millis(10)),
            }
        };
        let printed = std::fs::read_to_string(&printed).unwrap();
        let seen = printed.lines().last().and_then(|line| serde_json::from_str(line).ok());
        seen.ok_or_else(|| format!("{status}:\n{}", std::fs::read_to_string(&complaint).unwrap()))
    }

    /// Everything that is wrong with what it sees on its way to `daemon`.
    fn faults(&self, daemon: &Daemon, plan: &Plan<'_>, way: &Way) -> Vec<String> {
        let seen = match self.run(&daemon.home, &plan.encode(way.mode), &way.to) {
            Ok(seen) => seen,
            Err(complaint) => return vec![complaint],
        };
        let mut faults = plan.faults(&seen, self.progress);
        if seen["protocol"] != way.protocol || seen["server"] != "switchboard" {
            faults.push(format!("{} of {}", seen["protocol"], seen["server"]));
        }
        faults
    }

    /// Goes every way with one plan, and says at the end all that was wrong.
    #[track_caller]
    pub(super) fn check(&self, daemon: &Daemon, plan: &Plan<'_>, ways: &[Way]) {
        let faults: Vec<_> = ways
            .iter()
            .flat_map(|way| {
                let faults = self.faults(daemon, plan, way);
                faults.into_iter().map(|fault| format!("{}: {fault}", way.name))
            })
            .collect();
        assert!(faults.is_empty(), "{}:\n{}", self.script, faults.join("\n"));
    }
}

/// How a client reaches the daemon.
pub(super) struct Way {
    /// For people.
    pub(super) name: String,
    /// What its SDK does to find the revision, in the words of the SDK.
    pub(super) mode: &'static str,
    /// The revision that comes of it.
    pub(super) protocol: &'static str,
    /// The transport and where to, as the clients take it.
    pub(super) to: Vec<String>,
}

/// A daemon with servers behind it.
pub(super) struct Daemon {
    pub(super) home: Home,
    upstreams: Vec<Upstream>,
}

impl Daemon {
    /// Starts it in `home`, and waits until every server shows the tools of `Feature`.
    #[track_caller]
    pub(super) fn start(home: Home, upstreams: Vec<Upstream>) -> Self {
        home.configure(
            &upstreams.iter().map(|upstream| upstream.table.as_str()).collect::<String>(),
        );
        // The SDKs give a program that they start HOME and PATH only: the daemon is found from there.
        let below = home.path(".local/state/switchboard");
        std::fs::create_dir_all(below.parent().unwrap()).unwrap();
        std::fs::create_dir_all(home.path("s")).unwrap();
        std::os::unix::fs::symlink(home.path("s"), below).unwrap();
        home.start();
        for upstream in &upstreams {
            home.wait_for(upstream.name, "ready");
            // server-everything adds those that ask after it has heard what the client can be asked.
            let shown = || home.run(&["tools", &format!("{}__*", upstream.name)]);
            wait(&format!("the tools of {}", upstream.name), || {
                let shown = shown();
                Feature::ALL.iter().all(|feature| shown.contains(feature.tool()))
            });
        }
        Self { home, upstreams }
    }

    /// Every feature of every server.
    pub(super) fn plan(&self) -> Plan<'_> {
        Plan::new(self.upstreams.iter().map(|upstream| (upstream.name, Feature::ALL)))
    }

    /// The address of the listener for `transport`.
    pub(super) fn address(&self, transport: Transport) -> String {
        let address = self.home.address();
        match transport {
            Transport::Sse => address.replace("/mcp", "/sse"),
            Transport::WebSocket => address.replace("http://", "ws://").replace("/mcp", "/ws"),
            Transport::Http | Transport::Stdio => address,
        }
    }

    /// The ways of `(transport, mode, revision)`.
    pub(super) fn ways(&self, ways: &[(Transport, &'static str, &'static str)]) -> Vec<Way> {
        ways.iter()
            .map(|&(transport, mode, protocol)| Way {
                name: format!("{transport:?}, {mode}"),
                mode,
                protocol,
                to: self.to(transport),
            })
            .collect()
    }

    fn to(&self, transport: Transport) -> Vec<String> {
        let kind = match transport {
            Transport::Stdio => {
                let program = env!("CARGO_BIN_EXE_switchboard").to_owned();
                let config = self.home.path("config.toml").display().to_string();
                return vec!["stdio".into(), program, "stdio".into(), "--config".into(), config];
            }
            Transport::Http => "http",
            Transport::Sse => "sse",
            Transport::WebSocket => "ws",
        };
        vec![kind.into(), self.address(transport), self.home.key()]
    }
}
