use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use bytes::Bytes;
use switchboard_mcp::{ClientCapabilities, Json, Method, ProtocolVersion, RpcError};

use super::ask;
use crate::error::Error;
use crate::peer::{Context, Peer, Request, Response};
use crate::principal::Principal;
use crate::seal::bare::Bare;

/// Answers with one result after another, and keeps the parameters it was asked with.
struct Server {
    /// `!CODE DATA` is an error.
    results: Mutex<Vec<&'static str>>,
    seen: Mutex<Vec<String>>,
}

impl Server {
    fn new(results: &[&'static str]) -> Self {
        let results = Mutex::new(results.iter().rev().copied().collect());
        Self { results, seen: Mutex::default() }
    }
}

#[async_trait]
impl Peer for Server {
    async fn request(&self, _: &Context, request: Request) -> Result<Response, Error> {
        let params = request.params.map_or(String::new(), |params| params.to_string());
        self.seen.lock().unwrap().push(params);
        let mut results = self.results.lock().unwrap();
        let result = if results.len() > 1 { results.pop() } else { results.last().copied() };
        let result = result.unwrap();
        if let Some((code, data)) = result.strip_prefix('!').and_then(|text| text.split_once(' ')) {
            let data = Some(json(data));
            let error = RpcError { data, ..RpcError::new(code.parse().unwrap(), "first this") };
            return Err(Error::Server { error, version: ProtocolVersion::NEWEST_LEGACY });
        }
        Ok(Response::new(json(result), ProtocolVersion::MODERN))
    }
}

/// Answers every question with what it was asked.
struct Client;

#[async_trait]
impl Peer for Client {
    async fn request(&self, _: &Context, request: Request) -> Result<Response, Error> {
        if request.method == Method::CreateMessage {
            return Err(Error::Invalid("I would rather not".into()));
        }
        let result = request.params.unwrap_or_else(Json::empty_object);
        Ok(Response::new(result, ProtocolVersion::NEWEST_LEGACY))
    }
}

fn json(text: &'static str) -> Json {
    Json::parse(Bytes::from_static(text.as_bytes())).unwrap()
}

fn context(subject: &str, version: ProtocolVersion, capabilities: &'static str) -> Context {
    let mut context = Context::new(Principal::new(subject), version);
    context.capabilities = ClientCapabilities::read(json(capabilities));
    context.client = Some(Arc::new(Client));
    context
}

fn call(params: &str) -> Request {
    let params = Json::parse(Bytes::copy_from_slice(params.as_bytes())).unwrap();
    Request { method: Method::ToolsCall, params: Some(params), name: Some("t".into()) }
}

async fn run(server: &Server, context: &Context, params: &str) -> String {
    match ask(("s", server), context, call(params), &Bare).await {
        Ok(response) => response.result.to_string(),
        Err(error) => error.to_rpc(context.version, &Method::ToolsCall).to_string(),
    }
}

const FORM: &str = r#"{"elicitation":{}}"#;
const ASKS: &str = r#"{"resultType":"input_required","inputRequests":{"n":{"method":"elicitation/create","params":{"message":"?"}}},"requestState":"s1"}"#;
const DONE: &str = r#"{"resultType":"complete","content":[]}"#;

#[tokio::test]
async fn we_go_the_rounds_for_an_older_client() {
    let server = Server::new(&[ASKS, DONE]);
    let context = context("ann", ProtocolVersion::NEWEST_LEGACY, FORM);
    assert_eq!(run(&server, &context, r#"{"name":"t","arguments":{"a":1}}"#).await, DONE);
    let seen = server.seen.lock().unwrap();
    assert_eq!(seen[0], r#"{"name":"t","arguments":{"a":1}}"#);
    let again: serde_json::Value = serde_json::from_str(&seen[1]).unwrap();
    assert_eq!(again["arguments"]["a"], 1);
    assert_eq!(again["inputResponses"]["n"]["message"], "?");
    assert_eq!(again["requestState"], "s1");
}

#[tokio::test]
async fn what_the_client_cannot_be_asked_ends_the_call() {
    let version = ProtocolVersion::NEWEST_LEGACY;
    let refused = run(&Server::new(&[ASKS]), &context("ann", version, "{}"), "{}").await;
    assert!(refused.contains("\"isError\":true") && refused.contains("elicitation"), "{refused}");
    let modern = context("ann", ProtocolVersion::MODERN, "{}");
    let refused = run(&Server::new(&[ASKS]), &modern, "{}").await;
    assert!(refused.contains("-32021"), "{refused}");
    let samples = r#"{"resultType":"input_required","inputRequests":{"n":{"method":"sampling/createMessage","params":{}}}}"#;
    let server = Server::new(&[samples]);
    let refused = run(&server, &context("ann", version, r#"{"sampling":{}}"#), "{}").await;
    assert!(refused.contains("I would rather not"), "{refused}");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_never_comes_to_an_end_is_given_up() {
    let context = context("ann", ProtocolVersion::NEWEST_LEGACY, FORM);
    let server = Server::new(&[r#"{"resultType":"input_required","requestState":"again"}"#]);
    let refused = run(&server, &context, "{}").await;
    assert!(refused.contains("did not come to an end"), "{refused}");
    assert_eq!(server.seen.lock().unwrap().len(), super::ROUNDS);
}

#[tokio::test]
async fn a_state_is_good_for_its_request_and_principal_only() {
    let modern = |subject| context(subject, ProtocolVersion::MODERN, FORM);
    let asked = run(&Server::new(&[ASKS]), &modern("ann"), r#"{"name":"t","arguments":{}}"#).await;
    let asked: serde_json::Value = serde_json::from_str(&asked).unwrap();
    assert_eq!(asked["inputRequests"]["n"]["params"]["message"], "?");
    let state = asked["requestState"].as_str().unwrap();
    assert_ne!(state, "s1");

    let retry = |arguments: &str, state: &str| {
        format!(
            r#"{{"name":"t","arguments":{arguments},"inputResponses":{{"n":{{}}}},"requestState":"{state}"}}"#
        )
    };
    let server = Server::new(&[DONE]);
    assert_eq!(run(&server, &modern("ann"), &retry("{}", state)).await, DONE);
    assert!(server.seen.lock().unwrap()[0].contains(r#""requestState":"s1""#));
    let invalid = "`requestState` is not one of ours, or no longer good (-32602)";
    assert_eq!(run(&server, &modern("bob"), &retry("{}", state)).await, invalid);
    assert_eq!(run(&server, &modern("ann"), &retry("{\"x\":1}", state)).await, invalid);
    assert_eq!(run(&server, &modern("ann"), &retry("{}", "s1")).await, invalid);
    assert_eq!(server.seen.lock().unwrap().len(), 1, "the server saw none of them");
}

const VISIT: &str = r#"!-32042 {"elicitations":[{"mode":"url","elicitationId":"e1","url":"https://x","message":"go"}]}"#;

#[tokio::test]
async fn a_modern_client_is_asked_to_visit_what_an_older_server_wants_visited() {
    let modern = context("ann", ProtocolVersion::MODERN, r#"{"elicitation":{"url":{}}}"#);
    let server = Server::new(&[VISIT, DONE]);
    let asked = run(&server, &modern, r#"{"name":"t","arguments":{}}"#).await;
    let asked: serde_json::Value = serde_json::from_str(&asked).unwrap();
    assert_eq!(asked["resultType"], "input_required");
    let question = serde_json::json!({
        "method": "elicitation/create",
        "params": { "mode": "url", "url": "https://x", "message": "go" },
    });
    assert_eq!(asked["inputRequests"], serde_json::json!({ "e1": question }));
    let retry = serde_json::json!({
        "name": "t",
        "arguments": {},
        "inputResponses": { "e1": { "action": "accept" } },
        "requestState": asked["requestState"],
    });
    assert_eq!(run(&server, &modern, &retry.to_string()).await, DONE);
    let seen = server.seen.lock().unwrap();
    assert_eq!(seen[1], r#"{"name":"t","arguments":{}}"#, "the request as it was");
}

#[tokio::test]
async fn who_cannot_be_sent_to_an_address_is_told_it() {
    let modern = context("ann", ProtocolVersion::MODERN, FORM);
    let refused = run(&Server::new(&[VISIT]), &modern, "{}").await;
    assert!(refused.contains("-32021"), "{refused}");
    let older = context("ann", ProtocolVersion::V2025_06_18, "{}");
    let refused = run(&Server::new(&[VISIT]), &older, "{}").await;
    assert!(refused.contains("https://x") && refused.contains("\"isError\":true"), "{refused}");
    let newest = context("ann", ProtocolVersion::NEWEST_LEGACY, "{}");
    assert_eq!(run(&Server::new(&[VISIT]), &newest, "{}").await, "first this (-32042)");
}
