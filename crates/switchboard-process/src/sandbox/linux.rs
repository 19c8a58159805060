//! The layers of Linux: built by the daemon, applied by the child between `fork` and `exec`.
//!
//! Everything that allocates or opens happens in [`Prepared::new`]. What is left for the child are
//! system calls, in an order that matters: namespaces need privileges and come first, the filter would
//! forbid what the others need and comes last.

mod calls;
mod door;
mod files;
mod limits;
mod loader;
mod namespaces;
mod privileges;
mod probe;
mod why;

use std::io;
use std::os::fd::OwnedFd;
use std::path::Path;

use self::calls::Filters;
use self::door::Door;
use self::limits::Limit;
use self::namespaces::Namespaces;
use super::{LayerKind, Missing, Network, Sandbox};
use crate::SpawnError;

pub(crate) use self::door::Doorway;
pub(super) use self::probe::layers;

/// What a system call answered.
type Errno = i32;

/// A sandbox that only has to be applied.
pub(crate) struct Prepared {
    namespaces: Option<Namespaces>,
    door: Option<Door>,
    doorway: Option<Doorway>,
    privileges: bool,
    ruleset: Option<OwnedFd>,
    limits: Vec<Limit>,
    filters: Option<Filters>,
}

impl Prepared {
    /// Builds the layers that are in force on this machine.
    ///
    /// # Errors
    ///
    /// If the sandbox is required and the machine lacks a layer, or a layer cannot be built.
    pub(crate) fn new(sandbox: &Sandbox, program: &Path) -> Result<Self, SpawnError> {
        if sandbox.required
            && let Some((layer, missing)) =
                sandbox.missing().into_iter().find_map(|layer| Some((layer.kind, layer.missing?)))
        {
            let Missing { why, hint } = missing;
            return Err(SpawnError::NotIsolated { layer, cause: io::Error::other(why), hint });
        }
        let layers = layers();
        let in_force =
            |kind| layers.iter().any(|layer| layer.kind == kind && layer.missing.is_none());
        let own_network = sandbox.network != Network::Any && in_force(LayerKind::NetworkNamespace);
        let namespaces = in_force(LayerKind::UserNamespace).then(|| Namespaces::new(own_network));
        let (door, doorway) = match sandbox.network {
            Network::Port(port) if own_network => {
                door::new(port).map_err(|cause| not_isolated(LayerKind::NetworkNamespace, cause))?
            }
            _ => (None, None),
        };
        let ruleset = match in_force(LayerKind::Files) {
            true => files::ruleset(sandbox, program)
                .map_err(|cause| not_isolated(LayerKind::Files, cause))?,
            false => None,
        };
        let limits = match in_force(LayerKind::Limits) {
            true => limits::of(&sandbox.limits, namespaces.is_some() && probe::tasks_are_counted()),
            false => Vec::new(),
        };
        let filters = in_force(LayerKind::SystemCalls)
            .then(|| Filters::new(sandbox, in_force(LayerKind::Scopes)))
            .transpose()
            .map_err(|cause| not_isolated(LayerKind::SystemCalls, cause))?;
        let privileges = in_force(LayerKind::Privileges);
        Ok(Self { namespaces, door, doorway, privileges, ruleset, limits, filters })
    }

    /// The daemon's side of the way to the one port, if there is such a way. To be had once.
    pub(crate) fn doorway(&mut self) -> Option<Doorway> {
        self.doorway.take()
    }

    /// Leaves what the child shares with others. Makes system calls and nothing else.
    ///
    /// # Errors
    ///
    /// A number that [`failure`](Self::failure) understands.
    pub(crate) fn separate(&self) -> io::Result<()> {
        if let Some(namespaces) = &self.namespaces {
            let kind = match namespaces.own_network() {
                true => LayerKind::NetworkNamespace,
                false => LayerKind::UserNamespace,
            };
            namespaces.enter().map_err(|errno| encode(kind, errno))?;
        }
        if let Some(door) = &self.door {
            door.open().map_err(|errno| encode(LayerKind::NetworkNamespace, errno))?;
        }
        Ok(())
    }

    /// Takes from the child what is left. Makes system calls and nothing else.
    ///
    /// # Errors
    ///
    /// A number that [`failure`](Self::failure) understands.
    pub(crate) fn confine(&mut self) -> io::Result<()> {
        if self.privileges {
            privileges::drop_all().map_err(|errno| encode(LayerKind::Privileges, errno))?;
        }
        if let Some(ruleset) = &self.ruleset {
            files::restrict(ruleset).map_err(|errno| encode(LayerKind::Files, errno))?;
        }
        for limit in &self.limits {
            limit.apply().map_err(|errno| encode(LayerKind::Limits, errno))?;
        }
        if let Some(filters) = &mut self.filters {
            filters.install().map_err(|errno| encode(LayerKind::SystemCalls, errno))?;
        }
        Ok(())
    }

    /// The error behind one that came back from a child, if its sandbox is what failed.
    pub(crate) fn failure(error: &io::Error) -> Option<SpawnError> {
        let number = error.raw_os_error()?;
        let index = usize::try_from(number >> LAYER_SHIFT).ok()?.checked_sub(1)?;
        let kind = *LayerKind::ALL.get(index)?;
        let errno = number & ((1 << LAYER_SHIFT) - 1);
        Some(not_isolated(kind, io::Error::from_raw_os_error(errno)))
    }
}

/// A child that fails before `exec` can tell one number, which the standard library carries over. The
/// kernel's are below 4096 (`MAX_ERRNO`), so there is room for the layer above them.
const LAYER_SHIFT: u32 = 16;

fn encode(kind: LayerKind, errno: Errno) -> io::Error {
    let place = LayerKind::ALL.iter().position(|it| *it == kind).unwrap_or_default() as i32 + 1;
    io::Error::from_raw_os_error(place << LAYER_SHIFT | errno)
}

fn not_isolated(layer: LayerKind, cause: io::Error) -> SpawnError {
    let hint = why::missing(layer, cause.raw_os_error().unwrap_or_default()).hint;
    SpawnError::NotIsolated { layer, cause, hint }
}

/// What the last system call of this thread failed with. Reads a number; allocates nothing.
fn last_errno() -> Errno {
    io::Error::last_os_error().raw_os_error().unwrap_or_default()
}

/// Turns the answer of a system call into a result.
fn checked(answer: libc::c_long) -> Result<libc::c_long, Errno> {
    match answer {
        -1 => Err(last_errno()),
        answer => Ok(answer),
    }
}

#[cfg(test)]
mod tests;
