//! Debian packages, where a command that the tests need is missing.
//!
//! What is there already is taken as it is, wherever it came from.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::process;

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
    // mcp-server-git works on a repository.
    Need { package: "git", present: || process::is_on_path("git") },
    // Unpacks what `xtask/peers/package-lock.json` names.
    Need { package: "npm", present: || process::is_on_path("npm") },
    // Debian keeps `ensurepip`, which fills a new virtual environment, in a package of its own; it
    // brings python3 with it.
    Need {
        package: "python3-venv",
        present: || {
            process::succeeds(Command::new("python3").args(["-c", "import ensurepip, venv"]))
        },
    },
];

pub(super) fn install() -> Result<()> {
    let missing = missing_packages();
    if missing.is_empty() {
        return Ok(());
    }
    let root = root_prefix(&missing)?;
    apt_get(root, &["update", "--quiet"])?;
    apt_get(
        root,
        &[&["install", "--quiet", "--yes", "--no-install-recommends"], &missing[..]].concat(),
    )?;
    // A package can be installed and its command still hidden, for instance by another `python3`
    // earlier on the PATH.
    let still = missing_packages();
    if !still.is_empty() {
        bail!("{} is installed, but what it brings is not found on the PATH", still.join(", "));
    }
    Ok(())
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
    let user = process::capture(Command::new("id").arg("--user")).context("ask who we are")?;
    if user.trim() == "0" {
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
    let words = [root, &["env", "DEBIAN_FRONTEND=noninteractive", "apt-get"], arguments].concat();
    let (program, rest) = words.split_first().expect("`env` at least");
    process::run(Command::new(program).args(rest))
}
