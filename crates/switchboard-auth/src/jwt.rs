//! Signed tokens (RFC 7519), as far as ours and those of identity providers are alike.
//!
//! The signature is checked by `jsonwebtoken`, with the one algorithm that belongs to the key
//! (RFC 8725, section 3.1): what the token says about itself chooses among our keys and nothing
//! else, so neither `none` nor a public key taken for a shared secret gets anywhere. The claims are
//! judged here, because time is an argument.

use std::time::{Duration, SystemTime};

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::clock;

/// Longest token that is looked at. Providers that put every group into a token make 8 KiB, and
/// proxies let no more through in one header.
pub(crate) const LIMIT: usize = 16 * 1024;

/// What a token says about itself, believed by nobody yet.
pub(crate) struct Unverified {
    pub(crate) algorithm: String,
    pub(crate) kid: Option<String>,
    pub(crate) issuer: Option<String>,
}

#[derive(Deserialize)]
struct Head {
    alg: String,
    kid: Option<String>,
    #[serde(default)]
    crit: Option<Value>,
}

/// What was signed.
pub(crate) type Claims = Map<String, Value>;

/// Why a token is not good.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Bad {
    Expired,
    Other,
}

/// When a token is good.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Times {
    pub(crate) now: SystemTime,
    /// How far the clocks may be apart.
    pub(crate) skew: Duration,
}

/// Whether it looks like a token of three parts: `{"` in base64 is how each begins.
pub(crate) fn is_jwt(text: &str) -> bool {
    text.starts_with("eyJ") && text.bytes().filter(|byte| *byte == b'.').count() == 2
}

/// Reads what chooses the key.
pub(crate) fn peek(token: &str) -> Option<Unverified> {
    if LIMIT < token.len() {
        return None;
    }
    let mut parts = token.split('.');
    let (head, claims) = (parts.next()?, parts.next()?);
    let head: Head = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(head).ok()?).ok()?;
    // An extension that must be understood, and we understand none (RFC 7515, section 4.1.11).
    if head.crit.is_some() {
        return None;
    }
    let claims: Claims = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).ok()?).ok()?;
    let issuer = claims.get("iss").and_then(Value::as_str).map(str::to_owned);
    Some(Unverified { algorithm: head.alg, kid: head.kid, issuer })
}

/// The claims, where the signature is that of `key`.
pub(crate) fn verify(token: &str, key: &DecodingKey, algorithm: Algorithm) -> Result<Claims, Bad> {
    let mut validation = Validation::new(algorithm);
    validation.required_spec_claims.clear();
    validation.validate_exp = false;
    validation.validate_aud = false;
    let decoded = jsonwebtoken::decode::<Claims>(token, key, &validation);
    decoded.map(|data| data.claims).map_err(|_| Bad::Other)
}

impl Times {
    /// Judges `exp`, which has to be there, and `nbf` and `iat`, which may (RFC 7519, section 4.1);
    /// when the token ends.
    pub(crate) fn check(self, claims: &Claims) -> Result<SystemTime, Bad> {
        let expires = date(claims, "exp")?.ok_or(Bad::Other)?;
        for name in ["nbf", "iat"] {
            if let Some(begins) = date(claims, name)?
                && self.now + self.skew < begins
            {
                return Err(Bad::Other);
            }
        }
        match expires.checked_add(self.skew) {
            Some(end) if end <= self.now => Err(Bad::Expired),
            _ => Ok(expires),
        }
    }
}

/// A claim that is a date, whole or with a fraction (RFC 7519, section 2).
fn date(claims: &Claims, name: &str) -> Result<Option<SystemTime>, Bad> {
    let Some(value) = claims.get(name) else { return Ok(None) };
    let whole = value.as_u64().or_else(|| {
        let number = value.as_f64()?;
        (0.0..1e15).contains(&number).then_some(number as u64)
    });
    whole.and_then(clock::time).map(Some).ok_or(Bad::Other)
}

/// Whether `aud` names one of `accepted` (RFC 7519, section 4.1.3).
pub(crate) fn is_for(claims: &Claims, accepted: &[String]) -> bool {
    let is_ours =
        |value: &Value| value.as_str().is_some_and(|aud| accepted.iter().any(|a| a == aud));
    match claims.get("aud") {
        Some(Value::Array(several)) => several.iter().any(is_ours),
        Some(one) => is_ours(one),
        None => false,
    }
}

/// The texts of a claim at a path such as `realm_access.roles`: a list, or words in one text.
///
/// A claim whose own name has dots (`https://example.com/roles`) is found first.
pub(crate) fn texts(claims: &Claims, path: &str) -> Vec<String> {
    match find(claims, path) {
        Some(Value::String(words)) => words.split_whitespace().map(str::to_owned).collect(),
        Some(Value::Array(list)) => {
            list.iter().filter_map(|item| item.as_str().map(str::to_owned)).collect()
        }
        _ => Vec::new(),
    }
}

/// The one text of a claim.
pub(crate) fn text<'a>(claims: &'a Claims, path: &str) -> Option<&'a str> {
    find(claims, path)?.as_str().filter(|text| !text.is_empty())
}

fn find<'a>(claims: &'a Claims, path: &str) -> Option<&'a Value> {
    if let Some(value) = claims.get(path) {
        return Some(value);
    }
    let mut steps = path.split('.');
    let first = claims.get(steps.next()?)?;
    steps.try_fold(first, |value, step| value.get(step))
}

#[cfg(test)]
mod tests;
