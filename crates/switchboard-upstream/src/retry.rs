//! What is asked once more, and of which session.
//!
//! Only what was certainly not carried out, or has no effect when it is done twice. Once: a server
//! that fails on this request would fail each time. What the server had before is sent again within
//! the budget of its upstream; what it did not get, because its session was over, is no more load
//! than the call was, and waits for the new session with all others.

use std::sync::Arc;

use switchboard_core::{Error, Kind, Lists, Request, Response};
use switchboard_mcp::{Era, code};

use crate::endpoint::Endpoint;
use crate::handshake;
use crate::listing;
use crate::owner::Command;
use crate::session::Session;

impl Endpoint {
    /// The session to ask again after `answer`; `None` where the answer stands.
    pub(crate) async fn again(
        &self,
        session: &Arc<Session>,
        request: &Request,
        answer: &Result<Response, Error>,
    ) -> Result<Option<Arc<Session>>, Error> {
        let repeatable = request.method.is_idempotent();
        let retries = &self.shared.retries;
        match answer {
            // A server that is there and refuses at the door would refuse again, and its session
            // is still that of the other callers.
            Err(Error::Unavailable { .. }) if session.is_over() => {
                retries.resent();
                self.session(Some(session)).await.map(Some)
            }
            Err(Error::Lost { .. }) if repeatable && retries.may_be() => match session.is_over() {
                true => self.session(Some(session)).await.map(Some),
                false => Ok(Some(Arc::clone(session))),
            },
            Err(Error::Server { error, version })
                if version.era() == Era::Modern && may_be_put_right(session, error.code) =>
            {
                match retries.may_be() {
                    true => self.after_refusal(session, error.code).await,
                    false => Ok(None),
                }
            }
            _ => Ok(None),
        }
    }

    /// Puts right what a server of 2026-07-28 says is wrong between us and it.
    async fn after_refusal(
        &self,
        session: &Arc<Session>,
        error: i64,
    ) -> Result<Option<Arc<Session>>, Error> {
        match error {
            // Its tools want other headers than when they were last listed.
            code::HEADER_MISMATCH if session.over_http => {
                let lists = self.view().lists.unwrap_or_default();
                match listing::reread(session, Kind::Tools, lists).await {
                    Ok(lists) => self.learn_headers(&lists),
                    Err(cause) => {
                        tracing::warn!(upstream = &**self.name(), cause, "lists cannot be read");
                    }
                }
                Ok(Some(Arc::clone(session)))
            }
            // It is another server than it was.
            code::UNSUPPORTED_VERSION => match handshake::is_modern_still(session).await {
                true => Ok(Some(Arc::clone(session))),
                false => self.session(Some(session)).await.map(Some),
            },
            _ => Ok(None),
        }
    }

    fn learn_headers(&self, lists: &Lists) {
        self.shared.tool_headers.learn(lists);
        // What is shown of the tools is the owner's to change.
        let _ = self.commands.try_send(Command::Changed(Kind::Tools));
    }
}

/// Whether [`Endpoint::after_refusal`] has something to do.
fn may_be_put_right(session: &Session, error: i64) -> bool {
    error == code::UNSUPPORTED_VERSION || (error == code::HEADER_MISMATCH && session.over_http)
}
