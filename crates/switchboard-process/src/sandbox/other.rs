//! Systems without layers.

use std::io;
use std::path::Path;

use super::{Layer, LayerKind, Missing, Passage, Sandbox};
use crate::SpawnError;

/// Nothing: there is nothing to prepare.
pub(crate) struct Prepared;

/// There is never one.
pub(crate) enum Doorway {}

impl Doorway {
    pub(crate) fn passage(&self) -> io::Result<Passage> {
        match *self {}
    }
}

impl Prepared {
    /// # Errors
    ///
    /// If the sandbox is required.
    pub(crate) fn new(sandbox: &Sandbox, _: &Path) -> Result<Self, SpawnError> {
        match sandbox.missing().into_iter().find_map(|layer| Some((layer.kind, layer.missing?))) {
            Some((layer, Missing { why, hint })) if sandbox.required => {
                Err(SpawnError::NotIsolated { layer, cause: io::Error::other(why), hint })
            }
            _ => Ok(Self),
        }
    }

    pub(crate) fn separate(&self) -> io::Result<()> {
        Ok(())
    }

    pub(crate) fn confine(&mut self) -> io::Result<()> {
        Ok(())
    }

    pub(crate) fn doorway(&mut self) -> Option<Doorway> {
        None
    }

    /// No child fails here for the sake of its sandbox.
    pub(crate) fn failure(_: &io::Error) -> Option<SpawnError> {
        None
    }
}

pub(super) fn layers() -> Vec<Layer> {
    let missing = |kind| {
        let why = "this system has none".to_owned();
        let hint = "run the daemon on Linux, in a virtual machine if need be".to_owned();
        Layer { kind, missing: Some(Missing { why, hint }) }
    };
    LayerKind::ALL.into_iter().map(missing).collect()
}
