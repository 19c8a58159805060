//! Requests to identity providers, each through the guard.

use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_TYPE, USER_AGENT};
use http::{HeaderValue, Method, Request, Response, StatusCode, Uri};
use serde::de::DeserializeOwned;
use switchboard_egress::{EgressError, Guard, Limits, Trust};

/// Why a provider said nothing of use.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NetError {
    #[error(transparent)]
    Egress(#[from] EgressError),
    #[error("the answer has status {0}")]
    Status(StatusCode),
    #[error("the answer is not as it should be: {0}")]
    Unfit(&'static str),
}

/// Documents of providers have a few KiB and come at once. No redirect: what a provider publishes
/// stands where its address says, and whoever could redirect it could replace it.
const LIMITS: Limits =
    Limits { body_bytes: 256 * 1024, total: Duration::from_secs(10), redirects: 0 };

const AGENT: HeaderValue =
    HeaderValue::from_static(concat!("switchboard/", env!("CARGO_PKG_VERSION")));

/// Fetches a JSON document.
pub(crate) async fn get<T: DeserializeOwned>(
    guard: &Guard,
    trust: Trust,
    uri: &Uri,
) -> Result<T, NetError> {
    let mut request = Request::new(Bytes::new());
    *request.uri_mut() = uri.clone();
    request.headers_mut().insert(ACCEPT, HeaderValue::from_static("application/json"));
    request.headers_mut().insert(USER_AGENT, AGENT);
    let response = guard.fetch(trust, request, &LIMITS).await?;
    if response.status() != StatusCode::OK {
        return Err(NetError::Status(response.status()));
    }
    serde_json::from_slice(response.body()).map_err(|_| NetError::Unfit("it is no such document"))
}

/// Calls an operation of AWS's JSON 1.1 protocol; any status is an answer.
pub(crate) async fn call(
    guard: &Guard,
    uri: &Uri,
    target: &'static str,
    body: &serde_json::Value,
) -> Result<Response<Bytes>, NetError> {
    let mut request = Request::new(Bytes::from(body.to_string()));
    *request.method_mut() = Method::POST;
    *request.uri_mut() = uri.clone();
    let headers = request.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-amz-json-1.1"));
    headers.insert("x-amz-target", HeaderValue::from_static(target));
    headers.insert(USER_AGENT, AGENT);
    Ok(guard.fetch(Trust::Configured, request, &LIMITS).await?)
}
