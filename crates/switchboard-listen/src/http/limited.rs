//! What the limits say of a request, in the head of its answer; and addresses that guess keys.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderName, HeaderValue, Request, Response, StatusCode, header};
use http_body_util::Either;
use switchboard_core::limit::{Allowance, Buckets, Notice, Rate, Verdict, network_of};
use switchboard_mcp::{RpcError, code};
use tokio::time::Instant;

use crate::http::Route;
use crate::http::client_address::ClientAddress;
use crate::http::message::{Body, Refused, refuse, rpc};
use crate::shares::Share;

/// What is known of a request before its body is read.
pub(crate) struct Arrival {
    /// Its place among those under way.
    pub slot: Share,
    pub address: Option<IpAddr>,
}

pub(crate) fn address<B>(request: &Request<B>) -> Option<IpAddr> {
    request.extensions().get::<ClientAddress>().map(|client| client.0)
}

/// Writes what the limits said into the head of a response. Nothing where no rule applied, or where
/// the stream began before any was asked.
pub(crate) fn noted(mut response: Response<Body>, notice: &Notice) -> Response<Body> {
    if let Some(verdict) = notice.read() {
        tell(&mut response, verdict);
    }
    response
}

fn tell(response: &mut Response<Body>, verdict: &Verdict) {
    for (name, value) in verdict.headers() {
        let value = HeaderValue::try_from(value).expect("names of rules are visible ASCII");
        response.headers_mut().insert(HeaderName::from_static(name), value);
    }
}

/// What a caller gets that asks faster than `http.rate`. Where MCP is spoken it is said in its words;
/// which request it was is in a body that nobody has read.
pub(crate) fn hurried(route: Route, verdict: &Verdict) -> Refused {
    let message = "requests come faster than `http.rate` allows; try again";
    let status = StatusCode::TOO_MANY_REQUESTS;
    let mut response = match route {
        Route::Mcp | Route::Messages => {
            rpc(status, None, &RpcError::new(code::INTERNAL, message).with_data(&verdict.data()))
        }
        _ => refuse(status, message),
    };
    tell(&mut response, verdict);
    response.into()
}

/// Likewise for a request that stands for itself: what was refused is a 429 (RFC 6585, section 4).
/// Within a session the error is the answer to a request that came well.
pub(crate) fn noted_stateless(response: Response<Body>, notice: &Arc<Notice>) -> Response<Body> {
    let mut response = noted(response, notice);
    let is_refused = notice.read().is_some_and(|verdict| !verdict.is_allowed);
    // The head of a stream is out before its last event is known.
    if is_refused && matches!(response.body(), Either::Left(_)) {
        *response.status_mut() = StatusCode::TOO_MANY_REQUESTS;
    }
    response
}

/// How many wrong keys each address presented.
///
/// What lets nobody in costs a token, and who has none is not even looked at, so that a right key
/// among many does not show. What lets somebody in costs nothing: any number of clients may share
/// an address. The keys that are looked at at the same moment may go beyond: one for each thread, as long as nobody waits
/// between [`Self::check`] and [`Self::count`].
pub(crate) struct Guesses {
    allowance: Allowance,
    buckets: Buckets,
    born: Instant,
}

/// Addresses that are remembered, in 300 KiB. Whoever has more to guess from has at least a million
/// guesses in any case, and none of the others is refused for it; see [`Buckets`].
const ADDRESSES: usize = 16_384;

impl Guesses {
    pub(crate) fn new(rate: Rate) -> Self {
        let buckets = Buckets::new(ADDRESSES);
        Self { allowance: Allowance::new(rate, None), buckets, born: Instant::now() }
    }

    /// # Errors
    ///
    /// The address presented too many wrong keys; another may be looked at after this time.
    pub(crate) fn check(&self, address: Option<IpAddr>) -> Result<(), Duration> {
        let Some(address) = address.filter(|address| !address.is_loopback()) else { return Ok(()) };
        let level = self.buckets.look(&network_of(address), self.allowance, self.born.elapsed());
        if level.is_allowed { Ok(()) } else { Err(level.next) }
    }

    /// Counts a wrong key.
    pub(crate) fn count(&self, address: Option<IpAddr>) {
        if let Some(address) = address.filter(|address| !address.is_loopback()) {
            self.buckets.charge(&network_of(address), self.allowance, self.born.elapsed());
        }
    }
}

/// What an address gets that guesses.
pub(crate) fn guessed(wait: Duration) -> Refused {
    let message = "too many wrong keys came from this address (`http.wrong_keys`); try again later";
    let mut response = refuse(StatusCode::TOO_MANY_REQUESTS, message);
    let seconds = HeaderValue::from(wait.as_secs() + 1);
    response.headers_mut().insert(header::RETRY_AFTER, seconds);
    response.into()
}
