//! Columns without borders.

use comfy_table::{ColumnConstraint, ContentArrangement, Row, TableStyle};

use super::{STRONG, paint};

/// Rows under a heading; the last column gives way where the terminal is too narrow.
pub(crate) struct Table(comfy_table::Table);

/// A last column narrower than this tells nothing; then lines may be longer than the terminal.
const LAST_COLUMN_MIN: u16 = 16;

impl Table {
    pub(crate) fn new(heading: &[&str]) -> Self {
        let mut table = comfy_table::Table::new();
        table.load_style(TableStyle::new());
        table.set_header(heading);
        Self(table)
    }

    pub(crate) fn row(&mut self, cells: impl IntoIterator<Item = impl ToString>) {
        let cells: Vec<String> = cells.into_iter().map(|cell| cell.to_string()).collect();
        let mut row = Row::from(cells);
        row.max_height(1);
        self.0.add_row(row);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The table as text; `width` is that of the terminal, if there is one.
    pub(crate) fn render(mut self, width: Option<u16>) -> String {
        let contents = self.0.column_max_content_widths();
        for column in self.0.column_iter_mut() {
            column.set_padding((0, 2));
        }
        let others: u16 = contents.iter().rev().skip(1).map(|content| content + 2).sum();
        match width.filter(|width| *width > others + LAST_COLUMN_MIN) {
            Some(width) => {
                let last = contents.len() - 1;
                for column in self.0.column_iter_mut().take(last) {
                    column.set_constraint(ColumnConstraint::ContentWidth);
                }
                self.0.set_truncation_indicator("…");
                self.0.set_content_arrangement(ContentArrangement::Dynamic).set_width(width);
            }
            None => {
                self.0.set_content_arrangement(ContentArrangement::Disabled);
            }
        }
        let text = self.0.trim_fmt();
        match text.split_once('\n') {
            Some((heading, rows)) => format!("{}\n{rows}", paint(STRONG, heading)),
            None => paint(STRONG, &text),
        }
    }
}
