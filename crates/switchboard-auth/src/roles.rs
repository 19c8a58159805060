//! Roles that come from outside.

use std::sync::Arc;

use switchboard_core::OWNER;

/// The roles that a user, a key or a token may have. `owner` is not among them: whoever runs the
/// daemon is known by the key of the instance or by its socket, and an identity provider that has a
/// group of that name does not mean all tenants of this daemon.
pub(crate) fn granted<S: AsRef<str>>(roles: impl IntoIterator<Item = S>) -> Vec<Arc<str>> {
    let granted = roles.into_iter().filter(|role| role.as_ref() != OWNER).take(LIMIT);
    granted.map(|role| role.as_ref().into()).collect()
}

/// Most roles of one principal: policies look at each.
const LIMIT: usize = 200;
