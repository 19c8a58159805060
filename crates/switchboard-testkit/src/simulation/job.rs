//! What a simulated server does for one request, from its arrival to its answer.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::sync::oneshot;
use tokio::time::timeout;

use super::server::{Call, Say, Shared};
use super::token::Token;
use super::wire::{answer, message, notification};

/// How long a server waits for the answer to a question.
const PATIENCE: Duration = Duration::from_secs(20);

pub(super) async fn run(shared: Arc<Shared>, call: Arc<Call>) {
    if serve(&shared, &call).await.is_err() {
        // Who heeds a cancellation does not answer.
        shared.open.lock().unwrap().remove(&call.id);
        return;
    }
    let faults = shared.faults();
    if call.method != "initialize" && shared.chance(faults.drops) {
        // It stays open: nobody has heard of its end.
        return;
    }
    if shared.chance(faults.wrong_ids) {
        shared.stray().await;
    }
    if shared.chance(faults.other_ids)
        && let Some(other) = shared.other(&call)
    {
        let line = outcome(&shared, &other);
        shared.say(Say::Answer(other, line)).await;
    }
    if shared.chance(faults.malformed) && call.token.is_some() {
        call.mute();
        let line = malformed(&shared, &call);
        return shared.say(Say::Answer(call, line)).await;
    }
    let line = outcome(&shared, &call);
    let again = (call.token.is_some() && shared.chance(faults.twice)).then(|| line.clone());
    shared.say(Say::Answer(call, line)).await;
    if let Some(again) = again {
        pause(&shared, 0, 500).await;
        shared.say(Say::Line(again)).await;
    }
}

async fn serve(shared: &Arc<Shared>, call: &Arc<Call>) -> Result<(), Cancelled> {
    match &*call.method {
        "tools/call" | "resources/read" => work(shared, call).await,
        _ => {
            if shared.chance(shared.faults().starts_slowly / 4) {
                pause(shared, 10, 2_000).await;
            }
            Ok(())
        }
    }
}

fn malformed(shared: &Shared, call: &Call) -> String {
    match shared.draw(|dice| dice.below(3)) {
        0 => message(&format!("\"id\":{}", call.id)),
        1 => message(&format!("\"id\":{},\"result\":{{}},\"error\":{{}}", call.id)),
        _ => format!("{{\"jsonrpc\":\"2.0\",\"id\":{},\"result\":{{", call.id),
    }
}

/// It was cancelled, and there is nothing more to do.
struct Cancelled;

async fn work(shared: &Arc<Shared>, call: &Arc<Call>) -> Result<(), Cancelled> {
    let is_deaf = shared.chance(shared.faults().deaf);
    let heeds = || match call.is_cancelled() && !is_deaf {
        true => Err(Cancelled),
        false => Ok(()),
    };
    if shared.chance(shared.faults().storms) {
        let times = shared.draw(|dice| 1 + dice.below(20));
        shared.storm(times).await;
    }
    let steps = shared.draw(|dice| dice.below(4));
    for _ in 0..steps {
        match shared.draw(|dice| dice.below(6)) {
            0 => progress(shared, call).await,
            1 => log(shared, call).await,
            2 if !shared.character.is_modern() => {
                call.asks(true);
                ask(shared, call).await;
                call.asks(false);
            }
            3 => shared.update().await,
            4 => pause(shared, 100, 3_000).await,
            _ => {}
        }
        pause(shared, 0, 100).await;
        heeds()?;
    }
    if !shared.book.is_calm() && shared.chance(30) {
        pause(shared, 8_000, 40_000).await;
        heeds()?;
    }
    Ok(())
}

async fn pause(shared: &Shared, from: u64, to: u64) {
    tokio::time::sleep(shared.draw(|dice| dice.milliseconds(from, to))).await;
}

fn mark(call: &Call) -> String {
    call.token.map_or_else(String::new, |token| token.to_string())
}

async fn progress(shared: &Shared, call: &Arc<Call>) {
    let token = &call.params["_meta"]["progressToken"];
    if token.is_null() {
        return;
    }
    let params = json!({ "progressToken": token, "progress": 1, "message": mark(call) });
    let line = notification("notifications/progress", &params);
    shared.say(Say::About(Arc::clone(call), line)).await;
}

async fn log(shared: &Shared, call: &Arc<Call>) {
    let params = json!({ "level": "error", "data": mark(call) });
    let line = notification("notifications/message", &params);
    shared.say(Say::About(Arc::clone(call), line)).await;
}

/// Asks the client of the call something, and looks at who answers.
async fn ask(shared: &Shared, call: &Arc<Call>) {
    let Some(token) = call.token.filter(|_| call.may_be_spoken_of()) else { return };
    let id = shared.question();
    let (method, params) = question(shared, token);
    let (reply, replied) = oneshot::channel();
    shared.asked.lock().unwrap().insert(id, reply);
    let line = message(&format!("\"id\":{id},\"method\":\"{method}\",\"params\":{params}"));
    shared.say(Say::About(Arc::clone(call), line)).await;
    match timeout(PATIENCE, replied).await {
        Ok(Ok(reply)) => check(shared, token, &reply.to_string()),
        Ok(Err(_)) => {}
        Err(_) => {
            shared.asked.lock().unwrap().remove(&id);
            let params = json!({ "requestId": id });
            shared.say(Say::Line(notification("notifications/cancelled", &params))).await;
        }
    }
}

fn question(shared: &Shared, token: Token) -> (&'static str, Value) {
    let content = json!({ "type": "text", "text": format!("about {token}") });
    let sampling = json!({ "messages": [{ "role": "user", "content": content }], "maxTokens": 9 });
    match shared.draw(|dice| dice.below(2)) {
        0 => ("sampling/createMessage", sampling),
        _ => ("elicitation/create", form(token)),
    }
}

fn form(token: Token) -> Value {
    json!({
        "message": format!("about {token}"),
        "requestedSchema": { "type": "object", "properties": { "who": { "type": "string" } } },
    })
}

/// An answer about the call of `token` must be that of its client.
fn check(shared: &Shared, token: Token, reply: &str) {
    let book = &shared.book;
    for answerer in Token::all(reply) {
        if !book.may_hear(token, (answerer.client, answerer.principal)) {
            let name = &shared.name;
            book.wrong(format!("{name} asked about {token}, and {answerer} answered: {reply}"));
        }
    }
}

/// The answer, whatever the request was.
fn outcome(shared: &Shared, call: &Call) -> String {
    let is_modern = shared.character.is_modern();
    let refusal = |code: i64| {
        let error = json!({ "code": code, "message": format!("refused {}", mark(call)) });
        answer(&call.id, "error", &error)
    };
    let Some(mut result) = result(shared, call) else {
        let is_opening = call.method == "initialize" && is_modern;
        return refusal(if is_opening { -32600 } else { -32601 });
    };
    if call.token.is_some() && !shared.book.is_calm() && shared.chance(50) {
        return refusal(-32603);
    }
    if is_modern {
        if result["resultType"].is_null() {
            result["resultType"] = json!("complete");
        }
        result["ttlMs"] = json!(0);
        result["cacheScope"] = json!("public");
    }
    answer(&call.id, "result", &result)
}

fn result(shared: &Shared, call: &Call) -> Option<Value> {
    let is_modern = shared.character.is_modern();
    let upstream = &shared.upstream;
    Some(match &*call.method {
        "server/discover" if is_modern => json!({
            "supportedVersions": [shared.character.version.as_str()],
            "capabilities": capabilities(),
        }),
        "initialize" if !is_modern => json!({
            "protocolVersion": shared.character.version.as_str(),
            "capabilities": capabilities(),
            "serverInfo": { "name": upstream, "version": "1" },
        }),
        "tools/list" => {
            let tool = |name: &String| {
                let hints = json!({ "readOnlyHint": true, "idempotentHint": true });
                json!({ "name": name, "inputSchema": { "type": "object" }, "annotations": hints })
            };
            json!({ "tools": shared.tools().iter().map(tool).collect::<Vec<_>>() })
        }
        "resources/list" => json!({ "resources": [
            { "uri": format!("sim://{upstream}/a"), "name": "a" },
        ] }),
        "resources/templates/list" => json!({ "resourceTemplates": [
            { "uriTemplate": format!("sim://{upstream}/item/{{id}}"), "name": "item" },
        ] }),
        "tools/call" => called(shared, call),
        "resources/read" => {
            let text = format!("{} {}", mark(call), shared.name);
            json!({ "contents": [{ "uri": call.params["uri"], "text": text }] })
        }
        "resources/subscribe" | "resources/unsubscribe" if !is_modern => {
            let is_wanted = call.method == "resources/subscribe";
            shared.subscribe(call.params["uri"].as_str().unwrap_or_default(), is_wanted);
            json!({})
        }
        "ping" | "logging/setLevel" if !is_modern => json!({}),
        _ => return None,
    })
}

/// What a tool gives: its answer, or in 2026-07-28 a question for whoever can be asked.
fn called(shared: &Shared, call: &Call) -> Value {
    let (Some(token), params) = (call.token, &call.params) else { return json!({ "content": [] }) };
    let capabilities = &params["_meta"]["io.modelcontextprotocol/clientCapabilities"];
    if let Some(state) = params["requestState"].as_str() {
        if Token::all(state) != [token] {
            shared.book.wrong(format!("{} got the state {state} for {token}", shared.name));
        }
        check(shared, token, &params["inputResponses"].to_string());
    } else if shared.character.is_modern()
        && capabilities["elicitation"].is_object()
        && shared.chance(200)
    {
        let request = json!({ "method": "elicitation/create", "params": form(token) });
        return json!({
            "resultType": "input_required",
            "inputRequests": { "who": request },
            "requestState": format!("state {token}"),
        });
    }
    let is_error = shared.chance(100);
    let text = format!("{token} {} {}", shared.name, params["name"]);
    json!({ "content": [{ "type": "text", "text": text }], "isError": is_error })
}

fn capabilities() -> Value {
    json!({
        "tools": { "listChanged": true },
        "resources": { "listChanged": true, "subscribe": true },
        "logging": {},
    })
}
