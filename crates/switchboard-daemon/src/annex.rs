//! What the listener serves beside MCP: logging in, and the management surface.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use serde_json::{Value, json};
use switchboard_admin::{Admin, Body, Whose};
use switchboard_auth::{Answer, me, metadata_address, resource_path};
use switchboard_core::{Challenge, Denied, Effect, Principal, Reason, scopes};
use switchboard_listen::http::{Access, Annex, AnnexBody, ClientAddress, Visit};
use switchboard_listen::{Alone, answer_alone};

use crate::identity::Identity;
use crate::watchers::Watchers;

/// Everything beside MCP.
pub(crate) struct Beside {
    pub identity: Arc<Identity>,
    pub admin: Arc<Admin>,
    /// Who is shown what was posted to the path of the feed.
    pub watchers: Arc<Watchers>,
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
                let principal = caller.principal.clone();
                self.call(principal, &visit, &request).await
            }
            // What is kept first makes a tenant, which is for whoever runs the daemon: who was let in
            // before a tenant was removed does not bring it back.
            (Some(caller), _, _) if visit.front.is_none() && !caller.principal.is_owner() => {
                whole(StatusCode::NOT_FOUND, &json!({ "detail": "Not Found" }))
            }
            (Some(caller), _, _) => {
                let step_up = self.step_up(&caller.principal, &request);
                let mut answer =
                    self.admin.respond(&caller.principal, &visit.tenant, request).await;
                if let Some(step_up) = step_up.filter(|_| answer.status() == StatusCode::FORBIDDEN)
                {
                    answer.headers_mut().insert(header::WWW_AUTHENTICATE, step_up);
                }
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
        principal: Principal,
        visit: &Visit,
        request: &Request<Bytes>,
    ) -> Response<AnnexBody> {
        let Some(front) = &visit.front else { return whole(StatusCode::NOT_FOUND, &json!({})) };
        let by = principal.clone();
        let Alone { method, answer } = answer_alone(front, principal, request.body().clone()).await;
        let Some(method) = method else { return json_text(StatusCode::BAD_REQUEST, answer) };
        let answer = Bytes::from(answer);
        let messages = (request.body().clone(), answer.clone());
        let scopes = by.standing.scopes.as_deref();
        let whose = Whose { tenant: &visit.tenant, subject: &by.subject, scopes };
        self.watchers.show_messages(whose, method, messages);
        json_text(StatusCode::OK, answer)
    }
}

/// The answer to who wants to log in (RFC 6749, section 5.1: nobody keeps it).
fn said(answer: &Answer) -> Response<AnnexBody> {
    let status = StatusCode::from_u16(answer.status).expect("a status that HTTP knows");
    let mut response = whole(status, &answer.body);
    if let Some(wait) = answer.retry_after {
        let seconds = HeaderValue::from(wait.as_secs() + 1);
        response.headers_mut().insert(header::RETRY_AFTER, seconds);
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
