//! What a simulated client makes of what it hears: the invariants as one client can see them.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::client::{Open, Shared};
use super::token::Token;
use super::wire::answer;

impl Shared {
    /// Takes one line.
    pub(super) fn hear(self: &Arc<Self>, line: &str) {
        let number = self.manner.number;
        self.book.note(|| format!("c{number} < {line}"));
        let Ok(message) = serde_json::from_str::<Value>(line) else {
            return self.wrong(&format!("heard what is no message: {line}"));
        };
        if line.contains("POISON") {
            self.wrong(&format!("heard the answer to nothing: {line}"));
        }
        let me = (self.manner.number, self.manner.principal);
        for token in Token::all(line) {
            // In its own words nobody else's can be.
            if !self.book.may_hear(token, me) {
                self.wrong(&format!("heard what is for {token}: {line}"));
            }
        }
        let id = message.get("id").map(Value::to_string);
        match (message["method"].as_str(), id) {
            (Some(method), Some(id)) => self.asked(method, &id, line),
            (Some(method), None) => self.told(method, &message["params"], line),
            (None, Some(id)) => self.answered(&id, &message, line),
            (None, None) => self.wrong(&format!("heard neither question nor answer: {line}")),
        }
    }

    fn wrong(&self, what: &str) {
        self.book.wrong(format!("c{} {what}", self.manner.number));
    }

    fn answered(self: &Arc<Self>, id: &str, message: &Value, line: &str) {
        let tokens = Token::all(line);
        let mut state = self.state();
        if id == "null" && state.nonsense > 0 && message["error"].is_object() {
            state.nonsense -= 1;
            return;
        }
        let Some(open) = state.open.get_mut(id) else {
            drop(state);
            return self.wrong(&format!("heard an answer to what it did not ask: {line}"));
        };
        // A question in it may have gone astray: that of another client, or of a call given up.
        let is_own = |it: &&Token| it.client == self.manner.number && !self.book.is_given_up(**it);
        let own: Vec<_> = tokens.iter().filter(is_own).collect();
        let Some(place) = open.iter().position(|open| open.is_answered_by(&own)) else {
            drop(state);
            return self.wrong(&format!("heard the answer to another request of its own: {line}"));
        };
        let mut answered = open.remove(place);
        if let (Some(other), true) = (open.first_mut(), own.is_empty()) {
            // Under an id that is used twice each answer is one of the two, and this does not say
            // which.
            (answered.also, other.also) = (other.token, answered.token);
        }
        let open = answered;
        state.open.retain(|_, open| !open.is_empty());
        let result = &message["result"];
        if result.is_object() && open.token.is_some() {
            state.served += 1;
        }
        drop(state);
        if message["error"].is_object() {
            // Its server may not know that nobody waits.
            open.token.into_iter().chain(open.also).for_each(|token| self.book.give_up(token));
        }
        if result["resultType"] == "input_required" {
            self.retry(open, result);
        }
    }

    /// Answers what a server of 2026-07-28 asks in its result, or does not come back.
    fn retry(self: &Arc<Self>, open: Open, result: &Value) {
        let (comes_back, wait) = {
            let mut dice = self.dice.lock().unwrap();
            (self.book.is_calm() || dice.chance(800), dice.milliseconds(0, 3_000))
        };
        if !comes_back || open.is_cancelled || open.also.is_some() {
            if let Some(token) = open.token {
                self.book.give_up(token);
            }
            return;
        }
        let asked = result["inputRequests"].as_object().cloned().unwrap_or_default();
        let answers: Map<_, _> = asked
            .into_iter()
            .map(|(key, asked)| (key, self.reply(asked["method"].as_str().unwrap_or_default())))
            .collect();
        let mut params = open.params;
        params["inputResponses"] = Value::Object(answers);
        params["requestState"] = result["requestState"].clone();
        let this = Arc::clone(self);
        self.later(wait, move || this.ask(&open.method, params, open.token));
    }

    fn asked(self: &Arc<Self>, method: &str, id: &str, line: &str) {
        if !self.manner.is_asked || self.manner.is_modern() {
            self.wrong(&format!("was asked what it cannot be asked: {line}"));
        }
        let (answers, wait) = {
            let mut dice = self.dice.lock().unwrap();
            (self.book.is_calm() || dice.chance(900), dice.milliseconds(0, 2_000))
        };
        if answers {
            let line = answer(id, "result", &self.reply(method));
            let this = Arc::clone(self);
            self.later(wait, move || {
                let _ = this.send(line.into_bytes());
            });
        }
    }

    /// Its answer to a question, with its mark.
    fn reply(&self, method: &str) -> Value {
        let mark = self.manner.mark().to_string();
        match method {
            "sampling/createMessage" => json!({
                "role": "assistant", "model": "simulated",
                "content": { "type": "text", "text": mark },
            }),
            _ => json!({ "action": "accept", "content": { "who": mark } }),
        }
    }

    fn told(&self, method: &str, params: &Value, line: &str) {
        let state = self.state();
        let is_right = match method {
            "notifications/progress" => {
                let open = state.open.get(&params["progressToken"].to_string());
                let tokens = Token::all(line);
                let tokens: Vec<_> = tokens.iter().collect();
                open.is_some_and(|open| open.iter().any(|open| open.is_answered_by(&tokens)))
            }
            "notifications/resources/updated" => {
                params["uri"].as_str().is_some_and(|uri| state.watched.contains(uri))
            }
            _ => true,
        };
        drop(state);
        if !is_right {
            self.wrong(&format!("was told what it did not ask for: {line}"));
        }
    }

    fn later(&self, wait: Duration, what: impl FnOnce() + Send + 'static) {
        self.book.tasks.spawn(async move {
            tokio::time::sleep(wait).await;
            what();
        });
    }
}
