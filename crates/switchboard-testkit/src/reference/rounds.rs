//! What a server asks back in the middle of a request: real requests of its own until 2025-11-25,
//! `input_required` with `requestState` since.

use serde_json::{Map, Value, json};
use tokio::sync::oneshot;

use super::call::{Call, Stop};

/// Stands before the state, with characters that are easily lost on the way.
const MARK: &str = "state \u{e4}\"\\/ ";

pub(crate) struct Question {
    pub key: &'static str,
    pub method: &'static str,
    pub params: Value,
    /// The capability it needs, as `sampling` or `sampling/tools`.
    pub needs: &'static str,
}

impl Call {
    /// Asks everything of one round at once; the answers are in the order of the questions.
    ///
    /// `round` counts the rounds of this request from 0. The code after this call runs anew in
    /// each round of a request of 2026-07-28, with the earlier answers out of the state.
    pub(crate) async fn ask(
        &self,
        round: usize,
        questions: Vec<Question>,
    ) -> Result<Vec<Value>, Stop> {
        let capabilities = self.capabilities();
        for question in &questions {
            self.check(&capabilities, question.needs)?;
        }
        if self.server().is_modern() {
            return self.ask_by_result(round, questions);
        }
        let mut waiting = Vec::new();
        for question in questions {
            waiting.push(self.send(question).await);
        }
        let mut answers = Vec::new();
        for receiver in waiting {
            let answer = receiver.await.map_err(|_| Stop::invalid("the client is gone"))?;
            if answer["error"].is_object() {
                let error = &answer["error"];
                let message = format!("the client refused: {error}");
                return Err(Stop::Error { code: -32603, message, data: json!("refused") });
            }
            answers.push(answer["result"].clone());
        }
        Ok(answers)
    }

    fn check(&self, capabilities: &Value, needs: &str) -> Result<(), Stop> {
        let (kind, mode) = needs.split_once('/').unwrap_or((needs, ""));
        let kind_of = &capabilities[kind];
        // An empty `elicitation` means forms only (2025-11-25, "Elicitation").
        let is_there = kind_of.is_object()
            && match mode {
                "" => true,
                "form" => kind_of["url"].is_null() || kind_of["form"].is_object(),
                mode => kind_of[mode].is_object(),
            };
        if is_there {
            return Ok(());
        }
        let required = match mode {
            "" => json!({ kind: {} }),
            mode => json!({ kind: { mode: {} } }),
        };
        let code = if self.server().is_modern() { -32021 } else { -32603 };
        let data = json!({ "requiredCapabilities": required });
        Err(Stop::Error { code, message: format!("the client has no {needs}"), data })
    }

    async fn send(&self, question: Question) -> oneshot::Receiver<Value> {
        let id = format!("ask-{}", self.server().number());
        let (sender, receiver) = oneshot::channel();
        self.session.state.lock().unwrap().asked.insert(json!(id).to_string(), sender);
        let mut params = question.params;
        if params["mode"] == "url" {
            params["elicitationId"] = json!(format!("e-{id}"));
        }
        let message =
            json!({ "jsonrpc": "2.0", "id": id, "method": question.method, "params": params });
        let _ = self.out.send(message.to_string()).await;
        receiver
    }

    fn ask_by_result(&self, round: usize, questions: Vec<Question>) -> Result<Vec<Value>, Stop> {
        let known = self.answered()?;
        if let Some(answers) = known.get(round) {
            return Ok(answers.clone());
        }
        let keys: Vec<_> = questions.iter().map(|question| question.key).collect();
        let state = json!({ "known": known, "keys": keys });
        let requests: Map<_, _> = questions
            .into_iter()
            .map(|question| {
                let request = json!({ "method": question.method, "params": question.params });
                (question.key.to_owned(), request)
            })
            .collect();
        Err(Stop::Input { requests, state: format!("{MARK}{state}") })
    }

    /// The answers of each round so far: those of earlier ones are in the state, those of the last
    /// one beside it, unless one is missing.
    fn answered(&self) -> Result<Vec<Vec<Value>>, Stop> {
        #[derive(serde::Deserialize)]
        struct State {
            known: Vec<Vec<Value>>,
            keys: Vec<String>,
        }
        let Some(state) = self.params["requestState"].as_str() else { return Ok(Vec::new()) };
        let state = state.strip_prefix(MARK).and_then(|text| serde_json::from_str(text).ok());
        let State { mut known, keys } = state.ok_or_else(|| Stop::invalid("not my state"))?;
        let given = &self.params["inputResponses"];
        if keys.iter().all(|key| given[key].is_object()) {
            known.push(keys.iter().map(|key| given[key].clone()).collect());
        }
        Ok(known)
    }
}

pub(crate) fn form() -> Question {
    let schema = json!({ "type": "object", "required": ["name"],
        "properties": { "name": { "type": "string", "title": "Name" } } });
    Question {
        key: "the name",
        method: "elicitation/create",
        params: json!({ "message": "Who are you?", "requestedSchema": schema }),
        needs: "elicitation/form",
    }
}

pub(crate) fn url() -> Question {
    Question {
        key: "page",
        method: "elicitation/create",
        params: json!({ "mode": "url", "message": "Log in", "url": "https://example.org/login?a=b" }),
        needs: "elicitation/url",
    }
}

pub(crate) fn sample(text: &str) -> Question {
    let content = json!({ "type": "text", "text": text });
    Question {
        key: "sample",
        method: "sampling/createMessage",
        params: json!({ "messages": [{ "role": "user", "content": content }], "maxTokens": 10,
            "x-future": 1 }),
        needs: "sampling",
    }
}

pub(crate) fn sample_tools() -> Question {
    let mut question = sample("weather?");
    question.params["tools"] = json!([{ "name": "weather", "inputSchema": { "type": "object" } }]);
    question.params["toolChoice"] = json!({ "mode": "auto" });
    question.needs = "sampling/tools";
    question
}

pub(crate) fn roots() -> Question {
    Question { key: "roots", method: "roots/list", params: json!({}), needs: "roots" }
}
