//! What all clients together may ask of a daemon, whichever way they came.

use std::sync::Arc;

use switchboard_core::Principal;
use tokio::sync::Semaphore;

use crate::http::HttpConfig;
use crate::rate::{Pace, Rate};

/// The requests under way, and how fast each caller may ask.
#[derive(Clone)]
pub struct Bounds {
    pub(crate) slots: Arc<Semaphore>,
    pub(crate) rate: Option<Arc<Rate>>,
}

impl Bounds {
    pub fn new(config: &HttpConfig) -> Self {
        Self {
            slots: Arc::new(Semaphore::new(config.in_flight)),
            rate: config.rate.map(|rate| Arc::new(Rate::new(rate))),
        }
    }

    /// How fast the messages of a conversation are read.
    pub(crate) fn pace(&self, principal: &Principal) -> Option<Pace> {
        self.rate.clone().map(|rate| Pace { rate, principal: principal.clone() })
    }
}
