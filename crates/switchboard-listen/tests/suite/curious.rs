//! A peer in memory that asks its client as much as it is told to.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::future::join_all;
use serde_json::Value;
use switchboard_auth::Sealer;
use switchboard_core::{
    Capabilities, Catalog, Context, Error, Filter, Gateway, Item, Kind, Lists, Member,
    Notification, Peer, Prefix, Request, Response, Snapshot,
};
use switchboard_listen::http::HttpConfig;
use switchboard_mcp::{Era, Json, Method, ProtocolVersion};
use switchboard_testkit::Scripted;
use tokio::sync::watch;

use crate::house::House;

/// Plays the steps in `arguments.steps`, whatever is called: a number is said as progress, a list
/// of questions is put to the client at once, `wait` waits until the test says so, and a text is
/// said as a log message of that level. The answers of the client come back as `answers`.
#[derive(Clone, Default)]
pub(crate) struct Curious(Arc<Counts>);

#[derive(Default)]
struct Counts {
    begun: watch::Sender<usize>,
    /// Dropped before they were answered.
    given_up: watch::Sender<usize>,
    waiting: watch::Sender<usize>,
    released: watch::Sender<usize>,
}

pub(crate) const FORM: &str = "{\"method\":\"elicitation/create\",\"params\":{\"message\":\"name?\",\
    \"requestedSchema\":{\"type\":\"object\",\"properties\":{}}}}";

pub(crate) const ROOTS: &str = "{\"method\":\"roots/list\"}";

impl Curious {
    /// A listener in front of one.
    pub(crate) async fn house(change: impl FnOnce(&mut HttpConfig)) -> (House, Self) {
        let curious = Self::default();
        let tools = ["quiz", "other"].map(|name| {
            let tool = format!("{{\"name\":\"{name}\"}}");
            Item::read(Kind::Tools, Json::parse(Bytes::from(tool)).unwrap()).unwrap()
        });
        let marked = "{\"name\":\"marked\",\"inputSchema\":{\"type\":\"object\",\"properties\":\
            {\"region\":{\"type\":\"string\",\"x-mcp-header\":\"Region\"}}}}";
        let marked = Item::read(Kind::Tools, Json::parse(marked.into()).unwrap());
        let lists = Lists {
            capabilities: Capabilities { tools: true, resources: true, ..Capabilities::default() },
            tools: tools.into_iter().chain(marked).collect(),
            ..Lists::default()
        };
        let member = Member {
            name: "curious".into(),
            prefix: Prefix::new("").unwrap(),
            filter: Filter::default(),
            peer: Arc::new(curious.clone()),
            lists: Some(Arc::new(lists)),
            learning: false,
        };
        let catalog = Catalog::build(vec![member]);
        let snapshot = Snapshot { catalog, ..Snapshot::default() };
        let gateway = Arc::new(Gateway::new(snapshot, Arc::new(Sealer::random())));
        (House::around(gateway, Scripted::default(), change).await, curious)
    }

    pub(crate) async fn begun(&self, count: usize) {
        reach(&self.0.begun, count).await;
    }

    pub(crate) async fn given_up(&self, count: usize) {
        reach(&self.0.given_up, count).await;
    }

    pub(crate) fn count_given_up(&self) -> usize {
        *self.0.given_up.borrow()
    }

    pub(crate) async fn waiting(&self, count: usize) {
        reach(&self.0.waiting, count).await;
    }

    /// Lets those that wait go on.
    pub(crate) fn release(&self) {
        self.0.released.send_modify(|released| *released += 1);
    }
}

async fn reach(counter: &watch::Sender<usize>, count: usize) {
    let mut counter = counter.subscribe();
    let reached = counter.wait_for(|now| *now >= count);
    let reached = tokio::time::timeout(std::time::Duration::from_secs(20), reached).await;
    assert!(reached.is_ok(), "it did not become {count}");
}

struct Open<'a>(&'a Counts, bool);

impl Drop for Open<'_> {
    fn drop(&mut self) {
        if !self.1 {
            self.0.given_up.send_modify(|count| *count += 1);
        }
    }
}

#[async_trait]
impl Peer for Curious {
    async fn request(&self, context: &Context, request: Request) -> Result<Response, Error> {
        let mut released = self.0.released.subscribe();
        self.0.begun.send_modify(|count| *count += 1);
        let mut open = Open(&self.0, false);
        let arguments = request.params.as_ref().and_then(|it| it.view::<Value>().ok());
        let steps = arguments.unwrap_or_default()["arguments"]["steps"].clone();
        let mut answers = Vec::new();
        for step in steps.as_array().into_iter().flatten() {
            match step {
                Value::Number(progress) => {
                    let params = serde_json::json!({ "progressToken": 9, "progress": progress });
                    say(context, Method::Progress, &params);
                }
                Value::Array(questions) => {
                    let asked = questions.iter().map(|question| ask(context, question));
                    answers.extend(join_all(asked).await);
                }
                Value::String(wait) if wait == "wait" => {
                    self.0.waiting.send_modify(|count| *count += 1);
                    released.changed().await.unwrap();
                }
                level => say(context, Method::LogMessage, &serde_json::json!({ "level": level })),
            }
        }
        open.1 = true;
        let result = serde_json::json!({ "content": [], "answers": answers });
        Ok(Response::new(Json::encode(&result), ProtocolVersion::NEWEST_LEGACY))
    }
}

fn say(context: &Context, method: Method, params: &Value) {
    if let Some(client) = &context.client {
        client.notify(Notification { method, params: Some(Json::encode(params)) });
    }
}

/// What the client answers, or the error that the server gets.
async fn ask(context: &Context, question: &Value) -> Value {
    let method = Method::from(question["method"].as_str().unwrap());
    let params = question.get("params").map(Json::encode);
    if context.version.era() == Era::Legacy
        && let Err(missing) = context.capabilities.check(&method, params.as_ref())
    {
        return missing.to_server().code.into();
    }
    let client = context.client.clone().unwrap();
    match client.request(context, Request { method, params, name: None }).await {
        Ok(response) => response.result.view().unwrap(),
        Err(Error::Refused(error)) => error.code.into(),
        Err(error) => error.to_string().into(),
    }
}
