//! The login at a server over HTTP, as the requests to it see it.
//!
//! A request carries the token of the principal it is for. What nobody's call causes (the opening,
//! lists, subscriptions, the stream of unasked messages) goes with the login of the owner: it is
//! for all clients, and the owner is who configured the server.

use std::error::Error as _;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::{Request, StatusCode, header};
use switchboard_core::Principal;
use switchboard_oauth::{Authorizer, Bearer, Challenge, LoginState, Next, OauthError, Refusal};

use crate::environment::Environment;
use crate::http::HttpConfig;

pub(crate) struct Login {
    upstream: Arc<str>,
    authorizer: Authorizer,
    owner: Principal,
    per_principal: bool,
    /// What the owner's login was when the server last wanted another; `None` once it took it.
    wanted: Mutex<Option<LoginState>>,
}

/// What to do after a refusal.
pub(crate) enum Verdict {
    /// Send it once more, with this token.
    Retry(Bearer),
    /// Nothing is to be had without a person; the text says what the person can do.
    Refused(String),
    /// The answer stands: it has nothing to do with a login.
    Stands,
}

/// How often it is looked whether somebody has logged in: people go back to what they were doing
/// within seconds, and a look is one question about one file.
const LOOK: Duration = Duration::from_secs(1);

impl Login {
    /// The login at a configured server; `None` where its headers say who we are.
    ///
    /// # Errors
    ///
    /// The settings contradict themselves, in words for the configuration.
    pub(crate) fn new(
        upstream: &Arc<str>,
        config: &HttpConfig,
        environment: &Environment,
    ) -> Result<Option<Arc<Self>>, String> {
        // An address that is none is reported by whoever connects to it.
        let Ok(server) = config.url.parse() else { return Ok(None) };
        if config.has_authorization() {
            return Ok(None);
        }
        let outside = (environment.logins.clone(), environment.guard.clone());
        let (settings, tasks) = (config.oauth.clone(), environment.tasks.clone());
        let authorizer = Authorizer::new(upstream, &server, settings, outside, tasks);
        Ok(Some(Arc::new(Self {
            upstream: Arc::clone(upstream),
            authorizer: authorizer.map_err(|error| error.to_string())?,
            owner: environment.owner.clone(),
            per_principal: config.oauth.per_principal,
            wanted: Mutex::default(),
        })))
    }

    /// Whether each principal has a login of its own.
    pub(crate) fn is_per_principal(&self) -> bool {
        self.per_principal
    }

    /// Whether requests of `who` carry another login than our own do.
    pub(crate) fn is_apart(&self, who: &Principal) -> bool {
        self.per_principal && *who != self.owner
    }

    /// The token for a request; `None` if it goes without.
    ///
    /// # Errors
    ///
    /// There is a login, and no token to be had from it; the text says what to do.
    pub(crate) async fn bearer(&self, who: Option<&Principal>) -> Result<Option<Bearer>, String> {
        let bearer = self.authorizer.bearer(&self.who(who).subject).await;
        bearer.map_err(|error| self.failed(who, &error))
    }

    /// What to do about a response that said 401 or 403.
    pub(crate) async fn refused(&self, who: Option<&Principal>, refusal: Refusal) -> Verdict {
        let knows_us = refusal.used.is_some();
        let speaks_oauth = refusal.challenge.is_some();
        match self.authorizer.refused(&self.who(who).subject, refusal).await {
            Ok(Next::Retry(token)) => Verdict::Retry(token),
            Ok(Next::LoginNeeded { message }) => {
                self.want(who);
                let other = match knows_us || speaks_oauth {
                    true => "",
                    false => ", or set the header it wants under `http.headers`",
                };
                Verdict::Refused(format!("{message}{other}"))
            }
            Ok(Next::Forbidden { message }) if speaks_oauth => Verdict::Refused(message),
            Ok(Next::Forbidden { .. }) => Verdict::Stands,
            Err(error) => Verdict::Refused(self.failed(who, &error)),
        }
    }

    /// The server answered a request of this principal.
    pub(crate) fn accepted(&self, who: Option<&Principal>) {
        if who.is_none_or(|who| *who == self.owner) {
            *self.wanted.lock().expect("no one panics holding it") = None;
        }
    }

    /// Whether the server wants another login of the owner before it opens.
    pub(crate) fn is_wanted(&self) -> bool {
        self.wanted.lock().expect("no one panics holding it").is_some()
    }

    /// Resolves when the owner has logged in after the server wanted it. Never, if it does not.
    pub(crate) async fn renewed(&self) {
        loop {
            let now = self.authorizer.state(&self.owner.subject);
            if matches!(now, LoginState::LoggedIn { .. }) && self.is_news(&now) {
                return;
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    /// Whether the server wanted a login when it was another than `now`; tells so once.
    fn is_news(&self, now: &LoginState) -> bool {
        let mut wanted = self.wanted.lock().expect("no one panics holding it");
        let is_news = wanted.as_ref().is_some_and(|before| before != now);
        if is_news {
            *wanted = Some(now.clone());
        }
        is_news
    }

    fn who<'a>(&'a self, who: Option<&'a Principal>) -> &'a Principal {
        who.unwrap_or(&self.owner)
    }

    fn want(&self, who: Option<&Principal>) {
        if who.is_none_or(|who| *who == self.owner) {
            let state = self.authorizer.state(&self.owner.subject);
            *self.wanted.lock().expect("no one panics holding it") = Some(state);
        }
    }

    fn failed(&self, who: Option<&Principal>, error: &OauthError) -> String {
        let name = &self.upstream;
        let mut text = format!("no token for `{name}` is to be had: {error}");
        let mut cause = error.source();
        while let Some(error) = cause {
            text.push_str(&format!(": {error}"));
            cause = error.source();
        }
        if error.is_temporary() {
            return text;
        }
        self.want(who);
        format!("{text}; `switchboard login {name}` logs in anew")
    }
}

/// What a response says that refuses a request for the sake of a login; `None` for all others.
pub(crate) fn refusal(
    status: StatusCode,
    headers: &http::HeaderMap,
    used: Option<&Bearer>,
) -> Option<Refusal> {
    if !matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
        return None;
    }
    let challenges = headers.get_all(header::WWW_AUTHENTICATE);
    let challenge = Challenge::read(challenges.iter().filter_map(|value| value.to_str().ok()));
    Some(Refusal { status, challenge, used: used.cloned() })
}

/// Puts the token into the headers of a request.
pub(crate) fn sign<B>(request: &mut Request<B>, token: Option<&Bearer>) {
    if let Some(token) = token {
        request.headers_mut().insert(header::AUTHORIZATION, token.header());
    }
}
