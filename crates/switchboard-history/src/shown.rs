//! Calls as they are shown to those who watch: without secrets, as in a record of them, and with
//! nothing that is too long to be looked at.
//!
//! What a call leaves behind ([`Sight`]) is taken on its way and only copied; what is shown of it
//! ([`Shown`]) is made when somebody looks.

use serde_json::{Map, Value, json};
use switchboard_core::{Call, CallOutcome};
use switchboard_mcp::{Json, Method, ProtocolVersion};

use crate::config::HistoryConfig;
use crate::redact::Redactor;

/// Knows what may be shown of calls.
#[derive(Debug)]
pub struct Veil {
    redactor: Redactor,
    arguments_limit: usize,
    result_limit: usize,
}

/// What is kept of a call until somebody looks.
#[derive(Debug)]
pub struct Sight {
    method: Method,
    name: String,
    params: Option<Box<str>>,
    answer: Answer,
    notes: Vec<String>,
}

#[derive(Debug)]
enum Answer {
    Result(Box<str>),
    Error(Value),
    None,
}

/// What is shown of a call: the messages of JSON-RPC, and what is not as it was sent.
#[derive(Clone, Debug, PartialEq)]
pub struct Shown {
    pub request: Value,
    pub response: Value,
    pub notes: Option<String>,
}

/// The longest result that is shown. A person who looks on reads less, and a hundred of them wait
/// for one client.
const RESULT: usize = 64 * 1024;

impl Veil {
    pub fn new(config: &HistoryConfig, redactor: Redactor) -> Self {
        let arguments_limit = config.arguments_limit.as_usize();
        let result_limit = config.result_limit.as_usize();
        Self { redactor, arguments_limit, result_limit }
    }

    /// What is to be kept of a call. A copy, so that what it came in need not be held.
    pub fn sight(&self, call: &Call) -> Sight {
        let mut notes = Vec::new();
        let params = call.params.as_ref().and_then(|params| {
            let length = params.as_bytes().len();
            if self.arguments_limit < length {
                notes.push(format!("parameters of {length} bytes were left out"));
                return None;
            }
            Some(params.as_str().into())
        });
        let answer = match &call.outcome {
            CallOutcome::Answered(response) => {
                let length = response.result.as_bytes().len();
                if self.result_limit.min(RESULT) < length {
                    notes.push(format!("the result of {length} bytes was left out"));
                    Answer::None
                } else {
                    Answer::Result(response.result.as_str().into())
                }
            }
            CallOutcome::Failed(error) => {
                let error = error.to_rpc(ProtocolVersion::NEWEST_LEGACY, &call.method);
                Answer::Error(json!({ "code": error.code, "message": error.message }))
            }
            CallOutcome::Abandoned => {
                notes.push("the client gave the call up".to_owned());
                Answer::None
            }
        };
        Sight { method: call.method.clone(), name: call.name.clone(), params, answer, notes }
    }

    /// What is shown of a call; `schema` is that of its arguments.
    pub fn show(&self, sight: &Sight, schema: Option<&Json>) -> Shown {
        let Sight { method, name, params, answer, notes } = sight;
        let sent = params.as_deref().and_then(|text| serde_json::from_str::<Value>(text).ok());
        let arguments = sent.and_then(|mut params| Some(params.get_mut("arguments")?.take()));
        let member = if *method == Method::ResourcesRead { "uri" } else { "name" };
        let mut params = Map::new();
        params.insert(member.to_owned(), name.as_str().into());
        if let Some(arguments) = arguments {
            params.insert("arguments".to_owned(), arguments);
        }
        let request = json!({ "jsonrpc": "2.0", "method": method.as_str(), "params": params });
        let response = match answer {
            Answer::Result(text) => {
                let result = serde_json::from_str::<Value>(text).unwrap_or_default();
                json!({ "jsonrpc": "2.0", "result": result })
            }
            Answer::Error(error) => json!({ "jsonrpc": "2.0", "error": error }),
            Answer::None => Value::Null,
        };
        self.shown((request, response), schema, notes.clone())
    }

    /// What is shown of a request and its answer that came as messages.
    pub fn show_messages(&self, request: &[u8], answer: &[u8], schema: Option<&Json>) -> Shown {
        let mut notes = Vec::new();
        let mut read = |what: &str, limit: usize, bytes: &[u8]| {
            if limit < bytes.len() {
                notes.push(format!("{what} of {} bytes was left out", bytes.len()));
                return Value::Null;
            }
            serde_json::from_slice(bytes).unwrap_or_default()
        };
        // The parameters, and what is around them.
        let request = read("the request", self.arguments_limit.saturating_add(1024), request);
        let response = read("the answer", self.result_limit, answer);
        self.shown((request, response), schema, notes)
    }

    fn shown(
        &self,
        (mut request, mut response): (Value, Value),
        schema: Option<&Json>,
        mut notes: Vec<String>,
    ) -> Shown {
        let schema = schema.and_then(|schema| schema.view::<Value>().ok());
        let mut is_redacted = match request.pointer_mut("/params/arguments") {
            Some(arguments) => self.redactor.value(arguments, schema.as_ref()),
            None => false,
        };
        for message in [&mut request, &mut response] {
            is_redacted |= self.redactor.value(message, None);
        }
        if is_redacted {
            notes.push("what looks like a secret was redacted".to_owned());
        }
        Shown { request, response, notes: (!notes.is_empty()).then(|| notes.join("; ")) }
    }
}

impl Sight {
    /// How much of the memory it takes.
    pub fn weight(&self) -> usize {
        let answer = match &self.answer {
            Answer::Result(text) => text.len(),
            Answer::Error(_) | Answer::None => 0,
        };
        self.name.len() + self.params.as_ref().map_or(0, |params| params.len()) + answer
    }
}

#[cfg(test)]
mod tests;
