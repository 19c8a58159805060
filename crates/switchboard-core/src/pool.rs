//! The rules by which calls are spread over servers: who may call now, where a call goes, and what
//! is spared a server that does badly.
//!
//! No part has a clock of its own or does I/O: the time since a fixed start and random numbers
//! come in as arguments. Only [`FairQueue`] waits.

mod balance;
mod breaker;
mod budget;
mod limit;
mod load;
mod mix;
mod outlier;
mod queue;
mod window;

pub use self::balance::{Balance, BalanceConfig, Candidate, Eligibility, Explained, Order, Pick};
pub use self::breaker::{Admission, Breaker, BreakerConfig, BreakerState, Generation};
pub use self::budget::{BudgetConfig, BudgetCounts, RetryBudget};
pub use self::limit::{AdaptiveConfig, Completed, Completion, ConcurrencyLimit, LimitConfig};
pub use self::load::{InFlight, Load, RESPONSE_TIME_DECAY};
pub use self::mix::stable_hash;
pub use self::outlier::{OutlierConfig, Outliers};
pub use self::queue::{FairQueue, Permit, QueueCounts, Shed};
pub use self::window::Verdict;
