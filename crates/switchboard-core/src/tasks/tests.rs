mod troubles;
mod whole;
mod worker;

use std::sync::Arc;

use bytes::Bytes;
use serde_json::{Value, json};
use switchboard_mcp::{
    ClientCapabilities, Json, Method, ProtocolVersion, TASKS_EXTENSION, TaskGeneration,
};

use self::worker::Worker;
use super::{Server, Support, Tasks};
use crate::error::Error;
use crate::peer::{Context, Peer, Request, Response};
use crate::principal::Principal;
use crate::seal::bare::Bare;

/// A client of `version` with the extension or without, in front of a worker.
struct Scene {
    tasks: Tasks,
    worker: Arc<Worker>,
    peer: Arc<dyn Peer>,
    generation: TaskGeneration,
    support: Option<Support>,
}

impl Scene {
    fn new(generation: TaskGeneration, support: Option<Support>) -> Self {
        Self::lasting(generation, support, json!(1000))
    }

    /// Whose tasks are kept for `ttl`.
    fn lasting(generation: TaskGeneration, support: Option<Support>, ttl: Value) -> Self {
        let worker = Arc::new(Worker::new(generation, ttl, json!(10_000)));
        let peer = Arc::clone(&worker) as Arc<dyn Peer>;
        Self { tasks: Tasks::new(Arc::new(Bare)), worker, peer, generation, support }
    }

    fn server(&self) -> Server<'_> {
        let (generation, support) = (Some(self.generation), self.support);
        Server { name: "w", peer: &self.peer, generation, support }
    }

    async fn call(&self, context: &Context, params: Value) -> Value {
        shown(self.answer(context, params).await)
    }

    async fn answer(&self, context: &Context, params: Value) -> Result<Response, Error> {
        let params = Some(Json::encode(&params));
        let request = Request { method: Method::ToolsCall, params, name: Some("t".into()) };
        self.tasks.call(self.server(), context, request).await
    }

    async fn about(&self, context: &Context, method: Method, id: &Value) -> Value {
        let id = id.as_str().unwrap_or_default().to_owned();
        let params = Some(Json::encode(&json!({ "taskId": id })));
        let request = Request { method, params, name: Some(id) };
        let server = |name: &str| (name == "w").then(|| self.server());
        shown(self.tasks.about(server, context, request).await.map(|told| told.response))
    }
}

fn shown(answer: Result<Response, Error>) -> Value {
    match answer {
        Ok(response) => response.result.view().unwrap(),
        Err(error) => json!({ "error": error.to_string() }),
    }
}

fn client(subject: &str, version: ProtocolVersion) -> Context {
    let mut context = Context::new(Principal::new(subject), version);
    if version == ProtocolVersion::MODERN {
        let declared = json!({ "extensions": { TASKS_EXTENSION: {} } }).to_string();
        let declared = Json::parse(Bytes::from(declared)).unwrap();
        context.capabilities = ClientCapabilities::read(declared);
    }
    context
}

const OLD: ProtocolVersion = ProtocolVersion::V2025_11_25;
const NEW: ProtocolVersion = ProtocolVersion::MODERN;

#[tokio::test]
async fn a_task_has_one_id_for_its_client_and_is_no_one_elses() {
    for (version, generation) in
        [(OLD, TaskGeneration::Experimental), (NEW, TaskGeneration::Extension)]
    {
        let scene = Scene::new(generation, Some(Support::Optional));
        let (ann, bob) = (client("ann", version), client("bob", version));
        let created = scene.call(&ann, json!({ "name": "t", "task": {} })).await;
        let task = if version == NEW { &created } else { &created["task"] };
        let id = &task["taskId"];
        assert_ne!(id, "t1");
        assert_eq!(&scene.about(&ann, Method::TasksGet, id).await["taskId"], id);
        let refused = scene.about(&bob, Method::TasksGet, id).await;
        assert_eq!(refused["error"], "no such task");
        assert_eq!(scene.about(&ann, Method::TasksGet, &json!("t1")).await, refused);
    }
}

#[tokio::test]
async fn a_new_client_sees_an_old_task_as_one_of_its_own() {
    let scene = Scene::new(TaskGeneration::Experimental, Some(Support::Optional));
    let ann = client("ann", NEW);
    let created = scene.call(&ann, json!({ "name": "t" })).await;
    assert_eq!((&created["resultType"], &created["ttlMs"]), (&json!("task"), &json!(1000)));
    let got = scene.about(&ann, Method::TasksGet, &created["taskId"]).await;
    assert_eq!(got["result"]["content"][0]["text"], "done");
    let cancelled = scene.about(&ann, Method::TasksCancel, &created["taskId"]).await;
    assert_eq!(cancelled, json!({}));
    let refused = scene.about(&ann, Method::TasksList, &Value::Null).await;
    assert!(refused["error"].as_str().unwrap().contains("tasks/list"), "{refused}");
}

#[tokio::test]
async fn an_old_client_sees_a_new_task_as_one_of_its_own() {
    let scene = Scene::new(TaskGeneration::Extension, None);
    let ann = client("ann", OLD);
    let created = scene.call(&ann, json!({ "name": "t", "task": { "ttl": 5 } })).await;
    assert_eq!(created["task"]["ttl"], 1000);
    let id = &created["task"]["taskId"];
    let result = scene.about(&ann, Method::TasksResult, id).await;
    assert_eq!(result["content"][0]["text"], "done");
    let related = &result["_meta"]["io.modelcontextprotocol/related-task"]["taskId"];
    assert_eq!(related, id);
    let list = scene.about(&ann, Method::TasksList, &Value::Null).await;
    assert_eq!(&list["tasks"][0]["taskId"], id);
    let others = scene.about(&client("bob", OLD), Method::TasksList, &Value::Null).await;
    assert_eq!(others["tasks"], json!([]));
}

#[tokio::test(start_paused = true)]
async fn a_client_that_knows_no_tasks_gets_the_result() {
    for (generation, support) in
        [(TaskGeneration::Experimental, Some(Support::Required)), (TaskGeneration::Extension, None)]
    {
        let scene = Scene::new(generation, support);
        let ann = client("ann", ProtocolVersion::V2025_06_18);
        let result = scene.call(&ann, json!({ "name": "t" })).await;
        assert_eq!(result["content"][0]["text"], "done", "{generation:?}: {result}");
    }
}
