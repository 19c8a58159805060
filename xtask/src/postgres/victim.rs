//! A cluster whose server somebody else runs, to kill it and to freeze it.

use std::net::SocketAddr;
use std::process::Command;

use anyhow::{Context as _, Result};

use super::cluster::{Cluster, programs};
use super::server::free_address;
use crate::workspace::Workspace;

pub(crate) struct Victim {
    cluster: Cluster,
    address: SocketAddr,
}

impl Victim {
    /// `None` where PostgreSQL is not installed. One that runs is never taken for this.
    pub(crate) fn prepare(workspace: &Workspace) -> Result<Option<Self>> {
        let Some(programs) = programs() else { return Ok(None) };
        let cluster = Cluster::create(&programs, workspace)?;
        let address = free_address().context("find a free port")?;
        Ok(Some(Self { cluster, address }))
    }

    /// Adds the port and what runs the server.
    pub(crate) fn tell(&self, campaign: &mut Command) {
        let server = self.cluster.server(self.address.port());
        campaign.arg(self.address.port().to_string()).arg(server.get_program());
        campaign.args(server.get_args());
        for (name, value) in server.get_envs() {
            match value {
                Some(value) => campaign.env(name, value),
                None => campaign.env_remove(name),
            };
        }
    }

    pub(crate) fn remove(self) -> Result<()> {
        self.cluster.remove()
    }
}
