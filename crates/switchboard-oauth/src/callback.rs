//! What comes back from the authorization endpoint (RFC 6749, section 4.1.2; RFC 9207).

use subtle::ConstantTimeEq as _;

use crate::error::OauthError;
use crate::net;

/// What was recorded before the browser left.
pub(crate) struct Expected {
    pub(crate) state: String,
    pub(crate) issuer: String,
    /// The issuer says of itself that it always puts `iss` into its answers.
    pub(crate) iss_advertised: bool,
}

/// What is wrong with an answer.
pub(crate) enum Wrong {
    /// It is not the answer to our question; ours may still come.
    Stray,
    /// It is, and there will be no other.
    Final(OauthError),
}

/// Takes the code out of the query of a redirect.
pub(crate) fn read(query: &str, expected: &Expected) -> Result<String, Wrong> {
    let mut state = None;
    let (mut code, mut iss, mut error) = (None, None, None);
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        let place = match &*name {
            "state" => &mut state,
            "code" => &mut code,
            "iss" => &mut iss,
            "error" => &mut error,
            _ => continue,
        };
        // A second one is somebody's attempt to make two readers see two things.
        if place.replace(value.into_owned()).is_some() {
            return Err(Wrong::Stray);
        }
    }
    let state = state.unwrap_or_default();
    if !bool::from(state.as_bytes().ct_eq(expected.state.as_bytes())) {
        return Err(Wrong::Stray);
    }
    let unfit =
        |why| Wrong::Final(OauthError::unfit("the answer of the authorization server", why));
    // Compared as it is, without normalizing anything: RFC 9207, section 2.4.
    match iss {
        Some(iss) if iss != expected.issuer => {
            return Err(unfit("it names another issuer than the one that was asked"));
        }
        None if expected.iss_advertised => {
            return Err(unfit("it does not name its issuer, though it always should"));
        }
        Some(_) | None => {}
    }
    if let Some(error) = error {
        return Err(Wrong::Final(OauthError::Refused {
            doing: "the login",
            error: net::code(&error),
        }));
    }
    match code {
        Some(code) if !code.is_empty() => Ok(code),
        _ => Err(unfit("there is no code in it")),
    }
}

#[cfg(test)]
mod tests {
    use super::{Expected, Wrong, read};

    #[track_caller]
    fn check(query: &str, iss_advertised: bool, expected: &str) {
        let recorded = Expected {
            state: "s3cret".to_owned(),
            issuer: "https://as.example".to_owned(),
            iss_advertised,
        };
        let actual = match read(query, &recorded) {
            Ok(code) => format!("code {code}"),
            Err(Wrong::Stray) => "stray".to_owned(),
            Err(Wrong::Final(error)) => error.to_string(),
        };
        assert!(actual.contains(expected), "{query}: {actual}");
    }

    #[test]
    fn state_is_ours() {
        check("code=c&state=s3cret", false, "code c");
        check("code=c&state=s3cre", false, "stray");
        check("code=c&state=S3cret", false, "stray");
        check("code=c&state=", false, "stray");
        check("code=c", false, "stray");
        check("", false, "stray");
        check("code=c&state=s3cret&state=s3cret", false, "stray");
        check("code=c&code=d&state=s3cret", false, "stray");
        check("error=access_denied&state=wrong", false, "stray");
    }

    #[test]
    fn issuer_is_the_one_that_was_asked() {
        check("code=c&state=s3cret&iss=https%3A%2F%2Fas.example", true, "code c");
        check("code=c&state=s3cret&iss=https%3A%2F%2Fas.example", false, "code c");
        check("code=c&state=s3cret", true, "does not name its issuer");
        for iss in ["https://evil.example", "https://as.example/", "https://AS.example", ""] {
            check(&format!("code=c&state=s3cret&iss={iss}"), true, "another issuer");
            check(&format!("code=c&state=s3cret&iss={iss}"), false, "another issuer");
            check(&format!("error=x&state=s3cret&iss={iss}"), false, "another issuer");
        }
    }

    #[test]
    fn a_refusal_is_said_plainly() {
        check("error=access_denied&state=s3cret", false, "refused the login: access_denied");
        check("error=ACCESS_DENIED&state=s3cret", false, "refused the login: ACCESS_DENIED");
        for error in ["", "a%1b%5b31mb%0a", "s3cret", "aGVsbG8", "access%20denied", &"x".repeat(99)]
        {
            let query = format!("error={error}&state=s3cret");
            check(&query, false, "refused the login: an error without a usual name");
        }
        check("state=s3cret", false, "no code");
        check("code=&state=s3cret", false, "no code");
    }
}
