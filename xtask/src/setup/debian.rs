//! Debian packages, where a command that the tests need is missing.
//!
//! What is there already is taken as it is, wherever it came from.

use std::path::Path;
use std::process::Command;

use anyhow::{Result, bail};

use crate::{postgres, process, report};

struct Need {
    package: &'static str,
    present: fn() -> bool,
}

const NEEDS: &[Need] = &[
    // npm and pip read the system's list of authorities on some machines, and so does our own TLS.
    Need {
        package: "ca-certificates",
        present: || Path::new("/etc/ssl/certs/ca-certificates.crt").exists(),
    },
    // A client of the HTTP listener that knows nothing of MCP.
    Need { package: "curl", present: || process::is_on_path("curl") },
    // Gives one daemon a wall clock of its own, which `chaos` moves.
    Need { package: "faketime", present: || process::is_on_path("faketime") },
    // mcp-server-git works on a repository.
    Need { package: "git", present: || process::is_on_path("git") },
    // Unpacks what `xtask/peers/package-lock.json` names.
    Need { package: "npm", present: || process::is_on_path("npm") },
    // The store's tests, where no server of this machine will do.
    Need { package: POSTGRES, present: postgres::is_at_hand },
    // Debian keeps `ensurepip`, which fills a new virtual environment, in a package of its own; it
    // brings python3 with it.
    Need {
        package: "python3-venv",
        present: || {
            process::succeeds(Command::new("python3").args(["-c", "import ensurepip, venv"]))
        },
    },
];

const POSTGRES: &str = "postgresql";

/// While this is there, the package makes no cluster, and so starts no server: it would have
/// the usual port, and want a password. pg_createcluster(1), `create_main_cluster`.
const NO_CLUSTER: &str = "/etc/postgresql-common/createcluster.d/switchboard-xtask.conf";

pub(super) fn install() -> Result<()> {
    let missing = missing_packages();
    if missing.is_empty() {
        report::line("no package of Debian's is missing");
        return Ok(());
    }
    let root = root_prefix(&missing)?;
    apt_get(root, &["update", "--quiet"])?;
    if missing.contains(&POSTGRES) {
        without_cluster(root, || install_packages(root, &missing))?;
    } else {
        install_packages(root, &missing)?;
    }
    // A package can be installed and its command still hidden, for instance by another `python3`
    // earlier on the PATH.
    let still = missing_packages();
    if !still.is_empty() {
        bail!("{} is installed, but what it brings is not found on the PATH", still.join(", "));
    }
    report::line(format_args!("installed from Debian: {}", missing.join(", ")));
    Ok(())
}

fn install_packages(root: &[&str], packages: &[&str]) -> Result<()> {
    let arguments = ["install", "--quiet", "--yes", "--no-install-recommends"];
    apt_get(root, &[&arguments, packages].concat())
}

/// The file goes away again, also after an installation that failed.
fn without_cluster(root: &[&str], install: impl FnOnce() -> Result<()>) -> Result<()> {
    let directory = Path::new(NO_CLUSTER).parent().expect("a file is in a directory").display();
    let script =
        format!("mkdir -p {directory} && echo 'create_main_cluster = false' > {NO_CLUSTER}");
    process::run(&mut as_root(root, &["sh", "-c", &script]))?;
    let installed = install();
    process::run(&mut as_root(root, &["rm", "--force", NO_CLUSTER]))?;
    installed
}

fn missing_packages() -> Vec<&'static str> {
    NEEDS.iter().filter(|need| !(need.present)()).map(|need| need.package).collect()
}

/// What goes before `apt-get` to install packages as this user.
fn root_prefix(missing: &[&str]) -> Result<&'static [&'static str]> {
    let packages = missing.join(" ");
    if !process::is_on_path("apt-get") {
        bail!(
            "missing: {packages} (Debian's names)\n  \
             hint: this system has no apt-get; install them with its own package manager"
        );
    }
    if process::is_root()? {
        return Ok(&[]);
    }
    if process::succeeds(Command::new("sudo").args(["--non-interactive", "true"])) {
        return Ok(&["sudo", "--non-interactive"]);
    }
    bail!(
        "missing: {packages}, and this user may not install them\n  \
         hint: sudo apt-get install --no-install-recommends {packages}"
    );
}

/// `env` rather than the process environment: sudo resets that.
fn apt_get(root: &[&str], arguments: &[&str]) -> Result<()> {
    let apt_get = ["env", "DEBIAN_FRONTEND=noninteractive", "apt-get"];
    process::run(&mut as_root(root, &[&apt_get, arguments].concat()))
}

fn as_root(root: &[&str], words: &[&str]) -> Command {
    let words = [root, words].concat();
    let (program, rest) = words.split_first().expect("a command has a name");
    let mut command = Command::new(program);
    command.args(rest);
    command
}
