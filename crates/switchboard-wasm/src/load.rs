//! From the bytes that somebody uploaded to something that can be called.

use std::collections::BTreeSet;

use bytes::Bytes;
use wasmtime::Engine;
use wasmtime::component::{Component, Linker};

use crate::bindings::BundlePre;
use crate::cache::{self, Cache, Sha};
use crate::error::WasmError;
use crate::state::State;

/// What every bundle exports.
const HANDLER: &str = "switchboard:bundle/handler@1";

/// Packages of which everything that a component can import is linked. Versions are compatible
/// within a minor version before 1.0, within a major version after (semver.org).
const LINKED: &[(&str, &str)] = &[
    ("switchboard:bundle/", "1."),
    ("wasi:cli/", "0.2."),
    ("wasi:clocks/", "0.2."),
    ("wasi:filesystem/", "0.2."),
    ("wasi:http/", "0.2."),
    ("wasi:io/", "0.2."),
    ("wasi:random/", "0.2."),
    ("wasi:sockets/", "0.2."),
];

/// Missing imports that are named; who has that many is built for something else.
const MISSING: usize = 10;

/// Of the name of an import, which is the component's to choose.
const NAME_BYTES: usize = 128;

/// A component that was looked at from the outside.
pub(crate) struct Upload {
    bytes: Bytes,
    pub(crate) sha: Sha,
}

impl Upload {
    pub(crate) fn read(bytes: Bytes) -> Result<Self, WasmError> {
        is_component(&bytes)?;
        let sha = cache::sha(&bytes);
        Ok(Self { bytes, sha })
    }

    /// What was compiled before, if it was: milliseconds, for a thread that may wait for a disk.
    pub(crate) fn find(
        &self,
        linker: &Linker<State>,
        cache: Option<&Cache>,
    ) -> Result<Option<BundlePre<State>>, WasmError> {
        let component = cache.and_then(|cache| cache.load(linker.engine(), &self.sha));
        component.map(|component| link(linker, &component)).transpose()
    }

    /// Compiles it, and keeps what came of it: seconds.
    pub(crate) fn compile(
        &self,
        linker: &Linker<State>,
        cache: Option<&Cache>,
    ) -> Result<BundlePre<State>, WasmError> {
        // Somebody else may have had the turn before for the same.
        if let Some(found) = self.find(linker, cache)? {
            return Ok(found);
        }
        let broken =
            |error: wasmtime::Error| WasmError::NotAComponent { why: format!("{error:#}") };
        let engine = linker.engine();
        let component = Component::from_binary(engine, &self.bytes).map_err(broken)?;
        // What is no bundle need not be kept.
        let linked = link(linker, &component)?;
        let Some(cache) = cache else { return Ok(linked) };
        let code = component.serialize().map_err(broken)?;
        // A full disk costs the next start a compilation, and is noticed elsewhere.
        if cache.keep(engine, &self.sha, &code).is_err() {
            return Ok(linked);
        }
        // The one that is mapped from the file takes less memory than the one just made.
        Ok(self.find(linker, Some(cache))?.unwrap_or(linked))
    }
}

/// A core module, machine code and text are things that people upload by mistake; machine code must
/// also never reach a function that would take it.
fn is_component(bytes: &[u8]) -> Result<(), WasmError> {
    let refuse = |why: &str| Err(WasmError::NotAComponent { why: why.to_owned() });
    // The preamble: magic, version, layer (the component model's `Binary.md`).
    match bytes {
        [b'\0', b'a', b's', b'm', 0x0d, 0, 1, 0, ..] => Ok(()),
        [b'\0', b'a', b's', b'm', _, _, 0, 0, ..] => {
            refuse("it is a core module, which a component is made of")
        }
        [b'\0', b'a', b's', b'm', ..] => refuse("it is of another version of the component model"),
        _ => refuse("it does not begin as WebAssembly does"),
    }
}

fn link(linker: &Linker<State>, component: &Component) -> Result<BundlePre<State>, WasmError> {
    let missing = missing(linker.engine(), component);
    if !missing.is_empty() {
        return Err(WasmError::WrongWorld { missing: missing.into_iter().collect() });
    }
    // What is left can only be a function of another type than ours, or one that we do not have.
    let differs =
        |error: wasmtime::Error| WasmError::WrongWorld { missing: vec![format!("{error:#}")] };
    BundlePre::new(linker.instantiate_pre(component).map_err(differs)?).map_err(differs)
}

/// What a component wants that nobody has, and what it should have and has not.
fn missing(engine: &Engine, component: &Component) -> BTreeSet<String> {
    let world = component.component_type();
    let mut missing: BTreeSet<String> = world
        .imports(engine)
        .filter(|(name, _)| !is_linked(name))
        .map(|(name, _)| format!("it imports `{}`, which is not there", short(name)))
        .take(MISSING)
        .collect();
    if !world.exports(engine).any(|(name, _)| name.starts_with(HANDLER)) {
        missing.insert(format!("it does not export `{HANDLER}.0.0`"));
    }
    missing
}

fn is_linked(name: &str) -> bool {
    LINKED.iter().any(|(package, version)| {
        let interface = name.strip_prefix(package).and_then(|rest| rest.split_once('@'));
        interface.is_some_and(|(_, imported)| imported.starts_with(version))
    })
}

fn short(name: &str) -> &str {
    &name[..name.floor_char_boundary(NAME_BYTES)]
}
