//! Follows tasks for those who listen to them.
//!
//! A server MAY tell of a task that it is another now ("Tasks", in 2025-11-25 and in the extension)
//! and commonly does not, and one of 2025-11-25 tells it on a stream that need not be open. So the
//! task is looked at, as often as its server says it should be: what a client does that does not
//! listen, and the same for every server.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::stream::{self, BoxStream, StreamExt as _};
use switchboard_mcp::{Json, Method, RpcError, Task, TaskGeneration, code};

use super::drive::{POLL_MOST, about, interval};
use super::odd;
use crate::error::Error;
use crate::peer::{Context, Peer};
use crate::principal::Principal;

/// A task as its client has it, each time it is another.
///
/// It waits between two looks by itself: whoever takes from it may stop waiting at any time and
/// loses nothing.
pub type TaskChanges = BoxStream<'static, Json>;

/// Tasks of one principal that are followed at once: as many as a program may well have under way,
/// and each is a request to its server every now and then.
const FOLLOWED: usize = 64;

/// The shortest time between two looks: nobody waits for a call here.
const LEAST: Duration = Duration::from_millis(250);

/// How many tasks each principal follows.
#[derive(Clone, Default)]
pub(super) struct Followed(Arc<Mutex<HashMap<Principal, usize>>>);

/// The place of one task among those; free when it is dropped.
pub(crate) struct Place {
    followed: Followed,
    principal: Principal,
}

impl Followed {
    pub(super) fn place(&self, principal: &Principal) -> Result<Place, Error> {
        let mut counts = self.0.lock().expect("no one panics holding it");
        let count = counts.entry(principal.clone()).or_default();
        if *count == FOLLOWED {
            let message = format!("{FOLLOWED} tasks are followed already");
            let data = serde_json::json!({ "reason": "busy", "retry": true });
            let error = RpcError::new(code::INTERNAL, message).with_data(&data);
            return Err(Error::Refused(error));
        }
        *count += 1;
        Ok(Place { followed: self.clone(), principal: principal.clone() })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut counts = self.followed.0.lock().expect("no one panics holding it");
        if let Some(count) = counts.get_mut(&self.principal) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.principal);
            }
        }
    }
}

/// What becomes of the task that the client of `context` knows as `id`, as `peer` tells it.
pub(crate) fn changes(
    peer: Arc<dyn Peer>,
    context: Context,
    id: String,
    place: Place,
) -> TaskChanges {
    let followed = FollowedTask {
        peer,
        context,
        id,
        wait: Duration::ZERO,
        last: None,
        has_ended: false,
        _place: place,
    };
    let next = |mut followed: FollowedTask| async {
        let task = followed.next().await?;
        Some((task, followed))
    };
    stream::unfold(followed, next).boxed()
}

struct FollowedTask {
    peer: Arc<dyn Peer>,
    context: Context,
    id: String,
    /// Before the next look.
    wait: Duration,
    last: Option<Json>,
    has_ended: bool,
    _place: Place,
}

impl FollowedTask {
    async fn next(&mut self) -> Option<Json> {
        while !self.has_ended {
            tokio::time::sleep(self.wait).await;
            match self.look().await {
                Ok((shown, task)) => {
                    self.wait = interval(&task).max(LEAST);
                    self.has_ended = task.status.is_final();
                    let is_new =
                        self.last.as_ref().is_none_or(|last| last.as_bytes() != shown.as_bytes());
                    if is_new {
                        self.last = Some(shown.clone());
                        return Some(shown);
                    }
                }
                Err(error) if may_pass(&error) => self.wait = POLL_MOST,
                Err(error) => {
                    tracing::debug!(%error, "a task is not followed any more");
                    return None;
                }
            }
        }
        None
    }

    async fn look(&self) -> Result<(Json, Task), Error> {
        let request = about(Method::TasksGet, &self.id, None);
        let response = self.peer.request(&self.context, request).await?;
        let generation =
            TaskGeneration::of(self.context.version).unwrap_or(TaskGeneration::Extension);
        let mut task = Task::read(&response.result, generation).map_err(odd)?;
        // That of an answer is about the answer.
        task.meta = None;
        Ok((task.encode(generation), task))
    }
}

/// Whether the next look may find the task.
fn may_pass(error: &Error) -> bool {
    match error {
        Error::Unavailable { .. }
        | Error::Declined { .. }
        | Error::Unauthorized { .. }
        | Error::Busy { .. }
        | Error::Limited(_)
        | Error::Lost { .. }
        | Error::TimedOut { .. } => true,
        Error::Server { .. } => !super::about::has_forgotten(error),
        Error::NotFound { .. } | Error::Invalid(_) | Error::NoSuchMethod(_) | Error::Refused(_) => {
            false
        }
    }
}
