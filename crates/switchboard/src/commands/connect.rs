//! `switchboard connect`.

use std::path::PathBuf;

use clap::builder::PossibleValuesParser;
use serde::Serialize;
use switchboard_clientfile::{Client, Endpoint, Found, Home, Scope, find};
use switchboard_daemon::DEFAULT_INSTANCE;

use crate::context::Context;
use crate::daemon;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Table;
use crate::setup::client::{Consent, Outcome, carry_out};
use crate::setup::show::below_home;
use crate::setup::{absolute, endpoint_name, file_failure, home, key, program};

#[derive(clap::Args, Debug)]
#[command(
    after_help = "The change is shown before it is made, and `switchboard undo` takes it back. By default the
client starts `switchboard stdio`, which joins the daemon: no key has to be in the client's file.

Examples:
  switchboard connect --list
  switchboard connect claude-code
  switchboard connect cursor --dry-run
  switchboard connect vscode --http    # by address, with the key in the client's file"
)]
pub(crate) struct Args {
    /// The client
    #[arg(required_unless_present = "list", value_parser = clients())]
    client: Option<String>,
    /// Show the clients, and which of them are connected
    #[arg(long, conflicts_with_all = ["client", "http", "yes", "dry_run"])]
    list: bool,
    /// Connect by address, with the key in the client's file
    #[arg(long)]
    http: bool,
    #[command(flatten)]
    consent: Consent,
}

/// The names of clients on the command line.
pub(super) fn clients() -> PossibleValuesParser {
    PossibleValuesParser::new(Client::ALL.iter().map(|client| client.id()))
}

/// The client of a name that [`clients`] let through.
pub(super) fn client(id: &str) -> Client {
    Client::from_id(id).expect("the parser knows the same names")
}

pub(crate) fn run(args: Args, context: &Context) -> Result<Exit, Failure> {
    let home = home(context)?;
    let Some(id) = args.client.filter(|_| !args.list) else {
        return list(context, &home);
    };
    let client = client(&id);
    let endpoint = endpoint(context, args.http)?;
    let edit = switchboard_clientfile::connect(client, &home, &endpoint)
        .map_err(|error| file_failure(&error))?;
    let Some(outcome) = carry_out(context, &edit, args.consent)? else {
        context.output.note("Nothing was changed.");
        return Ok(Exit::Ok);
    };
    context.output.show(&outcome, |outcome| describe(client, outcome))?;
    if outcome.changed && context.variables.contains_key("SWITCHBOARD_STATE_DIR") {
        context.output.note(
            "SWITCHBOARD_STATE_DIR is set here. Set it for the client as well, or it reaches another daemon.",
        );
    }
    Ok(Exit::Ok)
}

fn describe(client: Client, outcome: &Outcome) -> String {
    let (title, path) = (client.title(), &outcome.path);
    if let Some(diff) = &outcome.diff {
        return diff.clone();
    }
    if !outcome.changed {
        return format!("{title} is connected already (`{path}`).");
    }
    let backup = outcome.backup.as_ref();
    let backup = backup.map_or(String::new(), |backup| format!("\nThe file as it was: {backup}"));
    format!(
        "{title} is connected (`{path}`). Restart it to see the tools.{backup}\n\
         `switchboard undo` takes this back."
    )
}

/// How the client will reach the daemon of this instance.
fn endpoint(context: &Context, by_address: bool) -> Result<Endpoint, Failure> {
    let name = endpoint_name(&context.paths.instance);
    if !by_address {
        let stdio = Some((program()?, arguments(context)?));
        return Ok(Endpoint { name, stdio, http: None });
    }
    let loaded = context.sources.load();
    let config = loaded.map_err(|mistakes| Failure::configuration(&mistakes))?.value;
    let url = match context.runtime()?.block_on(daemon::status(context)) {
        Ok(status) => status.address,
        Err(_) if config.http.port == 0 => {
            return Err(Failure::new("no-address", "the port is chosen when the daemon starts")
                .with_hint("start it with `switchboard start`, or set `http.port`"));
        }
        Err(_) => format!("http://{}:{}/mcp", config.http.host, config.http.port),
    };
    let key = key(context, &config)?;
    Ok(Endpoint { name, stdio: None, http: Some((url, Some(key.expose().to_owned()))) })
}

/// What `switchboard` is started with by the client: what was said here and is not the default.
fn arguments(context: &Context) -> Result<Vec<String>, Failure> {
    let mut arguments = vec!["stdio".to_owned()];
    if context.paths.instance != DEFAULT_INSTANCE {
        arguments.extend(["--name".to_owned(), context.paths.instance.clone()]);
    }
    if context.sources.file_required {
        let path: PathBuf = absolute(&context.paths.config)?;
        let path = path.into_os_string().into_string().map_err(|path| {
            Failure::new("path-not-text", format!("the path `{}` is not UTF-8", path.display()))
        })?;
        arguments.extend(["--config".to_owned(), path]);
    }
    Ok(arguments)
}

/// One client, for `--list`.
#[derive(Debug, Serialize)]
struct Row {
    client: &'static str,
    title: &'static str,
    state: &'static str,
    files: Vec<String>,
}

fn list(context: &Context, home: &Home) -> Result<Exit, Failure> {
    let found = find(home, None);
    let rows: Vec<Row> = Client::ALL.iter().map(|client| row(*client, &found, home)).collect();
    context.output.show(&rows, |rows| {
        let mut table = Table::new(&["CLIENT", "TITLE", "STATE", "FILE"]);
        for Row { client, title, state, files } in rows {
            table.row([*client, *title, *state, &files.join(", ")]);
        }
        table.render(context.output.width())
    })?;
    Ok(Exit::Ok)
}

fn row(client: Client, found: &[Found], home: &Home) -> Row {
    let own = |found: &&Found| found.client == client && found.scope == Scope::User;
    let files: Vec<&Found> = found.iter().filter(own).collect();
    let state = match files.as_slice() {
        [] => "no file found",
        files if files.iter().any(|file| file.connected) => "connected",
        files if files.iter().all(|file| file.outcome.is_err()) => "not readable",
        _ => "not connected",
    };
    let files = files.iter().map(|file| below_home(&file.path, &home.home)).collect();
    Row { client: client.id(), title: client.title(), state, files }
}
