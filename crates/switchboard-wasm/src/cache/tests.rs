use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use tempfile::TempDir;
use wasmtime::Engine;
use wasmtime::component::Component;

use super::{Cache, Sha, sha};
use crate::error::WasmError;

struct Kept {
    place: TempDir,
    engine: Engine,
    cache: Cache,
    sha: Sha,
}

impl Kept {
    fn new() -> Self {
        let place = tempfile::tempdir().unwrap();
        let engine = Engine::default();
        let cache = Cache::open(place.path().join("wasm"), [7; 32]).unwrap();
        let bytes = wat::parse_str("(component)").unwrap();
        let sha = sha(&bytes);
        let code = Component::from_binary(&engine, &bytes).unwrap().serialize().unwrap();
        cache.keep(&engine, &sha, &code).unwrap();
        Self { place, engine, cache, sha }
    }

    fn is_found(&self) -> bool {
        self.cache.load(&self.engine, &self.sha).is_some()
    }

    fn file(&self, extension: &str) -> PathBuf {
        let entries = fs::read_dir(self.place.path().join("wasm")).unwrap();
        let mut paths = entries.map(|entry| entry.unwrap().path());
        paths.find(|path| path.extension().is_some_and(|found| found == extension)).unwrap()
    }
}

/// What somebody who can write there might do.
fn rewrite(path: &Path, change: impl FnOnce(Vec<u8>) -> Vec<u8>) {
    let changed = change(fs::read(path).unwrap());
    fs::remove_file(path).unwrap();
    fs::write(path, changed).unwrap();
}

#[test]
fn what_was_kept_is_found() {
    assert!(Kept::new().is_found());
}

#[test]
fn what_was_changed_is_not_loaded() {
    for extension in ["cwasm", "mac"] {
        let kept = Kept::new();
        rewrite(&kept.file(extension), |mut bytes| {
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
            bytes
        });
        assert!(!kept.is_found(), "one bit of {extension}");
        let kept = Kept::new();
        rewrite(&kept.file(extension), |bytes| bytes[..bytes.len() - 1].to_vec());
        assert!(!kept.is_found(), "{extension} cut short");
    }
}

#[test]
fn code_of_another_component_or_key_is_not_loaded() {
    let kept = Kept::new();
    let other = Kept::new();
    let stranger = Cache::open(kept.place.path().join("wasm"), [8; 32]).unwrap();
    assert!(stranger.load(&kept.engine, &kept.sha).is_none(), "signed with another key");
    for extension in ["cwasm", "mac"] {
        let path = kept.file(extension);
        let name = path.file_name().unwrap().to_str().unwrap();
        let renamed = path.with_file_name(format!("{}{}", "0".repeat(64), &name[64..]));
        fs::rename(&path, renamed).unwrap();
    }
    assert!(kept.cache.load(&kept.engine, &[0; 32]).is_none(), "under another name");
    assert!(other.is_found());
}

#[test]
fn what_others_can_write_is_not_loaded() {
    let kept = Kept::new();
    fs::set_permissions(kept.file("cwasm"), Permissions::from_mode(0o666)).unwrap();
    assert!(!kept.is_found());
    let kept = Kept::new();
    let path = kept.file("cwasm");
    let elsewhere = kept.place.path().join("elsewhere");
    fs::rename(&path, &elsewhere).unwrap();
    std::os::unix::fs::symlink(&elsewhere, &path).unwrap();
    assert!(!kept.is_found(), "a link");
}

#[test]
fn a_directory_that_others_can_enter_is_refused() {
    let place = tempfile::tempdir().unwrap();
    for mode in [0o777, 0o750, 0o701] {
        let directory = place.path().join(format!("{mode:o}"));
        fs::create_dir(&directory).unwrap();
        fs::set_permissions(&directory, Permissions::from_mode(mode)).unwrap();
        let refused = Cache::open(directory, [7; 32]).map(drop);
        assert!(matches!(refused, Err(WasmError::Cache { .. })), "{mode:o}");
    }
    let file = place.path().join("file");
    fs::write(&file, "").unwrap();
    assert!(Cache::open(file, [7; 32]).is_err());
}
