//! How much a server of the legacy era says: a fact of the session, which all clients share.
//!
//! The level is only ever lowered. Clients that want less get less from their listener.

use std::sync::Mutex;
use std::time::Duration;

use switchboard_core::Capabilities;
use switchboard_mcp::{Era, Json, LogLevel, Method};

use crate::link::LinkError;
use crate::session::{ServerFacts, Session};

/// The lowest level that was asked for in this session, in `Some` once one was.
pub(crate) struct SessionLevel {
    /// Whether the server can be told at all.
    settable: bool,
    level: Mutex<Option<LogLevel>>,
}

/// How long a call waits for a server to take the level; one that does not answer that at once
/// must not cost the call.
const PATIENCE: Duration = Duration::from_secs(5);

impl SessionLevel {
    pub(crate) fn new(facts: &ServerFacts) -> Self {
        let logs = Capabilities::read(&facts.capabilities).is_ok_and(|offered| offered.logging);
        // Servers of 2026-07-28 are told in each request.
        let settable = logs && facts.version.era() == Era::Legacy;
        Self { settable, level: Mutex::new(None) }
    }

    /// Sees to it that the server of `session` says what `wanted` covers.
    pub(crate) async fn lower(&self, session: &Session, wanted: LogLevel) {
        if !self.settable || self.replace(wanted).is_err() {
            return;
        }
        let params = Json::encode(&serde_json::json!({ "level": wanted.as_str() }));
        let told = session.ask(&Method::SetLevel, Some(&params));
        match tokio::time::timeout(PATIENCE, told).await {
            // A server that refuses would refuse again.
            Ok(Ok(_) | Err(LinkError::Refused(_))) | Err(_) => {}
            Ok(Err(_)) => *self.level.lock().expect("no one panics holding it") = None,
        }
    }

    /// `Err` where the level is as low already.
    fn replace(&self, wanted: LogLevel) -> Result<(), LogLevel> {
        let mut level = self.level.lock().expect("no one panics holding it");
        match *level {
            Some(level) if level <= wanted => Err(level),
            _ => {
                *level = Some(wanted);
                Ok(())
            }
        }
    }
}
