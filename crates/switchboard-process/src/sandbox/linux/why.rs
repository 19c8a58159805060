//! Why a layer is not in force, and what helps.

use std::fs;
use std::io;

use super::Errno;
use super::probe::WITHOUT_EFFECT;
use crate::sandbox::{LayerKind, Missing};

/// Explains that applying `kind` ended with `errno`.
pub(super) fn missing(kind: LayerKind, errno: Errno) -> Missing {
    let (why, hint) = match kind {
        LayerKind::UserNamespace | LayerKind::NetworkNamespace => namespace(errno),
        LayerKind::Files | LayerKind::Ports | LayerKind::Scopes => landlock(kind, errno),
        LayerKind::SystemCalls => (
            said("the kernel takes no filter of system calls", errno),
            "use a kernel with seccomp (`CONFIG_SECCOMP_FILTER`), on x86-64 or arm64".to_owned(),
        ),
        LayerKind::Privileges | LayerKind::Limits => (
            said("the kernel does not take them away", errno),
            "see what the container or the service manager forbids this process".to_owned(),
        ),
    };
    Missing { why, hint }
}

fn said(what: &str, errno: Errno) -> String {
    match errno {
        0 => what.to_owned(),
        WITHOUT_EFFECT => format!("{what}: it was applied and held nothing back"),
        errno => format!("{what}: {}", io::Error::from_raw_os_error(errno)),
    }
}

/// Settings that forbid namespaces, with the value at which they do and who has them.
const SWITCHES: [(&str, &str, &str); 3] = [
    ("kernel/apparmor_restrict_unprivileged_userns", "1", "0"), // Ubuntu since 23.10
    ("kernel/unprivileged_userns_clone", "0", "1"),             // Debian before 11
    ("user/max_user_namespaces", "0", "10000"), // Red Hat 7, and whoever hardens a machine
];

fn namespace(errno: Errno) -> (String, String) {
    for (name, forbids, allows) in SWITCHES {
        let value = fs::read_to_string(format!("/proc/sys/{name}")).unwrap_or_default();
        if value.trim() == forbids {
            let name = name.replace('/', ".");
            return (
                format!("`{name}` is {forbids}, which forbids it to this user"),
                format!("`sudo sysctl {name}={allows}`, if that is right for the machine"),
            );
        }
    }
    let hint = match errno {
        libc::ENOSPC | libc::EUSERS => "see `sysctl user`, which has the limits on namespaces",
        _ => "in a container, allow `unshare` in its seccomp profile",
    };
    (said("the system gives no namespace to this user", errno), hint.to_owned())
}

/// The version of Landlock that a layer came with, and the kernel that brought it (landlock(7)).
fn needed(kind: LayerKind) -> (libc::c_long, &'static str) {
    match kind {
        LayerKind::Scopes => (6, "6.12"),
        LayerKind::Ports => (4, "6.7"),
        _ => (1, "5.13"),
    }
}

fn landlock(kind: LayerKind, errno: Errno) -> (String, String) {
    let (version, kernel) = needed(kind);
    let newer = || format!("use Linux {kernel} or newer");
    match super::files::version() {
        Err(libc::EOPNOTSUPP) => (
            "the kernel was started without Landlock".to_owned(),
            "add `landlock` to the kernel's parameter `lsm=`".to_owned(),
        ),
        Err(libc::ENOSYS) => ("the kernel has no Landlock".to_owned(), newer()),
        Err(other) => (
            said("Landlock cannot be asked for", other),
            "in a container, allow the calls `landlock_*` in its seccomp profile".to_owned(),
        ),
        Ok(found) if found < version => (
            format!("the kernel has version {found} of Landlock, and this takes {version}"),
            newer(),
        ),
        Ok(_) => (
            said("Landlock does not keep what it promises", errno),
            "report it, with the output of `uname -a`".to_owned(),
        ),
    }
}
