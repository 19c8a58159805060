//! Tokens, and the endpoint they come from.

use std::fmt;
use std::sync::Arc;

use http::{HeaderValue, Uri};
use serde::Deserialize;
use serde_json::Value;
use subtle::ConstantTimeEq as _;

use crate::clock;
use crate::error::OauthError;
use crate::net::Net;
use crate::record::{Client, Login};
use crate::scopes;

/// An access token. Prints as `…`.
#[derive(Clone)]
pub struct Bearer(Arc<str>);

impl Bearer {
    pub(crate) fn new(token: &str) -> Self {
        Self(token.into())
    }

    /// `Bearer …`, for the `Authorization` header.
    pub fn header(&self) -> HeaderValue {
        let mut value = HeaderValue::try_from(format!("Bearer {}", self.0))
            .expect("a token with other characters is refused when it arrives");
        value.set_sensitive(true);
        value
    }
}

impl PartialEq for Bearer {
    fn eq(&self, other: &Self) -> bool {
        self.0.as_bytes().ct_eq(other.0.as_bytes()).into()
    }
}

impl Eq for Bearer {}

impl fmt::Debug for Bearer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Bearer(…)")
    }
}

/// What the token endpoint says (RFC 6749, section 5.1).
#[derive(Deserialize)]
pub(crate) struct Answer {
    access_token: String,
    token_type: String,
    /// Some send a number as text.
    expires_in: Option<Value>,
    refresh_token: Option<String>,
    scope: Option<String>,
}

/// Longest token. Headers are commonly limited to 8 or 16 KiB in all.
const LONGEST: usize = 12 * 1024;

/// Longest life that is believed; what claims more says nothing.
const LIFE: u64 = 10 * 365 * 24 * 3600;

/// Where and for what a token is asked.
#[derive(Clone)]
pub(crate) struct Request<'a> {
    pub(crate) endpoint: &'a Uri,
    pub(crate) client: &'a Client,
    pub(crate) resource: &'a str,
    pub(crate) scopes: &'a [String],
}

impl Request<'_> {
    /// Asks with the parameters of a grant; the inner error is the code of a refusal.
    pub(crate) async fn send(
        &self,
        net: &Net,
        grant: &[(&str, &str)],
    ) -> Result<Result<Login, String>, OauthError> {
        let mut pairs = grant.to_vec();
        pairs.push(("resource", self.resource));
        let answer = net.form("get a token", self.endpoint, self.client, &pairs).await?;
        answer
            .map(|answer: Answer| self.login(answer))
            .map_or_else(|error| Ok(Err(error)), |login| login.map(Ok))
    }

    fn login(&self, answer: Answer) -> Result<Login, OauthError> {
        let unfit = |why| Err(OauthError::unfit("the token is not used", why));
        if !answer.token_type.eq_ignore_ascii_case("bearer") {
            return unfit("it is not a bearer token");
        }
        for token in
            [Some(&answer.access_token), answer.refresh_token.as_ref()].into_iter().flatten()
        {
            let sendable = token.bytes().all(|byte| byte.is_ascii_graphic());
            if token.is_empty() || token.len() > LONGEST || !sendable {
                return unfit("it is empty, too long, or cannot be sent in a header");
            }
        }
        let now = clock::now();
        let life = answer.expires_in.as_ref().and_then(|value| match value {
            Value::String(text) => text.parse().ok(),
            other => other.as_u64(),
        });
        let granted = answer.scope.as_deref().map(scopes::read);
        Ok(Login {
            token_endpoint: self.endpoint.to_string(),
            resource: self.resource.to_owned(),
            access_token: answer.access_token,
            refresh_token: answer.refresh_token,
            obtained_at: now,
            expires_at: life.filter(|life| *life <= LIFE).map(|life| now + life),
            // What was asked and not granted is remembered too: asking again would not help.
            scopes: scopes::union([&self.scopes.to_vec(), &granted.unwrap_or_default()]),
        })
    }
}

/// Renews a login (RFC 6749, section 6). The inner error is the code of a refusal.
pub(crate) async fn refresh(
    net: &Net,
    client: &Client,
    old: &Login,
) -> Result<Result<Login, String>, OauthError> {
    let Some(refresh_token) = &old.refresh_token else { return Ok(Err("no refresh token".into())) };
    let endpoint = net.endpoint("token endpoint", &old.token_endpoint)?;
    let request =
        Request { endpoint: &endpoint, client, resource: &old.resource, scopes: &old.scopes };
    let grant = [("grant_type", "refresh_token"), ("refresh_token", refresh_token.as_str())];
    let renewed = request.send(net, &grant).await?;
    Ok(renewed.map(|mut login| {
        // An issuer that does not rotate does not repeat it either.
        login.refresh_token = login.refresh_token.or_else(|| old.refresh_token.clone());
        login
    }))
}
