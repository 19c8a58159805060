//! Archives of bundles: what is taken lies within the directory that it is unpacked into, is no more
//! than was allowed, and has the same content when it is packed again.

use std::collections::HashSet;
use std::path::{Component, Path};

use switchboard_function::{Archive, Caps, Manifest};

const CAPS: Caps = Caps { packed: 64 << 10, unpacked: 4 << 20, entries: 64, ratio: 200 };

pub(crate) fn check(input: &[u8]) {
    let archive = match Archive::unzip(input, &CAPS) {
        Ok(archive) => archive,
        Err(error) => {
            let said = error.to_string();
            assert!(!said.is_empty() && !said.contains('\0') && !said.contains('\x1b'), "{said:?}");
            return;
        }
    };
    assert!(input.len() as u64 <= CAPS.packed);
    let mut seen = HashSet::new();
    let mut bytes = 0;
    for name in archive.names() {
        let is_within = Path::new(name).components().all(|it| matches!(it, Component::Normal(_)));
        assert!(is_within && !name.contains('\\'), "{name:?} leads elsewhere");
        assert!(seen.insert(name.to_lowercase()), "{name:?} is there twice");
        bytes += archive.file(name).expect("it has the files that it names").len() as u64;
    }
    assert!(!seen.is_empty() && seen.len() <= CAPS.entries, "{} files", seen.len());
    assert!(bytes <= CAPS.unpacked, "{bytes} bytes");
    packs_again(&archive);
    // Whatever it is a manifest of.
    let _ = Manifest::of(&archive);
}

fn packs_again(archive: &Archive) {
    let packed = archive.zip().expect("what was small enough to be read can be packed");
    let caps = Caps { packed: u64::MAX, ratio: u64::MAX, ..CAPS };
    let again = Archive::unzip(&packed, &caps).expect("what we pack can be read");
    let files = |archive: &Archive| -> Vec<_> {
        let file = |name: &str| (name.to_owned(), archive.file(name).map(<[u8]>::to_vec));
        archive.names().map(file).collect()
    };
    assert_eq!(files(archive), files(&again));
}
