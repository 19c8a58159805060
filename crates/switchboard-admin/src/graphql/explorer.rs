//! The page on which an administrator tries queries.
//!
//! GraphiQL itself is megabytes of JavaScript that its usual page fetches from a content delivery
//! network, with the administrator's rights at hand. This one is a page of our own: a query, its
//! variables, what came back, subscriptions as they come, and the schema to look at. It fetches
//! nothing from anywhere else, and its policy says so to the browser.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{self, HeaderName, HeaderValue};
use http::{Response, StatusCode};
use switchboard_core::Area;

use crate::access::Right;
use crate::body::Body;
use crate::desk::Desk;
use crate::fault::Fault;
use crate::graphql::answer;

const PAGE: &str = include_str!("explorer.html");

/// Where the nonce of the script stands in the page.
const NONCE: &str = "{nonce}";

pub(super) fn page(desk: &Desk) -> Response<Body> {
    if let Err(fault) = desk.access.require(Right::Inspect(Area::Operations)) {
        let mut response = answer::refused(&fault, false);
        *response.status_mut() = StatusCode::FORBIDDEN;
        return response;
    }
    let mut random = [0; 16];
    if let Err(error) = getrandom::fill(&mut random) {
        return answer::refused(&Fault::internal(&error), false);
    }
    let nonce = STANDARD.encode(random);
    let mut response = Response::new(Body::Whole(Bytes::from(PAGE.replace(NONCE, &nonce))));
    let policy = format!(
        "default-src 'none'; script-src 'nonce-{nonce}'; style-src 'nonce-{nonce}'; \
         connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    );
    let fixed: [(HeaderName, &str); 4] = [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "no-referrer"),
    ];
    let headers = response.headers_mut();
    for (name, value) in fixed {
        headers.insert(name, HeaderValue::from_static(value));
    }
    // Base64 has nothing that a header cannot carry.
    if let Ok(policy) = HeaderValue::from_str(&policy) {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    response
}
