//! The log: one event, one line, one `write(2)`.
//!
//! Lines are written by the thread that logs, under a mutex, and not by a background thread. What
//! was logged is with the kernel when the call returns, so a crash or a `kill -9` loses nothing —
//! and the last lines before a crash are the ones that matter. There is no queue whose limit would
//! need a rule for what to drop. The price is a few microseconds per line, and calls do not log at
//! the default level.
//!
//! Where a slow reader could hold us up (a terminal, a pipe that nobody empties), the line is
//! dropped and counted instead.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use prometheus_client::metrics::counter::Counter;
use tracing::level_filters::LevelFilter;
use tracing_subscriber::filter::ParseError;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::{EnvFilter, Registry, reload};

use crate::Clock;
use layer::{Lines, Sink};

mod escape;
mod file;
mod layer;
mod line;
mod stderr;
mod timestamp;

pub use file::{FileConfig, RotatingFile};
pub use timestamp::rfc3339;

/// How and where to log.
pub struct LogConfig {
    pub format: Format,
    /// Directives separated by commas: a level, `target=level`, or `target[span{field=value}]=level`.
    pub filter: String,
    pub file: Option<FileConfig>,
    pub stderr: bool,
    /// Colours the level on standard error. Never in the file, never in JSON.
    pub colour: bool,
    pub clock: Clock,
    /// Lines that could not be written, for the metrics; see [`LostLines::default`] without them.
    pub lost: LostLines,
}

#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub enum Format {
    /// `2026-11-21T03:04:05.678Z INFO upstream started name=files`
    #[default]
    Text,
    /// `{"ts":"2026-11-21T03:04:05.678Z","level":"INFO","target":"…","message":"…","name":"files"}`
    Json,
}

/// Counts lines that did not reach their place.
#[derive(Clone, Debug, Default)]
pub struct LostLines {
    pub file: Counter,
    pub stderr: Counter,
}

/// Why there is no log, or not the one asked for.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    #[error("`{directive}` in the log filter is neither a level nor `target=level`")]
    NotALevel { directive: String },
    #[error("the log filter `{filter}` is not valid")]
    Filter {
        filter: String,
        #[source]
        cause: ParseError,
    },
    #[error("cannot open the log file `{}`", path.display())]
    Open {
        path: PathBuf,
        #[source]
        cause: io::Error,
    },
    #[error("this process logs already")]
    Twice,
    /// The subscriber was replaced or is gone, so there is no filter to change.
    #[error("the log filter cannot be changed any more")]
    Gone,
}

impl LogError {
    /// The name under which the error is documented.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NotALevel { .. } | Self::Filter { .. } => "log-filter",
            Self::Open { .. } => "log-file",
            Self::Twice => "log-twice",
            Self::Gone => "log-gone",
        }
    }

    /// What to do about it.
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::NotALevel { .. } | Self::Filter { .. } => {
                "use off, error, warn, info, debug or trace, and `target=level` for a part of the \
                 program, separated by commas: `info,switchboard_upstream=debug`"
            }
            Self::Open { .. } => "check that the directory exists and is ours to write to",
            Self::Twice | Self::Gone => {
                "restart the daemon; please report this, it is a mistake of ours"
            }
        }
    }
}

/// Changes the filter of a running log. Dropping it changes nothing: there is nothing to flush.
#[derive(Clone, Debug)]
pub struct Reloadable {
    filter: reload::Handle<EnvFilter, Registry>,
}

/// Starts the log of this process.
///
/// # Errors
///
/// The filter is wrong, the file cannot be opened, or a log was started before. Nothing is logged
/// then.
pub fn init(config: LogConfig) -> Result<Reloadable, LogError> {
    let (subscriber, reloadable) = subscriber(config)?;
    tracing::subscriber::set_global_default(subscriber).map_err(|_| LogError::Twice)?;
    Ok(reloadable)
}

/// Like [`init`], for a scope instead of the process.
///
/// # Errors
///
/// The filter is wrong or the file cannot be opened.
pub fn subscriber(
    config: LogConfig,
) -> Result<(impl tracing::Subscriber + Send + Sync, Reloadable), LogError> {
    let filter = parse_filter(&config.filter)?;
    let mut sinks = Vec::new();
    if let Some(file) = config.file {
        let path = file.path.clone();
        let file = RotatingFile::open(file, Arc::clone(&config.clock))
            .map_err(|cause| LogError::Open { path, cause })?;
        sinks.push(Sink::new(file, false, config.lost.file));
    }
    if config.stderr {
        let colour = config.colour && config.format == Format::Text;
        sinks.push(Sink::new(stderr::stderr(), colour, config.lost.stderr));
    }
    let (filter, handle) = reload::Layer::new(filter);
    let lines = Lines::new(config.format, config.clock, sinks);
    Ok((Registry::default().with(filter).with(lines), Reloadable { filter: handle }))
}

impl Reloadable {
    /// Logs by `filter` from now on.
    ///
    /// # Errors
    ///
    /// The filter is wrong; the present one stays.
    pub fn set_filter(&self, filter: &str) -> Result<(), LogError> {
        self.filter.reload(parse_filter(filter)?).map_err(|_| LogError::Gone)
    }
}

/// Reads a filter, more strictly than [`EnvFilter`] does.
///
/// To `EnvFilter` a bare word that is no level is a target, so that `ifno` would silence the log
/// without a word. A setting without effect is an error here.
/// Whether `filter` can be used as one.
///
/// # Errors
///
/// What [`init`] would say of it.
pub fn check_filter(filter: &str) -> Result<(), LogError> {
    parse_filter(filter).map(drop)
}

fn parse_filter(filter: &str) -> Result<EnvFilter, LogError> {
    let directives = filter.split(',').map(str::trim).filter(|directive| !directive.is_empty());
    for directive in directives.clone() {
        if !directive.contains(['=', '[']) && directive.parse::<LevelFilter>().is_err() {
            return Err(LogError::NotALevel { directive: directive.to_owned() });
        }
    }
    EnvFilter::builder()
        .with_default_directive(LevelFilter::INFO.into())
        // A value is a value: a pattern in a setting would be matched on every event.
        .with_regex(false)
        .parse(directives.collect::<Vec<_>>().join(","))
        .map_err(|cause| LogError::Filter { filter: filter.to_owned(), cause })
}

#[cfg(test)]
mod tests;
