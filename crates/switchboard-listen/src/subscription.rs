//! `subscriptions/listen` (2026-07-28): what changes, for a client that asked to hear of it.

mod tasks;

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::{self, StreamExt as _};
use switchboard_core::{
    CallerId, Change, Changes, Context, Kind, Peer as _, Principal, Request, covers,
};
use switchboard_mcp::{
    Json, Members, Method, Object, ProtocolVersion, RequestId, RpcError, TaskGeneration, encode,
};
use tokio::sync::broadcast::error::RecvError;
use tokio::sync::mpsc;

use self::tasks::Tasks;
use crate::front::{Caller, Front, invalid};

/// Most resources of one subscription: more than an editor has files open, and an address may be
/// as long as a message.
const RESOURCES: usize = 1_000;

/// Resources about which servers are asked at once: a server that answers promptly needs no more,
/// and calls of others should not wait behind a thousand of them.
const AT_ONCE: usize = 32;

/// How long servers may take to say that they watch all these, or to hear that they need not any
/// more. Whoever takes longer is not waited for: the client should know soon what it can rely on.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long the end of a subscription may wait for a client that does not read.
const FAREWELL: Duration = Duration::from_secs(5);

pub(crate) struct Subscription {
    front: Arc<Front>,
    /// Whoever unsubscribes has to be who subscribed.
    caller: CallerId,
    principal: Principal,
    id: RequestId,
    wanted: Wanted,
    tasks: Tasks,
    changes: Changes,
    /// Announcements that are due before the next change is waited for.
    due: Vec<Change>,
}

#[derive(Debug, Default)]
struct Wanted {
    tools: bool,
    prompts: bool,
    resources: bool,
    /// As the client asked for them; once it is acknowledged, those that servers watch.
    uris: HashSet<Arc<str>>,
}

impl Subscription {
    /// Begins to listen.
    ///
    /// # Errors
    ///
    /// What the client gets where `notifications` is not what it must be.
    pub(crate) fn open(
        front: &Arc<Front>,
        caller: Caller,
        id: RequestId,
        params: Option<&Json>,
    ) -> Result<Self, RpcError> {
        let members = params.and_then(|params| params.members().ok());
        let filter = members.as_ref().and_then(|it| Members::parse(it.get("notifications")?).ok());
        let filter = filter.ok_or_else(|| invalid("`notifications` must be an object"))?;
        let wanted = Wanted::read(&filter)?;
        let tasks = Tasks::open(front, &caller, &filter)?;
        let changes = front.gateway.changes();
        let (front, caller, principal) = (Arc::clone(front), caller.id, caller.principal);
        Ok(Self { front, caller, principal, id, wanted, tasks, changes, due: Vec::new() })
    }

    /// Says on `out` what the client wants to hear: first what that is, then each change, and at
    /// last, when the daemon drains, that it is over. True in that case, and false where
    /// `given_up` came first, or nobody takes what is said.
    pub(crate) async fn run(
        mut self,
        out: &mpsc::Sender<Vec<u8>>,
        given_up: impl Future<Output = ()>,
    ) -> bool {
        let draining = self.front.draining.clone();
        let asked = self.wanted.uris.clone();
        let drains = tokio::select! {
            biased;
            () = draining.cancelled() => true,
            () = given_up => false,
            () = self.speak(out) => false,
        };
        if drains {
            // The servers end as well, so nothing has to be taken back.
            let _ = tokio::time::timeout(FAREWELL, out.send(self.farewell())).await;
        } else if !asked.is_empty() {
            // Also what is not known to be watched: an answer may have been on its way.
            ask_each(&self.front, &self.context(), &Method::Unsubscribe, asked).await;
        }
        drains
    }

    /// Speaks until nobody listens, or the gateway is gone.
    async fn speak(&mut self, out: &mpsc::Sender<Vec<u8>>) {
        let uris = std::mem::take(&mut self.wanted.uris);
        if !uris.is_empty() {
            let context = self.context();
            self.wanted.uris = ask_each(&self.front, &context, &Method::Subscribe, uris).await;
        }
        let mut next = Some(self.acknowledgement());
        while let Some(message) = next {
            if out.send(message).await.is_err() {
                return;
            }
            next = self.next().await;
        }
    }

    async fn next(&mut self) -> Option<Vec<u8>> {
        loop {
            if let Some(change) = self.due.pop() {
                if let Some(message) = self.announcement(&change) {
                    return Some(message);
                }
                continue;
            }
            let change = tokio::select! {
                change = self.changes.recv() => change,
                task = self.tasks.next() => return Some(self.task(&task)),
            };
            match change {
                Ok(change) => self.due.push(change),
                // Too many to have kept: all may have changed.
                Err(RecvError::Lagged(_)) => {
                    let lists = [Kind::Tools, Kind::Prompts, Kind::Resources].map(Change::List);
                    self.due = self.wanted.uris.iter().cloned().map(Change::Resource).collect();
                    self.due.extend(lists);
                }
                Err(RecvError::Closed) => return None,
            }
        }
    }

    fn announcement(&self, change: &Change) -> Option<Vec<u8>> {
        let (method, params) = match change {
            Change::List(kind) if self.wanted.has(*kind) => (changed(*kind), self.tagged(|_| {})),
            Change::Resource(uri) if self.wanted.covers(uri) => {
                let params = self.tagged(|object| {
                    object.text("uri", uri);
                });
                (Method::ResourceUpdated, params)
            }
            _ => return None,
        };
        Some(encode::notification(&method, Some(&params)))
    }

    /// A task is another now.
    fn task(&self, task: &Json) -> Vec<u8> {
        let params = self.tagged(|object| {
            for (name, value) in task.members().iter().flat_map(Members::iter) {
                object.raw(name, value.get().as_bytes());
            }
        });
        encode::notification(&TaskGeneration::Extension.notification(), Some(&params))
    }

    /// The result that ends the subscription from our side.
    fn farewell(&self) -> Vec<u8> {
        let result = self.tagged(|object| {
            object.text("resultType", "complete");
        });
        encode::result(&self.id, &result)
    }

    fn acknowledgement(&self) -> Vec<u8> {
        let params = self.tagged(|object| {
            let mut honored = Object::open(object.member("notifications"));
            self.wanted.write(&mut honored);
            self.tasks.write(&mut honored);
            honored.close();
        });
        encode::notification(&Method::Acknowledged, Some(&params))
    }

    /// An object with the subscription's id where every message of it has it.
    fn tagged(&self, fill: impl FnOnce(&mut Object<'_>)) -> Json {
        let mut out = Vec::new();
        let mut object = Object::open(&mut out);
        fill(&mut object);
        let mut meta = Object::open(object.member("_meta"));
        meta.raw("io.modelcontextprotocol/subscriptionId", self.id.as_bytes());
        meta.close();
        object.close();
        Json::written(out)
    }

    fn context(&self) -> Context {
        let context = Context::new(self.principal.clone(), ProtocolVersion::MODERN);
        Context { caller: self.caller, ..context }
    }
}

/// Asks the gateway something about each resource, and gives those for which it succeeds.
async fn ask_each(
    front: &Front,
    context: &Context,
    method: &Method,
    uris: HashSet<Arc<str>>,
) -> HashSet<Arc<str>> {
    let asked = uris.into_iter().map(|uri| {
        let params = Json::encode(&serde_json::json!({ "uri": *uri }));
        let name = Some(uri.to_string());
        let request = Request { method: method.clone(), params: Some(params), name };
        let answer = front.gateway.request(context, request);
        async move { answer.await.is_ok().then_some(uri) }
    });
    let mut answers = stream::iter(asked).buffer_unordered(AT_ONCE);
    let mut done = HashSet::new();
    let all = async {
        while let Some(answer) = answers.next().await {
            done.extend(answer);
        }
    };
    // What took too long is as good as refused.
    let _ = tokio::time::timeout(PATIENCE, all).await;
    done
}

impl Wanted {
    fn read(wanted: &Members<'_>) -> Result<Self, RpcError> {
        let has = |name: &str| wanted.read::<bool>(name).unwrap_or(false);
        let mut uris = HashSet::new();
        if wanted.get("resourceSubscriptions").is_some() {
            let named = wanted.read::<Vec<String>>("resourceSubscriptions");
            let named = named
                .ok_or_else(|| invalid("`resourceSubscriptions` must be an array of strings"))?;
            uris = named.into_iter().map(Arc::from).collect();
        }
        if uris.len() > RESOURCES {
            let message = format!("`resourceSubscriptions` names more than {RESOURCES} resources");
            return Err(invalid(message));
        }
        Ok(Self {
            tools: has("toolsListChanged"),
            prompts: has("promptsListChanged"),
            resources: has("resourcesListChanged"),
            uris,
        })
    }

    /// Whether the client is to hear of `uri`: because it asked for it, or for what it is a part of.
    fn covers(&self, uri: &str) -> bool {
        self.uris.iter().any(|wanted| covers(wanted, uri))
    }

    fn has(&self, kind: Kind) -> bool {
        match kind {
            Kind::Tools => self.tools,
            Kind::Prompts => self.prompts,
            Kind::Resources | Kind::Templates => self.resources,
        }
    }

    /// As the acknowledgement has it.
    fn write(&self, object: &mut Object<'_>) {
        let lists = [
            ("toolsListChanged", self.tools),
            ("promptsListChanged", self.prompts),
            ("resourcesListChanged", self.resources),
        ];
        for (name, _) in lists.into_iter().filter(|(_, on)| *on) {
            object.raw(name, b"true");
        }
        if !self.uris.is_empty() {
            let mut uris: Vec<&str> = self.uris.iter().map(|uri| &**uri).collect();
            uris.sort_unstable();
            object.raw("resourceSubscriptions", Json::encode(&uris).as_bytes());
        }
    }
}

/// The announcement for a kind of list; templates have none of their own.
pub(crate) fn changed(kind: Kind) -> Method {
    match kind {
        Kind::Tools => Method::ToolsChanged,
        Kind::Prompts => Method::PromptsChanged,
        Kind::Resources | Kind::Templates => Method::ResourcesChanged,
    }
}
