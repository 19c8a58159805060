//! REST below `/api/v1`: the same management for those who would rather send JSON to addresses.
//!
//! There is one table of routes ([`table`]). A request is looked up in it, its body is read as the
//! type that stands there and its answer written as the type that stands there, and the OpenAPI
//! description is made of it: what is described is what is done.

mod openapi;
mod route;
mod table;

use bytes::Bytes;
use http::header::{self, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use serde_json::{Value, json};

use crate::body::{self, Body, is_of};
use crate::desk::{Desk, Version};
use crate::fault::Fault;
use crate::rest::route::{Call, Reply, Route};

pub(crate) struct Rest {
    routes: Vec<Route>,
    openapi: Value,
}

/// Why a request got no answer of the sort that it wanted.
struct Refusal {
    status: StatusCode,
    code: &'static str,
    detail: String,
}

impl Rest {
    pub(crate) fn new() -> Self {
        let routes = table::routes();
        let openapi = openapi::describe(&routes);
        Self { routes, openapi }
    }

    pub(crate) fn openapi(&self) -> &Value {
        &self.openapi
    }

    pub(crate) async fn respond(
        &self,
        desk: Desk,
        path: &str,
        request: &Request<Bytes>,
    ) -> Response<Body> {
        if path == "/openapi.json" && request.method() == Method::GET {
            return body::json(StatusCode::OK, &self.openapi);
        }
        match self.answer(desk, path, request).await {
            Ok(response) => response,
            Err(refusal) => refusal.response(),
        }
    }

    async fn answer(
        &self,
        desk: Desk,
        path: &str,
        request: &Request<Bytes>,
    ) -> Result<Response<Body>, Refusal> {
        let (route, parts) = self.find(request.method(), path)?;
        // Before the body is looked at: who may not do it learns nothing about how it is done.
        desk.access.require(route.right)?;
        let call = Call {
            parts,
            query: form_urlencoded::parse(request.uri().query().unwrap_or_default().as_bytes())
                .into_owned()
                .collect(),
            body: read(route, request)?,
            version: version(request),
        };
        route.check_query(&call)?;
        let is_conditional = call.version != Version::Any;
        let reply = (route.handler)(desk, call).await.map_err(|fault| match fault {
            // The condition was the reason (RFC 9110, section 13.1.1).
            Fault::Conflict(key) if is_conditional => Refusal {
                status: StatusCode::PRECONDITION_FAILED,
                code: "CONFLICT",
                detail: Fault::Conflict(key).to_string(),
            },
            fault => fault.into(),
        })?;
        Ok(response(route, reply, request))
    }

    fn find(&self, method: &Method, path: &str) -> Result<(&Route, Vec<String>), Refusal> {
        let mut others = Vec::new();
        for route in &self.routes {
            let Some(parts) = route.matches(path) else { continue };
            if route.method == method {
                return Ok((route, parts));
            }
            others.push(route.method.as_str());
        }
        if others.is_empty() {
            return Err(Fault::NotFound { what: "resource", key: path.to_owned() }.into());
        }
        let detail = format!("this resource has {}", others.join(", "));
        Err(Refusal { status: StatusCode::METHOD_NOT_ALLOWED, code: "METHOD_NOT_ALLOWED", detail })
    }
}

/// The body of a request that changes something. It has to be said to be JSON also where there is
/// none: no page of a stranger can make a browser send that without asking first.
fn read(route: &Route, request: &Request<Bytes>) -> Result<Value, Refusal> {
    if matches!(route.method, Method::GET | Method::DELETE) {
        return Ok(Value::Null);
    }
    if !is_of(request.headers(), "application/json") {
        return Err(Refusal {
            status: StatusCode::UNSUPPORTED_MEDIA_TYPE,
            code: "INVALID",
            detail: "`Content-Type` has to be `application/json`".to_owned(),
        });
    }
    if route.body_limit < request.body().len() {
        return Err(Refusal {
            status: StatusCode::PAYLOAD_TOO_LARGE,
            code: "LIMIT_EXCEEDED",
            detail: format!("the body has more than {} bytes", route.body_limit),
        });
    }
    if request.body().is_empty() {
        return Ok(Value::Null);
    }
    serde_json::from_slice(request.body())
        .map_err(|error| Fault::Invalid(format!("the body is no JSON: {error}")).into())
}

/// Which version is meant, by `If-Match` and `If-None-Match` (RFC 9110, section 13.1). A tag that is
/// none of ours is of no version.
fn version<B>(request: &Request<B>) -> Version {
    const NONE: i64 = -1;
    let text = |name| request.headers().get(name).and_then(|value| value.to_str().ok());
    match (text(header::IF_MATCH), text(header::IF_NONE_MATCH)) {
        (Some(tag), _) if tag.trim() != "*" => Version::Seen(version_of(tag).unwrap_or(NONE)),
        (None, Some(tag)) if tag.trim() == "*" && request.method() == Method::PUT => {
            Version::Absent
        }
        _ => Version::Any,
    }
}

fn version_of(tag: &str) -> Option<i64> {
    tag.trim().strip_prefix('"')?.strip_suffix('"')?.parse().ok()
}

fn response(route: &Route, reply: Reply, request: &Request<Bytes>) -> Response<Body> {
    let seen = request.headers().get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok());
    let is_known = reply.version.is_some() && seen.and_then(version_of) == reply.version;
    let mut response = match reply.value {
        _ if is_known && route.method == Method::GET => empty(StatusCode::NOT_MODIFIED),
        Some(value) => body::json(route.success, &value),
        None => empty(route.success),
    };
    let headers = response.headers_mut();
    if let Some(version) = reply.version {
        // Digits between quotes are what a header can carry.
        if let Ok(tag) = HeaderValue::from_str(&format!("\"{version}\"")) {
            headers.insert(header::ETAG, tag);
        }
    }
    if let Some(key) = reply.made {
        let path = request.uri().path();
        let place = format!("{}/{}", path.trim_end_matches('/'), route::encoded(&key));
        if let Ok(place) = HeaderValue::from_str(&place) {
            headers.insert(header::LOCATION, place);
        }
    }
    response
}

fn empty(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(Body::Whole(Bytes::new()));
    *response.status_mut() = status;
    response
}

impl Refusal {
    /// A problem (RFC 9457). Its type is `about:blank`, so the title is that of the status.
    fn response(self) -> Response<Body> {
        let problem = json!({
            "type": "about:blank",
            "title": self.status.canonical_reason(),
            "status": self.status.as_u16(),
            "detail": self.detail,
            "code": self.code,
        });
        body::typed(self.status, "application/problem+json", &problem)
    }
}

impl From<Fault> for Refusal {
    fn from(fault: Fault) -> Self {
        Self { status: fault.status(), code: fault.code(), detail: fault.to_string() }
    }
}
