//! `switchboard reload`.

use switchboard_client::control::{Command, Reloaded, Reply};

use crate::context::Context;
use crate::daemon;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::count;

#[derive(clap::Args, Debug)]
#[command(
    after_help = "Servers whose settings are the same keep running. If the configuration is wrong, the daemon
keeps the one it has, and this says what is wrong.

Example:
  switchboard reload"
)]
pub(crate) struct Args {}

pub(crate) fn run(_: Args, context: &Context) -> Result<Exit, Failure> {
    // Looked at here first: only here the mistakes can be shown with their lines.
    context.sources.load().map_err(|diagnostics| {
        Failure::configuration(&diagnostics).with_hint("the daemon keeps the configuration it has")
    })?;
    let reply = context.runtime()?.block_on(daemon::ask(context, &Command::Reload))?;
    let Reply::Reloaded(reloaded) = reply else {
        return Err(daemon::misunderstood(&reply));
    };
    context.output.show(&reloaded, describe)?;
    Ok(Exit::Ok)
}

fn describe(reloaded: &Reloaded) -> String {
    let Reloaded { added, removed, changed, unchanged, needs_restart } = reloaded;
    let groups = [("added", added), ("removed", removed), ("changed", changed)];
    let mut lines: Vec<String> = groups
        .iter()
        .filter(|(_, names)| !names.is_empty())
        .map(|(verb, names)| format!("{verb}: {}", names.join(", ")))
        .collect();
    if lines.is_empty() {
        lines.push(format!("Nothing changed ({}).", count(unchanged.len(), "server")));
    } else if !unchanged.is_empty() {
        lines.push(format!("unchanged: {}", unchanged.join(", ")));
    }
    if !needs_restart.is_empty() {
        let keys = needs_restart.join(", ");
        lines.push(format!("In effect only after `switchboard restart`: {keys}"));
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use switchboard_client::control::Reloaded;

    #[track_caller]
    fn check(reloaded: &str, expected: &str) {
        let names = |names: &str| names.split_whitespace().map(str::to_owned).collect();
        let mut parts = reloaded.split('|').map(names);
        let mut next = || parts.next().unwrap_or_default();
        let reloaded = Reloaded {
            added: next(),
            removed: next(),
            changed: next(),
            unchanged: next(),
            needs_restart: next(),
        };
        assert_eq!(super::describe(&reloaded), expected);
    }

    #[test]
    fn a_reload_says_what_it_changed() {
        check("|||a b", "Nothing changed (2 servers).");
        check("a b||c|d", "added: a, b\nchanged: c\nunchanged: d");
        check(
            "|a|||http.port",
            "removed: a\nIn effect only after `switchboard restart`: http.port",
        );
    }
}
