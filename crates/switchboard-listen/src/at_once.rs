//! A future that goes on at once where it has woken itself.
//!
//! Reading a body makes a connection of `hyper` wake itself in the middle of its work, with every
//! request. To the scheduler that is a task which wants to let others go first: it puts the task at
//! the end of the line and wakes another thread to help, which costs more than the call itself.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll, Wake, Waker};

use futures_util::task::AtomicWaker;

/// How often a future is polled before others get their turn.
const POLLS: usize = 4;

/// Nobody polls; whoever wakes the future wakes its task.
const RESTING: u8 = 0;
/// It is being polled.
const POLLED: u8 = 1;
/// It has to be polled again.
const WOKEN: u8 = 2;

pub(crate) struct AtOnce<F> {
    future: F,
    signal: Arc<Signal>,
    /// Wakes `signal`.
    waker: Waker,
}

#[derive(Default)]
struct Signal {
    state: AtomicU8,
    task: AtomicWaker,
}

impl<F: Future> AtOnce<Pin<Box<F>>> {
    pub(crate) fn new(future: F) -> Self {
        let signal = Arc::new(Signal::default());
        Self { future: Box::pin(future), waker: Waker::from(Arc::clone(&signal)), signal }
    }
}

impl<F: Future + Unpin> Future for AtOnce<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.get_mut();
        this.signal.task.register(context.waker());
        for _ in 0..POLLS {
            this.signal.state.swap(POLLED, Ordering::AcqRel);
            let polled = Pin::new(&mut this.future).poll(&mut Context::from_waker(&this.waker));
            if polled.is_ready() || this.signal.rest() {
                return polled;
            }
        }
        this.signal.state.store(RESTING, Ordering::Release);
        context.waker().wake_by_ref();
        Poll::Pending
    }
}

impl Signal {
    /// Whether nobody has woken the future since it was last polled.
    fn rest(&self) -> bool {
        let (success, failure) = (Ordering::AcqRel, Ordering::Acquire);
        self.state.compare_exchange(POLLED, RESTING, success, failure).is_ok()
    }
}

impl Wake for Signal {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        if self.state.swap(WOKEN, Ordering::AcqRel) == RESTING {
            self.task.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;
    use std::pin::pin;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::{Context, Poll, Wake, Waker};

    use tokio_util::task::TaskTracker;

    use super::{AtOnce, POLLS};

    #[derive(Default)]
    struct Wakes(AtomicUsize);

    impl Wake for Wakes {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    /// Polls once a future that wakes itself `times` times; how often its task was woken.
    fn woken_by_one_that_wakes_itself(times: usize) -> (Poll<()>, usize) {
        let mut left = times;
        let mut future = pin!(AtOnce::new(poll_fn(move |context| {
            if left == 0 {
                return Poll::Ready(());
            }
            left -= 1;
            context.waker().wake_by_ref();
            Poll::Pending
        })));
        let wakes = Arc::new(Wakes::default());
        let waker = Waker::from(Arc::clone(&wakes));
        let polled = future.as_mut().poll(&mut Context::from_waker(&waker));
        (polled, wakes.0.load(Ordering::SeqCst))
    }

    #[test]
    fn who_wakes_himself_goes_on() {
        assert_eq!(woken_by_one_that_wakes_itself(0), (Poll::Ready(()), 0));
        assert_eq!(woken_by_one_that_wakes_itself(POLLS - 1), (Poll::Ready(()), 0));
    }

    #[test]
    fn who_does_nothing_else_lets_others_go_first() {
        assert_eq!(woken_by_one_that_wakes_itself(POLLS), (Poll::Pending, 1));
        assert_eq!(woken_by_one_that_wakes_itself(1_000), (Poll::Pending, 1));
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn no_wake_of_others_is_lost() {
        let (sender, mut receiver) = tokio::sync::mpsc::channel(1);
        let reading = TaskTracker::new().spawn(AtOnce::new(async move {
            let mut sum = 0_u64;
            while let Some(number) = receiver.recv().await {
                sum += number;
            }
            sum
        }));
        for number in 1..=100_000 {
            sender.send(number).await.unwrap();
        }
        drop(sender);
        assert_eq!(reading.await.unwrap(), 5_000_050_000);
    }
}
