//! `switchboard service`.

mod unit;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::Serialize;
use switchboard_daemon::DEFAULT_INSTANCE;

use self::unit::Unit;
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;

#[derive(clap::Args, Debug)]
#[command(
    after_help = "The units are the user's own; they start when the user logs in (`loginctl enable-linger` starts
them with the machine).

Examples:
  switchboard service install
  switchboard service install --socket --dry-run
  switchboard service uninstall"
)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(clap::Subcommand, Debug)]
enum Action {
    /// Write a systemd unit for the daemon of this instance
    Install {
        /// Also let systemd listen, and start the daemon with the first connection
        #[arg(long)]
        socket: bool,
        /// Print the units instead of writing them
        #[arg(long)]
        dry_run: bool,
    },
    /// Remove what `install` wrote
    Uninstall {
        /// Print what would be removed instead of removing it
        #[arg(long)]
        dry_run: bool,
    },
}

/// A file that was written or removed, or would be.
#[derive(Debug, Serialize)]
struct Written {
    path: PathBuf,
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<String>,
}

pub(crate) fn run(args: Args, context: &Context) -> Result<Exit, Failure> {
    match args.action {
        Action::Install { socket, dry_run } => install(context, socket, dry_run)?,
        Action::Uninstall { dry_run } => uninstall(context, dry_run)?,
    }
    Ok(Exit::Ok)
}

fn install(context: &Context, socket: bool, dry_run: bool) -> Result<(), Failure> {
    if !dry_run {
        require_systemd()?;
    }
    let unit = Unit::of(context)?;
    let directory = directory(context)?;
    let name = name(context);
    let mut files = vec![Written {
        path: directory.join(format!("{name}.service")),
        content: Some(unit.service()),
    }];
    if socket {
        let path = directory.join(format!("{name}.socket"));
        files.push(Written { path, content: Some(unit.socket()) });
    }
    if !dry_run {
        for Written { path, content } in &files {
            write(path, content.as_deref().unwrap_or_default())?;
        }
    }
    context.output.show(&files, |files| describe(files, dry_run))?;
    let started = if socket { format!("{name}.socket") } else { format!("{name}.service") };
    context.output.note(&format!(
        "\nTo start it now and with every login:\n  systemctl --user daemon-reload && systemctl --user enable --now {started}"
    ));
    Ok(())
}

fn uninstall(context: &Context, dry_run: bool) -> Result<(), Failure> {
    let directory = directory(context)?;
    let name = name(context);
    let mut files = Vec::new();
    for kind in ["service", "socket"] {
        let path = directory.join(format!("{name}.{kind}"));
        if own(&path)? == Some(true) {
            files.push(Written { path, content: None });
        }
    }
    if files.is_empty() {
        return Err(Failure::new("no-unit", "there is no unit of ours to remove")
            .with_cause(format!("looked for {name}.service in {}", directory.display())));
    }
    if !dry_run {
        for Written { path, .. } in &files {
            fs::remove_file(path).map_err(|error| cannot("removed", path, error))?;
        }
    }
    context.output.show(&files, |files| {
        let verb = if dry_run { "Would remove" } else { "Removed" };
        let lines = files.iter().map(|file| format!("{verb} {}", file.path.display()));
        lines.collect::<Vec<_>>().join("\n")
    })?;
    context.output.note(&format!(
        "\nTo stop what still runs:\n  systemctl --user stop {name}.socket {name}.service; systemctl --user daemon-reload"
    ));
    Ok(())
}

fn describe(files: &[Written], dry_run: bool) -> String {
    let describe = |file: &Written| {
        let path = file.path.display();
        match &file.content {
            Some(content) if dry_run => format!("# {path}\n{content}"),
            _ => format!("Wrote {path}"),
        }
    };
    files.iter().map(describe).collect::<Vec<_>>().join("\n")
}

/// Where systemd looks for the units of a user (systemd.unit(5), "User Unit Search Path").
fn directory(context: &Context) -> Result<PathBuf, Failure> {
    let variable = |name: &str| context.variables.get(name).filter(|value| !value.is_empty());
    let config = variable("XDG_CONFIG_HOME").map(PathBuf::from);
    let config = config.or_else(|| Some(Path::new(variable("HOME")?).join(".config")));
    let config = config.ok_or(switchboard_daemon::PathsError::NoHome)?;
    Ok(config.join("systemd/user"))
}

fn name(context: &Context) -> String {
    match context.paths.instance.as_str() {
        DEFAULT_INSTANCE => "switchboard".to_owned(),
        instance => format!("switchboard-{instance}"),
    }
}

/// `sd_booted(3)`: the directory exists if systemd is the service manager.
fn require_systemd() -> Result<(), Failure> {
    if Path::new("/run/systemd/system").is_dir() {
        return Ok(());
    }
    Err(Failure::new("no-systemd", "this machine is not run by systemd")
        .with_cause("there is no /run/systemd/system")
        .with_hint(
            "have your service manager run `switchboard run`, or use `switchboard start`; \
             `--dry-run` prints the units all the same",
        ))
}

fn write(path: &Path, content: &str) -> Result<(), Failure> {
    if own(path)? == Some(false) {
        return Err(Failure::new("foreign-unit", format!("`{}` is not ours", path.display()))
            .with_cause("it exists and does not begin with the line that we begin ours with")
            .with_hint("move it away, then try again"));
    }
    let directory = path.parent().expect("a unit is in a directory");
    fs::create_dir_all(directory)
        .and_then(|()| fs::write(path, content))
        .map_err(|error| cannot("written", path, error))
}

/// Whether we wrote the file at `path`; `None` if there is none.
fn own(path: &Path) -> Result<Option<bool>, Failure> {
    match fs::read_to_string(path) {
        Ok(text) => Ok(Some(text.starts_with(unit::MARK))),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(cannot("read", path, error)),
    }
}

fn cannot(what: &str, path: &Path, error: io::Error) -> Failure {
    let message = format!("`{}` cannot be {what}", path.display());
    Failure::new("write-failed", message).with_cause(error)
}
