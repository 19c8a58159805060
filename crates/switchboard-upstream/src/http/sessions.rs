//! The sessions at a server over HTTP.
//!
//! One serves all clients, opened with the link. Where each principal logs in for themselves, a
//! server may bind a session to whoever opened it, and know it from nobody else: there each
//! principal but the owner gets one of its own, opened by its first request.

use std::collections::VecDeque;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use http::header::AUTHORIZATION;
use http::{HeaderValue, Method as HttpMethod};
use switchboard_core::Principal;
use switchboard_mcp::{Frame, Method, Naming, WireId, encode};
use tokio::sync::OnceCell;
use tokio::time::Instant;

use crate::handshake::opening;
use crate::http::exchange::{Reading, Tells};
use crate::http::{Inner, SESSION};
use crate::link::LinkError;
use crate::unasked::Origin;

/// Sessions of principals that are kept; the one opened first is forgotten for another. Each is an
/// id, and a server ends those that are not used.
const LIMIT: usize = 1024;

#[derive(Default)]
pub(super) struct Sessions {
    /// From the answer to the `initialize` that opened the link.
    owners: OnceLock<HeaderValue>,
    others: Mutex<VecDeque<(Principal, Arc<Apart>)>>,
}

/// When a session with one server was last given up because it let nobody in any more, and which: of
/// those that the endpoint had before, too, so that a server that wants another login for some of what
/// it does is not opened anew each time somebody asks for that.
#[derive(Default)]
pub(crate) struct ShutOut(Mutex<Option<(Instant, HeaderValue)>>);

/// How often that may be. A login that lasts less is of no use with any session.
const SHUT_OUT_PAUSE: Duration = Duration::from_secs(60);

/// How long what was under way in a session may take to find out too. Not for ever: a server may have
/// the same id for all of its sessions.
const SHUT_OUT_TOGETHER: Duration = Duration::from_secs(5);

impl ShutOut {
    /// Whether `session` is given up for that: also where it was a moment ago, since several requests
    /// may be under way in it.
    fn is_of(&self, session: &HeaderValue) -> bool {
        let mut last = self.0.lock().expect("no one panics holding it");
        let since = last.as_ref().map(|(since, _)| since.elapsed());
        let is_known = last.as_ref().is_some_and(|(_, given_up)| given_up == session);
        if is_known && since.is_some_and(|since| since < SHUT_OUT_TOGETHER) {
            return true;
        }
        let may_be = since.is_none_or(|since| since >= SHUT_OUT_PAUSE);
        if may_be {
            *last = Some((Instant::now(), session.clone()));
        }
        may_be
    }
}

/// `None` is what a server names that has sessions only sometimes.
type Apart = OnceCell<Option<HeaderValue>>;

impl Sessions {
    /// Keeps the session that the link was opened with.
    pub(super) fn begin(&self, session: HeaderValue) {
        let _ = self.owners.set(session);
    }

    pub(super) fn owners(&self) -> Option<&HeaderValue> {
        self.owners.get()
    }

    /// The session of `who` as far as it is open.
    fn others(&self, who: &Principal) -> Option<HeaderValue> {
        let others = self.lock();
        let (_, apart) = others.iter().find(|(other, _)| other == who)?;
        apart.get().cloned().flatten()
    }

    fn place(&self, who: &Principal) -> Arc<Apart> {
        let mut others = self.lock();
        if let Some((_, apart)) = others.iter().find(|(other, _)| other == who) {
            return Arc::clone(apart);
        }
        if others.len() == LIMIT {
            others.pop_front();
        }
        let apart = Arc::new(Apart::new());
        others.push_back((who.clone(), Arc::clone(&apart)));
        apart
    }

    /// The server does not know `session` of `who` any more.
    fn forget(&self, who: &Principal, session: &HeaderValue) {
        let is_it = |apart: &Apart| apart.get().is_some_and(|it| it.as_ref() == Some(session));
        self.lock().retain(|(other, apart)| other != who || !is_it(apart));
    }

    /// All that are open, with whose they are; `None` is the owner's.
    pub(super) fn take(&self) -> Vec<(Option<Principal>, HeaderValue)> {
        let others = std::mem::take(&mut *self.lock());
        let others = others
            .into_iter()
            .filter_map(|(who, apart)| Some((Some(who), apart.get().cloned().flatten()?)));
        self.owners.get().map(|session| (None, session.clone())).into_iter().chain(others).collect()
    }

    fn lock(&self) -> MutexGuard<'_, VecDeque<(Principal, Arc<Apart>)>> {
        self.others.lock().expect("no one panics holding it")
    }
}

impl Inner {
    /// The principal, where its requests go with a session of its own.
    fn apart<'a>(&self, who: Option<&'a Principal>) -> Option<&'a Principal> {
        let login = self.login.as_ref().filter(|_| self.sessions.owners().is_some())?;
        who.filter(|who| login.is_apart(who))
    }

    /// The session for what is said about a request of `who`.
    pub(super) fn known_session(&self, who: Option<&Principal>) -> Option<HeaderValue> {
        match self.apart(who) {
            Some(who) => self.sessions.others(who),
            None => self.sessions.owners().cloned(),
        }
    }

    /// The session for a request of `who`, opened if need be.
    pub(super) async fn session(
        self: &Arc<Self>,
        who: Option<&Principal>,
    ) -> Result<Option<HeaderValue>, LinkError> {
        let Some(who) = self.apart(who) else { return Ok(self.sessions.owners().cloned()) };
        let place = self.sessions.place(who);
        place.get_or_try_init(|| self.open_session(who)).await.cloned()
    }

    /// A session that the server does not know any more ends the link where it is the one that the
    /// link was opened with, and is forgotten where it is one principal's.
    pub(super) fn session_is_lost(&self, who: Option<&Principal>, session: &HeaderValue) -> String {
        let cause = "the server does not know the session any more";
        match self.apart(who) {
            Some(who) => self.sessions.forget(who, session),
            None => self.end(cause),
        }
        cause.to_owned()
    }

    /// Whether a 401 in the session of the link means that the session is no longer what it was,
    /// and not that the header is wrong: it let us in before, and there is no other login that could
    /// be renewed (some servers say so where they forget a session that a login belongs to). What is
    /// refused so was not carried out.
    pub(super) fn is_shut_out(&self, session: &HeaderValue) -> bool {
        let has_header = self.headers.iter().any(|(name, _)| name == AUTHORIZATION);
        has_header
            && self.login.is_none()
            && self.has_worked.load(Ordering::Relaxed)
            && self.shut_out.is_of(session)
    }

    /// Whether the session of `who` is lost, so that another can be opened.
    pub(super) fn has_lost(&self, who: Option<&Principal>, session: Option<&HeaderValue>) -> bool {
        self.apart(who)
            .zip(session)
            .is_some_and(|(who, it)| self.sessions.others(who).as_ref() != Some(it))
    }

    /// Opens a session with the login of `who`, of the revision that was agreed on already.
    async fn open_session(
        self: &Arc<Self>,
        who: &Principal,
    ) -> Result<Option<HeaderValue>, LinkError> {
        let id = self.next_id();
        let version = self.version();
        let params = opening(version);
        let frame = Frame {
            id: Some(WireId(id)),
            method: &Method::Initialize,
            params: Some(&params),
            naming: Naming::Same,
            envelope: &[],
            progress: false,
        };
        let body = Bytes::from(frame.encode()?);
        let request = || self.request(HttpMethod::POST, body.clone(), None);
        let response = self.post(Some(who), request).await?;
        let session = response.headers().get(SESSION).cloned();
        let reading = Reading {
            link: self,
            id: Some(id),
            origin: Origin::Own,
            who: Some(who),
            acknowledged: None,
            session: None,
            tells: Tells::Nothing,
        };
        let result = reading.answer(response).await?;
        let agreed = result.members().ok().and_then(|it| it.read::<String>("protocolVersion"));
        if agreed.as_deref() != Some(version.as_str()) {
            return Err(LinkError::NotSent(format!(
                "the server speaks {version} in one session, and in another {}",
                agreed.as_deref().unwrap_or("nothing that we do"),
            )));
        }
        let initialized = encode::notification(&Method::Initialized, None);
        self.tell_in(session.as_ref(), Some(who), initialized).await?;
        Ok(session)
    }
}
