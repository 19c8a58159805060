//! What becomes of an answer when its caller's key ends: nothing more of it goes out.
//!
//! A request is judged when it comes, but its answer may take for ever: a stream goes on for as
//! long as the client likes, and a leaked key would keep what it opened. The connection itself
//! stays, because each request on it is judged by its own key.

use futures_util::StreamExt as _;
use http::Response;
use http_body_util::{Either, StreamBody};
use tokio_util::sync::CancellationToken;

use crate::http::door::unauthorized;
use crate::http::message::{Body, Events};

/// The response, which ends with the key if it is a stream. A whole one is as good as sent.
pub(crate) fn bound(response: Response<Body>, revoked: CancellationToken) -> Response<Body> {
    response.map(|body| match body {
        Either::Left(whole) => Either::Left(whole),
        Either::Right(stream) => {
            let bound: Events = Box::pin(stream.take_until(revoked.cancelled_owned()));
            Either::Right(StreamBody::new(bound))
        }
    })
}

/// What a caller gets whose key ended while its request was under way.
pub(crate) fn refusal() -> Response<Body> {
    unauthorized("the key is not valid any more: `switchboard show-key` prints the present one")
}
