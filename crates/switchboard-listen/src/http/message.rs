//! HTTP bodies and plain responses.

use std::pin::Pin;

use bytes::Bytes;
use futures_util::Stream;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use http_body_util::{BodyExt as _, Either, Full, Limited, StreamBody};
use hyper::body::{Frame, Incoming};
use switchboard_mcp::{RequestId, RpcError, encode};

use crate::http::{HttpConfig, Route};

pub(crate) type Events =
    Pin<Box<dyn Stream<Item = Result<Frame<Bytes>, std::convert::Infallible>> + Send>>;

/// What we answer with: whole, or piece by piece.
pub(crate) type Body = Either<Full<Bytes>, StreamBody<Events>>;

/// A response, or a refusal on the way to one.
pub(crate) type Reply = Result<Response<Body>, Refused>;

/// A response as an error, so that `?` can end a request. Boxed: most requests are not refused.
pub(crate) struct Refused(Box<Response<Body>>);

impl From<Response<Body>> for Refused {
    fn from(response: Response<Body>) -> Self {
        Self(Box::new(response))
    }
}

impl Refused {
    pub(crate) fn into_response(self) -> Response<Body> {
        *self.0
    }
}

/// Headers of a response that is as it should be.
const HEADERS: usize = 4;

pub(crate) fn text(
    status: StatusCode,
    kind: &'static str,
    body: impl Into<Bytes>,
) -> Response<Body> {
    let mut response = Response::new(Either::Left(Full::new(body.into())));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.reserve(HEADERS);
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    // What is answered here is for one caller, and a browser must not guess what it is.
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}

pub(crate) fn json(status: StatusCode, body: impl Into<Bytes>) -> Response<Body> {
    text(status, "application/json", body)
}

/// A refusal for a caller that may not even speak MCP.
pub(crate) fn refuse(status: StatusCode, message: &str) -> Response<Body> {
    json(status, serde_json::json!({ "error": message }).to_string())
}

/// A refusal that holds for a moment only.
pub(crate) fn unavailable(message: &str) -> Response<Body> {
    let mut response = refuse(StatusCode::SERVICE_UNAVAILABLE, message);
    response.headers_mut().insert(header::RETRY_AFTER, 1.into());
    response
}

/// A refusal in the words of MCP.
pub(crate) fn rpc(status: StatusCode, id: Option<&RequestId>, error: &RpcError) -> Response<Body> {
    json(status, encode::error(id, error))
}

pub(crate) fn empty(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Either::Left(Full::new(Bytes::new())));
    *response.status_mut() = status;
    response
}

pub(crate) fn not_allowed(route: Route) -> Response<Body> {
    let allowed = match route {
        Route::Mcp => "POST, GET, DELETE",
        Route::Messages => "POST",
        _ => "GET",
    };
    let mut response = refuse(StatusCode::METHOD_NOT_ALLOWED, "this method is not served here");
    response.headers_mut().insert(header::ALLOW, HeaderValue::from_static(allowed));
    response
}

/// Events, each a piece of its own. Ends when the stream does.
pub(crate) fn events(stream: impl Stream<Item = Bytes> + Send + 'static) -> Response<Body> {
    use futures_util::StreamExt as _;
    let frames: Events = Box::pin(stream.map(|bytes| Ok(Frame::data(bytes))));
    let mut response = Response::new(Either::Right(StreamBody::new(frames)));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    // Proxies that gather a response before they pass it on would hold events back
    // (2026-07-28, "Streamable HTTP").
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    response
}

/// Clients send JSON (all revisions, "Sending Messages").
pub(crate) fn check_json(headers: &HeaderMap) -> Result<(), Refused> {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
    let kind = kind.unwrap_or_default().split(';').next().unwrap_or_default().trim();
    if kind.eq_ignore_ascii_case("application/json") {
        return Ok(());
    }
    Err(refuse(
        StatusCode::UNSUPPORTED_MEDIA_TYPE,
        "the body must be sent as `Content-Type: application/json`",
    )
    .into())
}

/// Reads the whole body within the limits of the configuration.
pub(crate) async fn read(
    headers: &HeaderMap,
    body: Incoming,
    config: &HttpConfig,
) -> Result<Bytes, Refused> {
    let limit = config.body_limit;
    let too_large = || {
        refuse(
            StatusCode::PAYLOAD_TOO_LARGE,
            &format!("the body is larger than {limit} (`http.body_limit`)"),
        )
    };
    let announced = headers.get(header::CONTENT_LENGTH);
    let announced = announced.and_then(|length| length.to_str().ok()?.parse::<u64>().ok());
    if announced.is_some_and(|length| length > limit.bytes()) {
        return Err(too_large().into());
    }
    let body = Limited::new(body, limit.as_usize()).collect();
    match tokio::time::timeout(config.body_timeout.as_duration(), body).await {
        Ok(Ok(body)) => Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<http_body_util::LengthLimitError>() => Err(too_large().into()),
        Ok(Err(_)) => Err(refuse(StatusCode::BAD_REQUEST, "the body did not arrive whole").into()),
        Err(_) => Err(refuse(
            StatusCode::REQUEST_TIMEOUT,
            &format!(
                "the body did not arrive within {} (`http.body_timeout`)",
                config.body_timeout
            ),
        )
        .into()),
    }
}
