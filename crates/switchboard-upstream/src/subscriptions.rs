//! The resources of one server that clients want to hear of, whatever session is open.
//!
//! Clients come and go, and so do sessions; a server is to be asked once for each resource. So
//! references are counted here, and whoever follows the open session ([`subscribe`](crate::subscribe))
//! makes the server's subscriptions those that are wanted, and says how that went.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};

use switchboard_core::{Error, covers};
use tokio::sync::{Notify, watch};

/// Most resources of one server. Each costs its address in memory, and a request when the server is
/// opened again.
const LIMIT: usize = 10_000;

#[derive(Default)]
pub(crate) struct Subscriptions {
    state: Mutex<State>,
    /// Something is to be done.
    news: Notify,
}

#[derive(Default)]
struct State {
    wanted: BTreeMap<Arc<str>, Wanted>,
    /// What became wanted or unwanted since it was last looked at.
    touched: BTreeSet<Arc<str>>,
}

struct Wanted {
    references: usize,
    /// `None` until the server was asked in the session that is open.
    outcome: watch::Sender<Option<Result<(), Error>>>,
}

/// What is to be done about one resource.
pub(crate) struct Touched {
    pub uri: Arc<str>,
    pub is_wanted: bool,
}

impl Subscriptions {
    /// Counts a reference, and waits until the server was asked for the first.
    ///
    /// # Errors
    ///
    /// What the server said; or there are too many. Nothing is counted then.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future takes the reference back.
    pub(crate) async fn add(&self, upstream: &str, uri: &str) -> Result<(), Error> {
        let mut outcome = self.refer(uri).ok_or_else(|| Error::Busy {
            upstream: upstream.to_owned(),
            cause: format!("{LIMIT} of its resources are already followed"),
        })?;
        let mut reference = Reference { subscriptions: self, uri, is_kept: false };
        let told = outcome.wait_for(Option::is_some).await.ok().and_then(|told| told.clone());
        // The sender lives as long as there is a reference, and this is one.
        told.unwrap_or(Ok(()))?;
        reference.is_kept = true;
        Ok(())
    }

    fn refer(&self, uri: &str) -> Option<watch::Receiver<Option<Result<(), Error>>>> {
        let mut state = self.state.lock().expect("no one panics holding it");
        if let Some(wanted) = state.wanted.get_mut(uri) {
            wanted.references += 1;
            return Some(wanted.outcome.subscribe());
        }
        if LIMIT <= state.wanted.len() {
            return None;
        }
        let uri: Arc<str> = uri.into();
        let (outcome, told) = watch::channel(None);
        state.wanted.insert(Arc::clone(&uri), Wanted { references: 1, outcome });
        state.touched.insert(uri);
        drop(state);
        self.news.notify_one();
        Some(told)
    }

    /// Takes a reference back.
    pub(crate) fn remove(&self, uri: &str) {
        let mut state = self.state.lock().expect("no one panics holding it");
        let Some(wanted) = state.wanted.get_mut(uri) else { return };
        wanted.references -= 1;
        if wanted.references > 0 {
            return;
        }
        if let Some((uri, _)) = state.wanted.remove_entry(uri) {
            state.touched.insert(uri);
        }
        drop(state);
        self.news.notify_one();
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.state.lock().expect("no one panics holding it").wanted.is_empty()
    }

    /// Whether somebody wants to hear of `uri`, or of what it is a part of (2025-11-25: an update
    /// may be of a sub-resource).
    pub(crate) fn covers(&self, uri: &str) -> bool {
        let state = self.state.lock().expect("no one panics holding it");
        state.wanted.contains_key(uri) || state.wanted.keys().any(|wanted| covers(wanted, uri))
    }

    pub(crate) fn wanted(&self) -> BTreeSet<Arc<str>> {
        self.state.lock().expect("no one panics holding it").wanted.keys().cloned().collect()
    }

    /// A session was opened, in which nothing is asked yet. Returns what the last one had, for
    /// those who may have missed something in between.
    pub(crate) fn restart(&self) -> BTreeSet<Arc<str>> {
        let mut state = self.state.lock().expect("no one panics holding it");
        let State { wanted, touched } = &mut *state;
        touched.extend(wanted.keys().cloned());
        let had = |(uri, wanted): (&Arc<str>, &Wanted)| {
            matches!(wanted.outcome.send_replace(None), Some(Ok(()))).then(|| Arc::clone(uri))
        };
        let had = wanted.iter().filter_map(had).collect();
        drop(state);
        self.news.notify_one();
        had
    }

    /// Waits until there is something to do.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost if the future is dropped.
    pub(crate) async fn news(&self) {
        loop {
            if !self.state.lock().expect("no one panics holding it").touched.is_empty() {
                return;
            }
            self.news.notified().await;
        }
    }

    /// What is to be done; each change is handed out once.
    pub(crate) fn take(&self) -> Vec<Touched> {
        let mut state = self.state.lock().expect("no one panics holding it");
        let touched = std::mem::take(&mut state.touched);
        let is_wanted = |uri: &Arc<str>| state.wanted.contains_key(uri);
        touched.into_iter().map(|uri| Touched { is_wanted: is_wanted(&uri), uri }).collect()
    }

    /// Tells those who wait what the server said about `uri`.
    pub(crate) fn settle(&self, uri: &str, outcome: Result<(), Error>) {
        let state = self.state.lock().expect("no one panics holding it");
        if let Some(wanted) = state.wanted.get(uri) {
            wanted.outcome.send_replace(Some(outcome));
        }
    }
}

/// A reference that is not kept yet.
struct Reference<'a> {
    subscriptions: &'a Subscriptions,
    uri: &'a str,
    is_kept: bool,
}

impl Drop for Reference<'_> {
    fn drop(&mut self) {
        if !self.is_kept {
            self.subscriptions.remove(self.uri);
        }
    }
}
