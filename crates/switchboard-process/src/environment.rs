//! Which of the daemon's variables a child may see.
//!
//! A daemon collects variables over its life: keys of other services, of the shell that started it, of
//! the service manager. A child gets what a program needs to find its files and reach the network;
//! everything else is configured for it by name.

use std::collections::BTreeMap;
use std::ffi::OsString;

const ALLOWED: &[&str] = &[
    "HOME",    // configuration and caches of `npx`, `uvx`, `git`
    "LOGNAME", // the user, as POSIX names it
    "USER",    // the user, as everybody else names it
    "PATH",    // finds `node`, `python`, `git`, and the server itself
    "SHELL",   // servers that run commands ask for it
    "TERM",    // libraries that print colours fail without it
    "LANG",    // without a UTF-8 locale Python writes `?` for every accent
    "TZ",      // a clock server answers in the person's zone
    "TMPDIR",  // macOS has one for each user, and `/tmp` may not be writable
    // Where programs keep their files when it is not below `$HOME` (XDG base directory specification 0.8).
    "XDG_CACHE_HOME",
    "XDG_CONFIG_DIRS",
    "XDG_CONFIG_HOME",
    "XDG_DATA_DIRS",
    "XDG_DATA_HOME",
    "XDG_RUNTIME_DIR",
    "XDG_STATE_HOME",
    // Whom to trust, behind a proxy that opens TLS: OpenSSL and what imitates it, then Node.
    "SSL_CERT_DIR",
    "SSL_CERT_FILE",
    "NODE_EXTRA_CA_CERTS",
    // How to reach the network at all. Both cases, because curl reads `http_proxy` in lower case only
    // and others upper case only. They may hold a password; without them nothing works where they are needed.
    "HTTPS_PROXY",
    "HTTP_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "no_proxy",
];

/// `LC_ALL`, `LC_CTYPE` and the other parts of the locale, for the reason of `LANG`.
const ALLOWED_PREFIX: &str = "LC_";

/// Keeps the variables of `parent` that every child may see.
pub fn allowed_environment(parent: &BTreeMap<String, OsString>) -> BTreeMap<String, OsString> {
    let allowed =
        |name: &String| ALLOWED.contains(&name.as_str()) || name.starts_with(ALLOWED_PREFIX);
    parent
        .iter()
        .filter(|(name, _)| allowed(name))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

#[cfg(test)]
mod tests;
