//! `switchboard health`.

use serde::Serialize;
use switchboard_client::control::Status;

use crate::context::Context;
use crate::daemon;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::count;

#[derive(clap::Args, Debug)]
#[command(
    after_help = "Healthy means: the daemon runs, takes requests, and waits for no server to come back, except
for those that are `optional`. Servers that nobody has used yet are fine.

Examples:
  switchboard health
  until switchboard health; do sleep 1; done"
)]
pub(crate) struct Args {}

#[derive(Debug, Serialize)]
struct Health {
    healthy: bool,
    reason: String,
}

pub(crate) fn run(_: Args, context: &Context) -> Result<Exit, Failure> {
    let health = match context.runtime()?.block_on(daemon::status(context)) {
        Ok(status) => judge(&status),
        // To a script that asks whether all is well, this is an answer as any other.
        Err(failure) => Health { healthy: false, reason: failure.message },
    };
    context.output.show(&health, |health| {
        let word = if health.healthy { "healthy" } else { "unhealthy" };
        format!("{word}: {}", health.reason)
    })?;
    Ok(if health.healthy { Exit::Ok } else { Exit::Failed })
}

fn judge(status: &Status) -> Health {
    let down: Vec<&str> = status
        .upstreams
        .iter()
        .filter(|upstream| upstream.state == "waiting" && !upstream.optional)
        .map(|upstream| upstream.name.as_str())
        .collect();
    if status.state != "ready" {
        return Health { healthy: false, reason: format!("the daemon is {}", status.state) };
    }
    match down.as_slice() {
        [] => {
            let servers = count(status.upstreams.len(), "server");
            let tools = count(status.tools, "tool");
            let reason = format!("{servers}, {tools} at {}", status.address);
            Health { healthy: true, reason }
        }
        [one] => Health { healthy: false, reason: format!("server `{one}` is down") },
        several => {
            Health { healthy: false, reason: format!("servers are down: {}", several.join(", ")) }
        }
    }
}

#[cfg(test)]
mod tests {
    use crate::commands::status::example;

    #[track_caller]
    fn check(change: impl FnOnce(&mut super::Status), healthy: bool, reason: &str) {
        let mut status = example();
        change(&mut status);
        let health = super::judge(&status);
        assert_eq!((health.healthy, health.reason.as_str()), (healthy, reason));
    }

    #[test]
    fn a_server_that_is_down_and_needed_is_unhealthy() {
        check(|_| {}, true, "2 servers, 3 tools at http://127.0.0.1:8765/mcp");
        check(|status| status.state = "draining".into(), false, "the daemon is draining");
        check(|status| status.upstreams[0].state = "waiting".into(), false, "server `git` is down");
        check(
            |status| {
                status.upstreams[0].state = "waiting".into();
                status.upstreams[0].optional = true;
            },
            true,
            "2 servers, 3 tools at http://127.0.0.1:8765/mcp",
        );
        check(
            |status| status.upstreams.iter_mut().for_each(|it| it.state = "waiting".into()),
            false,
            "servers are down: git, web",
        );
    }
}
