//! A new token without a person: refreshed, or asked for by a machine.

use std::sync::Arc;
use std::time::Duration;

use super::Inner;
use super::slot::Slot;
use crate::client::{self, Need};
use crate::clock;
use crate::discovery;
use crate::error::OauthError;
use crate::record::{Login, Record};
use crate::settings::Grant;
use crate::token::{self, Bearer, Request};

/// Why a token is renewed.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Why {
    /// It ends soon; until then it is good.
    Due,
    /// The server does not take it, or wants more of it.
    Refused,
}

/// What came of it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Renewed {
    Token(Bearer),
    /// The login is over, or there is none.
    Ended,
    /// The server belongs to another issuer now, which must not see what the old one gave.
    Moved,
}

/// How long it is believed that a server moved, before its metadata is read again.
const MOVED: Duration = Duration::from_secs(30);

/// How long nothing is tried again after it failed: all calls that wait would try in turn.
const PAUSE: Duration = Duration::from_secs(5);

impl Inner {
    /// Replaces the token `used`. Whoever finds that somebody else already did takes that one.
    pub(super) async fn renew(
        &self,
        slot: &Arc<Slot>,
        why: Why,
        used: Option<Bearer>,
    ) -> Result<Renewed, OauthError> {
        let _busy = slot.busy.lock().await;
        let _lock = self.lock(slot).await?;
        let record = self.current(slot);
        let login = record.as_ref().and_then(|record| record.login.as_ref());
        if let Some(login) = login
            && Some(login.bearer()) != used
            && !login.is_expired(clock::now())
        {
            return Ok(Renewed::Token(login.bearer()));
        }
        if why == Why::Refused
            && let Some(record) = &record
            && self.has_moved(slot, record).await
        {
            return Ok(Renewed::Moved);
        }
        // Good for a while yet, and better than nothing.
        let old = login.filter(|login| why == Why::Due && !login.is_expired(clock::now()));
        let still_good = |error| old.map_or(Err(error), |old| Ok(Renewed::Token(old.bearer())));
        if let Some(why) = slot.failed_within(PAUSE) {
            return still_good(OauthError::JustTried { why });
        }
        let renewed = match self.settings.grant {
            Grant::ClientCredentials => self.by_machine(slot, record.as_deref()).await.map(Some),
            Grant::AuthorizationCode => self.refresh(slot, record.as_deref()).await,
        };
        match renewed {
            Ok(new) => {
                let token = new.as_ref().or(old).map(Login::bearer);
                Ok(token.map_or(Renewed::Ended, Renewed::Token))
            }
            Err(error) => {
                slot.note_failed(error.to_string());
                tracing::warn!(upstream = self.upstream, %error, "the token cannot be renewed");
                still_good(error)
            }
        }
    }

    /// Whether the server no longer names the issuer of a login. It does not count if it cannot be
    /// found out: the issuer's own answer then decides.
    async fn has_moved(&self, slot: &Slot, record: &Record) -> bool {
        if slot.moved_within(MOVED) {
            return true;
        }
        let challenge = slot.challenge();
        let found = discovery::resource(&self.net, challenge.as_ref()).await;
        let moved = found.is_ok_and(|resource| {
            !resource.issuers.is_empty() && !resource.issuers.contains(&record.client.issuer)
        });
        if moved {
            slot.note_moved();
        }
        moved
    }

    /// `None` if the login has ended.
    async fn refresh(
        &self,
        slot: &Arc<Slot>,
        record: Option<&Record>,
    ) -> Result<Option<Login>, OauthError> {
        let Some(record) = record else { return Ok(None) };
        let Some(old) = record.login.as_ref().filter(|login| login.refresh_token.is_some()) else {
            return Ok(None);
        };
        let mut new = record.clone();
        match token::refresh(&self.net, &record.client, old).await? {
            Ok(login) => {
                new.login = Some(login.clone());
                self.save(slot, new).await?;
                Ok(Some(login))
            }
            // The login has ended, and so has every attempt to renew it.
            Err(code) if code == "invalid_grant" => {
                if let Some(login) = &mut new.login {
                    login.refresh_token = None;
                }
                self.save(slot, new).await?;
                Ok(None)
            }
            Err(error) => Err(OauthError::Refused { doing: "to renew the token", error }),
        }
    }

    /// Client credentials (RFC 6749, section 4.4), at the configured issuer only.
    async fn by_machine(
        &self,
        slot: &Arc<Slot>,
        known: Option<&Record>,
    ) -> Result<Login, OauthError> {
        let challenge = slot.challenge();
        let (resource, issuer) = self.discover(challenge.as_ref(), known).await?;
        let need = Need { redirect_uri: "", device: false };
        let known_client = known.map(|known| &known.client);
        let client =
            client::choose(&self.net, &self.settings, &issuer, known_client, &need).await?;
        let scopes = self.wishes(challenge.as_ref(), &resource, &issuer, known);
        let scope = scopes.join(" ");
        let mut grant = vec![("grant_type", "client_credentials")];
        if !scope.is_empty() {
            grant.push(("scope", &scope));
        }
        let request = Request {
            endpoint: &issuer.token,
            client: &client,
            resource: &resource.name,
            scopes: &scopes,
        };
        let login = request.send(&self.net, &grant).await?;
        let login =
            login.map_err(|error| OauthError::Refused { doing: "a token to the client", error })?;
        let wanted = known.map(|known| known.wanted.clone()).unwrap_or_default();
        let server = self.server.clone();
        let record = Record { server, client, login: Some(login.clone()), wanted };
        self.save(slot, record).await?;
        Ok(login)
    }
}
