//! The task that writes records.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use switchboard_core::store::{Change, Row, Store, StoreError, tables};
use switchboard_core::{Call, Tenant};
use switchboard_mcp::Json;
use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::config::HistoryConfig;
use crate::ids::Ids;
use crate::queue::{History, Losses, Noted, Progress};
use crate::record::Form;
use crate::redact::Redactor;

/// Writes what [`History`] takes note of.
pub struct Keeper {
    waiting: mpsc::Receiver<Noted>,
    ports: Ports,
    form: Form,
    ids: Ids,
    window: Duration,
    losses: Losses,
    progress: Arc<Progress>,
}

/// Knows what a call was about.
pub trait Known: Send + Sync {
    fn facts(&self, call: &Call) -> Facts;
}

/// Hears of records once they are written.
pub trait Audience: Send + Sync {
    /// Whether anybody wants to hear of those of `tenant`.
    fn is_there(&self, tenant: &Tenant) -> bool;

    fn written(&self, tenant: &Tenant, row: &Row);
}

/// What a keeper stands on.
pub struct Ports {
    pub store: Arc<dyn Store>,
    pub known: Arc<dyn Known>,
    pub audience: Arc<dyn Audience>,
}

/// What a record says of a call beside what the call says itself.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// Who answers calls of that name now.
    pub upstream: Option<Arc<str>>,
    /// The schema of its arguments.
    pub schema: Option<Json>,
}

/// Records written at once: enough that a transaction is shared by many, and few enough that the
/// memory for them is given back soon.
const BATCH: usize = 1_000;

/// How long to wait before a store that failed is tried again; it doubles up to the second.
const RETRY: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

/// How long records are still tried to be written when the daemon ends.
const PARTING: Duration = Duration::from_secs(5);

impl Keeper {
    /// What takes note, and the task that is to be run for it. `random` sets the ids of several
    /// daemons apart.
    pub fn new(
        config: &HistoryConfig,
        redactor: Redactor,
        ports: Ports,
        clock: fn() -> SystemTime,
        random: u16,
    ) -> (Arc<History>, Self) {
        let (history, waiting) = History::new(config, clock);
        let keeper = Self {
            waiting,
            ports,
            form: Form::new(config, redactor),
            ids: Ids::new(random),
            window: config.window.as_duration(),
            losses: history.losses(),
            progress: history.progress(),
        };
        (Arc::new(history), keeper)
    }

    /// Writes until `end`, and then what is left.
    pub async fn run(mut self, end: CancellationToken) {
        let mut batch = Vec::new();
        loop {
            tokio::select! {
                biased;
                taken = self.waiting.recv_many(&mut batch, BATCH) => if taken == 0 { return },
                () = end.cancelled() => break,
            }
            self.gather(&mut batch, &end).await;
            self.write(&mut batch, &end).await;
        }
        self.waiting.close();
        let parting = Instant::now() + PARTING;
        while self.waiting.recv_many(&mut batch, BATCH).await > 0 && Instant::now() < parting {
            self.write(&mut batch, &end).await;
        }
        self.losses.add((batch.len() + self.waiting.len()) as u64);
    }

    /// Waits for more to write together, for as long as a record may wait.
    async fn gather(&mut self, batch: &mut Vec<Noted>, end: &CancellationToken) {
        let due = tokio::time::sleep(self.window);
        tokio::pin!(due);
        while batch.len() < BATCH {
            let room = BATCH - batch.len();
            tokio::select! {
                taken = self.waiting.recv_many(batch, room) => if taken == 0 { return },
                () = &mut due => return,
                () = self.progress.hurry.notified() => return,
                () = end.cancelled() => return,
            }
        }
    }

    /// Writes the batch, however long the store is away, unless the daemon ends.
    async fn write(&mut self, batch: &mut Vec<Noted>, end: &CancellationToken) {
        let mut tenants: BTreeMap<Tenant, Vec<Change>> = BTreeMap::new();
        let written = batch.len() as u64;
        for noted in &*batch {
            let facts = self.ports.known.facts(&noted.call);
            let row = self.form.row(self.ids.next(noted.started()), noted, &facts);
            let tenant = noted.call.principal.tenant.clone();
            tenants.entry(tenant).or_default().push(Change::Put(row));
        }
        for (tenant, changes) in tenants {
            let Err(error) = self.insist(&tenant, changes.clone(), end).await else {
                self.tell(&tenant, &changes);
                continue;
            };
            let mut lost = 0;
            // One that is not taken does not take the others with it.
            let is_away = matches!(error, StoreError::Unavailable(_));
            for change in changes {
                let alone = vec![change];
                if is_away || self.insist(&tenant, alone.clone(), end).await.is_err() {
                    lost += 1;
                } else {
                    self.tell(&tenant, &alone);
                }
            }
            self.losses.add(lost);
            tracing::error!(%error, %tenant, lost, "calls could not be recorded");
        }
        // Until here they count among those that wait.
        batch.clear();
        self.progress.done.send_modify(|done| *done += written);
    }

    fn tell(&self, tenant: &Tenant, written: &[Change]) {
        if !self.ports.audience.is_there(tenant) {
            return;
        }
        for change in written {
            if let Change::Put(row) = change {
                self.ports.audience.written(tenant, row);
            }
        }
    }

    async fn insist(
        &self,
        tenant: &Tenant,
        changes: Vec<Change>,
        end: &CancellationToken,
    ) -> Result<(), StoreError> {
        let mut pause = RETRY.0;
        let mut parting = None;
        loop {
            match self.ports.store.write(&tables::CALLS, tenant, changes.clone()).await {
                Err(error @ StoreError::Unavailable(_)) => {
                    tracing::warn!(%error, "the store is away; records wait");
                    if end.is_cancelled() {
                        let until = *parting.get_or_insert_with(|| Instant::now() + PARTING);
                        if until < Instant::now() {
                            return Err(error);
                        }
                    }
                    tokio::time::sleep(pause).await;
                    pause = (2 * pause).min(RETRY.1);
                }
                outcome => return outcome,
            }
        }
    }
}

#[cfg(test)]
mod tests;
