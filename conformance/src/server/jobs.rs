//! Tools that go on as tasks (`io.modelcontextprotocol/tasks`), for clients that know these.

use std::time::Duration;

use rmcp::ErrorData;
use rmcp::model::{CallToolResponse, CallToolResult, ClientCapabilities, CreateTaskResult};
use rmcp::task_manager::{TaskContext, TaskExit, TaskFuture, TaskOptions};
use serde_json::{Value, json};

use crate::ask::{Asked, form};
use crate::content::{says, typed};
use crate::tools::{Call, name_field};

/// How often a client may ask. The suite waits 200 ms whatever is said here.
const POLL_INTERVAL_MS: u64 = 100;

pub(crate) async fn call(call: &Call, name: &str) -> Option<Result<CallToolResponse, ErrorData>> {
    Some(match name {
        "slow_compute" => slow_compute(call).await,
        "failing_job" => call.task(|_| Box::pin(failing())),
        "protocol_error_job" => call.task(|_| Box::pin(breaking())),
        "confirm_delete" => {
            let filename = call.argument("filename").to_owned();
            call.task(|task| Box::pin(confirm_delete(task, filename)))
        }
        "multi_input" => call.task(|task| Box::pin(multi_input(task))),
        "test_tool_with_task" => name_then_task(call).await,
        _ => return None,
    })
}

/// The one that can do without a task.
async fn slow_compute(call: &Call) -> Result<CallToolResponse, ErrorData> {
    let seconds = call.arguments.get("seconds").and_then(Value::as_u64).unwrap_or_default();
    let length = Duration::from_secs(seconds);
    if call.knows_tasks() {
        return call.task(move |task| Box::pin(compute(task, length)));
    }
    tokio::time::sleep(length).await;
    call.done("computed")
}

async fn compute(task: TaskContext, length: Duration) -> Result<CallToolResult, TaskExit> {
    tokio::select! {
        () = tokio::time::sleep(length) => Ok(typed(says("computed"))?),
        () = task.cancelled() => Err(TaskExit::Cancelled),
    }
}

async fn failing() -> Result<CallToolResult, TaskExit> {
    let mut result = says("The job has failed, as it always does.");
    result["isError"] = json!(true);
    Ok(typed(result)?)
}

async fn breaking() -> Result<CallToolResult, TaskExit> {
    Err(ErrorData::internal_error("the job broke, as it always does", None).into())
}

async fn confirm_delete(task: TaskContext, filename: String) -> Result<CallToolResult, TaskExit> {
    let field = json!({ "confirm": { "type": "boolean" } });
    let question = form(&format!("Delete {filename}?"), &field);
    let answer = task.request_input("confirm", typed(question)?).await?;
    Ok(typed(says(&format!("The answer was {answer}.")))?)
}

async fn multi_input(task: TaskContext) -> Result<CallToolResult, TaskExit> {
    let first = typed(form("What is your name?", &name_field()))?;
    let second = typed(form("Go on?", &json!({ "confirm": { "type": "boolean" } })))?;
    let (name, confirmed) =
        tokio::try_join!(task.request_input("name", first), task.request_input("confirm", second))?;
    Ok(typed(says(&format!("The answers were {name} and {confirmed}.")))?)
}

/// Asks in rounds, and becomes a task when it has its answer.
async fn name_then_task(call: &Call) -> Result<CallToolResponse, ErrorData> {
    call.must_know_tasks()?;
    let question = ("user_name", form("What is your name?", &name_field()));
    let sealed = call.shared.states.seal(b"name, then task");
    match call.asking.ask(&[question], Some(sealed)).await? {
        Asked::Required(required) => Ok(required.into()),
        Asked::Answers(answers) => {
            let words = format!("Hello, {}!", answers["user_name"]["content"]["name"]);
            call.task(move |_| Box::pin(async move { Ok(typed(says(&words))?) }))
        }
    }
}

impl Call {
    fn knows_tasks(&self) -> bool {
        let declared = self.asking.context.client_capabilities();
        !self.asking.is_legacy() && declared.is_some_and(|declared| declared.supports_tasks())
    }

    fn must_know_tasks(&self) -> Result<(), ErrorData> {
        if self.knows_tasks() {
            return Ok(());
        }
        let required = ClientCapabilities::builder().enable_tasks().build();
        Err(ErrorData::missing_required_client_capability(required))
    }

    fn task(
        &self,
        work: impl FnOnce(TaskContext) -> TaskFuture,
    ) -> Result<CallToolResponse, ErrorData> {
        self.must_know_tasks()?;
        let options = TaskOptions::new().with_poll_interval_ms(POLL_INTERVAL_MS);
        Ok(CreateTaskResult::new(self.shared.tasks.spawn(options, work)).into())
    }
}
