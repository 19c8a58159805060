//! A bundle of functions in Rust: two tools, a resource and a prompt.

use exports::switchboard::bundle::handler::Guest;
use serde_json::{Value, json};
use switchboard::bundle::outcome::Failure;
use switchboard::bundle::{key_value, log, progress, settings};

wit_bindgen::generate!({
    path: "../../../crates/switchboard-wasm/wit",
    world: "switchboard:bundle/bundle",
});

struct Bundle;

export!(Bundle);

impl Guest for Bundle {
    fn call_tool(name: String, arguments: String) -> Result<String, Failure> {
        let arguments = read(&arguments)?;
        let result = match name.as_str() {
            "add" => add(&arguments)?,
            "count" => count(),
            _ => return Err(Failure::NotFound(name)),
        };
        Ok(result.to_string())
    }

    fn read_resource(uri: String) -> Result<String, Failure> {
        if uri != "settings://all" {
            return Err(Failure::NotFound(uri));
        }
        let content = json!({"uri": uri, "mimeType": "application/json", "text": settings::get()});
        Ok(json!({"contents": [content]}).to_string())
    }

    fn get_prompt(name: String, arguments: String) -> Result<String, Failure> {
        if name != "greet" {
            return Err(Failure::NotFound(name));
        }
        let arguments = read(&arguments)?;
        let text = format!("Greet {}.", arguments["who"].as_str().unwrap_or("everybody"));
        let message = json!({"role": "user", "content": {"type": "text", "text": text}});
        Ok(json!({"messages": [message]}).to_string())
    }
}

fn read(arguments: &str) -> Result<Value, Failure> {
    serde_json::from_str(arguments).map_err(|error| Failure::InvalidArguments(error.to_string()))
}

fn add(arguments: &Value) -> Result<Value, Failure> {
    let (Some(a), Some(b)) = (arguments["a"].as_i64(), arguments["b"].as_i64()) else {
        return Err(Failure::InvalidArguments("`a` and `b` must be whole numbers".to_owned()));
    };
    println!("added {a} and {b}");
    let sum = a.saturating_add(b);
    Ok(json!({
        "content": [{"type": "text", "text": sum.to_string()}],
        "structuredContent": {"sum": sum},
    }))
}

/// Counts its calls, if it is granted something to count with.
fn count() -> Value {
    match counted() {
        Ok(count) => json!({
            "content": [{"type": "text", "text": format!("call {count}")}],
            "structuredContent": {"count": count},
        }),
        Err(error) => {
            log::write(log::Level::Warn, &format!("cannot count: {error:?}"));
            let text = "I may not keep anything, so I cannot count.";
            json!({"content": [{"type": "text", "text": text}], "isError": true})
        }
    }
}

fn counted() -> Result<u64, key_value::Error> {
    let kept = key_value::get("count")?.unwrap_or_default();
    let before: u64 = String::from_utf8_lossy(&kept).parse().unwrap_or(0);
    progress::report(1.0, Some(2.0), Some("read"));
    key_value::set("count", (before + 1).to_string().as_bytes())?;
    Ok(before + 1)
}
