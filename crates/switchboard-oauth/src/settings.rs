//! `[upstream.NAME.http.oauth]`.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use switchboard_config::Secret;

use crate::web;

/// How the daemon logs in at a server that asks for it. Nothing has to be set for servers that
/// follow the specification; `switchboard login NAME` finds out the rest.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct OauthSettings {
    /// The client that was registered for us at the authorization server, if one was. Goes before
    /// every other way of being known there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_id: Option<String>,
    /// The secret of that client. Sent to `issuer` only, or to the authorization server of the
    /// first login if `issuer` is absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_secret: Option<Secret>,
    /// How the client proves itself: `basic` (in a header), `post` (in the form) or `none`. What
    /// the authorization server offers if absent, the header first.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_auth: Option<ClientAuth>,
    /// The https address of a client id metadata document that describes this installation, for
    /// authorization servers that take one. Used when there is no `client_id`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub client_metadata_url: Option<String>,
    /// The authorization server, exactly as it names itself. Whatever the server names if absent;
    /// set it to hold a server to one, and to reach one in a private network.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub issuer: Option<String>,
    /// Who agrees: `authorization_code`, a person with a browser; or `client_credentials`, nobody,
    /// for a machine with `client_id`, `client_secret` and `issuer`.
    pub grant: Grant,
    /// Scopes that are asked for besides those the server wants. None by default.
    pub scopes: Vec<String>,
    /// The port of `http://127.0.0.1:PORT/callback`, for authorization servers that insist on the
    /// registered one. Any free port if absent, as RFC 8252 has it.
    #[schemars(range(min = 1024, max = 65535))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub redirect_port: Option<u16>,
    /// Whether everyone who uses the daemon logs in for themselves. By default one login serves
    /// all, which is right for one person.
    pub per_principal: bool,
}

/// How a client proves itself at the token endpoint.
#[derive(Clone, Copy, Debug, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum ClientAuth {
    /// In the `Authorization` header.
    Basic,
    /// In the form.
    Post,
    /// Not at all: a public client.
    None,
}

impl ClientAuth {
    /// The name in metadata (RFC 7591, section 2).
    pub(crate) fn wire_name(self) -> &'static str {
        match self {
            Self::Basic => "client_secret_basic",
            Self::Post => "client_secret_post",
            Self::None => "none",
        }
    }

    pub(crate) fn parse(name: &str) -> Option<Self> {
        [Self::Basic, Self::Post, Self::None].into_iter().find(|auth| auth.wire_name() == name)
    }
}

/// Who agrees to a login.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Grant {
    /// A person.
    #[default]
    AuthorizationCode,
    /// Nobody: a machine with a secret.
    ClientCredentials,
}

impl OauthSettings {
    /// The mistakes beyond the shape of a value, each with the key it is about.
    pub fn mistakes(&self) -> Vec<(&'static str, &'static str)> {
        let mut found = Vec::new();
        let proves = self.client_auth != Some(ClientAuth::None);
        if self.client_secret.is_some() && self.client_id.is_none() {
            found.push(("client_secret", "there is no `client_id` that it belongs to"));
        }
        if self.client_secret.is_some() && !proves {
            found.push(("client_auth", "`none` makes no use of `client_secret`"));
        }
        if self.client_secret.is_none() && self.client_auth.is_some_and(|_| proves) {
            found.push(("client_auth", "there is no `client_secret` to prove the client with"));
        }
        if self.client_metadata_url.as_deref().is_some_and(|url| web::document(url).is_none()) {
            found.push(("client_metadata_url", "it must be an https address with a path"));
        }
        if self.grant == Grant::ClientCredentials {
            if self.client_secret.is_none() {
                found.push(("grant", "`client_credentials` needs `client_id` and `client_secret`"));
            }
            // Nobody looks before the secret is sent, so the server must not choose to whom.
            if self.issuer.is_none() {
                found.push(("grant", "`client_credentials` needs `issuer`"));
            }
        }
        found
    }
}
