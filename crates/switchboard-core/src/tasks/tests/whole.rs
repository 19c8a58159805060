//! Tasks as clients of the gateway have them.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt as _;
use serde_json::{Value, json};
use switchboard_mcp::{ClientCapabilities, Json, Method, TASKS_EXTENSION, TaskGeneration};

use super::worker::{Mood, Worker};
use super::{NEW, OLD, client, shown};
use crate::catalog::{Catalog, Member};
use crate::filter::Filter;
use crate::gateway::{Gateway, Snapshot};
use crate::lists::{Item, Kind, Lists};
use crate::name::Prefix;
use crate::peer::{Context, Peer as _, Request};
use crate::seal::bare::Bare;
use crate::tasks::TaskChanges;

/// A gateway in front of the servers `a` and `b`, which list the same resource.
struct Whole {
    gateway: Arc<Gateway>,
    b: Arc<Worker>,
}

impl Whole {
    fn new(generation: TaskGeneration) -> Self {
        let worker = || Arc::new(Worker::new(generation, Value::Null, Value::Null));
        let (a, b) = (worker(), worker());
        let members = [("a", a), ("b", Arc::clone(&b))]
            .into_iter()
            .map(|(name, worker)| member(name, generation, worker));
        let catalog = Catalog::build(members.collect());
        let snapshot = Snapshot { catalog, list_wait: Duration::ZERO, ..Snapshot::default() };
        Self { gateway: Arc::new(Gateway::new(snapshot, Arc::new(Bare))), b }
    }

    async fn ask(&self, context: &Context, method: Method, params: Value) -> Value {
        let name = ["name", "taskId"].into_iter().find_map(|member| params[member].as_str());
        let name = name.map(str::to_owned);
        let request = Request { method, params: Some(Json::encode(&params)), name };
        shown(self.gateway.request(context, request).await)
    }

    /// The id of a new task of `b`.
    async fn task(&self, context: &Context) -> String {
        let params = json!({ "name": "b__t", "task": {} });
        let created = self.ask(context, Method::ToolsCall, params).await;
        let id = created["taskId"].as_str().or_else(|| created["task"]["taskId"].as_str());
        id.unwrap_or_else(|| panic!("{created}")).to_owned()
    }

    fn follow(&self, context: &Context, id: &str) -> Result<TaskChanges, String> {
        let changes = self.gateway.follow_task(context.clone(), id);
        changes.map_err(|error| error.to_rpc(NEW, &Method::Listen).to_string())
    }
}

fn member(name: &str, generation: TaskGeneration, worker: Arc<Worker>) -> Member {
    let json = |value: &Value| Json::parse(Bytes::from(value.to_string())).unwrap();
    let item = |kind, value: Value| Item::read(kind, json(&value)).into_iter().collect();
    let (version, offered) = match generation {
        TaskGeneration::Experimental => {
            (OLD, json!({ "tasks": { "requests": { "tools": { "call": {} } } } }))
        }
        TaskGeneration::Extension => (NEW, json!({ "extensions": { TASKS_EXTENSION: {} } })),
    };
    let tool = match generation {
        TaskGeneration::Experimental => {
            json!({ "name": "t", "execution": { "taskSupport": "optional" } })
        }
        TaskGeneration::Extension => json!({ "name": "t" }),
    };
    let lists = Lists {
        version: Some(version),
        offered: Some(json(&offered)),
        tools: item(Kind::Tools, tool),
        resources: item(Kind::Resources, json!({ "uri": "demo://1", "name": "one" })),
        ..Default::default()
    };
    Member {
        name: name.into(),
        prefix: Prefix::new(name).unwrap(),
        filter: Filter::default(),
        peer: worker,
        lists: Some(Arc::new(lists)),
        learning: false,
    }
}

const BOTH: [TaskGeneration; 2] = [TaskGeneration::Experimental, TaskGeneration::Extension];

#[tokio::test]
async fn what_comes_of_a_task_has_the_addresses_that_clients_know() {
    let shown = "switchboard://b/demo%3A//1";
    for generation in BOTH {
        let whole = Whole::new(generation);
        let (new, old) = (client("ann", NEW), client("ann", OLD));
        let id = whole.task(&new).await;
        let got = whole.ask(&new, Method::TasksGet, json!({ "taskId": id })).await;
        assert_eq!(got["result"]["content"][1]["uri"], shown, "{generation:?}: {got}");
        let id = whole.task(&old).await;
        let got = whole.ask(&old, Method::TasksResult, json!({ "taskId": id })).await;
        assert_eq!(got["content"][1]["uri"], shown, "{generation:?}: {got}");
    }
    // A result that was there at once, and is fetched as that of a task.
    let whole = Whole::new(TaskGeneration::Extension);
    whole.b.is_now(Mood::Immediate);
    let old = client("ann", OLD);
    let id = whole.task(&old).await;
    let got = whole.ask(&old, Method::TasksResult, json!({ "taskId": id })).await;
    assert_eq!(got["content"][1]["uri"], shown, "{got}");
}

async fn next(changes: &mut TaskChanges) -> Option<Value> {
    changes.next().await.map(|task| task.view().unwrap())
}

#[tokio::test(start_paused = true)]
async fn a_followed_task_is_told_each_time_it_is_another() {
    for (generation, version) in BOTH.into_iter().flat_map(|g| [(g, NEW), (g, OLD)]) {
        let whole = Whole::new(generation);
        let ann = client("ann", version);
        let id = whole.task(&ann).await;
        whole.b.is_now(Mood::Working);
        let mut changes = whole.follow(&ann, &id).unwrap();
        let first = next(&mut changes).await.unwrap();
        assert_eq!((&first["taskId"], &first["status"]), (&json!(id), &json!("working")));
        let meanwhile = async {
            tokio::time::sleep(Duration::from_secs(60)).await;
            whole.b.is_now(Mood::Down);
            tokio::time::sleep(Duration::from_secs(60)).await;
            whole.b.is_now(Mood::Done);
        };
        let (last, ()) = tokio::join!(next(&mut changes), meanwhile);
        let last = last.unwrap();
        assert_eq!((&last["taskId"], &last["status"]), (&json!(id), &json!("completed")));
        if version == NEW {
            let uri = &last["result"]["content"][1]["uri"];
            assert_eq!(uri, "switchboard://b/demo%3A//1", "{last}");
        }
        assert!(last.get("_meta").is_none() && last.get("resultType").is_none(), "{last}");
        assert_eq!(next(&mut changes).await, None, "it has ended");
        // Once a second while it works, every ten seconds while the server is down.
        let looks = whole.b.saw(&Method::TasksGet);
        assert!((60..80).contains(&looks), "{looks} looks");
    }
}

#[tokio::test(start_paused = true)]
async fn a_task_that_its_server_does_not_know_any_more_is_not_followed() {
    let whole = Whole::new(TaskGeneration::Extension);
    let ann = client("ann", NEW);
    let id = whole.task(&ann).await;
    let mut changes = whole.follow(&ann, &id).unwrap();
    whole.b.is_now(Mood::Forgetful);
    assert_eq!(next(&mut changes).await, None);

    let mut changes = whole.follow(&ann, &id).unwrap();
    whole.gateway.publish(Snapshot::default());
    assert_eq!(next(&mut changes).await, None, "the server is gone");
}

#[tokio::test]
async fn only_who_made_a_task_follows_it_and_not_too_many() {
    let whole = Whole::new(TaskGeneration::Extension);
    let (ann, bob) = (client("ann", NEW), client("bob", NEW));
    let id = whole.task(&ann).await;
    let refused = |context: &Context, id: &str| whole.follow(context, id).err().unwrap();
    assert_eq!(refused(&bob, &id), "no such task (-32602)");
    assert_eq!(refused(&ann, "t1"), "no such task (-32602)");
    let silent = Context { capabilities: ClientCapabilities::none(), ..ann.clone() };
    assert!(refused(&silent, &id).contains("(-32021)"));

    let mut followed: Vec<_> = (0..64).map(|_| whole.follow(&ann, &id).unwrap()).collect();
    assert_eq!(refused(&ann, &id), "64 tasks are followed already (-32603)");
    let others = whole.task(&bob).await;
    assert!(whole.follow(&bob, &others).is_ok(), "each has as many");
    followed.pop();
    assert!(whole.follow(&ann, &id).is_ok());
}
