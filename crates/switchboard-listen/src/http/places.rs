//! The connections that are open, so that an idle one can make room for a new one, and so that
//! there is an answer where none is idle.

use std::collections::HashMap;
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{self, Poll};

use bytes::Bytes;
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use switchboard_core::Principal;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::http::message::Body;
use crate::shares::{NoShare, Share, Shares};

/// A bounded number of connections.
pub(crate) struct Places {
    free: Arc<Semaphore>,
    /// Beyond these, for connections that get no more than an answer.
    spare: Arc<Semaphore>,
    /// The connections that are busy, of which nobody gets all.
    seats: Arc<Shares>,
    taken: Mutex<HashMap<u64, Arc<Place>>>,
    born: Instant,
    next: AtomicU64,
}

/// One open connection.
pub(crate) struct Place {
    number: u64,
    /// Whether it is beyond those that are served: `/health` and `/metrics` are answered, for all
    /// else it is said that there is no room, and then it is closed.
    pub is_spare: bool,
    /// Requests under way, streams included.
    busy: AtomicUsize,
    /// Milliseconds after the listener was opened.
    idle_since: AtomicU64,
    /// Cancelled to make room.
    pub closed: CancellationToken,
    /// Goes to the connection that it makes room for.
    permit: Mutex<Option<OwnedSemaphorePermit>>,
}

/// Connections that are answered beside those that are served: enough for whoever watches the
/// daemon and for telling some clients to come again, and few beside the descriptors of a process.
const SPARE: usize = 16;

impl Places {
    pub(crate) fn new(limit: usize) -> Arc<Self> {
        Arc::new(Self {
            free: Arc::new(Semaphore::new(limit)),
            spare: Arc::new(Semaphore::new(SPARE)),
            seats: Shares::new(limit),
            taken: Mutex::default(),
            born: Instant::now(),
            next: AtomicU64::new(0),
        })
    }

    /// A place for a new connection. Where none is free, the connection makes room that has been
    /// idle for longest; where none is idle, it is a spare one, and `None` where those are busy too.
    /// Nothing is waited for: whoever accepts has to get to the next.
    pub(crate) fn take(&self) -> Option<Arc<Place>> {
        let claim = |is_spare: bool, among: &Arc<Semaphore>| {
            let free = Arc::clone(among).try_acquire_owned().ok();
            Some((is_spare, free.or_else(|| self.make_room(is_spare))?))
        };
        let (is_spare, permit) = claim(false, &self.free).or_else(|| claim(true, &self.spare))?;
        let place = Arc::new(Place {
            is_spare,
            number: self.next.fetch_add(1, Ordering::Relaxed),
            busy: AtomicUsize::new(0),
            idle_since: AtomicU64::new(self.now()),
            closed: CancellationToken::new(),
            permit: Mutex::new(Some(permit)),
        });
        self.table().insert(place.number, Arc::clone(&place));
        Some(place)
    }

    pub(crate) fn leave(&self, place: &Place) {
        self.table().remove(&place.number);
    }

    /// Counts a request; the place is idle again when the guard is dropped.
    pub(crate) fn work(self: &Arc<Self>, place: &Arc<Place>) -> Work {
        place.busy.fetch_add(1, Ordering::AcqRel);
        Work { places: Arc::clone(self), place: Arc::clone(place), seat: None }
    }

    /// Closes the connection that has been idle for longest, and takes its place.
    fn make_room(&self, is_spare: bool) -> Option<OwnedSemaphorePermit> {
        let table = self.table();
        let idle = table.values().filter(|place| place.busy.load(Ordering::Acquire) == 0);
        let idle = idle.filter(|place| place.is_spare == is_spare && !place.closed.is_cancelled());
        // Of those since the same moment, the one that came first.
        let since = |place: &Place| (place.idle_since.load(Ordering::Acquire), place.number);
        let place = idle.min_by_key(|place| since(place))?;
        place.closed.cancel();
        place.permit.lock().expect("no one panics holding it").take()
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
    /// Of whoever asks, once that is known.
    seat: Option<Arc<Share>>,
}

impl Work {
    /// More work on the same connection: what goes on after the response.
    pub(crate) fn again(&self) -> Self {
        let mut more = self.places.work(&self.place);
        more.seat.clone_from(&self.seat);
        more
    }

    pub(crate) fn is_spare(&self) -> bool {
        self.place.is_spare
    }

    /// Counts the connection as one that `principal` keeps busy, until the response is sent.
    ///
    /// # Errors
    ///
    /// It keeps as many busy already as it may.
    pub(crate) fn sit(&mut self, principal: &Principal) -> Result<(), NoShare> {
        self.seat = Some(Arc::new(self.places.seats.take(principal)?));
        Ok(())
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
    use super::{Places, SPARE};

    #[test]
    fn the_one_that_is_idle_for_longest_makes_room() {
        let places = Places::new(2);
        let (busy, idle) = (places.take().unwrap(), places.take().unwrap());
        let _work = places.work(&busy);
        let next = places.take().unwrap();
        assert!(idle.closed.is_cancelled() && !busy.closed.is_cancelled() && !next.is_spare);
        // It has no place to give any more.
        places.leave(&idle);
        drop(idle);
        let another = places.take().unwrap();
        assert!(next.closed.is_cancelled() && !another.is_spare);
    }

    #[test]
    fn where_none_is_idle_some_more_get_an_answer_and_the_rest_none() {
        let places = Places::new(1);
        let served = places.take().unwrap();
        let work = places.work(&served);
        let spare: Vec<_> = (0..SPARE).map(|_| places.take().unwrap()).collect();
        assert!(spare.iter().all(|place| place.is_spare));
        // Nothing was said on them yet.
        let next = places.take().unwrap();
        assert!(next.is_spare && spare[0].closed.is_cancelled());
        let _busy: Vec<_> =
            spare[1..].iter().chain([&next]).map(|place| places.work(place)).collect();
        assert!(places.take().is_none());
        drop(work);
        assert!(!places.take().unwrap().is_spare, "one that is served is idle");
    }
}
