//! What a program has to read before it can do anything.

use std::path::{Path, PathBuf, absolute};

/// Where systems keep what all programs share. Everybody on a machine may read it, and it holds nothing of anybody.
const SHARED: &[&str] = &[
    // Libraries, and what comes with them: Python has its own in `/usr/lib/python3` and, of what was
    // installed beside the packages of the system, in `/usr/local/lib`.
    "/lib",
    "/lib32",
    "/lib64",
    "/usr/lib",
    "/usr/lib32",
    "/usr/lib64",
    "/usr/local/lib",
    "/usr/local/lib64",
    // Where the loader finds libraries. Without it every program still starts, from the usual places.
    "/etc/ld.so.cache",
    // Whom TLS trusts: Debian and what came of it, then Fedora and what came of it. The links in the
    // first directory lead to the second.
    "/etc/ssl/certs",
    "/usr/share/ca-certificates",
    "/usr/local/share/ca-certificates",
    "/etc/ssl/openssl.cnf",
    "/etc/pki/tls/cert.pem",
    "/etc/pki/tls/certs",
    "/etc/pki/tls/openssl.cnf",
    "/etc/pki/ca-trust/extracted",
    "/etc/crypto-policies",
    // The rules of time zones.
    "/usr/share/zoneinfo",
    "/etc/localtime",
    // Random bytes for who does not ask the kernel, and the two ends of nothing.
    "/dev/random",
    "/dev/urandom",
    "/dev/null",
    "/dev/zero",
];

/// Distributions in which each program names its libraries by their full paths, all below one directory.
const STORES: &[&str] = &["/nix/store", "/gnu/store"];

/// The paths to give a sandboxed child of `program` so that it starts and finds its libraries.
///
/// Those of the system; beside it, what belongs to a program that was installed elsewhere (`lib` next to
/// its `bin`); and of a Python virtual environment its packages and its settings. Not the whole directory
/// above `bin`: for a program in `~/bin` it is somebody's home, and for an environment often a project
/// with secrets in it.
///
/// Paths that do not exist are among them; a [`Sandbox`](super::Sandbox) leaves those out.
pub fn program_paths(program: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = SHARED.iter().map(PathBuf::from).collect();
    let named = absolute(program).unwrap_or_else(|_| program.to_owned());
    // One that is not there is not started either, so any answer will do.
    let real = named.canonicalize().unwrap_or_else(|_| named.clone());

    if let Some(prefix) = prefix(&named).filter(|prefix| prefix.join("pyvenv.cfg").is_file()) {
        paths.extend(["pyvenv.cfg", "bin", "lib", "lib64"].map(|part| prefix.join(part)));
    }
    paths.extend(prefix(&real).into_iter().flat_map(|it| [it.join("lib"), it.join("lib64")]));
    // Debian's Python imports `sitecustomize` from `/etc/python3.11`, and complains where it cannot. Of
    // other programs there may be keys in such a directory.
    let name = real.file_name().and_then(|name| name.to_str());
    let name = name.filter(|name| name.starts_with("python"));
    paths.extend(name.map(|name| Path::new("/etc").join(name)));
    paths.extend(STORES.iter().map(PathBuf::from).filter(|store| real.starts_with(store)));
    paths.push(real);
    paths.sort();
    paths.dedup();
    paths
}

/// `/opt/python` of `/opt/python/bin/python3`.
fn prefix(program: &Path) -> Option<&Path> {
    program.parent()?.parent()
}

#[cfg(test)]
mod tests;
