//! Whoever sits in front of the client: answers what is asked, and remembers what came.

#![expect(deprecated, reason = "sampling is part of what a client may offer")]

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rmcp::model::{
    CallToolRequestParams, ClientCapabilities, ClientConfig, CreateMessageRequestParams,
    CreateMessageResult, ElicitRequestParams, ElicitResult, ElicitationAction, Implementation,
    ProgressNotificationParam, SamplingMessage,
};
use rmcp::service::{NotificationContext, RequestContext};
use rmcp::{ClientHandler, ErrorData, RoleClient};
use serde_json::{Value, json};

use crate::Client;

/// What came to a client since it was last looked at.
#[derive(Debug, Default, PartialEq)]
struct Seen {
    /// Steps, of how many.
    progress: Vec<(f64, Option<f64>)>,
    elicited: Vec<String>,
    sampled: Vec<String>,
}

#[derive(Clone, Default)]
pub(crate) struct User {
    seen: Arc<Mutex<Seen>>,
}

impl User {
    fn look<T>(&self, look: impl FnOnce(&mut Seen) -> T) -> T {
        look(&mut self.seen.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl ClientHandler for User {
    fn get_info(&self) -> ClientConfig {
        let capabilities =
            ClientCapabilities::builder().enable_sampling().enable_elicitation().build();
        ClientConfig::new(capabilities, Implementation::new("rmcp", "1"))
    }

    async fn on_progress(
        &self,
        step: ProgressNotificationParam,
        _: NotificationContext<RoleClient>,
    ) {
        self.look(|seen| seen.progress.push((step.progress, step.total)));
    }

    async fn create_elicitation(
        &self,
        question: ElicitRequestParams,
        _: RequestContext<RoleClient>,
    ) -> Result<ElicitResult, ErrorData> {
        self.look(|seen| seen.elicited.push(json!(question)["message"].to_string()));
        let answer = json!({ "username": "Ada", "email": "ada@example.org" });
        Ok(ElicitResult::new(ElicitationAction::Accept).with_content(answer))
    }

    async fn create_message(
        &self,
        question: CreateMessageRequestParams,
        _: RequestContext<RoleClient>,
    ) -> Result<CreateMessageResult, ErrorData> {
        let texts = json!(question.messages);
        self.look(|seen| seen.sampled.push(texts[0]["content"]["text"].to_string()));
        let answer = SamplingMessage::assistant_text("a sampled answer");
        Ok(CreateMessageResult::new(answer, "a model".to_owned()).with_stop_reason("endTurn"))
    }
}

/// A tool that reports three steps: all of them came, in their order.
pub(crate) async fn progress(client: &Client, tools: &[&str], upstream: &str) {
    let answer = call(client, tools, (upstream, "test_tool_with_progress"), json!({})).await;
    assert_eq!(answer, "The tool has reported.");
    // The client hands on a notification and the answer after it at the same time.
    while client.service().look(|seen| seen.progress.len()) < 3 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let seen = client.service().look(std::mem::take);
    let steps = [0.0, 50.0, 100.0].map(|step| (step, Some(100.0)));
    assert_eq!(seen, Seen { progress: steps.into(), ..Seen::default() }, "{upstream}");
}

/// A tool that asks the user: the question came, and the answer arrived.
pub(crate) async fn elicitation(client: &Client, tools: &[&str], upstream: &str) {
    let arguments = json!({ "message": "Who are you?" });
    let answer = call(client, tools, (upstream, "test_elicitation"), arguments).await;
    let answer = answered(&answer);
    assert_eq!(answer["action"], "accept", "{upstream}: {answer}");
    let content = json!({ "username": "Ada", "email": "ada@example.org" });
    assert_eq!(answer["content"], content, "{upstream}: {answer}");
    let seen = client.service().look(std::mem::take);
    let elicited = vec![r#""Who are you?""#.to_owned()];
    assert_eq!(seen, Seen { elicited, ..Seen::default() }, "{upstream}");
}

/// A tool that asks a model: the prompt came, and what the model said arrived.
pub(crate) async fn sampling(client: &Client, tools: &[&str], upstream: &str) {
    let arguments = json!({ "prompt": "a poem" });
    let answer = call(client, tools, (upstream, "test_sampling"), arguments).await;
    let answer = answered(&answer);
    assert_eq!(answer["content"]["text"], "a sampled answer", "{upstream}: {answer}");
    assert_eq!(answer["model"], "a model", "{upstream}: {answer}");
    let seen = client.service().look(std::mem::take);
    let sampled = vec![r#""a poem""#.to_owned()];
    assert_eq!(seen, Seen { sampled, ..Seen::default() }, "{upstream}");
}

/// Calls a tool that is listed; the one text of its answer.
async fn call(
    client: &Client,
    tools: &[&str],
    (upstream, tool): (&str, &str),
    arguments: Value,
) -> String {
    let name = format!("{upstream}__{tool}");
    assert!(tools.contains(&name.as_str()), "{name} is not among {tools:?}");
    let Value::Object(arguments) = arguments else { panic!("arguments are an object") };
    let call = CallToolRequestParams::new(name.clone()).with_arguments(arguments);
    let result = client.call_tool(call).await.unwrap_or_else(|error| panic!("{name}: {error}"));
    assert_ne!(result.is_error, Some(true), "{name}: {result:?}");
    let [content] = &result.content[..] else { panic!("{name}: {result:?}") };
    content.as_text().unwrap_or_else(|| panic!("{name}: {result:?}")).text.clone()
}

/// What the fixture repeats of the answer to its question.
fn answered(text: &str) -> Value {
    let answer = text.strip_prefix("The client answered: ");
    serde_json::from_str(answer.unwrap_or_else(|| panic!("{text}"))).unwrap()
}
