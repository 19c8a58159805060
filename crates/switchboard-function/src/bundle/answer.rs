//! What callers hear where there is no result.

use serde_json::{Value, json};
use switchboard_core::{ADMIN, Context, Error, OWNER};
use switchboard_mcp::{Json, ProtocolVersion, RpcError, code};

use crate::runtime::Failure;
use crate::schema::Schema;

pub(super) fn invalid_arguments(faults: &str) -> Json {
    tool_error(&format!("the arguments do not fit the tool's input schema: {faults}"), None)
}

pub(super) fn invalid_output(faults: &str) -> Json {
    tool_error(&format!("the tool's result does not fit its output schema: {faults}"), None)
}

/// What became of a tool's call that ran is a result; of one that did not, an error that may be tried
/// again.
///
/// # Errors
///
/// It did not run.
pub(super) fn failed_tool(name: &str, context: &Context, failure: Failure) -> Result<Json, Error> {
    match failure {
        Failure::NotStarted(cause) => Err(Error::Unavailable { upstream: name.to_owned(), cause }),
        Failure::Raised { message, traceback } => {
            let traceback = traceback.filter(|_| is_admin(context));
            Ok(tool_error(&message, traceback.as_deref()))
        }
        failure => Ok(tool_error(&format!("the call was ended: {failure}"), None)),
    }
}

/// Resources and prompts have no results that say so.
pub(super) fn failed(name: &str, failure: Failure) -> Error {
    match failure {
        Failure::NotStarted(cause) => Error::Unavailable { upstream: name.to_owned(), cause },
        failure => {
            let error = RpcError::new(code::INTERNAL, failure.to_string());
            Error::Server { error, version: ProtocolVersion::MODERN }
        }
    }
}

/// Where code is, and what it is called with, is for those who may see the server's log.
fn is_admin(context: &Context) -> bool {
    let roles = &context.principal.standing.roles;
    roles.iter().any(|role| matches!(&**role, ADMIN | OWNER))
}

fn tool_error(message: &str, traceback: Option<&str>) -> Json {
    let mut result = json!({
        "resultType": "complete",
        "content": [{ "type": "text", "text": message }],
        "isError": true,
    });
    if let Some(traceback) = traceback {
        result["_meta"] = json!({ "switchboard/traceback": traceback });
    }
    Json::encode(&result)
}

/// Holds structured content against its schema. A result that says that it failed has none.
pub(super) fn check_output(schema: &Schema, result: &Json) -> Result<(), String> {
    let members = result.members().map_err(|error| error.to_string())?;
    if members.read("isError") == Some(true) {
        return Ok(());
    }
    match members.read::<Value>("structuredContent") {
        Some(value) => schema.validate(&value),
        None => Err("it has no structured content".to_owned()),
    }
}

/// The first argument that a prompt needs and does not get.
pub(super) fn lacking(item: &Json, arguments: &Json) -> Option<String> {
    let wanted: Vec<Value> = item.members().ok()?.read("arguments")?;
    let given = arguments.members().ok()?;
    let needed = wanted.iter().filter(|it| it.get("required") == Some(&Value::Bool(true)));
    let mut names = needed.filter_map(|it| it.get("name")?.as_str());
    names.find(|name| given.get(name).is_none()).map(str::to_owned)
}
