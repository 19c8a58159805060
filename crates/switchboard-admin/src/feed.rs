//! The activity feed: what a principal's requests did, as events that it can watch. Who tells of them
//! ([`Feed::publish`]) has put secrets out of sight.
//!
//! [`ring`] decides who hears what and what is kept; it has no clock and no socket. [`stream`] turns
//! that into `text/event-stream`.

mod ring;
mod stream;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::SystemTime;

use bytes::Bytes;
use http::{Response, header};
use serde_json::{Value, json};
use switchboard_core::Tenant;
use tokio::sync::Notify;

use crate::body::{self, Body};
use crate::desk::Desk;
use crate::fault::Fault;
pub use crate::feed::ring::Whose;
use crate::feed::ring::{Ring, Text};
use crate::feed::stream::Watcher;
use crate::moment::{Moment, micros};
use crate::operations::Facts;
use crate::seats::Seats;

/// Something that was done for a principal.
#[derive(Clone, Debug)]
pub struct Activity {
    pub method: String,
    pub request: Value,
    pub response: Value,
    /// What of them is not as it was sent.
    pub notes: Option<String>,
}

#[derive(Clone)]
pub(crate) struct Feed {
    ring: Arc<Mutex<Ring<Arc<Notify>>>>,
    /// Whether the ring follows anybody: it nearly never does, and calls are not to pay for it.
    is_busy: Arc<AtomicBool>,
    seats: Seats,
}

impl Feed {
    /// `run` tells this run of the daemon from others: what an earlier one had numbered is not what
    /// this one numbers.
    pub(crate) fn new(run: u64, seats: Seats) -> Self {
        Self { ring: Arc::new(Mutex::new(Ring::new(run))), is_busy: Arc::default(), seats }
    }

    /// Whether somebody hears of what a principal does, or may come back for it.
    pub(crate) fn follows(&self, tenant: &Tenant, subject: &str, now: SystemTime) -> bool {
        self.is_busy.load(Ordering::Acquire) && self.lock(|ring| ring.follows(tenant, subject, now))
    }

    pub(crate) fn publish(
        &self,
        whose: Whose<'_>,
        weight: usize,
        show: impl FnOnce() -> Activity + Send + 'static,
        now: Moment,
    ) {
        let text =
            |number| -> Text { LazyLock::new(Box::new(move || written(show(), &now, number))) };
        let woken = self.lock(|ring| ring.publish(whose, ENVELOPE + weight, text));
        // `notify_one` is remembered where nobody waits at the moment.
        woken.iter().for_each(|waiter| waiter.notify_one());
    }

    /// The stream of the desk's principal: what it missed since `Last-Event-ID`, then what happens.
    pub(crate) fn watch(
        &self,
        desk: &Desk,
        headers: &http::HeaderMap,
        facts: &Facts,
    ) -> Result<Response<Body>, Fault> {
        let seat = self.seats.take(&desk.access.principal)?;
        let last = headers.get("last-event-id").and_then(|value| value.to_str().ok());
        let waiter = Arc::new(Notify::new());
        let scopes = desk.access.principal.standing.scopes.as_deref();
        let whose = Whose { tenant: desk.tenant(), subject: desk.subject(), scopes };
        let own = (Arc::clone(&waiter), (desk.ports.clock)());
        let opened = self.lock(|ring| ring.open(whose, last, own));
        let watcher = Watcher {
            client: opened.client,
            feed: self.clone(),
            waiter,
            clock: desk.ports.clock,
            _seat: seat,
        };
        let mut response = body::events(stream::events(watcher, opened, facts));
        let keep = header::HeaderValue::from_static("keep-alive");
        response.headers_mut().insert(header::CONNECTION, keep);
        Ok(response)
    }

    /// How many streams of a tenant are open, and how many activities are kept of it.
    pub(crate) fn counts(&self, tenant: &Tenant) -> (usize, usize) {
        self.lock(|ring| ring.counts(tenant))
    }

    fn lock<T>(&self, act: impl FnOnce(&mut Ring<Arc<Notify>>) -> T) -> T {
        let mut ring = self.ring.lock().unwrap_or_else(PoisonError::into_inner);
        let outcome = act(&mut ring);
        self.is_busy.store(!ring.is_idle(), Ordering::Release);
        outcome
    }
}

/// What is written around request and response.
const ENVELOPE: usize = 256;

/// An activity as clients read it.
fn written(activity: Activity, now: &Moment, number: u64) -> String {
    let Activity { method, request, response, notes } = activity;
    let mut activity = json!({
        "type": "mcp_activity",
        "method": method,
        "request": request,
        "response": response,
        "timestamp": now,
        "id": number,
    });
    if let Some(notes) = notes {
        activity["notes"] = notes.into();
    }
    activity.to_string()
}

/// A number that no run before this one had.
pub(crate) fn run(now: SystemTime) -> u64 {
    u64::try_from(micros(now)).unwrap_or_default()
}

/// One event of a stream.
fn event(name: Option<&str>, id: Option<&str>, data: &str) -> Bytes {
    let mut text = String::with_capacity(data.len() + 48);
    for (field, value) in [("id", id), ("event", name), ("data", Some(data))] {
        if let Some(value) = value {
            text.push_str(field);
            text.push_str(": ");
            text.push_str(value);
            text.push('\n');
        }
    }
    text.push('\n');
    text.into()
}
