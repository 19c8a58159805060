//! The body of an answer, which may not pause for longer than the guest wants to wait.

use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use hyper::body::{Body, Frame, Incoming, SizeHint};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Sleep;
use wasmtime_wasi_http::Error;

pub(super) struct Paced {
    body: Incoming,
    /// The longest pause, if the guest named one.
    pause: Option<Duration>,
    /// Set while nothing comes.
    timer: Option<Pin<Box<Sleep>>>,
    /// The request is under way as long as its answer is read.
    _place: OwnedSemaphorePermit,
}

impl Paced {
    pub(super) fn new(
        body: Incoming,
        pause: Option<Duration>,
        place: OwnedSemaphorePermit,
    ) -> Self {
        Self { body, pause, timer: None, _place: place }
    }
}

impl Body for Paced {
    type Data = Bytes;
    type Error = Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Error>>> {
        if let Poll::Ready(frame) = Pin::new(&mut self.body).poll_frame(context) {
            self.timer = None;
            return Poll::Ready(frame.map(|frame| frame.map_err(Error::Hyper)));
        }
        let Some(pause) = self.pause else { return Poll::Pending };
        let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep(pause)));
        timer.as_mut().poll(context).map(|()| Some(Err(Error::ConnectionReadTimeout)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
