//! Log messages, to clients that want them.

use std::sync::{Arc, Mutex, PoisonError};

use rmcp::model::{LoggingLevel, LoggingMessageNotificationParam};
use serde_json::json;

use crate::ask::Asking;

/// The level that a session of before 2026-07-28 has set; everything until it does.
#[derive(Clone)]
pub(crate) struct SessionLevel(Arc<Mutex<LoggingLevel>>);

impl SessionLevel {
    pub(crate) fn new() -> Self {
        Self(Arc::new(Mutex::new(LoggingLevel::Debug)))
    }

    pub(crate) fn set(&self, level: LoggingLevel) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = level;
    }

    fn get(&self) -> LoggingLevel {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Logs at `info`: to a session whose level lets it pass, to a request that has asked for it.
pub(crate) async fn info(asking: &Asking, session: &SessionLevel, words: &str) {
    let level =
        if asking.is_legacy() { Some(session.get()) } else { asking.context.meta.log_level() };
    if level.is_some_and(|level| LoggingLevel::Info as u8 >= level as u8) {
        let message = LoggingMessageNotificationParam::new(LoggingLevel::Info, json!(words));
        // A client that is gone hears nothing; the tool goes on.
        let _ = asking.context.peer.notify_logging_message(message).await;
    }
}
