//! `switchboard up`: the first command of a newcomer, and one that can be repeated.

use std::collections::BTreeSet;
use std::io;
use std::path::Path;

use serde::Serialize;
use serde_json::json;
use switchboard_client::control::{Command, Reply};
use switchboard_clientfile::{Home, find};

use crate::context::Context;
use crate::daemon::{self, Address, START_LIMIT, Started};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::setup::client::agreed;
use crate::setup::existing::plain_servers;
use crate::setup::import::{self, Current};
use crate::setup::plan::Plan;
use crate::setup::probe::{ProbeError, Verified, verify};
use crate::setup::show;
use crate::setup::survey::{Row, survey};
use crate::setup::{home, now_running};

#[derive(clap::Args, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag that stands by itself")]
#[command(
    after_help = "Reads the files of Claude Desktop, Claude Code, Cursor, VS Code, Windsurf, Zed, Codex, Gemini CLI
and llm-tools-mcp, and changes none of them. Where no server is found, the built-in demonstration
server is used. Running it again changes nothing that is set up already.

Examples:
  switchboard up
  switchboard up --yes            # for scripts: imports your own servers without asking
  switchboard up --no-import      # starts with what is configured"
)]
pub(crate) struct Args {
    /// Import your own servers without asking
    #[arg(short, long)]
    yes: bool,
    /// Import nothing
    #[arg(long, conflicts_with = "include_project")]
    no_import: bool,
    /// With --yes, import the servers of the project in this directory as well
    #[arg(long, requires = "yes")]
    include_project: bool,
    /// Add the built-in demonstration server
    #[arg(long)]
    demo: bool,
    /// Port to listen on, written into the configuration
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..))]
    port: Option<u16>,
}

/// Everything that was done, for `--json`.
#[derive(Debug, Serialize)]
struct Summary {
    found: Vec<show::Line>,
    imported: Vec<String>,
    config: String,
    config_changed: bool,
    #[serde(flatten)]
    daemon: Started,
    call: Verified,
}

/// What was done about the configuration.
#[derive(Default)]
struct Configured {
    found: Vec<show::Line>,
    imported: Vec<String>,
    changed: bool,
    demo: Option<String>,
}

pub(crate) fn run(args: Args, context: &Context) -> Result<Exit, Failure> {
    let current = import::current(context)?;
    let config = current.path.display().to_string();
    let configured = configure(&args, context, &current)?;
    let mut changed = configured.changed;
    let shown = bring_up(context, &current.path).and_then(|started| {
        let call = call(&args, context, configured.demo.as_deref(), &mut changed)?;
        Ok((started, call))
    });
    let (daemon, call) = shown.map_err(|failure| match changed {
        true => with_way_back(failure, &config),
        false => failure,
    })?;
    let Configured { found, imported, .. } = configured;
    let summary = Summary { found, imported, config, config_changed: changed, daemon, call };
    context.output.show(&summary, |summary| describe(summary, &current))?;
    Ok(Exit::Ok)
}

/// Looks for servers, asks, and writes what was chosen.
fn configure(args: &Args, context: &Context, current: &Current) -> Result<Configured, Failure> {
    let home = home(context)?;
    let port = current.config.http.port;
    let address = format!("127.0.0.1:{port}");
    let found = if args.no_import { Vec::new() } else { find(&home, Some(&address)) };
    let rows = survey(&found, &current.existing);
    let lines = show::lines(&rows, &home.home);
    present(args, context, &lines, &show::remarks(&found, &home.home));
    let chosen = choose(args, context, &rows)?;
    let mut plan = Plan { port: args.port.filter(|wanted| *wanted != port), ..Plan::default() };
    plan.add(&rows, &chosen, |path| plain_servers(path, &home));
    let imported = chosen.iter().filter_map(|number| rows[*number].verdict.name());
    let imported: Vec<String> = imported.map(str::to_owned).collect();
    let has_server = current.existing.has_upstreams() || !imported.is_empty();
    let was_declined = !has_server && rows.iter().any(|row| row.verdict.name().is_some());
    let mut demo = current.existing.demo().map(str::to_owned);
    if demo.is_none() && (args.demo || !has_server) {
        let question = "No server is configured. Add the built-in demonstration server?";
        if args.demo || args.yes || !was_declined || agreed(context, question)? {
            let added = import::demo(&current.existing, &plan)?;
            context.output.note(&format!("Adding the demonstration server as `{}`.", added.name));
            demo = Some(added.name.clone());
            plan.demo = Some(added);
        }
    }
    write(context, current, &plan, &home)?;
    Ok(Configured { found: lines, imported, changed: !plan.is_empty(), demo })
}

/// Shows what was found before anything is asked.
fn present(args: &Args, context: &Context, lines: &[show::Line], remarks: &[String]) {
    let output = &context.output;
    if args.no_import {
        output.note("Not looking for servers (`--no-import`).");
    } else if lines.is_empty() {
        output.note("No MCP servers were found in the files of your clients.");
    } else {
        output.note("MCP servers in the files of your clients:\n");
        output.note(&show::table(lines).render(output.width()));
    }
    for remark in remarks {
        output.note(&format!("note: {remark}"));
    }
}

/// The numbers of the rows to import.
fn choose(args: &Args, context: &Context, rows: &[Row<'_>]) -> Result<BTreeSet<usize>, Failure> {
    if args.yes {
        return Ok(show::all(rows, args.include_project));
    }
    if show::all(rows, true).is_empty() {
        return Ok(BTreeSet::new());
    }
    if !context.output.is_interactive() {
        return Err(Failure::usage("there is nobody to ask which servers to import")
            .with_cause("this is not a terminal")
            .with_hint("add `--yes` to import your own servers, or `--no-import` to import none"));
    }
    loop {
        context.output.note(&format!("\n{}", show::question(rows)));
        let mut answer = String::new();
        let read = io::stdin().read_line(&mut answer).map_err(|error| {
            Failure::new("input-failed", "the answer cannot be read").with_cause(error)
        })?;
        if read == 0 {
            return Ok(BTreeSet::new());
        }
        match show::chosen(&answer, rows) {
            Ok(chosen) => return Ok(chosen),
            Err(failure) => context.output.note(&failure.message),
        }
    }
}

/// Writes the configuration, and says what was written.
fn write(context: &Context, current: &Current, plan: &Plan, home: &Home) -> Result<(), Failure> {
    let shown = show::below_home(&current.path, &home.home);
    if plan.is_empty() {
        context.output.note(&format!("The configuration {shown} stays as it is."));
        return Ok(());
    }
    import::write(context, current, plan)?;
    context.output.note(&format!("Wrote the configuration {shown}:"));
    for path in &plan.imports {
        let path = show::below_home(path, &home.home);
        context.output.note(&format!("  imports {path}, where its secrets stay"));
    }
    let demo = plan.demo.iter().map(|demo| demo.name.as_str());
    for name in plan.tables.iter().map(|addition| addition.name.as_str()).chain(demo) {
        context.output.note(&format!("  [upstream.{name}]"));
    }
    if let Some(port) = plan.port {
        context.output.note(&format!("  http.port = {port}"));
    }
    Ok(())
}

/// Starts the daemon, or has a running one read the configuration again.
fn bring_up(context: &Context, config: &Path) -> Result<Started, Failure> {
    let runtime = context.runtime()?;
    let progress = context.output.progress("Starting the daemon");
    let started = runtime.block_on(daemon::start(context, &Address::default(), START_LIMIT))?;
    drop(progress);
    if !started.already_running {
        context.output.note(&format!("Started the daemon (pid {}).", started.pid));
        return Ok(started);
    }
    runtime.block_on(now_running(context, config))?;
    match runtime.block_on(daemon::ask(context, &Command::Reload))? {
        Reply::Reloaded(reloaded) => {
            context.output.note(&format!(
                "The daemon runs already (pid {}) and has read the configuration.",
                started.pid
            ));
            if !reloaded.needs_restart.is_empty() {
                let keys = reloaded.needs_restart.join(", ");
                context.output.note(&format!("In effect after `switchboard restart`: {keys}"));
            }
            Ok(started)
        }
        reply => Err(daemon::misunderstood(&reply)),
    }
}

/// Makes the call; where no server has a tool that may be called unasked, with the demonstration server.
fn call(
    args: &Args,
    context: &Context,
    demo: Option<&str>,
    changed: &mut bool,
) -> Result<Verified, Failure> {
    let error = match verified(context, demo) {
        Ok(verified) => return Ok(verified),
        Err(error @ ProbeError::Daemon(_)) => return Err(error.into()),
        Err(error) => error,
    };
    let can_ask = args.yes || context.output.is_interactive();
    if demo.is_some() || !can_ask {
        return Err(error.into());
    }
    context.output.note(&format!("No call could be made to show that it works: {error}."));
    let question = "Add the built-in demonstration server for that?";
    if !args.yes && !agreed(context, question)? {
        return Err(error.into());
    }
    // Read again: the first change is in it.
    let current = import::current(context)?;
    let demo = import::demo(&current.existing, &Plan::default())?;
    let name = demo.name.clone();
    let plan = Plan { demo: Some(demo), ..Plan::default() };
    write(context, &current, &plan, &home(context)?)?;
    *changed = true;
    context.runtime()?.block_on(daemon::ask(context, &Command::Reload))?;
    Ok(verified(context, Some(&name))?)
}

fn verified(context: &Context, demo: Option<&str>) -> Result<Verified, ProbeError> {
    let _progress = context.output.progress("Waiting for a server to answer");
    let (mcp, control) = (context.paths.mcp_socket(), context.paths.control_socket());
    let runtime = context.runtime().map_err(|_| ProbeError::NothingHarmless { tools: 0 })?;
    let call = runtime.block_on(verify(&mcp, &control, demo))?;
    Ok(Verified { result: masked(&call.result, &secrets(context)), ..call })
}

/// What servers are given to keep to themselves: values of variables and headers.
fn secrets(context: &Context) -> Vec<String> {
    let Ok(loaded) = context.sources.load() else { return Vec::new() };
    let sources = &context.sources;
    let plan = switchboard_daemon::plan(&loaded.value, &sources.file, &sources.variables);
    let upstreams = plan.map(|plan| plan.upstreams).unwrap_or_default();
    let ways: Vec<_> = upstreams.values().flat_map(|planned| planned.settings.ways()).collect();
    let values = ways.iter().flat_map(|settings| {
        let env = settings.stdio.iter().flat_map(|stdio| stdio.env.values());
        let headers = settings.http.iter().flat_map(|http| http.headers.values());
        let client = settings.http.iter().filter_map(|http| http.oauth.client_secret.as_ref());
        env.chain(headers).chain(client).map(|value| value.expose().to_owned())
    });
    values.collect()
}

/// Some servers show what they were started with, and a read-only tool may be the one that does.
fn masked(result: &str, secrets: &[String]) -> String {
    /// Shorter values are switches such as `1` or `true`, and would eat into every word.
    const SHORTEST: usize = 6;
    let secrets = secrets.iter().filter(|secret| secret.len() >= SHORTEST);
    secrets.fold(result.to_owned(), |text, secret| text.replace(secret.as_str(), "…"))
}

fn with_way_back(failure: Failure, config: &str) -> Failure {
    let way_back = format!("`{config}` was written; `switchboard undo` takes that back");
    let hint = match &failure.hint {
        Some(hint) => format!("{hint}\n{way_back}"),
        None => way_back,
    };
    failure.with_hint(hint)
}

fn describe(summary: &Summary, current: &Current) -> String {
    let Summary { daemon, call, .. } = summary;
    let address = &daemon.address;
    let result = call.result.replace('\n', "\n  ");
    let milliseconds = call.latency.as_secs_f64() * 1000.0;
    // As the clients take it that name an address `url`; the key is not for the screen.
    let entry = json!({ "mcpServers": { "switchboard": {
        "type": "http",
        "url": address,
        "headers": { "Authorization": "Bearer KEY" },
    }}});
    let key = match current.config.auth.api_key {
        Some(_) => "KEY is the one in your configuration",
        None => "KEY is what `switchboard show-key --quiet` prints",
    };
    format!(
        "
Called `{tool}`, which answered in {milliseconds:.1} ms:
  {result}

Switchboard is running at {address}

To connect a client:
  switchboard connect claude-code     (`switchboard connect --list` shows the others)
or, where a client wants JSON ({key}):
  {entry}
",
        tool = crate::untrusted::line(&call.tool),
    )
}

#[cfg(test)]
mod tests {
    use super::masked;

    #[test]
    fn what_a_server_was_given_is_not_shown() {
        let secrets = ["s3cr3t-canary".to_owned(), "1".to_owned()];
        let shown = masked("API_TOKEN=s3cr3t-canary\nDEBUG=1", &secrets);
        assert_eq!(shown, "API_TOKEN=…\nDEBUG=1");
    }
}
