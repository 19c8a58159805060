//! Who somebody is that people name: what a key or a user of a tenant may bring to a request.

use switchboard_core::store::StoreError;
use switchboard_core::{Principal, Tenant};

use crate::auth::Auth;

/// Somebody who can log in, as a request of theirs would show them.
#[derive(Clone, Debug)]
pub struct Named {
    pub principal: Principal,
    /// Why the credential lets nobody in, where it does not.
    pub ended: Option<&'static str>,
}

impl Auth {
    /// Those of `tenant` that are called `text`: `key:ID` and `user:NAME` are one at most, and a bare
    /// word may be the id or the name of keys, as whom they act, or the name of a user. Where some
    /// are let in, those that are not any more are left out.
    ///
    /// # Errors
    ///
    /// Those of the store.
    pub async fn named(&self, tenant: &Tenant, text: &str) -> Result<Vec<Named>, StoreError> {
        let mut named = Vec::new();
        if let Some(id) = text.strip_prefix("key:") {
            named.extend(self.keys.of_id(tenant, id).await?);
        } else if let Some(name) = text.strip_prefix("user:")
            && let Some(user) = self.users.named(tenant, name).await?
        {
            named.push(user);
        } else {
            named.extend(self.keys.of_id(tenant, text).await?);
            named.extend(self.keys.called(tenant, text).await?);
            named.extend(self.users.named(tenant, text).await?);
        }
        if named.iter().any(|it| it.ended.is_none()) {
            named.retain(|it| it.ended.is_none());
        }
        Ok(named)
    }
}
