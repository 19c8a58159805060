//! What the commands need to know about the machine they run on.

use std::error::Error as _;
use std::io;
use std::path::{Path, PathBuf};

use switchboard_clientfile::{FileError, Home};
use switchboard_config::Secret;
use switchboard_daemon::{Config, DEFAULT_INSTANCE};

use crate::context::Context;
use crate::daemon;
use crate::failure::Failure;

/// The person whose clients we look at.
pub(crate) fn home(context: &Context) -> Result<Home, Failure> {
    let home = context.variables.get("HOME").filter(|home| !home.is_empty()).ok_or_else(|| {
        Failure::new("no-home", "HOME is not set, so the files of clients cannot be found")
            .with_hint("set HOME to your home directory")
    })?;
    let cwd = std::env::current_dir().map_err(|error| {
        Failure::new("no-working-directory", "the working directory cannot be used")
            .with_cause(error)
    })?;
    Ok(Home::new(home.into(), context.variables.clone(), cwd))
}

/// The absolute path of this program, for files that others read.
pub(crate) fn program() -> Result<PathBuf, Failure> {
    std::env::current_exe().map_err(|error| {
        Failure::new("no-program-path", "the path of this program cannot be found")
            .with_cause(error)
    })
}

/// A path that means the same wherever it is read.
pub(crate) fn absolute(path: &Path) -> Result<PathBuf, Failure> {
    std::path::absolute(path).map_err(|error| {
        Failure::new("no-working-directory", "the working directory cannot be used")
            .with_cause(error)
    })
}

/// The key that clients present: the configured one, or the first line of the key file.
pub(crate) fn key(context: &Context, config: &Config) -> Result<Secret, Failure> {
    if let Some(key) = &config.auth.api_key {
        return Ok(key.clone());
    }
    let path = context.paths.key();
    let text = std::fs::read_to_string(&path).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => Failure::new("no-key", "there is no key yet")
            .with_cause("the daemon makes one when it starts for the first time")
            .with_hint("start it with `switchboard start`"),
        _ => Failure::new("no-key", format!("the key file `{}` cannot be read", path.display()))
            .with_cause(error),
    })?;
    match text.lines().next() {
        Some(key) if !key.is_empty() => Ok(Secret::new(key)),
        _ => Err(Failure::new("no-key", format!("the key file `{}` is empty", path.display()))
            .with_hint("remove it and type `switchboard restart`; a new key is made")),
    }
}

/// The name of our entry in a client's file: each instance has its own.
pub(crate) fn endpoint_name(instance: &str) -> String {
    if instance == DEFAULT_INSTANCE {
        "switchboard".to_owned()
    } else {
        format!("switchboard-{instance}")
    }
}

/// Refuses a running daemon that was started with another configuration: what we wrote would not
/// reach it.
pub(crate) async fn now_running(context: &Context, config: &Path) -> Result<(), Failure> {
    let running = daemon::status(context).await?.config;
    let canonical = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
    if running.is_empty() || canonical(Path::new(&running)) == canonical(config) {
        return Ok(());
    }
    let message = format!("the daemon runs with another configuration, `{running}`");
    Err(Failure::new("other-configuration", message).with_hint(format!(
        "run `switchboard restart --config '{}'`, or give this one an instance of its own with `--name`",
        config.display()
    )))
}

/// What is wrong with a client's file, in the parts that people get.
pub(crate) fn file_failure(error: &FileError) -> Failure {
    let mut failure = Failure::new(error.code(), error.to_string()).with_hint(error.hint());
    failure.cause = error.source().map(ToString::to_string);
    match (error.place(), error.at()) {
        (Some(place), Some(at)) => failure.with_place(format!("{place}, {at}")),
        (Some(place), None) => failure.with_place(place),
        (None, Some(at)) => failure.with_place(at),
        (None, None) => failure,
    }
}
