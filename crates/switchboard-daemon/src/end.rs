//! How a daemon ends: because it is told to, or because another process has taken its place.

use std::time::Duration;

use switchboard_process::Spawner;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::Instant;

use crate::daemon::Daemon;
use crate::handover::Predecessor;
use crate::run::{CHILD_GRACE, Clients};

/// How long clients that have a connection and send nothing may keep it when another process has
/// taken our place: a request may be on its way. Longer than common clients keep an idle connection
/// themselves (undici 4 s, httpx 5 s); those that send something are told to come back on another.
const LINGER: Duration = Duration::from_secs(6);

/// How long the store may take for the last records.
const RECORDING: Duration = Duration::from_secs(8);

/// The signals that a daemon acts on.
pub(crate) struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    /// Taken before anybody is told that we run: until then SIGHUP would end the process.
    pub(crate) fn take() -> Self {
        let take = |kind| signal(kind).expect("the runtime handles signals");
        Self {
            terminate: take(SignalKind::terminate()),
            interrupt: take(SignalKind::interrupt()),
            hangup: take(SignalKind::hangup()),
        }
    }
}

/// Resolves when a signal, a command or a successor says so, with the time when the end began;
/// SIGHUP reloads on the way.
pub(crate) async fn wait_for_end(
    daemon: &Daemon,
    clients: &Clients,
    signals: &mut Signals,
) -> Instant {
    loop {
        tokio::select! {
            _ = signals.terminate.recv() => return Instant::now(),
            _ = signals.interrupt.recv() => return Instant::now(),
            () = daemon.stop.cancelled() => return Instant::now(),
            () = daemon.passed_on.cancelled() => break,
            _ = signals.hangup.recv() => {
                if let Err(problem) = daemon.reload().await {
                    let cause = problem.to_wire().cause;
                    tracing::error!(%problem, cause, "the old configuration is kept");
                }
            }
        }
    }
    let begun = Instant::now();
    linger(daemon, clients, signals).await;
    begun
}

/// Accepts no more, and gives those who have a connection the time to come back on another.
async fn linger(daemon: &Daemon, clients: &Clients, signals: &mut Signals) {
    tracing::info!("another process has taken over");
    clients.closed.cancel();
    clients.front.tasks.close();
    // The other half is for the calls that come last.
    let linger = LINGER.min(daemon.grace() / 2);
    tokio::select! {
        () = clients.front.tasks.wait() => {}
        () = tokio::time::sleep(linger) => {}
        () = daemon.hurry.cancelled() => {}
        () = daemon.stop.cancelled() => {}
        _ = signals.terminate.recv() => {}
        _ = signals.interrupt.recv() => {}
    }
}

/// Takes no new connections and no new requests, and waits for the calls under way; and for `before`, the daemon
/// whose place we took, if it still drains.
///
/// A second signal cuts the wait for the calls short.
pub(crate) async fn drain(
    daemon: &Daemon,
    clients: &Clients,
    before: Option<Predecessor>,
    begun: Instant,
    signals: &mut Signals,
) {
    let deadline = begun + daemon.grace();
    let before = async {
        if let Some(before) = before {
            before.end().await;
        }
    };
    tracing::info!(grace = ?deadline.saturating_duration_since(Instant::now()), "draining");
    if !daemon.passed_on.is_cancelled() {
        daemon.service_manager.tell("STOPPING=1");
    }
    daemon.stop.cancel();
    if let Some(estate) = &mut *daemon.estate() {
        estate.sockets = None;
    }
    clients.closed.cancel();
    clients.front.draining.cancel();
    clients.front.tasks.close();
    let waited = tokio::select! {
        _ = async { tokio::join!(clients.front.tasks.wait(), before) } => true,
        () = tokio::time::sleep_until(deadline) => false,
        _ = signals.terminate.recv() => false,
        _ = signals.interrupt.recv() => false,
    };
    if !waited {
        tracing::warn!(
            tasks = clients.front.tasks.len(),
            "calls were cut off by the end of the grace"
        );
    }
}

/// Ends the servers; returns when no child is left.
pub(crate) async fn close(daemon: &Daemon, spawner: &Spawner) {
    if let Some(tenants) = daemon.tenants.get() {
        tenants.stop().await;
    }
    daemon.fleet.stop().await;
    finish_records(daemon).await;
    for label in spawner.close(CHILD_GRACE).await {
        tracing::error!(upstream = label, "a child could not be ended");
    }
    tracing::info!("stopped");
}

/// Has the last calls written. None is under way any more, so these are all there will be.
async fn finish_records(daemon: &Daemon) {
    daemon.recorded.cancel();
    daemon.keeping.close();
    if tokio::time::timeout(RECORDING, daemon.keeping.wait()).await.is_err() {
        tracing::error!("the store did not take the last records of calls");
    }
}
