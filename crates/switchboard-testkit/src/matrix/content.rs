//! Calls, reads and what comes back.

use serde_json::{Value, json};
use switchboard_mcp::ProtocolVersion as Version;

use super::{Scene, holds, same};
use crate::client::{Client, Trouble};
use crate::reference::{BIG, UNTOUCHED};

const NONE: Value = Value::Null;

pub(super) async fn call(client: &mut Client, scene: &Scene<'_>) -> Result<(), Trouble> {
    let result = client.ask("tools/call", scene.call("echo")).await?;
    same("content", &result["content"], &json!([{ "type": "text", "text": "echo" }]))?;
    same("arguments", &result["arguments"], &json!({ "tag": scene.tag }))?;
    let kind = if client.is_modern() { json!("complete") } else { NONE };
    same("resultType", &result["resultType"], &kind)?;
    let info = &result["_meta"]["io.modelcontextprotocol/serverInfo"];
    holds("serverInfo", info.is_object() == client.is_modern())
}

/// Nothing that is not understood is changed, on the way there or back.
pub(super) async fn unknown_members(client: &mut Client, scene: &Scene<'_>) -> Result<(), Trouble> {
    let arguments = "{\"n\":1.10, \"big\":9007199254740993,\"e\":1E+2,\"name\":\"\\u00e4\\/\"}";
    let future = "[ {\"z\":1,\"a\":1.0} ]";
    let name = scene.name("echo");
    let params = format!("{{\"name\":{name:?},\"arguments\":{arguments},\"x-future\":{future}}}");
    let id = client.begin_raw("tools/call", &params).await;
    client.finish(id).await?;
    for part in
        [format!("\"arguments\":{arguments}"), format!("\"future\":{future}"), UNTOUCHED.to_owned()]
    {
        holds(format!("`{part}` is not in {}", client.answer), client.answer.contains(&part))?;
    }
    Ok(())
}

pub(super) async fn meta(client: &mut Client, scene: &Scene<'_>) -> Result<(), Trouble> {
    client.meta.insert("example.org/own".to_owned(), json!({ "a": [1] }));
    let result = client.ask("tools/call", scene.call("echo")).await?;
    same("to the server", &result["received"]["example.org/own"], &json!({ "a": [1] }))?;
    same("to the client", &result["_meta"]["example.org/from-server"], &json!({ "x": 1 }))
}

/// The trace goes on; whether the span is the client's or one in between is free.
pub(super) async fn trace(client: &mut Client, scene: &Scene<'_>) -> Result<(), Trouble> {
    let trace = "0af7651916cd43dd8448eb211c80319c";
    client.meta.insert("traceparent".to_owned(), json!(format!("00-{trace}-b7ad6b7169203331-01")));
    client.meta.insert("tracestate".to_owned(), json!("vendor=value"));
    client.meta.insert("baggage".to_owned(), json!("key=value"));
    let result = client.ask("tools/call", scene.call("echo")).await?;
    let received = &result["received"];
    let parent = received["traceparent"].as_str().unwrap_or_default();
    holds(format!("traceparent: {parent:?}"), parent.contains(trace))?;
    let state = received["tracestate"].as_str().unwrap_or_default();
    holds(format!("tracestate: {state:?}"), state.contains("vendor=value"))?;
    same("baggage", &received["baggage"], &json!("key=value"))
}

pub(super) async fn kinds(client: &mut Client, scene: &Scene<'_>) -> Result<(), Trouble> {
    let result = client.ask("tools/call", scene.call("kinds")).await?;
    let inside = json!({ "uri": scene.uri("text"), "text": "inside" });
    let expected = json!([
        { "type": "text", "text": "\u{e4}", "annotations": { "audience": ["user"] } },
        { "type": "image", "data": "AAAA", "mimeType": "image/png", "x-future": 1 },
        { "type": "resource", "resource": inside },
    ]);
    same("content", &result["content"], &expected)
}

/// Before 2025-03-26 there is no audio: it comes as an embedded resource, or is told of.
pub(super) async fn audio(client: &mut Client, scene: &Scene<'_>) -> Result<(), Trouble> {
    let result = client.ask("tools/call", scene.call("audio")).await?;
    let content = &result["content"][0];
    if client.version >= Version::V2025_03_26 {
        let expected = json!({ "type": "audio", "data": "AAAA", "mimeType": "audio/wav" });
        return same("content", content, &expected);
    }
    let is_known = content["type"] == "resource" || content["type"] == "text";
    holds(format!("content of another revision: {content}"), is_known)
}

/// Before 2025-06-18 there are no links: a text has the name and the address.
pub(super) async fn link(client: &mut Client, scene: &Scene<'_>) -> Result<(), Trouble> {
    let result = client.ask("tools/call", scene.call("link")).await?;
    let content = &result["content"][0];
    if client.version >= Version::V2025_06_18 {
        same("type", &content["type"], &json!("resource_link"))?;
        same("x-future", &content["x-future"], &json!(1))?;
        return same("uri", &content["uri"], &json!(scene.uri("text")));
    }
    let text = content["text"].as_str().unwrap_or_default();
    let has_all = text.contains("the text") && text.contains(&scene.uri("text"));
    holds(format!("no text with name and address: {content}"), has_all)
}

pub(super) async fn structured(client: &mut Client, scene: &Scene<'_>) -> Result<(), Trouble> {
    let value = json!({ "degrees": 21.5, "unit": "C" });
    let since = Version::V2025_06_18;
    structure(client, scene, ("structured", &value), since).await
}

/// Structured content that is no object, which older revisions do not have.
pub(super) async fn scalar(client: &mut Client, scene: &Scene<'_>) -> Result<(), Trouble> {
    structure(client, scene, ("scalar", &json!(21.5)), Version::MODERN).await
}

async fn structure(
    client: &mut Client,
    scene: &Scene<'_>,
    (tool, value): (&str, &Value),
    since: Version,
) -> Result<(), Trouble> {
    let result = client.ask("tools/call", scene.call(tool)).await?;
    same("text", &result["content"][0]["text"], &json!(value.to_string()))?;
    let expected = if client.version >= since { value } else { &NONE };
    same("structuredContent", &result["structuredContent"], expected)
}

pub(super) async fn is_error(client: &mut Client, scene: &Scene<'_>) -> Result<(), Trouble> {
    let result = client.ask("tools/call", scene.call("fail")).await?;
    same("isError", &result["isError"], &json!(true))?;
    same("text", &result["content"][0]["text"], &json!("it did not work"))
}

fn refused(outcome: Result<Value, Trouble>, expected: i64) -> Result<(String, Value), Trouble> {
    match outcome {
        Err(Trouble::Refused { code, message, data }) if code == expected => Ok((message, data)),
        Err(other) => Err(Trouble::Wrong(format!("expected {expected}, got {other}"))),
        Ok(result) => Err(Trouble::Wrong(format!("expected {expected}, got {result}"))),
    }
}

/// A code that is the server's own stays as it is.
pub(super) async fn own_error(client: &mut Client, scene: &Scene<'_>) -> Result<(), Trouble> {
    let outcome = client.ask("tools/call", scene.call("refuse")).await;
    let (message, data) = refused(outcome, -7)?;
    same("message", &json!(message), &json!("own \"words\""))?;
    same("data", &data, &json!({ "reason": "own" }))
}

pub(super) async fn unknown_tool(client: &mut Client, scene: &Scene<'_>) -> Result<(), Trouble> {
    refused(client.ask("tools/call", scene.call("no_such_tool")).await, -32602).map(|_| ())
}

pub(super) async fn unknown_method(client: &mut Client, _: &Scene<'_>) -> Result<(), Trouble> {
    refused(client.ask("no/such/method", json!({})).await, -32601).map(|_| ())
}

pub(super) async fn big(client: &mut Client, scene: &Scene<'_>) -> Result<(), Trouble> {
    let result = client.ask("tools/call", scene.call("big")).await?;
    let text = result["content"][0]["text"].as_str().unwrap_or_default();
    holds(format!("{} bytes came", text.len()), text.len() == BIG)?;
    holds("other bytes", text.as_bytes().chunks(16).all(|part| part == b"0123456789abcdef"))
}

pub(super) async fn resource(client: &mut Client, scene: &Scene<'_>) -> Result<(), Trouble> {
    let uri = scene.uri("text");
    let read = client.ask("resources/read", json!({ "uri": uri })).await?;
    let expected =
        json!([{ "uri": uri, "text": "some text", "mimeType": "text/plain", "x-future": 1 }]);
    same("contents", &read["contents"], &expected)?;
    holds("ttlMs", read["ttlMs"].is_u64() == client.is_modern())?;
    let read = client.ask("resources/read", json!({ "uri": scene.uri("blob") })).await?;
    same("blob", &read["contents"][0]["blob"], &json!("AAAA"))
}

/// -32002 until 2025-11-25, -32602 with the address since.
pub(super) async fn missing(client: &mut Client, scene: &Scene<'_>) -> Result<(), Trouble> {
    let uri = scene.uri("items/none");
    let outcome = client.ask("resources/read", json!({ "uri": uri })).await;
    let (_, data) = refused(outcome, if client.is_modern() { -32602 } else { -32002 })?;
    if client.is_modern() { same("data.uri", &data["uri"], &json!(uri)) } else { Ok(()) }
}

pub(super) async fn prompt(client: &mut Client, scene: &Scene<'_>) -> Result<(), Trouble> {
    let params = json!({ "name": scene.name("greet"), "arguments": { "who": "\u{e4}nn" } });
    let result = client.ask("prompts/get", params).await?;
    let message = &result["messages"][0];
    same("text", &message["content"]["text"], &json!("greet \u{e4}nn"))?;
    same("x-future", &message["x-future"], &json!(1))?;
    let params = json!({ "name": scene.name("greet") });
    refused(client.ask("prompts/get", params).await, -32602).map(|_| ())
}

pub(super) async fn completion(client: &mut Client, scene: &Scene<'_>) -> Result<(), Trouble> {
    let argument = json!({ "name": "who", "value": "a" });
    let context = json!({ "arguments": { "before": "b" } });
    let reference = json!({ "type": "ref/prompt", "name": scene.name("greet") });
    let mut params = json!({ "ref": reference, "argument": argument });
    // What was filled in before is told since 2025-06-18.
    let has_context = client.version.min(scene.server.version()) >= Version::V2025_06_18;
    if has_context {
        params["context"] = context;
    }
    let result = client.ask("completion/complete", params).await?;
    let second = if has_context { "a-b" } else { "a-none" };
    same("values", &result["completion"]["values"], &json!(["a-one", second]))?;
    let reference = json!({ "type": "ref/resource", "uri": scene.uri("items/{id}") });
    let params = json!({ "ref": reference, "argument": argument });
    let result = client.ask("completion/complete", params).await?;
    same("total", &result["completion"]["total"], &json!(2))
}

pub(super) async fn ping(client: &mut Client, _: &Scene<'_>) -> Result<(), Trouble> {
    let pong = client.ask("ping", json!({})).await?;
    holds("no result", pong.is_object())
}

/// A method of an extension that nothing in between has to understand.
pub(super) async fn extension(client: &mut Client, scene: &Scene<'_>) -> Result<(), Trouble> {
    let uri = scene.uri("greet/SKILL.md");
    let result = client.ask("skills/get", json!({ "uri": uri })).await?;
    let skill = &result["skill"];
    same("uri", &skill["uri"], &json!(uri))?;
    same("x-future", &skill["x-future"], &json!(1))?;
    same("frontmatter", &skill["frontmatter"]["name"], &json!("greet"))?;
    let listed = client.ask("skills/list", json!({})).await?;
    let skills = listed["skills"].as_array().cloned().unwrap_or_default();
    holds("not listed", skills.iter().any(|it| it["uri"] == uri.as_str()))
}
