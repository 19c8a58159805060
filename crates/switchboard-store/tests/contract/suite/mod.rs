//! The cases, and what runs them.

mod changes;
mod listing;
mod numbers;
mod older;
mod reading;
mod sharing;
mod tenancy;
mod tests;
mod values;

use std::any::Any;
use std::fmt::Write as _;
use std::io::Write as _;
use std::panic::AssertUnwindSafe;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::{BoxFuture, FutureExt as _};
use futures_util::stream::{self, StreamExt as _};
use switchboard_core::Tenant;
use switchboard_core::store::{Order, Query, Row, Store, StoreError, Table};

/// A kind of store, as the suite needs it.
#[async_trait]
pub(crate) trait Backend: Send + Sync {
    /// What stands before the names of its tests.
    fn name(&self) -> &'static str;

    /// Opens the data of that name: empty the first time, and the same data the second time. Names
    /// are of lower case letters and `_`.
    async fn open(&self, data: &str) -> Arc<dyn Store>;

    /// Removes the data, once nobody has it open.
    async fn remove(&self, data: &str);
}

/// What a case gets: data of its own on one kind of store.
#[derive(Clone)]
pub(crate) struct Data<'a> {
    backend: &'a dyn Backend,
    name: String,
}

impl Data<'_> {
    /// Opens it; a second time, it is a second store on the same data.
    pub(crate) async fn open(&self) -> Arc<dyn Store> {
        self.backend.open(&self.name).await
    }
}

type Case = for<'a> fn(Data<'a>) -> BoxFuture<'a, ()>;

/// `cases![module::name, …]`: the names of the cases and what they do.
macro_rules! cases {
    ($($module:ident::$name:ident),+ $(,)?) => {
        &[$((stringify!($name), |data| Box::pin($module::$name(data)))),+]
    };
}

/// Every case. A new one is a row.
const CASES: &[(&str, Case)] = cases![
    reading::rows_come_in_the_order_of_the_keys,
    reading::hundreds_of_keys_are_read_at_once,
    reading::what_could_be_no_key_is_not_there,
    reading::the_latest_of_each_is_read_at_once,
    changes::an_insert_makes_a_row_once,
    changes::a_put_replaces_the_whole_row,
    changes::a_merge_leaves_the_other_columns,
    changes::an_update_needs_the_row,
    changes::a_replace_needs_the_value,
    changes::a_replace_of_null_needs_null,
    changes::a_delete_needs_the_row,
    changes::a_key_is_changed_twice_in_order,
    changes::all_of_a_hundred_or_none,
    changes::more_than_a_hundred_are_all_carried_out,
    changes::no_changes_are_fine,
    values::every_column_of_every_table_is_kept,
    values::json_is_kept,
    values::special_characters_are_kept_in_keys_and_texts,
    values::a_nul_is_refused,
    values::a_huge_text_is_kept,
    values::keys_and_columns_that_are_none_are_refused,
    values::what_does_not_fit_is_refused,
    values::what_is_too_long_or_too_deep_is_refused,
    listing::the_order_of_keys_is_that_of_their_bytes,
    listing::every_index_orders_both_ways,
    listing::a_walk_in_pages_loses_nothing,
    listing::a_walk_over_equal_values_loses_nothing,
    listing::a_walk_over_nulls_loses_nothing,
    listing::a_walk_under_conditions_loses_nothing,
    listing::a_walk_goes_on_where_its_row_is_gone,
    listing::rows_are_skipped_and_counted,
    listing::skipping_goes_on_after_a_mark,
    listing::a_page_says_whether_there_are_more,
    listing::only_indexes_give_an_order,
    tests::is_finds_equal_values_and_nulls,
    tests::in_finds_any_of_several,
    tests::contains_finds_a_part_in_the_same_case,
    tests::from_and_below_are_bounds,
    tests::conditions_on_the_key,
    tests::all_conditions_have_to_hold,
    tests::conditions_take_special_characters_as_they_are,
    tests::conditions_that_make_no_sense_are_refused,
    numbers::add_makes_the_row_and_counts,
    numbers::fifty_that_add_at_once_all_count,
    numbers::add_leaves_the_other_columns,
    numbers::only_one_of_many_inserts_wins,
    numbers::only_one_of_many_replacements_wins,
    sharing::a_sweep_deletes_what_is_below,
    sharing::a_sweep_goes_by_anything_that_has_an_order,
    sharing::a_sweep_has_a_limit,
    sharing::what_is_pruned_is_of_one_tenant_and_meets_all_conditions,
    sharing::tenants_are_those_with_rows,
    sharing::two_stores_see_each_other,
    older::records_of_the_older_engine_stay,
    older::records_of_the_older_engine_are_listed_after_ours,
    older::more_than_is_kept_is_counted_of_ours,
    tenancy::reading_stays_within_a_tenant,
    tenancy::listing_stays_within_a_tenant,
    tenancy::what_is_another_tenants_is_not_there_to_be_changed,
    tenancy::changes_stay_within_a_tenant,
    tenancy::adding_stays_within_a_tenant,
    tenancy::tables_are_apart,
];

/// Tests wait for the disk and the network more than they compute.
const AT_ONCE: usize = 4;

/// A case that takes so long hangs.
const LIMIT: Duration = Duration::from_secs(120);

/// Runs every case on every kind of store; says how each went, and how many it were.
pub(crate) fn run(backends: &[Box<dyn Backend>]) -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<_> = arguments.iter().filter(|word| !word.starts_with("--")).collect();
    let wanted = |name: &str| words.is_empty() || words.iter().any(|word| name.contains(*word));
    let all = backends.iter().flat_map(|backend| CASES.iter().map(move |case| (backend, case)));
    let chosen: Vec<_> =
        all.filter(|(backend, (name, _))| wanted(&format!("{}::{name}", backend.name()))).collect();
    if arguments.iter().any(|argument| argument == "--list") {
        for (backend, (name, _)) in &chosen {
            say(&format!("{}::{name}: test", backend.name()));
        }
        return ExitCode::SUCCESS;
    }
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let outcomes: Vec<_> = runtime.block_on(
        stream::iter(chosen)
            .map(|(backend, (name, case))| run_one(&**backend, name, *case))
            .buffer_unordered(AT_ONCE)
            .collect(),
    );
    let mut summary = String::new();
    for backend in backends {
        let own = || outcomes.iter().filter(|(name, _)| *name == backend.name());
        let passed = own().filter(|(_, passed)| *passed).count();
        let failed = own().count() - passed;
        writeln!(summary, "{}: {passed} passed, {failed} failed", backend.name()).unwrap();
    }
    say(&format!("\n{summary}"));
    if outcomes.iter().all(|(_, passed)| *passed) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

async fn run_one(backend: &dyn Backend, name: &str, case: Case) -> (&'static str, bool) {
    let data = Data { backend, name: name.to_owned() };
    let case = tokio::time::timeout(LIMIT, case(data));
    let outcome = match AssertUnwindSafe(case).catch_unwind().await {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_)) => Err(format!("still not done after {LIMIT:?}")),
        Err(panic) => Err(message(&*panic).to_owned()),
    };
    let removed = AssertUnwindSafe(backend.remove(name)).catch_unwind().await;
    let outcome =
        outcome.and(removed.map_err(|panic| format!("cannot be removed: {}", message(&*panic))));
    match &outcome {
        Ok(()) => say(&format!("test {}::{name} ... ok", backend.name())),
        Err(why) => say(&format!("test {}::{name} ... FAILED: {why}", backend.name())),
    }
    (backend.name(), outcome.is_ok())
}

fn message(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<String>()
        .map(String::as_str)
        .or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("it panicked")
}

fn say(line: &str) {
    // Nobody reads: nobody is to be told.
    let _ = writeln!(std::io::stdout(), "{line}");
}

// What the cases have in common.

fn acme() -> Tenant {
    Tenant::new("acme", None).unwrap()
}

/// All rows that `query` gives, page by page.
async fn walk(
    store: &dyn Store,
    table: &'static Table,
    tenant: &Tenant,
    mut query: Query,
) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    loop {
        let page = store.list(table, tenant, &query).await.unwrap();
        assert!(page.rows.len() <= query.limit as usize, "a page has at most its limit");
        query.after = page.rows.last().map(|row| mark(row, query.order));
        rows.extend(page.rows);
        assert!(rows.len() <= 100_000, "the walk goes in circles");
        if !page.has_more {
            return rows;
        }
    }
}

fn mark(row: &Row, order: Order) -> switchboard_core::store::Mark {
    let value = order.column.and_then(|column| row.get(column)).cloned().unwrap_or_default();
    switchboard_core::store::Mark { value, key: row.key.clone() }
}

/// The keys that `query` gives in one page.
async fn keys(
    store: &dyn Store,
    table: &'static Table,
    tenant: &Tenant,
    query: Query,
) -> Vec<String> {
    let listed = store.list(table, tenant, &query).await.unwrap();
    listed.rows.into_iter().map(|row| row.key).collect()
}

/// The one row of that key.
async fn one(store: &dyn Store, table: &'static Table, tenant: &Tenant, key: &str) -> Option<Row> {
    let mut rows = store.read(table, tenant, &[key]).await.unwrap();
    assert!(rows.len() <= 1, "a key is of one row");
    rows.pop()
}

#[track_caller]
fn refused<T: std::fmt::Debug>(result: Result<T, StoreError>, expected: &str) {
    match result {
        Err(StoreError::Invalid(why)) => assert!(why.contains(expected), "{why}"),
        other => panic!("not refused as invalid: {other:?}"),
    }
}

#[track_caller]
fn conflict<T: std::fmt::Debug>(result: Result<T, StoreError>, expected: &str) {
    match result {
        Err(StoreError::Conflict { key, .. }) => assert_eq!(key, expected),
        other => panic!("no conflict: {other:?}"),
    }
}

#[track_caller]
fn missing<T: std::fmt::Debug>(result: Result<T, StoreError>, expected: &str) {
    match result {
        Err(StoreError::Missing { key, .. }) => assert_eq!(key, expected),
        other => panic!("not missing: {other:?}"),
    }
}
