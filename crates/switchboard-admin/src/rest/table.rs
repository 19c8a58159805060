//! The routes.

mod bundles;
mod documents;
mod rows;

use switchboard_core::store::{Listed, Row};

use crate::rest::route::{Answer, Page, Route};

/// All of them; what is more particular stands before what is less.
pub(super) fn routes() -> Vec<Route> {
    let mut routes = rows::routes();
    routes.extend(documents::routes());
    routes.extend(bundles::routes());
    routes
}

/// A body that says nothing.
#[derive(serde::Deserialize, schemars::JsonSchema)]
#[serde(deny_unknown_fields)]
struct Nothing {}

/// A document with its version.
fn versioned<T>(value: T, version: impl Fn(&T) -> i64) -> Answer<T> {
    Answer { version: Some(version(&value)), ..Answer::of(value) }
}

/// A page of rows as a list.
fn page<T>(listed: &Listed, item: impl Fn(&Row) -> T) -> Answer<Page<T>> {
    use async_graphql::connection::CursorType as _;
    let last = listed.rows.last().filter(|_| listed.has_more);
    let next = last.map(|row| crate::page::Cursor(row.key.clone()).encode_cursor());
    Answer::of(Page { items: listed.rows.iter().map(item).collect(), next })
}

/// What has to be there.
fn found<T>(value: Option<T>, what: &'static str, key: &str) -> Result<T, crate::fault::Fault> {
    value.ok_or_else(|| crate::fault::Fault::NotFound { what, key: key.to_owned() })
}
