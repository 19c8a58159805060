//! The visit: everything on offer is listed, called, read and got, whatever the scenario.
//!
//! A scenario judges by what its server has seen; most are content with somebody who is curious.

use anyhow::{Context as _, Result};
use serde_json::{Map, Value, json};

use crate::line::Line;
use crate::{Scenario, answer, arguments};

/// The first revision without a handshake.
const MODERN: &str = "2026-07-28";

/// How many rounds of questions one request may have.
const ROUNDS: usize = 10;

pub(crate) fn visit(line: &mut Line, scenario: &Scenario) -> Result<()> {
    let mut visitor = Visitor { line, version: &scenario.version };
    visitor.open()?;
    let tools = visitor.list("tools")?;
    let calls: Vec<Value> = calls(&tools, &scenario.context);
    visitor.make(&calls)?;
    for prompt in visitor.list("prompts")? {
        visitor.ask("prompts/get", &json!({ "name": prompt["name"] }))?;
    }
    for resource in visitor.list("resources")? {
        visitor.ask("resources/read", &json!({ "uri": resource["uri"] }))?;
    }
    Ok(())
}

/// The calls that the scenario wants, or else one of each tool.
fn calls(tools: &[Value], context: &Value) -> Vec<Value> {
    if let Some(wanted) = context["toolCalls"].as_array() {
        return wanted.clone();
    }
    let call = |tool: &Value| {
        let mut arguments = arguments::fitting(tool);
        // This tool is there to show whether the schema of the other one arrived whole.
        if tool["name"] == "json_schema_echo"
            && let Some(focal) =
                tools.iter().find(|tool| tool["name"] == "json_schema_2020_12_tool")
        {
            arguments.insert("schema".to_owned(), focal["inputSchema"].clone());
        }
        json!({ "name": tool["name"], "arguments": arguments })
    };
    tools.iter().map(call).collect()
}

struct Visitor<'a> {
    line: &'a mut Line,
    version: &'a str,
}

impl Visitor<'_> {
    fn is_modern(&self) -> bool {
        self.version >= MODERN
    }

    fn capabilities() -> Value {
        json!({ "elicitation": { "form": {} }, "sampling": {}, "roots": {} })
    }

    fn open(&mut self) -> Result<()> {
        if self.is_modern() {
            return Ok(());
        }
        let params = json!({
            "protocolVersion": self.version,
            "capabilities": Self::capabilities(),
            "clientInfo": { "name": "conformance-client", "version": "1" },
        });
        self.line.request("initialize", &params)?;
        self.line.notify("notifications/initialized")
    }

    /// One request, with the envelope that its revision wants.
    fn ask(&mut self, method: &str, params: &Value) -> Result<Value> {
        let mut params = params.clone();
        if self.is_modern() {
            params["_meta"] = json!({
                "io.modelcontextprotocol/protocolVersion": self.version,
                "io.modelcontextprotocol/clientCapabilities": Self::capabilities(),
                "io.modelcontextprotocol/clientInfo": { "name": "conformance-client", "version": "1" },
            });
        }
        self.line.request(method, &params)
    }

    fn list(&mut self, what: &str) -> Result<Vec<Value>> {
        let mut result = self.ask(&format!("{what}/list"), &json!({}))?;
        match result[what].take() {
            Value::Array(entries) => Ok(entries),
            other => Err(anyhow::anyhow!("{what}/list answered {other}")),
        }
    }

    /// Makes all calls, then answers what they ask: a call that waits for an answer must have no
    /// influence on those made meanwhile.
    fn make(&mut self, calls: &[Value]) -> Result<()> {
        let mut waiting = Vec::new();
        for call in calls {
            let result = self.ask("tools/call", call)?;
            waiting.extend(retry(call, &result)?);
        }
        for _ in 0..ROUNDS {
            for call in std::mem::take(&mut waiting) {
                let result = self.ask("tools/call", &call)?;
                waiting.extend(retry(&call, &result)?);
            }
        }
        Ok(())
    }
}

/// The call again, with answers, if `result` says that input is required.
fn retry(call: &Value, result: &Value) -> Result<Option<Value>> {
    if result["resultType"] != "input_required" {
        return Ok(None);
    }
    let mut responses = Map::new();
    for (key, request) in result["inputRequests"].as_object().into_iter().flatten() {
        let method = request["method"].as_str().context("a question without a method")?;
        responses.insert(key.clone(), answer::to(method, &request["params"]));
    }
    let mut call = call.clone();
    call["inputResponses"] = Value::Object(responses);
    let members = call.as_object_mut().context("a call is an object")?;
    members.remove("requestState");
    if let Some(state) = result.get("requestState") {
        members.insert("requestState".to_owned(), state.clone());
    }
    Ok(Some(call))
}

#[cfg(test)]
mod tests;
