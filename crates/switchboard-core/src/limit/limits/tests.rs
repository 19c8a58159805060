use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use futures_util::FutureExt as _;
use serde_json::{Value, json};
use switchboard_mcp::{Json, Method, ProtocolVersion};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::{Limits, Pass};
use crate::error::Error;
use crate::limit::book::Book;
use crate::limit::verdict::{Notice, Unit};
use crate::limit::{LimitConfig, Rules};
use crate::peer::Context;
use crate::principal::{KeyRate, Principal, Standing};
use crate::tenant::Tenant;

/// 2026-11-30T23:59:50Z
const EVE: u64 = 1_796_083_190;

fn rules(rules: &Value) -> Rules {
    let config: LimitConfig = serde_json::from_value(json!({ "rule": rules })).unwrap();
    Rules::new(&config).unwrap()
}

fn wall(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}

fn limits(settings: &Value) -> Limits {
    Limits::new(rules(settings), wall(EVE))
}

fn context(name: &str) -> Context {
    let principal = Principal::of(Tenant::parse("acme").unwrap(), name, Standing::default());
    Context { notice: Some(Arc::default()), ..Context::new(principal, ProtocolVersion::MODERN) }
}

async fn admit(limits: &Limits, context: &Context) -> Result<Pass, Error> {
    limits.admit(context, "git", Some("log")).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_a_thousand_calls_at_once_exactly_the_burst_is_let_in() {
    let limits = Arc::new(limits(&json!({
        "a": { "rate": "1/day", "burst": 100 },
        "b": { "calls_per_month": 200, "per": "tenant" },
    })));
    let mut calls = JoinSet::new();
    for _ in 0..1_000 {
        let limits = Arc::clone(&limits);
        calls.spawn(async move { admit(&limits, &context("ann")).await.is_ok() });
    }
    let outcomes = calls.join_all().await;
    assert_eq!(outcomes.iter().filter(|allowed| **allowed).count(), 100);
    // What was refused was given back to the quota as well.
    let book = Book::default();
    limits.flush(&book, wall(EVE)).await;
    assert_eq!(book.read(), "acme b/calls/2026-11 100 2026-12-01T00:00:00.000000Z");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn of_a_thousand_calls_at_once_exactly_the_quota_is_let_in() {
    let limits = Arc::new(limits(&json!({ "a": { "calls_per_day": 100 } })));
    let mut calls = JoinSet::new();
    for _ in 0..1_000 {
        let limits = Arc::clone(&limits);
        calls.spawn(async move { admit(&limits, &context("ann")).await.is_ok() });
    }
    let outcomes = calls.join_all().await;
    assert_eq!(outcomes.iter().filter(|allowed| **allowed).count(), 100);
}

#[tokio::test(start_paused = true)]
async fn a_month_ends_while_the_daemon_runs() {
    let limits = limits(&json!({ "a": { "calls_per_month": 2 } }));
    let (book, ann) = (Book::default(), context("ann"));
    assert!(admit(&limits, &ann).await.is_ok() && admit(&limits, &ann).await.is_ok());
    let Err(Error::Limited(refused)) = admit(&limits, &ann).await else { panic!("let in") };
    assert_eq!(refused.after, Duration::from_secs(10));
    tokio::time::advance(Duration::from_secs(9)).await;
    assert!(admit(&limits, &ann).await.is_err());
    tokio::time::advance(Duration::from_secs(1)).await;
    assert!(admit(&limits, &ann).await.is_ok());
    limits.flush(&book, wall(EVE + 10)).await;
    assert_eq!(
        book.read(),
        "acme a/calls/2026-11/ann 2 2026-12-01T00:00:00.000000Z\n\
         acme a/calls/2026-12/ann 1 2027-01-01T00:00:00.000000Z"
    );
    // The machine slept: the clock of the runtime did not go on, that of the wall did.
    assert!(admit(&limits, &ann).await.is_ok() && admit(&limits, &ann).await.is_err());
    limits.flush(&book, wall(EVE + 40 * 86_400)).await;
    assert!(admit(&limits, &ann).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_call_waits_for_its_place_and_costs_nothing_where_none_comes() {
    let limits = limits(&json!({
        "a": { "concurrency": 1, "wait": "5s", "rate": "3/day", "calls_per_day": 3 },
    }));
    let ann = context("ann");
    let first = admit(&limits, &ann).await.unwrap();
    let mut second = Box::pin(admit(&limits, &ann));
    assert!((&mut second).now_or_never().is_none());
    drop(first);
    let second = second.await.unwrap();
    // Another principal has a place of its own.
    let _other = admit(&limits, &context("bob")).await.unwrap();
    let began = tokio::time::Instant::now();
    let waiting = context("ann");
    let Err(Error::Limited(refused)) = admit(&limits, &waiting).await else { panic!("let in") };
    assert_eq!(began.elapsed().as_secs(), 5);
    assert_eq!((refused.unit, refused.limit, &*refused.rule), (Unit::Concurrent, 1, "a"));
    assert_eq!(waiting.notice.unwrap().read(), Some(&*refused));
    drop(second);
    let third = context("ann");
    let _pass = admit(&limits, &third).await.unwrap();
    assert_eq!(third.notice.unwrap().read().unwrap().remaining, 0, "the refused one is free");
}

#[tokio::test]
async fn tokens_are_counted_when_they_are_known() {
    let limits = limits(&json!({ "a": { "tokens_per_day": 10 } }));
    let (ann, text) = (context("ann"), Json::encode(&"x".repeat(26)));
    let pass = admit(&limits, &ann).await.unwrap();
    pass.carried(None);
    pass.carried(Some(&text));
    let pass = admit(&limits, &ann).await.unwrap();
    pass.carried(Some(&text));
    let Err(Error::Limited(refused)) = admit(&limits, &ann).await else { panic!("let in") };
    assert_eq!((refused.unit, refused.limit), (Unit::Tokens, 10));
    let book = Book::default();
    limits.flush(&book, wall(EVE)).await;
    assert!(book.read().starts_with("acme a/tokens/2026-11-30/ann 14 "), "{}", book.read());
}

#[tokio::test]
async fn a_refusal_is_told_in_the_words_of_json_rpc() {
    let limits = limits(&json!({ "a": { "rate": "1/min" } }));
    let ann = context("ann");
    assert!(admit(&limits, &ann).await.is_ok());
    let error = admit(&limits, &ann).await.err().unwrap();
    assert!(error.may_be_sent_again());
    let error = error.to_rpc(ProtocolVersion::MODERN, &Method::ToolsCall);
    assert_eq!(error.code, -32603);
    assert!(error.message.starts_with("too many calls: the limit `a` is 1 calls in 60 s"));
    let data: Value = serde_json::from_str(error.data.unwrap().as_str()).unwrap();
    assert_eq!((&data["reason"], &data["rule"]), (&json!("rate_limited"), &json!("a")));
    let wait = data["retry_after_ms"].as_u64().unwrap();
    assert!(data["retry"] == json!(true) && (59_000..=60_000).contains(&wait), "{data}");
}

#[tokio::test]
async fn without_rules_nothing_is_said() {
    let limits = Limits::default();
    let ann = context("ann");
    assert!(admit(&limits, &ann).await.is_ok());
    assert!(ann.notice.as_deref().and_then(Notice::read).is_none());
    limits.publish(&rules(&json!({ "a": { "rate": "1/min" } })));
    assert!(admit(&limits, &ann).await.is_ok());
    assert!(admit(&limits, &ann).await.is_err());
    limits.publish(&rules(&json!({})));
    assert!(admit(&limits, &ann).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn usage_is_written_soon_then_in_batches_and_at_the_end() {
    let settings = json!({ "a": { "calls_per_day": 1_000 } });
    let limits = Limits::new(rules(&settings), wall(EVE - 40_000));
    let (book, stop, ann) = (Book::default(), CancellationToken::new(), context("ann"));
    let began = tokio::time::Instant::now();
    let clock = || wall(EVE - 40_000) + began.elapsed();
    let asked = || book.asked.load(Ordering::Relaxed);
    let used = || book.read().split(' ').nth(2).unwrap_or("0").to_owned();
    let using = async {
        let pass = |millis| tokio::time::sleep(Duration::from_millis(millis));
        pass(60_000).await;
        assert_eq!(asked(), 0, "nothing is done where nothing is used");
        assert!(admit(&limits, &ann).await.is_ok());
        pass(60).await;
        assert_eq!(used(), "1", "of a new account the store is asked at once");
        let before = asked();
        for _ in 0..30 {
            pass(100).await;
            assert!(admit(&limits, &ann).await.is_ok());
        }
        assert!(asked() - before <= 2, "once in two seconds");
        pass(2_000).await;
        assert_eq!(used(), "31");
        let before = asked();
        pass(60_000).await;
        assert_eq!(asked(), before);
        assert!(admit(&limits, &ann).await.is_ok());
        stop.cancel();
    };
    tokio::join!(limits.run(&book, clock, stop.clone()), using);
    assert_eq!(used(), "32", "the last is written when the daemon stops");
}

#[tokio::test]
async fn what_a_tenant_keeps_holds_for_its_own_principals_beside_the_configuration() {
    let kept = |tenant: &Tenant, rule: &Value| {
        let settings = serde_json::from_value(rule.clone()).unwrap();
        Rules::kept(tenant, [("a", &settings)]).unwrap()
    };
    let limits = limits(&json!({ "a": { "calls_per_day": 3 } }));
    let (acme, other) = (Tenant::parse("acme").unwrap(), Tenant::parse("other").unwrap());
    limits.keep(&acme, &kept(&acme, &json!({ "calls_per_day": 1 })));
    let ann = context("ann");
    let principal = Principal::of(other.clone(), "ann", Standing::default());
    let stranger = Context::new(principal, ProtocolVersion::MODERN);
    assert!(admit(&limits, &ann).await.is_ok());
    assert!(matches!(admit(&limits, &ann).await, Err(Error::Limited(_))));
    assert!(admit(&limits, &stranger).await.is_ok(), "it is not theirs");
    // What was counted stays where it is read again as it was, and where the configuration is.
    limits.keep(&acme, &kept(&acme, &json!({ "calls_per_day": 1 })));
    limits.publish(&rules(&json!({ "a": { "calls_per_day": 3 } })));
    assert!(admit(&limits, &ann).await.is_err());
    limits.keep(&acme, &kept(&acme, &json!({ "calls_per_day": 2 })));
    assert!(admit(&limits, &ann).await.is_ok());
    // The account of the tenant's rule is none of the configuration's of the same name.
    let book = Book::default();
    limits.flush(&book, wall(EVE)).await;
    let lines = "acme a/calls/2026-11-30/ann 2 2026-12-01T00:00:00.000000Z\n\
                 acme kept:a/calls/2026-11-30/ann 2 2026-12-01T00:00:00.000000Z\n\
                 other a/calls/2026-11-30/ann 1 2026-12-01T00:00:00.000000Z";
    assert_eq!(book.read(), lines);
    limits.retain(|tenant| *tenant == other);
    assert!(admit(&limits, &ann).await.is_ok(), "the configuration's has one left");
    assert!(admit(&limits, &ann).await.is_err());
}

/// A call of `ann` with this key.
fn with_key(tenant: &str, key: &str, per_minute: u32) -> Context {
    let per_minute = NonZeroU32::new(per_minute).unwrap();
    let rate = Some(KeyRate { key: key.into(), per_minute });
    let standing = Standing { rate, ..Standing::default() };
    let principal = Principal::of(Tenant::parse(tenant).unwrap(), "ann", standing);
    Context { notice: Some(Arc::default()), ..Context::new(principal, ProtocolVersion::MODERN) }
}

#[tokio::test(start_paused = true)]
async fn a_key_is_good_for_its_rate_where_there_are_no_rules() {
    let limits = Limits::default();
    let ci = with_key("acme", "k1", 2);
    assert!(admit(&limits, &ci).await.is_ok());
    assert_eq!(ci.notice.as_deref().and_then(Notice::read).unwrap().remaining, 1);
    assert!(admit(&limits, &ci).await.is_ok());
    let Err(Error::Limited(refused)) = admit(&limits, &ci).await else { panic!("let in") };
    let told = (&*refused.rule, refused.limit, refused.window, refused.after);
    let minute = Duration::from_secs(60);
    assert_eq!(told, ("key:rate", 2, Some(minute), minute / 2));
    assert!(limits.admit_key(&ci.principal).is_err(), "what is managed counts for the same rate");
    // Another key of the same principal, the same key of another tenant, and no key at all.
    for other in [with_key("acme", "k2", 1), with_key("other", "k1", 1), context("ann")] {
        assert!(admit(&limits, &other).await.is_ok());
    }
    tokio::time::advance(minute / 2).await;
    assert!(limits.admit_key(&ci.principal).unwrap().is_some());
    assert!(admit(&limits, &ci).await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_call_that_a_rule_refuses_costs_the_key_nothing() {
    let limits = limits(&json!({ "a": { "concurrency": 1, "queue": 0, "rate": "2/day" } }));
    let ci = with_key("acme", "k1", 3);
    let first = admit(&limits, &ci).await.unwrap();
    assert!(admit(&limits, &ci).await.is_err(), "there is no place");
    drop(first);
    assert!(admit(&limits, &ci).await.is_ok());
    let Err(Error::Limited(refused)) = admit(&limits, &ci).await else { panic!("let in") };
    assert_eq!(&*refused.rule, "a");
    assert_eq!(limits.admit_key(&ci.principal).unwrap().unwrap().remaining, 0);
}
