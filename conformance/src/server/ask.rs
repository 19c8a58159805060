//! Asking the client, in the way of the revision that its request is in.
//!
//! Before 2026-07-28 a server sends requests of its own and waits. Since then it ends the request
//! with `input_required`, and the client comes back with the answers. A tool says what it wants to
//! know and under which keys; if this returns [`Asked::Required`], that is what it answers with.

use std::collections::BTreeMap;

use futures_util::future::try_join_all;
use rmcp::model::{
    ClientCapabilities, ElicitationCapability, InputRequest, InputRequests, InputRequiredResult,
    InputResponses, ProtocolVersion, RootsCapabilities, SamplingCapability, ServerRequest,
};
use rmcp::service::{RequestContext, RoleServer};
use rmcp::{ErrorData, ServiceError};
use serde_json::{Value, json};

use crate::content::typed;

/// A question, and the key under which its answer is expected.
pub(crate) type Question = (&'static str, Value);

pub(crate) enum Asked {
    Answers(BTreeMap<String, Value>),
    Required(InputRequiredResult),
}

/// A request that may ask: what of it the questions depend on.
pub(crate) struct Asking {
    pub(crate) context: RequestContext<RoleServer>,
    pub(crate) responses: InputResponses,
    /// What the client brought back of an earlier round, sealed.
    pub(crate) state: Option<String>,
}

impl Asking {
    pub(crate) fn is_legacy(&self) -> bool {
        let modern = |version: &ProtocolVersion| *version >= ProtocolVersion::V_2026_07_28;
        !self.context.protocol_version().as_ref().is_some_and(modern)
    }

    pub(crate) async fn ask(
        &self,
        questions: &[Question],
        state: Option<String>,
    ) -> Result<Asked, ErrorData> {
        let mut requests = InputRequests::new();
        for (key, question) in questions {
            self.must_declare(question)?;
            requests.insert((*key).to_owned(), typed(question.clone())?);
        }
        if self.is_legacy() {
            let answers = requests.into_iter().map(async |(key, request)| {
                let answer = self.send(request).await?;
                Ok((key, answer))
            });
            return Ok(Asked::Answers(try_join_all(answers).await?.into_iter().collect()));
        }
        // What is not an object is no answer: ask again, as if it were not there.
        let answered = |key: &String| self.responses.get(key).is_some_and(Value::is_object);
        if requests.keys().all(answered) {
            return Ok(Asked::Answers(self.responses.clone()));
        }
        Ok(Asked::Required(InputRequiredResult::new(Some(requests), state)))
    }

    /// The kinds of question that the client has declared it can be asked.
    pub(crate) fn declares(&self, method: &str) -> bool {
        let declared = self.context.client_capabilities().unwrap_or_default();
        match method {
            "sampling/createMessage" => declared.sampling.is_some(),
            "elicitation/create" => declared.elicitation.is_some(),
            _ => declared.roots.is_some(),
        }
    }

    pub(crate) fn must_declare(&self, question: &Value) -> Result<(), ErrorData> {
        let method = question["method"].as_str().unwrap_or_default();
        if self.declares(method) {
            return Ok(());
        }
        let mut required = ClientCapabilities::default();
        match method {
            "sampling/createMessage" => required.sampling = Some(SamplingCapability::default()),
            "elicitation/create" => required.elicitation = Some(ElicitationCapability::default()),
            _ => required.roots = Some(RootsCapabilities::default()),
        }
        if self.is_legacy() {
            let message = format!("the client has not declared what `{method}` needs");
            return Err(ErrorData::invalid_request(message, None));
        }
        Err(ErrorData::missing_required_client_capability(required))
    }

    /// A request to a client of before 2026-07-28.
    async fn send(&self, request: InputRequest) -> Result<Value, ErrorData> {
        let request = match request {
            InputRequest::CreateMessage(request) => ServerRequest::CreateMessageRequest(request),
            InputRequest::Elicitation(request) => ServerRequest::ElicitRequest(request),
            InputRequest::ListRoots(request) => ServerRequest::ListRootsRequest(request),
            _ => return Err(ErrorData::internal_error("a question of an unknown kind", None)),
        };
        match self.context.peer.send_request(request).await {
            Ok(answer) => typed(json!(answer)),
            // The client's refusal is the answer of the tool: it has nothing to add.
            Err(ServiceError::McpError(error)) => Err(error),
            Err(error) => Err(ErrorData::internal_error(error.to_string(), None)),
        }
    }
}

/// A question with a form.
pub(crate) fn form(message: &str, properties: &Value) -> Value {
    let required: Vec<&String> =
        properties.as_object().into_iter().flatten().map(|(k, _)| k).collect();
    let schema = json!({ "type": "object", "properties": properties, "required": required });
    json!({ "method": "elicitation/create", "params": { "message": message, "requestedSchema": schema } })
}

/// A question to a model.
pub(crate) fn sampling(prompt: &str) -> Value {
    let message = json!({ "role": "user", "content": { "type": "text", "text": prompt } });
    json!({ "method": "sampling/createMessage", "params": { "messages": [message], "maxTokens": 100 } })
}

pub(crate) fn roots() -> Value {
    json!({ "method": "roots/list" })
}
