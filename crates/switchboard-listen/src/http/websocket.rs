//! `WebSocket` at `/ws`: no revision defines it, so it is what the SDKs that have it agree on: the
//! sub-protocol `mcp`, one message in each text frame, otherwise as over the standard streams.

mod link;

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode, Version, header};
use hyper::body::Incoming as HttpBody;
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use switchboard_core::Admitted;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::{Role, WebSocketConfig};

use crate::conversation::{Conversation, Terms};
use crate::http::message::{Body, Refused, Reply, empty, refuse};
use crate::http::places::Work;
use crate::http::{Service, limited};

/// The sub-protocol of the SDKs.
const PROTOCOL: &str = "mcp";

/// Requests of one conversation under way at once: more calls than one program makes.
const IN_FLIGHT: usize = 256;

/// What is read at once. Kept for as long as the connection lives, and most messages are small.
const READ_BUFFER: usize = 8 * 1024;

impl Service {
    /// `GET /ws`: takes the connection out of HTTP. `work` keeps its place.
    pub(crate) fn web_socket(
        &self,
        caller: Admitted,
        mut request: Request<HttpBody>,
        work: Work,
    ) -> Reply {
        let response = accept(&request)?;
        let Admitted { principal, revoked } = caller;
        let terms = Terms {
            listener: "websocket",
            in_flight: IN_FLIGHT,
            shared: Some(self.bounds.clone()),
            stateless: true,
            pace: self.bounds.pace(&principal),
            batches: false,
            address: limited::address(&request),
        };
        let front = Arc::clone(&self.front);
        let limit = self.config.body_limit.as_usize();
        let upgrade = hyper::upgrade::on(&mut request);
        self.front.tasks.spawn(async move {
            let Some(socket) = take_over(upgrade, limit).await else { return };
            let (conversation, outgoing) = Conversation::open(&front, principal, terms);
            link::hold(&front, conversation, outgoing, socket, revoked).await;
            drop(work);
        });
        Ok(response)
    }
}

pub(super) type Socket = WebSocketStream<TokioIo<hyper::upgrade::Upgraded>>;

/// The connection, once the response is out; `None` where the client left before.
async fn take_over(upgrade: OnUpgrade, limit: usize) -> Option<Socket> {
    let upgraded = upgrade.await.ok()?;
    // One limit for a frame and for a message of many: it is the message that has to be kept.
    let config = WebSocketConfig::default()
        .read_buffer_size(READ_BUFFER)
        .max_frame_size(Some(limit))
        .max_message_size(Some(limit));
    Some(WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Server, Some(config)).await)
}

/// The answer to a handshake (RFC 6455, section 4.2).
fn accept(request: &Request<HttpBody>) -> Result<Response<Body>, Refused> {
    let headers = request.headers();
    let bad = |message: &str| Refused::from(refuse(StatusCode::BAD_REQUEST, message));
    if request.version() != Version::HTTP_11 || !names(headers, &header::UPGRADE, "websocket") {
        let mut response = refuse(
            StatusCode::UPGRADE_REQUIRED,
            "here is a WebSocket; without one, MCP is at /mcp and at /sse",
        );
        let headers = response.headers_mut();
        headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
        headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
        return Err(response.into());
    }
    if !names(headers, &header::CONNECTION, "upgrade") {
        return Err(bad("the header `Connection` must say `Upgrade`"));
    }
    if single(headers, &header::SEC_WEBSOCKET_VERSION) != Some("13") {
        let mut response = refuse(StatusCode::UPGRADE_REQUIRED, "the WebSocket version must be 13");
        let version = HeaderValue::from_static("13");
        response.headers_mut().insert(header::SEC_WEBSOCKET_VERSION, version);
        return Err(response.into());
    }
    let key = single(headers, &header::SEC_WEBSOCKET_KEY)
        .filter(|key| STANDARD.decode(key).is_ok_and(|bytes| bytes.len() == 16))
        .ok_or_else(|| bad("`Sec-WebSocket-Key` must be 16 bytes in base64"))?;
    let protocol = headers.contains_key(header::SEC_WEBSOCKET_PROTOCOL);
    if protocol && !names(headers, &header::SEC_WEBSOCKET_PROTOCOL, PROTOCOL) {
        return Err(bad("the only sub-protocol here is `mcp`"));
    }
    let mut response = empty(StatusCode::SWITCHING_PROTOCOLS);
    let headers = response.headers_mut();
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
    headers.insert(header::CONNECTION, HeaderValue::from_static("Upgrade"));
    let accepted = HeaderValue::from_str(&derive_accept_key(key.as_bytes()));
    let accepted = accepted.expect("base64 is visible ASCII");
    headers.insert(header::SEC_WEBSOCKET_ACCEPT, accepted);
    if protocol {
        headers.insert(header::SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_static(PROTOCOL));
    }
    Ok(response)
}

/// Whether a header that is a list has `token` in it.
fn names(headers: &HeaderMap, name: &HeaderName, token: &str) -> bool {
    let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|part| part.trim().eq_ignore_ascii_case(token))
}

/// The value of a header that is there once.
fn single<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    let mut values = headers.get_all(name).iter();
    let value = values.next()?.to_str().ok()?;
    values.next().is_none().then(|| value.trim())
}
