//! The answer to a request without a good key.

use std::time::SystemTime;

use crate::credential::Credential;
use crate::keys::{Keys, Verdict};

/// Why a request is answered with 401. The two differ because their remedies do, and a stranger
/// learns nothing from the difference: whether a key was sent is known to the one who sent it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Denied {
    Missing,
    Invalid,
}

impl Denied {
    /// The body, as `application/json`.
    pub const fn body(self) -> &'static str {
        match self {
            Self::Missing => {
                r#"{"error": "an API key is required: send it as X-API-Key, as Authorization: Bearer, or as ?api_key=; switchboard show-key prints it"}"#
            }
            Self::Invalid => {
                r#"{"error": "the API key is not valid: it may have been rotated; switchboard show-key prints the present one"}"#
            }
        }
    }

    /// The value of `WWW-Authenticate`, which a 401 must have (RFC 9110, section 15.5.2). An error
    /// code is for those who sent something (RFC 6750, section 3.1).
    pub const fn www_authenticate(self) -> &'static str {
        match self {
            Self::Missing => r#"Bearer realm="switchboard""#,
            Self::Invalid => r#"Bearer realm="switchboard", error="invalid_token""#,
        }
    }

    /// The label under which the rejection is counted.
    pub const fn reason(self) -> &'static str {
        match self {
            Self::Missing => "key_missing",
            Self::Invalid => "key_invalid",
        }
    }
}

impl Keys {
    /// Judges what a request presents: [`Self::verify`] with the answer to send when it fails.
    ///
    /// # Errors
    ///
    /// [`Denied`] says what to answer. `Ok` holds an accepting [`Verdict`], never `Refused`.
    pub fn admit(&self, credential: &Credential<'_>, now: SystemTime) -> Result<Verdict, Denied> {
        let presented = match credential {
            Credential::Missing => return Err(Denied::Missing),
            Credential::Invalid => return Err(Denied::Invalid),
            Credential::Presented(key) => key,
        };
        match self.verify(presented, now) {
            Verdict::Refused => Err(Denied::Invalid),
            accepted => Ok(accepted),
        }
    }
}

#[cfg(test)]
mod tests;
