//! Where in a request the key is.
//!
//! `X-API-Key` first, then `Authorization: Bearer`, then `?api_key=`: from what was written for us
//! alone to what travels through histories and proxies. The first that is there decides; a wrong
//! key in one place is not forgiven for a right one in the next, or a client would work by luck.

use std::borrow::Cow;
use std::fmt;

use crate::query;

/// What a request presents.
#[derive(Clone, Eq, PartialEq)]
pub enum Credential<'a> {
    /// No key in any of the three places.
    Missing,
    /// The same place twice. Which one counts would depend on who reads the request (a proxy before
    /// us, or we), so neither does.
    Invalid,
    /// Bytes to hand to [`Keys::verify`](crate::Keys::verify).
    Presented(Cow<'a, [u8]>),
}

/// Finds the key in a request: all values of `X-API-Key` and of `Authorization`, and the query of
/// its target without the `?`.
///
/// An empty value counts as none: that is what a client sends whose variable is not set, and
/// "missing" tells its owner more than "invalid". So does an `Authorization` of another scheme,
/// which is for a proxy before us.
pub fn credential<'a>(
    api_key: impl IntoIterator<Item = &'a [u8]>,
    authorization: impl IntoIterator<Item = &'a [u8]>,
    query: Option<&'a str>,
) -> Credential<'a> {
    let (Ok(api_key), Ok(authorization)) = (at_most_one(api_key), at_most_one(authorization))
    else {
        return Credential::Invalid;
    };
    let in_headers = api_key.map(<[u8]>::trim_ascii).filter(|key| !key.is_empty());
    if let Some(key) = in_headers.or_else(|| authorization.and_then(bearer)) {
        return Credential::Presented(Cow::Borrowed(key));
    }
    match at_most_one(query::api_keys(query.unwrap_or_default())) {
        Ok(Some(key)) if !key.is_empty() => Credential::Presented(key),
        Ok(_) => Credential::Missing,
        Err(Repeated) => Credential::Invalid,
    }
}

struct Repeated;

fn at_most_one<T>(values: impl IntoIterator<Item = T>) -> Result<Option<T>, Repeated> {
    let mut values = values.into_iter();
    match (values.next(), values.next()) {
        (value, None) => Ok(value),
        (_, Some(_)) => Err(Repeated),
    }
}

/// The token of a `Bearer` value. Schemes are case-insensitive (RFC 9110, section 11.1).
fn bearer(authorization: &[u8]) -> Option<&[u8]> {
    let (scheme, rest) = authorization.trim_ascii().split_at_checked("Bearer".len())?;
    let separated = rest.first().is_some_and(u8::is_ascii_whitespace);
    (scheme.eq_ignore_ascii_case(b"Bearer") && separated).then(|| rest.trim_ascii())
}

impl fmt::Debug for Credential<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Missing => "Missing",
            Self::Invalid => "Invalid",
            Self::Presented(_) => "Presented(…)",
        })
    }
}

#[cfg(test)]
mod tests;
