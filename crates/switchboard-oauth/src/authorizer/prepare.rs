//! What is settled before anybody is asked for a token.

use http::Uri;

use super::Inner;
use crate::challenge::Challenge;
use crate::discovery::{self, Issuer, Resource};
use crate::error::OauthError;
use crate::login::{Return, Way};
use crate::loopback::{self, Listener};
use crate::record::{Record, Source};
use crate::scopes::{self, Wishes};
use crate::settings::Grant;

impl Inner {
    /// The resource, and the authorization server that is used for it.
    pub(super) async fn discover(
        &self,
        challenge: Option<&Challenge>,
        known: Option<&Record>,
    ) -> Result<(Resource, Issuer), OauthError> {
        let resource = discovery::resource(&self.net, challenge).await?;
        let named = &resource.issuers;
        let name = match &self.settings.issuer {
            Some(only) if named.is_empty() || named.contains(only) => Some(only),
            Some(only) => {
                let what = format!("the authorization server `{only}` is not used");
                return Err(OauthError::unfit(what, "the server does not name it"));
            }
            // The one where we are known goes before the server's favourite.
            None => known
                .and_then(|known| named.iter().find(|name| **name == known.client.issuer))
                .or_else(|| named.first()),
        };
        let issuer = match name {
            Some(name) => discovery::issuer(&self.net, name).await?,
            None => discovery::origin_as_issuer(&self.net).await?,
        };
        Ok((resource, issuer))
    }

    pub(super) fn wishes(
        &self,
        challenge: Option<&Challenge>,
        resource: &Resource,
        issuer: &Issuer,
        known: Option<&Record>,
    ) -> Vec<String> {
        let nothing = Vec::new();
        Wishes {
            challenged: challenge.and_then(|challenge| challenge.scopes.as_ref()),
            listed: resource.scopes.as_ref(),
            configured: &self.settings.scopes,
            before: known.map_or(&nothing, |known| &known.wanted),
            offline: issuer.scopes.iter().any(|scope| scope == scopes::OFFLINE),
            refresh: self.settings.grant == Grant::AuthorizationCode,
        }
        .choose()
    }

    /// The same port as before if it is free: some issuers compare it with the registered one.
    pub(super) async fn way_back(&self, way: Way, known: Option<&Record>) -> Return {
        if way == Way::Device {
            let redirect_uri = format!("http://127.0.0.1{}", loopback::PATH);
            return Return { redirect_uri, listener: None };
        }
        if let Some(port) = self.settings.redirect_port {
            let listener = Listener::bind(Some(port)).await.ok();
            return Return { redirect_uri: loopback::redirect_uri(port), listener };
        }
        let registered = known
            .filter(|known| known.client.source == Source::Registered)
            .and_then(|known| known.client.redirect_uri.as_ref())
            .and_then(|uri| uri.parse::<Uri>().ok()?.port_u16());
        let mut listener = None;
        if registered.is_some() {
            listener = Listener::bind(registered).await.ok();
        }
        if listener.is_none() {
            listener = Listener::bind(None).await.ok();
        }
        // Without any socket the address is pasted, and its port means nothing.
        let port = listener.as_ref().map_or(1, Listener::port);
        Return { redirect_uri: loopback::redirect_uri(port), listener }
    }
}
