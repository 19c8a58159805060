//! One request from its parameters to its answer.

use std::sync::Arc;

use serde_json::{Map, Value, json};
use switchboard_mcp::ProtocolVersion;

use super::session::{Out, Session};
use super::{Inner, offer, tasks, tools};

pub(crate) const RESERVED: &str = "io.modelcontextprotocol/";

pub(crate) struct Call {
    pub session: Arc<Session>,
    pub id: String,
    pub method: String,
    /// As it came, for what must come back as it was.
    pub raw: String,
    pub params: Value,
    pub out: Out,
    /// Whether the answer went out; else the request was given up.
    answered: bool,
}

/// The members of a result, as text, and what goes into its `_meta`.
pub(crate) struct Answer {
    pub members: String,
    pub meta: Map<String, Value>,
    pub kind: &'static str,
}

pub(crate) enum Stop {
    Error {
        code: i64,
        message: String,
        data: Value,
    },
    /// Questions for the client, and the state it brings back (2026-07-28).
    Input {
        requests: Map<String, Value>,
        state: String,
    },
}

impl Stop {
    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::Error { code: -32602, message: message.into(), data: Value::Null }
    }
}

impl From<Value> for Answer {
    /// An object as a result; its `_meta` is taken out.
    fn from(value: Value) -> Self {
        let Value::Object(mut members) = value else { panic!("a result is an object") };
        let meta = members.remove("_meta").and_then(|meta| meta.as_object().cloned());
        let text = Value::Object(members).to_string();
        let members = text[1..text.len() - 1].to_owned();
        Self { members, meta: meta.unwrap_or_default(), kind: "complete" }
    }
}

impl Call {
    pub(crate) fn new(session: &Arc<Session>, id: &str, method: &str, raw: &str, out: Out) -> Self {
        Self {
            session: Arc::clone(session),
            id: id.to_owned(),
            method: method.to_owned(),
            raw: raw.to_owned(),
            params: serde_json::from_str(raw).unwrap_or_default(),
            out,
            answered: false,
        }
    }

    pub(crate) fn server(&self) -> &Inner {
        &self.session.server
    }

    pub(crate) fn version(&self) -> ProtocolVersion {
        self.server().version
    }

    pub(crate) async fn run(mut self) {
        let outcome = self.answer().await;
        let text = match outcome {
            Ok(answer) => self.result(&answer),
            Err(Stop::Input { requests, state }) => {
                let members = json!({ "inputRequests": requests, "requestState": state });
                self.result(&Answer { kind: "input_required", ..members.into() })
            }
            Err(Stop::Error { code, message, data }) => {
                let mut error = json!({ "code": code, "message": message });
                if !data.is_null() {
                    error["data"] = data;
                }
                format!("{{\"jsonrpc\":\"2.0\",\"id\":{},\"error\":{error}}}", self.id)
            }
        };
        self.answered = true;
        let _ = self.out.send(text).await;
        self.session.closed(&self.id);
    }

    async fn answer(&self) -> Result<Answer, Stop> {
        if !self.params.is_object() {
            return Err(Stop::invalid("`params` must be an object"));
        }
        if self.server().is_modern() {
            self.check_envelope()?;
        }
        match self.method.as_str() {
            "tools/call" => tools::call(self).await,
            "prompts/get" => tools::prompt(self).await,
            "resources/read" => tools::resource(self).await,
            "subscriptions/listen" if self.server().is_modern() => self.listen().await,
            method if method.starts_with("tasks/") => tasks::answer(self, method),
            method => offer::answer(self, method),
        }
    }

    /// 2026-07-28, "_meta": the two members that every request must have.
    fn check_envelope(&self) -> Result<(), Stop> {
        let meta = &self.params["_meta"];
        let version = &meta[format!("{RESERVED}protocolVersion")];
        let capabilities = &meta[format!("{RESERVED}clientCapabilities")];
        let (Some(version), true) = (version.as_str(), capabilities.is_object()) else {
            return Err(Stop::invalid("the envelope is not complete"));
        };
        if version == self.version().as_str() {
            return Ok(());
        }
        Err(Stop::Error {
            code: -32022,
            message: "that revision is not served".to_owned(),
            data: json!({ "supported": [self.version().as_str()], "requested": version }),
        })
    }

    /// What the client of this request can do.
    pub(crate) fn capabilities(&self) -> Value {
        if self.server().is_modern() {
            return self.params["_meta"][format!("{RESERVED}clientCapabilities")].clone();
        }
        self.session.state.lock().unwrap().capabilities.clone()
    }

    /// Says something about this request.
    pub(crate) async fn tell(&self, method: &str, params: Value) {
        let message = json!({ "jsonrpc": "2.0", "method": method, "params": params });
        let _ = self.out.send(message.to_string()).await;
    }

    fn result(&self, answer: &Answer) -> String {
        let mut meta = answer.meta.clone();
        let mut members = Vec::new();
        if self.server().is_modern() {
            members.push(format!("\"resultType\":{:?}", answer.kind));
            meta.insert(format!("{RESERVED}serverInfo"), offer::info(self.server()));
        }
        if !answer.members.is_empty() {
            members.push(answer.members.clone());
        }
        let cacheable = self.method.ends_with("/list")
            || matches!(self.method.as_str(), "resources/read" | "server/discover" | "skills/get");
        if self.server().is_modern() && cacheable && answer.kind == "complete" {
            members.push("\"ttlMs\":0,\"cacheScope\":\"public\"".to_owned());
        }
        if !meta.is_empty() {
            members.push(format!("\"_meta\":{}", Value::Object(meta)));
        }
        format!("{{\"jsonrpc\":\"2.0\",\"id\":{},\"result\":{{{}}}}}", self.id, members.join(","))
    }

    /// A listen stream: the acknowledgement, then what was asked for, until it is given up.
    async fn listen(&self) -> Result<Answer, Stop> {
        let filter = &self.params["notifications"];
        if !filter.is_object() {
            return Err(Stop::invalid("`notifications` must be an object"));
        }
        let honoured = tasks::honoured(self, filter)?;
        let mut news = self.server().news.subscribe();
        let id: Value = serde_json::from_str(&self.id).unwrap();
        let tagged = |mut params: Value| {
            params["_meta"] = json!({ format!("{RESERVED}subscriptionId"): id.clone() });
            params
        };
        let acknowledged = tagged(json!({ "notifications": honoured }));
        self.tell("notifications/subscriptions/acknowledged", acknowledged).await;
        self.server().journal.note(format!("listen {filter}"));
        for task in tasks::told(self, &honoured) {
            self.tell("notifications/tasks", tagged(task)).await;
        }
        while let Ok(next) = news.recv().await {
            if next.is_wanted(filter) {
                self.tell(&next.method(), tagged(next.params())).await;
            }
        }
        let meta = json!({ "_meta": { format!("{RESERVED}subscriptionId"): id } });
        Ok(meta.into())
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        if !self.answered {
            let what = self.params["name"].as_str().unwrap_or(&self.method);
            let tag = self.params["arguments"]["tag"].as_str().unwrap_or_default();
            self.server().journal.note(format!("cancelled {what} {tag}"));
        }
    }
}
