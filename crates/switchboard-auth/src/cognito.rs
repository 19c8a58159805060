//! Amazon Cognito: a preset of [`Provider`](crate::Provider), and its login with a password.
//!
//! The login is one call (`InitiateAuth` with `USER_PASSWORD_AUTH`) that needs no signature, so it
//! is one request and no SDK.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use http::Uri;
use jsonwebtoken::{Algorithm, EncodingKey};
use serde::Deserialize;
use serde_json::{Value, json};
use switchboard_config::Secret;
use switchboard_egress::Guard;

use crate::config::CognitoConfig;
use crate::net;
use crate::sign_in::Answer;

/// Logs people in at a user pool.
pub(crate) struct CognitoLogin {
    endpoint: Uri,
    client_id: String,
    client_secret: Option<Secret>,
    guard: Guard,
}

const INITIATE: &str = "AWSCognitoIdentityProviderService.InitiateAuth";

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Initiated {
    authentication_result: Option<AuthenticationResult>,
    challenge_name: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct AuthenticationResult {
    access_token: String,
    #[serde(default)]
    expires_in: u64,
    refresh_token: Option<String>,
}

#[derive(Deserialize)]
struct Failure {
    #[serde(rename = "__type", default)]
    kind: String,
}

impl CognitoConfig {
    /// What `iss` says in tokens of the pool.
    pub fn issuer(&self) -> String {
        format!("https://cognito-idp.{}.amazonaws.com/{}", self.region, self.user_pool_id)
    }

    /// Where the service is.
    pub(crate) fn base(&self) -> String {
        match &self.endpoint {
            Some(endpoint) => endpoint.trim_end_matches('/').to_owned(),
            None => format!("https://cognito-idp.{}.amazonaws.com", self.region),
        }
    }

    /// Where the keys of the pool are.
    pub(crate) fn jwks(&self) -> String {
        let own = || format!("{}/{}/.well-known/jwks.json", self.base(), self.user_pool_id);
        self.jwks_url.clone().unwrap_or_else(own)
    }
}

impl CognitoLogin {
    /// `None` where the configuration names no address.
    pub(crate) fn new(config: &CognitoConfig, guard: Guard) -> Option<Self> {
        let endpoint: Uri = format!("{}/", config.base()).parse().ok()?;
        let (client_id, client_secret) = (config.client_id.clone(), config.client_secret.clone());
        endpoint.host()?;
        Some(Self { endpoint, client_id, client_secret, guard })
    }

    pub(crate) async fn log_in(&self, username: &str, password: &str) -> Answer {
        let mut parameters = json!({ "USERNAME": username, "PASSWORD": password });
        self.sign(&mut parameters, username);
        self.initiate("USER_PASSWORD_AUTH", parameters).await
    }

    /// A client that has a secret needs the name of the user here too: `sub`, or the user name.
    pub(crate) async fn refresh(&self, token: &str, username: Option<&str>) -> Answer {
        let mut parameters = json!({ "REFRESH_TOKEN": token });
        if let Some(username) = username {
            self.sign(&mut parameters, username);
        }
        self.initiate("REFRESH_TOKEN_AUTH", parameters).await
    }

    async fn initiate(&self, flow: &str, parameters: Value) -> Answer {
        let body = json!({
            "AuthFlow": flow, "ClientId": self.client_id, "AuthParameters": parameters,
        });
        let answer = match net::call(&self.guard, &self.endpoint, INITIATE, &body).await {
            Ok(answer) => answer,
            Err(error) => {
                tracing::warn!(%error, "cannot ask Cognito");
                return Answer::detail(502, "Cognito does not answer");
            }
        };
        if answer.status().is_success() {
            return match serde_json::from_slice::<Initiated>(answer.body()) {
                Ok(initiated) => initiated.answer(),
                Err(_) => Answer::detail(502, "Cognito's answer is not as it should be"),
            };
        }
        let failure = serde_json::from_slice::<Failure>(answer.body());
        let kind = failure.map(|failure| failure.kind).unwrap_or_default();
        refused(kind.rsplit('#').next().unwrap_or_default())
    }

    fn sign(&self, parameters: &mut Value, username: &str) {
        if let Some(secret) = &self.client_secret {
            let hash = secret_hash(secret.expose(), username, &self.client_id);
            parameters["SECRET_HASH"] = hash.into();
        }
    }
}

impl Initiated {
    fn answer(self) -> Answer {
        match (self.authentication_result, self.challenge_name) {
            (Some(result), _) => Answer::bearer(
                &result.access_token,
                result.expires_in,
                result.refresh_token.as_deref(),
            ),
            (None, Some(name)) => {
                // One of a dozen names of the service; anything else is not repeated.
                let is_name = name.bytes().all(|byte| byte.is_ascii_uppercase() || byte == b'_');
                let name = if is_name && name.len() <= 64 { &*name } else { "unknown" };
                Answer::detail(401, &format!("Cognito requires the challenge {name}"))
            }
            (None, None) => Answer::detail(502, "Cognito's answer is not as it should be"),
        }
    }
}

/// The same words for a wrong password and for a name that nobody has.
fn refused(kind: &str) -> Answer {
    match kind {
        "NotAuthorizedException" | "UserNotFoundException" => {
            Answer::detail(401, "Incorrect username or password")
        }
        "UserNotConfirmedException" => Answer::detail(403, "The user is not confirmed"),
        _ => {
            tracing::warn!(kind, "Cognito refused a login");
            Answer::detail(502, "Cognito did not log the user in")
        }
    }
}

/// Base64 of HMAC-SHA256 under the client's secret of the user name and the client's id
/// (Amazon Cognito Developer Guide, "Computing secret hash values").
fn secret_hash(secret: &str, username: &str, client_id: &str) -> String {
    let message = format!("{username}{client_id}");
    let key = EncodingKey::from_secret(secret.as_bytes());
    let hash = jsonwebtoken::crypto::sign(message.as_bytes(), &key, Algorithm::HS256);
    let hash = hash.expect("any secret is a key of HMAC");
    STANDARD.encode(URL_SAFE_NO_PAD.decode(hash).expect("the library encodes it so"))
}

#[cfg(test)]
mod tests {
    use super::{refused, secret_hash};

    #[test]
    fn a_secret_hash_is_what_other_implementations_compute() {
        // printf 'annclient' | openssl dgst -sha256 -hmac secret -binary | base64
        let expected = "1KBhTmaloN8gn8mYFOpcHRnT/Jn7qaddEv2E6vNUy30=";
        assert_eq!(secret_hash("secret", "ann", "client"), expected);
    }

    #[test]
    fn a_refusal_is_told_apart_by_what_the_person_can_do() {
        let check = |kind, status| assert_eq!(refused(kind).status, status, "{kind}");
        check("NotAuthorizedException", 401);
        check("UserNotFoundException", 401);
        check("UserNotConfirmedException", 403);
        check("TooManyRequestsException", 502);
        check("", 502);
    }
}
