//! What the server has, and the requests that only ask for that.

use serde_json::{Value, json};
use switchboard_mcp::ProtocolVersion;

use super::Inner;
use super::call::{Answer, Call, Stop};

pub(crate) const LEVELS: [&str; 8] =
    ["debug", "info", "notice", "warning", "error", "critical", "alert", "emergency"];

/// An extension with methods of its own. It is defined for 2026-07-28; servers of before announce
/// it in the same member.
const SKILLS: &str = "io.modelcontextprotocol/skills";

/// An extension of clients, which servers look for.
const APPS: &str = "io.modelcontextprotocol/ui";

/// A cursor that no client may read anything into.
const SECOND_PAGE: &str = "page 2/ä\"%";

pub(crate) fn info(server: &Inner) -> Value {
    json!({ "name": server.name, "version": "1.0" })
}

pub(crate) fn answer(call: &Call, method: &str) -> Result<Answer, Stop> {
    let server = call.server();
    let (name, params) = (&server.name, &call.params);
    let is_modern = server.is_modern();
    let result = match method {
        "server/discover" if is_modern => json!({
            "supportedVersions": [server.version.as_str()],
            "capabilities": capabilities(server),
            "instructions": format!("This is {name}."),
        }),
        "initialize" if is_modern => {
            return Err(Stop::Error {
                code: -32022,
                message: "only 2026-07-28 is served".to_owned(),
                data: json!({ "supported": [server.version.as_str()] }),
            });
        }
        "initialize" => {
            call.session.state.lock().unwrap().capabilities = params["capabilities"].clone();
            json!({
                "protocolVersion": server.version.as_str(),
                "capabilities": capabilities(server),
                "serverInfo": info(server),
                "instructions": format!("This is {name}."),
            })
        }
        "ping" if !is_modern => json!({}),
        "logging/setLevel" if !is_modern => {
            let level = params["level"].as_str().filter(|level| LEVELS.contains(level));
            let level = level.ok_or_else(|| Stop::invalid("no such level"))?;
            call.session.state.lock().unwrap().level = Some(level.to_owned());
            json!({})
        }
        "resources/subscribe" | "resources/unsubscribe" if !is_modern => {
            let uri = params["uri"].as_str().ok_or_else(|| Stop::invalid("no uri"))?;
            server.journal.note(format!("{method} {uri}"));
            let mut state = call.session.state.lock().unwrap();
            if method == "resources/subscribe" {
                state.subscribed.insert(uri.to_owned());
            } else {
                state.subscribed.remove(uri);
            }
            json!({})
        }
        "tools/list" => return tools(call),
        "prompts/list" => json!({ "prompts": prompts() }),
        "resources/list" => json!({ "resources": resources(name) }),
        "resources/templates/list" => json!({ "resourceTemplates": [{
            "uriTemplate": format!("test://{name}/items/{{id}}"), "name": "items",
            "mimeType": "text/plain", "x-future": 1,
        }] }),
        "completion/complete" => completion(call)?,
        "skills/list" => json!({ "skills": [skill(name)] }),
        "skills/get" if params["uri"] == skill(name)["uri"] => json!({ "skill": skill(name) }),
        "skills/get" => return Err(Stop::invalid("no such skill")),
        other => {
            let message = format!("no method {other}");
            return Err(Stop::Error { code: -32601, message, data: Value::Null });
        }
    };
    Ok(result.into())
}

fn capabilities(server: &Inner) -> Value {
    let mut all = json!({
        "tools": { "listChanged": true },
        "prompts": { "listChanged": true },
        "resources": { "listChanged": true, "subscribe": true },
        "logging": {},
        "extensions": { SKILLS: {}, "com.example/unknown": { "x-future": 1 } },
    });
    if server.version >= ProtocolVersion::V2025_03_26 {
        all["completions"] = json!({});
    }
    if server.version == ProtocolVersion::V2025_11_25 {
        all["tasks"] = json!({ "list": {}, "cancel": {}, "requests": { "tools": { "call": {} } } });
    }
    if server.is_modern() {
        all["extensions"]["io.modelcontextprotocol/tasks"] = json!({});
    }
    all
}

/// The tools, and the revision that brought what they need.
pub(crate) const TOOLS: &[(&str, ProtocolVersion)] = &[
    ("echo", ProtocolVersion::V2024_11_05),
    ("kinds", ProtocolVersion::V2024_11_05),
    ("progress", ProtocolVersion::V2024_11_05),
    ("log", ProtocolVersion::V2024_11_05),
    ("slow", ProtocolVersion::V2024_11_05),
    ("add", ProtocolVersion::V2024_11_05),
    ("touch", ProtocolVersion::V2024_11_05),
    ("fail", ProtocolVersion::V2024_11_05),
    ("refuse", ProtocolVersion::V2024_11_05),
    ("big", ProtocolVersion::V2024_11_05),
    ("sample", ProtocolVersion::V2024_11_05),
    ("roots", ProtocolVersion::V2024_11_05),
    ("audio", ProtocolVersion::V2025_03_26),
    ("link", ProtocolVersion::V2025_06_18),
    ("structured", ProtocolVersion::V2025_06_18),
    ("form", ProtocolVersion::V2025_06_18),
    ("rounds", ProtocolVersion::V2025_06_18),
    ("url", ProtocolVersion::V2025_11_25),
    ("sample_tools", ProtocolVersion::V2025_11_25),
    ("task", ProtocolVersion::V2025_11_25),
    ("scalar", ProtocolVersion::V2026_07_28),
];

pub(crate) fn has_tool(server: &Inner, name: &str) -> bool {
    let known = TOOLS.iter().any(|(tool, since)| *tool == name && *since <= server.version);
    known || server.extra.lock().unwrap().iter().any(|extra| extra == name)
}

/// Two pages, so that every list is a matter of following cursors.
fn tools(call: &Call) -> Result<Answer, Stop> {
    let server = call.server();
    let mut names: Vec<_> = TOOLS.iter().filter(|(_, since)| *since <= server.version).collect();
    let second = names.split_off(names.len() / 2);
    let all = |names: &[&(&str, _)]| -> Vec<Value> {
        names.iter().map(|(name, _)| tool(server, name)).collect()
    };
    let page = match &call.params["cursor"] {
        Value::Null => json!({ "tools": all(&names), "nextCursor": SECOND_PAGE }),
        Value::String(cursor) if cursor == SECOND_PAGE => {
            let mut page = all(&second);
            page.extend(server.extra.lock().unwrap().iter().map(|name| tool(server, name)));
            page.extend(app(call));
            json!({ "tools": page })
        }
        _ => return Err(Stop::invalid("no such cursor")),
    };
    Ok(page.into())
}

/// The tool of an app, which is shown only to those who said that they know apps.
fn app(call: &Call) -> Option<Value> {
    let types = &call.capabilities()["extensions"][APPS]["mimeTypes"];
    let knows = types.as_array()?.iter().any(|kind| kind == "text/html;profile=mcp-app");
    let server = call.server();
    let mut tool = tool(server, "app");
    tool["_meta"] = json!({ "ui": { "resourceUri": format!("ui://{}/app", server.name) } });
    knows.then_some(tool)
}

fn tool(server: &Inner, name: &str) -> Value {
    let mut tool = json!({
        "name": name,
        "description": format!("{name} of {}", server.name),
        "inputSchema": { "type": "object", "$defs": { "z": true, "a": 1 } },
        "annotations": { "readOnlyHint": true },
        "x-future": [1, { "b": 2, "a": 1 }],
    });
    match name {
        "structured" => {
            tool["outputSchema"] =
                json!({ "type": "object", "properties": { "degrees": { "type": "number" } } });
        }
        "scalar" => tool["outputSchema"] = json!({ "type": "number" }),
        "task" if !server.is_modern() => tool["execution"] = json!({ "taskSupport": "optional" }),
        "echo" => {
            tool["title"] = json!("Echo");
            tool["icons"] = json!([{ "src": "data:image/png;base64,AA==" }]);
        }
        _ => {}
    }
    tool
}

fn prompts() -> Value {
    let arguments = json!([{ "name": "who", "description": "whom to greet", "required": true }]);
    json!([
        { "name": "greet", "title": "Greet", "arguments": arguments, "x-future": 1 },
        { "name": "ask" },
    ])
}

fn resources(name: &str) -> Value {
    let resource = |what: &str| {
        json!({ "uri": format!("test://{name}/{what}"), "name": what, "mimeType": "text/plain",
            "annotations": { "priority": 0.5 }, "x-future": 1 })
    };
    let all = ["text", "blob", "ask", "greet/SKILL.md"];
    Value::Array(all.into_iter().map(resource).collect())
}

fn skill(name: &str) -> Value {
    json!({ "uri": format!("test://{name}/greet/SKILL.md"), "resources": "dynamic",
        "frontmatter": { "name": "greet", "description": "greets" }, "x-future": 1 })
}

fn completion(call: &Call) -> Result<Value, Stop> {
    let params = &call.params;
    let (kind, value) = (&params["ref"]["type"], &params["argument"]["value"]);
    let about = match kind.as_str() {
        Some("ref/prompt") => params["ref"]["name"].as_str() == Some("greet"),
        Some("ref/resource") => {
            params["ref"]["uri"].as_str().is_some_and(|uri| uri.ends_with("{id}"))
        }
        _ => false,
    };
    let (Some(value), true) = (value.as_str(), about) else {
        return Err(Stop::invalid("nothing to complete"));
    };
    let before = params["context"]["arguments"]["before"].as_str().unwrap_or("none");
    let values = json!([format!("{value}-one"), format!("{value}-{before}")]);
    Ok(json!({ "completion": { "values": values, "total": 2, "hasMore": false } }))
}
