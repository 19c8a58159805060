//! The calls that are parked, until their clients come back or their time is over.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use switchboard_core::Principal;
use switchboard_mcp::{InputRequest, Json, Method};
use tokio::time::Instant;

use super::Exchange;
use crate::front::Front;

/// Calls parked at once. Each holds a place at its server, and its arguments.
const LIMIT: usize = 4_096;

/// Calls of one principal parked at once, so that one client that never comes back leaves room for
/// the others: more questions than one program puts to its users at a time.
const LIMIT_EACH: usize = 256;

/// How long a client may take to come back: ten minutes, as long as the SDKs of servers wait for an
/// answer to one question.
const PATIENCE: Duration = Duration::from_secs(10 * 60);

/// All that is parked.
#[derive(Default)]
pub(crate) struct Parking(Mutex<Table>);

#[derive(Default)]
struct Table {
    parked: HashMap<[u8; 16], Parked>,
    /// Somebody looks for those whose time is over.
    is_watched: bool,
}

pub(super) struct Parked {
    exchange: Exchange,
    principal: Principal,
    expires: Instant,
}

/// What a `requestState` of ours says: which call, and which of its rounds.
#[derive(Debug)]
pub(super) struct Ticket {
    pub id: [u8; 16],
    pub round: u32,
}

pub(super) enum Taken {
    Resumed(Exchange),
    /// Answers are missing to these questions, and nothing has changed.
    Incomplete(Vec<InputRequest>),
}

impl Ticket {
    pub(super) fn payload(&self) -> Vec<u8> {
        [&self.id[..], &self.round.to_be_bytes()].concat()
    }

    pub(super) fn read(payload: &[u8]) -> Option<Self> {
        let (id, round) = payload.split_at_checked(16)?;
        let round = u32::from_be_bytes(round.try_into().ok()?);
        Some(Self { id: id.try_into().ok()?, round })
    }
}

impl Parked {
    pub(super) fn new(exchange: Exchange, principal: Principal) -> Self {
        Self { exchange, principal, expires: Instant::now() + PATIENCE }
    }
}

impl Parking {
    /// Keeps a call; a principal that has too many loses the one that waits for longest.
    ///
    /// # Errors
    ///
    /// Why there is no room; the call is given up.
    pub(super) fn put(&self, front: &Arc<Front>, parked: Parked) -> Result<(), &'static str> {
        let mut table = self.table();
        // Asked under the lock: whoever empties the table does so after it became true.
        if front.draining.is_cancelled() {
            return Err("the daemon is about to stop, and nothing can be asked any more");
        }
        let own = || table.parked.iter().filter(|(_, other)| other.principal == parked.principal);
        if own().count() >= LIMIT_EACH {
            let oldest = own().min_by_key(|(_, other)| other.expires).map(|(id, _)| *id);
            oldest.and_then(|id| table.parked.remove(&id));
        }
        if table.parked.len() >= LIMIT {
            return Err("too many calls wait for the answers of their clients");
        }
        table.parked.insert(parked.exchange.id, parked);
        if !std::mem::replace(&mut table.is_watched, true) {
            front.tasks.spawn(expire(Arc::clone(front)));
        }
        Ok(())
    }

    /// What was asked for, where this round of it waits for `principal`.
    pub(super) fn asked(
        &self,
        ticket: &Ticket,
        principal: &Principal,
    ) -> Option<(Method, Option<Json>)> {
        let table = self.table();
        let exchange = &table.find(ticket, principal)?.exchange;
        Some((exchange.method.clone(), exchange.params.clone()))
    }

    /// Takes the call out, with its questions answered; `None` where it is not, or no longer, here.
    pub(super) fn take(
        &self,
        ticket: &Ticket,
        principal: &Principal,
        responses: Vec<(String, Json)>,
    ) -> Option<Taken> {
        let mut table = self.table();
        let client = Arc::clone(&table.find(ticket, principal)?.exchange.client);
        if let Err(missing) = client.answer(responses) {
            return Some(Taken::Incomplete(missing));
        }
        table.parked.remove(&ticket.id).map(|parked| Taken::Resumed(parked.exchange))
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        self.0.lock().expect("no one panics holding it")
    }
}

impl Table {
    fn find(&self, ticket: &Ticket, principal: &Principal) -> Option<&Parked> {
        let parked = self.parked.get(&ticket.id)?;
        let matches = parked.principal == *principal && parked.exchange.round == ticket.round;
        (matches && Instant::now() < parked.expires).then_some(parked)
    }
}

/// Gives up the calls whose time is over, for as long as there are any. When the daemon drains,
/// that is all of them: nobody can come back any more.
async fn expire(front: Arc<Front>) {
    loop {
        let next = {
            let mut table = front.parking.table();
            let now = Instant::now();
            table.parked.retain(|_, parked| now < parked.expires);
            let next = table.parked.values().map(|parked| parked.expires).min();
            table.is_watched = next.is_some();
            next
        };
        let Some(next) = next else { return };
        tokio::select! {
            () = tokio::time::sleep_until(next) => {}
            () = front.draining.cancelled() => {
                front.parking.table().parked.clear();
                return;
            }
        }
    }
}
