//! The tasks that a subscription follows: `taskIds`, which the extension of tasks adds to the filter.

use std::future::pending;
use std::sync::Arc;

use futures_util::stream::{SelectAll, StreamExt as _};
use switchboard_core::{Context, TaskChanges};
use switchboard_mcp::{Json, Members, Method, Object, ProtocolVersion, RpcError, code};

use crate::front::{Caller, Front, invalid};

#[derive(Default)]
pub(super) struct Tasks {
    /// Those that are followed, as the client knows them.
    ids: Vec<String>,
    changes: SelectAll<TaskChanges>,
}

impl Tasks {
    /// Begins to follow what `wanted` names; ids that name no task of this client are left out, and
    /// the acknowledgement says so.
    ///
    /// # Errors
    ///
    /// What the client gets that did not declare the extension, or names no ids.
    pub(super) fn open(
        front: &Arc<Front>,
        caller: &Caller,
        wanted: &Members<'_>,
    ) -> Result<Self, RpcError> {
        let mut tasks = Self::default();
        if wanted.get("taskIds").is_none() {
            return Ok(tasks);
        }
        let ids = wanted.read::<Vec<String>>("taskIds");
        let mut ids = ids.ok_or_else(|| invalid("`taskIds` must be an array of strings"))?;
        ids.sort_unstable();
        ids.dedup();
        for id in ids {
            let context = Context {
                capabilities: caller.capabilities.clone(),
                ..Context::new(caller.principal.clone(), ProtocolVersion::MODERN)
            };
            match front.gateway.follow_task(context, &id) {
                Ok(changes) => {
                    tasks.changes.push(changes);
                    tasks.ids.push(id);
                }
                Err(error) => {
                    let error = error.to_rpc(ProtocolVersion::MODERN, &Method::Listen);
                    if error.code == code::MISSING_CAPABILITY {
                        return Err(error);
                    }
                }
            }
        }
        Ok(tasks)
    }

    /// The next task that is another now; waits for ever where none is followed any more.
    pub(super) async fn next(&mut self) -> Json {
        match self.changes.next().await {
            Some(task) => task,
            None => pending().await,
        }
    }

    /// As the acknowledgement has it.
    pub(super) fn write(&self, object: &mut Object<'_>) {
        if !self.ids.is_empty() {
            object.raw("taskIds", Json::encode(&self.ids).as_bytes());
        }
    }
}
