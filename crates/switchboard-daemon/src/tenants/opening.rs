//! What serves a tenant while it is put together, which may be given up at any moment.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use switchboard_core::Tenant;
use tokio::sync::OnceCell;

/// What serves each tenant, or will.
pub(super) type Open<T> = Mutex<HashMap<Tenant, Arc<OnceCell<Arc<T>>>>>;

/// Somebody who wants what serves a tenant, and perhaps puts it together.
///
/// All who want it at the same time have the same cell. The last of them takes it away if nothing has
/// come of it, also where that is a client that hung up: an empty cell would be nobody's, and one that
/// is taken away while another still fills it would serve beside the next.
pub(super) struct Opening<'a, T> {
    open: &'a Open<T>,
    tenant: &'a Tenant,
    /// There until it is dropped.
    cell: Option<Arc<OnceCell<Arc<T>>>>,
}

impl<'a, T> Opening<'a, T> {
    pub(super) fn of(open: &'a Open<T>, tenant: &'a Tenant) -> Self {
        let mut cells = open.lock().expect("no one panics holding it");
        let cell = Arc::clone(cells.entry(tenant.clone()).or_default());
        Self { open, tenant, cell: Some(cell) }
    }

    pub(super) fn cell(&self) -> &OnceCell<Arc<T>> {
        self.cell.as_ref().expect("taken when it is dropped")
    }
}

impl<T> Drop for Opening<'_, T> {
    fn drop(&mut self) {
        let mut cells = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        // Cells are handed out and given back under the lock alone, so the count is right.
        drop(self.cell.take());
        let is_left =
            |cell: &Arc<OnceCell<Arc<T>>>| cell.get().is_none() && Arc::strong_count(cell) == 1;
        if cells.get(self.tenant).is_some_and(is_left) {
            cells.remove(self.tenant);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use futures_util::FutureExt as _;
    use switchboard_core::Tenant;

    use super::{Open, Opening};

    #[test]
    fn the_last_who_gives_up_leaves_nothing() {
        let (open, acme) = (Open::<u8>::default(), Tenant::parse("acme").unwrap());
        let count = || open.lock().unwrap().len();
        let first = Opening::of(&open, &acme);
        let settling = first.cell().get_or_init(std::future::pending).now_or_never();
        assert!(settling.is_none(), "a client that hangs up meanwhile");
        let second = Opening::of(&open, &acme);
        drop(first);
        assert_eq!(count(), 1, "another waits for the same");
        drop(second);
        assert_eq!(count(), 0);
    }

    #[test]
    fn what_was_put_together_stays() {
        let (open, acme) = (Open::<u8>::default(), Tenant::parse("acme").unwrap());
        let opening = Opening::of(&open, &acme);
        opening.cell().set(Arc::new(7)).unwrap();
        drop(opening);
        assert_eq!(**Opening::of(&open, &acme).cell().get().unwrap(), 7);
    }
}
