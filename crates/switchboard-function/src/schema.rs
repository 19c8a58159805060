//! Arguments and results, held against their schemas.

use std::sync::OnceLock;

use jsonschema::Validator;
use serde_json::{Map, Value};

/// How deep defaults are filled in: schemas that contain themselves end somewhere.
const DEPTH: usize = 32;

/// How many faults are told of: who corrects the first three knows the rest.
const FAULTS: usize = 5;

/// Says what is wrong with the schema of arguments or of structured content.
///
/// # Errors
///
/// A text that goes on after the name of what has the schema.
pub(crate) fn check(schema: &Value) -> Result<(), String> {
    let Some(members) = schema.as_object() else {
        return Err("is no JSON Schema: it is no object".to_owned());
    };
    // 2025-11-25, "Tools": both describe an object.
    if members.get("type").is_none_or(|kind| kind != "object") {
        return Err("is not of `type` `object`".to_owned());
    }
    match compile(schema) {
        Ok(_) => Ok(()),
        Err(problem) => Err(format!("is no JSON Schema: {problem}")),
    }
}

fn compile(schema: &Value) -> Result<Validator, String> {
    jsonschema::validator_for(schema).map_err(|error| error.to_string())
}

/// A schema, made ready when it is first needed: a bundle may have hundreds.
pub(crate) struct Schema {
    text: Value,
    compiled: OnceLock<Result<Validator, String>>,
    has_defaults: bool,
}

impl Schema {
    pub(crate) fn new(text: Value) -> Self {
        let has_defaults = has_defaults(&text);
        Self { text, compiled: OnceLock::new(), has_defaults }
    }

    /// Fills in what has a default and is not there; whether that changed anything.
    pub(crate) fn fill(&self, value: &mut Value) -> bool {
        self.has_defaults && fill(&self.text, &self.text, value, DEPTH)
    }

    /// Says what of `value` does not fit.
    ///
    /// # Errors
    ///
    /// The first faults, each with its place, for people and models.
    pub(crate) fn validate(&self, value: &Value) -> Result<(), String> {
        let compiled = self.compiled.get_or_init(|| compile(&self.text));
        let validator = compiled.as_ref().map_err(|problem| format!("the schema: {problem}"))?;
        let mut faults: Vec<String> = Vec::new();
        for error in validator.iter_errors(value).take(FAULTS) {
            let place = error.instance_path().to_string();
            faults.push(match place.is_empty() {
                true => error.to_string(),
                false => format!("{place}: {error}"),
            });
        }
        if faults.is_empty() { Ok(()) } else { Err(faults.join("; ")) }
    }
}

fn has_defaults(schema: &Value) -> bool {
    match schema {
        Value::Object(members) => {
            members.contains_key("default") || members.values().any(has_defaults)
        }
        Value::Array(items) => items.iter().any(has_defaults),
        _ => false,
    }
}

/// Only what certainly holds is followed: `properties`, `items`, `allOf` and references within the
/// schema. Of alternatives nobody knows which is meant.
fn fill(root: &Value, schema: &Value, value: &mut Value, depth: usize) -> bool {
    let Some((members, depth)) = schema.as_object().zip(depth.checked_sub(1)) else {
        return false;
    };
    let mut changed = false;
    if let Some(target) = members.get("$ref").and_then(Value::as_str).and_then(|r| local(root, r)) {
        changed |= fill(root, target, value, depth);
    }
    for part in members.get("allOf").and_then(Value::as_array).into_iter().flatten() {
        changed |= fill(root, part, value, depth);
    }
    match value {
        Value::Object(own) => {
            let properties = members.get("properties").and_then(Value::as_object);
            for (name, property) in properties.into_iter().flatten() {
                changed |= fill_property(root, own, (name, property), depth);
            }
        }
        Value::Array(own) => {
            if let Some(items) = members.get("items") {
                for item in own {
                    changed |= fill(root, items, item, depth);
                }
            }
        }
        _ => {}
    }
    changed
}

fn fill_property(
    root: &Value,
    own: &mut Map<String, Value>,
    (name, property): (&str, &Value),
    depth: usize,
) -> bool {
    if let Some(value) = own.get_mut(name) {
        return fill(root, property, value, depth);
    }
    let Some(default) = property.get("default") else { return false };
    let mut value = default.clone();
    fill(root, property, &mut value, depth);
    own.insert(name.to_owned(), value);
    true
}

/// What `#/…` names.
fn local<'s>(root: &'s Value, reference: &str) -> Option<&'s Value> {
    root.pointer(reference.strip_prefix('#')?)
}

#[cfg(test)]
mod tests;
