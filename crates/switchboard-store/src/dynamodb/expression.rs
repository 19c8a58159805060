//! Expressions: conditions in DynamoDB's words, with names and values beside them.
//!
//! Every name is a placeholder, because many words are reserved
//! (<https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/ReservedWords.html>), among them
//! `name`, `status` and `source`.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::Value;
use switchboard_core::store::{ColumnKind, Condition, StoreError, Table, Test};

use crate::dynamodb::value::{self, MOMENT};

/// What the placeholders for names stand for, and those for values; `None` where there are none, as
/// an empty list is refused.
pub(super) type Names = Option<HashMap<String, String>>;
pub(super) type Values = Option<HashMap<String, AttributeValue>>;

/// What placeholders stand for.
#[derive(Debug, Default)]
pub(super) struct Placeholders {
    names: HashMap<String, String>,
    values: HashMap<String, AttributeValue>,
}

impl Placeholders {
    /// A placeholder for the name of an attribute.
    pub(super) fn name(&mut self, attribute: &str) -> String {
        let known = self.names.iter().find(|(_, own)| *own == attribute);
        if let Some((placeholder, _)) = known {
            return placeholder.clone();
        }
        let placeholder = format!("#n{}", self.names.len());
        self.names.insert(placeholder.clone(), attribute.to_owned());
        placeholder
    }

    /// A placeholder for a value.
    pub(super) fn value(&mut self, value: AttributeValue) -> String {
        let placeholder = format!(":v{}", self.values.len());
        self.values.insert(placeholder.clone(), value);
        placeholder
    }

    pub(super) fn text(&mut self, text: &str) -> String {
        self.value(AttributeValue::S(text.to_owned()))
    }

    /// Names and values, as requests take them.
    pub(super) fn into_parts(self) -> (Names, Values) {
        let names = (!self.names.is_empty()).then_some(self.names);
        let values = (!self.values.is_empty()).then_some(self.values);
        (names, values)
    }

    /// A condition on an attribute that is no key of what is asked.
    ///
    /// # Errors
    ///
    /// [`StoreError::Invalid`] where the table has no such column.
    pub(super) fn condition(
        &mut self,
        table: &Table,
        condition: &Condition,
    ) -> Result<String, StoreError> {
        let kind = value::kind(table, condition.column)?;
        let name = self.name(condition.column);
        Ok(match &condition.test {
            Test::Is(value) => any(&self.is(&name, kind, value)),
            // True of nothing.
            Test::In(values) if values.is_empty() => {
                format!("attribute_exists({name}) AND attribute_not_exists({name})")
            }
            Test::In(values) => {
                let all: Vec<_> =
                    values.iter().flat_map(|value| self.is(&name, kind, value)).collect();
                any(&all)
            }
            // Every text has the empty one in it, and the service is not asked what it thinks of that.
            Test::Contains(part) if part.is_empty() => self.is_of_type(&name, "S"),
            Test::Contains(part) => format!("contains({name}, {})", self.text(part)),
            Test::From(bound) => format!("{name} >= {}", self.bound(kind, bound)),
            Test::Below(bound) => format!("{name} < {}", self.bound(kind, bound)),
            Test::Present => {
                let null = self.is_of_type(&name, "NULL");
                format!("(attribute_exists({name}) AND NOT {null})")
            }
        })
    }

    /// One of these holds where an attribute has a value.
    fn is(&mut self, name: &str, kind: ColumnKind, value: &Value) -> Vec<String> {
        match value {
            // Neither engine writes the type NULL; who does means the same.
            Value::Null => {
                vec![format!("attribute_not_exists({name})"), self.is_of_type(name, "NULL")]
            }
            Value::String(text) if kind == ColumnKind::Time && moment(text).len() == MOMENT => {
                vec![format!("begins_with({name}, {})", self.text(moment(text)))]
            }
            value => vec![format!("{name} = {}", self.value(value::encode(kind, value)))],
        }
    }

    fn is_of_type(&mut self, name: &str, kind: &str) -> String {
        format!("attribute_type({name}, {})", self.text(kind))
    }

    fn bound(&mut self, kind: ColumnKind, bound: &Value) -> String {
        match bound {
            Value::String(text) if kind == ColumnKind::Time => self.text(moment(text)),
            bound => self.value(value::encode(kind, bound)),
        }
    }
}

/// One of several, in parentheses where they are needed: others are refused as redundant.
fn any(alternatives: &[String]) -> String {
    match alternatives {
        [one] => one.clone(),
        several => format!("({})", several.join(" OR ")),
    }
}

/// What of a time says which moment it is. As a bound it is right for all ways to write UTC: they
/// come after it.
pub(super) fn moment(time: &str) -> &str {
    match time.strip_suffix('Z') {
        Some(moment) if moment.len() == MOMENT => moment,
        _ => time,
    }
}
