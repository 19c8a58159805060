//! Where everything is, by the XDG base directory specification.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The files of one instance of the daemon.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Paths {
    pub instance: String,
    pub config: PathBuf,
    /// Everything the daemon writes; mode 0700.
    pub state: PathBuf,
}

#[derive(Debug, Eq, PartialEq, thiserror::Error)]
pub enum PathsError {
    #[error("neither HOME nor XDG_CONFIG_HOME and XDG_STATE_HOME say where files belong")]
    NoHome,
    #[error("`{0}` cannot be the name of an instance: use letters, digits, `-` and `_`")]
    BadName(String),
    #[error(
        "`{0}` is too long for a socket (the system allows {SOCKET_LIMIT} bytes); set \
         SWITCHBOARD_STATE_DIR to a shorter directory"
    )]
    TooLong(PathBuf),
}

/// unix(7): `sun_path` has 108 bytes on Linux and 104 elsewhere, with the terminating zero.
const SOCKET_LIMIT: usize = 103;

/// The instance that is meant when nobody names one.
pub const DEFAULT_INSTANCE: &str = "default";

impl Paths {
    /// Finds the files of `instance`; `config` is what `--config` says.
    ///
    /// # Errors
    ///
    /// [`PathsError`] when there is no place for them.
    pub fn find(
        instance: Option<&str>,
        config: Option<&Path>,
        variables: &BTreeMap<String, String>,
    ) -> Result<Self, PathsError> {
        let instance = instance.unwrap_or(DEFAULT_INSTANCE);
        let clean = instance.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
        if !clean || instance.is_empty() || instance.len() > 32 {
            return Err(PathsError::BadName(instance.to_owned()));
        }
        let variable =
            |name: &str| variables.get(name).filter(|v| !v.is_empty()).map(PathBuf::from);
        let base = |name: &str, under_home: &str| {
            variable(name)
                .filter(|path| path.is_absolute())
                .or_else(|| Some(variable("HOME")?.join(under_home)))
                .ok_or(PathsError::NoHome)
        };
        let config = match config.map(Path::to_path_buf).or_else(|| variable("SWITCHBOARD_CONFIG"))
        {
            Some(path) => path,
            None => base("XDG_CONFIG_HOME", ".config")?.join("switchboard").join(
                if instance == DEFAULT_INSTANCE {
                    "config.toml".into()
                } else {
                    format!("{instance}.toml")
                },
            ),
        };
        let state = match variable("SWITCHBOARD_STATE_DIR") {
            Some(path) => path,
            None => base("XDG_STATE_HOME", ".local/state")?.join("switchboard"),
        };
        let paths = Self { instance: instance.to_owned(), config, state: state.join(instance) };
        let socket = paths.control_socket();
        if socket.as_os_str().len() > SOCKET_LIMIT {
            return Err(PathsError::TooLong(socket));
        }
        Ok(paths)
    }

    /// Commands to the daemon, mode 0600.
    pub fn control_socket(&self) -> PathBuf {
        self.state.join("control.sock")
    }

    /// MCP for clients of the same user, mode 0600.
    pub fn mcp_socket(&self) -> PathBuf {
        self.state.join("mcp.sock")
    }

    /// The key under which clients keep things for us, mode 0600.
    pub fn seal(&self) -> PathBuf {
        self.state.join("seal.key")
    }

    /// Held by the running daemon; the PID inside is for people.
    pub fn lock(&self) -> PathBuf {
        self.state.join("daemon.lock")
    }

    pub fn key(&self) -> PathBuf {
        self.state.join("api-key")
    }

    pub fn log(&self) -> PathBuf {
        self.state.join("daemon.log")
    }

    /// The ledger of children.
    pub fn children(&self) -> PathBuf {
        self.state.join("children")
    }

    /// What servers listed when they were last asked.
    pub fn lists(&self) -> PathBuf {
        self.state.join("lists")
    }

    /// Clients' files as they were before they were changed.
    pub fn backups(&self) -> PathBuf {
        self.state.join("backups")
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::Paths;

    /// `find` with variables written `A=b C=d`; says where configuration and state are.
    #[track_caller]
    fn check(instance: Option<&str>, variables: &str, expected: &str) {
        let variables: BTreeMap<_, _> = variables
            .split_whitespace()
            .map(|pair| pair.split_once('=').unwrap())
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        let actual = match Paths::find(instance, None, &variables) {
            Ok(paths) => format!("{} {}", paths.config.display(), paths.state.display()),
            Err(error) => error.to_string(),
        };
        assert!(actual.starts_with(expected), "{actual}");
    }

    #[test]
    fn files_are_where_the_system_keeps_such_files() {
        check(
            None,
            "HOME=/h",
            "/h/.config/switchboard/config.toml /h/.local/state/switchboard/default",
        );
        check(
            Some("work"),
            "HOME=/h",
            "/h/.config/switchboard/work.toml /h/.local/state/switchboard/work",
        );
        check(
            None,
            "HOME=/h XDG_CONFIG_HOME=/c XDG_STATE_HOME=/s",
            "/c/switchboard/config.toml /s/switchboard/default",
        );
        check(None, "HOME=/h XDG_CONFIG_HOME=relative", "/h/.config/switchboard/config.toml");
        check(
            None,
            "HOME=/h SWITCHBOARD_CONFIG=/x.toml SWITCHBOARD_STATE_DIR=/y",
            "/x.toml /y/default",
        );
        check(None, "", "neither HOME");
        check(Some("../x"), "HOME=/h", "`../x` cannot be the name");
        check(None, &format!("HOME=/{}", "x".repeat(100)), "`/xxx");
    }
}
