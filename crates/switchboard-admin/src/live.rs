//! What happens while somebody watches: the source of GraphQL's subscriptions.

use std::sync::Arc;

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
    sender: Sender<Arc<(Tenant, Event)>>,
    seats: Seats,
}

struct Watch<P> {
    receiver: Receiver<Arc<(Tenant, Event)>>,
    desk: Desk,
    right: Right,
    pick: P,
    _seat: Seat,
}

impl Live {
    pub(crate) fn new(seats: Seats) -> Self {
        Self { sender: channel(BEHIND).0, seats }
    }

    pub(crate) fn announce(&self, tenant: &Tenant, event: Event) {
        // An error says that nobody watches.
        let _ = self.sender.send(Arc::new((tenant.clone(), event)));
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
        let receiver = self.sender.subscribe();
        let watch = Watch { receiver, desk: desk.clone(), right, pick, _seat: seat };
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

impl<T, P: Fn(&Event) -> Option<T>> Watch<P> {
    async fn next(&mut self) -> Option<Result<T, Fault>> {
        loop {
            let event = match self.receiver.recv().await {
                Ok(event) => event,
                Err(RecvError::Closed) => return None,
                Err(RecvError::Lagged(missed)) => {
                    let text = format!("{missed} events were missed; ask anew");
                    return Some(Err(Fault::TooMuch(text)));
                }
            };
            let (tenant, event) = &*event;
            if tenant != self.desk.tenant() {
                continue;
            }
            if let Err(fault) = self.desk.access.require(self.right) {
                return Some(Err(fault));
            }
            if let Some(item) = (self.pick)(event) {
                return Some(Ok(item));
            }
        }
    }
}
