//! What happens while somebody watches: the source of GraphQL's subscriptions.
//!
//! Each tenant that is watched has a channel of its own, so that what happens in one neither
//! reaches nor hurries those who watch another.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::stream::{BoxStream, StreamExt as _, unfold};
use switchboard_core::store::Row;
use switchboard_core::{Area, Tenant};
use tokio::sync::broadcast::{Receiver, Sender, channel, error::RecvError};

use crate::access::Right;
use crate::desk::Desk;
use crate::fault::Fault;
use crate::operations::ServerState;
use crate::seats::{Seat, Seats};

/// Something that happened in a tenant.
#[derive(Clone, Debug)]
pub enum Event {
    /// A call was recorded, or its record changed: the row of the table of calls.
    Call(Row),
    /// A server is in another state.
    Server(ServerState),
    /// What is managed changed.
    Changed(Area),
}

/// How many events somebody may be behind. Whoever is further is told so and has to ask anew: what
/// is left out silently is taken for what did not happen.
const BEHIND: usize = 1024;

#[derive(Clone)]
pub(crate) struct Live {
    channels: Arc<Channels>,
    seats: Seats,
}

/// The channels of the tenants that somebody watches, and of no others.
#[derive(Default)]
struct Channels {
    /// How many there are: nearly always none, which is to cost nothing.
    count: AtomicUsize,
    open: Mutex<BTreeMap<Tenant, Sender<Arc<Event>>>>,
}

struct Watch<P> {
    heard: Heard,
    desk: Desk,
    right: Right,
    pick: P,
    _seat: Seat,
}

/// The end of a channel at which somebody listens. The last one takes the channel along.
struct Heard {
    /// `None` only while it is dropped.
    receiver: Option<Receiver<Arc<Event>>>,
    tenant: Tenant,
    channels: Arc<Channels>,
}

impl Channels {
    fn of(&self, tenant: &Tenant) -> Option<Sender<Arc<Event>>> {
        if self.count.load(Ordering::Acquire) == 0 {
            return None;
        }
        self.open().get(tenant).cloned()
    }

    fn open(&self) -> MutexGuard<'_, BTreeMap<Tenant, Sender<Arc<Event>>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Live {
    pub(crate) fn new(seats: Seats) -> Self {
        Self { channels: Arc::default(), seats }
    }

    /// Whether anybody hears what happens in `tenant`.
    pub(crate) fn is_watched(&self, tenant: &Tenant) -> bool {
        self.channels.of(tenant).is_some()
    }

    pub(crate) fn announce(&self, tenant: &Tenant, event: Event) {
        if let Some(sender) = self.channels.of(tenant) {
            // An error says that nobody watches any more.
            let _ = sender.send(Arc::new(event));
        }
    }

    fn listen(&self, tenant: &Tenant) -> Heard {
        let mut open = self.channels.open();
        let sender = open.entry(tenant.clone()).or_insert_with(|| channel(BEHIND).0);
        let receiver = Some(sender.subscribe());
        self.channels.count.store(open.len(), Ordering::Release);
        drop(open);
        Heard { receiver, tenant: tenant.clone(), channels: Arc::clone(&self.channels) }
    }

    /// What `pick` takes of the events of the desk's tenant, for as long as its principal has the
    /// right, which is asked for again at every event.
    pub(crate) fn watch<T: Send + 'static>(
        &self,
        desk: &Desk,
        right: Right,
        pick: impl Fn(&Event) -> Option<T> + Send + 'static,
    ) -> Result<BoxStream<'static, Result<T, Fault>>, Fault> {
        desk.access.require(right)?;
        let seat = self.seats.take(&desk.access.principal)?;
        let heard = self.listen(desk.tenant());
        let watch = Watch { heard, desk: desk.clone(), right, pick, _seat: seat };
        let next = async |state: Option<Watch<_>>| {
            let mut watch = state?;
            let item = watch.next().await?;
            // After an error there is nothing more.
            let rest = item.is_ok().then_some(watch);
            Some((item, rest))
        };
        Ok(unfold(Some(watch), next).boxed())
    }
}

impl Drop for Heard {
    fn drop(&mut self) {
        let mut open = self.channels.open();
        self.receiver = None;
        if open.get(&self.tenant).is_some_and(|sender| sender.receiver_count() == 0) {
            open.remove(&self.tenant);
            self.channels.count.store(open.len(), Ordering::Release);
        }
    }
}

impl<T, P: Fn(&Event) -> Option<T>> Watch<P> {
    async fn next(&mut self) -> Option<Result<T, Fault>> {
        let receiver = self.heard.receiver.as_mut()?;
        loop {
            let event = match receiver.recv().await {
                Ok(event) => event,
                Err(RecvError::Closed) => return None,
                Err(RecvError::Lagged(missed)) => {
                    let text = format!("{missed} events were missed; ask anew");
                    return Some(Err(Fault::TooMuch(text)));
                }
            };
            if let Err(fault) = self.desk.access.require(self.right) {
                return Some(Err(fault));
            }
            if let Some(item) = (self.pick)(&event) {
                return Some(Ok(item));
            }
        }
    }
}
