//! SQL with its values.

use serde_json::Value;
use switchboard_core::Tenant;
use switchboard_core::store::{
    Change, ColumnKind, Condition, Mark, PARTITION, Query, Row, Table, Test,
};

use super::dialect::{Dialect, quoted};
use super::json;

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
        writer.that_fit(tenant, query, segment);
        writer.sql.push_str(" ORDER BY ");
        if let Some(column) = query.order.column {
            let direction = self.dialect.direction(query.order.descends);
            writer.sql.push_str(&format!("{} {direction}, ", quoted(column)));
        }
        let direction = if query.order.descends { "DESC" } else { "ASC" };
        writer.sql.push_str(&format!("{} {direction}", quoted(self.table.key)));
        let (skip, limit) = page;
        writer.sql.push_str(" LIMIT ");
        writer.integer(limit);
        if skip > 0 {
            writer.sql.push_str(" OFFSET ");
            writer.integer(skip);
        }
        writer.returning(self.row_kinds())
    }

    /// Of the rows that have one of `values` in a column of text, the one with the greatest key for
    /// each: one look into the index of the column for each value, where grouping would walk through
    /// all of them.
    pub(crate) fn latest(self, tenant: &Tenant, column: &str, values: &[&str]) -> Statement {
        let mut writer = self.writer();
        writer.select_rows();
        writer.of_tenant(tenant);
        let key = quoted(self.table.key);
        for (number, value) in values.iter().enumerate() {
            let begin = if number == 0 { format!(" AND {key} IN (") } else { ", ".to_owned() };
            writer.sql.push_str(&format!("{begin}(SELECT max({key}) FROM {}", writer.name()));
            writer.of_tenant(tenant);
            writer.sql.push_str(&format!(" AND {} = ", quoted(column)));
            writer.text(value);
            writer.sql.push(')');
        }
        writer.sql.push(')');
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
                self.insert(tenant, row, &self.named(row), |_| " ON CONFLICT DO NOTHING".to_owned())
            }
            Change::Put(row) => {
                let all: Vec<_> =
                    self.table.columns.iter().map(|own| (own.name, own.kind)).collect();
                self.insert(tenant, row, &all, |columns| self.overwriting(columns))
            }
            Change::Merge(row) => {
                self.insert(tenant, row, &self.named(row), |columns| self.overwriting(columns))
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

    fn insert(
        self,
        tenant: &Tenant,
        row: &Row,
        columns: &[(&'static str, ColumnKind)],
        on_conflict: impl Fn(&[(&'static str, ColumnKind)]) -> String,
    ) -> Statement {
        let mut writer = self.writer();
        let names: String = columns.iter().map(|(name, _)| format!(", {}", quoted(name))).collect();
        writer.sql = format!(
            "INSERT INTO {} ({}, {}{names}) VALUES (",
            writer.name(),
            quoted(PARTITION),
            quoted(self.table.key),
        );
        writer.text(tenant.as_str());
        writer.sql.push_str(", ");
        writer.text(&row.key);
        for (name, kind) in columns {
            writer.sql.push_str(", ");
            writer.value(*kind, row.get(name));
        }
        writer.sql.push(')');
        writer.sql.push_str(&on_conflict(columns));
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

    fn row_kinds(self) -> Vec<ColumnKind> {
        let columns = self.table.columns.iter().map(|column| column.kind);
        [ColumnKind::Text].into_iter().chain(columns).collect()
    }

    fn kind(self, column: &str) -> ColumnKind {
        self.table.column(column).map_or(ColumnKind::Text, |column| column.kind)
    }

    fn writer(self) -> Writer<'a> {
        Writer { statements: self, sql: String::new(), values: Vec::new() }
    }
}

/// A statement that is being written.
struct Writer<'a> {
    statements: Statements<'a>,
    sql: String,
    values: Vec<Bound>,
}

impl Writer<'_> {
    fn name(&self) -> String {
        self.statements.dialect.table(self.statements.table.name)
    }

    fn returning(self, returns: Vec<ColumnKind>) -> Statement {
        Statement { sql: self.sql, values: self.values, returns }
    }

    fn select_rows(&mut self) {
        let Statements { dialect, table } = self.statements;
        let columns: String = table
            .columns
            .iter()
            .map(|column| format!(", {}", dialect.selected(column.name, column.kind)))
            .collect();
        self.sql = format!("SELECT {}{columns} FROM {}", quoted(table.key), self.name());
    }

    fn of_tenant(&mut self, tenant: &Tenant) {
        self.sql.push_str(&format!(" WHERE {} = ", quoted(PARTITION)));
        self.text(tenant.as_str());
    }

    fn of_row(&mut self, tenant: &Tenant, key: &str) {
        self.of_tenant(tenant);
        self.sql.push_str(&format!(" AND {} = ", quoted(self.statements.table.key)));
        self.text(key);
    }

    fn that_fit(&mut self, tenant: &Tenant, query: &Query, segment: Segment<'_>) {
        self.of_tenant(tenant);
        for condition in &query.conditions {
            self.sql.push_str(" AND ");
            self.condition(condition);
        }
        self.within(query, segment);
    }

    fn condition(&mut self, Condition { column, test }: &Condition) {
        let kind = self.statements.kind(column);
        let name = quoted(column);
        match test {
            Test::Is(Value::Null) => self.sql.push_str(&format!("{name} IS NULL")),
            Test::Is(value) => self.compared(&name, "=", kind, value),
            Test::In(values) => self.among(&name, kind, values),
            Test::Contains(part) => {
                let number = self.bind(Bound::Text(Some(part.clone())));
                self.sql.push_str(&self.statements.dialect.contains(&name, number));
            }
            Test::From(value) => self.compared(&name, ">=", kind, value),
            Test::Below(value) => self.compared(&name, "<", kind, value),
        }
    }

    fn compared(&mut self, name: &str, sign: &str, kind: ColumnKind, value: &Value) {
        self.sql.push_str(&format!("{name} {sign} "));
        self.value(kind, Some(value));
    }

    fn among(&mut self, name: &str, kind: ColumnKind, values: &[Value]) {
        let mut ways: Vec<String> = Vec::new();
        if values.iter().any(Value::is_null) {
            ways.push(format!("{name} IS NULL"));
        }
        let values: Vec<&Value> = values.iter().filter(|value| !value.is_null()).collect();
        if matches!(kind, ColumnKind::Text | ColumnKind::Time) && !values.is_empty() {
            let texts = values.iter().filter_map(|value| value.as_str()).map(str::to_owned);
            let number = self.bind(Bound::Texts(texts.collect()));
            ways.push(self.statements.dialect.among(name, number));
        } else {
            for value in values {
                let number = self.bind(bound(kind, Some(value)));
                ways.push(format!("{name} = {}", self.statements.dialect.value(number, kind)));
            }
        }
        if ways.is_empty() {
            ways.push("1 = 0".to_owned());
        }
        self.sql.push_str(&format!("({})", ways.join(" OR ")));
    }

    fn within(&mut self, query: &Query, segment: Segment<'_>) {
        let key = quoted(self.statements.table.key);
        let column = query.order.column.map(quoted).unwrap_or_default();
        let beyond = if query.order.descends { "<" } else { ">" };
        match segment {
            Segment::All => {}
            Segment::AllValues => self.sql.push_str(&format!(" AND {column} IS NOT NULL")),
            Segment::AllNulls => self.sql.push_str(&format!(" AND {column} IS NULL")),
            Segment::Keys(after) => {
                self.sql.push_str(&format!(" AND {key} {beyond} "));
                self.text(after);
            }
            Segment::Nulls(after) => {
                self.sql.push_str(&format!(" AND {column} IS NULL AND {key} {beyond} "));
                self.text(after);
            }
            Segment::Values(value, after) => {
                self.sql.push_str(&format!(" AND ({column}, {key}) {beyond} ("));
                let kind = query
                    .order
                    .column
                    .map_or(ColumnKind::Text, |column| self.statements.kind(column));
                self.value(kind, Some(value));
                self.sql.push_str(", ");
                self.text(after);
                self.sql.push(')');
            }
        }
    }

    fn value(&mut self, kind: ColumnKind, value: Option<&Value>) {
        let number = self.bind(bound(kind, value));
        self.sql.push_str(&self.statements.dialect.value(number, kind));
    }

    fn text(&mut self, text: &str) {
        let number = self.bind(Bound::Text(Some(text.to_owned())));
        self.sql.push_str(&format!("${number}"));
    }

    /// More than an `i64` holds is more rows than there can be.
    fn integer(&mut self, value: u64) {
        let number = self.bind(Bound::Integer(Some(i64::try_from(value).unwrap_or(i64::MAX))));
        self.sql.push_str(&format!("${number}"));
    }

    fn bind(&mut self, value: Bound) -> usize {
        self.values.push(value);
        self.values.len()
    }
}

/// A value that was found to fit its kind.
fn bound(kind: ColumnKind, value: Option<&Value>) -> Bound {
    let value = value.filter(|value| !value.is_null());
    match kind {
        ColumnKind::Text | ColumnKind::Time => {
            Bound::Text(value.and_then(Value::as_str).map(str::to_owned))
        }
        ColumnKind::Integer => Bound::Integer(value.and_then(Value::as_i64)),
        ColumnKind::Boolean => Bound::Boolean(value.and_then(Value::as_bool)),
        ColumnKind::Json => Bound::Text(value.map(json::text)),
    }
}
