//! A code that is typed on another device (RFC 8628).

use std::time::Duration;

use serde::Deserialize;
use tokio::time::{Instant, sleep};

use crate::client::DEVICE_GRANT;
use crate::error::OauthError;
use crate::login::{PATIENCE, Plan, Prompt};
use crate::net::plain;
use crate::record::Login;
use crate::web::WebUrl;

#[derive(Deserialize)]
struct Started {
    device_code: String,
    user_code: String,
    verification_uri: String,
    verification_uri_complete: Option<String>,
    expires_in: u64,
    interval: Option<u64>,
}

/// Seconds between two questions, unless the server says otherwise (section 3.2).
const INTERVAL: u64 = 5;

/// Longest time between two questions; a server that wants more wants us to give up.
const LONGEST_INTERVAL: u64 = 60;

impl Plan<'_> {
    pub(crate) async fn by_device(&self) -> Result<Login, OauthError> {
        let Some(endpoint) = &self.issuer.device else {
            let what = format!("cannot log in at `{}` with a code", self.issuer.name);
            return Err(OauthError::unfit(what, "it offers none: log in with a browser instead"));
        };
        let scope = self.scopes.join(" ");
        let mut pairs = vec![("resource", self.resource)];
        if !scope.is_empty() {
            pairs.push(("scope", &scope));
        }
        let answer = self.net.form("ask for a code", endpoint, self.client, &pairs).await?;
        let started: Started =
            answer.map_err(|error| OauthError::Refused { doing: "to give a code", error })?;
        let url = |text: &str| {
            WebUrl::parse(text, self.net.on_loopback)
                .map_err(|why| OauthError::unfit("the address for the code is not used", why))
        };
        let visit = url(&started.verification_uri)?;
        let direct = started.verification_uri_complete.as_deref().map(url).transpose()?;
        let code = plain(&started.user_code);
        let issuer = &self.issuer.name;
        self.ui.show(Prompt::Device { url: &visit, direct: direct.as_ref(), code: &code, issuer });
        self.poll(&started).await
    }

    async fn poll(&self, started: &Started) -> Result<Login, OauthError> {
        let end = Instant::now() + Duration::from_secs(started.expires_in).min(PATIENCE);
        let mut interval = started.interval.unwrap_or(INTERVAL).clamp(1, LONGEST_INTERVAL);
        let grant = [("grant_type", DEVICE_GRANT), ("device_code", started.device_code.as_str())];
        loop {
            sleep(Duration::from_secs(interval)).await;
            if Instant::now() >= end {
                return Err(OauthError::GivenUp { why: "the code was not used in time" });
            }
            match self.token_request().send(self.net, &grant).await {
                Ok(Ok(login)) => return Ok(login),
                Ok(Err(error)) if error == "authorization_pending" => {}
                Ok(Err(error)) if error == "slow_down" => {
                    interval = (interval + 5).min(LONGEST_INTERVAL);
                }
                Ok(Err(error)) => return Err(OauthError::Refused { doing: "the login", error }),
                // Section 3.5: a lost answer is no reason to send the person away.
                Err(error) if error.is_temporary() => {
                    interval = (interval * 2).min(LONGEST_INTERVAL);
                }
                Err(error) => return Err(error),
            }
        }
    }
}
