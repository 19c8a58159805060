//! What is managed, typed: the same things in GraphQL and in REST.
//!
//! The first four have the names and fields of the engine whose stores are read in place; fields
//! that are ours stand behind them. Every field may be null, as it was there: a row that somebody
//! else wrote may lack any column.

mod bundle;
mod call;
mod document;
mod function;
mod module;
mod setting;

use serde_json::Value;
use switchboard_core::store::Row;

pub(crate) use bundle::{Bundle, BundleVersion, BundleWish, RollbackWish};
pub(crate) use call::{Call, CallWish};
pub(crate) use document::{
    Key, Limit, LimitWish, PolicyDocument, PolicyWish, Server, ServerWish, User, UserWish,
};
pub(crate) use function::{Function, FunctionWish};
pub(crate) use module::{Class, Module, ModuleWish};
pub(crate) use setting::{Setting, SettingWish};

use crate::moment::Moment;
use crate::scalar::JsonCamelCase;

fn text(row: &Row, column: &str) -> Option<String> {
    row.text(column).map(str::to_owned)
}

fn moment(row: &Row, column: &str) -> Option<Moment> {
    Moment::parse(row.text(column)?)
}

fn json(row: &Row, column: &str) -> Option<JsonCamelCase> {
    row.get(column).cloned().map(JsonCamelCase)
}

/// Sets a column where something was said about it.
fn set(row: &mut Row, column: &str, value: Option<impl Into<Value>>) {
    if let Some(value) = value {
        row.columns.insert(column.to_owned(), value.into());
    }
}

impl From<JsonCamelCase> for Value {
    fn from(json: JsonCamelCase) -> Self {
        json.0
    }
}
