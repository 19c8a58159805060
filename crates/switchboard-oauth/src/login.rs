//! A person agrees, in a browser on this machine or anywhere.

use std::time::Duration;

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest as _, Sha256};

use crate::callback::{self, Expected, Wrong};
use crate::discovery::Issuer;
use crate::error::OauthError;
use crate::loopback::Listener;
use crate::net::Net;
use crate::record::{Client, Login};
use crate::scopes::OFFLINE;
use crate::token::Request;
use crate::web::WebUrl;

/// How long a person may take: to find a password and a second factor.
pub(crate) const PATIENCE: Duration = Duration::from_mins(10);

/// How often a pasted address may be wrong.
const PASTES: usize = 5;

/// How a person agrees.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Way {
    /// In a browser that comes back to this machine, or whose last address is pasted.
    Browser,
    /// With a code that is typed on another device (RFC 8628).
    Device,
}

/// What a person is told.
#[derive(Clone, Copy, Debug)]
pub enum Prompt<'a> {
    /// Visit this address and agree. To be printed, and opened with [`WebUrl::open`] where there is
    /// a desktop.
    Visit { url: &'a WebUrl, issuer: &'a str, scopes: &'a [String] },
    /// Visit this address on any device and type the code; `direct` has the code in it.
    Device { url: &'a WebUrl, direct: Option<&'a WebUrl>, code: &'a str, issuer: &'a str },
    /// What was pasted is not the address; paste it again.
    PasteAgain,
}

/// The person.
#[async_trait]
pub trait LoginUi: Send + Sync {
    fn show(&self, prompt: Prompt<'_>);

    /// The next address that the person pastes. `None` if nobody will; asked while the browser is
    /// out, so it may wait for ever, and may be dropped.
    async fn pasted(&self) -> Option<String>;
}

/// What has been settled before a person is asked.
pub(crate) struct Plan<'a> {
    pub(crate) net: &'a Net,
    pub(crate) issuer: &'a Issuer,
    pub(crate) client: &'a Client,
    pub(crate) resource: &'a str,
    pub(crate) scopes: &'a [String],
    pub(crate) ui: &'a dyn LoginUi,
}

/// The ways back from the browser.
pub(crate) struct Return {
    pub(crate) redirect_uri: String,
    /// `None` if the port is taken; then only pasting is left.
    pub(crate) listener: Option<Listener>,
}

impl Plan<'_> {
    pub(crate) fn token_request(&self) -> Request<'_> {
        Request {
            endpoint: &self.issuer.token,
            client: self.client,
            resource: self.resource,
            scopes: self.scopes,
        }
    }

    /// The authorization code flow with PKCE (RFC 7636).
    pub(crate) async fn by_browser(&self, back: &Return) -> Result<Login, OauthError> {
        let what = || format!("the authorization server `{}` is not used", self.issuer.name);
        let Some(endpoint) = &self.issuer.authorization else {
            return Err(OauthError::unfit(what(), "it has no authorization endpoint"));
        };
        if !self.issuer.s256 {
            return Err(OauthError::unfit(what(), "it does not say that it checks PKCE with S256"));
        }
        let (verifier, state) = (random(), random());
        let challenge = URL_SAFE_NO_PAD.encode(Sha256::digest(&verifier));
        let scope = self.scopes.join(" ");
        let mut pairs = vec![
            ("response_type", "code"),
            ("client_id", &self.client.id),
            ("redirect_uri", &back.redirect_uri),
            ("state", &state),
            ("code_challenge", &challenge),
            ("code_challenge_method", "S256"),
            ("resource", self.resource),
        ];
        if !scope.is_empty() {
            pairs.push(("scope", &scope));
        }
        if self.scopes.iter().any(|scope| scope == OFFLINE) {
            // OpenID Connect Core, section 11: without it the scope may be ignored.
            pairs.push(("prompt", "consent"));
        }
        let url = WebUrl::assembled(endpoint, &pairs);
        let expected = || Expected {
            state: state.clone(),
            issuer: self.issuer.name.clone(),
            iss_advertised: self.issuer.iss_advertised,
        };
        self.ui.show(Prompt::Visit { url: &url, issuer: &self.issuer.name, scopes: self.scopes });
        let code = self.code(back, expected).await?;
        let grant = [
            ("grant_type", "authorization_code"),
            ("code", &code),
            ("redirect_uri", &back.redirect_uri),
            ("code_verifier", &verifier),
        ];
        let answer = self.token_request().send(self.net, &grant).await?;
        answer.map_err(|error| OauthError::Refused { doing: "a token for the code", error })
    }

    /// Waits for the browser and for what is pasted, whichever is first.
    async fn code(
        &self,
        back: &Return,
        expected: impl Fn() -> Expected,
    ) -> Result<String, OauthError> {
        let pasted = self.pasted(back, expected());
        let code = async {
            match &back.listener {
                Some(listener) => tokio::select! {
                    code = listener.code(expected()) => code,
                    code = pasted => code,
                },
                None => pasted.await,
            }
        };
        let given_up = OauthError::GivenUp { why: "nobody agreed within ten minutes" };
        tokio::time::timeout(PATIENCE, code).await.unwrap_or(Err(given_up))
    }

    async fn pasted(&self, back: &Return, expected: Expected) -> Result<String, OauthError> {
        for _ in 0..PASTES {
            let Some(text) = self.ui.pasted().await else {
                if back.listener.is_some() {
                    return std::future::pending().await;
                }
                return Err(OauthError::GivenUp { why: "the address was not pasted" });
            };
            let text = text.trim().trim_matches(['"', '\'', '<', '>']);
            let query =
                text.strip_prefix(&back.redirect_uri).and_then(|rest| rest.strip_prefix('?'));
            match query.map(|query| callback::read(query, &expected)) {
                Some(Ok(code)) => return Ok(code),
                Some(Err(Wrong::Final(error))) => return Err(error),
                Some(Err(Wrong::Stray)) | None => self.ui.show(Prompt::PasteAgain),
            }
        }
        Err(OauthError::GivenUp { why: "what was pasted was never the address" })
    }
}

/// 256 bits nobody can guess, as text for a URL.
fn random() -> String {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).expect("the system has a source of randomness");
    URL_SAFE_NO_PAD.encode(bytes)
}
