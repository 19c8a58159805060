//! A peer in memory, for tests of what is in front of it.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use switchboard_core::{Context, Error, Notification, Peer, Request, Response};
use switchboard_mcp::{Json, Method, ProtocolVersion, RpcError};

use crate::fake::Held;
use crate::journal::Journal;

/// Answers as the tools of [`Fake`](crate::Fake) of the same names do: `echo`, `hold`, `never`,
/// `progress`, `refuse`, and as `unavailable` and `report_and_hold`, which say what they do.
#[derive(Clone)]
pub struct Scripted {
    journal: Arc<Journal>,
    held: Arc<Held>,
}

impl Default for Scripted {
    fn default() -> Self {
        Self { journal: Arc::new(Journal::new()), held: Arc::new(Held::default()) }
    }
}

impl Scripted {
    /// Answers all calls of `hold` that have arrived, the last one first.
    pub fn release(&self) {
        self.held.release();
    }

    pub fn count(&self, start: &str) -> usize {
        self.journal.count(start)
    }

    /// Waits until `count` entries of the journal (`call TOOL`, `cancelled TOOL`) begin so.
    pub async fn until(&self, start: &str, count: usize) {
        self.journal.until(start, count).await;
    }
}

/// Notes a call that is dropped before it was answered.
struct Open<'a>(&'a Journal, String, bool);

impl Drop for Open<'_> {
    fn drop(&mut self) {
        if !self.2 {
            self.0.note(format!("cancelled {}", self.1));
        }
    }
}

#[async_trait]
impl Peer for Scripted {
    async fn request(&self, context: &Context, request: Request) -> Result<Response, Error> {
        let name = request.name.clone().unwrap_or_default();
        self.journal.note(format!("call {name}"));
        let mut open = Open(&self.journal, name.clone(), false);
        let outcome = match (&request.method, name.as_str()) {
            (Method::ToolsCall, "never") => std::future::pending().await,
            (Method::ToolsCall, "hold") => {
                self.held.hold(&self.journal).await;
                Ok(echo(&request))
            }
            (Method::ToolsCall, "progress") => {
                if let (Some(progress), true) = (&context.client, context.wants_progress) {
                    (1..=3).for_each(|step| progress.notify(step_of(step)));
                }
                Ok(echo(&request))
            }
            (Method::ToolsCall, "report_and_hold") => {
                if let (Some(progress), true) = (&context.client, context.wants_progress) {
                    progress.notify(step_of(1));
                }
                std::future::pending().await
            }
            (Method::ToolsCall, "refuse") => Err(Error::Refused(RpcError::new(-32602, "no"))),
            (Method::ToolsCall, "unavailable") => {
                Err(Error::Unavailable { upstream: "test".into(), cause: "it is down".into() })
            }
            (Method::ResourcesRead, "test://none") => {
                let error = RpcError::new(-32002, "no such resource");
                Err(Error::Server { error, version: ProtocolVersion::NEWEST_LEGACY })
            }
            _ => Ok(echo(&request)),
        };
        open.2 = true;
        let response = |text: String| {
            let result = Json::parse(Bytes::from(text)).unwrap();
            Response::new(result, ProtocolVersion::NEWEST_LEGACY)
        };
        outcome.map(response)
    }
}

fn echo(request: &Request) -> String {
    let members = request.params.as_ref().map(|params| params.members().unwrap());
    let arguments = members.as_ref().and_then(|members| members.get("arguments"));
    let arguments = arguments.map_or("{}", |arguments| arguments.get());
    format!("{{\"content\":[],\"arguments\":{arguments}}}")
}

fn step_of(step: u32) -> Notification {
    let params = serde_json::json!({ "progressToken": 1, "progress": step });
    Notification { method: Method::Progress, params: Some(Json::encode(&params)) }
}
