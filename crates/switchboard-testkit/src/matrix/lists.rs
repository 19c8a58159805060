//! Lists and their pages.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::{Scene, holds, same};
use crate::client::{Client, Trouble};

/// Pages that a list may have; more is a list without an end.
const PAGES: usize = 100;

/// A whole list.
pub(super) async fn all(
    client: &mut Client,
    method: &str,
    member: &str,
) -> Result<Vec<Value>, Trouble> {
    let mut items = Vec::new();
    let mut params = json!({});
    for _ in 0..PAGES {
        let page = client.ask(method, params).await?;
        let Some(some) = page[member].as_array() else {
            return Err(Trouble::Wrong(format!("no `{member}` in the result")));
        };
        items.extend(some.iter().cloned());
        if client.is_modern() {
            same("resultType", &page["resultType"], &json!("complete"))?;
            holds("no ttlMs", page["ttlMs"].is_u64())?;
            holds("no cacheScope", page["cacheScope"].is_string())?;
        } else {
            holds("a member of 2026-07-28", page["resultType"].is_null())?;
            holds("a member of 2026-07-28", page["ttlMs"].is_null())?;
        }
        match &page["nextCursor"] {
            Value::Null => return Ok(items),
            cursor => params = json!({ "cursor": cursor }),
        }
    }
    Err(Trouble::Wrong(format!("{method} has no end")))
}

fn find<'a>(items: &'a [Value], member: &str, value: &str) -> Result<&'a Value, Trouble> {
    let found = items.iter().find(|item| item[member] == value);
    found.ok_or_else(|| Trouble::Wrong(format!("no `{value}` among {} items", items.len())))
}

pub(super) async fn tools(client: &mut Client, scene: &Scene<'_>) -> Result<(), Trouble> {
    let tools = all(client, "tools/list", "tools").await?;
    let echo = find(&tools, "name", &scene.name("echo"))?;
    same("title", &echo["title"], &json!("Echo"))?;
    same("icons", &echo["icons"][0]["src"], &json!("data:image/png;base64,AA=="))?;
    same("annotations", &echo["annotations"], &json!({ "readOnlyHint": true }))?;
    // As text, because the order of members counts.
    let schema = "{\"type\":\"object\",\"$defs\":{\"z\":true,\"a\":1}}";
    same("inputSchema", &json!(echo["inputSchema"].to_string()), &json!(schema))?;
    same("x-future", &json!(echo["x-future"].to_string()), &json!("[1,{\"b\":2,\"a\":1}]"))
}

/// A server that shows the tool of its app only to those who know apps shows it.
pub(super) async fn apps(client: &mut Client, scene: &Scene<'_>) -> Result<(), Trouble> {
    let tools = all(client, "tools/list", "tools").await?;
    let app = find(&tools, "name", &scene.name("app"))?;
    let address = format!("ui://{}/app", scene.server.name());
    same("resourceUri", &app["_meta"]["ui"]["resourceUri"], &json!(address))
}

/// Every tool of a server with several pages is there, and once.
pub(super) async fn pages(client: &mut Client, scene: &Scene<'_>) -> Result<(), Trouble> {
    let tools = all(client, "tools/list", "tools").await?;
    let names: Vec<_> = tools.iter().filter_map(|tool| tool["name"].as_str()).collect();
    let distinct: BTreeSet<_> = names.iter().collect();
    holds("a tool is listed twice", distinct.len() == names.len())?;
    for (own, since) in scene.server.tools() {
        let is_there = distinct.contains(&scene.name(own).as_str());
        let should = since <= scene.server.version();
        holds(format!("{own}: listed {is_there}, offered {should}"), is_there == should)?;
    }
    match client.ask("tools/list", json!({ "cursor": "not one of yours" })).await {
        Err(Trouble::Refused { code: -32602, .. }) => Ok(()),
        Err(other) => Err(Trouble::Wrong(format!("a strange cursor: {other}"))),
        Ok(_) => Err(Trouble::Wrong("a strange cursor was taken".to_owned())),
    }
}

pub(super) async fn resources(client: &mut Client, scene: &Scene<'_>) -> Result<(), Trouble> {
    let resources = all(client, "resources/list", "resources").await?;
    let text = find(&resources, "uri", &scene.uri("text"))?;
    same("annotations", &text["annotations"], &json!({ "priority": 0.5 }))?;
    same("x-future", &text["x-future"], &json!(1))
}

pub(super) async fn templates(client: &mut Client, scene: &Scene<'_>) -> Result<(), Trouble> {
    let templates = all(client, "resources/templates/list", "resourceTemplates").await?;
    let template = find(&templates, "uriTemplate", &scene.uri("items/{id}"))?;
    same("x-future", &template["x-future"], &json!(1))?;
    let uri = scene.uri("items/7%20b");
    let read = client.ask("resources/read", json!({ "uri": uri })).await?;
    same("text", &read["contents"][0]["text"], &json!("item 7%20b"))?;
    same("uri", &read["contents"][0]["uri"], &json!(uri))
}

pub(super) async fn prompts(client: &mut Client, scene: &Scene<'_>) -> Result<(), Trouble> {
    let prompts = all(client, "prompts/list", "prompts").await?;
    let greet = find(&prompts, "name", &scene.name("greet"))?;
    same("argument", &greet["arguments"][0]["name"], &json!("who"))?;
    same("x-future", &greet["x-future"], &json!(1))
}
