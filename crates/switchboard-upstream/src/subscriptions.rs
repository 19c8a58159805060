//! The resources of one server that clients want to hear of, whatever session is open.
//!
//! Clients come and go, and so do sessions; a server is to be asked once for each resource. So it is
//! kept here who follows what, and whoever follows the open session ([`subscribe`](crate::subscribe))
//! makes the server's subscriptions those that are wanted, and says how that went.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex};

use switchboard_core::{CallerId, Context, Error, Principal, Session, covers};
use switchboard_mcp::ProtocolVersion;
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
    /// By whom. A number would not do: who never followed it here, but at the server that was in
    /// this place before, would take away what is another's.
    holders: HashMap<CallerId, Held>,
    /// `None` until the server was asked in the session that is open.
    outcome: watch::Sender<Option<Result<(), Error>>>,
}

struct Held {
    holder: Holder,
    /// Another server has taken it over.
    is_passed_on: bool,
}

/// Who follows a resource, and all that is needed to follow it for them somewhere else.
#[derive(Clone)]
pub(crate) struct Holder {
    caller: CallerId,
    principal: Principal,
    session: Option<Session>,
}

impl Holder {
    pub(crate) fn of(context: &Context) -> Self {
        let Context { caller, principal, session, .. } = context;
        Self { caller: *caller, principal: principal.clone(), session: session.clone() }
    }

    pub(crate) fn is_gone(&self) -> bool {
        self.session.as_ref().is_some_and(Session::is_over)
    }

    /// As of a request of theirs.
    pub(crate) fn context(&self) -> Context {
        let Self { caller, principal, session } = self.clone();
        let context = Context::new(principal, ProtocolVersion::NEWEST_LEGACY);
        Context { caller, session, ..context }
    }
}

/// What is to be done about one resource.
pub(crate) struct Touched {
    pub uri: Arc<str>,
    pub is_wanted: bool,
}

impl Subscriptions {
    /// Adds `holder`, and waits until the server was asked for the first. Who is there already is
    /// there once.
    ///
    /// # Errors
    ///
    /// What the server said; or there are too many. Nobody is added then.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future takes back what it added.
    pub(crate) async fn add(&self, upstream: &str, uri: &str, holder: Holder) -> Result<(), Error> {
        let caller = holder.caller;
        let (is_new, mut outcome) = self.refer(uri, holder).ok_or_else(|| Error::Busy {
            upstream: upstream.to_owned(),
            cause: format!("{LIMIT} of its resources are already followed"),
        })?;
        let mut reference = Reference { subscriptions: self, uri, caller, is_kept: !is_new };
        let told = outcome.wait_for(Option::is_some).await.ok().and_then(|told| told.clone());
        // The sender lives as long as somebody holds it, and this is one.
        told.unwrap_or(Ok(()))?;
        reference.is_kept = true;
        Ok(())
    }

    /// Whether that is new, and what tells how it went; `None` where there are too many.
    fn refer(&self, uri: &str, holder: Holder) -> Option<(bool, Told)> {
        let mut state = self.state.lock().expect("no one panics holding it");
        let held = Held { holder, is_passed_on: false };
        let caller = held.holder.caller;
        if let Some(wanted) = state.wanted.get_mut(uri) {
            let is_new = wanted.holders.insert(caller, held).is_none();
            return Some((is_new, wanted.outcome.subscribe()));
        }
        if LIMIT <= state.wanted.len() {
            return None;
        }
        let uri: Arc<str> = uri.into();
        let (outcome, told) = watch::channel(None);
        let holders = HashMap::from([(caller, held)]);
        state.wanted.insert(Arc::clone(&uri), Wanted { holders, outcome });
        state.touched.insert(uri);
        drop(state);
        self.news.notify_one();
        Some((true, told))
    }

    /// Adds a holder that another server told of changes until now, without waiting for this one.
    /// It is as if there had been a session before that had the subscription: something may have
    /// been missed.
    pub(crate) fn inherit(&self, uri: &str, holder: Holder) {
        if holder.is_gone() || self.refer(uri, holder).is_none() {
            return;
        }
        let state = self.state.lock().expect("no one panics holding it");
        if let Some(wanted) = state.wanted.get(uri) {
            wanted.outcome.send_if_modified(|outcome| {
                outcome.is_none().then(|| *outcome = Some(Ok(()))).is_some()
            });
        }
    }

    /// Who follows what, for a server that takes that over; each is handed out once.
    pub(crate) fn pass_on(&self) -> Vec<(Arc<str>, Holder)> {
        let mut state = self.state.lock().expect("no one panics holding it");
        let mut all = Vec::new();
        for (uri, wanted) in &mut state.wanted {
            for held in wanted.holders.values_mut().filter(|held| !held.is_passed_on) {
                held.is_passed_on = true;
                all.push((Arc::clone(uri), held.holder.clone()));
            }
        }
        all
    }

    /// Takes out whom `caller` is, if it is there.
    pub(crate) fn remove(&self, uri: &str, caller: CallerId) {
        let mut state = self.state.lock().expect("no one panics holding it");
        let Some(wanted) = state.wanted.get_mut(uri) else { return };
        if wanted.holders.remove(&caller).is_none() || !wanted.holders.is_empty() {
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

/// Tells what the server said, once it did.
type Told = watch::Receiver<Option<Result<(), Error>>>;

/// A holder that is not kept yet.
struct Reference<'a> {
    subscriptions: &'a Subscriptions,
    uri: &'a str,
    caller: CallerId,
    is_kept: bool,
}

impl Drop for Reference<'_> {
    fn drop(&mut self) {
        if !self.is_kept {
            self.subscriptions.remove(self.uri, self.caller);
        }
    }
}
