//! The programs that servers are started with: installed, and where they are looked for.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, access};

use super::Check;

const NAME: &str = "programs";

/// What one server needs.
#[derive(Debug)]
pub(crate) struct Needed<'a> {
    pub(crate) upstream: &'a str,
    pub(crate) command: &'a str,
    /// Its own `PATH` if one is configured for it, else the daemon's.
    pub(crate) path: &'a str,
    pub(crate) cwd: Option<&'a Path>,
}

/// How to get the programs that most servers are started with.
const INSTALL: [(&str, &str); 8] = [
    ("node", "install Node.js: https://nodejs.org/en/download"),
    ("npx", "install Node.js, which brings `npx`: https://nodejs.org/en/download"),
    ("bunx", "install Bun: https://bun.sh"),
    ("uv", "install uv: https://docs.astral.sh/uv/getting-started/installation"),
    (
        "uvx",
        "install uv, which brings `uvx`: https://docs.astral.sh/uv/getting-started/installation",
    ),
    ("docker", "install Docker: https://docs.docker.com/engine/install"),
    ("python", "install Python 3, or change `command` to `python3`"),
    ("python3", "install Python 3"),
];

/// One check for each program, whichever servers need it.
pub(crate) fn programs(needed: &[Needed<'_>], home: &Path) -> Vec<Check> {
    let mut by_program: BTreeMap<(&str, Option<PathBuf>), Vec<&str>> = BTreeMap::new();
    for needed in needed {
        // `npx` is a script: it is of no use where `node` is missing.
        let also = (base_name(needed.command) == "npx").then_some("node");
        for command in [needed.command].into_iter().chain(also) {
            let found = find(command, needed.path, needed.cwd, home);
            by_program.entry((command, found)).or_default().push(needed.upstream);
        }
    }
    let check = |((command, found), upstreams): ((&str, Option<PathBuf>), Vec<&str>)| {
        let upstreams = upstreams.join(", ");
        match found {
            Some(path) if path == Path::new(command) => {
                Check::ok(NAME, format!("`{command}` can be run (for {upstreams})"))
            }
            Some(path) => {
                Check::ok(NAME, format!("`{command}` is `{}` (for {upstreams})", path.display()))
            }
            None => Check::problem(NAME, format!("`{command}` was not found (for {upstreams})"))
                .hint(hint(command)),
        }
    };
    by_program.into_iter().map(check).collect()
}

fn hint(command: &str) -> String {
    let known = INSTALL.iter().find(|(name, _)| *name == command);
    match known {
        Some((_, hint)) => (*hint).to_owned(),
        None if command.contains('/') => "correct the path, or make it executable".to_owned(),
        None => format!("install it, or give the full path that `command -v {command}` prints"),
    }
}

fn base_name(command: &str) -> &str {
    command.rsplit('/').next().unwrap_or_default()
}

/// Looks as the daemon does when it starts a server: a path from where the server starts, a name on
/// `PATH`.
fn find(command: &str, path: &str, cwd: Option<&Path>, home: &Path) -> Option<PathBuf> {
    let runs =
        |candidate: &PathBuf| candidate.is_file() && access(candidate, Access::EXEC_OK).is_ok();
    if let Some(below) = command.strip_prefix("~/") {
        return Some(home.join(below)).filter(runs);
    }
    let start = cwd.unwrap_or(Path::new(""));
    if command.contains('/') {
        return Some(start.join(command)).filter(runs);
    }
    std::env::split_paths(path)
        .filter(|directory| !directory.as_os_str().is_empty())
        .map(|directory| start.join(directory).join(command))
        .find(runs)
}
