//! Tasks: work that goes on after its request was answered.
//!
//! There are two generations. In the experimental one of 2025-11-25 the client asks for a task with
//! the parameter `task`, and fetches the result by a request of its own. In the extension
//! `io.modelcontextprotocol/tasks` the server decides, and what comes of the task stands in it. The
//! same facts have other names and other places; here they are read from the one and written for
//! the other.

mod id;

use crate::error::{RpcError, code};
use crate::json::{Json, Malformed, Members, Needle, Object};
use crate::method::Method;
use crate::rounds::{InputRequest, read_requests, write_requests};
use crate::version::ProtocolVersion;

pub use id::{related_task, rewrite_task_ids, with_related_task};

/// The name under which clients and servers of 2026-07-28 declare the extension.
pub const TASKS_EXTENSION: &str = "io.modelcontextprotocol/tasks";

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum TaskGeneration {
    /// Of 2025-11-25.
    Experimental,
    /// Of the extension, with 2026-07-28.
    Extension,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum TaskStatus {
    Working,
    InputRequired,
    Completed,
    Failed,
    Cancelled,
}

/// A task at one moment.
#[derive(Clone, Debug)]
pub struct Task {
    pub id: String,
    pub status: TaskStatus,
    pub status_message: Option<String>,
    /// ISO 8601, as the server wrote it.
    pub created_at: String,
    pub updated_at: String,
    /// How long the server keeps it; `None` for without end.
    pub ttl_ms: Option<u64>,
    pub poll_interval_ms: Option<u64>,
    /// What the server asks while the status is `input_required`; in the extension only.
    pub requests: Vec<InputRequest>,
    /// What came of it, once that is known. The extension has it in the task, 2025-11-25 behind
    /// `tasks/result`.
    pub outcome: Option<Result<Json, RpcError>>,
    pub meta: Option<Json>,
    /// Members that neither generation defines.
    others: Vec<(String, Json)>,
}

/// What a client of 2025-11-25 asks for with the parameter `task`.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub struct TaskWish {
    /// How long it would like the task to be kept.
    pub ttl_ms: Option<u64>,
}

impl TaskGeneration {
    /// The tasks of a revision; `None` for those that have none.
    pub fn of(version: ProtocolVersion) -> Option<Self> {
        match version {
            ProtocolVersion::V2025_11_25 => Some(Self::Experimental),
            ProtocolVersion::V2026_07_28 => Some(Self::Extension),
            _ => None,
        }
    }

    /// The notification that a task is another now; its parameters are the task.
    pub fn notification(self) -> Method {
        match self {
            Self::Experimental => Method::TaskStatus,
            Self::Extension => Method::TaskChanged,
        }
    }

    /// What the time to live and the interval are called; both are in milliseconds.
    fn times(self) -> [&'static str; 2] {
        match self {
            Self::Experimental => ["ttl", "pollInterval"],
            Self::Extension => ["ttlMs", "pollIntervalMs"],
        }
    }
}

impl TaskStatus {
    const ALL: [Self; 5] =
        [Self::Working, Self::InputRequired, Self::Completed, Self::Failed, Self::Cancelled];

    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.as_str() == name)
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Working => "working",
            Self::InputRequired => "input_required",
            Self::Completed => "completed",
            Self::Failed => "failed",
            Self::Cancelled => "cancelled",
        }
    }

    /// Whether the task has come to its end.
    pub fn is_final(self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::Cancelled)
    }
}

impl Task {
    /// Reads the result of a request that may have become a task; `None` where it did not.
    ///
    /// # Errors
    ///
    /// [`Malformed`] when it is a task that lacks what tasks have.
    pub fn read_created(result: &Json, from: TaskGeneration) -> Result<Option<Self>, Malformed> {
        // Nearly all results are none, and a search is cheaper than a parse.
        static TASK_ID: Needle = Needle::new("\"taskId\"");
        if !TASK_ID.is_in(result) {
            return Ok(None);
        }
        let members = result.members()?;
        match from {
            TaskGeneration::Extension => {
                let kind = members.read::<String>("resultType");
                (kind.as_deref() == Some("task")).then(|| Self::read(result, from)).transpose()
            }
            TaskGeneration::Experimental => {
                let Some(task) = members.get("task") else { return Ok(None) };
                let task = Self::read(&result.part(task), from)?;
                let meta = members.get("_meta").map(|meta| result.part(meta));
                Ok(Some(Self { meta: meta.or(task.meta), ..task }))
            }
        }
    }

    /// Reads a task: the result of `tasks/get` and, of 2025-11-25, of `tasks/cancel`, one of
    /// `tasks/list`, or the parameters of a [notification](TaskGeneration::notification).
    ///
    /// # Errors
    ///
    /// [`Malformed`] when it lacks what tasks have.
    pub fn read(json: &Json, from: TaskGeneration) -> Result<Self, Malformed> {
        let members = json.members()?;
        let text = |name: &str| members.read::<String>(name);
        let required = |name: &str| {
            text(name).ok_or_else(|| Malformed::because(format!("`{name}` must be a string")))
        };
        let created_at = required("createdAt")?;
        let [ttl, poll] = from.times();
        let (requests, outcome) = match from {
            TaskGeneration::Experimental => (Vec::new(), None),
            TaskGeneration::Extension => payload(json, &members)?,
        };
        Ok(Self {
            id: required("taskId")?,
            status: text("status")
                .and_then(|name| TaskStatus::parse(&name))
                .ok_or_else(|| Malformed::because("`status` must be that of a task"))?,
            status_message: text("statusMessage"),
            updated_at: text("lastUpdatedAt").unwrap_or_else(|| created_at.clone()),
            created_at,
            ttl_ms: milliseconds(&members, ttl)?,
            poll_interval_ms: milliseconds(&members, poll)?,
            requests,
            outcome,
            meta: members.get("_meta").map(|meta| json.part(meta)),
            others: members
                .iter()
                .filter(|(name, _)| !DEFINED.contains(name))
                .map(|(name, value)| (name.to_owned(), json.part(value)))
                .collect(),
        })
    }

    /// Whether a client of the extension has to be told more than 2025-11-25 says in a task: the
    /// result, which is behind `tasks/result`.
    pub fn lacks_outcome(&self) -> bool {
        matches!(self.status, TaskStatus::Completed | TaskStatus::Failed) && self.outcome.is_none()
    }

    /// The result of the request that became this task.
    pub fn encode_created(&self, to: TaskGeneration) -> Json {
        let mut out = Vec::new();
        let mut object = Object::open(&mut out);
        match to {
            TaskGeneration::Experimental => {
                let mut task = Object::open(object.member("task"));
                self.write(&mut task, to, self.status);
                task.close();
            }
            TaskGeneration::Extension => {
                object.text("resultType", "task");
                self.write(&mut object, to, self.status);
            }
        }
        self.write_meta(&mut object);
        object.close();
        Json::written(out)
    }

    /// The task as [`Self::read`] reads it.
    pub fn encode(&self, to: TaskGeneration) -> Json {
        let mut out = Vec::new();
        let mut object = Object::open(&mut out);
        match to {
            TaskGeneration::Experimental => self.write(&mut object, to, self.status),
            TaskGeneration::Extension => self.write_whole(&mut object),
        }
        self.write_meta(&mut object);
        object.close();
        Json::written(out)
    }

    /// With what the status brings. In the extension only what JSON-RPC calls an error makes a task
    /// fail; 2025-11-25 says so of tools that ran and failed as well, which have a result.
    fn write_whole(&self, object: &mut Object<'_>) {
        let status = match &self.outcome {
            Some(Ok(_)) => TaskStatus::Completed,
            Some(Err(_)) => TaskStatus::Failed,
            None => self.status,
        };
        self.write(object, TaskGeneration::Extension, status);
        if status == TaskStatus::InputRequired {
            write_requests(object, &self.requests);
        }
        match &self.outcome {
            Some(Ok(result)) => {
                object.raw("result", result.as_bytes());
            }
            Some(Err(error)) => error.write(object.member("error")),
            None if status == TaskStatus::Failed => {
                let message = self.status_message.as_deref().unwrap_or("the task failed");
                RpcError::new(code::INTERNAL, message.to_owned()).write(object.member("error"));
            }
            None => {}
        }
    }

    fn write(&self, object: &mut Object<'_>, to: TaskGeneration, status: TaskStatus) {
        let [ttl, poll] = to.times();
        object.text("taskId", &self.id).text("status", status.as_str());
        if let Some(message) = &self.status_message {
            object.text("statusMessage", message);
        }
        object.text("createdAt", &self.created_at).text("lastUpdatedAt", &self.updated_at);
        let lifetime = self.ttl_ms.map_or("null".to_owned(), |ttl| ttl.to_string());
        object.raw(ttl, lifetime.as_bytes());
        if let Some(interval) = self.poll_interval_ms {
            object.raw(poll, interval.to_string().as_bytes());
        }
        for (name, value) in &self.others {
            object.raw(name, value.as_bytes());
        }
    }

    fn write_meta(&self, object: &mut Object<'_>) {
        if let Some(meta) = &self.meta {
            object.raw("_meta", meta.as_bytes());
        }
    }
}

/// The members that the generations and the envelope of results define.
const DEFINED: [&str; 14] = [
    "taskId",
    "status",
    "statusMessage",
    "createdAt",
    "lastUpdatedAt",
    "ttl",
    "ttlMs",
    "pollInterval",
    "pollIntervalMs",
    "inputRequests",
    "result",
    "error",
    "resultType",
    "_meta",
];

type Payload = (Vec<InputRequest>, Option<Result<Json, RpcError>>);

fn payload(json: &Json, members: &Members<'_>) -> Result<Payload, Malformed> {
    let requests = match members.get("inputRequests") {
        Some(requests) => read_requests(json, requests)?,
        None => Vec::new(),
    };
    let outcome = match (members.get("result"), members.get("error")) {
        (None, None) => None,
        (Some(result), None) if result.get().starts_with('{') => Some(Ok(json.part(result))),
        (None, Some(error)) => Some(Err(RpcError::decode(&json.part(error)))),
        _ => return Err(Malformed::because("a task has either a `result` or an `error`")),
    };
    Ok((requests, outcome))
}

/// A time in milliseconds; fractions, which JSON allows, are cut off.
fn milliseconds(members: &Members<'_>, name: &str) -> Result<Option<u64>, Malformed> {
    let Some(raw) = members.get(name).filter(|raw| raw.get() != "null") else { return Ok(None) };
    let number = raw.get().parse::<f64>().ok().filter(|number| *number >= 0.0);
    // What is too large saturates, which is as good as for ever.
    let number = number.map(|number| number as u64);
    number.map(Some).ok_or_else(|| {
        Malformed::because(format!("`{name}` must be a number of milliseconds or null"))
    })
}

/// The result of `tasks/list` of 2025-11-25.
pub fn encode_task_list(tasks: &[Task], next_cursor: Option<&str>) -> Json {
    let mut out = Vec::new();
    let mut object = Object::open(&mut out);
    let list = object.member("tasks");
    list.push(b'[');
    for (index, task) in tasks.iter().enumerate() {
        if index > 0 {
            list.push(b',');
        }
        list.extend_from_slice(task.encode(TaskGeneration::Experimental).as_bytes());
    }
    list.push(b']');
    if let Some(cursor) = next_cursor {
        object.text("nextCursor", cursor);
    }
    object.close();
    Json::written(out)
}

impl TaskWish {
    /// Reads the parameter `task`; `None` where the client asks for the result itself.
    ///
    /// # Errors
    ///
    /// [`Malformed`] when it is not what it must be.
    pub fn read(params: &Json) -> Result<Option<Self>, Malformed> {
        let members = params.members()?;
        let Some(wish) = members.get("task").filter(|wish| wish.get() != "null") else {
            return Ok(None);
        };
        let wish = Members::parse(wish)?;
        Ok(Some(Self { ttl_ms: milliseconds(&wish, "ttl")? }))
    }

    /// `params` with this wish, or with none.
    ///
    /// # Errors
    ///
    /// [`Malformed`] when they are no object.
    pub fn put(wish: Option<Self>, params: Option<&Json>) -> Result<Json, Malformed> {
        let members = params.map(Json::members).transpose()?.unwrap_or_default();
        let mut out = Vec::new();
        let mut object = Object::open(&mut out);
        for (name, value) in members.iter().filter(|(name, _)| *name != "task") {
            object.raw(name, value.get().as_bytes());
        }
        if let Some(wish) = wish {
            let mut task = Object::open(object.member("task"));
            if let Some(ttl) = wish.ttl_ms {
                task.raw("ttl", ttl.to_string().as_bytes());
            }
            task.close();
        }
        object.close();
        Ok(Json::written(out))
    }
}

#[cfg(test)]
mod tests;
