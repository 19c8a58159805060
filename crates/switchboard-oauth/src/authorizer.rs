//! The login of one upstream, as its requests see it.

mod prepare;
mod renew;
mod slot;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::{StatusCode, Uri};
use switchboard_egress::Guard;
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

use crate::authorizer::renew::{Renewed, Why};
use crate::authorizer::slot::{Slot, Slots};
use crate::challenge::Challenge;
use crate::client::{self, Need};
use crate::clock;
use crate::error::OauthError;
use crate::login::{LoginUi, Plan, Way};
use crate::net::Net;
use crate::record::{Login, Record};
use crate::scopes;
use crate::settings::{Grant, OauthSettings};
use crate::store::Store;
use crate::token::Bearer;

/// Knows the tokens for one upstream. Cheap to clone.
#[derive(Clone)]
pub struct Authorizer {
    inner: Arc<Inner>,
}

struct Inner {
    upstream: String,
    /// The server's address, as tokens are bound to it.
    server: String,
    settings: OauthSettings,
    net: Net,
    store: Store,
    slots: Slots,
    /// The slot of the login that serves all; every request looks at it.
    everyones: Arc<Slot>,
    /// Renewals go on when the call that wanted them is cancelled: with rotation, an answer that
    /// nobody reads is a login lost.
    tasks: TaskTracker,
}

/// A response that said 401 or 403.
#[derive(Clone, Debug)]
pub struct Refusal {
    pub status: StatusCode,
    pub challenge: Option<Challenge>,
    /// What the request carried.
    pub used: Option<Bearer>,
}

/// What to do about it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Next {
    /// Send the request again with this token. Once for each request.
    Retry(Bearer),
    /// A person has to log in; the message says how.
    LoginNeeded { message: String },
    /// The answer stands: more rights are not to be had this way.
    Forbidden { message: String },
}

/// For `status`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum LoginState {
    /// Nobody logged in; the server may not even want it.
    LoggedOut,
    LoggedIn {
        issuer: String,
        scopes: Vec<String>,
        /// Seconds since 1970; `None` if the token does not say.
        expires_at: Option<u64>,
        /// It is renewed by itself.
        renews: bool,
    },
    /// There is a file, and it cannot be read; counts as logged out.
    Unreadable { why: String },
}

/// How soon after a renewal a refused token means that renewing does not help.
const RENEWED_FOR_NOTHING: Duration = Duration::from_secs(30);

/// How often a server may ask for more rights before we take it that nothing will ever be enough.
const STEP_UPS: usize = 3;
const STEP_UP_WINDOW: Duration = Duration::from_mins(10);

impl Authorizer {
    /// # Errors
    ///
    /// [`OauthError::Settings`]: what [`OauthSettings::mistakes`] finds.
    pub fn new(
        upstream: &str,
        server: &Uri,
        settings: OauthSettings,
        (store, guard): (Store, Guard),
        tasks: TaskTracker,
    ) -> Result<Self, OauthError> {
        if let Some(&(key, why)) = settings.mistakes().first() {
            return Err(OauthError::Settings { key, why });
        }
        let issuer = settings.issuer.as_deref().map(str::parse).transpose();
        let issuer = issuer
            .map_err(|_| OauthError::Settings { key: "issuer", why: "it is not an address" })?;
        let slots = Slots::default();
        let inner = Inner {
            everyones: slots.find(store.place(upstream, None)),
            upstream: upstream.to_owned(),
            server: server.to_string(),
            net: Net::new(guard, server.clone(), issuer),
            settings,
            store,
            slots,
            tasks,
        };
        Ok(Self { inner: Arc::new(inner) })
    }

    /// The token for a request of this principal, named by its subject; `None` if it goes without.
    ///
    /// What another process did to the login may go unseen for a moment, until [`Self::refused`].
    /// Waits for a renewal that is under way or due. Whoever calls at the same time waits for the
    /// same one.
    ///
    /// # Errors
    ///
    /// There is a login, and no token to be had from it now.
    ///
    /// # Cancel safety
    ///
    /// A renewal goes on without its caller.
    pub async fn bearer(&self, principal: &str) -> Result<Option<Bearer>, OauthError> {
        let slot = self.inner.slot(principal);
        let record = self.inner.recent(&slot);
        let machine = self.inner.settings.grant == Grant::ClientCredentials;
        match record.as_ref().and_then(|record| record.login.as_ref()) {
            Some(login) if !login.is_due(clock::now()) => Ok(Some(login.bearer())),
            None if !machine => Ok(None),
            login => match self.renew(slot, Why::Due, login.map(Login::bearer)).await? {
                Renewed::Token(new) => Ok(Some(new)),
                Renewed::Ended | Renewed::Moved => Ok(None),
            },
        }
    }

    /// What to do after a 401 or a 403.
    ///
    /// # Errors
    ///
    /// No answer was found, because somebody could not be reached; the response stands.
    pub async fn refused(&self, principal: &str, refusal: Refusal) -> Result<Next, OauthError> {
        let slot = self.inner.slot(principal);
        match refusal.status {
            StatusCode::UNAUTHORIZED => self.unauthorized(slot, refusal).await,
            StatusCode::FORBIDDEN => self.forbidden(slot, refusal).await,
            _ => Ok(self.inner.forbidden("the answer has nothing to do with a login")),
        }
    }

    async fn unauthorized(&self, slot: Arc<Slot>, refusal: Refusal) -> Result<Next, OauthError> {
        let inner = &self.inner;
        slot.remember(refusal.challenge.clone());
        let record = inner.current(&slot);
        let login = record.as_ref().and_then(|record| record.login.as_ref());
        // Somebody logged in or renewed while the request was out.
        if let Some(login) = login
            && Some(login.bearer()) != refusal.used
            && !login.is_expired(clock::now())
        {
            return Ok(Next::Retry(login.bearer()));
        }
        let machine = inner.settings.grant == Grant::ClientCredentials;
        if login.is_none() && !machine {
            return Ok(inner.login_needed("it wants to know who is asking"));
        }
        if slot.was_renewed_within(RENEWED_FOR_NOTHING) {
            let why = "it does not take the token that its authorization server just gave";
            return Ok(if machine { inner.forbidden(why) } else { inner.login_needed(why) });
        }
        match self.renew(Arc::clone(&slot), Why::Refused, refusal.used.clone()).await? {
            Renewed::Token(new) => {
                slot.note_renewed();
                Ok(Next::Retry(new))
            }
            other => Ok(inner.over(&other)),
        }
    }

    async fn forbidden(&self, slot: Arc<Slot>, refusal: Refusal) -> Result<Next, OauthError> {
        let inner = &self.inner;
        let Some(challenge) = refusal.challenge.filter(Challenge::wants_more_scope) else {
            return Ok(inner.forbidden("the server refuses it to this login"));
        };
        let record = inner.current(&slot);
        let Some(login) = record.as_ref().and_then(|record| record.login.as_ref()) else {
            slot.remember(Some(challenge));
            return Ok(inner.login_needed("it wants to know who is asking"));
        };
        // Somebody got more rights while the request was out.
        if Some(login.bearer()) != refusal.used {
            return Ok(Next::Retry(login.bearer()));
        }
        let (nothing, had) = (Vec::new(), &login.scopes);
        let named = challenge.scopes.as_ref().unwrap_or(&nothing);
        let wanted = scopes::union([had, named]);
        // Asking once more for what was already asked for is a loop.
        if wanted.len() == had.len() {
            return Ok(inner.forbidden("the server wants rights that the login did not get"));
        }
        if slot.step_ups_within(STEP_UP_WINDOW) >= STEP_UPS {
            return Ok(inner.forbidden("the server keeps asking for more rights"));
        }
        slot.note_step_up();
        let why = format!("it wants more rights (`{}`)", named.join(" "));
        inner.want(&slot, &wanted, challenge).await?;
        if inner.settings.grant == Grant::ClientCredentials {
            return match self.renew(slot, Why::Refused, refusal.used).await? {
                Renewed::Token(new) => Ok(Next::Retry(new)),
                other => Ok(inner.over(&other)),
            };
        }
        Ok(inner.login_needed(&why))
    }

    /// Renews in a task of its own, one at a time for each login.
    async fn renew(
        &self,
        slot: Arc<Slot>,
        why: Why,
        used: Option<Bearer>,
    ) -> Result<Renewed, OauthError> {
        let inner = Arc::clone(&self.inner);
        let task = self.inner.tasks.spawn(async move { inner.renew(&slot, why, used).await });
        let stopping = OauthError::GivenUp { why: "the daemon is stopping" };
        task.await.unwrap_or(Err(stopping))
    }

    /// Logs a principal in; what was there before is replaced only by a login that succeeds.
    ///
    /// # Errors
    ///
    /// [`OauthError`] says whose fault it is and what to do.
    pub async fn login(
        &self,
        principal: &str,
        way: Way,
        ui: &dyn LoginUi,
    ) -> Result<(), OauthError> {
        let inner = &self.inner;
        let slot = inner.slot(principal);
        if inner.settings.grant == Grant::ClientCredentials {
            return self.renew(slot, Why::Refused, inner.token(principal)).await.map(|_| ());
        }
        let challenge = match slot.challenge() {
            Some(challenge) => Some(challenge),
            None => inner.net.probe().await?,
        };
        let known = inner.current(&slot);
        let (resource, issuer) = inner.discover(challenge.as_ref(), known.as_deref()).await?;
        let back = inner.way_back(way, known.as_deref()).await;
        let need = Need { redirect_uri: &back.redirect_uri, device: way == Way::Device };
        let known_client = known.as_ref().map(|record| &record.client);
        let client =
            client::choose(&inner.net, &inner.settings, &issuer, known_client, &need).await?;
        let scopes = inner.wishes(challenge.as_ref(), &resource, &issuer, known.as_deref());
        let plan = Plan {
            net: &inner.net,
            issuer: &issuer,
            client: &client,
            resource: &resource.name,
            scopes: &scopes,
            ui,
        };
        let login = match way {
            Way::Browser => plan.by_browser(&back).await?,
            Way::Device => plan.by_device().await?,
        };
        let server = inner.server.clone();
        let record = Record { server, client, login: Some(login), wanted: Vec::new() };
        let _busy = slot.busy.lock().await;
        let _lock = inner.lock(&slot).await?;
        inner.save(&slot, record).await?;
        slot.forget();
        Ok(())
    }

    /// Forgets a login; whether there was one. The authorization server is not told.
    ///
    /// # Errors
    ///
    /// The file cannot be removed.
    pub async fn logout(&self, principal: &str) -> Result<bool, OauthError> {
        let slot = self.inner.slot(principal);
        let _busy = slot.busy.lock().await;
        let _lock = self.inner.lock(&slot).await?;
        slot.forget();
        Ok(self.inner.store.remove(&slot.place)?)
    }

    pub fn state(&self, principal: &str) -> LoginState {
        let slot = self.inner.slot(principal);
        let record = self.inner.current(&slot);
        if let Some(why) = slot.problem() {
            return LoginState::Unreadable { why };
        }
        let Some((record, login)) =
            record.as_ref().and_then(|record| Some((record, record.login.as_ref()?)))
        else {
            return LoginState::LoggedOut;
        };
        let renews =
            login.refresh_token.is_some() || self.inner.settings.grant == Grant::ClientCredentials;
        if login.is_expired(clock::now()) && !renews {
            return LoginState::LoggedOut;
        }
        LoginState::LoggedIn {
            issuer: record.client.issuer.clone(),
            scopes: login.scopes.clone(),
            expires_at: login.expires_at,
            renews,
        }
    }
}

impl Inner {
    fn slot(&self, principal: &str) -> Arc<Slot> {
        let owner = self.settings.per_principal.then_some(principal);
        match owner {
            Some(_) => self.slots.find(self.store.place(&self.upstream, owner)),
            None => Arc::clone(&self.everyones),
        }
    }

    fn token(&self, principal: &str) -> Option<Bearer> {
        let record = self.current(&self.slot(principal))?;
        record.login.as_ref().map(Login::bearer)
    }

    fn login_needed(&self, why: &str) -> Next {
        let name = &self.upstream;
        Next::LoginNeeded {
            message: format!(
                "`{name}` needs a login, because {why}: run `switchboard login {name}`"
            ),
        }
    }

    fn over(&self, renewed: &Renewed) -> Next {
        self.login_needed(match renewed {
            Renewed::Moved => "it has another authorization server now",
            Renewed::Ended | Renewed::Token(_) => "the login has ended",
        })
    }

    fn forbidden(&self, why: &str) -> Next {
        Next::Forbidden { message: format!("`{}` refuses the request: {why}", self.upstream) }
    }

    /// Keeps what the next login has to ask for.
    async fn want(
        &self,
        slot: &Arc<Slot>,
        wanted: &[String],
        challenge: Challenge,
    ) -> Result<(), OauthError> {
        slot.remember(Some(challenge));
        let _busy = slot.busy.lock().await;
        let _lock = self.lock(slot).await?;
        let Some(record) = self.current(slot) else { return Ok(()) };
        let mut record = Record::clone(&record);
        record.wanted = wanted.to_vec();
        self.save(slot, record).await
    }
}

impl fmt::Debug for Authorizer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authorizer").field("upstream", &self.inner.upstream).finish_non_exhaustive()
    }
}

/// When something was, for limits within a while.
fn within(past: Option<Instant>, window: Duration) -> bool {
    past.is_some_and(|past| past.elapsed() < window)
}
