//! Where SQLite and PostgreSQL do not say the same.

use std::fmt::Write as _;

use switchboard_core::store::{ColumnKind, Table};

/// Which database is spoken to.
#[derive(Clone, Debug)]
pub(crate) enum Dialect {
    Sqlite,
    /// The tables are in the schema of this name.
    Postgres {
        schema: String,
    },
}

impl Dialect {
    pub(crate) fn table(&self, name: &str) -> String {
        match self {
            Self::Sqlite => quoted(name),
            Self::Postgres { schema } => format!("{}.{}", quoted(schema), quoted(name)),
        }
    }

    /// The type of a column. Texts are compared byte by byte, whatever language the database is
    /// set up for: that is the order of the other kinds of store, and one that no update of a
    /// system library changes under an index.
    pub(crate) fn column_type(&self, kind: ColumnKind) -> &'static str {
        match (self, kind) {
            (Self::Sqlite, ColumnKind::Text | ColumnKind::Time | ColumnKind::Json) => "TEXT",
            (Self::Sqlite, ColumnKind::Integer | ColumnKind::Boolean) => "INTEGER",
            (Self::Postgres { .. }, ColumnKind::Text | ColumnKind::Time) => "text COLLATE \"C\"",
            (Self::Postgres { .. }, ColumnKind::Integer) => "bigint",
            (Self::Postgres { .. }, ColumnKind::Boolean) => "boolean",
            (Self::Postgres { .. }, ColumnKind::Json) => "jsonb",
        }
    }

    /// What stands behind the columns of a table. STRICT: SQLite otherwise keeps a text in a column
    /// of numbers without a word.
    pub(crate) fn table_options(&self) -> &'static str {
        match self {
            Self::Sqlite => " STRICT",
            Self::Postgres { .. } => "",
        }
    }

    /// Names the value bound as `number`, as a column of `kind` takes it. JSON is bound as text.
    ///
    /// SQLite's are named in the order in which they are bound: it looks numbers up one by one, which
    /// for the thousand values of many rows takes longer than writing them.
    pub(crate) fn value(&self, sql: &mut String, number: usize, kind: ColumnKind) {
        // Writing to a text does not fail.
        let _ = match (self, kind) {
            (Self::Sqlite, _) => sql.write_char('?'),
            (Self::Postgres { .. }, ColumnKind::Json) => write!(sql, "${number}::text::jsonb"),
            (Self::Postgres { .. }, _) => write!(sql, "${number}"),
        };
    }

    /// A column as it is read.
    pub(crate) fn selected(&self, column: &str, kind: ColumnKind) -> String {
        match (self, kind) {
            (Self::Postgres { .. }, ColumnKind::Json) => format!("{}::text", quoted(column)),
            _ => quoted(column),
        }
    }

    /// Whether a column is among the texts bound as `number`: one value however many they are, so
    /// that it is one statement to prepare.
    pub(crate) fn among(&self, column: &str, number: usize) -> String {
        match self {
            Self::Sqlite => format!("{column} IN (SELECT value FROM json_each(?))"),
            Self::Postgres { .. } => format!("{column} = ANY(${number})"),
        }
    }

    /// The texts bound as `number`, each a row of one column, `value`.
    pub(crate) fn each(&self, number: usize) -> String {
        match self {
            Self::Sqlite => "json_each(?)".to_owned(),
            Self::Postgres { .. } => format!("(SELECT unnest(${number}) AS value)"),
        }
    }

    /// Whether a column contains the text bound as `number`. Not LIKE, which has signs of its own
    /// and in SQLite no eye for case.
    pub(crate) fn contains(&self, column: &str, number: usize) -> String {
        match self {
            Self::Sqlite => format!("instr({column}, ?) > 0"),
            Self::Postgres { .. } => format!("strpos({column}, ${number}) > 0"),
        }
    }

    /// The direction of a column that may be null: null is below everything.
    pub(crate) fn direction(&self, descends: bool) -> &'static str {
        match (self, descends) {
            (Self::Sqlite, false) => "ASC",
            (Self::Sqlite, true) => "DESC",
            (Self::Postgres { .. }, false) => "ASC NULLS FIRST",
            (Self::Postgres { .. }, true) => "DESC NULLS LAST",
        }
    }

    /// The statement that makes an index, where there is none yet. Its columns lie between the
    /// tenant and the key, so that a page in its order is one walk along it, wherever it begins.
    /// `only` is what holds of the rows in it, where not all are.
    pub(crate) fn index(
        &self,
        table: &Table,
        partition: &str,
        columns: &[&str],
        only: Option<&str>,
    ) -> String {
        let name = format!("{}_{}", table.name, columns.join("_"));
        let columns: String = columns
            .iter()
            .map(|column| format!("{} {}, ", quoted(column), self.direction(false)))
            .collect();
        let mut create = format!(
            "CREATE INDEX IF NOT EXISTS {} ON {} ({}, {columns}{})",
            quoted(&name),
            self.table(table.name),
            quoted(partition),
            quoted(table.key)
        );
        if let Some(only) = only {
            create.push_str(&format!(" WHERE {only}"));
        }
        create
    }
}

/// An identifier. Those of descriptions are of lower case letters and `_`; the quotes keep them from
/// being words of SQL.
pub(crate) fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
