//! Which Python there is: found once, and by its own word.
//!
//! What is called `python3` is often a script that looks for another one, which costs more than the
//! start itself, and cannot be kept to itself.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use serde::Deserialize;
use switchboard_process::{Command, Spawner};

use super::PythonConfig;
use super::worker::Worker;
use crate::manifest::Limits;

/// A Python that was asked.
#[derive(Clone, Debug, Deserialize, PartialEq)]
pub struct Interpreter {
    /// The program itself.
    pub executable: PathBuf,
    /// Such as `3.11.7`.
    pub version: String,
    /// Where its own library lies.
    pub(crate) prefixes: Vec<PathBuf>,
}

/// Asks for all of it.
const QUESTION: &str = "import sys, json; print(json.dumps({'executable': sys.executable, \
    'version': '.'.join(map(str, sys.version_info[:3])), 'number': sys.version_info[:2], \
    'prefixes': sorted({sys.prefix, sys.base_prefix, sys.exec_prefix, sys.base_exec_prefix})}))";

/// How long it may take to say so.
const ANSWER: Duration = Duration::from_secs(20);

/// The oldest that runs the program of the workers.
const OLDEST: (u32, u32) = (3, 9);

impl Interpreter {
    /// Asks the Python that is configured.
    ///
    /// # Errors
    ///
    /// It is not there, says nothing, or is too old; for people.
    pub(super) async fn find(config: &PythonConfig, spawner: &Spawner) -> Result<Self, String> {
        #[derive(Deserialize)]
        struct Said {
            number: (u32, u32),
            #[serde(flatten)]
            interpreter: Interpreter,
        }
        let mut command = Command::new("python", config.interpreter.as_os_str());
        command.args = ["-I", "-S", "-c", QUESTION].into_iter().map(OsString::from).collect();
        command.env = config.environment.clone();
        let named = config.interpreter.display();
        let failed = |cause: String| {
            format!("the Python `{named}` cannot be used: {cause}; `bundles.python` names another")
        };
        let asked = async {
            let mut worker = Worker::start(spawner, command, &Limits::default()).await?;
            worker.line().await
        };
        let line = tokio::time::timeout(ANSWER, asked).await;
        let line = line.map_err(|_| failed("it does not answer".to_owned()))?;
        let line = line.map_err(|failure| failed(failure.to_string()))?;
        let said: Said = line.view().map_err(|error| failed(error.to_string()))?;
        if said.number < OLDEST {
            let Self { version, .. } = said.interpreter;
            return Err(failed(format!(
                "it is {version}, and {}.{} is the oldest that does",
                OLDEST.0, OLDEST.1
            )));
        }
        Ok(said.interpreter)
    }
}
