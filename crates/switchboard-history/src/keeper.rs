//! The task that writes records.

use std::collections::{BTreeMap, HashMap};
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
    form: Arc<Form>,
    ids: Ids,
    window: Duration,
    losses: Losses,
    complaint: Complaint,
    progress: Arc<Progress>,
}

/// What the log says of records that are lost: at once, and then now and then with their number.
#[derive(Debug, Default)]
struct Complaint {
    said: Option<Instant>,
    unsaid: usize,
}

impl Complaint {
    /// How many to tell of, where it is time to.
    fn due(&mut self, lost: usize, now: Instant) -> Option<usize> {
        self.unsaid += lost;
        if self.said.is_some_and(|said| now < said + AGAIN) {
            return None;
        }
        self.said = Some(now);
        Some(std::mem::take(&mut self.unsaid))
    }
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

/// Records that are waited for at once.
const BATCH: usize = 1_000;

/// Records of one transaction, and their bytes: enough that it is shared by many, and few enough that
/// the memory for their rows, which is several times that for the calls, is small and given back soon.
const TOGETHER: (usize, usize) = (250, 2 << 20);

/// How long to wait before a store that failed is tried again; it doubles up to the second.
const RETRY: (Duration, Duration) = (Duration::from_millis(100), Duration::from_secs(5));

/// How often the log tells of records that are lost.
const AGAIN: Duration = Duration::from_secs(10);

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
            form: Arc::new(Form::new(config, redactor)),
            ids: Ids::new(random),
            window: config.window.as_duration(),
            losses: history.losses(),
            complaint: Complaint::default(),
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

    /// Waits for more to write together. Half of the time that a record may wait is left for
    /// the store to write it: what a crash may lose is the whole of it.
    async fn gather(&mut self, batch: &mut Vec<Noted>, end: &CancellationToken) {
        let since = batch.first().map_or_else(Instant::now, |first| first.since);
        let due = tokio::time::sleep_until(since + self.window / 2);
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
        let mut tenants: BTreeMap<Tenant, Vec<Named>> = BTreeMap::new();
        for noted in batch.drain(..) {
            let named = Named { id: self.ids.next(noted.started()), noted };
            let tenant = named.noted.call.principal.tenant.clone();
            tenants.entry(tenant).or_default().push(named);
        }
        for (tenant, calls) in tenants {
            let mut calls = calls.into_iter();
            loop {
                let together = together(&mut calls);
                if together.is_empty() {
                    break;
                }
                let written = together.len() as u64;
                self.write_together(&tenant, together, end).await;
                // Until here they count among those that wait.
                self.progress.done.send_modify(|done| *done += written);
            }
        }
    }

    async fn write_together(
        &mut self,
        tenant: &Tenant,
        calls: Vec<Named>,
        end: &CancellationToken,
    ) {
        let calls = Arc::new(calls);
        let Err(error) = self.insist(tenant, &calls, end).await else { return };
        let mut lost = calls.len();
        // One that is not taken does not take the others with it.
        if !matches!(error, StoreError::Unavailable(_)) {
            for call in Arc::into_inner(calls).unwrap_or_default() {
                let taken = self.insist(tenant, &Arc::new(vec![call]), end).await.is_ok();
                lost -= usize::from(taken);
            }
        }
        self.losses.add(lost as u64);
        if let Some(lost) = self.complaint.due(lost, Instant::now()) {
            tracing::error!(%error, %tenant, lost, "calls could not be recorded");
        }
    }

    /// Writes them, all or none, however long the store is away, and shows them to those who watch.
    async fn insist(
        &self,
        tenant: &Tenant,
        calls: &Arc<Vec<Named>>,
        end: &CancellationToken,
    ) -> Result<(), StoreError> {
        let mut pause = RETRY.0;
        let mut parting = None;
        loop {
            let changes = self.changes(calls).await;
            let watched = self.ports.audience.is_there(tenant).then(|| changes.clone());
            match self.ports.store.write(&tables::CALLS, tenant, changes).await {
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
                outcome => {
                    if let (Ok(()), Some(changes)) = (&outcome, watched) {
                        self.tell(tenant, &changes);
                    }
                    return outcome;
                }
            }
        }
    }

    fn tell(&self, tenant: &Tenant, written: &[Change]) {
        for change in written {
            if let Change::Put(row) = change {
                self.ports.audience.written(tenant, row);
            }
        }
    }

    /// The rows of calls. Looking for secrets in long results takes milliseconds, which no worker of
    /// the runtime has: calls would wait for it after all.
    async fn changes(&self, calls: &Arc<Vec<Named>>) -> Vec<Change> {
        let (form, known) = (Arc::clone(&self.form), Arc::clone(&self.ports.known));
        let calls = Arc::clone(calls);
        let changes = tokio::task::spawn_blocking(move || {
            // Calls of one tool are alike in what is known of them.
            let mut facts: HashMap<(&str, &str), Facts> = HashMap::new();
            let mut changes = Vec::with_capacity(calls.len());
            for Named { id, noted } in calls.iter() {
                let call = &noted.call;
                let about = (call.method.as_str(), call.name.as_str());
                let facts = facts.entry(about).or_insert_with(|| known.facts(call));
                changes.push(Change::Put(form.row(id.clone(), noted, facts)));
            }
            changes
        });
        changes.await.expect("making rows does not panic")
    }
}

/// A call that has its id, which it keeps however often it is tried to be written.
struct Named {
    id: String,
    noted: Noted,
}

/// The next ones that are written together.
fn together(calls: &mut impl Iterator<Item = Named>) -> Vec<Named> {
    let (mut together, mut bytes) = (Vec::new(), 0);
    while together.len() < TOGETHER.0
        && bytes < TOGETHER.1
        && let Some(call) = calls.next()
    {
        bytes += call.noted.weight.bytes();
        together.push(call);
    }
    together
}

#[cfg(test)]
mod tests;
