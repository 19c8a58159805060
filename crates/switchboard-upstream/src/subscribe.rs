//! Hears of changes, for as long as a session is open: of lists, and of the resources that somebody
//! wants to hear of.
//!
//! A server of the legacy era announces changes of lists by itself, and those of a resource after
//! `resources/subscribe`. One of 2026-07-28 announces what a `subscriptions/listen` names, which is
//! in [`listen`]. What is announced reaches us as from any server:
//! [`unasked`](crate::unasked).

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use switchboard_core::{Error, Kind};
use switchboard_mcp::{Era, Json, Method};

use crate::endpoint::Shared;
use crate::link::{LinkError, Notice, Notices};
use crate::listen;
use crate::session::Session;
use crate::subscriptions::Touched;

/// Pauses before something that ended is opened again, the last one for good.
const PAUSES: [Duration; 4] = [
    Duration::from_secs(1),
    Duration::from_secs(5),
    Duration::from_secs(15),
    Duration::from_secs(30),
];

/// How long a server may take to take a subscription; the others wait for it meanwhile.
const ANSWER_WAIT: Duration = Duration::from_secs(30);

/// How often something that keeps ending was opened again.
#[derive(Debug, Default)]
pub(crate) struct Reopening {
    tries: usize,
}

impl Reopening {
    /// The pause before the next try; one that lasted longer than the longest pause was good.
    pub(crate) fn pause(&mut self, lasted: Duration) -> Duration {
        if lasted > PAUSES[PAUSES.len() - 1] {
            self.tries = 0;
        }
        let pause = PAUSES[self.tries.min(PAUSES.len() - 1)];
        self.tries += 1;
        pause
    }
}

/// Follows what changes for as long as the link of `session` lives.
pub(crate) async fn follow(session: Arc<Session>, shared: Arc<Shared>, notices: Notices) {
    let missed = shared.subscriptions.restart();
    let following = async {
        match session.facts.version.era() {
            Era::Legacy => subscribe(&session, &shared, missed).await,
            Era::Modern => listen::follow(&session, &shared, &notices, missed).await,
        }
    };
    tokio::select! {
        () = following => {}
        _ = session.link.lost() => {}
    }
}

/// What changed while nobody listened was announced to nobody.
pub(crate) fn missed(notices: &Notices) {
    for kind in [Kind::Tools, Kind::Prompts, Kind::Resources] {
        // Full means one like it is waiting.
        let _ = notices.try_send(Notice::Changed(kind));
    }
}

/// Tells a legacy server what is wanted, until the link ends. `missed` are the resources that the
/// last session had.
async fn subscribe(session: &Session, shared: &Shared, mut missed: BTreeSet<Arc<str>>) {
    let subscriptions = &shared.subscriptions;
    let mut held = BTreeSet::new();
    loop {
        subscriptions.news().await;
        for Touched { uri, is_wanted } in subscriptions.take() {
            let params = Json::encode(&serde_json::json!({ "uri": &*uri }));
            let method = match (is_wanted, held.contains(&uri)) {
                (true, false) => Method::Subscribe,
                (false, true) => Method::Unsubscribe,
                (true, true) => {
                    subscriptions.settle(&uri, Ok(()));
                    continue;
                }
                (false, false) => continue,
            };
            let told = session.ask(&method, Some(&params));
            let outcome = match tokio::time::timeout(ANSWER_WAIT, told).await {
                Ok(Ok(_)) => Ok(()),
                Ok(Err(LinkError::Refused(error))) => {
                    Err(Error::Server { error, version: session.facts.version })
                }
                // The link ends, and whoever follows the next one asks again.
                Ok(Err(error)) => {
                    tracing::debug!(upstream = &*session.name, %error, "a subscription was lost");
                    return;
                }
                Err(_) => {
                    let upstream = shared.name.to_string();
                    Err(Error::TimedOut { upstream, limit: ANSWER_WAIT })
                }
            };
            if is_wanted && outcome.is_ok() {
                held.insert(Arc::clone(&uri));
                if missed.remove(&uri) {
                    shared.environment.events.resource_updated(&shared.name, &uri);
                }
            } else {
                held.remove(&uri);
            }
            subscriptions.settle(&uri, outcome);
        }
    }
}
