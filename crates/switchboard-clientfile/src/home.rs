//! Whose files to look for: home, environment and working directory, as the caller knows them.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The person whose clients we look at.
#[derive(Clone)]
pub struct Home {
    pub home: PathBuf,
    /// Where applications keep their settings: `$XDG_CONFIG_HOME` or `~/.config` on Linux,
    /// `~/Library/Application Support` on macOS, `%APPDATA%` on Windows.
    pub config_dir: PathBuf,
    /// The environment: values for variables in the files, and the few that move the files.
    pub env: BTreeMap<String, String>,
    /// Where project files (`.mcp.json`, `.vscode/mcp.json`) are looked for.
    pub cwd: PathBuf,
}

impl Home {
    /// A home with the configuration directory that this operating system's clients use.
    pub fn new(home: PathBuf, env: BTreeMap<String, String>, cwd: PathBuf) -> Self {
        let set = |name: &str| env.get(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let config_dir = if cfg!(target_os = "macos") {
            home.join("Library/Application Support")
        } else if cfg!(windows) {
            set("APPDATA").unwrap_or_else(|| home.join("AppData/Roaming"))
        } else {
            // A relative one is to be ignored (XDG Base Directory Specification 0.8).
            set("XDG_CONFIG_HOME")
                .filter(|path| path.is_absolute())
                .unwrap_or_else(|| home.join(".config"))
        };
        Self { home, config_dir, env, cwd }
    }

    /// The directory a variable names, `~` expanded, or the default below home.
    pub(crate) fn directory(&self, variable: &str, default: &str) -> PathBuf {
        let named = self.env.get(variable).filter(|value| !value.is_empty());
        named.map_or_else(|| self.home.join(default), |value| self.untilde(value))
    }

    fn untilde(&self, value: &str) -> PathBuf {
        match value.strip_prefix("~/") {
            Some(rest) => self.home.join(rest),
            None if value == "~" => self.home.clone(),
            None => Path::new(value).to_path_buf(),
        }
    }
}
