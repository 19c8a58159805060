//! The schema of a form as 2025-06-18 knows it: flat properties, choices by `enum` with
//! `enumNames`, and no list of choices.

use serde::Deserialize;

use crate::error::RpcError;
use crate::json::{Entries, Json, Object, Raw};

use super::invalid;

/// Writes `schema` with titled choices in the older form.
///
/// # Errors
///
/// What the server gets where a property has no older form.
pub(super) fn reduce(schema: Raw<'_>, out: &mut Vec<u8>) -> Result<(), RpcError> {
    let members = entries("requestedSchema", schema)?;
    let mut object = Object::open(out);
    for (name, value) in members.iter() {
        if name != "properties" {
            object.raw(name, value.get().as_bytes());
            continue;
        }
        let mut properties = Object::open(object.member(name));
        for (name, property) in entries("properties", value)?.iter() {
            reduce_property(name, property, properties.member(name))?;
        }
        properties.close();
    }
    object.close();
    Ok(())
}

fn reduce_property(name: &str, raw: Raw<'_>, out: &mut Vec<u8>) -> Result<(), RpcError> {
    let property = entries(name, raw)?;
    if property.get("type").map(Raw::get) == Some("\"array\"") {
        let problem = "lets the user choose several, which a client of 2025-06-18 cannot show";
        return Err(invalid(format!("the property `{name}` {problem}")));
    }
    let Some(choices) = property.get("oneOf") else {
        out.extend_from_slice(raw.get().as_bytes());
        return Ok(());
    };
    let choices: Vec<Choice> = serde_json::from_str(choices.get())
        .map_err(|error| invalid(format!("`oneOf` of the property `{name}`: {error}")))?;
    let values: Vec<&str> = choices.iter().map(|choice| &*choice.value).collect();
    let titles: Vec<&str> =
        choices.iter().map(|choice| choice.title.as_deref().unwrap_or(&choice.value)).collect();
    let mut object = Object::open(out);
    for (member, value) in property.iter() {
        match member {
            "oneOf" => {
                object.raw("enum", Json::encode(&values).as_bytes());
                object.raw("enumNames", Json::encode(&titles).as_bytes());
            }
            // They would be there twice.
            "enum" | "enumNames" => {}
            _ => {
                object.raw(member, value.get().as_bytes());
            }
        }
    }
    object.close();
    Ok(())
}

/// One titled choice (2025-11-25, elicitation with enums).
#[derive(Deserialize)]
struct Choice {
    #[serde(rename = "const")]
    value: String,
    title: Option<String>,
}

fn entries<'a>(name: &str, raw: Raw<'a>) -> Result<Entries<'a>, RpcError> {
    Entries::parse(raw).map_err(|error| invalid(format!("`{name}`: {error}")))
}
