//! Drives a daemon as people install it and the same server directly, side by side in one run.
//!
//! Machines differ and are shared, so only what is measured in one run is compared: every figure
//! of the daemon is printed as a ratio to the direct one, and the rounds take turns. There are two
//! servers: the daemon's own, which is faster than any that is written with an SDK, so that nothing
//! hides what a gateway costs; and one that is written with one, as those that people have.

mod bundles;
mod front;
mod fronts;
mod load;
mod process;
mod report;
mod setup;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result};

use crate::load::{Load, Sample};
use crate::report::{Row, Table};
use crate::setup::{Daemon, Server, Subject};

/// How many clients keep a connection and call without a pause.
const CLIENTS: [usize; 3] = [1, 10, 100];

/// Rounds of each measurement; the median is reported.
const ROUNDS: usize = 5;

/// How long one measurement runs, after a tenth of that to warm up.
const LENGTH: Duration = Duration::from_secs(2);

/// How often the start is timed.
const STARTS: usize = 11;

/// Upstreams that the daemon knows, and does not need to start, when its start is timed.
const LAZY_UPSTREAMS: usize = 50;

fn main() -> Result<()> {
    let mut arguments = std::env::args_os().skip(1);
    let usage = "usage: switchboard-bench PROGRAM SDK_SERVER [--quick]";
    let program = PathBuf::from(arguments.next().context(usage)?);
    let sdk_server = PathBuf::from(arguments.next().context(usage)?);
    let quick = match arguments.next() {
        None => false,
        Some(argument) if argument == "--quick" => true,
        Some(argument) => anyhow::bail!("`{}` is no option; {usage}", argument.display()),
    };
    let (rounds, length) = if quick { (1, LENGTH / 4) } else { (ROUNDS, LENGTH) };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let subject = Subject::demo(&program);
        let server = Server::start(&subject).await?;
        let daemon = Daemon::start(&program, &subject, &server.address).await?;
        let table = compare(&subject, &server, &daemon, rounds, length).await?;
        report::line(&table.render(subject.name));
        report::line(&fronts::compare(&daemon, rounds).await?);
        daemon.stop().await?;
        drop(server);

        let subject = Subject::sdk(&sdk_server);
        let server = Server::start(&subject).await?;
        let daemon = Daemon::start(&program, &subject, &server.address).await?;
        let table = compare(&subject, &server, &daemon, rounds, length).await?;
        report::line(&table.render(subject.name));
        daemon.stop().await?;

        report::line(&bundles::measure(&program, rounds, length).await?);
        let rest = setup::at_rest(&program, LAZY_UPSTREAMS, if quick { 3 } else { STARTS }).await?;
        report::line(&rest.render());
        Ok(())
    })
}

async fn compare(
    subject: &Subject,
    server: &Server,
    daemon: &Daemon,
    rounds: usize,
    length: Duration,
) -> Result<Table> {
    let Subject { tool, answer, .. } = subject;
    let direct = Load::new(&server.address, None, tool, answer);
    let through = |upstream: &str| {
        let tool = format!("{upstream}__{tool}");
        Load::new(&daemon.address, Some(&daemon.key), &tool, answer)
    };
    let (over_stdio, over_http) = (through("stdio"), through("http"));
    let mut table = Table::default();
    for clients in CLIENTS {
        let mut samples: [Vec<Sample>; 3] = Default::default();
        for _ in 0..rounds {
            let pids = [server.pid];
            samples[0].push(direct.run(clients, length, &pids).await?);
            let pids = [daemon.pid, daemon.child];
            samples[1].push(over_stdio.run(clients, length, &pids).await?);
            let pids = [daemon.pid, server.pid];
            samples[2].push(over_http.run(clients, length, &pids).await?);
        }
        let [direct, stdio, http] = samples.each_ref().map(|samples| Sample::median(samples));
        table.rows.push(Row { clients, direct, stdio, http });
    }
    Ok(table)
}
