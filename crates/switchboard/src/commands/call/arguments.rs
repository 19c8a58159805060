//! Arguments of a tool as words of a command line.

use serde_json::{Map, Value};

use crate::failure::Failure;

/// The words, told apart and not yet typed.
#[derive(Debug, Default)]
pub(crate) struct Words {
    object: Map<String, Value>,
    assignments: Vec<Assignment>,
}

#[derive(Debug)]
struct Assignment {
    key: String,
    value: Given,
}

#[derive(Debug)]
enum Given {
    /// `key=text`
    Text(String),
    /// `key:=json`
    Json(Value),
}

/// How far references are followed; schemas may go in circles.
const REFERENCE_LIMIT: usize = 8;

/// Tells the words apart.
pub(crate) fn parse(words: &[String]) -> Result<Words, Failure> {
    let mut parsed = Words::default();
    for word in words {
        if word.trim_start().starts_with('{') {
            let object: Map<String, Value> = serde_json::from_str(word).map_err(|error| {
                Failure::usage(format!("`{word}` is not a JSON object")).with_cause(error)
            })?;
            parsed.object.extend(object);
            continue;
        }
        let Some((key, text)) = word.split_once('=').filter(|(key, _)| !key.is_empty()) else {
            return Err(Failure::usage(format!("`{word}` is no argument of a tool"))
                .with_hint("write `key=value`, `key:=json`, or a JSON object in quotes"));
        };
        let assignment = match key.strip_suffix(':') {
            Some(key) => {
                let value = serde_json::from_str(text).map_err(|error| {
                    Failure::usage(format!("`{text}` is not JSON"))
                        .with_cause(error)
                        .with_hint(format!("`{key}={text}` gives it as text"))
                })?;
                Assignment { key: key.to_owned(), value: Given::Json(value) }
            }
            None => Assignment { key: key.to_owned(), value: Given::Text(text.to_owned()) },
        };
        parsed.assignments.push(assignment);
    }
    Ok(parsed)
}

impl Words {
    /// Whether a word can only be understood with the schema of the tool.
    pub(super) fn need_schema(&self) -> bool {
        self.assignments.iter().any(|assignment| matches!(assignment.value, Given::Text(_)))
    }

    /// The arguments as the tool's `inputSchema` wants them.
    pub(crate) fn object(self, schema: Option<&Value>) -> Result<Map<String, Value>, Failure> {
        let root = schema.unwrap_or(&Value::Null);
        let mut object = self.object;
        let mut assigned: Vec<String> = Vec::new();
        for Assignment { key, value } in self.assignments {
            let property = property(root, &key)?;
            let value = match value {
                Given::Json(value) => value,
                Given::Text(text) => typed(root, property, &key, &text)?,
            };
            let again = assigned.contains(&key);
            match (object.get_mut(&key), value) {
                (Some(Value::Array(list)), Value::Array(more)) if again => list.extend(more),
                (Some(_), _) if again => {
                    return Err(Failure::usage(format!("`{key}` is given twice"))
                        .with_cause("the tool wants one value there, not a list"));
                }
                (_, value) => {
                    object.insert(key.clone(), value);
                }
            }
            assigned.push(key);
        }
        Ok(object)
    }
}

/// The schema of one argument; null where the tool does not say.
fn property<'s>(root: &'s Value, key: &str) -> Result<&'s Value, Failure> {
    let Some(properties) = root.get("properties").and_then(Value::as_object) else {
        return Ok(&Value::Null);
    };
    if let Some(property) = properties.get(key) {
        return Ok(property);
    }
    if root.get("additionalProperties") != Some(&Value::Bool(false)) {
        return Ok(root.get("additionalProperties").unwrap_or(&Value::Null));
    }
    let known: Vec<String> =
        properties.keys().map(|known| format!("`{}`", crate::untrusted::line(known))).collect();
    let failure = Failure::usage(format!("the tool has no argument `{key}`"));
    Err(match known.as_slice() {
        [] => failure.with_cause("it has none at all"),
        known => failure.with_hint(format!("it has {}", known.join(", "))),
    })
}

/// `text` as the first type that is allowed and fits.
fn typed(root: &Value, schema: &Value, key: &str, text: &str) -> Result<Value, Failure> {
    let mut types = Vec::new();
    collect_types(root, schema, &mut types, REFERENCE_LIMIT);
    let json = serde_json::from_str::<Value>(text).ok();
    let allows = |name: &str| types.is_empty() || types.contains(&name);
    let fits = match &json {
        Some(Value::Null) => allows("null"),
        Some(Value::Bool(_)) => allows("boolean"),
        Some(Value::Number(number)) => {
            allows("number") || (number.is_i64() || number.is_u64()) && allows("integer")
        }
        Some(Value::Array(_)) => allows("array"),
        Some(Value::Object(_)) => allows("object"),
        // Quotes around text are part of the text: the shell has taken its own.
        Some(Value::String(_)) | None => false,
    };
    if let Some(json) = json.filter(|_| fits) {
        return Ok(json);
    }
    if allows("string") {
        return Ok(text.into());
    }
    if types.contains(&"array") {
        let items = resolve(root, schema, REFERENCE_LIMIT).get("items").unwrap_or(&Value::Null);
        return Ok(Value::Array(vec![typed(root, items, key, text)?]));
    }
    let wanted = types.join(" or ");
    Err(Failure::usage(format!("`{key}` must be of type {wanted}, not `{text}`")))
}

/// The types that a schema allows; none if it does not say.
fn collect_types<'s>(root: &'s Value, schema: &'s Value, types: &mut Vec<&'s str>, limit: usize) {
    let schema = resolve(root, schema, limit);
    match schema.get("type") {
        Some(Value::String(name)) => types.push(name),
        Some(Value::Array(names)) => types.extend(names.iter().filter_map(Value::as_str)),
        _ => {}
    }
    if limit == 0 {
        return;
    }
    for keyword in ["anyOf", "oneOf"] {
        let alternatives = schema.get(keyword).and_then(Value::as_array);
        for alternative in alternatives.into_iter().flatten() {
            collect_types(root, alternative, types, limit - 1);
        }
    }
}

/// Follows references within the schema.
fn resolve<'s>(root: &'s Value, schema: &'s Value, limit: usize) -> &'s Value {
    let reference = schema.get("$ref").and_then(Value::as_str);
    match reference.and_then(|reference| root.pointer(reference.strip_prefix('#')?)) {
        Some(target) if limit > 0 => resolve(root, target, limit - 1),
        _ => schema,
    }
}

#[cfg(test)]
mod tests;
