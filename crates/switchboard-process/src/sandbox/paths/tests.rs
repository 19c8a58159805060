use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use super::program_paths;

/// Whether a program in `paths` may read `path`.
fn covers(program: &Path, path: &Path) -> bool {
    program_paths(program).iter().any(|listed| path.starts_with(listed))
}

#[test]
fn the_system_is_readable_and_people_are_not() {
    let program = Path::new("/usr/bin/no-such-program");
    for path in ["/usr/lib/python3.11/json/__init__.py", "/etc/ssl/certs/a.pem", "/dev/null"] {
        assert!(covers(program, Path::new(path)), "{path}");
    }
    for path in [
        "/etc/passwd",
        "/etc/no-such-program/key",
        "/etc/pki/tls/private/key",
        "/etc/shadow",
        "/root/.ssh/id",
        "/home/me/.ssh/id",
        "/proc/1/environ",
    ] {
        assert!(!covers(program, Path::new(path)), "{path}");
    }
}

#[test]
fn what_lies_beside_a_program_is_readable_as_far_as_it_belongs_to_it() {
    let directory = tempfile::tempdir().unwrap();
    let home = directory.path().canonicalize().unwrap();
    let base = home.join("python");
    fs::create_dir_all(base.join("bin")).unwrap();
    fs::write(base.join("bin/python3.12"), "").unwrap();
    let venv = home.join("project");
    fs::create_dir_all(venv.join("bin")).unwrap();
    fs::write(venv.join("pyvenv.cfg"), "").unwrap();
    symlink(base.join("bin/python3.12"), venv.join("bin/python3")).unwrap();
    let program = venv.join("bin/python3");
    for path in [
        "python/bin/python3.12",
        "python/lib/python3.12/json/__init__.py",
        "project/pyvenv.cfg",
        "project/lib/python3.12/site-packages/ours.py",
    ] {
        assert!(covers(&program, &home.join(path)), "{path}");
    }
    for path in ["project/.env", "python/secret", "secret", "project/libsecret"] {
        assert!(!covers(&program, &home.join(path)), "{path}");
    }
}
