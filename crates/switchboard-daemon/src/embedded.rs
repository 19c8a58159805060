//! Everything in one process, for one client on standard input and output: sidecars, containers.

use std::sync::Arc;

use switchboard_listen::{Front, lines, stdio};
use switchboard_telemetry::metrics::Metrics;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::assemble::{Around, Assembled, assemble, make_private, start_log};
use crate::clock::now;
use crate::middle::Middle;
use crate::outside::owner;
use crate::plan::plan;
use crate::problem::StartProblem;
use crate::run::{CHILD_GRACE, Launch, Ready};
use crate::seal;

/// Serves standard input and output until the client closes them. Listens on nothing, so any
/// number may run beside each other and beside a daemon.
///
/// # Errors
///
/// [`StartProblem`] when it could not start.
pub async fn run_embedded(launch: Launch) -> Result<(), StartProblem> {
    let Launch { paths, sources, log_to_stderr, guard, on_ready, .. } = launch;
    let config = sources.load().map_err(StartProblem::configuration)?.value;
    let mut wanted =
        plan(&config, &sources.file, &sources.variables).map_err(StartProblem::configuration)?;
    let metrics = Metrics::new(env!("CARGO_PKG_VERSION"), now());
    start_log(&config, None, log_to_stderr, &metrics)?;
    make_private(&paths.state)?;
    // Others may run beside it, so it keeps nothing.
    let seal = seal::open(&paths, now()).await?;
    let middle = Middle::new(&config, sources.directory(), seal, None)?;
    let around = Around { paths: &paths, sources: &sources, config: &config, metrics: &metrics };
    let Assembled { fleet, gateway, spawner, bundles, .. } =
        assemble(&around, (&middle, None), guard).await?;
    bundles.join(&config, &mut wanted).await;
    fleet.apply(&wanted, config.daemon.list_wait.as_duration());
    on_ready(&Ready { address: "stdio".to_owned(), pid: std::process::id() });
    fleet.wake();

    let draining = CancellationToken::new();
    let front = Arc::new(Front::new(gateway, TaskTracker::new(), draining.clone()));
    let (stdin, stdout) = stdio::standard();
    let limits = lines::Limits::default();
    let conversation = lines::serve(Arc::clone(&front), owner(), limits, stdin, stdout);
    tokio::pin!(conversation);
    let take = |kind| signal(kind).expect("the runtime handles signals");
    let mut terminate = take(SignalKind::terminate());
    let mut interrupt = take(SignalKind::interrupt());
    tokio::select! {
        () = &mut conversation => {}
        () = fleet.follow() => {}
        _ = terminate.recv() => draining.cancel(),
        _ = interrupt.recv() => draining.cancel(),
    }
    if draining.is_cancelled() {
        // Calls under way are finished like the daemon's; what takes longer is cut off.
        let _ = tokio::time::timeout(config.daemon.drain.as_duration(), conversation).await;
    }
    fleet.stop().await;
    spawner.close(CHILD_GRACE).await;
    Ok(())
}
