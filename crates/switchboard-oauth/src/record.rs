//! What is remembered of a login.

use serde::{Deserialize, Serialize};

use crate::settings::{ClientAuth, OauthSettings};
use crate::token::Bearer;

/// The content of one file. Has no `Debug`: most of it is secret.
#[derive(Clone, Deserialize, Serialize)]
pub(crate) struct Record {
    /// The server's address as it was configured: a token is for that server and for no other,
    /// whatever is configured under its name now.
    pub(crate) server: String,
    pub(crate) client: Client,
    pub(crate) login: Option<Login>,
    /// Scopes for the next login, because the server wanted more than we had.
    #[serde(default)]
    pub(crate) wanted: Vec<String>,
}

/// Who we are to one issuer.
#[derive(Clone, Deserialize, Serialize)]
pub(crate) struct Client {
    /// No other issuer sees this client.
    pub(crate) issuer: String,
    pub(crate) id: String,
    pub(crate) secret: Option<String>,
    pub(crate) auth: ClientAuth,
    pub(crate) source: Source,
    /// What was registered, for issuers that compare the port too.
    pub(crate) redirect_uri: Option<String>,
    /// Registered for codes on another device.
    #[serde(default)]
    pub(crate) device: bool,
}

/// Where a client is from.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Source {
    Configured,
    Document,
    Registered,
}

#[derive(Clone, Deserialize, Serialize)]
pub(crate) struct Login {
    pub(crate) token_endpoint: String,
    pub(crate) resource: String,
    pub(crate) access_token: String,
    pub(crate) refresh_token: Option<String>,
    /// Seconds since 1970.
    pub(crate) obtained_at: u64,
    pub(crate) expires_at: Option<u64>,
    /// What was asked for, or granted where the issuer said.
    pub(crate) scopes: Vec<String>,
}

impl Record {
    /// Whether it is about what is configured now.
    pub(crate) fn fits(&self, server: &str, settings: &OauthSettings) -> bool {
        let configured = self.client.source == Source::Configured;
        let id = settings.client_id.as_deref();
        let issuer = settings.issuer.as_deref();
        self.server == server
            && id.is_none_or(|id| configured && id == self.client.id)
            && (id.is_some() || !configured)
            && issuer.is_none_or(|issuer| issuer == self.client.issuer)
    }

    /// The client as the configuration has it now: a secret that was replaced is used at once.
    pub(crate) fn with_current_secret(mut self, settings: &OauthSettings) -> Self {
        if self.client.source == Source::Configured {
            self.client.secret =
                settings.client_secret.as_ref().map(|secret| secret.expose().to_owned());
        }
        self
    }
}

/// How much before its end a token is renewed. A minute covers clocks that differ and calls that
/// wait; of a token that lives for less than five, a fifth.
const RENEW_BEFORE: u64 = 60;

impl Login {
    pub(crate) fn bearer(&self) -> Bearer {
        Bearer::new(&self.access_token)
    }

    pub(crate) fn is_expired(&self, now: u64) -> bool {
        self.expires_at.is_some_and(|end| now >= end)
    }

    pub(crate) fn is_due(&self, now: u64) -> bool {
        self.expires_at.is_some_and(|end| {
            let margin = (end.saturating_sub(self.obtained_at) / 5).min(RENEW_BEFORE);
            now + margin >= end
        })
    }
}
