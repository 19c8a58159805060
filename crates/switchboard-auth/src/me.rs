//! `GET /me`: what is known of whoever asks.

use serde_json::{Value, json};
use switchboard_core::Principal;

use crate::clock::seconds;

/// The claims of a principal: `username`, `roles` and `exp` as tokens have them, and what else was
/// found out about it.
pub fn me(principal: &Principal) -> Value {
    let standing = &principal.standing;
    let roles: Vec<&str> = standing.roles.iter().map(|role| &**role).collect();
    let mut claims = json!({
        "username": standing.name.as_deref().unwrap_or(&principal.subject),
        "sub": &*principal.subject,
        "tenant": principal.tenant.as_str(),
        "roles": roles,
        "method": standing.method.as_str(),
    });
    if let Some(scopes) = &standing.scopes {
        claims["scope"] = scopes.join(" ").into();
    }
    if let Some(expires) = standing.expires {
        claims["exp"] = seconds(expires).into();
    }
    if let Some(rate) = &standing.rate {
        claims["rate"] = rate.per_minute.get().into();
    }
    claims
}
