//! Requests of 2026-07-28: each says everything about itself.

use std::sync::Arc;

use bytes::Bytes;
use futures_util::stream;
use http::{HeaderMap, HeaderName, StatusCode};
use switchboard_core::Principal;
use switchboard_core::limit::Notice;
use switchboard_mcp::{Method, ProtocolVersion, RequestId, RpcError, code, decode_header, encode};
use tokio::sync::mpsc;

use crate::conversation::{modern_version, unsupported};
use crate::front::{Asked, Caller, Front, is_of_sessions};
use crate::http::Service;
use crate::http::answer::{KEEP_ALIVE, KEEP_ALIVE_COMMENT, event, respond};
use crate::http::limited::noted_stateless;
use crate::http::message::{Refused, Reply, events, json, rpc};
use crate::http::post::VERSION;
use crate::outlet::OUTLET_QUEUE;
use crate::park;
use crate::subscription::Subscription;

static METHOD: HeaderName = HeaderName::from_static("mcp-method");
static NAME: HeaderName = HeaderName::from_static("mcp-name");

impl Service {
    pub(crate) async fn modern(
        &self,
        principal: Principal,
        headers: &HeaderMap,
        id: RequestId,
        mut asked: Asked,
    ) -> Reply {
        let bad = |error: RpcError| Refused::from(rpc(StatusCode::BAD_REQUEST, Some(&id), &error));
        let version = modern_version(&asked);
        // The headers are looked at before the version is judged, and after all else of `_meta`.
        if !matches!(&version, Err(error) if error.code != code::UNSUPPORTED_VERSION) {
            check_headers(headers, &asked).map_err(bad)?;
        }
        version.map_err(bad)?;
        check_arguments(headers, &asked, &principal, &self.front).map_err(bad)?;
        let caller = Caller::stateless(principal, &asked.envelope).map_err(bad)?;
        match asked.method {
            Method::Discover => Ok(json(
                StatusCode::OK,
                encode::result(&id, &self.front.discover(&caller.principal)),
            )),
            Method::Listen => self.listen(caller, &id, &asked),
            _ if is_of_sessions(&asked.method) => {
                let error = RpcError::new(code::METHOD_NOT_FOUND, "2026-07-28 has no such method");
                Err(rpc(StatusCode::NOT_FOUND, Some(&id), &error).into())
            }
            _ => {
                let hears = asked.envelope.progress_token.is_some() || caller.log_level.is_some();
                let (out, messages) = hears.then(|| mpsc::channel(OUTLET_QUEUE)).unzip();
                let front = Arc::clone(&self.front);
                let notice = Arc::<Notice>::default();
                asked.notice = Some(Arc::clone(&notice));
                // Dropped when the client disconnects, which is how it cancels.
                let answer = Box::pin(async move { park::ask(&front, caller, asked, out).await });
                Ok(noted_stateless(respond(id, answer, messages).await, &notice))
            }
        }
    }

    fn listen(&self, caller: Caller, id: &RequestId, asked: &Asked) -> Reply {
        let params = asked.params.as_ref();
        let subscription = Subscription::open(&self.front, caller, id.clone(), params)
            .map_err(|error| rpc(StatusCode::BAD_REQUEST, Some(id), &error))?;
        let (out, messages) = mpsc::channel(OUTLET_QUEUE);
        // Outlives the connection by as long as servers take to hear that nobody listens.
        self.front.tasks.spawn(async move { subscription.run(&out, out.closed()).await });
        Ok(events(stream::unfold(messages, listened)))
    }
}

async fn listened(
    mut messages: mpsc::Receiver<Vec<u8>>,
) -> Option<(Bytes, mpsc::Receiver<Vec<u8>>)> {
    let bytes = tokio::select! {
        message = messages.recv() => event(&message?),
        () = tokio::time::sleep(KEEP_ALIVE) => Bytes::from_static(KEEP_ALIVE_COMMENT),
    };
    Some((bytes, messages))
}

/// The headers that repeat the body must be there once and say the same: whoever routes by them
/// and whoever acts on the body must see one request.
fn check_headers(headers: &HeaderMap, asked: &Asked) -> Result<(), RpcError> {
    let version = single(headers, &VERSION)?;
    let requested = asked.envelope.protocol_version.as_deref().unwrap_or_default();
    if version != requested {
        // Of two versions the one in the header may not be served either, and that helps more.
        if ProtocolVersion::parse(version).is_none() && requested.is_empty() {
            return Err(unsupported(version));
        }
        return Err(mismatch(VERSION.as_str(), version, requested));
    }
    let method = single(headers, &METHOD)?;
    if method != asked.method.as_str() {
        return Err(mismatch("mcp-method", method, asked.method.as_str()));
    }
    if let Some(name) = asked.method.mirrored().and(asked.name()) {
        let header = single(headers, &NAME)?;
        let decoded = decode_header(header);
        if decoded.as_deref() != Some(name) {
            return Err(mismatch("mcp-name", header, name));
        }
    }
    Ok(())
}

/// The arguments that the tool has marked are repeated in headers of their own.
fn check_arguments(
    headers: &HeaderMap,
    asked: &Asked,
    principal: &Principal,
    front: &Front,
) -> Result<(), RpcError> {
    let (Method::ToolsCall, Some(name)) = (&asked.method, asked.name()) else { return Ok(()) };
    let Some(marked) = front.gateway.param_headers(principal, name) else { return Ok(()) };
    let members = asked.params.as_ref().and_then(|params| params.members().ok());
    let arguments = members.and_then(|members| members.get("arguments"));
    let received = headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
    marked.check(arguments, received)
}

fn single<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Result<&'a str, RpcError> {
    let problem =
        |what: &str| RpcError::new(code::HEADER_MISMATCH, format!("the header `{name}` {what}"));
    let mut values = headers.get_all(name).iter();
    let first = values.next().ok_or_else(|| problem("is missing"))?;
    if values.next().is_some() {
        return Err(problem("is there twice"));
    }
    let text = std::str::from_utf8(first.as_bytes()).map_err(|_| problem("is not text"))?;
    Ok(text.trim_matches([' ', '\t']))
}

fn mismatch(name: &str, header: &str, body: &str) -> RpcError {
    RpcError::new(
        code::HEADER_MISMATCH,
        format!("the header `{name}` says `{header}`, the body says `{body}`"),
    )
}
