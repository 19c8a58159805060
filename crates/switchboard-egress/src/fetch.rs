//! One small request, with limits: for metadata, registrations and tokens.
//!
//! A connection for each, closed afterwards: these are a handful in an hour, and what is not kept
//! cannot be mixed up.

use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONNECTION, COOKIE, HOST, LOCATION, PROXY_AUTHORIZATION};
use http::uri::{PathAndQuery, Scheme};
use http::{HeaderValue, Method, Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::body::Body as _;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::time::timeout;

use crate::connect::Stream;
use crate::error::EgressError;
use crate::guard::{Guard, Trust};
use crate::origin::{Origin, same_origin};

/// Longest head of a response. Common servers send under 4 KiB.
const HEAD_LIMIT: usize = 64 * 1024;

/// Most header fields of a response.
const HEADER_LIMIT: usize = 100;

/// What one fetch may take.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Longest body of a response.
    pub body_bytes: usize,
    /// From the first name looked up to the last byte, redirects included.
    pub total: Duration,
    /// Redirects that are followed, for GET only.
    pub redirects: u8,
}

impl Default for Limits {
    /// 256 KiB: the longest metadata document of a large provider has 12 KiB. 30 s: token endpoints
    /// that wake up first. Three redirects: one to https, one to another host, one to a path.
    fn default() -> Self {
        Self { body_bytes: 256 * 1024, total: Duration::from_secs(30), redirects: 3 }
    }
}

impl Guard {
    /// Sends a request to its (absolute) address and reads the whole answer.
    ///
    /// Plain `http` goes to this machine only. The redirects of a GET are followed: each address
    /// passes the guard again, as one that a server told us where it leaves the origin, and what
    /// identifies us stays behind. Any other redirect is the answer.
    ///
    /// # Errors
    ///
    /// A status is never one; [`EgressError`] says what kept an answer from coming.
    pub async fn fetch(
        &self,
        trust: Trust,
        request: Request<Bytes>,
        limits: &Limits,
    ) -> Result<Response<Bytes>, EgressError> {
        let host = Origin::of(request.uri())?.host;
        let answer = Box::pin(self.follow(trust, request, limits));
        timeout(limits.total, answer)
            .await
            .map_err(|_| EgressError::TimedOut { host, limit: limits.total })?
    }

    async fn follow(
        &self,
        mut trust: Trust,
        mut request: Request<Bytes>,
        limits: &Limits,
    ) -> Result<Response<Bytes>, EgressError> {
        let mut left = limits.redirects;
        loop {
            let response = self.once(trust, &request, limits).await?;
            if request.method() != Method::GET || !is_redirect(response.status()) {
                return Ok(response);
            }
            let host = || Origin::of(request.uri()).map_or_else(|_| String::new(), |o| o.host);
            let refuse = |why| Err(EgressError::Redirect { host: host(), why });
            if left == 0 {
                return refuse("too often");
            }
            left -= 1;
            let Some(target) = target(request.uri(), &response) else {
                return refuse("to something that is no address");
            };
            if request.uri().scheme() == Some(&Scheme::HTTPS)
                && target.scheme() != Some(&Scheme::HTTPS)
            {
                return refuse("from https to an insecure address");
            }
            if !same_origin(request.uri(), &target) {
                trust = trust.passed_on(request.uri());
                for name in [AUTHORIZATION, COOKIE, PROXY_AUTHORIZATION] {
                    request.headers_mut().remove(name);
                }
            }
            *request.uri_mut() = target;
        }
    }

    async fn once(
        &self,
        trust: Trust,
        request: &Request<Bytes>,
        limits: &Limits,
    ) -> Result<Response<Bytes>, EgressError> {
        let origin = Origin::of(request.uri())?;
        let pinned = self.pin(&origin, trust).await?;
        if !origin.secure && !pinned.is_loopback() {
            return Err(EgressError::Insecure { host: origin.host });
        }
        let stream = self.connect_pinned(&pinned, origin.secure).await?;
        exchange(stream, outgoing(request)?, limits.body_bytes).await.map_err(|error| match error {
            Failure::TooLong => {
                EgressError::TooLong { host: origin.host, limit: limits.body_bytes }
            }
            Failure::Broken(cause) => EgressError::Broken { host: origin.host, cause },
        })
    }
}

enum Failure {
    TooLong,
    Broken(String),
}

async fn exchange(
    stream: Stream,
    request: Request<Full<Bytes>>,
    limit: usize,
) -> Result<Response<Bytes>, Failure> {
    let broken = |error: hyper::Error| Failure::Broken(error.to_string());
    let (mut sender, connection) = http1::Builder::new()
        .max_buf_size(HEAD_LIMIT)
        .max_headers(HEADER_LIMIT)
        .handshake::<_, Full<Bytes>>(TokioIo::new(stream))
        .await
        .map_err(broken)?;
    let answer = async {
        let (head, body) = sender.send_request(request).await.map_err(broken)?.into_parts();
        if body.size_hint().lower() > limit as u64 {
            return Err(Failure::TooLong);
        }
        let body = Limited::new(body, limit).collect().await.map_err(|error| {
            if error.is::<LengthLimitError>() {
                Failure::TooLong
            } else {
                Failure::Broken(error.to_string())
            }
        })?;
        Ok(Response::from_parts(head, body.to_bytes()))
    };
    let mut answer = pin!(answer);
    // The connection does the work and may end before the answer was picked up.
    tokio::select! {
        answer = &mut answer => answer,
        _ = connection => answer.await,
    }
}

/// The request as it goes over the wire: with a relative target, and the host it is for.
fn outgoing(request: &Request<Bytes>) -> Result<Request<Full<Bytes>>, EgressError> {
    let refused = |_| EgressError::Address { why: "it cannot be sent" };
    let uri = request.uri();
    let path = uri.path_and_query().map_or("/", PathAndQuery::as_str);
    let mut outgoing = Request::new(Full::new(request.body().clone()));
    *outgoing.method_mut() = request.method().clone();
    *outgoing.headers_mut() = request.headers().clone();
    *outgoing.uri_mut() = path.parse().map_err(|_| EgressError::Address { why: "its path" })?;
    let authority = uri.authority().map_or("", |authority| authority.as_str());
    outgoing.headers_mut().insert(HOST, HeaderValue::try_from(authority).map_err(refused)?);
    outgoing.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    Ok(outgoing)
}

fn is_redirect(status: StatusCode) -> bool {
    matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308)
}

/// Where a redirect leads: an absolute address, or a path at the same origin.
fn target(from: &Uri, response: &Response<Bytes>) -> Option<Uri> {
    let location = response.headers().get(LOCATION)?.to_str().ok()?;
    let uri: Uri = location.parse().ok()?;
    if uri.scheme().is_some() {
        return Some(uri);
    }
    // `//host/` names another host without a scheme; a path such as `next` is relative to a
    // directory. Metadata has no need of either.
    if !location.starts_with('/') || location.starts_with("//") {
        return None;
    }
    let mut parts = from.clone().into_parts();
    parts.path_and_query = uri.into_parts().path_and_query;
    Uri::from_parts(parts).ok()
}

#[cfg(test)]
mod tests;
