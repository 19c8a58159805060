//! A statement on its way to being one: its text, and the values in the order in which they are named.

use serde_json::Value;
use switchboard_core::Tenant;
use switchboard_core::store::{ColumnKind, Condition, PARTITION, Query, Test};

use super::dialect::quoted;
use super::json;
use super::paths::Path;
use super::statement::{Bound, Segment, Statement, Statements};

/// A statement that is being written.
pub(super) struct Writer<'a> {
    pub(super) statements: Statements<'a>,
    pub(super) sql: String,
    pub(super) values: Vec<Bound>,
}

impl Writer<'_> {
    pub(super) fn name(&self) -> String {
        self.statements.dialect.table(self.statements.table.name)
    }

    pub(super) fn returning(self, returns: Vec<ColumnKind>) -> Statement {
        Statement { sql: self.sql, values: self.values, returns }
    }

    pub(super) fn select_rows(&mut self) {
        let Statements { dialect, table } = self.statements;
        let columns: String = table
            .columns
            .iter()
            .map(|column| format!(", {}", dialect.selected(column.name, column.kind)))
            .collect();
        self.sql = format!("SELECT {}{columns} FROM {}", quoted(table.key), self.name());
    }

    /// The order of `query`, and the `page`: rows to leave out, and rows to give.
    pub(super) fn in_order(&mut self, query: &Query, page: Option<(u64, u64)>) {
        let Statements { dialect, table } = self.statements;
        self.sql.push_str(" ORDER BY ");
        if let Some(column) = query.order.column {
            let direction = dialect.direction(query.order.descends);
            self.sql.push_str(&format!("{} {direction}, ", quoted(column)));
        }
        let direction = if query.order.descends { "DESC" } else { "ASC" };
        self.sql.push_str(&format!("{} {direction}", quoted(table.key)));
        let Some((skip, limit)) = page else { return };
        self.sql.push_str(" LIMIT ");
        self.integer(limit);
        if skip > 0 {
            self.sql.push_str(" OFFSET ");
            self.integer(skip);
        }
    }

    pub(super) fn of_tenant(&mut self, tenant: &Tenant) {
        self.sql.push_str(&format!(" WHERE {} = ", quoted(PARTITION)));
        self.text(tenant.as_str());
    }

    pub(super) fn of_row(&mut self, tenant: &Tenant, key: &str) {
        self.of_tenant(tenant);
        self.sql.push_str(&format!(" AND {} = ", quoted(self.statements.table.key)));
        self.text(key);
    }

    pub(super) fn that_fit(&mut self, tenant: &Tenant, query: &Query, segment: Segment<'_>) {
        self.of_tenant(tenant);
        let path = Path::of(self.statements.table, query);
        for condition in &query.conditions {
            self.sql.push_str(" AND ");
            self.condition(path, condition);
        }
        if let Some(usual) = path.unusual {
            self.sql.push_str(&format!(" AND {}", usual.excluded()));
        }
        self.within(query, segment);
    }

    fn condition(&mut self, path: Path, condition: &Condition) {
        let kind = self.statements.kind(condition.column);
        let name = quoted(condition.column);
        match &condition.test {
            Test::Is(Value::Null) => self.sql.push_str(&format!("{name} IS NULL")),
            Test::Is(value) => {
                let (before, after) = path.around(self.statements.dialect, condition);
                self.sql.push_str(before);
                self.compared(&name, "=", kind, value);
                self.sql.push_str(after);
            }
            Test::In(values) => self.among(&name, kind, values),
            Test::Contains(part) => {
                let number = self.bind(Bound::Text(Some(part.clone())));
                self.sql.push_str(&self.statements.dialect.contains(&name, number));
            }
            Test::From(value) => self.compared(&name, ">=", kind, value),
            Test::Below(value) => self.compared(&name, "<", kind, value),
            Test::Present => self.sql.push_str(&format!("{name} IS NOT NULL")),
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
                let mut way = format!("{name} = ");
                self.statements.dialect.value(&mut way, number, kind);
                ways.push(way);
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

    pub(super) fn value(&mut self, kind: ColumnKind, value: Option<&Value>) {
        let number = self.bind(bound(kind, value));
        self.statements.dialect.value(&mut self.sql, number, kind);
    }

    pub(super) fn text(&mut self, text: &str) {
        let number = self.bind(Bound::Text(Some(text.to_owned())));
        self.statements.dialect.value(&mut self.sql, number, ColumnKind::Text);
    }

    /// More than an `i64` holds is more rows than there can be.
    pub(super) fn integer(&mut self, value: u64) {
        let number = self.bind(Bound::Integer(Some(i64::try_from(value).unwrap_or(i64::MAX))));
        self.statements.dialect.value(&mut self.sql, number, ColumnKind::Integer);
    }

    pub(super) fn bind(&mut self, value: Bound) -> usize {
        self.values.push(value);
        self.values.len()
    }
}

/// A value that was found to fit its kind.
pub(super) fn bound(kind: ColumnKind, value: Option<&Value>) -> Bound {
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
