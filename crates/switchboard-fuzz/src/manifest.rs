//! Manifests of bundles: what is taken has functions that differ, each listed under its name; what is
//! refused says why.
//!
//! An input is `switchboard.toml`, or, where it begins with `{`, the configuration of the engine before
//! us.

use std::collections::HashSet;
use std::io::{Cursor, Write as _};

use switchboard_function::{Archive, Caps, Manifest, ManifestError};
use zip::ZipWriter;
use zip::write::SimpleFileOptions;

pub(crate) fn check(input: &[u8]) {
    let name = if input.starts_with(b"{") { "mcp_configuration.json" } else { "switchboard.toml" };
    let archive = archive(name, input);
    let manifest = match Manifest::of(&archive) {
        Ok(manifest) => manifest,
        Err(ManifestError::Mistakes(mistakes)) => {
            assert!(!mistakes.is_empty(), "refused for no reason");
            for mistake in mistakes {
                let said = mistake.render(false);
                assert!(!said.contains('\0') && !said.contains('\x1b'), "{said:?}");
            }
            return;
        }
        Err(error) => {
            assert!(!error.to_string().is_empty());
            return;
        }
    };
    let mut seen = HashSet::new();
    for function in &manifest.functions {
        assert!(!function.key.is_empty(), "a function without a name");
        assert!(seen.insert((function.kind, &function.key)), "{} is there twice", function.key);
        let item: serde_json::Value = function.item.view().expect("what is listed is JSON");
        assert!(item["name"].as_str().is_some_and(|name| !name.is_empty()), "{item}");
    }
    if manifest.is_older {
        // What was read is what it was read from.
        let text = manifest.configuration.as_deref().expect("it came from one");
        let again = Manifest::older(text, &archive).expect("it was good before");
        assert_eq!(again.functions.len(), manifest.functions.len());
    }
}

/// A bundle with this manifest, and the files that manifests of the corpus name.
fn archive(name: &str, manifest: &[u8]) -> Archive {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let files = [(name, manifest), ("code.py", b"def t(): pass\n"), ("schema.json", b"{}")];
    for (name, content) in files {
        zip.start_file(name, SimpleFileOptions::default()).expect("in memory");
        zip.write_all(content).expect("in memory");
    }
    let bytes = zip.finish().expect("in memory").into_inner();
    let caps = Caps { packed: u64::MAX, unpacked: u64::MAX, ratio: u64::MAX, ..Caps::default() };
    Archive::unzip(&bytes, &caps).expect("three plain files")
}
