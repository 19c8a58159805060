use std::sync::atomic::Ordering;

use super::{ACCOUNTS, Account, Ledger, SHARDS, Terms};
use crate::limit::book::Book;
use crate::tenant::Tenant;

const NOW: u64 = 1_795_230_245;

/// Until the midnight after `NOW`.
const TERMS: Terms = Terms { limit: 10, ends: 1_795_305_600 };

fn account(row: &str) -> Account {
    Account { tenant: Tenant::default(), row: row.into() }
}

fn take(ledger: &Ledger, account: &Account, terms: Terms) -> Option<u64> {
    ledger.take(ledger.key(&account.row), terms, 1, || account.clone())
}

fn add(ledger: &Ledger, account: &Account, by: i64) {
    ledger.add(ledger.key(&account.row), TERMS, by, || account.clone());
}

/// Takes until nothing is left, and says how often that went.
fn spend(ledger: &Ledger, account: &Account) -> usize {
    (0..1_000).take_while(|_| take(ledger, account, TERMS).is_some()).count()
}

#[tokio::test]
async fn two_daemons_hear_of_each_other_when_they_write() {
    let (book, one, other) = (Book::default(), Ledger::default(), Ledger::default());
    let ann = account("guests/calls/2026-11-21/ann");
    for _ in 0..6 {
        assert!(take(&one, &ann, TERMS).is_some());
    }
    one.flush(&book, NOW).await;
    // It has not heard of the six yet, and the first of its calls makes it ask.
    assert_eq!(take(&other, &ann, TERMS), Some(9));
    other.flush(&book, NOW).await;
    assert_eq!(take(&other, &ann, TERMS), Some(2));
    assert_eq!(spend(&other, &ann), 2);
    // Four it believes to have, of which the other has used all: that is the overshoot.
    assert_eq!(spend(&one, &ann), 4);
    other.flush(&book, NOW).await;
    one.flush(&book, NOW).await;
    assert_eq!(book.read(), "default guests/calls/2026-11-21/ann 14 2026-11-22T00:00:00.000000Z");
    assert_eq!((spend(&one, &ann), spend(&other, &ann)), (0, 0));
}

#[tokio::test]
async fn a_store_that_fails_makes_nobody_wait_and_loses_nothing() {
    let (book, ledger) = (Book::default(), Ledger::default());
    book.fails.store(true, Ordering::Relaxed);
    let ann = account("ann");
    assert_eq!(spend(&ledger, &ann), 10);
    let flushed = ledger.flush(&book, NOW).await;
    assert_eq!((flushed.written, flushed.failed), (0, 1));
    assert!(flushed.error.unwrap().to_string().contains("out of order"));
    book.fails.store(false, Ordering::Relaxed);
    assert_eq!(ledger.flush(&book, NOW).await.written, 1);
    assert!(book.read().starts_with("default ann 10 "), "{}", book.read());
    let asked = book.asked.load(Ordering::Relaxed);
    ledger.flush(&book, NOW).await;
    assert_eq!(book.asked.load(Ordering::Relaxed), asked, "nothing was new");
}

#[tokio::test]
async fn what_is_counted_while_it_is_written_is_written_next() {
    let (book, ledger) = (Book::default(), Ledger::default());
    let ann = account("ann");
    take(&ledger, &ann, TERMS);
    let counting = async {
        for _ in 0..3 {
            add(&ledger, &ann, 2);
            tokio::task::yield_now().await;
        }
    };
    tokio::join!(ledger.flush(&book, NOW), counting);
    ledger.flush(&book, NOW).await;
    assert!(book.read().starts_with("default ann 7 "), "{}", book.read());
}

#[tokio::test]
async fn whoever_has_nothing_left_hears_what_was_given_back() {
    let (book, one, other) = (Book::default(), Ledger::default(), Ledger::default());
    let ann = account("ann");
    assert_eq!(spend(&one, &ann), 10);
    one.flush(&book, NOW).await;
    assert_eq!(take(&one, &ann, TERMS), None);
    add(&other, &ann, -3);
    other.flush(&book, NOW).await;
    one.flush(&book, NOW).await;
    assert_eq!(spend(&one, &ann), 3);
    // Another limit holds from the next call on.
    assert_eq!(take(&one, &ann, Terms { limit: 12, ..TERMS }), Some(1));
}

#[tokio::test]
async fn accounts_are_bounded_and_nobody_is_refused_for_it() {
    let (book, ledger) = (Book::default(), Ledger::default());
    let spent = account("spent");
    assert_eq!(spend(&ledger, &spent), 10);
    let crowd = 2 * SHARDS * ACCOUNTS;
    for stranger in 0..crowd {
        assert!(take(&ledger, &account(&stranger.to_string()), TERMS).is_some());
    }
    assert_eq!(ledger.accounts(), SHARDS * ACCOUNTS);
    let flushed = ledger.flush(&book, NOW).await;
    assert_eq!(flushed.uncounted as usize, crowd + 1 - flushed.written);
    // All is written down, so others have room, and whoever has nothing left is remembered.
    for stranger in crowd..crowd + SHARDS * ACCOUNTS / 2 {
        assert!(take(&ledger, &account(&stranger.to_string()), TERMS).is_some());
    }
    assert!(ledger.accounts() <= SHARDS * ACCOUNTS);
    assert_eq!(ledger.flush(&book, NOW).await.uncounted, 0);
    assert_eq!(spend(&ledger, &spent), 0);
    // And with the period everything ends.
    ledger.flush(&book, TERMS.ends).await;
    assert_eq!(ledger.accounts(), 0);
    assert_eq!(Ledger::sweep(&book, TERMS.ends).await.unwrap(), 0);
    assert_ne!(Ledger::sweep(&book, TERMS.ends + 1).await.unwrap(), 0);
    assert_eq!(book.read(), "");
}
