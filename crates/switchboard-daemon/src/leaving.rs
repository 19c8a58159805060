//! Upstreams that a reload removed or replaced: they get no new calls, and end with those they have.
//!
//! A call that began before the reload goes on, in the queue as at the server, and so does one that
//! looked at the catalog before it was swapped. All of these hold the way to the upstream
//! ([`Measured`](crate::measured::Measured)); when nobody does any more, it is stopped.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use switchboard_upstream::Upstream;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

pub(crate) struct Leaving {
    /// How long their calls may take.
    grace: Duration,
    /// Cancelled when the others are stopped as well: their calls have had their time.
    hurry: CancellationToken,
    here: Mutex<Vec<Arc<Upstream>>>,
    tasks: TaskTracker,
}

impl Leaving {
    pub(crate) fn new(grace: Duration) -> Arc<Self> {
        let (hurry, tasks) = (CancellationToken::new(), TaskTracker::new());
        Arc::new(Self { grace, hurry, here: Mutex::default(), tasks })
    }

    /// Those that are not stopped yet.
    pub(crate) fn all(&self) -> Vec<Arc<Upstream>> {
        self.here().clone()
    }

    /// Stops `upstream` when `let_go` says that nobody can reach it any more, or after the grace.
    /// `last` is done just before.
    pub(crate) fn see_off(
        self: &Arc<Self>,
        upstream: Arc<Upstream>,
        let_go: CancellationToken,
        last: impl FnOnce(&Upstream) + Send + 'static,
    ) {
        upstream.retire();
        self.here().push(Arc::clone(&upstream));
        let this = Arc::clone(self);
        self.tasks.spawn(async move {
            tokio::select! {
                () = let_go.cancelled() => {}
                () = this.hurry.cancelled() => {}
                () = tokio::time::sleep(this.grace) => {
                    let (name, calls) = (&**upstream.name(), upstream.in_flight());
                    tracing::warn!(upstream = name, calls, "calls were cut off by the end of the grace");
                }
            }
            last(&upstream);
            upstream.stop().await;
            this.here().retain(|other| !Arc::ptr_eq(other, &upstream));
        });
    }

    /// Stops them now.
    pub(crate) fn hurry(&self) {
        self.hurry.cancel();
    }

    /// As [`Self::hurry`]; returns when nothing of them is left.
    pub(crate) async fn end(&self) {
        self.hurry();
        self.tasks.close();
        self.tasks.wait().await;
    }

    fn here(&self) -> MutexGuard<'_, Vec<Arc<Upstream>>> {
        self.here.lock().expect("no one panics holding it")
    }
}
