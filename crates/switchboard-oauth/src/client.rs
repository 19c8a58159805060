//! Who we are to an authorization server.
//!
//! In this order: a client that was registered for us, the document that describes us, a
//! registration of our own (RFC 7591; deprecated, and the only way at many servers).

use serde::Deserialize;
use serde_json::json;

use crate::discovery::Issuer;
use crate::error::OauthError;
use crate::net::Net;
use crate::record::{Client, Source};
use crate::settings::{ClientAuth, OauthSettings};

pub(crate) const DEVICE_GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";

/// The answer to a registration (RFC 7591, section 3.2.1).
#[derive(Deserialize)]
struct Registered {
    client_id: String,
    client_secret: Option<String>,
    token_endpoint_auth_method: Option<String>,
}

/// What a client is needed for.
pub(crate) struct Need<'a> {
    pub(crate) redirect_uri: &'a str,
    pub(crate) device: bool,
}

/// The client for an issuer. `known` is the one of an earlier login, with whichever issuer.
///
/// # Errors
///
/// [`OauthError::Unfit`] if there is no way to become known there, or if the configured client
/// belongs to another issuer.
pub(crate) async fn choose(
    net: &Net,
    settings: &OauthSettings,
    issuer: &Issuer,
    known: Option<&Client>,
    need: &Need<'_>,
) -> Result<Client, OauthError> {
    if let Some(id) = &settings.client_id {
        return configured(settings, issuer, known, id);
    }
    if let Some(url) = &settings.client_metadata_url
        && issuer.takes_documents
    {
        let id = url.clone();
        return Ok(client(issuer, id, None, ClientAuth::None, Source::Document));
    }
    if let Some(known) = known
        && known.issuer == issuer.name
        && known.source == Source::Registered
        && known.redirect_uri.as_deref() == Some(need.redirect_uri)
        && known.device == need.device
    {
        return Ok(known.clone());
    }
    register(net, issuer, need).await
}

fn configured(
    settings: &OauthSettings,
    issuer: &Issuer,
    known: Option<&Client>,
    id: &str,
) -> Result<Client, OauthError> {
    // The first login binds the client to its issuer. A server that names another one later does
    // not get to see the secret.
    let same = known.filter(|known| known.source == Source::Configured && known.id == id);
    if let Some(bound) = same
        && bound.issuer != issuer.name
    {
        let what = format!("the authorization server `{}` is not used", issuer.name);
        let why = format!(
            "`client_id` belongs to `{}`; if it moved, log out first, or set `issuer`",
            bound.issuer
        );
        return Err(OauthError::unfit(what, why));
    }
    let secret = settings.client_secret.as_ref().map(|secret| secret.expose().to_owned());
    let auth = settings.client_auth.unwrap_or_else(|| match secret {
        Some(_) => offered(issuer, &[ClientAuth::Basic, ClientAuth::Post]),
        None => ClientAuth::None,
    });
    Ok(client(issuer, id.to_owned(), secret, auth, Source::Configured))
}

fn client(
    issuer: &Issuer,
    id: String,
    secret: Option<String>,
    auth: ClientAuth,
    source: Source,
) -> Client {
    let issuer = issuer.name.clone();
    Client { issuer, id, secret, auth, source, redirect_uri: None, device: false }
}

/// The first of these ways that the issuer offers; the first of all if it does not say, or offers
/// none of them and will say so itself.
fn offered(issuer: &Issuer, ways: &[ClientAuth]) -> ClientAuth {
    let methods = issuer.auth_methods.as_deref().unwrap_or_default();
    let listed = |way: &&ClientAuth| methods.iter().any(|method| method == way.wire_name());
    *ways.iter().find(listed).unwrap_or(&ways[0])
}

async fn register(net: &Net, issuer: &Issuer, need: &Need<'_>) -> Result<Client, OauthError> {
    let Some(endpoint) = &issuer.registration else {
        let what = format!("cannot become a client of `{}`", issuer.name);
        let why = "it registers none by itself: register one there and set `client_id`, and \
                   `client_secret` if it gives one";
        return Err(OauthError::unfit(what, why));
    };
    // A program on a person's machine keeps no secret (RFC 8252, section 8.4).
    let wanted = offered(issuer, &[ClientAuth::None, ClientAuth::Basic, ClientAuth::Post]);
    let refreshes = issuer
        .grants
        .as_ref()
        .is_none_or(|grants| grants.iter().any(|grant| grant == "refresh_token"));
    let mut grants = vec![if need.device { DEVICE_GRANT } else { "authorization_code" }];
    if refreshes {
        grants.push("refresh_token");
    }
    let body = json!({
        "client_name": "Switchboard",
        "application_type": "native",
        "redirect_uris": [need.redirect_uri],
        "response_types": ["code"],
        "grant_types": grants,
        "token_endpoint_auth_method": wanted.wire_name(),
    });
    let answer = net.json("register as a client", endpoint, &body).await?;
    let registered: Registered =
        answer.map_err(|error| OauthError::Refused { doing: "to register us", error })?;
    let auth = match (&registered.client_secret, registered.token_endpoint_auth_method) {
        (None, _) => ClientAuth::None,
        (Some(_), Some(method)) => ClientAuth::parse(&method).ok_or_else(|| {
            let why = "it wants a way of authentication that we do not have";
            OauthError::unfit(format!("cannot become a client of `{}`", issuer.name), why)
        })?,
        (Some(_), None) => offered(issuer, &[ClientAuth::Basic, ClientAuth::Post]),
    };
    let (id, secret) = (registered.client_id, registered.client_secret);
    let mut client = client(issuer, id, secret, auth, Source::Registered);
    client.redirect_uri = Some(need.redirect_uri.to_owned());
    client.device = need.device;
    Ok(client)
}
