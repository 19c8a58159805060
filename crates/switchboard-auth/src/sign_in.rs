//! `POST /auth/token`: a password, or a refresh token, for tokens.
//!
//! The form and the answer are those of the daemon engine before us, with `expires_in` and
//! `refresh_token` added (RFC 6749, section 5.1); what goes wrong is said as `{"detail": …}`.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use switchboard_core::Tenant;
use switchboard_core::store::StoreError;

use crate::clock::Clock;
use crate::cognito::CognitoLogin;
use crate::throttle::Throttle;
use crate::tokens::{Identity, Pair, RefreshError, Tokens};
use crate::users::Users;

/// Logs people in.
pub struct SignIn {
    pub(crate) tokens: Arc<Tokens>,
    pub(crate) users: Arc<Users>,
    /// Where it is Cognito that knows the passwords.
    pub(crate) cognito: Option<CognitoLogin>,
    pub(crate) throttle: Throttle,
    pub(crate) clock: Clock,
}

/// The answer, to be sent as JSON with `Cache-Control: no-store` (RFC 6749, section 5.1).
#[derive(Clone, Debug, PartialEq)]
pub struct Answer {
    pub status: u16,
    pub body: Value,
    /// For `Retry-After`.
    pub retry_after: Option<Duration>,
}

/// Largest form.
const FORM_LIMIT: usize = 8 * 1024;

/// How long somebody waits for whom there is no turn now.
const BUSY: Duration = Duration::from_secs(2);

const WRONG: &str = "Incorrect username or password";

struct Form {
    grant: Grant,
}

enum Grant {
    Password { username: String, password: String },
    Refresh { token: String, username: Option<String> },
}

impl SignIn {
    /// Answers a form that somebody at `from` posted who addresses `tenant`.
    pub async fn token(&self, tenant: &Tenant, form: &[u8], from: Option<IpAddr>) -> Answer {
        let grant = match Form::read(form) {
            Ok(form) => form.grant,
            Err(why) => return Answer::detail(400, why),
        };
        let name = match &grant {
            Grant::Password { username, .. } => Some(self.guessed(tenant, username)),
            Grant::Refresh { .. } => None,
        };
        if let Err(wait) = self.throttle.begin(name.as_ref(), from, self.clock.now()) {
            return Answer::wait("Too many attempts", wait);
        }
        let answer = match (grant, &self.cognito) {
            (Grant::Password { username, password }, Some(cognito)) => {
                cognito.log_in(&username, &password).await
            }
            (Grant::Password { username, password }, None) => {
                self.check(tenant, &username, &password).await
            }
            (Grant::Refresh { token, username }, Some(cognito)) => {
                cognito.refresh(&token, username.as_deref()).await
            }
            (Grant::Refresh { token, .. }, None) => self.refresh(&token).await,
        };
        if answer.status == 200 {
            self.throttle.succeeded(name.as_ref(), from, self.clock.now());
        }
        answer
    }

    /// Takes back the token in the form `token=…` (RFC 7009, section 2.1).
    pub async fn revoke(&self, form: &[u8]) -> Answer {
        let token = match Form::fields(form) {
            Ok(fields) => field(&fields, "token"),
            Err(why) => return Answer::detail(400, why),
        };
        let Some(token) = token else { return Answer::detail(400, "`token` is missing") };
        match self.tokens.revoke(&token).await {
            Ok(()) => Answer { status: 200, body: json!({}), retry_after: None },
            Err(error) => Answer::unavailable(&error),
        }
    }

    /// Whose password is guessed at.
    fn guessed(&self, tenant: &Tenant, username: &str) -> (Tenant, String) {
        let home = match self.cognito {
            // One pool has the users of all tenants.
            Some(_) => Tenant::default(),
            None => self.users.home(tenant, username),
        };
        (home, username.to_owned())
    }

    async fn check(&self, tenant: &Tenant, username: &str, password: &str) -> Answer {
        let user = match self.users.find(tenant, username).await {
            Ok(user) => user,
            Err(error) => return Answer::unavailable(&error),
        };
        let hash = user.as_ref().map(|user| &user.hash);
        match (self.users.passwords.verify(username, hash, password).await, user) {
            (Ok(true), Some(user)) => match self.tokens.issue(&user.identity).await {
                Ok(pair) => Answer::tokens(&pair),
                Err(error) => Answer::refused(&error),
            },
            (Ok(_), _) => Answer::detail(401, WRONG),
            (Err(busy), _) => Answer::wait(&busy.to_string(), BUSY),
        }
    }

    /// Looks the user up again, so that whoever lost a role or was deleted learns it here, and whoever
    /// has a token of a former password, or of somebody of that name before.
    async fn refresh(&self, token: &str) -> Answer {
        let next = async {
            let owner = self.tokens.owner(token).await?;
            let home = owner.reach.home();
            let user = self.users.find(&home, &owner.username).await?;
            let is_same = |own: &Identity| own.reach.home() == home && own.epoch == owner.epoch;
            match user.filter(|user| is_same(&user.identity)) {
                Some(user) => self.tokens.refresh(token, &user.identity).await,
                None => {
                    self.tokens.revoke_family(token).await?;
                    Err(RefreshError::Invalid)
                }
            }
        };
        match next.await {
            Ok(pair) => Answer::tokens(&pair),
            Err(error) => Answer::refused(&error),
        }
    }
}

impl Answer {
    pub(crate) fn detail(status: u16, detail: &str) -> Self {
        Self { status, body: json!({ "detail": detail }), retry_after: None }
    }

    pub(crate) fn bearer(access: &str, expires_in: u64, refresh: Option<&str>) -> Self {
        let mut body = json!({
            "access_token": access,
            "token_type": "bearer",
            "expires_in": expires_in,
        });
        if let Some(refresh) = refresh {
            body["refresh_token"] = refresh.into();
        }
        Self { status: 200, body, retry_after: None }
    }

    fn tokens(pair: &Pair) -> Self {
        Self::bearer(&pair.access, pair.expires_in.as_secs(), Some(&pair.refresh))
    }

    fn wait(detail: &str, wait: Duration) -> Self {
        Self { retry_after: Some(wait), ..Self::detail(429, detail) }
    }

    fn refused(error: &RefreshError) -> Self {
        match error {
            RefreshError::Invalid => Self::detail(401, "The refresh token is not valid"),
            RefreshError::Store(error) => Self::unavailable(error),
            RefreshError::Random(_) => Self::detail(503, "The daemon cannot make tokens now"),
        }
    }

    fn unavailable(error: &StoreError) -> Self {
        tracing::warn!(%error, "nobody can log in now");
        Self { retry_after: Some(BUSY), ..Self::detail(503, "Nobody can log in now; try again") }
    }
}

type Fields = Vec<(String, String)>;

impl Form {
    fn read(form: &[u8]) -> Result<Self, &'static str> {
        let fields = Self::fields(form)?;
        let need = |name, missing| field(&fields, name).ok_or(missing);
        let grant = match field(&fields, "grant_type").as_deref() {
            None | Some("password") => Grant::Password {
                username: need("username", "`username` is missing")?,
                password: need("password", "`password` is missing")?,
            },
            Some("refresh_token") => Grant::Refresh {
                token: need("refresh_token", "`refresh_token` is missing")?,
                username: field(&fields, "username"),
            },
            Some(_) => return Err("`grant_type` is neither `password` nor `refresh_token`"),
        };
        match &grant {
            Grant::Password { username, .. } if crate::users::NAME < username.len() => {
                Err("`username` is too long")
            }
            _ => Ok(Self { grant }),
        }
    }

    /// A field that is there twice is not chosen from (RFC 6749, section 3.2).
    fn fields(form: &[u8]) -> Result<Fields, &'static str> {
        if FORM_LIMIT < form.len() {
            return Err("the form is too large");
        }
        let mut fields = Fields::new();
        for (name, value) in form_urlencoded::parse(form) {
            if fields.iter().any(|(known, _)| *known == name) {
                return Err("a field is there twice");
            }
            fields.push((name.into_owned(), value.into_owned()));
        }
        Ok(fields)
    }
}

/// A field that is there and not empty.
fn field(fields: &Fields, name: &str) -> Option<String> {
    let found = fields.iter().find(|(known, value)| known == name && !value.is_empty());
    found.map(|(_, value)| value.clone())
}
