//! What all clients together may ask of a daemon, whichever way they came.

use std::fmt;
use std::sync::Arc;

use switchboard_core::Principal;
use switchboard_mcp::{RpcError, code};

use crate::http::HttpConfig;
use crate::rate::{Pace, Rate};
use crate::shares::{NoShare, Share, Shares};

/// The requests under way, and how fast each caller may ask.
#[derive(Clone)]
pub struct Bounds {
    slots: Arc<Shares>,
    limit: usize,
    pub(crate) rate: Option<Arc<Rate>>,
}

/// Why a request cannot be taken now.
pub(crate) struct Busy {
    why: NoShare,
    limit: usize,
}

impl Bounds {
    pub fn new(config: &HttpConfig) -> Self {
        Self {
            slots: Shares::new(config.in_flight),
            limit: config.in_flight,
            rate: config.rate.map(|rate| Arc::new(Rate::new(rate))),
        }
    }

    /// A place for a request among those under way.
    pub(crate) fn slot(&self, principal: &Principal) -> Result<Share, Busy> {
        self.slots.take(principal).map_err(|why| Busy { why, limit: self.limit })
    }

    /// How fast the messages of a conversation are read.
    pub(crate) fn pace(&self, principal: &Principal) -> Option<Pace> {
        self.rate.clone().map(|rate| Pace { rate, principal: principal.clone() })
    }
}

/// What a client is told in the words of MCP that has to come again.
pub(crate) fn busy(message: String) -> RpcError {
    let data = serde_json::json!({ "reason": "busy", "retry": true });
    RpcError::new(code::INTERNAL, message).with_data(&data)
}

impl fmt::Display for Busy {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { why, limit } = self;
        match why {
            NoShare::All => write!(formatter, "{limit} requests are under way"),
            NoShare::Own(own) => write!(
                formatter,
                "{own} requests of this caller are under way, which is its share of {limit}"
            ),
        }?;
        formatter.write_str(" (`http.in_flight`); try again")
    }
}
