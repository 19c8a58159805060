//! Requests to servers and authorization servers, each through the guard.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, USER_AGENT, WWW_AUTHENTICATE};
use http::{HeaderValue, Request, Response, StatusCode, Uri};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use switchboard_egress::{Guard, Limits, Trust, is_loopback_name, same_origin};

use crate::challenge::Challenge;
use crate::error::OauthError;
use crate::record::Client;
use crate::settings::ClientAuth;
use crate::web;

/// The way out for one upstream.
#[derive(Clone, Debug)]
pub(crate) struct Net {
    guard: Guard,
    pub(crate) server: Uri,
    /// The authorization server that the operator wrote down.
    issuer: Option<Uri>,
    /// Whether the server is on this machine by its configured address.
    pub(crate) on_loopback: bool,
}

/// What an endpoint says when it refuses (RFC 6749, section 5.2).
#[derive(Deserialize)]
pub(crate) struct Refusal {
    pub(crate) error: String,
}

const AGENT: HeaderValue =
    HeaderValue::from_static(concat!("switchboard/", env!("CARGO_PKG_VERSION")));

impl Net {
    pub(crate) fn new(guard: Guard, server: Uri, issuer: Option<Uri>) -> Self {
        let on_loopback = is_loopback_name(&server);
        Self { guard, server, issuer, on_loopback }
    }

    /// What the operator typed is trusted as such, at its own origin only.
    fn trust(&self, uri: &Uri) -> Trust {
        let typed = [Some(&self.server), self.issuer.as_ref()];
        if typed.into_iter().flatten().any(|typed| same_origin(typed, uri)) {
            return Trust::Configured;
        }
        Trust::told_by(&self.server)
    }

    /// Reads an address that a server named; `what` begins the message if it will not do.
    pub(crate) fn endpoint(&self, what: &str, text: &str) -> Result<Uri, OauthError> {
        // What is quoted is what passed; anything else may hold whatever its author likes.
        web::endpoint(text, self.on_loopback)
            .map_err(|why| OauthError::unfit(format!("the {what} is not used"), why))
    }

    async fn send(
        &self,
        doing: &'static str,
        mut request: Request<Bytes>,
    ) -> Result<Response<Bytes>, OauthError> {
        request.headers_mut().insert(USER_AGENT, AGENT);
        let trust = self.trust(request.uri());
        let response = self.guard.fetch(trust, request, &Limits::default()).await;
        response.map_err(|cause| OauthError::Network { doing, cause })
    }

    /// Fetches a metadata document; `None` where there is none.
    ///
    /// A page instead of JSON counts as none: many sites answer every path with their front page.
    pub(crate) async fn document<T: DeserializeOwned>(
        &self,
        doing: &'static str,
        uri: &Uri,
    ) -> Result<Option<T>, OauthError> {
        let mut request = Request::new(Bytes::new());
        *request.uri_mut() = uri.clone();
        request.headers_mut().insert(ACCEPT, HeaderValue::from_static("application/json"));
        let response = self.send(doing, request).await?;
        let status = response.status();
        let what = || format!("cannot {doing} from `{}`", uri.host().unwrap_or_default());
        if status.is_client_error() {
            return Ok(None);
        }
        if status != StatusCode::OK {
            return Err(OauthError::unfit(what(), format!("it answered {}", status.as_u16())));
        }
        if !response.body().trim_ascii_start().starts_with(b"{") {
            return Ok(None);
        }
        // serde's message may quote the document, which its author chose; the place is enough.
        serde_json::from_slice(response.body()).map(Some).map_err(|error| {
            let why =
                format!("line {}, column {} is not as it should be", error.line(), error.column());
            OauthError::unfit(what(), why)
        })
    }

    /// Posts a form, as a client; the body is JSON both when it is granted and when not.
    pub(crate) async fn form<T: DeserializeOwned>(
        &self,
        doing: &'static str,
        uri: &Uri,
        client: &Client,
        pairs: &[(&str, &str)],
    ) -> Result<Result<T, String>, OauthError> {
        let mut pairs = pairs.to_vec();
        let mut request = Request::new(Bytes::new());
        match (client.auth, &client.secret) {
            (ClientAuth::Basic, Some(secret)) => {
                request.headers_mut().insert(AUTHORIZATION, basic(&client.id, secret));
            }
            (ClientAuth::Post, Some(secret)) => {
                pairs.extend([
                    ("client_id", client.id.as_str()),
                    ("client_secret", secret.as_str()),
                ]);
            }
            _ => pairs.push(("client_id", client.id.as_str())),
        }
        *request.body_mut() = web::form(&pairs).into();
        let kind = HeaderValue::from_static("application/x-www-form-urlencoded");
        self.post(doing, uri, request, kind).await
    }

    pub(crate) async fn json<T: DeserializeOwned>(
        &self,
        doing: &'static str,
        uri: &Uri,
        body: &serde_json::Value,
    ) -> Result<Result<T, String>, OauthError> {
        let request = Request::new(Bytes::from(body.to_string()));
        self.post(doing, uri, request, HeaderValue::from_static("application/json")).await
    }

    /// The inner error is the code with which the endpoint refused.
    async fn post<T: DeserializeOwned>(
        &self,
        doing: &'static str,
        uri: &Uri,
        mut request: Request<Bytes>,
        kind: HeaderValue,
    ) -> Result<Result<T, String>, OauthError> {
        *request.method_mut() = http::Method::POST;
        *request.uri_mut() = uri.clone();
        request.headers_mut().insert(CONTENT_TYPE, kind);
        request.headers_mut().insert(ACCEPT, HeaderValue::from_static("application/json"));
        let response = self.send(doing, request).await?;
        if response.status().is_success() {
            let answer = serde_json::from_slice(response.body());
            return answer.map(Ok).map_err(|_| {
                let what = format!("cannot {doing} at `{}`", uri.host().unwrap_or_default());
                OauthError::unfit(what, "the answer is not as it should be")
            });
        }
        match serde_json::from_slice::<Refusal>(response.body()) {
            Ok(refusal) if response.status().is_client_error() => Ok(Err(code(&refusal.error))),
            _ => Ok(Err(format!("status {}", response.status().as_u16()))),
        }
    }

    /// Asks the server something harmless without a token, to hear its challenge.
    pub(crate) async fn probe(&self) -> Result<Option<Challenge>, OauthError> {
        let ping = r#"{"jsonrpc":"2.0","id":1,"method":"ping"}"#;
        let mut request = Request::new(Bytes::from_static(ping.as_bytes()));
        *request.method_mut() = http::Method::POST;
        *request.uri_mut() = self.server.clone();
        let both = HeaderValue::from_static("application/json, text/event-stream");
        request.headers_mut().insert(ACCEPT, both);
        request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let response = self.send("ask the server how to log in", request).await?;
        if !matches!(response.status(), StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
            return Ok(None);
        }
        let values = response.headers().get_all(WWW_AUTHENTICATE).iter();
        Ok(Challenge::read(values.filter_map(|value| value.to_str().ok())))
    }
}

/// RFC 6749, section 2.3.1: both are form-encoded first.
fn basic(id: &str, secret: &str) -> HeaderValue {
    let encode = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let pair = STANDARD.encode(format!("{}:{}", encode(id), encode(secret)));
    let mut value =
        HeaderValue::try_from(format!("Basic {pair}")).expect("base64 may stand in a header");
    value.set_sensitive(true);
    value
}

/// The code of an error (RFC 6749, section 5.2), if it looks like one.
///
/// A server may put the secret that it was sent into anything it answers. Registered codes are a
/// few letters of one case; what is made at random has digits or both cases in it. Descriptions are
/// free text and never read.
pub(crate) fn code(text: &str) -> String {
    let fits = |is_letter: fn(&u8) -> bool| {
        text.bytes().all(|byte| is_letter(&byte) || byte == b'_' || byte == b'-')
    };
    let one_case = fits(u8::is_ascii_lowercase) || fits(u8::is_ascii_uppercase);
    let is_code = one_case && (1..=60).contains(&text.len());
    if is_code { text.to_owned() } else { "an error without a usual name".to_owned() }
}

/// What a server wants a person to read: short, and without what could move a terminal's cursor.
pub(crate) fn plain(text: &str) -> String {
    text.chars().filter(|c| c.is_ascii_graphic() || *c == ' ').take(60).collect()
}
