//! What a POST is: told by what it carries, not by what it calls itself.

use http::{HeaderMap, HeaderName, Request, StatusCode, header};
use hyper::body::Incoming as HttpBody;
use switchboard_core::Principal;
use switchboard_mcp::{Era, Incoming, Json, Method, ProtocolVersion, RpcError, code};

use crate::front::Asked;
use crate::http::Service;
use crate::http::limited::{self, Arrival};
use crate::http::message::{Refused, Reply, check_json, read, refuse, rpc, unavailable};

pub(crate) static SESSION: HeaderName = HeaderName::from_static("mcp-session-id");
pub(crate) static VERSION: HeaderName = HeaderName::from_static("mcp-protocol-version");

impl Service {
    pub(crate) async fn post(&self, principal: Principal, request: Request<HttpBody>) -> Reply {
        let slot = self.bounds.slot(&principal).map_err(|busy| {
            self.operations.rejected("in_flight");
            Refused::from(unavailable(&busy.to_string()))
        })?;
        let address = limited::address(&request);
        let (head, body) = request.into_parts();
        let headers = head.headers;
        check_json(&headers)?;
        // Under the address of a tenant it may be a client of the engine before us, which never asked
        // what they accept; whether it is one of them shows in the message.
        let may_be_alone = head.uri.path() != "/mcp" && !headers.contains_key(&SESSION);
        if !may_be_alone {
            check_accept(&headers)?;
        }
        let body = read(&headers, body, &self.config).await?;
        if body.trim_ascii_start().first() == Some(&b'[') {
            let json = Json::parse(body).map_err(|error| {
                let error = RpcError::new(code::PARSE, error.to_string());
                rpc(StatusCode::BAD_REQUEST, None, &error)
            })?;
            let arrival = Arrival { slot, address };
            return self.batch(&principal, &headers, &json, arrival).await;
        }
        let message = Incoming::decode(body)
            .map_err(|refusal| rpc(StatusCode::BAD_REQUEST, refusal.id.as_ref(), &refusal.error))?;
        match message {
            Incoming::Request { id, method, params } => {
                let mut asked = match Asked::read(method, params) {
                    Ok(asked) => asked,
                    Err(error) => {
                        // In a session an error is the answer to a request that came well.
                        let legacy = headers.contains_key(&SESSION);
                        let legacy = legacy && self.session(&principal, &headers).is_ok();
                        let status = if legacy { StatusCode::OK } else { StatusCode::BAD_REQUEST };
                        return Err(rpc(status, Some(&id), &error).into());
                    }
                };
                // A request of a session outlives its connection, and so does its place.
                asked.slot = Some(slot);
                asked.address = address;
                if asked.envelope.is_modern() || claims_modern(&headers) {
                    check_accept(&headers)?;
                    return self.modern(principal, &headers, id, asked).await;
                }
                if may_be_alone && asked.method != Method::Initialize {
                    let may_stream = accepts(&headers, "text/event-stream");
                    return self.sessionless(principal, id, asked, may_stream).await;
                }
                check_accept(&headers)?;
                self.legacy_request(principal, &headers, id, asked).await
            }
            Incoming::Notification { method, params } => {
                self.notification(&principal, &headers, &method, params.as_ref())
            }
            Incoming::Response { id, outcome } => {
                self.response(&principal, &headers, id.as_ref(), outcome)
            }
        }
    }
}

/// A version header that no legacy client sends, and no session: the request means to be modern,
/// and gets the errors of that era for what it lacks.
fn claims_modern(headers: &HeaderMap) -> bool {
    let Some(version) = headers.get(&VERSION) else { return false };
    let version = version.to_str().ok().and_then(ProtocolVersion::parse);
    version.is_none_or(|version| version.era() == Era::Modern) && !headers.contains_key(&SESSION)
}

/// What nearly all clients write.
const BOTH: &str = "application/json, text/event-stream";

/// Clients take both forms of answer (all revisions, "Sending Messages").
fn check_accept(headers: &HeaderMap) -> Result<(), Refused> {
    if headers.get(header::ACCEPT).is_some_and(|value| value == BOTH) {
        return Ok(());
    }
    if accepts(headers, "application/json") && accepts(headers, "text/event-stream") {
        return Ok(());
    }
    Err(refuse(
        StatusCode::NOT_ACCEPTABLE,
        "the client must accept both `application/json` and `text/event-stream`",
    )
    .into())
}

/// Whether an `Accept` header allows `kind`; no header allows everything (RFC 9110, 12.5.1).
pub(crate) fn accepts(headers: &HeaderMap, kind: &str) -> bool {
    let mut values = headers.get_all(header::ACCEPT).iter().peekable();
    if values.peek().is_none() {
        return true;
    }
    let kind = kind.as_bytes();
    let family = kind.iter().position(|&byte| byte == b'/').map_or(kind, |at| &kind[..=at]);
    values.flat_map(|value| value.as_bytes().split(|&byte| byte == b',')).any(|range| {
        let end = range.iter().position(|&byte| byte == b';').unwrap_or(range.len());
        let range = range[..end].trim_ascii();
        range.eq_ignore_ascii_case(kind)
            || range == b"*/*"
            || range.strip_suffix(b"*").is_some_and(|range| range.eq_ignore_ascii_case(family))
    })
}
