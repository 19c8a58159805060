//! The scalar of user JSON.

use async_graphql::{InputValueError, InputValueResult, Scalar, ScalarType, Value};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Any JSON, exactly as it was given.
///
/// The engine that the name comes from changed the case of keys in both directions and at every
/// depth, which broke the names of tools' arguments. Here the name is all that is left of it: what
/// is inside is not ours to spell.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(transparent)]
pub struct JsonCamelCase(pub serde_json::Value);

#[Scalar(name = "JSONCamelCase")]
impl ScalarType for JsonCamelCase {
    fn parse(value: Value) -> InputValueResult<Self> {
        value.into_json().map(Self).map_err(InputValueError::custom)
    }

    fn to_value(&self) -> Value {
        // What JSON is, GraphQL's values are too.
        Value::from_json(self.0.clone()).unwrap_or_default()
    }
}
