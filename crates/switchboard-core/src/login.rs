//! The port to whoever knows who is calling.

use std::net::IpAddr;
use std::sync::Arc;

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

use crate::principal::Principal;
use crate::tenant::Tenant;

/// What a caller presents, as it came over the wire.
#[derive(Clone, Copy, Debug)]
pub enum Credentials<'a> {
    /// The caller reached a socket that only its owner can open.
    SameUser,
    Http {
        /// Whom the request addresses, by its path.
        tenant: &'a Tenant,
        /// The headers that may carry a key.
        headers: &'a [(&'a str, &'a [u8])],
        query: Option<&'a str>,
        /// The other end of the connection, where that is known.
        from: Option<IpAddr>,
    },
}

/// Tells who is calling. Asked for every HTTP request, so [`Self::admit`] must not wait.
#[async_trait]
pub trait Login: Send + Sync {
    /// # Errors
    ///
    /// [`Denied`] with the words for the caller; they do not tell what would have been right.
    fn admit(&self, credentials: Credentials<'_>) -> Result<Admitted, Denied>;

    /// Fetches what [`Reason::Unlearned`] spoke of. Whoever got that awaits this once and asks
    /// again; where the answer is the same, what would know does not answer now.
    ///
    /// # Cancel safety
    ///
    /// May be dropped: what was not fetched is fetched for the next who asks.
    async fn learn(&self, _credentials: Credentials<'_>) {}
}

/// A caller that is let in.
#[derive(Clone, Debug)]
pub struct Admitted {
    pub principal: Principal,
    /// Cancelled when what was presented lets nobody in any more. What stays open for longer than
    /// a request takes, such as a stream, ends with it.
    pub revoked: CancellationToken,
}

impl Admitted {
    /// A caller whom nothing that it presented lets in, so that nothing can be taken back.
    pub fn for_good(principal: Principal) -> Self {
        Self { principal, revoked: CancellationToken::new() }
    }
}

/// Why nobody is let in.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("{message}")]
pub struct Denied {
    pub message: &'static str,
    pub reason: Reason,
    pub challenge: Challenge,
}

#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Reason {
    /// Nothing was presented.
    Missing,
    /// What was presented was never good, or was taken back.
    Invalid,
    /// It was good once.
    Expired,
    /// It is good, and not for this: these scopes would be.
    InsufficientScope { needed: Vec<Arc<str>> },
    /// It cannot be judged before [`Login::learn`].
    Unlearned,
}

/// What a `WWW-Authenticate` has beside the error. Data, because the address of the metadata
/// depends on that of the request.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Challenge {
    /// Whether there is metadata of the protected resource (RFC 9728).
    pub has_metadata: bool,
    /// The scopes to ask an authorization server for.
    pub scopes: Vec<Arc<str>>,
}

impl Denied {
    pub fn new(reason: Reason, message: &'static str) -> Self {
        Self { message, reason, challenge: Challenge::default() }
    }

    /// Nothing was presented.
    pub fn missing(message: &'static str) -> Self {
        Self::new(Reason::Missing, message)
    }

    /// What was presented lets nobody in.
    pub fn invalid(message: &'static str) -> Self {
        Self::new(Reason::Invalid, message)
    }

    /// The status of the answer (RFC 6750, section 3.1).
    pub fn status(&self) -> u16 {
        match self.reason {
            Reason::Missing | Reason::Invalid | Reason::Expired => 401,
            Reason::InsufficientScope { .. } => 403,
            Reason::Unlearned => 503,
        }
    }

    /// The value of `WWW-Authenticate`, where the answer has one; `metadata` is the address of the
    /// metadata of the resource that was asked for, and said where there is such metadata.
    ///
    /// An error code is for those who sent something (RFC 6750, section 3.1).
    pub fn www_authenticate(&self, metadata: Option<&str>) -> Option<String> {
        let (error, scopes) = match &self.reason {
            Reason::Missing => (None, &self.challenge.scopes),
            Reason::Invalid | Reason::Expired => (Some("invalid_token"), &self.challenge.scopes),
            Reason::InsufficientScope { needed } => (Some("insufficient_scope"), needed),
            Reason::Unlearned => return None,
        };
        let mut value = "Bearer realm=\"switchboard\"".to_owned();
        let mut add = |name: &str, text: &str| {
            // Neither addresses nor scopes have these (RFC 3986; RFC 6749, section 3.3), and what
            // had them would end the quotation.
            let clean = |c: char| c.is_ascii() && !c.is_ascii_control() && c != '"' && c != '\\';
            if !text.is_empty() && text.chars().all(clean) {
                value.push_str(&format!(", {name}=\"{text}\""));
            }
        };
        add("error", error.unwrap_or_default());
        add("scope", &scopes.join(" "));
        add("resource_metadata", metadata.filter(|_| self.challenge.has_metadata).unwrap_or(""));
        Some(value)
    }
}

#[cfg(test)]
mod tests {
    use super::{Challenge, Denied, Reason};

    #[track_caller]
    fn check(reason: Reason, status: u16, expected: Option<&str>) {
        let challenge = Challenge { has_metadata: true, scopes: vec!["a".into(), "b".into()] };
        let denied = Denied { message: "", reason, challenge };
        assert_eq!(denied.status(), status);
        assert_eq!(denied.www_authenticate(Some("https://x.example/m")).as_deref(), expected);
    }

    #[test]
    fn a_challenge_says_what_would_help() {
        const END: &str = "resource_metadata=\"https://x.example/m\"";
        let head = "Bearer realm=\"switchboard\"";
        check(Reason::Missing, 401, Some(&format!("{head}, scope=\"a b\", {END}")));
        let invalid = format!("{head}, error=\"invalid_token\", scope=\"a b\", {END}");
        check(Reason::Invalid, 401, Some(&invalid));
        check(Reason::Expired, 401, Some(&invalid));
        let needed = vec!["effect:write".into()];
        let step_up =
            format!("{head}, error=\"insufficient_scope\", scope=\"effect:write\", {END}");
        check(Reason::InsufficientScope { needed }, 403, Some(&step_up));
        check(Reason::Unlearned, 503, None);
    }

    #[test]
    fn nothing_gets_out_of_its_quotation() {
        let mut denied = Denied::missing("");
        denied.challenge.scopes = vec!["a\", error=\"b".into()];
        let plain = Some("Bearer realm=\"switchboard\"".to_owned());
        assert_eq!(denied.www_authenticate(Some("https://x.example/m")), plain);
    }
}
