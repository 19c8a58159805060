//! Tools of the `input-required-result-*` scenarios, and the prompt of one of them.

use rmcp::ErrorData;
use rmcp::model::{CallToolResponse, GetPromptRequestParams, GetPromptResponse, RequestStateCodec};
use rmcp::service::{RequestContext, RoleServer};
use serde_json::{Map, Value, json};

use crate::ask::{Asked, Asking, Question, form, roots, sampling};
use crate::content::{text, typed};
use crate::tools::{Call, name_field};

pub(crate) async fn call(call: &Call, name: &str) -> Option<Result<CallToolResponse, ErrorData>> {
    let what = name.strip_prefix("test_input_required_result_")?;
    Some(round(call, what).await)
}

async fn round(call: &Call, what: &str) -> Result<CallToolResponse, ErrorData> {
    let name = || ("user_name", form("What is your name?", &name_field()));
    let confirm = || ("confirm", form("Please confirm", &json!({ "ok": { "type": "boolean" } })));
    match what {
        "elicitation" => {
            let greet = |answers: &Value| {
                let name =
                    answers["user_name"]["content"]["name"].as_str().unwrap_or("whoever you are");
                format!("Hello, {name}!")
            };
            ask(call, &[name()], None, greet).await
        }
        "sampling" => {
            let question = ("capital_question", sampling("What is the capital of France?"));
            ask(call, &[question], None, |answers| answers["capital_question"].to_string()).await
        }
        "list_roots" => {
            ask(call, &[("client_roots", roots())], None, |answers| {
                answers["client_roots"].to_string()
            })
            .await
        }
        "request_state" | "tampered_state" => {
            call.opened("confirming")?;
            ask(call, &[confirm()], Some("confirming"), |_| "state-ok".to_owned()).await
        }
        "multiple_inputs" => {
            call.opened("gathering")?;
            let greeting = ("greeting", sampling("Generate a greeting"));
            let questions = [name(), greeting, ("client_roots", roots())];
            ask(call, &questions, Some("gathering"), Value::to_string).await
        }
        "multi_round" => multi_round(call).await,
        "capabilities" => whatever_it_can(call).await,
        other => Err(ErrorData::invalid_params(format!("unknown tool: …{other}"), None)),
    }
}

/// Two questions, of which the second comes after the answer to the first.
async fn multi_round(call: &Call) -> Result<CallToolResponse, ErrorData> {
    let first = ("step1", form("Step 1: What is your name?", &name_field()));
    let color = json!({ "color": { "type": "string" } });
    let second = ("step2", form("Step 2: What is your favorite color?", &color));
    let is_second = match &call.asking.state {
        Some(sealed) => open(&call.shared.states, sealed)? == b"second",
        None => false,
    };
    if !is_second {
        let sealed = call.shared.states.seal(b"first");
        if let Asked::Required(required) = call.asking.ask(&[first], Some(sealed)).await? {
            return Ok(required.into());
        }
    }
    ask(call, &[second], Some("second"), |_| "Thank you for both.".to_owned()).await
}

/// Asks only what the client can answer. A session declares that once, and what is behind it may
/// still refuse: then there is an answer less.
async fn whatever_it_can(call: &Call) -> Result<CallToolResponse, ErrorData> {
    let questions = [
        ("user_name", form("What is your name?", &name_field())),
        ("greeting", sampling("Generate a greeting")),
        ("client_roots", roots()),
    ];
    let can = |(_, question): &Question| {
        question["method"].as_str().is_some_and(|method| call.asking.declares(method))
    };
    let questions: Vec<Question> = questions.into_iter().filter(can).collect();
    if !call.asking.is_legacy() {
        return ask(call, &questions, None, Value::to_string).await;
    }
    let mut answers = Map::new();
    for question in questions {
        if let Ok(Asked::Answers(answered)) = call.asking.ask(&[question], None).await {
            answers.extend(answered);
        }
    }
    call.done(&Value::Object(answers).to_string())
}

/// Asks, and answers with what `conclude` makes of the answers, an object by key.
async fn ask(
    call: &Call,
    questions: &[Question],
    state: Option<&str>,
    conclude: impl FnOnce(&Value) -> String,
) -> Result<CallToolResponse, ErrorData> {
    let sealed = state.map(|state| call.shared.states.seal(state.as_bytes()));
    match call.asking.ask(questions, sealed).await? {
        Asked::Answers(answers) => call.done(&conclude(&json!(answers))),
        Asked::Required(required) => Ok(required.into()),
    }
}

impl Call {
    /// Refuses a state that is not the one this tool has sealed.
    fn opened(&self, expected: &str) -> Result<(), ErrorData> {
        match &self.asking.state {
            Some(sealed) if open(&self.shared.states, sealed)? != expected.as_bytes() => {
                Err(ErrorData::invalid_params("requestState is of another request", None))
            }
            _ => Ok(()),
        }
    }
}

fn open(states: &RequestStateCodec, sealed: &str) -> Result<Vec<u8>, ErrorData> {
    states.open(sealed).map_err(|error| {
        ErrorData::invalid_params(format!("requestState cannot be accepted: {error}"), None)
    })
}

pub(crate) async fn prompt(
    request: GetPromptRequestParams,
    context: RequestContext<RoleServer>,
) -> Result<GetPromptResponse, ErrorData> {
    let asking = Asking {
        context,
        responses: request.input_responses.unwrap_or_default(),
        state: request.request_state,
    };
    let field = json!({ "context": { "type": "string" } });
    let question = ("user_context", form("What context should the prompt use?", &field));
    match asking.ask(&[question], None).await? {
        Asked::Required(required) => Ok(required.into()),
        Asked::Answers(answers) => {
            let words = format!("Context: {}", answers["user_context"]["content"]["context"]);
            let message = json!({ "role": "user", "content": text(&words) });
            Ok(GetPromptResponse::Complete(typed(
                json!({ "resultType": "complete", "messages": [message] }),
            )?))
        }
    }
}
