//! The tasks that clients have: what `tasks/list` shows, and results that wait to be fetched.

use std::collections::{HashMap, VecDeque};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};
use switchboard_mcp::{Json, Task, TaskGeneration};
use tokio::time::Instant;

use super::about::Told;
use crate::peer::{Context, Response};
use crate::principal::Principal;
use crate::time::rfc3339;

/// Tasks that are remembered of one principal, the newest: enough for every program that runs, and
/// an older one still works, it is only not listed.
const LISTED: usize = 256;

/// Principals whose tasks are remembered; of more, the ones that are there already.
const PRINCIPALS: usize = 10_000;

/// Results of one principal that wait to be fetched, and how long they do.
const KEPT: usize = 64;
const KEPT_FOR: Duration = Duration::from_secs(10 * 60);

/// Which task of which server, and of which of its endpoints where there are several. The server
/// without a name is us: a result that was there at once.
#[derive(Clone, Debug, Deserialize, Eq, Hash, PartialEq, Serialize)]
pub(super) struct Handle {
    pub upstream: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    pub id: String,
}

impl Handle {
    pub(super) fn new(upstream: &str, endpoint: Option<&str>, id: &str) -> Self {
        let endpoint = endpoint.map(str::to_owned);
        Self { upstream: upstream.to_owned(), endpoint, id: id.to_owned() }
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("nothing but strings")
    }

    pub(super) fn decode(text: &[u8]) -> Option<Self> {
        serde_json::from_slice(text).ok()
    }

    pub(super) fn is_ours(&self) -> bool {
        self.upstream.is_empty()
    }
}

#[derive(Default)]
pub(super) struct Made {
    table: Mutex<HashMap<Principal, Owned>>,
    next: AtomicU64,
}

#[derive(Default)]
struct Owned {
    /// With the text by which the client knows it.
    listed: VecDeque<(Handle, String)>,
    kept: VecDeque<Kept>,
}

struct Kept {
    id: String,
    since: Instant,
    answer: Told,
}

impl Made {
    /// Notes a task and gives the id by which its client knows it: the one it already has, or
    /// `text`.
    pub(super) fn remember(&self, context: &Context, handle: &Handle, text: String) -> String {
        let mut table = self.table.lock().expect("no one panics holding it");
        if table.len() >= PRINCIPALS && !table.contains_key(&context.principal) {
            return text;
        }
        let owned = table.entry(context.principal.clone()).or_default();
        if let Some((_, known)) = owned.listed.iter().find(|(other, _)| other == handle) {
            return known.clone();
        }
        if owned.listed.len() == LISTED {
            owned.listed.pop_front();
        }
        owned.listed.push_back((handle.clone(), text.clone()));
        text
    }

    pub(super) fn listed(&self, principal: &Principal) -> Vec<(Handle, String)> {
        let table = self.table.lock().expect("no one panics holding it");
        table.get(principal).map(|owned| owned.listed.iter().cloned().collect()).unwrap_or_default()
    }

    pub(super) fn forget(&self, principal: &Principal, handle: &Handle) {
        let mut table = self.table.lock().expect("no one panics holding it");
        if let Some(owned) = table.get_mut(principal) {
            owned.listed.retain(|(other, _)| other != handle);
        }
    }

    /// Keeps a result that was there at once, as a task that has ended.
    pub(super) fn keep(
        &self,
        context: &Context,
        upstream: &str,
        response: Response,
    ) -> (Handle, Task) {
        let handle = Handle::new("", None, &self.next.fetch_add(1, Ordering::Relaxed).to_string());
        let mut table = self.table.lock().expect("no one panics holding it");
        let owned = table.entry(context.principal.clone()).or_default();
        owned.kept.retain(Kept::is_fresh);
        if owned.kept.len() == KEPT {
            owned.kept.pop_front();
        }
        let answer = Told { response, upstream: Some(upstream.to_owned()) };
        owned.kept.push_back(Kept { id: handle.id.clone(), since: Instant::now(), answer });
        (handle, ended())
    }

    pub(super) fn kept(&self, principal: &Principal, id: &str) -> Option<Told> {
        let table = self.table.lock().expect("no one panics holding it");
        let mut kept = table.get(principal)?.kept.iter().filter(|kept| kept.is_fresh());
        kept.find(|kept| kept.id == id).map(|kept| kept.answer.clone())
    }
}

impl Kept {
    fn is_fresh(&self) -> bool {
        self.since.elapsed() < KEPT_FOR
    }
}

/// A task that ended as it began.
pub(super) fn ended() -> Task {
    #[expect(clippy::disallowed_methods, reason = "clients want to be told when the task was made")]
    let now = rfc3339(SystemTime::now());
    let task = serde_json::json!({
        "taskId": "",
        "status": "completed",
        "createdAt": now,
        "lastUpdatedAt": now,
        "ttl": KEPT_FOR.as_millis(),
    });
    Task::read(&Json::encode(&task), TaskGeneration::Experimental).expect("a whole task")
}
