//! `switchboard doctor`.

use std::path::Path;

use serde::Serialize;
use switchboard_client::control::Status;
use switchboard_clientfile::{Home, find};
use switchboard_config::Diagnostic;
use switchboard_daemon::{Config, Plan};

use crate::context::Context;
use crate::daemon;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{BAD, GOOD, WARN, paint};
use crate::setup::check::{self, Check, Needed, State};
use crate::setup::home;

#[derive(clap::Args, Debug)]
#[command(
    after_help = "Changes nothing. The exit code is 0 if there is no problem; warnings are none.

Examples:
  switchboard doctor
  switchboard doctor --json | jq '.checks[] | select(.state != \"ok\")'"
)]
pub(crate) struct Args {}

#[derive(Debug, Serialize)]
struct Report {
    problems: usize,
    warnings: usize,
    checks: Vec<Check>,
}

pub(crate) fn run(_: Args, context: &Context) -> Result<Exit, Failure> {
    let home = home(context)?;
    let checks = examine(context, &home)?;
    let count = |state| checks.iter().filter(|check| check.state == state).count();
    let (problems, warnings) = (count(State::Problem), count(State::Warning));
    let report = Report { problems, warnings, checks };
    context.output.show(&report, render)?;
    Ok(if report.problems == 0 { Exit::Ok } else { Exit::Failed })
}

/// All checks, in the order in which things depend on each other.
fn examine(context: &Context, home: &Home) -> Result<Vec<Check>, Failure> {
    let paths = &context.paths;
    let (config, plan, mistakes) = configuration(context);
    let mut checks = check::configuration(&paths.config, &mistakes, &plan.notes);
    checks.push(check::state_directory(&paths.state));
    checks.push(check::key(&paths.key()));
    checks.push(check::log(&paths.log()));
    let status = context.runtime()?.block_on(daemon::status(context));
    match &status {
        Ok(status) => checks.extend(running(status)),
        Err(failure) => checks.extend(not_running(context, failure, config.as_ref())),
    }
    checks.extend(programs(context, &plan, &home.home));
    checks.extend(check::sandbox(switchboard_process::sandbox::layers()));
    let address = status.as_ref().ok().and_then(|status| authority(&status.address));
    checks.extend(check::clients(&find(home, address), &home.home));
    Ok(checks)
}

/// The configuration and what it asks for, as far as that can be told, and what is wrong with it.
fn configuration(context: &Context) -> (Option<Config>, Plan, Vec<Diagnostic>) {
    let config = match context.sources.load() {
        Ok(loaded) => loaded.value,
        Err(mistakes) => return (None, Plan::default(), mistakes),
    };
    match switchboard_daemon::plan(&config, &context.paths.config, &context.variables) {
        Ok(plan) => (Some(config), plan, Vec::new()),
        Err(mistakes) => (Some(config), Plan::default(), mistakes),
    }
}

fn running(status: &Status) -> Vec<Check> {
    let Status { address, pid, state, .. } = status;
    const NAME: &str = "daemon";
    let daemon = match state.as_str() {
        "ready" => Check::ok(NAME, format!("answers at {address} (pid {pid})")),
        state => Check::warning(NAME, format!("is {state} (pid {pid})"))
            .hint("wait for it, then run `switchboard start`"),
    };
    let version = check::version(&status.version, env!("CARGO_PKG_VERSION"));
    let mut checks = vec![daemon, version];
    checks.extend(check::upstreams(status));
    checks.extend(check::conflicts(&status.conflicts));
    checks
}

fn not_running(context: &Context, failure: &Failure, config: Option<&Config>) -> Vec<Check> {
    const NAME: &str = "daemon";
    let message = failure.message.as_str();
    let hint = failure.hint.clone().unwrap_or_else(|| "run `switchboard restart`".to_owned());
    if failure.exit != Exit::NotRunning {
        let check = Check::problem(NAME, message).hint(hint);
        return vec![Check { cause: failure.cause.clone(), ..check }];
    }
    let mut checks = vec![Check::warning(NAME, message).hint(hint)];
    if let Some(http) = config.map(|config| &config.http) {
        checks.push(match http.ip() {
            Ok(ip) => check::port(ip, http.port),
            Err(problem) => {
                Check::problem("port", problem).hint("correct `http.host` in the configuration")
            }
        });
    }
    checks.push(check::leftovers(&context.paths.children()));
    checks
}

/// The programs that the configured servers are started with.
fn programs(context: &Context, plan: &Plan, home: &Path) -> Vec<Check> {
    let ours = context.variables.get("PATH").map_or("", String::as_str);
    let ways = plan.upstreams.iter().flat_map(|(name, planned)| {
        planned.settings.ways().into_iter().map(move |way| (name, way))
    });
    let ways: Vec<_> = ways.collect();
    let stdio = ways.iter().filter_map(|(name, way)| way.stdio.as_ref().map(|stdio| (name, stdio)));
    let needed: Vec<_> = stdio
        .map(|(name, stdio)| Needed {
            upstream: name,
            command: &stdio.command,
            path: stdio.env.get("PATH").map_or(ours, |path| path.expose()),
            cwd: stdio.cwd.as_deref(),
        })
        .collect();
    check::programs(&needed, home)
}

/// `127.0.0.1:8765` of `http://127.0.0.1:8765/mcp`.
fn authority(address: &str) -> Option<&str> {
    address.split_once("://")?.1.split('/').next()
}

fn render(report: &Report) -> String {
    let mut text = String::new();
    for check in &report.checks {
        let word = match check.state {
            State::Ok => paint(GOOD, "ok     "),
            State::Warning => paint(WARN, "warning"),
            State::Problem => paint(BAD, "problem"),
        };
        text += &format!("{word}  {}: {}\n", check.name, check.message);
        for (label, part) in [("cause", &check.cause), ("hint", &check.hint)] {
            if let Some(part) = part {
                text += &format!("         {label}: {part}\n");
            }
        }
    }
    let plural = |count: usize, word: &str| match count {
        1 => format!("1 {word}"),
        count => format!("{count} {word}s"),
    };
    let (problems, warnings) =
        (plural(report.problems, "problem"), plural(report.warnings, "warning"));
    format!("{text}\n{problems}, {warnings}.")
}
