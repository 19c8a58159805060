//! Whether a request that failed at one endpoint goes on to the next.

use std::time::Duration;

use switchboard_core::{Error, Request, Response};

use crate::upstream::Upstream;

impl Upstream {
    /// Whether `request` may be sent to another endpoint after `answer`, now.
    ///
    /// Only what was certainly not carried out, or does no harm when it is done twice; and only
    /// within the budget, so that what is sent again does not keep down what is down.
    pub(crate) fn may_go_on(&self, request: &Request, answer: &Result<Response, Error>) -> bool {
        let Err(error) = answer else { return false };
        let is_harmless = match error {
            // Another endpoint wants the same login.
            Error::Unauthorized { .. } => false,
            Error::Lost { .. } | Error::TimedOut { .. } => self.is_repeatable(request),
            error => error.may_be_sent_again(),
        };
        is_harmless && self.retries.may_be()
    }

    /// When a second endpoint is asked as well, where that does no harm.
    pub(crate) fn hedge_after(&self, request: &Request) -> Option<Duration> {
        let delay = self.settings().retry.hedge_after?;
        self.is_repeatable(request).then(|| delay.as_duration())
    }

    /// Whether doing it twice is as good as doing it once.
    pub(crate) fn is_repeatable(&self, request: &Request) -> bool {
        request.method.is_idempotent() || self.hints.cover(request)
    }
}
