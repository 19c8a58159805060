//! Tasks that fail, never end or are forgotten, and servers that are away.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use switchboard_mcp::{Method, ProtocolVersion, TaskGeneration};

use super::worker::{Mood, Worker};
use super::{NEW, OLD, Scene, Server, Support, Tasks, client, shown};
use crate::error::Error;
use crate::peer::{Peer, Request};
use crate::seal::bare::Bare;

const LONG: Duration = Duration::from_secs(60);

#[tokio::test]
async fn a_new_client_sees_why_an_old_task_failed() {
    let scene = Scene::new(TaskGeneration::Experimental, Some(Support::Optional));
    let ann = client("ann", NEW);
    let created = scene.call(&ann, json!({ "name": "t" })).await;
    scene.worker.is_now(Mood::Failed);
    let got = scene.about(&ann, Method::TasksGet, &created["taskId"]).await;
    assert_eq!(got["status"], "failed");
    assert_eq!(got["error"], json!({ "code": -32603, "message": "boom" }), "{got}");
}

#[tokio::test]
async fn an_old_client_gets_the_error_of_a_new_task_in_its_own_numbers() {
    let scene = Scene::new(TaskGeneration::Extension, None);
    let ann = client("ann", OLD);
    let created = scene.call(&ann, json!({ "name": "t", "task": {} })).await;
    scene.worker.is_now(Mood::Failed);
    let id = created["task"]["taskId"].as_str().unwrap().to_owned();
    let request = Request { method: Method::TasksResult, params: None, name: Some(id) };
    let answer = scene.tasks.about(|_| Some(scene.server()), &ann, request).await;
    let error = answer.map(|told| told.response).unwrap_err();
    let error = error.to_rpc(OLD, &Method::TasksResult);
    assert!(error.code == -32603 && error.message.contains("boom"), "{error}");
}

/// Three servers; the principal has two tasks of each.
struct Three {
    tasks: Tasks,
    workers: [Arc<Worker>; 3],
    peers: [Arc<dyn Peer>; 3],
}

impl Three {
    async fn new() -> Self {
        let worker =
            |_| Arc::new(Worker::new(TaskGeneration::Experimental, Value::Null, Value::Null));
        let workers = ["a", "b", "c"].map(worker);
        let peers = workers.each_ref().map(|worker| Arc::clone(worker) as Arc<dyn Peer>);
        let three = Self { tasks: Tasks::new(Arc::new(Bare)), workers, peers };
        for name in ["a", "a", "b", "b", "c", "c"] {
            let params = Some(switchboard_mcp::Json::encode(&json!({ "name": "t", "task": {} })));
            let request = Request { method: Method::ToolsCall, params, name: Some("t".into()) };
            let server = three.server(name).unwrap();
            three.tasks.call(server, &client("ann", OLD), request).await.unwrap();
        }
        three
    }

    fn server(&self, name: &str) -> Option<Server<'_>> {
        let (index, name) = ["a", "b", "c"].into_iter().enumerate().find(|(_, n)| *n == name)?;
        let generation = Some(TaskGeneration::Experimental);
        let support = Some(Support::Optional);
        Some(Server { name, peer: &self.peers[index], generation, support })
    }

    async fn list(&self) -> usize {
        let request = Request { method: Method::TasksList, params: None, name: None };
        let ann = client("ann", OLD);
        let answer = self.tasks.about(|name| self.server(name), &ann, request).await;
        let list = shown(answer.map(|told| told.response));
        list["tasks"].as_array().unwrap_or_else(|| panic!("{list}")).len()
    }
}

#[tokio::test]
async fn the_list_has_the_tasks_of_servers_that_know_theirs() {
    let three = Three::new().await;
    assert_eq!(three.list().await, 6);
    let [forgetful, down, _] = &three.workers;
    let looks = |worker: &Worker| worker.saw(&Method::TasksGet);
    let before = (looks(forgetful), looks(down));
    forgetful.is_now(Mood::Forgetful);
    down.is_now(Mood::Down);
    assert_eq!(three.list().await, 2);
    assert_eq!(looks(forgetful), before.0 + 2);
    assert_eq!(looks(down), before.1 + 1, "it is not waited for twice");

    // What is forgotten is gone, and who was away comes back.
    forgetful.is_now(Mood::Done);
    down.is_now(Mood::Done);
    assert_eq!(three.list().await, 4);
    assert_eq!(looks(forgetful), before.0 + 2);
}

#[tokio::test(start_paused = true)]
async fn a_task_that_never_ends_is_given_up_and_cancelled() {
    let day = Duration::from_secs(24 * 60 * 60);
    let cases = [
        (json!(5000), Duration::from_secs(5)),
        (Value::Null, day),
        (json!(u64::MAX), day),
        (json!(0), Duration::ZERO),
    ];
    for (ttl, expected) in cases {
        let scene = Scene::lasting(TaskGeneration::Extension, None, ttl);
        scene.worker.is_now(Mood::Working);
        let ann = client("ann", ProtocolVersion::V2025_06_18);
        let began = tokio::time::Instant::now();
        let answer = scene.answer(&ann, json!({ "name": "t" }));
        let answer = tokio::time::timeout(day * 2, answer).await.expect("it is given up");
        let Err(Error::TimedOut { limit, .. }) = answer else { panic!("{answer:?}") };
        assert_eq!((limit, began.elapsed()), (expected, expected));
        scene.worker.sees(&Method::TasksCancel).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_task_that_nobody_waits_for_is_cancelled() {
    let scene = Scene::lasting(TaskGeneration::Extension, None, Value::Null);
    scene.worker.is_now(Mood::Working);
    let ann = client("ann", ProtocolVersion::V2025_06_18);
    let call = scene.answer(&ann, json!({ "name": "t" }));
    assert!(tokio::time::timeout(LONG, call).await.is_err(), "it goes on");
    scene.worker.sees(&Method::TasksCancel).await;

    // One that cannot be looked at any more may go on.
    let scene = Scene::lasting(TaskGeneration::Extension, None, Value::Null);
    scene.worker.is_now(Mood::Forgetful);
    let answer = scene.answer(&ann, json!({ "name": "t" })).await;
    assert!(matches!(answer, Err(Error::Server { .. })), "{answer:?}");
    scene.worker.sees(&Method::TasksCancel).await;

    // A server of 2025-11-25 whose result took longer than its upstream waits.
    let scene = Scene::new(TaskGeneration::Experimental, Some(Support::Required));
    scene.worker.is_now(Mood::Working);
    let answer = scene.answer(&ann, json!({ "name": "t" })).await;
    assert!(matches!(answer, Err(Error::TimedOut { .. })), "{answer:?}");
    scene.worker.sees(&Method::TasksCancel).await;
}

#[tokio::test(start_paused = true)]
async fn a_task_of_the_client_outlives_the_wait_for_its_result() {
    let scene = Scene::lasting(TaskGeneration::Extension, None, Value::Null);
    let ann = client("ann", OLD);
    let created = scene.call(&ann, json!({ "name": "t", "task": {} })).await;
    let id = &created["task"]["taskId"];
    scene.worker.is_now(Mood::Working);
    let result = scene.about(&ann, Method::TasksResult, id);
    assert!(tokio::time::timeout(LONG, result).await.is_err(), "it goes on");
    tokio::time::sleep(LONG).await;
    assert_eq!(scene.worker.saw(&Method::TasksCancel), 0);
    scene.worker.is_now(Mood::Done);
    let result = scene.about(&ann, Method::TasksResult, id).await;
    assert_eq!(result["content"][0]["text"], "done");
}
