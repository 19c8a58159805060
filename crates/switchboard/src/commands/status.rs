//! `switchboard status`.

use switchboard_client::control::{EndpointStatus, Status, UpstreamStatus};

use crate::context::Context;
use crate::daemon;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{Table, count};
use crate::time::age;
use crate::untrusted;

#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:
  switchboard status
  switchboard status --json | jq -r .address")]
pub(crate) struct Args {}

pub(crate) fn run(_: Args, context: &Context) -> Result<Exit, Failure> {
    let status = context.runtime()?.block_on(daemon::status(context))?;
    context.output.show(&status, |status| render(status, context.output.width()))?;
    Ok(Exit::Ok)
}

fn render(status: &Status, width: Option<u16>) -> String {
    let Status { instance, version, pid, state, address, config, .. } = status;
    let offers =
        [(status.tools, "tool"), (status.prompts, "prompt"), (status.resources, "resource")];
    let offers = offers.map(|(number, noun)| count(number, noun)).join(", ");
    let uptime = age(status.uptime_seconds);
    let mut text = format!(
        "address   {address}
state     {state}, instance {instance}, pid {pid}, version {version}, up {uptime}
config    {config}
offers    {offers}
",
    );
    if status.upstreams.is_empty() {
        text += "\nNo server is configured; `switchboard up` looks for those you use.\n";
    } else {
        text += "\n";
        text += &upstreams(&status.upstreams, width);
        text += "\n";
    }
    for UpstreamStatus { name, note, .. } in &status.upstreams {
        if let Some(note) = note {
            text += &format!("\nnote: {name}: {}", untrusted::line(note));
        }
    }
    for UpstreamStatus { name, in_flight, .. } in &status.leaving {
        let calls = count(*in_flight, "call");
        text += &format!("\nnote: {name}: {calls} under way at what it was before the reload");
    }
    for conflict in &status.conflicts {
        text += &format!("\nnote: {}", untrusted::line(conflict));
    }
    text
}

fn upstreams(upstreams: &[UpstreamStatus], width: Option<u16>) -> String {
    let mut table = Table::new(&[
        "SERVER", "KIND", "STATE", "FOR", "PID", "MCP", "TOOLS", "RESTARTS", "PROBLEM",
    ]);
    for upstream in upstreams {
        let or_dash = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
        let problem = upstream.problem.as_deref().map(untrusted::line);
        table.row([
            upstream.name.clone(),
            upstream.kind.clone(),
            upstream.state.clone(),
            age(upstream.since_seconds),
            or_dash(upstream.pid.map(|pid| pid.to_string())),
            or_dash(upstream.revision.as_deref().map(untrusted::line)),
            or_dash(upstream.tools.map(|tools| tools.to_string())),
            upstream.restarts.to_string(),
            problem.unwrap_or_default(),
        ]);
        for endpoint in &upstream.endpoints {
            table.row(row(endpoint));
        }
    }
    table.render(width)
}

/// An endpoint, below its upstream; what the upstream says of both is left out.
fn row(endpoint: &EndpointStatus) -> [String; 9] {
    let EndpointStatus { name, state, pid, restarts, breaker, problem, .. } = endpoint;
    let breaker = match breaker.as_str() {
        "closed" => None,
        breaker => Some(format!("circuit breaker {breaker}")),
    };
    let problem = problem.as_deref().map(untrusted::line);
    let wrong: Vec<_> = breaker.into_iter().chain(problem).collect();
    let none = String::new;
    [
        format!("  {name}"),
        none(),
        state.clone(),
        none(),
        pid.map_or("-".to_owned(), |pid| pid.to_string()),
        none(),
        none(),
        restarts.to_string(),
        wrong.join("; "),
    ]
}

#[cfg(test)]
mod tests;
#[cfg(test)]
pub(crate) use self::tests::example;
