//! A cluster, which is what PostgreSQL calls the directory of a server, made anew for each run.
//!
//! It takes two seconds, and no test can then meet what an earlier run left behind, or a directory
//! that another version of PostgreSQL wrote.

use std::env;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::ErrorKind;
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result};
use tempfile::TempDir;

use crate::workspace::Workspace;
use crate::{process, report};

/// Where Debian has a directory for each version; only what is in `bin` there is not on the PATH.
const DEBIAN: &str = "/usr/lib/postgresql";

/// The directory of `initdb` and its companions: Debian's newest, or else that of the PATH.
pub(super) fn programs() -> Option<PathBuf> {
    let entries = fs::read_dir(DEBIAN).into_iter().flatten().flatten();
    let versions = entries
        .filter(|entry| entry.path().join("bin/initdb").is_file())
        .filter_map(|entry| entry.file_name().into_string().ok());
    let debian = newest(versions).map(|version| Path::new(DEBIAN).join(version).join("bin"));
    debian.or_else(|| Some(process::on_path("initdb")?.parent()?.to_path_buf()))
}

/// By number: 9.6 is older than 15.
pub(super) fn newest(versions: impl IntoIterator<Item = String>) -> Option<String> {
    let numbers = |version: &str| -> Option<Vec<u32>> {
        version.split('.').map(|number| number.parse().ok()).collect()
    };
    let versions = versions.into_iter().filter_map(|name| Some((numbers(&name)?, name)));
    versions.max().map(|(_, name)| name)
}

pub(super) struct Cluster {
    programs: PathBuf,
    account: Account,
    /// Holds the data, and what the server says.
    directory: PathBuf,
    /// Where [`Self::directory`] is elsewhere than under `target/peers`.
    _elsewhere: Option<TempDir>,
    /// Held as long as this is: another gate in this checkout waits, and takes nothing away.
    _lock: File,
}

impl Cluster {
    pub(super) fn create(programs: &Path, workspace: &Workspace) -> Result<Self> {
        let peers = workspace.peers();
        fs::create_dir_all(&peers).with_context(|| format!("create {}", peers.display()))?;
        let lock = lock(&peers.join(".postgres.lock"))?;
        let account = Account::for_servers()?;
        let (directory, elsewhere) = place(&peers.join("postgres"), &account)?;
        let cluster = Self {
            programs: programs.to_path_buf(),
            account,
            directory,
            _elsewhere: elsewhere,
            _lock: lock,
        };
        process::capture(&mut cluster.initdb()).context("make a cluster of PostgreSQL")?;
        Ok(cluster)
    }

    pub(super) fn log(&self) -> PathBuf {
        self.directory.join("server.log")
    }

    fn data(&self) -> PathBuf {
        self.directory.join("data")
    }

    /// The locale is one that every machine has, so that names sort alike on all of them.
    fn initdb(&self) -> Command {
        let mut initdb = self.program("initdb");
        initdb.arg("--pgdata").arg(self.data()).args([
            "--username=postgres",
            "--auth=trust",
            "--encoding=UTF8",
            "--locale=C.UTF-8",
            "--no-sync",
        ]);
        initdb
    }

    /// The server itself, in the foreground.
    ///
    /// It opens no Unix socket: nobody asks for one, and the path of a socket would have to be short
    /// and writable. What it holds is gone with it, so that nothing needs to reach the disk.
    pub(super) fn server(&self, port: u16) -> Command {
        let mut server = self.program("postgres");
        server.arg("-D").arg(self.data()).args([
            "-c",
            "listen_addresses=127.0.0.1",
            "-c",
            &format!("port={port}"),
            "-c",
            "unix_socket_directories=",
            "-c",
            "fsync=off",
        ]);
        server
    }

    /// Stops the server that wrote its number into this cluster, and no other. `fast` takes the
    /// connections away from clients that are still there.
    pub(super) fn stop(&self) -> Command {
        let mut stop = self.program("pg_ctl");
        stop.arg("stop").arg("--pgdata").arg(self.data());
        stop.args(["--mode=fast", "--wait", "--timeout=30", "--silent"]);
        stop
    }

    /// Takes the data away, of which nobody has any use; the log stays.
    pub(super) fn remove(self) -> Result<()> {
        let data = self.data();
        fs::remove_dir_all(&data).with_context(|| format!("remove {}", data.display()))
    }

    fn program(&self, name: &str) -> Command {
        self.account.command(self.programs.join(name).as_os_str(), &self.directory)
    }
}

fn lock(path: &Path) -> Result<File> {
    let lock = File::create(path).with_context(|| format!("create {}", path.display()))?;
    if lock.try_lock().is_err() {
        report::line("another gate of this checkout runs a PostgreSQL; waiting for its end");
        lock.lock().with_context(|| format!("wait for {}", path.display()))?;
    }
    Ok(lock)
}

/// An empty directory that the account can write to: the one wanted, or one of the system's for
/// temporary files where the way there is closed to it, as in a checkout under `/root`.
fn place(wanted: &Path, account: &Account) -> Result<(PathBuf, Option<TempDir>)> {
    match fs::remove_dir_all(wanted) {
        Err(error) if error.kind() != ErrorKind::NotFound => {
            return Err(error).with_context(|| format!("empty {}", wanted.display()));
        }
        _ => {}
    }
    fs::create_dir(wanted).with_context(|| format!("create {}", wanted.display()))?;
    account.own(wanted)?;
    let mut test = account.command("test".as_ref(), Path::new("/"));
    if process::succeeds(test.arg("-w").arg(wanted)) {
        return Ok((wanted.to_path_buf(), None));
    }
    let elsewhere = TempDir::with_prefix("switchboard-postgres-").context("create a directory")?;
    account.own(elsewhere.path())?;
    Ok((elsewhere.path().to_path_buf(), Some(elsewhere)))
}

/// Who the programs run as: PostgreSQL refuses root.
#[derive(Debug)]
pub(super) enum Account {
    Ourselves,
    /// The user that Debian's package made, by number.
    Postgres(u32),
}

impl Account {
    fn for_servers() -> Result<Self> {
        if !process::is_root()? {
            return Ok(Self::Ourselves);
        }
        let number = process::capture(Command::new("id").args(["--user", "postgres"]))
            .context("PostgreSQL refuses to run as root, and there is no user `postgres`")?;
        let number = number.trim().parse().context("the number of the user `postgres`")?;
        Ok(Self::Postgres(number))
    }

    fn own(&self, directory: &Path) -> Result<()> {
        match self {
            Self::Ourselves => Ok(()),
            Self::Postgres(number) => chown(directory, Some(*number), None)
                .with_context(|| format!("give {} to `postgres`", directory.display())),
        }
    }

    /// `--pdeathsig`: when the thread that started it ends, and so when the gate is killed, the system
    /// sends the program this signal, which is a fast shutdown to PostgreSQL. It comes after the change of
    /// user, which would take it back (prctl(2), `PR_SET_PDEATHSIG`).
    pub(super) fn command(&self, program: &OsStr, directory: &Path) -> Command {
        let mut command = Command::new("setpriv");
        if let Self::Postgres(number) = self {
            let number = number.to_string();
            command.args(["--reuid", &number, "--regid", "postgres", "--init-groups"]);
        }
        command.args(["--pdeathsig", "INT", "--"]).arg(program).current_dir(directory);
        // Settings of a person's own servers and clients.
        for (name, _) in env::vars_os().filter(|(name, _)| is_setting(name)) {
            command.env_remove(name);
        }
        command
    }
}

/// `PGDATA`, `PGPORT`, `PGOPTIONS` and their like.
fn is_setting(name: &OsStr) -> bool {
    name.as_encoded_bytes().starts_with(b"PG")
}

#[cfg(test)]
mod tests;
