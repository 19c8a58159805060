//! Calls whose result comes later: the experimental tasks of 2025-11-25, where the client asks for
//! one, and the extension `io.modelcontextprotocol/tasks`, where the server decides.
//!
//! The id that a client knows is sealed, and says which server has the task. Where client and
//! server mean the same by a task, nothing but the id is changed; where they do not, tasks are
//! written anew for the other; and where the client knows no tasks at all, we wait in its place.

mod about;
mod asking;
mod drive;
mod follow;
mod made;

use std::sync::Arc;

use switchboard_mcp::{
    ClientCapabilities, Era, Json, Malformed, Members, Needle, ProtocolVersion, RpcError,
    TASKS_EXTENSION, Task, TaskGeneration, TaskWish, code, rewrite_task_ids,
};

pub(crate) use self::about::Told;
pub use self::follow::TaskChanges;
pub(crate) use self::follow::changes;
use self::made::{Handle, Made};
use crate::catalog::Member;
use crate::error::Error;
use crate::lists::Lists;
use crate::peer::{Context, Peer, Request, Response};
use crate::rounds;
use crate::seal::{Purpose, Seal};

/// Whether a tool of 2025-11-25 runs as a task (its `execution.taskSupport`).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Support {
    Optional,
    Required,
}

impl Support {
    /// Reads the description of a tool.
    pub(crate) fn read(tool: &Json) -> Option<Self> {
        static TASK_SUPPORT: Needle = Needle::new("\"taskSupport\"");
        if !TASK_SUPPORT.is_in(tool) {
            return None;
        }
        let members = tool.members().ok()?;
        let execution = Members::parse(members.get("execution")?).ok()?;
        match execution.read::<String>("taskSupport")?.as_str() {
            "optional" => Some(Self::Optional),
            "required" => Some(Self::Required),
            _ => None,
        }
    }
}

/// What a server means by a task, if anything.
pub(crate) fn generation(lists: &Lists) -> Option<TaskGeneration> {
    let generation = TaskGeneration::of(lists.version?)?;
    let offered = lists.offered.as_ref()?.members().ok()?;
    let part = |name: &str| offered.get(name).and_then(|part| Members::parse(part).ok());
    let offers = match generation {
        TaskGeneration::Extension => {
            part("extensions").is_some_and(|extensions| extensions.get(TASKS_EXTENSION).is_some())
        }
        TaskGeneration::Experimental => part("tasks").is_some_and(|tasks| {
            let requests = tasks.get("requests").and_then(|part| Members::parse(part).ok());
            requests.is_some_and(|requests| requests.get("tools").is_some())
        }),
    };
    offers.then_some(generation)
}

/// What we know of tasks that clients have.
pub(crate) struct Tasks {
    seal: Arc<dyn Seal>,
    made: Made,
    asking: asking::Asking,
    followed: follow::Followed,
}

/// The server of a call or of a task.
#[derive(Clone, Copy)]
pub(crate) struct Server<'a> {
    pub name: &'a str,
    pub peer: &'a Arc<dyn Peer>,
    pub generation: Option<TaskGeneration>,
    /// Of the tool that is called.
    pub support: Option<Support>,
}

impl<'a> Server<'a> {
    pub(crate) fn of(member: &'a Member, generation: Option<TaskGeneration>) -> Self {
        Self { name: &member.name, peer: &member.peer, generation, support: None }
    }
}

impl Tasks {
    pub(crate) fn new(seal: Arc<dyn Seal>) -> Self {
        Self {
            seal,
            made: Made::default(),
            asking: asking::Asking::default(),
            followed: follow::Followed::default(),
        }
    }

    /// Calls a tool, as a task where the client wants that or the server insists.
    pub(crate) async fn call(
        &self,
        server: Server<'_>,
        context: &Context,
        request: Request,
    ) -> Result<Response, Error> {
        use TaskGeneration::{Experimental, Extension};
        let ask = |context: Context, request: Request| async move {
            rounds::ask((server.name, &**server.peer), &context, request, &*self.seal).await
        };
        match (client(context, &request)?, server.generation) {
            (None, Some(Experimental)) if server.support == Some(Support::Required) => {
                let response = ask(context.clone(), wishing(request)?).await?;
                drive::legacy(server, context, response).await
            }
            // Older clients know no tasks that servers begin by themselves.
            (None, Some(Extension)) if context.version.era() == Era::Legacy => {
                let context = declaring(context);
                let response = ask(context.clone(), request).await?;
                drive::modern(server, &context, response).await
            }
            (Some(Extension), Some(Experimental)) if server.support.is_some() => {
                let response = ask(context.clone(), wishing(request)?).await?;
                self.written_anew(server, context, response, Extension)
            }
            (Some(Experimental), Some(Extension)) => {
                let params = TaskWish::put(None, request.params.as_ref()).map_err(invalid)?;
                let request = Request { params: Some(params), ..request };
                let response = ask(declaring(context), request).await?;
                self.written_anew(server, context, response, Experimental)
            }
            (Some(Experimental), None) => Err(Error::Refused(RpcError::new(
                code::METHOD_NOT_FOUND,
                "this tool does not run as a task; call it without `task`",
            ))),
            (Some(_), Some(_)) => {
                let response = ask(context.clone(), request).await?;
                Ok(self.sealed(server, context, response))
            }
            (None, _) | (Some(Extension), None) => ask(context.clone(), request).await,
        }
    }

    /// The answer with the ids of tasks as the client is to know them.
    fn sealed(&self, server: Server<'_>, context: &Context, response: Response) -> Response {
        let shown = |id: &str| self.shown(server, response.endpoint.as_deref(), context, id);
        let result = rewrite_task_ids(response.result.clone(), |id| Some(shown(id)));
        Response { result, ..response }
    }

    /// The answer as the other generation has it, where it is a task.
    fn written_anew(
        &self,
        server: Server<'_>,
        context: &Context,
        response: Response,
        to: TaskGeneration,
    ) -> Result<Response, Error> {
        let from = server.generation.unwrap_or(to);
        let Some(mut task) = Task::read_created(&response.result, from).map_err(odd)? else {
            if to == TaskGeneration::Extension {
                return Ok(response);
            }
            // It asked for a task and the result is there already: a task that has ended.
            let (handle, mut task) = self.made.keep(context, server.name, response);
            task.id = self.register(context, &handle);
            return Ok(legacy(task.encode_created(to)));
        };
        task.id = self.shown(server, response.endpoint.as_deref(), context, &task.id);
        Ok(legacy(task.encode_created(to)))
    }

    /// The id by which the client knows the task that the server calls `id`.
    fn shown(
        &self,
        server: Server<'_>,
        endpoint: Option<&str>,
        context: &Context,
        id: &str,
    ) -> String {
        self.register(context, &Handle::new(server.name, endpoint, id))
    }

    fn register(&self, context: &Context, handle: &Handle) -> String {
        let text = self.seal.seal(Purpose::Task, &context.principal, &handle.encode());
        self.made.remember(context, handle, text)
    }
}

/// A result in the words of 2025-11-25, or one that the listener puts into those of 2026-07-28.
fn legacy(result: Json) -> Response {
    Response::new(result, ProtocolVersion::NEWEST_LEGACY)
}

/// What the client of a call means by a task, where it wants one or would take one.
fn client(context: &Context, request: &Request) -> Result<Option<TaskGeneration>, Error> {
    match TaskGeneration::of(context.version) {
        Some(TaskGeneration::Extension) => Ok(context
            .capabilities
            .has_extension(TASKS_EXTENSION)
            .then_some(TaskGeneration::Extension)),
        Some(TaskGeneration::Experimental) => {
            let Some(params) = &request.params else { return Ok(None) };
            static TASK: Needle = Needle::new("\"task\"");
            if !TASK.is_in(params) {
                return Ok(None);
            }
            let wish = TaskWish::read(params).map_err(invalid)?;
            Ok(wish.map(|_| TaskGeneration::Experimental))
        }
        None => Ok(None),
    }
}

/// The context of a client in whose place we speak the extension.
fn declaring(context: &Context) -> Context {
    let declared = context.capabilities.with_extension(TASKS_EXTENSION, true);
    Context { capabilities: ClientCapabilities::read(declared), ..context.clone() }
}

/// The request with the wish for a task.
fn wishing(request: Request) -> Result<Request, Error> {
    let wish = Some(TaskWish { ttl_ms: None });
    let params = TaskWish::put(wish, request.params.as_ref()).map_err(invalid)?;
    Ok(Request { params: Some(params), ..request })
}

#[expect(clippy::needless_pass_by_value, reason = "the shape of map_err")]
fn invalid(error: Malformed) -> Error {
    Error::Invalid(error.to_string())
}

#[expect(clippy::needless_pass_by_value, reason = "the shape of map_err")]
fn odd(error: Malformed) -> Error {
    Error::Refused(RpcError::new(
        code::INTERNAL,
        format!("the server's task is malformed: {error}"),
    ))
}

#[cfg(test)]
mod tests;
