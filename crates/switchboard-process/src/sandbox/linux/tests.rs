use std::io;
use std::path::Path;

use super::{LayerKind, Prepared, encode, loader, why};
use crate::SpawnError;

#[test]
fn the_number_of_a_failed_child_names_the_layer_and_the_cause() {
    for kind in LayerKind::ALL {
        let carried = encode(kind, libc::ENOSPC).raw_os_error().unwrap();
        let back = Prepared::failure(&io::Error::from_raw_os_error(carried)).unwrap();
        let SpawnError::NotIsolated { layer, cause, hint } = back else { panic!("{back}") };
        assert_eq!((layer, cause.raw_os_error()), (kind, Some(libc::ENOSPC)));
        assert!(!hint.is_empty());
    }
    for other in [libc::ENOENT, libc::EAGAIN, 4095] {
        assert!(Prepared::failure(&io::Error::from_raw_os_error(other)).is_none());
    }
    assert!(Prepared::failure(&io::Error::other("text")).is_none());
}

/// The whole way: a child whose layer fails, the number, the standard library, the error.
#[test]
fn a_child_that_fails_to_isolate_itself_says_so() {
    let not_a_ruleset = std::fs::File::open("/dev/null").unwrap().into();
    let sandbox = Prepared {
        namespaces: None,
        door: None,
        doorway: None,
        privileges: true,
        ruleset: Some(not_a_ruleset),
        limits: Vec::new(),
        filters: None,
    };
    let mut command = std::process::Command::new("/bin/true");
    crate::prepare::child(&mut command, Some(sandbox));
    let error = Prepared::failure(&command.spawn().unwrap_err()).unwrap();
    assert!(matches!(error, SpawnError::NotIsolated { layer: LayerKind::Files, .. }), "{error}");
}

#[test]
fn whatever_is_missing_has_a_reason_and_a_hint() {
    for kind in LayerKind::ALL {
        for errno in [libc::EPERM, libc::ENOSPC, libc::ENOSYS, super::probe::WITHOUT_EFFECT] {
            let missing = why::missing(kind, errno);
            assert!(!missing.why.is_empty() && !missing.hint.is_empty(), "{kind:?} {errno}");
        }
    }
}

#[test]
fn the_loader_of_a_program_is_read_from_its_header() {
    let loader = loader::of(Path::new("/bin/sh")).expect("a shell that is linked dynamically");
    assert!(loader.is_absolute() && loader.exists(), "{}", loader.display());
    assert_eq!(loader::of(Path::new("/etc/passwd")), None);
    assert_eq!(loader::of(Path::new("/no/such/program")), None);
}

#[test]
fn a_damaged_header_names_no_loader() {
    let whole = std::fs::read("/bin/sh").unwrap();
    for length in 0..600 {
        loader::parse(&whole[..length]);
    }
    let mut damaged = whole[..4096].to_vec();
    for place in 0..1024 {
        let before = std::mem::replace(&mut damaged[place], 0xff);
        loader::parse(&damaged);
        damaged[place] = before;
    }
}
