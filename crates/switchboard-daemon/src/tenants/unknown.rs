//! Tenants that there were not a moment ago.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use switchboard_core::Tenant;
use tokio::time::Instant;

/// Spares the store the same questions, about ten for a tenant of which it has nothing, by somebody
/// who may ask for any tenant and keeps asking for one that is not there.
#[derive(Default)]
pub(super) struct Unknown(Mutex<HashMap<Tenant, Instant>>);

/// How long it is believed. What this daemon does with a tenant is known at once
/// ([`Unknown::forget`]); one that another daemon on the same store made is found so much later.
const BELIEVED: Duration = Duration::from_secs(1);

/// Tenants that are remembered; beyond them the store is asked.
const MOST: usize = 4_096;

impl Unknown {
    pub(super) fn has(&self, tenant: &Tenant) -> bool {
        self.table().get(tenant).is_some_and(|since| since.elapsed() < BELIEVED)
    }

    /// The store had nothing of `tenant` when it was asked at `since`.
    pub(super) fn note(&self, tenant: &Tenant, since: Instant) {
        let mut table = self.table();
        if MOST <= table.len() {
            table.retain(|_, since| since.elapsed() < BELIEVED);
        }
        if table.len() < MOST {
            table.insert(tenant.clone(), since);
        }
    }

    /// Something was made of `tenant`.
    pub(super) fn forget(&self, tenant: &Tenant) {
        self.table().remove(tenant);
    }

    fn table(&self) -> MutexGuard<'_, HashMap<Tenant, Instant>> {
        self.0.lock().expect("no one panics holding it")
    }
}

#[cfg(test)]
mod tests {
    use switchboard_core::Tenant;
    use tokio::time::Instant;

    use super::{BELIEVED, MOST, Unknown};

    #[tokio::test(start_paused = true)]
    async fn a_tenant_is_not_there_for_a_moment_only() {
        let (unknown, acme) = (Unknown::default(), Tenant::parse("acme").unwrap());
        assert!(!unknown.has(&acme));
        unknown.note(&acme, Instant::now());
        assert!(unknown.has(&acme));
        tokio::time::advance(BELIEVED).await;
        assert!(!unknown.has(&acme));
        unknown.note(&acme, Instant::now());
        unknown.forget(&acme);
        assert!(!unknown.has(&acme));
    }

    #[tokio::test(start_paused = true)]
    async fn so_many_are_remembered_and_no_more() {
        let unknown = Unknown::default();
        let tenant = |number: usize| Tenant::parse(&format!("t{number}")).unwrap();
        for number in 0..=MOST {
            unknown.note(&tenant(number), Instant::now());
        }
        assert!(unknown.has(&tenant(0)) && !unknown.has(&tenant(MOST)));
        tokio::time::advance(BELIEVED).await;
        unknown.note(&tenant(MOST), Instant::now());
        assert!(unknown.has(&tenant(MOST)) && unknown.table().len() == 1);
    }
}
