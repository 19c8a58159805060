//! The PostgreSQL that the tests talk to.
//!
//! One that answers already is used as it is, and left alone: the one that [`VARIABLE`] names, or the
//! one where tests look by themselves. Where there is none, the gate runs a server of its own, from
//! Debian's package, which `cargo xtask setup` installs; the server ends with the step that needed it.

mod cluster;
mod probe;
mod server;
mod victim;

use std::env;
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result};

use crate::report;
use crate::workspace::Workspace;
use server::Server;
pub(crate) use victim::Victim;

/// What tells tests where their server is.
const VARIABLE: &str = "SWITCHBOARD_TEST_POSTGRES";

/// Where they look without it, as user `postgres` without a password.
const USUAL: SocketAddr = SocketAddr::V4(SocketAddrV4::new(Ipv4Addr::LOCALHOST, 5432));

/// Where a server comes from.
#[derive(Debug, PartialEq)]
enum Source {
    /// Somebody chose it, who also answers for it: it is not tried.
    Named,
    /// It answers at [`USUAL`].
    Running,
    /// Programs to run one with, in this directory.
    Installed(PathBuf),
}

impl Source {
    fn find() -> Option<Self> {
        choose(env::var_os(VARIABLE).is_some(), || probe::answers(USUAL), cluster::programs)
    }
}

fn choose(
    named: bool,
    usual_answers: impl FnOnce() -> bool,
    programs: impl FnOnce() -> Option<PathBuf>,
) -> Option<Source> {
    if named {
        return Some(Source::Named);
    }
    if usual_answers() {
        return Some(Source::Running);
    }
    programs().map(Source::Installed)
}

/// Whether there is a server, or what it takes to run one.
pub(crate) fn is_at_hand() -> bool {
    Source::find().is_some()
}

/// A server that tests can use until [`Self::stop`].
///
/// If the gate ends before that, for whatever reason, the system stops a server of the gate's own.
pub(crate) struct Postgres {
    /// Where it is, unless [`VARIABLE`] says so already. That address stays there, because it may have
    /// a password in it.
    address: Option<String>,
    own: Option<Server>,
}

impl Postgres {
    /// # Errors
    ///
    /// Nothing was started, or it was stopped again.
    pub(crate) fn start(workspace: &Workspace) -> Result<Self> {
        let source = Source::find().with_context(|| {
            format!(
                "no PostgreSQL takes `postgres` in at {USUAL}, and none is installed\n  \
                 hint: cargo xtask setup, or name a server in {VARIABLE}"
            )
        })?;
        match source {
            Source::Named => {
                report::line(format_args!("the tests use the PostgreSQL that {VARIABLE} names"));
                Ok(Self { address: None, own: None })
            }
            Source::Running => {
                report::line(format_args!("the tests use the PostgreSQL at {USUAL}"));
                Ok(Self { address: Some(url(USUAL)), own: None })
            }
            Source::Installed(programs) => {
                let server = Server::start(&programs, workspace)?;
                let address = server.address();
                report::line(format_args!("the tests use a PostgreSQL of their own at {address}"));
                Ok(Self { address: Some(url(address)), own: Some(server) })
            }
        }
    }

    /// Lets the command know where it is.
    pub(crate) fn tell(&self, command: &mut Command) {
        if let Some(address) = &self.address {
            command.env(VARIABLE, address);
        }
    }

    pub(crate) fn stop(self) -> Result<()> {
        self.own.map_or(Ok(()), Server::stop)
    }
}

fn url(address: SocketAddr) -> String {
    format!("postgres://postgres@{address}/postgres")
}

#[cfg(test)]
mod tests;
