//! The methods about tasks: `tasks/get`, `tasks/result`, `tasks/update`, `tasks/cancel`,
//! `tasks/list`.

use std::collections::HashSet;
use std::sync::Arc;

use async_trait::async_trait;
use switchboard_mcp::{
    Answers, Json, Method, ProtocolVersion, RpcError, TASKS_EXTENSION, Task, TaskGeneration,
    TaskStatus, code, encode_task_list, question_to_client, renumber, rewrite_task_ids,
    with_related_task, without_hop_meta,
};

use super::drive::{self, about, finish};
use super::follow::Place;
use super::made::Handle;
use super::{Server, Tasks, declaring, invalid, legacy, odd};
use crate::error::Error;
use crate::peer::{Context, Notification, Peer, Request, Response};
use crate::seal::Purpose;

/// An answer about a task.
#[derive(Clone)]
pub(crate) struct Told {
    pub response: Response,
    /// Whose addresses of resources are in it; `None` where it is of our own making.
    pub upstream: Option<String>,
}

/// A task as the client named it.
struct Named {
    handle: Handle,
    /// The id by which the client knows it.
    text: String,
}

impl Tasks {
    /// Answers a request about tasks; `server` finds one by its name.
    pub(crate) async fn about<'s>(
        &self,
        server: impl Fn(&str) -> Option<Server<'s>>,
        context: &Context,
        request: Request,
    ) -> Result<Told, Error> {
        let client = speaks(context, &request.method)?;
        if request.method == Method::TasksList {
            let response = self.list(server, context).await;
            return Ok(Told { response, upstream: None });
        }
        let task = self.named(context, request.name.as_deref().unwrap_or_default())?;
        if task.handle.is_ours() {
            return self.ours(context, &request.method, &task);
        }
        let server = server(&task.handle.upstream).ok_or_else(unknown)?;
        let context = &context.at(task.handle.endpoint.as_deref());
        let answer = match (client, server.generation.ok_or_else(unknown)?) {
            (client, server_speaks) if client == server_speaks => {
                same(server, context, request, &task).await
            }
            (TaskGeneration::Extension, _) => {
                self.modern_client(server, context, request, &task).await
            }
            (TaskGeneration::Experimental, _) => {
                legacy_client(server, context, &request.method, &task).await
            }
        };
        Ok(Told { response: answer?, upstream: Some(task.handle.upstream) })
    }

    /// Takes its place among the tasks that are followed.
    pub(crate) fn follow(&self, context: &Context, id: &str) -> Result<Place, Error> {
        speaks(context, &Method::TasksGet)?;
        self.named(context, id)?;
        self.followed.place(&context.principal)
    }

    fn named(&self, context: &Context, id: &str) -> Result<Named, Error> {
        let payload = self.seal.open(Purpose::Task, &context.principal, id).ok_or_else(unknown)?;
        let handle = Handle::decode(&payload).ok_or_else(unknown)?;
        Ok(Named { handle, text: id.to_owned() })
    }

    /// A result that was there at once is a task that has ended.
    fn ours(&self, context: &Context, method: &Method, task: &Named) -> Result<Told, Error> {
        let kept = self.made.kept(&context.principal, &task.handle.id).ok_or_else(unknown)?;
        match method {
            Method::TasksResult => {
                let Told { response, upstream } = kept;
                let result = with_related_task(Some(&response.result), &task.text).map_err(odd)?;
                Ok(Told { response: Response { result, ..response }, upstream })
            }
            Method::TasksGet => {
                let mut ended = super::made::ended();
                ended.id.clone_from(&task.text);
                let response = legacy(ended.encode(TaskGeneration::Experimental));
                Ok(Told { response, upstream: None })
            }
            // 2025-11-25, "Task Cancellation": one that has ended cannot be cancelled.
            _ => Err(Error::Invalid("the task has ended".to_owned())),
        }
    }

    /// A client of the extension, and a server of 2025-11-25.
    async fn modern_client(
        &self,
        server: Server<'_>,
        context: &Context,
        request: Request,
        task: &Named,
    ) -> Result<Response, Error> {
        let id = &task.handle.id;
        match request.method {
            Method::TasksGet => {
                let response =
                    server.peer.request(context, about(Method::TasksGet, id, None)).await?;
                let mut shown =
                    Task::read(&response.result, TaskGeneration::Experimental).map_err(odd)?;
                if shown.lacks_outcome() {
                    shown.outcome = Some(outcome(server, context, id).await?);
                }
                if shown.status == TaskStatus::InputRequired {
                    let asked = self.asking.questions(server, context, &task.handle).await;
                    for mut question in asked {
                        question.params = question_to_client(
                            &question.method,
                            question.params,
                            ProtocolVersion::MODERN,
                            "",
                        )
                        .map_err(Error::Refused)?;
                        shown.requests.push(question);
                    }
                }
                shown.id.clone_from(&task.text);
                Ok(legacy(shown.encode(TaskGeneration::Extension)))
            }
            Method::TasksUpdate => {
                let answers = request.params.as_ref().map(Answers::read).transpose();
                let answers = answers.map_err(invalid)?.flatten().unwrap_or_default();
                self.asking.answer(&context.principal, &task.handle, answers.responses);
                Ok(legacy(Json::empty_object()))
            }
            _ => {
                server.peer.request(context, about(Method::TasksCancel, id, None)).await?;
                Ok(legacy(Json::empty_object()))
            }
        }
    }

    /// The tasks that this principal made, as they are now.
    async fn list<'s>(
        &self,
        server: impl Fn(&str) -> Option<Server<'s>>,
        context: &Context,
    ) -> Response {
        let mut tasks = Vec::new();
        let mut away: HashSet<String> = HashSet::new();
        for (handle, text) in self.made.listed(&context.principal) {
            // One that did not answer would keep the client waiting for each of its tasks.
            if away.contains(&handle.upstream) {
                continue;
            }
            let task = Named { handle, text };
            let shown = if task.handle.is_ours() {
                self.ours(context, &Method::TasksGet, &task).map(|told| told.response)
            } else {
                let Some(server) = server(&task.handle.upstream) else { continue };
                let context = context.at(task.handle.endpoint.as_deref());
                get_legacy(server, &context, &task).await
            };
            match shown {
                Ok(shown) => {
                    let read = Task::read(&shown.result, TaskGeneration::Experimental);
                    tasks.extend(read.ok());
                }
                Err(error) if task.handle.is_ours() || has_forgotten(&error) => {
                    self.made.forget(&context.principal, &task.handle);
                }
                // Missing from the list, and no reason to show none of the others.
                Err(error) => {
                    let upstream = task.handle.upstream;
                    tracing::debug!(upstream, %error, "left out of the list of tasks");
                    if !matches!(error, Error::Server { .. } | Error::Refused(_)) {
                        away.insert(upstream);
                    }
                }
            }
        }
        legacy(encode_task_list(&tasks, None))
    }
}

fn unknown() -> Error {
    Error::Invalid("no such task".to_owned())
}

/// Whether a server says that there is no such task: -32602 in both generations, and taken as that
/// where one uses the number for what is not found.
pub(super) fn has_forgotten(error: &Error) -> bool {
    matches!(error, Error::Server { error, .. }
        if matches!(error.code, code::INVALID_PARAMS | code::RESOURCE_NOT_FOUND))
}

/// What the client means by a task.
fn speaks(context: &Context, method: &Method) -> Result<TaskGeneration, Error> {
    let not_served = || Error::NoSuchMethod(method.to_string());
    let generation = TaskGeneration::of(context.version).ok_or_else(not_served)?;
    let has = match generation {
        TaskGeneration::Extension => !matches!(method, Method::TasksList | Method::TasksResult),
        TaskGeneration::Experimental => *method != Method::TasksUpdate,
    };
    if !has {
        return Err(not_served());
    }
    if generation == TaskGeneration::Extension
        && !context.capabilities.has_extension(TASKS_EXTENSION)
    {
        let required = serde_json::json!({
            "requiredCapabilities": { "extensions": { TASKS_EXTENSION: {} } }
        });
        let message = format!("the client did not declare the extension `{TASKS_EXTENSION}`");
        let error = RpcError::new(code::MISSING_CAPABILITY, message).with_data(&required);
        return Err(Error::Refused(error));
    }
    Ok(generation)
}

/// Client and server mean the same: only the id is another.
async fn same(
    server: Server<'_>,
    context: &Context,
    request: Request,
    task: &Named,
) -> Result<Response, Error> {
    let own = task.handle.id.clone();
    let mut context = context.clone();
    context.client = context.client.map(|inner| {
        let (own, text) = (own.clone(), task.text.clone());
        Arc::new(Renaming { inner, own, text }) as Arc<dyn Peer>
    });
    let request = Request { name: Some(own.clone()), ..request };
    let response = server.peer.request(&context, request).await?;
    let result = rewrite_task_ids(response.result, |id| (id == own).then(|| task.text.clone()));
    Ok(Response { result, ..response })
}

/// A client of 2025-11-25, and a server with the extension.
async fn legacy_client(
    server: Server<'_>,
    context: &Context,
    method: &Method,
    task: &Named,
) -> Result<Response, Error> {
    let context = declaring(context);
    match method {
        Method::TasksResult => {
            let (ended, response) = finish(server, &context, &task.handle.id).await?;
            let response = drive::outcome(ended, &response)?;
            let result = with_related_task(Some(&response.result), &task.text).map_err(odd)?;
            Ok(Response { result, ..response })
        }
        Method::TasksCancel => {
            let cancel = about(Method::TasksCancel, &task.handle.id, None);
            server.peer.request(&context, cancel).await?;
            get_legacy(server, &context, task).await
        }
        _ => get_legacy(server, &context, task).await,
    }
}

/// The task as 2025-11-25 has it, whatever its server speaks.
async fn get_legacy(
    server: Server<'_>,
    context: &Context,
    task: &Named,
) -> Result<Response, Error> {
    let from = server.generation.unwrap_or(TaskGeneration::Experimental);
    let context = match from {
        TaskGeneration::Extension => &declaring(context),
        TaskGeneration::Experimental => context,
    };
    let get = about(Method::TasksGet, &task.handle.id, None);
    let response = server.peer.request(context, get).await?;
    let mut shown = Task::read(&response.result, from).map_err(odd)?;
    shown.id.clone_from(&task.text);
    Ok(legacy(shown.encode(TaskGeneration::Experimental)))
}

/// What came of a task that has ended, of a server of 2025-11-25.
async fn outcome(
    server: Server<'_>,
    context: &Context,
    id: &str,
) -> Result<Result<Json, RpcError>, Error> {
    match server.peer.request(context, about(Method::TasksResult, id, None)).await {
        Ok(response) => {
            let result = without_hop_meta(response.result, ProtocolVersion::MODERN);
            Ok(Ok(result.map_err(odd)?))
        }
        // What the call itself would have been answered, in the numbers of the client's revision.
        Err(Error::Server { error, version }) => {
            Ok(Err(renumber(error, version, context.version, &Method::ToolsCall)))
        }
        Err(Error::Refused(error)) => Ok(Err(error)),
        Err(error) => Err(error),
    }
}

/// The client, to whom a task has another id than to its server.
struct Renaming {
    inner: Arc<dyn Peer>,
    own: String,
    text: String,
}

impl Renaming {
    fn rename(&self, params: Option<Json>) -> Option<Json> {
        let renamed = |id: &str| (id == self.own).then(|| self.text.clone());
        params.map(|params| rewrite_task_ids(params, renamed))
    }
}

#[async_trait]
impl Peer for Renaming {
    async fn request(&self, context: &Context, request: Request) -> Result<Response, Error> {
        let params = self.rename(request.params);
        self.inner.request(context, Request { params, ..request }).await
    }

    fn notify(&self, notification: Notification) {
        let params = self.rename(notification.params);
        self.inner.notify(Notification { params, ..notification });
    }
}
