//! Other programs: started in plain sight, and blamed by name.

use std::env;
use std::io;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

use crate::report;

/// Shows the command, then runs it with its output going where ours goes.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    report::line(format_args!("$ {}", shown(command)));
    let status = command.status().map_err(|error| cannot_start(command, error))?;
    if !status.success() {
        bail!("`{}` ended with {status}", shown(command));
    }
    Ok(())
}

/// Runs the command quietly and returns what it printed.
pub(crate) fn capture(command: &mut Command) -> Result<String> {
    let output = command.output().map_err(|error| cannot_start(command, error))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("`{}` ended with {}: {}", shown(command), output.status, said.trim());
    }
    String::from_utf8(output.stdout)
        .with_context(|| format!("`{}` printed no UTF-8", shown(command)))
}

/// Whether the command can be run and succeeds; what it prints is of no interest.
pub(crate) fn succeeds(command: &mut Command) -> bool {
    command
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

pub(crate) fn is_on_path(program: &str) -> bool {
    on_path(program).is_some()
}

/// The file that the shell would run.
pub(crate) fn on_path(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH")?;
    env::split_paths(&path).map(|directory| directory.join(program)).find(|file| file.is_file())
}

pub(crate) fn is_root() -> Result<bool> {
    let user = capture(Command::new("id").arg("--user")).context("ask who we are")?;
    Ok(user.trim() == "0")
}

fn cannot_start(command: &Command, error: io::Error) -> anyhow::Error {
    let program = command.get_program().display();
    anyhow::Error::new(error).context(format!("`{program}` cannot be started"))
}

/// The command as one would type it.
pub(crate) fn shown(command: &Command) -> String {
    let settings = command.get_envs().filter_map(|(name, value)| {
        Some(format!("{}={}", name.to_str()?, quoted(value?.to_str()?)))
    });
    let words = [command.get_program()].into_iter().chain(command.get_args());
    let words = words.map(|word| quoted(&word.to_string_lossy()));
    settings.chain(words).collect::<Vec<_>>().join(" ")
}

fn quoted(word: &str) -> String {
    if word.contains(char::is_whitespace) { format!("'{word}'") } else { word.to_owned() }
}
