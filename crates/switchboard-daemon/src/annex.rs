//! What the listener serves beside MCP: logging in, and the management surface.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode, header};
use serde_json::{Value, json};
use switchboard_admin::{Admin, Body, Whose};
use switchboard_auth::{Answer, me, metadata_address, resource_path};
use switchboard_core::limit::{Limits, Verdict};
use switchboard_core::{Challenge, Denied, Effect, Principal, Reason, scopes};
use switchboard_listen::http::{Access, Annex, AnnexBody, ClientAddress, Visit};
use switchboard_listen::{Alone, Asker, answer_alone};

use crate::identity::Identity;
use crate::watchers::Watchers;

/// Everything beside MCP.
pub(crate) struct Beside {
    pub identity: Arc<Identity>,
    pub admin: Arc<Admin>,
    /// Who is shown what was posted to the path of the feed.
    pub watchers: Arc<Watchers>,
    pub limits: Arc<Limits>,
    /// `http` or `https`, for addresses of our own.
    pub scheme: &'static str,
}

#[async_trait]
impl Annex for Beside {
    fn access(&self, path: &str, of_tenant: bool) -> Access {
        match path {
            "/auth/token" | "/auth/revoke" => Access::Anybody,
            _ if resource_path(path).is_some() && !of_tenant => Access::Anybody,
            "/me" => Access::Principals,
            "/sse" if of_tenant => Access::Principals,
            _ if Admin::serves(path, of_tenant) => Access::Principals,
            _ => Access::Nobody,
        }
    }

    async fn answer(&self, visit: Visit, request: Request<Bytes>) -> Response<AnnexBody> {
        let current = self.identity.current();
        let sign_in = &current.auth.sign_in;
        let from = request.extensions().get::<ClientAddress>().map(|address| address.0);
        match (&visit.caller, request.method(), visit.path.as_str()) {
            (_, &Method::POST, "/auth/token") => {
                said(&sign_in.token(&visit.tenant, request.body(), from).await)
            }
            (_, &Method::POST, "/auth/revoke") => said(&sign_in.revoke(request.body()).await),
            (None, &Method::GET, path) => self.metadata(path, &request),
            (Some(caller), &Method::GET, "/me") => whole(StatusCode::OK, &me(&caller.principal)),
            (Some(caller), &Method::POST, "/sse") => {
                let (principal, bounds) = (caller.principal.clone(), visit.bounds.clone());
                self.call(Asker { principal, address: from, bounds }, &visit, &request).await
            }
            // What is kept first makes a tenant, which is for whoever runs the daemon: who was let in
            // before a tenant was removed does not bring it back.
            (Some(caller), _, _) if visit.front.is_none() && !caller.principal.is_owner() => {
                whole(StatusCode::NOT_FOUND, &json!({ "detail": "Not Found" }))
            }
            (Some(caller), _, _) => {
                let left = match self.limits.admit_key(&caller.principal) {
                    Ok(left) => left,
                    Err(verdict) => return hurried(&verdict),
                };
                let step_up = self.step_up(&caller.principal, &request);
                let mut answer =
                    self.admin.respond(&caller.principal, &visit.tenant, request).await;
                if let Some(step_up) = step_up.filter(|_| answer.status() == StatusCode::FORBIDDEN)
                {
                    answer.headers_mut().insert(header::WWW_AUTHENTICATE, step_up);
                }
                tell(&mut answer, left.as_ref());
                answer.map(|body| match body {
                    Body::Whole(bytes) => AnnexBody::Whole(bytes),
                    Body::Stream(stream) => AnnexBody::Stream(stream),
                })
            }
            _ => whole(StatusCode::METHOD_NOT_ALLOWED, &json!({ "detail": "Method Not Allowed" })),
        }
    }
}

impl Beside {
    /// What MCP clients are told about where to get tokens (RFC 9728, section 3).
    fn metadata(&self, path: &str, request: &Request<Bytes>) -> Response<AnnexBody> {
        let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
        let resource = resource_path(path).zip(host);
        let metadata = resource.and_then(|(path, host)| {
            self.identity
                .current()
                .config
                .resource_metadata(&format!("{}://{host}{path}", self.scheme))
        });
        match metadata {
            Some(metadata) => whole(StatusCode::OK, &metadata),
            None => whole(StatusCode::NOT_FOUND, &json!({ "detail": "Not Found" })),
        }
    }

    /// What a refusal says besides to somebody whose token lacks a scope and nothing else, so that the
    /// client can get another (RFC 6750, section 3.1).
    fn step_up(&self, principal: &Principal, request: &Request<Bytes>) -> Option<HeaderValue> {
        let effect = match request.method() {
            &Method::GET => Effect::Reads,
            _ => Effect::Writes,
        };
        let needed = scopes::wanted_to_manage(principal.standing.scopes.as_deref(), effect)?;
        let reason = Reason::InsufficientScope { needed: vec![needed] };
        let mut denied = Denied::new(reason, "this needs a scope that the token has not");
        let has_metadata = !self.identity.current().config.authorization_servers().is_empty();
        denied.challenge = Challenge { has_metadata, scopes: Vec::new() };
        let host = request.headers().get(header::HOST).and_then(|host| host.to_str().ok());
        let address = host.map(|host| format!("{}://{host}{}", self.scheme, request.uri().path()));
        let metadata = address.as_deref().and_then(metadata_address);
        HeaderValue::try_from(denied.www_authenticate(metadata.as_deref())?).ok()
    }

    /// A single request on the path of the feed: answered, and shown to the streams of the caller.
    async fn call(
        &self,
        asker: Asker,
        visit: &Visit,
        request: &Request<Bytes>,
    ) -> Response<AnnexBody> {
        let Some(front) = &visit.front else { return whole(StatusCode::NOT_FOUND, &json!({})) };
        let by = asker.principal.clone();
        let alone = answer_alone(front, asker, request.body().clone()).await;
        let Alone { method, answer, notice, is_busy } = alone;
        let Some(method) = method else { return json_text(StatusCode::BAD_REQUEST, answer) };
        let answer = Bytes::from(answer);
        let messages = (request.body().clone(), answer.clone());
        let scopes = by.standing.scopes.as_deref();
        let whose = Whose { tenant: &visit.tenant, subject: &by.subject, scopes };
        self.watchers.show_messages(whose, method, messages);
        let verdict = notice.read();
        let status = match verdict {
            _ if is_busy => StatusCode::SERVICE_UNAVAILABLE,
            Some(verdict) if !verdict.is_allowed => StatusCode::TOO_MANY_REQUESTS,
            _ => StatusCode::OK,
        };
        let mut response = json_text(status, answer);
        if is_busy {
            response.headers_mut().insert(header::RETRY_AFTER, 1.into());
        }
        tell(&mut response, verdict);
        response
    }
}

/// Writes what the limits said into the head of an answer.
fn tell<B>(response: &mut Response<B>, verdict: Option<&Verdict>) {
    for (name, value) in verdict.map(Verdict::headers).unwrap_or_default() {
        let value = HeaderValue::try_from(value).expect("names of rules are visible ASCII");
        response.headers_mut().insert(HeaderName::from_static(name), value);
    }
}

/// What somebody gets whose key is used faster than it may be.
fn hurried(verdict: &Verdict) -> Response<AnnexBody> {
    let detail = json!({ "detail": format!("too many requests: {verdict}") });
    let mut response = whole(StatusCode::TOO_MANY_REQUESTS, &detail);
    tell(&mut response, Some(verdict));
    response
}

/// The answer to who wants to log in (RFC 6749, section 5.1: nobody keeps it).
fn said(answer: &Answer) -> Response<AnnexBody> {
    let status = StatusCode::from_u16(answer.status).expect("a status that HTTP knows");
    let mut response = whole(status, &answer.body);
    if let Some(wait) = answer.retry_after {
        let seconds = wait.as_secs() + 1;
        let headers = response.headers_mut();
        headers.insert(header::RETRY_AFTER, seconds.into());
        if status == StatusCode::TOO_MANY_REQUESTS {
            // What there is at most is not told: it would say how many guesses there are.
            let left = HeaderValue::try_from(format!("\"logins\";r=0;t={seconds}"));
            headers.insert("ratelimit", left.expect("visible ASCII"));
            headers.insert("x-ratelimit-remaining", 0.into());
        }
    }
    response
}

fn whole(status: StatusCode, value: &Value) -> Response<AnnexBody> {
    json_text(status, value.to_string())
}

fn json_text(status: StatusCode, text: impl Into<Bytes>) -> Response<AnnexBody> {
    let mut response = Response::new(AnnexBody::Whole(text.into()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
