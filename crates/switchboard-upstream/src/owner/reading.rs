//! When the lists of an open server are read: at the start, when it announces a change, when
//! somebody wants one that is old, and again after a failure; one reading at a time, each to its
//! end.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use switchboard_core::{Kind, Lists};

use crate::cache::fingerprint;
use crate::endpoint::Shared;
use crate::listing;
use crate::owner::{Owner, Pending, Phase};
use crate::status::View;

/// Lists that are being read.
pub(super) struct Reading {
    pub(super) lists: Pending<Result<Lists, String>>,
    /// The kind that is read; `None` for all.
    kind: Option<Kind>,
    /// Nothing was announced: they are read because they are old.
    is_refresh: bool,
    /// Still waits before it asks.
    waits: Arc<AtomicBool>,
    /// Waits because the last try failed.
    is_retry: bool,
}

/// When lists that could not be read are asked for again.
const LIST_RETRY: Duration = Duration::from_secs(30);

/// Changes that arrive close together are read once: servers announce one for each tool.
const SETTLE: Duration = Duration::from_millis(50);

/// The pause before a reading where the one before found nothing new, or was overtaken by the next
/// change: some servers announce one whenever they are asked for the list.
const CALM: Duration = Duration::from_secs(1);

impl Owner {
    /// The server announced that its lists of `kind` changed.
    pub(super) fn changed(&mut self, kind: Kind) {
        if !self.shared.is_listed {
            return;
        }
        let Phase::Open { reading, stale, false_alarm, .. } = &mut self.phase else { return };
        let wait = if *false_alarm { CALM } else { SETTLE };
        match reading {
            Some(reading) if !reading.is_retry => {
                let covered = reading.waits.load(Ordering::Acquire)
                    && reading.kind.is_none_or(|other| other == kind);
                // Never begun anew: a server that announces faster than it lists would keep us
                // from ever reading to the end.
                *stale |= !covered;
            }
            _ => self.read(Some(kind), wait),
        }
    }

    /// The lists of `kind` are old, and somebody wants them. A server that does not run is not
    /// started for it: whoever starts it reads them.
    pub(super) fn refresh(&mut self, kind: Kind) {
        // Templates are read with the resources.
        let kind = if kind == Kind::Templates { Kind::Resources } else { kind };
        let Phase::Open { reading, stale, .. } = &mut self.phase else { return };
        match reading {
            // Its answer is young enough, also where the request is already on its way.
            Some(reading) => *stale |= reading.kind.is_some_and(|other| other != kind),
            None => {
                self.read(Some(kind), Duration::ZERO);
                if let Phase::Open { reading: Some(reading), .. } = &mut self.phase {
                    reading.is_refresh = true;
                }
            }
        }
    }

    /// Reads the lists after `wait`: all of them, or those of one kind.
    pub(super) fn read(&mut self, kind: Option<Kind>, wait: Duration) {
        // What a peer of this process lists is known.
        if !self.shared.is_listed || self.shared.settings.inside.is_some() {
            return;
        }
        let Phase::Open { session, reading, stale, .. } = &mut self.phase else { return };
        let session = Arc::clone(session);
        let known = self.view.borrow().lists.clone();
        let kind = kind.filter(|_| known.is_some());
        let waits = Arc::new(AtomicBool::new(true));
        let begins = Arc::clone(&waits);
        let lists = Box::pin(async move {
            tokio::time::sleep(wait).await;
            begins.store(false, Ordering::Release);
            match (kind, known) {
                (Some(kind), Some(known)) => listing::reread(&session, kind, known).await,
                _ => listing::read_all(&session).await,
            }
        });
        *stale = false;
        let is_retry = wait == LIST_RETRY;
        *reading = Some(Reading { lists, kind, is_refresh: false, waits, is_retry });
    }

    pub(super) fn listed(&mut self, outcome: Result<Lists, String>) {
        let Phase::Open { reading, stale, false_alarm, .. } = &mut self.phase else { return };
        let Some(read) = reading.take() else { return };
        let again = *stale;
        match outcome {
            Ok(lists) => {
                let known = self.view.borrow().lists.clone();
                let is_known = known.is_some_and(|known| known.has_items_of(&lists));
                // Where nothing was announced, that nothing changed is no false alarm.
                *false_alarm = is_known && (!read.is_refresh || *false_alarm);
                let Shared { freshness, .. } = &*self.shared;
                freshness.begin(&lists, read.kind, self.shared.now());
                self.status.send_modify(|status| status.problem = None);
                self.learnt(&Arc::new(lists));
                if again {
                    self.read(None, CALM);
                }
            }
            Err(cause) => {
                tracing::warn!(upstream = &*self.shared.name, cause, "lists could not be read");
                self.read(None, LIST_RETRY);
                self.status.send_modify(|status| status.problem = Some(cause));
                self.show(|view| view.learning = false);
            }
        }
    }

    fn learnt(&mut self, lists: &Arc<Lists>) {
        let is_known = self.view.borrow().lists.as_ref() == Some(lists);
        if !is_known || self.is_asked_anew {
            self.remember(lists);
        }
        if !is_known {
            self.shared.learn(lists);
            self.show(|view| *view = View { lists: Some(Arc::clone(lists)), learning: false });
        }
    }

    fn remember(&mut self, lists: &Lists) {
        let asked = self.verdict.map(|verdict| verdict.asked);
        let fingerprint = fingerprint(&self.shared.settings);
        let cache = &self.shared.environment.cache;
        match cache.save(&self.shared.kept_as, &fingerprint, lists, asked) {
            Ok(()) => self.is_asked_anew = false,
            Err(error) => {
                let upstream = &*self.shared.name;
                tracing::warn!(upstream, %error, "lists could not be remembered");
            }
        }
    }
}
