//! Records of calls in a store that the older engine wrote: its ids are twenty digits and no times
//! (`uuid1().int % 10**20`).

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::json;
use switchboard_client::control::CallFilter;
use switchboard_core::rfc3339_micros;
use switchboard_core::store::tables::CALLS;
use switchboard_core::store::{Change, Query, Row, Store};
use switchboard_history::{HistoryConfig, Page, page, retain, show};

use super::{Data, acme, keys};

/// The middle of November 2026.
const NOW: u64 = 1_794_700_000;

const DAY: u64 = 24 * 60 * 60;

/// Ids that the older engine might have made, of any age: before ours, among ours, and after them.
const OLDER: [&str; 6] = [
    "00000000000000000042",
    "09912345678901234567",
    "17362000000000000000",
    "17500000000000001234",
    "55512345678901234567",
    "99999999999999999999",
];

fn now() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(NOW)
}

fn days_ago(days: u64) -> SystemTime {
    now() - Duration::from_secs(days * DAY)
}

/// A record as that engine writes one.
fn older(id: &str, at: SystemTime) -> Row {
    Row::new(id)
        .with("name", "add_numbers")
        .with("mcp_type", "tool")
        .with("arguments", json!({"a": 1}))
        .with("content", "3")
        .with("content_in_s3", false)
        .with("status", "completed")
        .with("time_spent", 12)
        .with("updated_by", "mcp_daemon_engine")
        .with("created_at", rfc3339_micros(at))
        .with("updated_at", rfc3339_micros(at + Duration::from_secs(1)))
}

fn ours(at: SystemTime) -> Row {
    let micros = at.duration_since(UNIX_EPOCH).unwrap().as_micros();
    Row::new(format!("{micros:016}0001"))
        .with("name", "git__log")
        .with("method", "tools/call")
        .with("status", "completed")
        .with("subject", "user:ann")
        .with("created_at", rfc3339_micros(at))
        .with("updated_at", rfc3339_micros(at))
}

/// Records of both: of the older engine one of each day of the week before last, of us one of each of
/// the last `days`.
async fn fill(store: &dyn Store, days: u64) {
    let theirs = OLDER.iter().zip(8..).map(|(id, days)| older(id, days_ago(days)));
    let ours = (1..=days).map(|days| ours(days_ago(days)));
    let changes = theirs.chain(ours).map(Change::Insert).collect();
    store.write(&CALLS, &acme(), changes).await.unwrap();
}

async fn left(store: &dyn Store) -> Vec<String> {
    keys(store, &CALLS, &acme(), Query::first(999)).await
}

fn are_theirs_there(left: &[String]) -> bool {
    OLDER.iter().all(|id| left.iter().any(|own| own == id))
}

pub(crate) async fn records_of_the_older_engine_stay(data: Data<'_>) {
    let store = data.open().await;
    fill(&*store, 40).await;
    let config = HistoryConfig::default();
    assert_eq!(retain(&*store, &[acme()], &config, now()).await.unwrap(), 10);
    let left_over = left(&*store).await;
    assert!(are_theirs_there(&left_over), "{left_over:?}");
    assert_eq!(left_over.len(), OLDER.len() + 30);
    assert_eq!(retain(&*store, &[acme()], &config, now()).await.unwrap(), 0);
    // However long from now.
    let later = now() + Duration::from_secs(10 * 365 * DAY);
    assert_eq!(retain(&*store, &[acme()], &config, later).await.unwrap(), 30);
    assert_eq!(left(&*store).await, OLDER);
}

pub(crate) async fn more_than_is_kept_is_counted_of_ours(data: Data<'_>) {
    let store = data.open().await;
    fill(&*store, 20).await;
    let keep = |keep_calls| HistoryConfig { keep_calls, ..HistoryConfig::default() };
    let retain = async |config| retain(&*store, &[acme()], &config, now()).await.unwrap();
    // Two of theirs have ids among ours, and are counted there.
    assert_eq!(retain(keep(22)).await, 0);
    assert_eq!(retain(keep(5)).await, 15);
    let left = left(&*store).await;
    assert!(are_theirs_there(&left), "{left:?}");
    assert_eq!(left.len(), OLDER.len() + 5);
}

pub(crate) async fn records_of_the_older_engine_are_listed_after_ours(data: Data<'_>) {
    let store = data.open().await;
    fill(&*store, 5).await;
    let list = async |filter: CallFilter, size: u32| {
        let (mut times, mut after): (Vec<String>, Option<String>) = (Vec::new(), None);
        loop {
            let listed = page(
                &*store,
                &acme(),
                Page { filter: &filter, after: after.as_deref(), limit: size },
                now(),
            )
            .await
            .unwrap();
            assert!(listed.calls.len() <= size as usize, "{size}");
            times.extend(listed.calls.into_iter().map(|call| call.started));
            let Some(next) = listed.next else { return times };
            assert!(times.len() < 100, "the pages go in circles");
            after = Some(next);
        }
    };
    let at = |days: u64| rfc3339_micros(days_ago(days));
    // Two of theirs, of ten and eleven days ago, have ids that ours might have.
    let expected: Vec<_> = [1, 2, 3, 4, 5, 11, 10, 8, 9, 12, 13].map(at).into();
    for size in [1, 2, 3, 5, 6, 7, 50] {
        assert_eq!(list(CallFilter::default(), size).await, expected, "{size}");
    }
    let named = CallFilter { name: Some("git__log".to_owned()), ..CallFilter::default() };
    assert_eq!(list(named, 3).await, expected[..5]);
    let by = CallFilter { subject: Some("user:ann".to_owned()), ..CallFilter::default() };
    assert_eq!(list(by, 2).await, expected[..5]);
    let micros =
        |days| u64::try_from(days_ago(days).duration_since(UNIX_EPOCH).unwrap().as_micros());
    let filter = CallFilter {
        since: Some(micros(9).unwrap()),
        until: Some(micros(2).unwrap()),
        ..CallFilter::default()
    };
    assert_eq!(list(filter, 2).await, [3, 4, 5, 8, 9].map(at));
    let shown = show(&*store, &acme(), OLDER[5]).await.unwrap().unwrap();
    assert_eq!((shown.started, &*shown.subject), (at(13), "mcp_daemon_engine"));
}
