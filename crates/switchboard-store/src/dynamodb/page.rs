//! A page out of the rows that come by: in its order, or in another.

use std::cmp::Ordering;

use switchboard_core::store::{Listed, Order, Query, Row};

/// The rows that are wanted out of those that come by: some are left out first, and one more than is
/// asked for tells whether there are more.
#[derive(Debug)]
pub(super) struct Window {
    skip: u64,
    wanted: u64,
    pub(super) passed: u64,
    rows: Vec<Row>,
}

impl Window {
    pub(super) fn of(query: &Query) -> Self {
        let wanted = query.skip.saturating_add(query.limit.into()).saturating_add(1);
        Self { skip: query.skip, wanted, passed: 0, rows: Vec::new() }
    }

    /// One row, and not whether there are more.
    pub(super) fn one() -> Self {
        Self { skip: 0, wanted: 1, passed: 0, rows: Vec::new() }
    }

    /// Counts, and keeps nothing.
    pub(super) fn counting() -> Self {
        Self { skip: u64::MAX, wanted: u64::MAX, passed: 0, rows: Vec::new() }
    }

    pub(super) fn add(&mut self, row: Row) {
        self.passed += 1;
        if self.passed > self.skip {
            self.rows.push(row);
        }
    }

    /// How many more are wanted.
    pub(super) fn room(&self) -> u64 {
        self.wanted - self.passed
    }

    pub(super) fn into_page(mut self, query: &Query, total: Option<u64>) -> Listed {
        let limit = query.limit as usize;
        let has_more = self.rows.len() > limit;
        self.rows.truncate(limit);
        Listed { rows: self.rows, has_more, total }
    }
}

/// The first rows of an order, out of any number that come in another.
pub(super) struct Sorted<'a> {
    query: &'a Query,
    wanted: usize,
    rows: Vec<Row>,
    total: u64,
}

impl<'a> Sorted<'a> {
    pub(super) fn new(query: &'a Query) -> Self {
        let wanted = usize::try_from(Window::of(query).wanted).unwrap_or(usize::MAX);
        Self { query, wanted, rows: Vec::new(), total: 0 }
    }

    pub(super) fn add(&mut self, row: Row) {
        self.total += 1;
        let order = self.query.order;
        let is_after = self.query.after.as_ref().is_none_or(|mark| {
            let own = (value_in(&row, order), &*row.key);
            let mark = (mark.value.as_str().filter(|_| order.column.is_some()), &*mark.key);
            in_order(own, mark, order).is_gt()
        });
        if !is_after {
            return;
        }
        self.rows.push(row);
        // Now and then, so that each row costs little.
        if self.rows.len() >= self.wanted.saturating_mul(2).saturating_add(1_000) {
            self.sort();
        }
    }

    fn sort(&mut self) {
        let order = self.query.order;
        self.rows.sort_unstable_by(|one, other| {
            in_order((value_in(one, order), &one.key), (value_in(other, order), &other.key), order)
        });
        self.rows.truncate(self.wanted);
    }

    pub(super) fn into_page(mut self) -> Listed {
        self.sort();
        let mut window = Window::of(self.query);
        self.rows.into_iter().for_each(|row| window.add(row));
        window.into_page(self.query, self.query.counts.then_some(self.total))
    }
}

fn value_in(row: &Row, order: Order) -> Option<&str> {
    row.text(order.column?)
}

/// What has no value comes first, as it does where an index gives the order.
fn in_order(one: (Option<&str>, &str), other: (Option<&str>, &str), order: Order) -> Ordering {
    let ascending = one.cmp(&other);
    if order.descends { ascending.reverse() } else { ascending }
}
