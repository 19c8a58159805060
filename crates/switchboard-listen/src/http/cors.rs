//! What lets the pages of friendly origins read our answers (Fetch standard, "CORS protocol").
//!
//! Which origins are friendly is the [`door`](super::door)'s business and decided before. No
//! credentials of the browser are allowed: a page presents the key itself.

use http::{HeaderMap, HeaderValue, Response, StatusCode, header};

use crate::http::message::{Body, empty};

/// What a page may send beside what every page may.
const HEADERS: &[&str] = &[
    "authorization",
    "content-type",
    "last-event-id",
    "mcp-method",
    "mcp-name",
    "mcp-protocol-version",
    "mcp-session-id",
    "x-api-key",
];

/// Headers of 2026-07-28 whose names come from the tools.
const PARAMETERS: &str = "mcp-param-";

/// How long a browser may remember the answer; Chromium remembers for two hours at most.
const REMEMBERED: HeaderValue = HeaderValue::from_static("7200");

const METHODS: HeaderValue = HeaderValue::from_static("GET, POST, DELETE");

/// What a page may read beside the body.
const EXPOSED: HeaderValue = HeaderValue::from_static(
    "Mcp-Session-Id, WWW-Authenticate, Retry-After, RateLimit, RateLimit-Policy, \
     X-RateLimit-Limit, X-RateLimit-Remaining, X-RateLimit-Reset",
);

/// Whether a browser asks for permission here, before it sends what the page wants to send.
pub(crate) fn is_preflight(method: &http::Method, headers: &HeaderMap) -> bool {
    *method == http::Method::OPTIONS
        && headers.contains_key(header::ORIGIN)
        && headers.contains_key(header::ACCESS_CONTROL_REQUEST_METHOD)
}

/// The permission. It tells nothing that the origin does not know, so no key is asked for.
pub(crate) fn preflight(request: &HeaderMap) -> Response<Body> {
    let mut response = empty(StatusCode::NO_CONTENT);
    let headers = response.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_METHODS, METHODS);
    headers.insert(header::ACCESS_CONTROL_MAX_AGE, REMEMBERED);
    if let Some(allowed) = allowed_headers(request) {
        headers.insert(header::ACCESS_CONTROL_ALLOW_HEADERS, allowed);
    }
    // A page from the internet that is a friend may reach this machine (Private Network Access).
    if request.contains_key("access-control-request-private-network") {
        let yes = HeaderValue::from_static("true");
        headers.insert("access-control-allow-private-network", yes);
    }
    response
}

fn allowed_headers(request: &HeaderMap) -> Option<HeaderValue> {
    let wanted = request.get(header::ACCESS_CONTROL_REQUEST_HEADERS)?.to_str().ok()?;
    let wanted = wanted.split(',').map(|name| name.trim().to_ascii_lowercase());
    let allowed: Vec<_> = wanted
        .filter(|name| HEADERS.contains(&name.as_str()) || name.starts_with(PARAMETERS))
        .collect();
    HeaderValue::try_from(allowed.join(", ")).ok()
}

/// Lets the page of `origin` read the response.
pub(crate) fn share(response: &mut Response<Body>, origin: HeaderValue) {
    let headers = response.headers_mut();
    headers.insert(header::ACCESS_CONTROL_ALLOW_ORIGIN, origin);
    headers.insert(header::ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
    // A cache must not show the answer to one origin to another.
    headers.append(header::VARY, HeaderValue::from_static("Origin"));
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderValue};

    use super::allowed_headers;

    #[test]
    fn only_headers_of_the_protocol_are_allowed() {
        let mut request = HeaderMap::new();
        let wanted = "Content-Type,mcp-param-Region, x-evil, Authorization";
        request.insert("access-control-request-headers", HeaderValue::from_static(wanted));
        let allowed = allowed_headers(&request).unwrap();
        assert_eq!(allowed, "content-type, mcp-param-region, authorization");
    }
}
