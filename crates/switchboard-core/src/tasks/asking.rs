//! Tasks of servers of 2025-11-25 that ask back, for clients of the extension.
//!
//! Such a server asks with requests of its own, and only while somebody waits in `tasks/result`. So
//! we wait there, gather what it asks for `tasks/get` to show, and hand it the answers that
//! `tasks/update` brings.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use switchboard_mcp::{InputRequest, Json, Method, ProtocolVersion};
use tokio::sync::{Notify, oneshot};

use super::Server;
use super::drive::about;
use super::made::Handle;
use crate::error::Error;
use crate::peer::{CallerId, Context, Peer, Request, Response};
use crate::principal::Principal;

/// Tasks that are waited for at once, of all principals: each holds a request at its server.
const WAITING: usize = 1_000;

/// Questions of one task that are open at once.
const QUESTIONS: usize = 64;

/// How long the first question is waited for, before the client hears that there is none yet.
const GATHER: Duration = Duration::from_millis(250);

type Waiting = HashMap<(Principal, Handle), Arc<Questions>>;

#[derive(Default)]
pub(super) struct Asking {
    waiting: Arc<Mutex<Waiting>>,
}

#[derive(Default)]
struct Questions {
    open: Mutex<Open>,
    came: Notify,
}

#[derive(Default)]
struct Open {
    questions: BTreeMap<u64, (InputRequest, oneshot::Sender<Json>)>,
    next: u64,
}

impl Asking {
    /// What the task asks now; begins to wait for it.
    pub(super) async fn questions(
        &self,
        server: Server<'_>,
        context: &Context,
        handle: &Handle,
    ) -> Vec<InputRequest> {
        let Some(questions) = self.wait(server, context, handle) else { return Vec::new() };
        let came = questions.came.notified();
        if questions.list().is_empty() {
            let _ = tokio::time::timeout(GATHER, came).await;
        }
        questions.list()
    }

    /// Hands the answers to the server; keys that nobody asked for are ignored.
    pub(super) fn answer(
        &self,
        principal: &Principal,
        handle: &Handle,
        answers: Vec<(String, Json)>,
    ) {
        let key = (principal.clone(), handle.clone());
        let questions = self.waiting.lock().expect("no one panics holding it").get(&key).cloned();
        let Some(questions) = questions else { return };
        let mut open = questions.open.lock().expect("no one panics holding it");
        for (key, answer) in answers {
            let number = open.questions.iter().find(|(_, (question, _))| question.key == key);
            if let Some(number) = number.map(|(number, _)| *number)
                && let Some((_, reply)) = open.questions.remove(&number)
            {
                // The server may have withdrawn it.
                let _ = reply.send(answer);
            }
        }
    }

    fn wait(
        &self,
        server: Server<'_>,
        context: &Context,
        handle: &Handle,
    ) -> Option<Arc<Questions>> {
        let key = (context.principal.clone(), handle.clone());
        let mut waiting = self.waiting.lock().expect("no one panics holding it");
        if let Some(questions) = waiting.get(&key) {
            return Some(Arc::clone(questions));
        }
        if waiting.len() >= WAITING {
            return None;
        }
        let questions = Arc::new(Questions::default());
        waiting.insert(key.clone(), Arc::clone(&questions));
        drop(waiting);
        let context = Context {
            client: Some(Arc::clone(&questions) as Arc<dyn Peer>),
            caller: CallerId::unique(),
            ..context.clone()
        };
        let (peer, table) = (Arc::clone(server.peer), Arc::clone(&self.waiting));
        let request = about(Method::TasksResult, &handle.id, None);
        #[expect(
            clippy::disallowed_methods,
            reason = "ends with its upstream, which is waited for"
        )]
        tokio::spawn(async move {
            // The result is asked for again by whoever wants it; the server keeps it.
            let _ = peer.request(&context, request).await;
            table.lock().expect("no one panics holding it").remove(&key);
        });
        Some(questions)
    }
}

impl Questions {
    fn list(&self) -> Vec<InputRequest> {
        let open = self.open.lock().expect("no one panics holding it");
        open.questions.values().map(|(question, _)| question.clone()).collect()
    }
}

#[async_trait]
impl Peer for Questions {
    async fn request(&self, _: &Context, request: Request) -> Result<Response, Error> {
        let (reply, answer) = oneshot::channel();
        let number = {
            let mut open = self.open.lock().expect("no one panics holding it");
            open.questions.retain(|_, (_, reply)| !reply.is_closed());
            if open.questions.len() == QUESTIONS {
                return Err(Error::Invalid(format!("{QUESTIONS} questions are open already")));
            }
            open.next += 1;
            let number = open.next;
            let Request { method, params, .. } = request;
            let question = InputRequest { key: format!("r{number}"), method, params };
            open.questions.insert(number, (question, reply));
            number
        };
        self.came.notify_waiters();
        let answer = answer.await.map_err(|_| Error::Invalid("nobody answered".to_owned()));
        self.open.lock().expect("no one panics holding it").questions.remove(&number);
        Ok(Response::new(answer?, ProtocolVersion::MODERN))
    }
}
