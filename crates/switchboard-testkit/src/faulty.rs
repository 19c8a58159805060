//! A server that fails as servers do: by chance and from a seed, by the clock, or because a call
//! asks for it.
//!
//! [`Fake`](crate::Fake) is steered by the test it lives in. This one is on its own, so that there
//! can be fifty of them, each a process that can be killed: [`serve`] is the child on standard
//! streams, [`Web`] a server over HTTP in a thread. Both speak 2025-11-25, and what they do follows
//! from a [`Plan`] that is one line of text. It is written without the product's own handling of
//! messages and without a runtime, so that a process of it costs next to nothing.

mod lines;
mod network;
mod plan;
mod web;

use serde_json::{Value, json};

pub use lines::{VARIABLE, serve};
pub use network::{Network, Weather};
pub(crate) use plan::Random;
pub use plan::{Fault, Plan};
pub use web::Web;

/// What becomes of a request apart from faults; `None` for notifications.
fn answer(message: &Value) -> Option<Value> {
    let id = message.get("id")?;
    let result = match message["method"].as_str()? {
        "initialize" => json!({
            "protocolVersion": "2025-11-25",
            "capabilities": { "tools": {} },
            "serverInfo": { "name": "faulty", "version": "1" },
        }),
        "tools/list" => json!({ "tools": tools() }),
        "tools/call" => {
            let seen =
                json!({ "pid": std::process::id(), "arguments": message["params"]["arguments"] });
            json!({ "content": [{ "type": "text", "text": seen.to_string() }] })
        }
        "ping" => json!({}),
        _ => {
            let error = json!({ "code": -32601, "message": "no such method" });
            return Some(json!({ "jsonrpc": "2.0", "id": id, "error": error }));
        }
    };
    Some(json!({ "jsonrpc": "2.0", "id": id, "result": result }))
}

/// `echo`, and one tool for each fault.
fn tools() -> Vec<Value> {
    let faults = Fault::ALL.iter().map(|(_, name)| *name);
    let tool = |name| json!({ "name": name, "inputSchema": { "type": "object" } });
    ["echo"].into_iter().chain(faults).map(tool).collect()
}

/// The fault that a request meets: the one that a call asks for, or one by chance.
fn fault(plan: &Plan, message: &Value, random: &mut Random) -> Option<Fault> {
    let is_call = message["method"] == "tools/call";
    if message.get("id").is_none() || !(is_call || plan.everywhere) {
        return None;
    }
    let asked = message["params"]["name"].as_str().filter(|_| is_call).and_then(Fault::named);
    asked.or_else(|| plan.draw(random))
}

/// What a server says that writes its log to the wrong place.
const GARBAGE: &str = "Traceback (most recent call last): {\"jsonrpc\": \"2.0\", \u{1} [[[";

/// An id that nobody gave.
const STRANGE: u64 = 987_654_321;

/// What a leak keeps of each call that meets it.
const LEAK_BYTES: usize = 1 << 20;

/// The longest that an answer is held back so that later ones overtake it, in milliseconds.
const REORDER_MILLIS: u64 = 40;
