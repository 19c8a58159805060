//! `switchboard servers`.

use std::collections::BTreeMap;

use serde::Serialize;
use switchboard_client::control::Status;
use switchboard_daemon::{Config, Plan};

use crate::context::Context;
use crate::daemon;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Table;
use crate::untrusted;

#[derive(clap::Args, Debug)]
#[command(after_help = "Works without a daemon, too; then no state is known.

Examples:
  switchboard servers
  switchboard servers --json | jq -r '.[].name'")]
pub(crate) struct Args {}

#[derive(Debug, Serialize)]
struct Server {
    name: String,
    kind: String,
    /// `disabled`, `unknown` without a daemon, or what the daemon says.
    state: String,
    tools: Option<usize>,
    problem: Option<String>,
}

pub(crate) fn run(_: Args, context: &Context) -> Result<Exit, Failure> {
    let wrong = |diagnostics: Vec<_>| Failure::configuration(&diagnostics);
    let config = context.sources.load().map_err(wrong)?.value;
    let plan = switchboard_daemon::plan(&config, &context.paths.config, &context.variables);
    let plan = plan.map_err(wrong)?;
    let status = match context.runtime()?.block_on(daemon::status(context)) {
        Ok(status) => Some(status),
        Err(failure) if failure.exit == Exit::NotRunning => None,
        Err(failure) => return Err(failure),
    };
    let servers = servers(&config, &plan, status.as_ref());
    if servers.is_empty() && !context.json {
        context.output.note("No server is configured; `switchboard up` looks for those you use.");
        return Ok(Exit::Ok);
    }
    context.output.show(&servers, |servers| render(servers, context.output.width()))?;
    Ok(Exit::Ok)
}

/// What is configured, with what the daemon knows about it, by name.
fn servers(config: &Config, plan: &Plan, status: Option<&Status>) -> Vec<Server> {
    let mut servers = BTreeMap::new();
    let disabled = config.upstream.iter().filter(|(_, settings)| settings.disabled);
    for (name, settings) in disabled {
        servers.insert(name, Server::offline(name, &settings.kinds(), "disabled"));
    }
    for (name, planned) in &plan.upstreams {
        let mut server = Server::offline(name, &planned.settings.kinds(), "unknown");
        server.problem = status
            .is_some()
            .then(|| "the daemon does not know it yet; `switchboard reload`".to_owned());
        servers.insert(name, server);
    }
    for upstream in status.iter().flat_map(|status| &status.upstreams) {
        let server = Server {
            name: upstream.name.clone(),
            kind: upstream.kind.clone(),
            state: upstream.state.clone(),
            tools: upstream.tools,
            problem: upstream.problem.clone(),
        };
        servers.insert(&upstream.name, server);
    }
    servers.into_values().collect()
}

impl Server {
    fn offline(name: &str, kinds: &[&str], state: &str) -> Self {
        let kind = kinds.join("+");
        let (name, state) = (name.to_owned(), state.to_owned());
        Self { name, kind, state, tools: None, problem: None }
    }
}

fn render(servers: &[Server], width: Option<u16>) -> String {
    let mut table = Table::new(&["SERVER", "KIND", "STATE", "TOOLS", "PROBLEM"]);
    for Server { name, kind, state, tools, problem } in servers {
        let tools = tools.map_or("-".to_owned(), |tools| tools.to_string());
        let problem = problem.as_deref().map(untrusted::line).unwrap_or_default();
        table.row([name, kind, state, &tools, &problem]);
    }
    table.render(width)
}

#[cfg(test)]
mod tests {
    use switchboard_daemon::{Config, Plan, PlannedUpstream};

    use crate::commands::status::example;

    #[test]
    fn what_is_configured_is_listed_with_what_is_known() {
        let mut config = Config::default();
        config.upstream.entry("off".to_owned()).or_default().disabled = true;
        let mut plan = Plan::default();
        for name in ["git", "new"] {
            let planned = PlannedUpstream {
                settings: Config::default().upstream.entry(name.to_owned()).or_default().clone(),
                from: None,
            };
            plan.upstreams.insert(name.to_owned(), planned);
        }
        let list = |running: bool| -> Vec<String> {
            let status = running.then(example);
            let servers = super::servers(&config, &plan, status.as_ref());
            servers.iter().map(|server| format!("{} {}", server.name, server.state)).collect()
        };
        assert_eq!(list(true), ["git ready", "new unknown", "off disabled", "web dormant"]);
        assert_eq!(list(false), ["git unknown", "new unknown", "off disabled"]);
    }
}
