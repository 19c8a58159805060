//! Function bundles: tools, resources and prompts that people upload, served beside those of every
//! server, without trusting their code with the daemon.
//!
//! The way of a bundle, and the module for each step:
//!
//! ```text
//! bytes of a ZIP, a directory ─▶ archive    names and sizes checked before a byte is written
//!                                shelf      unpacked once, under the digest of its content
//!                                manifest   what is in it: functions, settings, limits, wishes
//!                                bundle     a Peer with lists: arguments checked, then …
//!                                python     … worker processes, one call at a time each
//!                wasm       … instances of a component
//! ```
//!
//! A version never changes: another content has another digest, and is another bundle to whoever
//! serves it.

mod archive;
mod bundle;
mod config;
mod digest;
mod host;
mod manifest;
mod pack;
mod proxy;
mod python;
mod runtime;
mod schema;
mod settings;
mod shelf;
mod signature;
mod source;
mod template;
#[cfg(feature = "wasm")]
mod values;
#[cfg(feature = "wasm")]
mod wasm;

pub use archive::{Archive, ArchiveError, Caps};
pub use bundle::{Bundle, Nothing, Serving};
pub use config::{BundleConfig, BundlesConfig, Grants};
pub use digest::Digest;
pub use manifest::{
    FILE, Function, FunctionKind, Limits, Manifest, ManifestError, Runtime, Setting, SettingType,
    Wants,
};
pub use python::{Interpreter, Isolation, Packages, Python, PythonConfig};
pub use shelf::{Shelf, ShelfError, Version};
pub use signature::{SignatureError, SigningKeys};
pub use source::{Source, Stamp};
#[cfg(feature = "wasm")]
pub use values::Values;
#[cfg(feature = "wasm")]
pub use wasm::Wasm;
