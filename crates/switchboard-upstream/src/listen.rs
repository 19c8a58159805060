//! `subscriptions/listen`: what a server of 2026-07-28 is to announce.
//!
//! One subscription names everything: the lists, and all resources that somebody wants to hear of.
//! Another set of resources is another subscription; it is opened, and acknowledged, before the old
//! one is given up, so that nothing goes by in between.

use std::collections::BTreeSet;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value};
use switchboard_core::Error;
use switchboard_mcp::{Json, Members, Method, RpcError};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::endpoint::Shared;
use crate::link::{LinkError, Notices};
use crate::session::Session;
use crate::subscribe::{Reopening, missed};

/// How long a server may take to acknowledge a subscription; it must before it says anything else
/// on it (2026-07-28, "Subscriptions"), and one that does not is taken to honour it.
const PATIENCE: Duration = Duration::from_secs(10);

/// What a subscription names.
#[derive(Clone, Default, Eq, PartialEq)]
struct Filter {
    lists: Map<String, Value>,
    resources: BTreeSet<Arc<str>>,
}

/// A subscription that is open.
struct Listening<'a> {
    filter: Filter,
    ending: Pin<Box<dyn Future<Output = Result<Json, LinkError>> + Send + 'a>>,
    since: Instant,
    over: bool,
}

/// How the opening of a subscription went.
enum Opened<'a> {
    /// The server's acknowledgement, where it gave one.
    Acknowledged(Listening<'a>, Option<Json>),
    Refused(RpcError),
    Ended,
}

/// Listens until the future is dropped. `missed` are the resources that the last session had.
pub(crate) async fn follow(
    session: &Session,
    shared: &Shared,
    notices: &Notices,
    missed: BTreeSet<Arc<str>>,
) {
    let mut listener = Listener {
        session,
        shared,
        notices,
        lists: lists(session),
        refused: BTreeSet::new(),
        current: None,
        missed,
        missed_lists: false,
        has_failed: false,
        reopening: Reopening::default(),
    };
    loop {
        listener.adjust().await;
        listener.listen().await;
    }
}

struct Listener<'a> {
    session: &'a Session,
    shared: &'a Shared,
    notices: &'a Notices,
    /// The lists of which the server announces changes.
    lists: Map<String, Value>,
    /// Resources of which the server announces nothing.
    refused: BTreeSet<Arc<str>>,
    current: Option<Listening<'a>>,
    /// What may have changed while nobody listened.
    missed: BTreeSet<Arc<str>>,
    missed_lists: bool,
    /// What was asked for last did not come about, and some of it may later.
    has_failed: bool,
    reopening: Reopening,
}

impl<'a> Listener<'a> {
    /// Makes the subscription the one that is wanted, as far as the server goes along.
    async fn adjust(&mut self) {
        for touched in self.shared.subscriptions.take() {
            // Who asks anew gets an answer of the server's own.
            self.refused.remove(&touched.uri);
        }
        let wanted = self.shared.subscriptions.wanted();
        let resources = wanted.difference(&self.refused).cloned().collect();
        let filter = Filter { lists: self.lists.clone(), resources };
        if self.current.as_ref().is_some_and(|current| current.filter == filter) {
            return;
        }
        if filter == Filter::default() {
            self.current = None;
            return;
        }
        match open(self.session, filter.clone(), self.current.as_mut()).await {
            Opened::Acknowledged(listening, acknowledgement) => {
                // The one before it ends here.
                self.current = Some(listening);
                self.acknowledged(&filter, acknowledgement.as_ref());
            }
            Opened::Refused(error) => {
                self.refuse(&filter, &error);
                self.has_failed = true;
            }
            Opened::Ended => self.has_failed = true,
        }
    }

    /// Waits until there is something else to listen to, or to listen again.
    async fn listen(&mut self) {
        let news = self.shared.subscriptions.news();
        let Some(current) = &mut self.current else {
            // What became wanted since it was looked at is news already, and nothing to pause for.
            if !std::mem::take(&mut self.has_failed) {
                return news.await;
            }
            return tokio::time::sleep(self.reopening.pause(Duration::ZERO)).await;
        };
        tokio::select! {
            () = current.end() => {
                let pause = self.reopening.pause(current.since.elapsed());
                self.missed.extend(std::mem::take(&mut current.filter.resources));
                self.missed_lists = true;
                self.current = None;
                tokio::time::sleep(pause).await;
            }
            () = news => {}
        }
    }

    fn acknowledged(&mut self, filter: &Filter, acknowledgement: Option<&Json>) {
        let honoured = acknowledgement.and_then(honoured);
        for uri in &filter.resources {
            if honoured.as_ref().is_some_and(|honoured| !honoured.contains(&**uri)) {
                self.refused.insert(Arc::clone(uri));
                let error = Error::NoSuchMethod(Method::Subscribe.to_string());
                self.shared.subscriptions.settle(uri, Err(error));
                continue;
            }
            self.shared.subscriptions.settle(uri, Ok(()));
            if self.missed.remove(uri) {
                self.shared.environment.events.resource_updated(&self.shared.name, uri);
            }
        }
        if std::mem::take(&mut self.missed_lists) {
            missed(self.notices);
        }
    }

    /// The server does not want the subscription; what it has already stays.
    fn refuse(&mut self, filter: &Filter, error: &RpcError) {
        tracing::debug!(upstream = &*self.session.name, %error, "changes are not announced");
        if filter.resources.is_empty() {
            self.lists.clear();
        }
        let kept = self.current.as_ref().map(|current| &current.filter.resources);
        for uri in filter.resources.iter().filter(|uri| kept.is_none_or(|k| !k.contains(*uri))) {
            self.refused.insert(Arc::clone(uri));
            let (error, version) = (error.clone(), self.session.facts.version);
            self.shared.subscriptions.settle(uri, Err(Error::Server { error, version }));
        }
    }
}

impl Listening<'_> {
    /// Resolves when the server has ended it.
    ///
    /// # Cancel safety
    ///
    /// Nothing is lost if the future is dropped.
    async fn end(&mut self) {
        if !self.over {
            // However it ended, it is opened again.
            let _ = (&mut self.ending).await;
            self.over = true;
        }
    }
}

/// Opens a subscription while `old` goes on.
async fn open<'a>(
    session: &'a Session,
    filter: Filter,
    old: Option<&mut Listening<'_>>,
) -> Opened<'a> {
    let acknowledged = Arc::new(watch::Sender::new(None));
    let mut acknowledgement = acknowledged.subscribe();
    let mut ending: Pin<Box<_>> = Box::pin(session.listen(filter.params(), acknowledged));
    let old = async {
        if let Some(old) = old {
            old.end().await;
        }
        std::future::pending::<()>().await;
    };
    let answer = tokio::select! {
        biased;
        ended = &mut ending => match ended {
            Err(LinkError::Refused(error)) => return Opened::Refused(error),
            _ => return Opened::Ended,
        },
        answer = acknowledgement.wait_for(Option::is_some) => {
            answer.ok().and_then(|answer| answer.clone())
        }
        () = tokio::time::sleep(PATIENCE) => None,
        () = old => None,
    };
    let listening = Listening { filter, ending, since: Instant::now(), over: false };
    Opened::Acknowledged(listening, answer)
}

impl Filter {
    fn params(&self) -> Json {
        let mut notifications = self.lists.clone();
        if !self.resources.is_empty() {
            let uris: Vec<&str> = self.resources.iter().map(|uri| &**uri).collect();
            notifications.insert("resourceSubscriptions".to_owned(), uris.into());
        }
        Json::encode(&serde_json::json!({ "notifications": notifications }))
    }
}

/// The changes of lists that the server says it announces.
fn lists(session: &Session) -> Map<String, Value> {
    let mut lists = Map::new();
    let Ok(capabilities) = session.facts.capabilities.members() else { return lists };
    for (name, filter) in [
        ("tools", "toolsListChanged"),
        ("prompts", "promptsListChanged"),
        ("resources", "resourcesListChanged"),
    ] {
        let part = capabilities.get(name).and_then(|part| Members::parse(part).ok());
        if part.and_then(|part| part.read::<bool>("listChanged")) == Some(true) {
            lists.insert(filter.to_owned(), true.into());
        }
    }
    lists
}

/// The resources that an acknowledgement names; `None` where it does not say what it is about.
fn honoured(acknowledgement: &Json) -> Option<BTreeSet<String>> {
    let members = acknowledgement.members().ok()?;
    let notifications = Members::parse(members.get("notifications")?).ok()?;
    Some(notifications.read("resourceSubscriptions").unwrap_or_default())
}
