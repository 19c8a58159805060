//! What is sent a second time by one upstream, at whichever of its endpoints.

use std::time::Duration;

use switchboard_core::pool::{BudgetConfig, BudgetCounts, RetryBudget};
use tokio::time::Instant;

/// The budget of an upstream, with its clock.
pub(crate) struct Retries {
    budget: RetryBudget,
    born: Instant,
}

impl Retries {
    pub(crate) fn new(budget: BudgetConfig) -> Self {
        Self { budget: RetryBudget::new(budget, Duration::ZERO), born: Instant::now() }
    }

    /// A call is made, for the first time.
    pub(crate) fn call(&self) {
        self.budget.call();
    }

    /// Whether one more call may be sent again now.
    pub(crate) fn may_be(&self) -> bool {
        self.budget.retry(self.born.elapsed())
    }

    /// A call is sent again that was refused at the door of a session that is over.
    pub(crate) fn resent(&self) {
        self.budget.resent();
    }

    pub(crate) fn counts(&self) -> BudgetCounts {
        self.budget.counts()
    }
}
