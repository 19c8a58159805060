//! Where the configuration comes from: defaults, the file, the environment, the command line.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use switchboard_auth::AliasError;
use switchboard_config::{Diagnostic, Loaded, Loader, Place, code};

use crate::config::Config;

/// Everything that a configuration is read from; kept by the daemon, which reads it again on
/// reload.
#[derive(Clone, Debug)]
pub struct Sources {
    pub file: PathBuf,
    /// Whether the file must exist: it was named, rather than looked for in its usual place.
    pub file_required: bool,
    /// The environment of the process.
    pub variables: BTreeMap<String, String>,
    /// Settings from the command line: key, flag, value.
    pub flags: Vec<(&'static str, &'static str, String)>,
}

/// What begins the names of our variables.
pub(crate) const PREFIX: &str = "SWITCHBOARD_";

/// Variables with that beginning that are no settings: they say where the settings are, or mark
/// our children.
const RESERVED: [&str; 5] = [
    "SWITCHBOARD_CONFIG",
    "SWITCHBOARD_STATE_DIR",
    "SWITCHBOARD_NAME",
    switchboard_process::OWNER_VARIABLE,
    switchboard_process::CHILD_VARIABLE,
];

/// Names that people know from the systems before this one, and the short form of our own.
const ALIASES: [(&str, &str); 4] = [
    ("SWITCHBOARD_API_KEY", "auth.api_key"),
    ("LLMC_MCP_API_KEY", "auth.api_key"),
    ("LLMC_MCP_HOST", "http.host"),
    ("LLMC_MCP_PORT", "http.port"),
];

impl Sources {
    /// Where the file is: what it names stands beside it.
    pub fn directory(&self) -> &Path {
        self.file.parent().unwrap_or_else(|| Path::new(""))
    }

    /// Reads the configuration.
    ///
    /// # Errors
    ///
    /// Every mistake found, with its place.
    pub fn load(&self) -> Result<Loaded<Config>, Vec<Diagnostic>> {
        let mut loader = Loader::new();
        match std::fs::read_to_string(&self.file) {
            Ok(text) => loader = loader.file(self.file.clone(), text),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && !self.file_required => {}
            Err(error) => {
                let message =
                    format!("configuration file `{}` cannot be read", self.file.display());
                let diagnostic =
                    Diagnostic::new(code::SYNTAX, message).with_cause(error.to_string());
                return Err(vec![diagnostic]);
            }
        }
        loader = loader.environment(self.variables.clone(), PREFIX, &RESERVED, &ALIASES);
        let variables = self.variables.clone();
        loader = loader.inherited(move |is_given| {
            let inherited = switchboard_auth::inherited(&variables, is_given);
            inherited.map_err(|errors| errors.iter().map(refused).collect())
        });
        for (key, flag, value) in &self.flags {
            loader = loader.flag(key, flag, value.clone());
        }
        loader.load()
    }
}

/// A variable of the engine before us that cannot be followed.
fn refused(error: &AliasError) -> Diagnostic {
    let AliasError { variable, key, why } = error;
    let message = format!("`{variable}` stands for `{key}`: {why}");
    Diagnostic::new(code::INVALID_VALUE, message)
        .with_place(Place::Environment { name: (*variable).to_owned() })
        .with_hint(format!("unset it, or set `{key}` in the configuration, which counts then"))
}
