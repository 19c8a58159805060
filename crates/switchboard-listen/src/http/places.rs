//! The connections that are open, so that an idle one can make room for a new one.

use std::collections::HashMap;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{self, Poll};

use bytes::Bytes;
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::http::message::Body;

/// A bounded number of connections.
pub(crate) struct Places {
    free: Arc<Semaphore>,
    taken: Mutex<HashMap<u64, Arc<Place>>>,
    born: Instant,
    next: AtomicU64,
}

/// One open connection.
pub(crate) struct Place {
    number: u64,
    /// Requests under way, streams included.
    busy: AtomicUsize,
    /// Milliseconds after the listener was opened.
    idle_since: AtomicU64,
    /// Cancelled to make room.
    pub closed: CancellationToken,
    _permit: OwnedSemaphorePermit,
}

impl Places {
    pub(crate) fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self {
            free: Arc::new(Semaphore::new(limit)),
            taken: Mutex::default(),
            born: Instant::now(),
            next: AtomicU64::new(0),
        })
    }

    /// Waits for a place. Where none is free, the connection makes room that has been idle for
    /// longest; where none is idle, the next that ends does.
    pub(crate) async fn take(self: &Arc<Self>) -> Arc<Place> {
        let permit = match Arc::clone(&self.free).try_acquire_owned() {
            Ok(permit) => permit,
            Err(_) => {
                self.make_room();
                Arc::clone(&self.free).acquire_owned().await.expect("never closed")
            }
        };
        let place = Arc::new(Place {
            number: self.next.fetch_add(1, Ordering::Relaxed),
            busy: AtomicUsize::new(0),
            idle_since: AtomicU64::new(self.now()),
            closed: CancellationToken::new(),
            _permit: permit,
        });
        self.table().insert(place.number, Arc::clone(&place));
        place
    }

    pub(crate) fn leave(&self, place: &Place) {
        self.table().remove(&place.number);
    }

    /// Counts a request; the place is idle again when the guard is dropped.
    pub(crate) fn work(self: &Arc<Self>, place: &Arc<Place>) -> Work {
        place.busy.fetch_add(1, Ordering::AcqRel);
        Work { places: Arc::clone(self), place: Arc::clone(place) }
    }

    fn make_room(&self) {
        let table = self.table();
        let idle = table.values().filter(|place| place.busy.load(Ordering::Acquire) == 0);
        let idle = idle.filter(|place| !place.closed.is_cancelled());
        if let Some(place) = idle.min_by_key(|place| place.idle_since.load(Ordering::Acquire)) {
            place.closed.cancel();
        }
    }

    fn now(&self) -> u64 {
        u64::try_from(self.born.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn table(&self) -> std::sync::MutexGuard<'_, HashMap<u64, Arc<Place>>> {
        self.taken.lock().expect("no one panics holding it")
    }
}

/// A request under way on a connection.
pub(crate) struct Work {
    places: Arc<Places>,
    place: Arc<Place>,
}

impl Work {
    /// More work on the same connection: what goes on after the response.
    pub(crate) fn again(&self) -> Self {
        self.places.work(&self.place)
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        self.place.idle_since.store(self.places.now(), Ordering::Release);
        self.place.busy.fetch_sub(1, Ordering::AcqRel);
    }
}

/// A response that keeps its connection busy until it is sent.
pub(crate) struct Guarded {
    body: Body,
    _work: Work,
}

impl Guarded {
    pub(crate) fn new(body: Body, work: Work) -> Self {
        Self { body, _work: work }
    }
}

impl HttpBody for Guarded {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut task::Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        let frame = task::ready!(Pin::new(&mut self.body).poll_frame(context));
        // Neither of the two bodies fails.
        Poll::Ready(frame.map(|frame| frame.map_err(|_| unreachable!("infallible"))))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::Places;

    #[tokio::test]
    async fn the_one_that_is_idle_for_longest_makes_room() {
        let places = Places::new(2);
        let busy = places.take().await;
        let idle = places.take().await;
        let _work = places.work(&busy);
        let leaving = async {
            idle.closed.cancelled().await;
            assert!(!busy.closed.is_cancelled());
            places.leave(&idle);
            drop(idle);
        };
        tokio::join!(places.take(), leaving);
    }
}
