//! What every command is given.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use switchboard_daemon::{Config, Paths, PathsError, Sources};
use tokio::runtime::{Builder, Runtime};

use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{Colour, Output};

/// Facts about this run of the program.
pub(crate) struct Context {
    /// The environment, read once.
    pub(crate) variables: BTreeMap<String, String>,
    pub(crate) paths: Paths,
    pub(crate) sources: Sources,
    pub(crate) json: bool,
    pub(crate) output: Output,
}

/// Flags that every command takes.
#[derive(clap::Args, Debug)]
pub(crate) struct Global {
    /// Configuration file [default: ~/.config/switchboard/config.toml]
    #[arg(long, global = true, value_name = "PATH", help_heading = "Global options")]
    pub(crate) config: Option<PathBuf>,
    /// Instance of the daemon, with its own configuration, key and state [default: default]
    #[arg(long, global = true, value_name = "INSTANCE", help_heading = "Global options")]
    pub(crate) name: Option<String>,
    /// Print data as JSON, and errors as JSON on standard error
    #[arg(long, global = true, help_heading = "Global options")]
    pub(crate) json: bool,
    /// When to use colour
    #[arg(
        long,
        global = true,
        value_enum,
        default_value_t = Colour::Auto,
        hide_possible_values = true,
        value_name = "auto|always|never",
        help_heading = "Global options"
    )]
    pub(crate) color: Colour,
}

impl Context {
    /// Finds the files that the flags and the environment mean.
    pub(crate) fn find(
        global: &Global,
        variables: BTreeMap<String, String>,
    ) -> Result<Self, Failure> {
        let variable = |name: &str| variables.get(name).filter(|value| !value.is_empty());
        let instance = global.name.as_ref().or_else(|| variable("SWITCHBOARD_NAME"));
        let paths =
            Paths::find(instance.map(String::as_str), global.config.as_deref(), &variables)?;
        let sources = Sources {
            file: paths.config.clone(),
            file_required: global.config.is_some() || variable("SWITCHBOARD_CONFIG").is_some(),
            variables: variables.clone(),
            flags: Vec::new(),
        };
        let output = Output::new(global.json, global.color);
        Ok(Self { variables, paths, sources, json: global.json, output })
    }

    /// The configuration, for commands that act on it without a daemon.
    pub(crate) fn config(&self) -> Result<Config, Failure> {
        let loaded = self.sources.load();
        loaded.map(|loaded| loaded.value).map_err(|wrong| Failure::configuration(&wrong))
    }

    /// The same run with another configuration file, which has to be there.
    pub(crate) fn with_config(&self, file: &Path) -> Self {
        let sources =
            Sources { file: file.to_owned(), file_required: true, ..self.sources.clone() };
        let paths = Paths { config: file.to_owned(), ..self.paths.clone() };
        let (variables, output) = (self.variables.clone(), self.output.clone());
        Self { variables, paths, sources, json: self.json, output }
    }

    /// A runtime for a command that talks to a daemon; one thread is plenty for that.
    pub(crate) fn runtime(&self) -> Result<Runtime, Failure> {
        Builder::new_current_thread().enable_all().build().map_err(|error| {
            Failure::new("runtime-failed", "the asynchronous runtime cannot be started")
                .with_cause(error)
        })
    }
}

impl From<PathsError> for Failure {
    fn from(error: PathsError) -> Self {
        let exit = match error {
            PathsError::BadName(_) => Exit::Usage,
            PathsError::NoHome | PathsError::TooLong(_) => Exit::Configuration,
        };
        Self::new("no-directories", error.to_string()).with_exit(exit)
    }
}
