//! Connections as Relay has them, forwards only: the stores read in one direction.

use async_graphql::connection::{Connection as Relay, CursorType as _, Edge, EmptyFields};
use async_graphql::{Context, OutputType, SimpleObject};
use switchboard_core::store::{Listed, Row};

use crate::fault::Fault;
use crate::page::{After, Cursor, limit};

pub(super) type Connection<T> = Relay<Cursor, T, Total, EmptyFields>;

#[derive(SimpleObject)]
#[graphql(name = "ConnectionTotal")]
pub(super) struct Total {
    /// All of them, of which this is a page. Counted where it is asked for.
    total_count: Option<u64>,
}

/// What a client says about the page that it wants.
pub(super) fn after(
    context: &Context<'_>,
    first: Option<i32>,
    after: Option<&str>,
) -> Result<After, Fault> {
    let counts = context.look_ahead().field("totalCount").exists();
    Ok(After { cursor: cursor(after)?, size: first, counts })
}

pub(super) fn cursor(after: Option<&str>) -> Result<Option<Cursor>, Fault> {
    after.map(Cursor::decode_cursor).transpose()
}

/// A page of rows.
pub(super) fn of_rows<T: OutputType>(
    listed: &Listed,
    is_first: bool,
    node: impl Fn(&Row) -> T,
) -> Connection<T> {
    let total = Total { total_count: listed.total };
    let mut connection = Relay::with_additional_fields(!is_first, listed.has_more, total);
    let edge = |row: &Row| Edge::new(Cursor(row.key.clone()), node(row));
    connection.edges.extend(listed.rows.iter().map(edge));
    connection
}

/// A page of what is in memory already.
pub(super) fn of_all<T: OutputType>(
    mut all: Vec<(String, T)>,
    first: Option<i32>,
    after: Option<&str>,
) -> Result<Connection<T>, Fault> {
    let limit = usize::try_from(limit(first)?).unwrap_or_default();
    let after = cursor(after)?;
    all.sort_by(|one, other| one.0.cmp(&other.0));
    let total = Total { total_count: u64::try_from(all.len()).ok() };
    let begin = after.as_ref().map_or(0, |after| all.partition_point(|(key, _)| *key <= after.0));
    let has_more = begin + limit < all.len();
    let mut connection = Relay::with_additional_fields(after.is_some(), has_more, total);
    let page = all.into_iter().skip(begin).take(limit);
    connection.edges.extend(page.map(|(key, node)| Edge::new(Cursor(key), node)));
    Ok(connection)
}

/// A page that was cut already.
pub(super) fn of_page<T: OutputType>(
    page: Vec<(String, T)>,
    is_first: bool,
    has_more: bool,
) -> Connection<T> {
    let total = Total { total_count: None };
    let mut connection = Relay::with_additional_fields(!is_first, has_more, total);
    connection.edges.extend(page.into_iter().map(|(key, node)| Edge::new(Cursor(key), node)));
    connection
}
