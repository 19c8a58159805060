//! What every kind of `BlobStore` keeps to: one suite, run on a directory and on S3.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod moto;
#[path = "moto/plain.rs"]
mod plain;

use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::panic::AssertUnwindSafe;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::{BoxFuture, FutureExt as _, join_all};
use switchboard_config::Secret;
use switchboard_core::store::{BlobStore, StoreError};
use switchboard_store::blob::{self, BlobConfig, DirectoryConfig, S3Config};

use plain::send;

type Store = Arc<dyn BlobStore>;
type Case = (&'static str, fn(Store) -> BoxFuture<'static, ()>);

const CASES: &[Case] = &[
    ("a blob is read as it was put", |store| is_kept(store).boxed()),
    ("a blob takes the place of another", |store| replaces(store).boxed()),
    ("a blob is looked at without being read", |store| is_looked_at(store).boxed()),
    ("what is deleted is not there", |store| deletes(store).boxed()),
    ("names are listed by how they begin", |store| lists(store).boxed()),
    ("a blob may be large", |store| is_large(store).boxed()),
    ("a blob may be empty", |store| is_empty(store).boxed()),
    ("names may have any signs", |store| has_any_signs(store).boxed()),
    ("names that lead elsewhere are refused", |store| refuses(store).boxed()),
    ("of two that put at once, one stays whole", |store| at_once(store).boxed()),
];

async fn is_kept(store: Store) {
    assert_eq!(store.read("mcp_content/1.json").await.unwrap(), None);
    store.put("mcp_content/1.json", Bytes::from_static(b"{\"a\":\0}")).await.unwrap();
    let read = store.read("mcp_content/1.json").await.unwrap();
    assert_eq!(read.as_deref(), Some(&b"{\"a\":\0}"[..]));
    assert_eq!(store.read("mcp_content/1").await.unwrap(), None);
    assert_eq!(store.read("mcp_content").await.map_or(None, |read| read), None);
}

async fn replaces(store: Store) {
    for content in ["a long one", "short"] {
        store.put("a", Bytes::from(content)).await.unwrap();
        assert_eq!(store.read("a").await.unwrap().as_deref(), Some(content.as_bytes()));
    }
    assert_eq!(store.list("").await.unwrap(), ["a"]);
}

async fn is_looked_at(store: Store) {
    assert_eq!(store.glance("a/b").await.unwrap(), None);
    let mut tags = Vec::new();
    for content in ["one", "two", "three"] {
        store.put("a/b", Bytes::from(content)).await.unwrap();
        let glance = store.glance("a/b").await.unwrap().unwrap();
        assert_eq!(glance.bytes, content.len() as u64);
        assert_eq!(store.glance("a/b").await.unwrap().unwrap(), glance, "nothing has changed");
        tags.push(glance.tag);
    }
    tags.dedup();
    assert_eq!(tags.len(), 3, "another content has another tag: {tags:?}");
    assert_eq!(store.glance("a").await.unwrap(), None, "it is no blob");
}

async fn deletes(store: Store) {
    store.put("a/b", Bytes::from_static(b"1")).await.unwrap();
    store.put("a/c", Bytes::from_static(b"2")).await.unwrap();
    // The second time it is not there already, which is what was wanted.
    for _ in 0..2 {
        store.delete("a/b").await.unwrap();
        assert_eq!(store.read("a/b").await.unwrap(), None);
    }
    store.delete("never/was/there").await.unwrap();
    assert_eq!(store.list("").await.unwrap(), ["a/c"]);
}

async fn lists(store: Store) {
    assert!(store.list("").await.unwrap().is_empty());
    let names = ["b", "a/2", "a/10", "a/1/x", "ab", "a-"];
    join_all(names.map(|name| store.put(name, Bytes::from_static(b"-")))).await;
    for (prefix, expected) in [
        ("", &["a-", "a/1/x", "a/10", "a/2", "ab", "b"][..]),
        ("a/", &["a/1/x", "a/10", "a/2"]),
        ("a/1", &["a/1/x", "a/10"]),
        ("a/1/", &["a/1/x"]),
        ("a", &["a-", "a/1/x", "a/10", "a/2", "ab"]),
        ("c", &[]),
        ("c/d", &[]),
    ] {
        assert_eq!(store.list(prefix).await.unwrap(), expected, "{prefix}");
    }
}

async fn is_large(store: Store) {
    let content: Bytes = (0..20 << 20).map(|place: u32| (place % 251) as u8).collect();
    store.put("large", content.clone()).await.unwrap();
    // Not by `assert_eq`, which would print both.
    assert!(store.read("large").await.unwrap() == Some(content));
}

async fn is_empty(store: Store) {
    store.put("empty", Bytes::new()).await.unwrap();
    assert_eq!(store.read("empty").await.unwrap(), Some(Bytes::new()));
}

async fn has_any_signs(store: Store) {
    let names = ["größe/ä b+c.json", "%41", "a#b?c=d&e", "[x]{y}~'\"", "日本"];
    for name in names {
        store.put(name, Bytes::from(name)).await.unwrap();
    }
    for name in names {
        assert_eq!(store.read(name).await.unwrap(), Some(Bytes::from(name)), "{name}");
    }
    let mut expected = names;
    expected.sort_unstable();
    assert_eq!(store.list("").await.unwrap(), expected);
}

async fn refuses(store: Store) {
    let long = "a".repeat(300);
    for name in ["", "/a", "a/", "a//b", "../a", "a/../../b", "a/.", ".a", "a\0b", "a\\b", &long] {
        let invalid = |error| matches!(error, StoreError::Invalid(_));
        assert!(store.put(name, Bytes::new()).await.is_err_and(invalid), "put {name:?}");
        assert!(store.read(name).await.is_err_and(invalid), "read {name:?}");
        assert!(store.delete(name).await.is_err_and(invalid), "delete {name:?}");
        let address = store.upload_url(name, Duration::from_secs(60)).await;
        assert!(address.is_err_and(invalid), "upload {name:?}");
    }
    assert!(store.list("../").await.is_err());
    assert!(store.list("").await.unwrap().is_empty());
}

async fn at_once(store: Store) {
    let contents: Vec<Bytes> = (b'a'..b'k').map(|byte| vec![byte; 100_000].into()).collect();
    let put = join_all(contents.iter().map(|content| store.put("a/one", content.clone()))).await;
    assert!(put.iter().all(Result::is_ok));
    let read = store.read("a/one").await.unwrap().unwrap();
    assert!(contents.contains(&read), "of several: {} bytes", read.len());
    assert_eq!(store.list("").await.unwrap(), ["a/one"]);
}

/// Runs all cases, each on a store of its own.
async fn suite(kind: &str, open: impl AsyncFn() -> Store) {
    for (name, case) in CASES {
        let outcome = AssertUnwindSafe(case(open().await)).catch_unwind().await;
        assert!(outcome.is_ok(), "{kind}: not so: {name}");
    }
    // Past what catches the output of tests: the counts are to be seen.
    let _ = writeln!(std::io::stdout(), "{kind}: {} cases passed", CASES.len());
}

async fn in_directory(state: &Path) -> Store {
    blob::open(&BlobConfig::default(), state).await.unwrap()
}

/// Of a bucket that nobody else uses, below a prefix or at its top.
fn bucket(prefix: &str) -> S3Config {
    let bucket = fresh("blobs");
    assert_eq!(send("PUT", &format!("{}/{bucket}", moto::endpoint()), b""), 200);
    S3Config {
        bucket,
        prefix: prefix.to_owned(),
        region: Some(moto::REGION.to_owned()),
        endpoint: Some(moto::endpoint().to_owned()),
        access_key_id: Some(moto::KEY.0.to_owned()),
        secret_access_key: Some(Secret::new(moto::KEY.1)),
        session_token: None,
    }
}

async fn in_bucket(config: &S3Config) -> Result<Store, StoreError> {
    let config = BlobConfig { directory: None, s3: Some(config.clone()) };
    blob::open(&config, Path::new("/nowhere")).await
}

#[tokio::test]
async fn a_directory_keeps_to_it() {
    let state = tempfile::tempdir().unwrap();
    suite("directory", async || in_directory(&state.path().join(fresh("of"))).await).await;
}

#[tokio::test]
async fn s3_keeps_to_it() {
    suite("s3", async || in_bucket(&bucket("")).await.unwrap()).await;
}

#[tokio::test]
async fn a_directory_is_closed_to_others_and_has_nothing_else_in_it() {
    let state = tempfile::tempdir().unwrap();
    let path = state.path().join("open");
    std::fs::create_dir(&path).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    let directory = Some(DirectoryConfig { path: Some("open".into()) });
    let config = BlobConfig { directory, s3: None };
    let store = blob::open(&config, state.path()).await.unwrap();
    store.put("a/b", Bytes::from_static(b"1")).await.unwrap();
    store.put("a/b", Bytes::from_static(b"2")).await.unwrap();
    let mode = |path: &str| {
        let metadata = std::fs::metadata(state.path().join(path)).unwrap();
        metadata.permissions().mode() & 0o777
    };
    assert_eq!((mode("open"), mode("open/a"), mode("open/a/b")), (0o700, 0o700, 0o600));
    let names = std::fs::read_dir(path.join("a")).unwrap();
    assert_eq!(names.count(), 1);
    assert!(store.put("a/b/c", Bytes::new()).await.is_err(), "the name of a file");
    assert_eq!(store.upload_url("a", Duration::from_secs(60)).await.unwrap(), None);
}

#[tokio::test]
async fn what_others_left_in_a_directory_is_no_blob() {
    let state = tempfile::tempdir().unwrap();
    let store = in_directory(state.path()).await;
    std::fs::write(state.path().join("blobs/.a.0123456789abcdef"), "half").unwrap();
    store.put("a", Bytes::from_static(b"whole")).await.unwrap();
    assert_eq!(store.list("").await.unwrap(), ["a"]);
}

#[tokio::test]
async fn an_upload_address_of_s3_takes_a_put() {
    let store = in_bucket(&bucket("packages/of/acme")).await.unwrap();
    let lifetime = Duration::from_secs(900);
    let url = store.upload_url("weather maps.zip", lifetime).await.unwrap().unwrap();
    assert!(url.contains("packages/of/acme/weather%20maps.zip?"), "{url}");
    assert!(url.contains("X-Amz-Expires=900"), "{url}");
    assert!(!url.contains(moto::KEY.1), "{url}");
    assert_eq!(send("PUT", &url, b"PK\x03\x04"), 200);
    let read = store.read("weather maps.zip").await.unwrap();
    assert_eq!(read.as_deref(), Some(&b"PK\x03\x04"[..]));
    let long = store.upload_url("a", Duration::from_secs(8 * 24 * 3600)).await;
    assert!(matches!(long, Err(StoreError::Invalid(_))), "{long:?}");
}

#[tokio::test]
async fn blobs_of_s3_have_the_prefix_and_see_nobody_elses() {
    let own = bucket("one");
    let (one, all) = (in_bucket(&own).await.unwrap(), S3Config { prefix: String::new(), ..own });
    let all = in_bucket(&all).await.unwrap();
    one.put("a", Bytes::from_static(b"1")).await.unwrap();
    all.put("onex/a", Bytes::from_static(b"2")).await.unwrap();
    assert_eq!(one.list("").await.unwrap(), ["a"]);
    assert_eq!(all.list("one").await.unwrap(), ["one/a", "onex/a"]);
}

#[tokio::test]
async fn what_s3_refuses_is_told_apart() {
    let absent = S3Config { bucket: "nobodys".to_owned(), ..bucket("") };
    let store = in_bucket(&absent).await.unwrap();
    for failed in [
        store.put("a", Bytes::new()).await.map(|()| None),
        store.read("a").await,
        store.list("").await.map(|_| None),
    ] {
        assert!(matches!(&failed, Err(StoreError::Broken(_))), "{failed:?}");
    }
    let nobody = S3Config { endpoint: Some("http://127.0.0.1:1".to_owned()), ..bucket("") };
    let read = in_bucket(&nobody).await.unwrap().read("a").await;
    assert!(matches!(&read, Err(StoreError::Unavailable(_))), "{read:?}");
    for contradiction in [
        S3Config { bucket: String::new(), ..nobody.clone() },
        S3Config { secret_access_key: None, ..nobody.clone() },
        S3Config { prefix: "a/../b".to_owned(), ..nobody },
    ] {
        let opened = in_bucket(&contradiction).await.map(drop);
        assert!(matches!(&opened, Err(StoreError::Invalid(_))), "{opened:?}");
    }
    let both = BlobConfig { directory: Some(DirectoryConfig::default()), s3: Some(absent) };
    assert!(blob::open(&both, Path::new("/nowhere")).await.is_err());
}

/// A name that no other test of this binary has.
fn fresh(name: &str) -> String {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    format!("{name}-{}", NEXT.fetch_add(1, Ordering::Relaxed))
}
