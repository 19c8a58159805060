//! Bodies of answers, which a listener passes on without knowing what they are.

use bytes::Bytes;
use futures_util::stream::{BoxStream, Stream, StreamExt as _};
use http::header::{self, HeaderMap, HeaderValue};
use http::{Request, Response, StatusCode};
use serde::Serialize;

/// The body of an answer.
pub enum Body {
    Whole(Bytes),
    /// Events (`text/event-stream`), until one side has enough. Dropping it is all it takes to end
    /// it.
    Stream(BoxStream<'static, Bytes>),
}

pub(crate) fn json(status: StatusCode, value: &impl Serialize) -> Response<Body> {
    typed(status, "application/json", value)
}

pub(crate) fn typed(
    status: StatusCode,
    content: &'static str,
    value: &impl Serialize,
) -> Response<Body> {
    // Values of ours have text for keys, which is all that could go wrong.
    let text = serde_json::to_vec(value).unwrap_or_default();
    let mut response = Response::new(Body::Whole(text.into()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

/// A stream of events. The third header keeps a proxy from collecting them.
pub(crate) fn events(stream: impl Stream<Item = Bytes> + Send + 'static) -> Response<Body> {
    let mut response = Response::new(Body::Stream(stream.boxed()));
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/event-stream"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
    response
}

/// Whether the client names this type in `Accept`. Ranges do not count: every client sends `*/*`.
pub(crate) fn accepts<B>(request: &Request<B>, wanted: &str) -> bool {
    let values = request.headers().get_all(header::ACCEPT);
    let mut types =
        values.iter().filter_map(|value| value.to_str().ok()).flat_map(|v| v.split(','));
    types.any(|one| is_type(one, wanted))
}

/// Whether the body is said to be of this type.
pub(crate) fn is_of(headers: &HeaderMap, wanted: &str) -> bool {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    value.is_some_and(|value| is_type(value, wanted))
}

fn is_type(value: &str, wanted: &str) -> bool {
    let essence = value.split(';').next().unwrap_or_default();
    essence.trim().eq_ignore_ascii_case(wanted)
}
