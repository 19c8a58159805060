//! SQL with its values.

use serde_json::Value;
use switchboard_core::Tenant;
use switchboard_core::store::{Change, ColumnKind, Mark, PARTITION, Query, Row, Table};

use super::dialect::{Dialect, quoted};
use super::paths::finds_keys_first;
use super::writer::Writer;

/// One statement, and what comes back of it.
#[derive(Debug)]
pub(crate) struct Statement {
    pub(crate) sql: String,
    pub(crate) values: Vec<Bound>,
    /// The kinds of the columns that it returns.
    pub(crate) returns: Vec<ColumnKind>,
}

/// A value on its way into the database. Null has a kind too, which PostgreSQL wants to know.
#[derive(Debug)]
pub(crate) enum Bound {
    Text(Option<String>),
    Integer(Option<i64>),
    Boolean(Option<bool>),
    Texts(Vec<String>),
}

/// A part of an order in which the rows after a mark lie side by side in an index.
///
/// Null is below every value, but no comparison of SQL says so: what comes after a mark may be two
/// parts, and one condition with OR over both would be a walk through all that lies before them.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Segment<'a> {
    All,
    /// After this value and key, among the values.
    Values(&'a Value, &'a str),
    /// After this key, among the nulls.
    Nulls(&'a str),
    AllValues,
    AllNulls,
    /// After this key, in the order of the keys.
    Keys(&'a str),
}

/// The parts of `query`'s order that its rows are in, one after the other.
pub(crate) fn segments(query: &Query) -> Vec<Segment<'_>> {
    let Some(Mark { value, key }) = &query.after else { return vec![Segment::All] };
    match (query.order.column, query.order.descends, value) {
        (None, _, _) => vec![Segment::Keys(key)],
        (Some(_), false, Value::Null) => vec![Segment::Nulls(key), Segment::AllValues],
        (Some(_), true, Value::Null) => vec![Segment::Nulls(key)],
        (Some(_), false, value) => vec![Segment::Values(value, key)],
        (Some(_), true, value) => vec![Segment::Values(value, key), Segment::AllNulls],
    }
}

/// The statements about one table.
#[derive(Clone, Copy)]
pub(crate) struct Statements<'a> {
    pub(crate) dialect: &'a Dialect,
    pub(crate) table: &'static Table,
}

impl<'a> Statements<'a> {
    pub(crate) fn read(self, tenant: &Tenant, keys: &[&str]) -> Statement {
        let mut writer = self.writer();
        writer.select_rows();
        writer.of_tenant(tenant);
        writer.sql.push_str(" AND ");
        let keys = keys.iter().map(|key| (*key).to_owned()).collect();
        let number = writer.bind(Bound::Texts(keys));
        writer.sql.push_str(&self.dialect.among(&quoted(self.table.key), number));
        writer.returning(self.row_kinds())
    }

    /// The rows of a segment, without the first `page.0`, at most `page.1` of them.
    pub(crate) fn list(
        self,
        tenant: &Tenant,
        query: &Query,
        segment: Segment<'_>,
        page: (u64, u64),
    ) -> Statement {
        let mut writer = self.writer();
        writer.select_rows();
        if finds_keys_first(self.table, query) {
            let key = quoted(self.table.key);
            writer.of_tenant(tenant);
            let table = writer.name();
            writer.sql.push_str(&format!(" AND {key} IN (SELECT {key} FROM {table}"));
            writer.that_fit(tenant, query, segment);
            writer.in_order(query, Some(page));
            writer.sql.push(')');
            writer.in_order(query, None);
        } else {
            writer.that_fit(tenant, query, segment);
            writer.in_order(query, Some(page));
        }
        writer.returning(self.row_kinds())
    }

    /// Of the rows that have one of `values` in a column of text, the one with the greatest `by` for
    /// each: one look into the index of both for each value, where grouping would walk through all of
    /// them. However many values, it is one statement to prepare.
    pub(crate) fn latest(
        self,
        tenant: &Tenant,
        column: &str,
        values: &[&str],
        by: &str,
    ) -> Statement {
        let mut writer = self.writer();
        writer.select_rows();
        writer.of_tenant(tenant);
        let (key, table) = (quoted(self.table.key), writer.name());
        let (own, by, down) = (quoted(column), quoted(by), self.dialect.direction(true));
        writer.sql.push_str(&format!(" AND {key} IN (SELECT (SELECT {key} FROM {table}"));
        writer.of_tenant(tenant);
        writer.sql.push_str(&format!(
            " AND {own} = each_one.value AND {by} IS NOT NULL \
             ORDER BY {by} {down}, {key} DESC LIMIT 1) FROM "
        ));
        let values = values.iter().map(|value| (*value).to_owned()).collect();
        let number = writer.bind(Bound::Texts(values));
        writer.sql.push_str(&self.dialect.each(number));
        writer.sql.push_str(" AS each_one)");
        writer.returning(self.row_kinds())
    }

    /// How many meet the conditions of `query`: all, or those in one segment of its order.
    pub(crate) fn count(
        self,
        tenant: &Tenant,
        query: &Query,
        segment: Option<Segment<'_>>,
    ) -> Statement {
        let mut writer = self.writer();
        writer.sql = format!("SELECT count(*) FROM {}", writer.name());
        writer.that_fit(tenant, query, segment.unwrap_or(Segment::All));
        writer.returning(vec![ColumnKind::Integer])
    }

    pub(crate) fn change(self, tenant: &Tenant, change: &Change) -> Statement {
        match change {
            Change::Insert(row) => {
                let columns = self.named(row);
                self.insert(tenant, &[row], &columns, " ON CONFLICT DO NOTHING")
            }
            Change::Put(row) => {
                let columns = self.all_columns();
                self.insert(tenant, &[row], &columns, &self.overwriting(&columns))
            }
            Change::Merge(row) => {
                let columns = self.named(row);
                self.insert(tenant, &[row], &columns, &self.overwriting(&columns))
            }
            Change::Update(row) => self.update(tenant, row, None),
            Change::Replace { row, column, was } => self.update(tenant, row, Some((column, was))),
            Change::Delete(key) => {
                let mut writer = self.writer();
                writer.sql = format!("DELETE FROM {}", writer.name());
                writer.of_row(tenant, key);
                writer.returning(Vec::new())
            }
        }
    }

    pub(crate) fn add(self, tenant: &Tenant, key: &str, column: &str, by: i64) -> Statement {
        let mut writer = self.writer();
        let own = quoted(column);
        writer.sql = format!(
            "INSERT INTO {} AS own ({}, {}, {own}) VALUES ($1, $2, $3) \
             ON CONFLICT ({}, {}) DO UPDATE SET {own} = COALESCE(own.{own}, 0) + excluded.{own} \
             RETURNING {own}",
            writer.name(),
            quoted(PARTITION),
            quoted(self.table.key),
            quoted(PARTITION),
            quoted(self.table.key),
        );
        writer.bind(Bound::Text(Some(tenant.as_str().to_owned())));
        writer.bind(Bound::Text(Some(key.to_owned())));
        writer.bind(Bound::Integer(Some(by)));
        writer.returning(vec![ColumnKind::Integer])
    }

    /// Goes from tenant to tenant, so that the index of a column is of use, which begins with the
    /// tenant.
    pub(crate) fn sweep(self, column: &str, bound: &Value, limit: u32) -> Statement {
        let mut writer = self.writer();
        let (table, partition, key) = (writer.name(), quoted(PARTITION), quoted(self.table.key));
        writer.sql = format!(
            "WITH RECURSIVE {} DELETE FROM {table} WHERE ({partition}, {key}) IN \
             (SELECT swept.{partition}, swept.{key} FROM tenants \
             CROSS JOIN {table} AS swept WHERE swept.{partition} = tenants.tenant AND swept.{} < ",
            self.each_tenant(),
            quoted(column),
        );
        let kind = self.kind(column);
        writer.value(kind, Some(bound));
        writer.sql.push_str(" LIMIT ");
        writer.integer(u64::from(limit));
        writer.sql.push(')');
        writer.returning(Vec::new())
    }

    /// Deletes rows of one tenant that meet all conditions of `query`, as many as it asks for.
    pub(crate) fn prune(self, tenant: &Tenant, query: &Query) -> Statement {
        let mut writer = self.writer();
        let (table, key) = (writer.name(), quoted(self.table.key));
        writer.sql = format!("DELETE FROM {table}");
        writer.of_tenant(tenant);
        writer.sql.push_str(&format!(" AND {key} IN (SELECT {key} FROM {table}"));
        writer.that_fit(tenant, query, Segment::All);
        writer.sql.push_str(" LIMIT ");
        writer.integer(u64::from(query.limit));
        writer.sql.push(')');
        writer.returning(Vec::new())
    }

    pub(crate) fn tenants(self) -> Statement {
        let mut writer = self.writer();
        writer.sql = format!(
            "WITH RECURSIVE {} SELECT tenant FROM tenants WHERE tenant IS NOT NULL",
            self.each_tenant()
        );
        writer.returning(vec![ColumnKind::Text])
    }

    /// Every tenant that has rows, by one look into the primary key for each: `SELECT DISTINCT`
    /// would walk through all rows.
    fn each_tenant(self) -> String {
        let (table, partition) = (self.dialect.table(self.table.name), quoted(PARTITION));
        format!(
            "tenants(tenant) AS (SELECT min({partition}) FROM {table} UNION ALL \
             SELECT (SELECT min({partition}) FROM {table} WHERE {partition} > tenant) \
             FROM tenants WHERE tenant IS NOT NULL)"
        )
    }

    /// Inserts rows, or puts them, by one statement. Rows that are to be inserted and are there
    /// already are not touched, and not counted.
    pub(crate) fn rows(self, tenant: &Tenant, rows: &[&Row], overwrites: bool) -> Statement {
        let columns = self.all_columns();
        let on_conflict = match overwrites {
            true => self.overwriting(&columns),
            false => " ON CONFLICT DO NOTHING".to_owned(),
        };
        self.insert(tenant, rows, &columns, &on_conflict)
    }

    fn insert(
        self,
        tenant: &Tenant,
        rows: &[&Row],
        columns: &[(&'static str, ColumnKind)],
        on_conflict: &str,
    ) -> Statement {
        let mut writer = self.writer();
        let names: String = columns.iter().map(|(name, _)| format!(", {}", quoted(name))).collect();
        writer.sql = format!(
            "INSERT INTO {} ({}, {}{names}) VALUES ",
            writer.name(),
            quoted(PARTITION),
            quoted(self.table.key),
        );
        for (number, row) in rows.iter().enumerate() {
            writer.sql.push_str(if number == 0 { "(" } else { ", (" });
            writer.text(tenant.as_str());
            writer.sql.push_str(", ");
            writer.text(&row.key);
            for (name, kind) in columns {
                writer.sql.push_str(", ");
                writer.value(*kind, row.get(name));
            }
            writer.sql.push(')');
        }
        writer.sql.push_str(on_conflict);
        writer.returning(Vec::new())
    }

    fn overwriting(self, columns: &[(&'static str, ColumnKind)]) -> String {
        if columns.is_empty() {
            return " ON CONFLICT DO NOTHING".to_owned();
        }
        let set: Vec<_> =
            columns.iter().map(|(name, _)| format!("{0} = excluded.{0}", quoted(name))).collect();
        let (partition, key) = (quoted(PARTITION), quoted(self.table.key));
        format!(" ON CONFLICT ({partition}, {key}) DO UPDATE SET {}", set.join(", "))
    }

    fn update(self, tenant: &Tenant, row: &Row, was: Option<(&str, &Value)>) -> Statement {
        let mut writer = self.writer();
        writer.sql = format!("UPDATE {} SET ", writer.name());
        let columns = self.named(row);
        for (number, (name, kind)) in columns.iter().enumerate() {
            writer.sql.push_str(if number == 0 { "" } else { ", " });
            writer.sql.push_str(&format!("{} = ", quoted(name)));
            writer.value(*kind, row.get(name));
        }
        if columns.is_empty() {
            // Nothing changes, but whether the row is there has to be found out.
            writer.sql.push_str(&format!("{0} = {0}", quoted(self.table.key)));
        }
        writer.of_row(tenant, &row.key);
        if let Some((column, was)) = was {
            writer.sql.push_str(&format!(" AND {} IS NOT DISTINCT FROM ", quoted(column)));
            writer.value(self.kind(column), Some(was));
        }
        writer.returning(Vec::new())
    }

    /// The columns that a row names, null ones included, in the order of the description: rows that
    /// name the same columns are the same statement.
    fn named(self, row: &Row) -> Vec<(&'static str, ColumnKind)> {
        let named = self.table.columns.iter().filter(|own| row.columns.contains_key(own.name));
        named.map(|own| (own.name, own.kind)).collect()
    }

    fn all_columns(self) -> Vec<(&'static str, ColumnKind)> {
        self.table.columns.iter().map(|own| (own.name, own.kind)).collect()
    }

    fn row_kinds(self) -> Vec<ColumnKind> {
        let columns = self.table.columns.iter().map(|column| column.kind);
        [ColumnKind::Text].into_iter().chain(columns).collect()
    }

    pub(super) fn kind(self, column: &str) -> ColumnKind {
        self.table.column(column).map_or(ColumnKind::Text, |column| column.kind)
    }

    fn writer(self) -> Writer<'a> {
        Writer { statements: self, sql: String::new(), values: Vec::new() }
    }
}
