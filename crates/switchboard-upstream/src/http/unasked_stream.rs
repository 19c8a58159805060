//! The stream on which a legacy server says what belongs to no call, and the streams of calls that
//! are gone on with.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderValue, Method as HttpMethod, StatusCode};
use switchboard_core::Principal;
use tokio::time::Instant;

use crate::http::client::{Exchange, SendError};
use crate::http::exchange::{Reading, Tells, forgets_session};
use crate::http::{EVENTS, Inner, LAST_EVENT_ID};
use crate::subscribe::Reopening;
use crate::unasked::Origin;

impl Inner {
    /// Reads what a legacy server says unasked, for as long as the link lives.
    pub(super) async fn listen(self: Arc<Self>) {
        let mut gone = self.gone.subscribe();
        let mut reopening = Reopening::default();
        let mut is_first = true;
        loop {
            let begun = Instant::now();
            let refused = tokio::select! {
                refused = self.read_unasked(is_first) => refused,
                _ = gone.wait_for(Option::is_some) => return,
            };
            if refused {
                return;
            }
            is_first = false;
            tokio::select! {
                () = tokio::time::sleep(reopening.pause(begun.elapsed())) => {}
                _ = gone.wait_for(Option::is_some) => return,
            }
        }
    }

    /// Opens the stream of a legacy server, or goes on with another of its streams after the event
    /// `last`.
    pub(super) async fn open_stream(
        &self,
        who: Option<&Principal>,
        last: Option<HeaderValue>,
    ) -> Result<Exchange, SendError> {
        let session = self.known_session(who);
        let request = || {
            let mut request = self.versioned(HttpMethod::GET, Bytes::new(), session.as_ref());
            let headers = request.headers_mut();
            headers.insert(http::header::ACCEPT, EVENTS);
            if let Some(last) = &last {
                headers.insert(LAST_EVENT_ID, last.clone());
            }
            request
        };
        self.send(who, request).await
    }

    /// Opens the stream and reads it to its end; whether the server has none.
    async fn read_unasked(self: &Arc<Self>, is_first: bool) -> bool {
        let Ok(response) = self.open_stream(None, None).await else { return false };
        let owners = self.sessions.owners().filter(|_| !is_first);
        if let Some(session) = owners.filter(|_| forgets_session(response.status())) {
            // There was a stream before: it is the session that is not known any more.
            self.session_is_lost(None, session);
            return true;
        }
        // Any refusal means that there is no such stream (405 is the word for it).
        if response.status() != StatusCode::OK {
            return true;
        }
        if !is_first {
            self.unasked.missed();
        }
        let reading = Reading {
            link: self,
            id: None,
            origin: Origin::Shared,
            who: None,
            acknowledged: None,
            session: self.sessions.owners(),
            tells: Tells::Nothing,
        };
        // It ends when the server wants it to; then it is opened again.
        let _ = reading.answer(response).await;
        false
    }
}
