//! Waits for a task in the place of a client that knows none.

use std::sync::Arc;
use std::time::Duration;

use switchboard_mcp::{
    Answers, InputRequired, Json, Method, RpcError, Task, TaskGeneration, TaskStatus, code,
};
use tokio::time::Instant;

use super::{Server, odd};
use crate::error::Error;
use crate::peer::{Context, Peer, Request, Response};
use crate::rounds;

/// How often a task is looked at whose server does not say, and the bounds of what it may say: it
/// should neither be flooded nor keep a client waiting.
const POLL: Duration = Duration::from_secs(1);
const POLL_LEAST: Duration = Duration::from_millis(20);
pub(super) const POLL_MOST: Duration = Duration::from_secs(10);

/// How long a task is waited for whose server does not say how long it keeps it, and at most where
/// it does. There should be a limit that nothing extends (2026-07-28, "Timeouts"); those of an
/// upstream are for one request, of which each look is one. A day is longer than clients keep a
/// call open, and still an end for one whose server never ends the task.
const LONGEST: Duration = Duration::from_secs(24 * 60 * 60);

/// The result of a call to a server of 2025-11-25 that made a task of it.
pub(super) async fn legacy(
    server: Server<'_>,
    context: &Context,
    response: Response,
) -> Result<Response, Error> {
    let created = Task::read_created(&response.result, TaskGeneration::Experimental);
    let Some(task) = created.map_err(odd)? else { return Ok(response) };
    let context = &context.at(response.endpoint.as_deref());
    let mut abandoned = Abandoned::new(server, context, &task.id);
    // It blocks until the task has ended, and what the server asks meanwhile comes with it.
    let result = server.peer.request(context, about(Method::TasksResult, &task.id, None)).await;
    // Whoever was answered by the server has what came of it; one who was not waits no more.
    if matches!(result, Ok(_) | Err(Error::Server { .. })) {
        abandoned.task = None;
    }
    result
}

/// The result of a call to a server with the extension that made a task of it.
pub(super) async fn modern(
    server: Server<'_>,
    context: &Context,
    response: Response,
) -> Result<Response, Error> {
    let created = Task::read_created(&response.result, TaskGeneration::Extension).map_err(odd)?;
    let Some(task) = created else { return Ok(response) };
    let context = &context.at(response.endpoint.as_deref());
    let mut abandoned = Abandoned::new(server, context, &task.id);
    let (task, response) = finish(server, context, &task.id).await?;
    abandoned.task = None;
    outcome(task, &response)
}

/// Looks at the task until it has ended, and answers what it asks. Gives it as it was then.
///
/// # Errors
///
/// Where it could not be looked at, or its time is over; it may go on all the same.
pub(super) async fn finish(
    server: Server<'_>,
    context: &Context,
    id: &str,
) -> Result<(Task, Response), Error> {
    // The clocks of servers are not ours, so it is the wait that is measured, not the task's age.
    let began = Instant::now();
    let mut answered: Vec<String> = Vec::new();
    loop {
        let response = server.peer.request(context, about(Method::TasksGet, id, None)).await?;
        let mut task = Task::read(&response.result, TaskGeneration::Extension).map_err(odd)?;
        if task.status.is_final() {
            return Ok((task, response));
        }
        // A server may put off the end of a task while it works.
        let limit = task.ttl_ms.map_or(LONGEST, Duration::from_millis).min(LONGEST);
        if began.elapsed() >= limit {
            return Err(Error::TimedOut { upstream: server.name.to_owned(), limit });
        }
        let next = async {
            if task.status != TaskStatus::InputRequired {
                tokio::time::sleep(interval(&task)).await;
                return Ok(());
            }
            // The keys are unique for the life of a task: what was answered is not asked again.
            task.requests.retain(|request| !answered.contains(&request.key));
            answered.extend(task.requests.iter().map(|request| request.key.clone()));
            answer(server, context, id, task.requests).await
        };
        // When the time is over the task is looked at once more: it may have ended just now.
        if let Ok(done) = tokio::time::timeout_at(began + limit, next).await {
            done?;
        }
    }
}

/// How long to wait before the next look.
pub(super) fn interval(task: &Task) -> Duration {
    task.poll_interval_ms.map_or(POLL, Duration::from_millis).clamp(POLL_LEAST, POLL_MOST)
}

async fn answer(
    server: Server<'_>,
    context: &Context,
    id: &str,
    requests: Vec<switchboard_mcp::InputRequest>,
) -> Result<(), Error> {
    if requests.is_empty() {
        tokio::time::sleep(POLL).await;
        return Ok(());
    }
    let wanted = InputRequired { requests, state: None };
    let Answers { responses, .. } =
        rounds::answers(context, &wanted).await.map_err(Error::Refused)?;
    let responses: serde_json::Map<_, _> = responses
        .into_iter()
        .map(|(key, answer)| (key, answer.view().unwrap_or_default()))
        .collect();
    let more = serde_json::json!({ "inputResponses": responses });
    server.peer.request(context, about(Method::TasksUpdate, id, Some(more))).await.map(drop)
}

/// What came of a task that has ended.
pub(super) fn outcome(task: Task, response: &Response) -> Result<Response, Error> {
    let reason = task.status_message.clone();
    match (task.outcome, task.status) {
        (Some(Ok(result)), _) => Ok(Response::new(result, response.version)),
        (Some(Err(error)), _) => Err(Error::Server { error, version: response.version }),
        (None, status) => {
            let reason = reason.map(|reason| format!(": {reason}")).unwrap_or_default();
            let message = format!("the task is {}{reason}", status.as_str());
            let error = RpcError::new(code::INTERNAL, message);
            Err(Error::Server { error, version: response.version })
        }
    }
}

/// A request about the task that the server calls `id`.
pub(super) fn about(method: Method, id: &str, more: Option<serde_json::Value>) -> Request {
    let mut params = serde_json::json!({ "taskId": id });
    if let Some(serde_json::Value::Object(more)) = more {
        for (name, value) in more {
            params[name] = value;
        }
    }
    Request { method, params: Some(Json::encode(&params)), name: Some(id.to_owned()) }
}

/// Cancels a task that nobody waits for any more.
struct Abandoned {
    peer: Arc<dyn Peer>,
    context: Context,
    task: Option<String>,
}

impl Abandoned {
    fn new(server: Server<'_>, context: &Context, id: &str) -> Self {
        let context = Context { client: None, ..context.clone() };
        Self { peer: Arc::clone(server.peer), context, task: Some(id.to_owned()) }
    }
}

impl Drop for Abandoned {
    fn drop(&mut self) {
        let Some(id) = self.task.take() else { return };
        let (peer, context) = (Arc::clone(&self.peer), self.context.clone());
        // Outside of a runtime there is nobody who could be told.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                let _ = peer.request(&context, about(Method::TasksCancel, &id, None)).await;
            });
        }
    }
}
