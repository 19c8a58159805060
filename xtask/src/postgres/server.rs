//! The gate's own server: started on a free port of loopback, waited for, and stopped.

use std::fs::{self, File};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use super::cluster::Cluster;
use super::probe;
use crate::process;
use crate::workspace::Workspace;

/// How long a server may take until it answers; it is well under a second where nothing else runs.
const PATIENCE: Duration = Duration::from_secs(30);

/// Ports that are tried. One was free when the system named it, and can be another's a moment later;
/// a server that fails three times has another reason.
const PORTS: usize = 3;

pub(super) struct Server {
    process: Child,
    address: SocketAddr,
    cluster: Cluster,
}

impl Server {
    pub(super) fn start(programs: &Path, workspace: &Workspace) -> Result<Self> {
        let cluster = Cluster::create(programs, workspace)?;
        for _ in 0..PORTS {
            let address = free_address().context("find a free port")?;
            let mut process = spawn(&cluster, address)?;
            if comes_to_answer(&mut process, address)? {
                return Ok(Self { process, address, cluster });
            }
            // What it says about its start is the news, and not how it went away.
            let _ = end(process, &cluster);
        }
        let said = fs::read_to_string(cluster.log()).unwrap_or_default();
        bail!("PostgreSQL does not start: {}", said.trim());
    }

    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(super) fn stop(self) -> Result<()> {
        end(self.process, &self.cluster)?;
        self.cluster.remove()
    }
}

pub(super) fn free_address() -> std::io::Result<SocketAddr> {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()
}

fn spawn(cluster: &Cluster, address: SocketAddr) -> Result<Child> {
    let log = cluster.log();
    let log = File::create(&log).with_context(|| format!("write {}", log.display()))?;
    let mut server = cluster.server(address.port());
    server.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
    server.spawn().context("start PostgreSQL")
}

/// Waits until it does; if not, it has ended, or hangs.
fn comes_to_answer(process: &mut Child, address: SocketAddr) -> Result<bool> {
    const STEP: Duration = Duration::from_millis(100);
    let mut left = PATIENCE;
    while !left.is_zero() && process.try_wait().context("look after PostgreSQL")?.is_none() {
        if probe::answers(address) {
            return Ok(true);
        }
        thread::sleep(STEP);
        left = left.saturating_sub(STEP);
    }
    Ok(false)
}

/// Asks first, because a server that is killed leaves shared memory behind.
fn end(mut process: Child, cluster: &Cluster) -> Result<()> {
    let stopped = process::capture(&mut cluster.stop());
    if stopped.is_err() {
        process.kill().context("kill PostgreSQL")?;
    }
    process.wait().context("wait for PostgreSQL")?;
    stopped.map(drop).context("stop PostgreSQL")
}
