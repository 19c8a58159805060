//! Sandboxed children end as all children do, and are seen from outside.

use std::fs;
use std::time::Duration;

use switchboard_process::sandbox::{LayerKind, Network, Sandbox};
use switchboard_process::{Exit, SpawnError};
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::time::timeout;

use crate::common::{self, PATIENCE, alive};
use crate::in_force;
use crate::world::World;

const SHORT: Duration = Duration::from_millis(300);

/// Starts `attempt` in a tree called `name`, waits for the word `ready`, ends it, and checks that nothing is left.
async fn check(name: &str, attempt: &str, stop: Option<Duration>, expected: Exit) {
    let tree = &common::tree(name);
    let world = World::new().await;
    let mut sandbox = world.sandbox();
    sandbox.limits.may_start_processes = true;
    let mut command = world.command(attempt, sandbox);
    command.env = common::environment(tree);
    let mut child = world.spawner.spawn(command).await.unwrap();
    let mut line = String::new();
    let mut stdout = BufReader::new(child.take_stdout().unwrap());
    timeout(PATIENCE, stdout.read_line(&mut line)).await.unwrap().unwrap();
    assert_eq!(line, "ready\n");
    assert_eq!(alive(tree).len(), 2, "found by their environment, from outside");
    let exited = child.exited();
    match stop {
        Some(grace) => drop(child.stop(grace).await),
        None => drop(child),
    }
    assert_eq!(timeout(PATIENCE, exited).await.unwrap(), expected);
    assert_eq!(alive(tree), [0; 0]);
}

const FAMILY: &str = "import time\nif os.fork(): print('ready', flush=True)\ntime.sleep(1000)";
const STUBBORN: &str = "import time, signal\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\n\
                        if os.fork(): print('ready', flush=True)\ntime.sleep(1000)";

#[tokio::test]
async fn a_sandboxed_family_is_ended_together() {
    check("boxed-stop", FAMILY, Some(SHORT), Exit::Signal(15)).await;
    check("boxed-drop", FAMILY, None, Exit::Signal(9)).await;
    check("boxed-stubborn", STUBBORN, Some(SHORT), Exit::Signal(9)).await;
}

#[tokio::test]
async fn a_sandboxed_child_has_no_privileges() {
    let world = World::new().await;
    let attempt = "import time\nprint('ready', flush=True)\ntime.sleep(1000)";
    let mut child = world.spawner.spawn(world.command(attempt, world.sandbox())).await.unwrap();
    let mut line = String::new();
    BufReader::new(child.take_stdout().unwrap()).read_line(&mut line).await.unwrap();
    let status = fs::read_to_string(format!("/proc/{}/status", child.pid())).unwrap();
    let field = |name: &str| {
        let value = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        value.unwrap_or_default().trim().to_owned()
    };
    let nothing = "0".repeat(16);
    for capabilities in ["CapInh", "CapPrm", "CapEff", "CapAmb"] {
        assert_eq!(field(capabilities), nothing, "{capabilities}");
    }
    assert_eq!(field("NoNewPrivs"), "1");
    assert_eq!(field("Seccomp"), "2");
    let namespace = |pid: u32, kind| fs::read_link(format!("/proc/{pid}/ns/{kind}")).unwrap();
    let own = |kind| namespace(child.pid(), kind) != namespace(std::process::id(), kind);
    assert_eq!(own("user"), in_force(LayerKind::UserNamespace));
    assert_eq!(own("ipc"), in_force(LayerKind::UserNamespace));
    assert_eq!(own("net"), in_force(LayerKind::NetworkNamespace));
    let ids = |pid| {
        use std::os::unix::fs::MetadataExt as _;
        fs::metadata(format!("/proc/{pid}")).unwrap().uid()
    };
    assert_eq!(ids(child.pid()), ids(std::process::id()), "outside, it is who started it");
    // The only descriptors are the three pipes.
    assert_eq!(fs::read_dir(format!("/proc/{}/fd", child.pid())).unwrap().count(), 3);
}

#[tokio::test]
async fn what_cannot_be_isolated_as_required_is_not_started() {
    let world = World::new().await;
    for network in [Network::None, Network::Port(world.port()), Network::Any] {
        let sandbox = Sandbox { required: true, network, ..world.sandbox() };
        let missing = sandbox.missing();
        match world.spawner.spawn(world.command("return 'ran'", sandbox)).await {
            Ok(_) => assert!(missing.is_empty(), "{missing:?}"),
            Err(error) => {
                let missing = missing.first().unwrap_or_else(|| panic!("{error}"));
                assert!(matches!(error, SpawnError::NotIsolated { .. }), "{error}");
                assert_eq!(error.code(), "process-not-isolated");
                assert!(error.to_string().contains(missing.name()), "{error}");
            }
        }
    }
}
