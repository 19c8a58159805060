//! The composition root: what the configuration says is built, run, reloaded and drained here.
//!
//! [`run`](run()) reads from top to bottom as the life of a daemon. The parts it puts together: the
//! [`plan`](plan()) (what the configuration asks for, checked), the fleet (the upstreams that run),
//! the gateway of `switchboard-core`, and the listeners.

mod annex;
mod assemble;
mod bundles;
mod chores;
mod clock;
mod config;
mod control;
mod daemon;
mod embedded;
mod end;
mod explain;
mod fleet;
mod handover;
mod identity;
mod instance_key;
mod keep;
mod leaving;
mod lock;
mod login;
mod management;
mod measured;
mod middle;
mod moving;
mod notify;
mod open;
mod operations;
mod outside;
mod paths;
mod place;
mod plan;
mod problem;
mod records;
mod reload;
mod rules;
mod run;
mod seal;
mod sources;
mod tenants;
mod unix;
mod watchers;

pub use bundles::Trial;
pub use config::{Config, DaemonConfig, LogConfig, LogFormat, TenantsConfig, VaultConfig};
pub use embedded::run_embedded;
pub use lock::{LockError, holder};
pub use moving::{export_store, import_store, migrate_store, reseal_store, rotate_vault_key};
pub use outside::{authorizer, owner};
pub use paths::{DEFAULT_INSTANCE, Paths, PathsError};
pub use plan::{Plan, PlannedUpstream, plan};
pub use problem::StartProblem;
pub use run::{Launch, Ready, run};
pub use sources::Sources;
pub use switchboard_store::Moved;
