//! What is particular to DynamoDB: data of the older engine, and the limits of the service.

#![cfg(feature = "dynamodb")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod moto;
#[path = "moto/plain.rs"]
mod plain;
#[path = "moto/tables.rs"]
mod tables;

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_dynamodb::types::{
    AttributeDefinition, AttributeValue, BillingMode, KeySchemaElement, KeyType,
    LocalSecondaryIndex, Projection, ProjectionType, ScalarAttributeType,
};
use serde_json::{Value, json};
use switchboard_config::Secret;
use switchboard_core::Tenant;
use switchboard_core::store::tables::{CALLS, FUNCTIONS, MODULES, SERVERS, SETTINGS};
use switchboard_core::store::{Change, Mark, Query, Row, Store as _, StoreError, Table, Test};
use switchboard_store::Overflow;
use switchboard_store::blob::{self, BlobConfig, S3Config};
use switchboard_store::dynamodb::{Dynamodb, DynamodbConfig};

type Item = HashMap<String, AttributeValue>;

/// The tables and indexes of the older engine before February 2026.
const OLDER: &[(&str, &str, &[&str])] = &[
    ("mcp-functions", "name", &["mcp_type"]),
    ("mcp-modules", "module_name", &["package_name"]),
    ("mcp-function_calls", "mcp_function_call_uuid", &["mcp_type", "name"]),
    ("mcp-settings", "setting_id", &[]),
];

/// A client that knows nothing of the store.
fn client() -> Client {
    let config = aws_sdk_dynamodb::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::new(moto::REGION))
        .endpoint_url(moto::endpoint())
        .credentials_provider(Credentials::new(moto::KEY.0, moto::KEY.1, None, None, "test"))
        .build();
    Client::from_conf(config)
}

/// Tables as the older engine makes them.
async fn older(prefix: &str) -> Client {
    let client = client();
    for (name, range, indexes) in OLDER {
        make(&client, &format!("{prefix}{name}"), range, indexes).await;
    }
    client
}

async fn make(client: &Client, name: &str, range: &str, indexes: &[&str]) {
    let attribute = |name: &str| {
        let builder = AttributeDefinition::builder().attribute_name(name);
        builder.attribute_type(ScalarAttributeType::S).build().unwrap()
    };
    let key = |name: &str, kind| {
        KeySchemaElement::builder().attribute_name(name).key_type(kind).build().unwrap()
    };
    let mut request = client
        .create_table()
        .table_name(name)
        .billing_mode(BillingMode::PayPerRequest)
        .attribute_definitions(attribute("partition_key"))
        .attribute_definitions(attribute(range))
        .key_schema(key("partition_key", KeyType::Hash))
        .key_schema(key(range, KeyType::Range));
    for column in indexes {
        let index = LocalSecondaryIndex::builder()
            .index_name(format!("{column}-index"))
            .key_schema(key("partition_key", KeyType::Hash))
            .key_schema(key(column, KeyType::Range))
            .projection(Projection::builder().projection_type(ProjectionType::All).build());
        request = request
            .attribute_definitions(attribute(column))
            .local_secondary_indexes(index.build().unwrap());
    }
    request.send().await.unwrap();
}

fn text(text: &str) -> AttributeValue {
    AttributeValue::S(text.to_owned())
}

fn number(number: &str) -> AttributeValue {
    AttributeValue::N(number.to_owned())
}

fn map<const N: usize>(members: [(&str, AttributeValue); N]) -> AttributeValue {
    AttributeValue::M(item(members))
}

fn item<const N: usize>(attributes: [(&str, AttributeValue); N]) -> Item {
    attributes.map(|(name, value)| (name.to_owned(), value)).into()
}

async fn put(client: &Client, table: &str, item: Item) {
    client.put_item().table_name(table).set_item(Some(item)).send().await.unwrap();
}

async fn get(client: &Client, table: &str, key: Item) -> Item {
    let answer = client.get_item().table_name(table).set_key(Some(key)).send().await.unwrap();
    answer.item.unwrap()
}

fn acme() -> Tenant {
    Tenant::new("acme", Some("eu")).unwrap()
}

async fn open(prefix: &str) -> Dynamodb {
    Dynamodb::open(&tables::of(prefix)).await.unwrap()
}

async fn one(store: &Dynamodb, table: &'static Table, key: &str) -> Row {
    store.read(table, &acme(), &[key]).await.unwrap().pop().unwrap()
}

/// A call as the older engine records it.
fn call(id: &str, name: &str, status: &str, updated_at: &str) -> Item {
    item([
        ("partition_key", text("acme#eu")),
        ("mcp_function_call_uuid", text(id)),
        ("name", text(name)),
        ("mcp_type", text("tool")),
        ("arguments", map([("city", text("Köln")), ("days", number("3"))])),
        ("content_in_s3", AttributeValue::Bool(false)),
        ("content", text("[{\"type\": \"text\"}]")),
        ("status", text(status)),
        ("notes", text("")),
        ("time_spent", number("12000")),
        ("updated_by", text("mcp_daemon_engine")),
        ("created_at", text("2025-03-04T05:06:07.089012+0000")),
        ("updated_at", text(updated_at)),
    ])
}

/// A tool, its module and its setting as the older engine keeps them.
async fn fill_older(client: &Client, prefix: &str) {
    let audit = [
        ("partition_key", text("acme#eu")),
        ("updated_by", text("ann")),
        ("created_at", text("2025-03-04T05:06:07.089012+0000")),
        ("updated_at", text("2025-03-04T05:06:07+00:00")),
    ];
    let with_audit = |own: Vec<(&str, AttributeValue)>| -> Item {
        own.into_iter().chain(audit.clone()).map(|(name, own)| (name.to_owned(), own)).collect()
    };
    let schema = map([
        ("inputSchema", map([("type", text("object")), ("minimum", number("-0.5"))])),
        ("tags", AttributeValue::L(vec![text("a"), AttributeValue::Null(true)])),
    ]);
    let function = vec![
        ("name", text("weather__forecast")),
        ("mcp_type", text("tool")),
        ("data", schema),
        ("annotations", text("{}")),
        ("is_async", AttributeValue::Bool(true)),
        ("status", number("1")),
    ];
    put(client, &format!("{prefix}mcp-functions"), with_audit(function)).await;
    let class =
        map([("class_name", text("Weather")), ("setting_id", text("17345678901234567890"))]);
    let module = vec![
        ("module_name", text("weather")),
        ("package_name", text("weather_maps")),
        ("classes", AttributeValue::L(vec![class])),
        ("source", text("")),
    ];
    put(client, &format!("{prefix}mcp-modules"), with_audit(module)).await;
    let setting = vec![
        ("setting_id", text("17345678901234567890")),
        ("setting", map([("timeout", number("2.5")), ("big", number("12345678901234567890"))])),
    ];
    put(client, &format!("{prefix}mcp-settings"), with_audit(setting)).await;
}

#[tokio::test]
async fn data_of_the_older_engine_is_read_in_place() {
    let prefix = "older-";
    let client = older(prefix).await;
    fill_older(&client, prefix).await;
    put(
        &client,
        &format!("{prefix}mcp-function_calls"),
        call("1", "weather__forecast", "completed", "2025-03-04T05:06:19.100000Z"),
    )
    .await;
    let again = call("2", "weather__forecast", "failed", "2025-03-04T05:06:20.100000Z");
    put(&client, &format!("{prefix}mcp-function_calls"), again).await;
    let store = open(prefix).await;
    let asked = ["weather__forecast", "missing", "a\0"];
    let latest = store.latest(&CALLS, &acme(), "name", &asked, "updated_at").await.unwrap();
    assert_eq!(latest.iter().map(|row| &*row.key).collect::<Vec<_>>(), ["2"]);
    let audited = |row: Row| {
        row.with("updated_by", "ann")
            .with("created_at", "2025-03-04T05:06:07.089012Z")
            .with("updated_at", "2025-03-04T05:06:07.000000Z")
    };
    let function = Row::new("weather__forecast")
        .with("mcp_type", "tool")
        .with(
            "data",
            json!({"inputSchema": {"type": "object", "minimum": -0.5}, "tags": ["a", null]}),
        )
        .with("annotations", "{}")
        .with("is_async", true)
        .with("status", 1);
    assert_eq!(one(&store, &FUNCTIONS, "weather__forecast").await, audited(function.clone()));
    let query = Query::first(9).only("mcp_type", Test::Is("tool".into()));
    let listed = store.list(&FUNCTIONS, &acme(), &query).await.unwrap();
    assert_eq!(listed.rows, [audited(function)]);
    let classes = json!([{"class_name": "Weather", "setting_id": "17345678901234567890"}]);
    let module = Row::new("weather")
        .with("package_name", "weather_maps")
        .with("classes", classes)
        .with("source", "");
    assert_eq!(one(&store, &MODULES, "weather").await, audited(module));
    let setting = json!({"timeout": 2.5, "big": 12_345_678_901_234_567_890_u64});
    let setting = Row::new("17345678901234567890").with("setting", setting);
    assert_eq!(one(&store, &SETTINGS, "17345678901234567890").await, audited(setting));
    let call = one(&store, &CALLS, "1").await;
    assert_eq!(call.get("arguments"), Some(&json!({"city": "Köln", "days": 3})));
    assert_eq!(call.text("updated_at"), Some("2025-03-04T05:06:19.100000Z"));
    assert_eq!((call.integer("time_spent"), call.text("notes")), (Some(12_000), Some("")));
    assert_eq!(store.tenants(&CALLS).await.unwrap(), [acme()]);
}

/// What the older engine put into its bucket is read, and what it could not finish we can: a call
/// that ends with a large result.
#[tokio::test]
async fn large_results_of_the_older_engine_are_read_from_its_bucket() {
    let prefix = "bucket-";
    let client = older(prefix).await;
    let table = format!("{prefix}mcp-function_calls");
    let mut large = call("1", "a", "completed", "2025-03-04T05:06:07.000000+0000");
    large.insert("content_in_s3".to_owned(), AttributeValue::Bool(true));
    large.remove("content");
    put(&client, &table, large).await;
    put(&client, &table, call("2", "a", "in_process", "2025-03-04T05:06:08.000000+0000")).await;
    let bucket = format!("{}/functions", moto::endpoint());
    assert_eq!(plain::send("PUT", &bucket, b""), 200);
    let theirs = "x".repeat(500 * 1024);
    let address = format!("{bucket}/mcp_content/1.json");
    assert_eq!(plain::send("PUT", &address, theirs.as_bytes()), 200);

    let s3 = S3Config {
        bucket: "functions".to_owned(),
        region: Some(moto::REGION.to_owned()),
        endpoint: Some(moto::endpoint().to_owned()),
        access_key_id: Some(moto::KEY.0.to_owned()),
        secret_access_key: Some(Secret::new(moto::KEY.1)),
        ..S3Config::default()
    };
    let config = BlobConfig { directory: None, s3: Some(s3) };
    let blobs = blob::open(&config, Path::new("/nowhere")).await.unwrap();
    let store = Overflow::new(Arc::new(open(prefix).await), blobs, Overflow::LIMIT);
    let ours = "y".repeat(500 * 1024);
    let ended = Row::new("2").with("status", "completed").with("content", ours.as_str());
    store.write(&CALLS, &acme(), vec![Change::Update(ended)]).await.unwrap();
    let rows = store.read(&CALLS, &acme(), &["1", "2"]).await.unwrap();
    let contents: Vec<_> = rows.iter().map(|row| row.text("content").unwrap()).collect();
    assert!(contents == [&*theirs, &*ours], "{:?}", contents.iter().map(|text| text.len()));
    assert_eq!(rows[1].text("status"), Some("completed"));
}

#[tokio::test]
async fn what_we_write_is_as_the_older_engine_writes_it() {
    let prefix = "same-";
    let (store, client) = (open(prefix).await, client());
    let row = Row::new("1")
        .with("name", "weather__forecast")
        .with("mcp_type", "tool")
        .with("arguments", json!({"city": "Köln", "days": 3}))
        .with("content_in_s3", false)
        .with("content", "[{\"type\": \"text\"}]")
        .with("status", "completed")
        .with("notes", "")
        .with("time_spent", 12_000)
        .with("updated_by", "mcp_daemon_engine")
        .with("created_at", "2025-03-04T05:06:07.089012Z")
        .with("updated_at", "2025-03-04T05:06:19.100000Z");
    let expected = call("1", "weather__forecast", "completed", "2025-03-04T05:06:19.100000+0000");
    let key = || item([("partition_key", text("acme#eu")), ("mcp_function_call_uuid", text("1"))]);
    let table = format!("{prefix}mcp-function_calls");
    for change in [Change::Insert(row.clone()), Change::Put(row.clone()), Change::Merge(row)] {
        store.write(&CALLS, &acme(), vec![change]).await.unwrap();
        assert_eq!(get(&client, &table, key()).await, expected);
    }
}

#[tokio::test]
async fn attributes_of_others_are_left_alone() {
    let prefix = "unknown-";
    let client = older(prefix).await;
    let table = format!("{prefix}mcp-function_calls");
    let mut theirs = call("1", "a", "initial", "2025-03-04T05:06:07.000000+0000");
    theirs.insert("colour".to_owned(), map([("red", number("1"))]));
    put(&client, &table, theirs.clone()).await;
    let store = open(prefix).await;
    let ended = |status: &str| Row::new("1").with("status", status).with("notes", Value::Null);
    let replace = Change::Replace {
        row: ended("failed"),
        column: "created_at",
        was: "2025-03-04T05:06:07.089012Z".into(),
    };
    for (change, status) in [
        (Change::Merge(ended("in_process")), "in_process"),
        (Change::Update(ended("completed")), "completed"),
        (replace, "failed"),
    ] {
        store.write(&CALLS, &acme(), vec![change]).await.unwrap();
        let key = item([("partition_key", text("acme#eu")), ("mcp_function_call_uuid", text("1"))]);
        theirs.insert("status".to_owned(), text(status));
        theirs.remove("notes");
        assert_eq!(get(&client, &table, key).await, theirs);
    }
    assert_eq!(store.add(&CALLS, &acme(), "1", "time_spent", 5).await.unwrap(), 12_005);
    assert!(one(&store, &CALLS, "1").await.get("colour").is_none());
}

/// Every page of `limit`, and that each row is there once.
async fn walk(store: &Dynamodb, mut query: Query) -> Vec<String> {
    let mut keys = Vec::new();
    loop {
        let listed = store.list(&CALLS, &acme(), &query).await.unwrap();
        query.after = listed.rows.last().map(|row| Mark {
            value: query
                .order
                .column
                .and_then(|column| row.get(column).cloned())
                .unwrap_or_default(),
            key: row.key.clone(),
        });
        keys.extend(listed.rows.into_iter().map(|row| row.key));
        assert!(keys.len() < 100, "in circles: {keys:?}");
        if !listed.has_more {
            return keys;
        }
    }
}

/// Calls with times in all forms, two of them at the same moment.
async fn fill(client: &Client, prefix: &str) {
    for (id, status, time) in [
        ("a", "failed", "2025-03-04T05:06:07.000001+0000"),
        ("b", "completed", "2025-03-04T05:06:07.000002Z"),
        ("c", "initial", "2025-03-04T05:06:07.000003+00:00"),
        ("d", "completed", "2025-03-04T05:06:07.000003Z"),
        ("e", "failed", "2025-03-04T05:06:08Z"),
        ("f", "completed", "2025-03-04T05:06:09.000000+0000"),
    ] {
        put(client, &format!("{prefix}mcp-function_calls"), call(id, "x", status, time)).await;
    }
}

async fn check_walks(store: &Dynamodb) {
    let by_time = |descends| Query::first(1).by(Some("updated_at"), descends);
    assert_eq!(walk(store, by_time(false)).await, ["a", "b", "c", "d", "e", "f"]);
    assert_eq!(walk(store, by_time(true)).await, ["f", "e", "d", "c", "b", "a"]);
    let second = |second: &str| format!("2025-03-04T05:06:{second}Z").into();
    let between = by_time(false)
        .only("updated_at", Test::From(second("07.000003")))
        .only("updated_at", Test::Below(second("09.000000")));
    assert_eq!(walk(store, between.clone()).await, ["c", "d", "e"]);
    let counted = Query { counts: true, ..between };
    assert_eq!(store.list(&CALLS, &acme(), &counted).await.unwrap().total, Some(3));
    let equal = by_time(false).only("updated_at", Test::Is(second("07.000003")));
    assert_eq!(walk(store, equal).await, ["c", "d"]);
    let by_status = Query::first(2).by(Some("status"), true);
    assert_eq!(walk(store, by_status).await, ["c", "e", "a", "f", "d", "b"]);
    let named = Query::first(2).only("name", Test::Is("x".into()));
    assert_eq!(walk(store, named).await, ["a", "b", "c", "d", "e", "f"]);
}

#[tokio::test]
async fn times_in_any_form_are_in_order_and_pages_lose_none() {
    let prefix = "times-";
    let store = open(prefix).await;
    fill(&client(), prefix).await;
    check_walks(&store).await;
}

#[tokio::test]
async fn tables_without_our_indexes_list_the_same() {
    let prefix = "bare-";
    let client = older(prefix).await;
    fill(&client, prefix).await;
    check_walks(&open(prefix).await).await;
}

#[tokio::test]
async fn what_is_beyond_one_answer_is_fetched_in_several() {
    let prefix = "large-";
    let store = open(prefix).await;
    // An answer has 1 MB at most, one to a list of keys 16 MB.
    let rows: Vec<Row> = (0..42)
        .map(|number| Row::new(format!("{number:02}")).with("content", "x".repeat(395 * 1024)))
        .collect();
    for row in &rows {
        store.write(&CALLS, &acme(), vec![Change::Put(row.clone())]).await.unwrap();
    }
    let keys: Vec<&str> = rows.iter().map(|row| &*row.key).collect();
    assert!(store.read(&CALLS, &acme(), &keys).await.unwrap() == rows);
    let query = Query { counts: true, ..Query::first(30) }.only("content", Test::From("x".into()));
    let listed = store.list(&CALLS, &acme(), &query).await.unwrap();
    assert!(listed.rows == rows[..30]);
    assert_eq!((listed.has_more, listed.total), (true, Some(42)));
    let contains =
        Query { counts: true, ..Query::first(9) }.only(CALLS.key, Test::Contains("4".into()));
    let listed = store.list(&CALLS, &acme(), &contains).await.unwrap();
    assert_eq!((listed.rows.len(), listed.total), (6, Some(6)));
}

#[tokio::test]
async fn many_puts_are_carried_out() {
    let prefix = "batch-";
    let store = open(prefix).await;
    let put = |number: usize, version: u32| {
        Change::Put(Row::new(format!("{number:03}")).with("version", version))
    };
    for version in [1, 2] {
        let changes = (0..130).map(|number| put(number, version)).collect();
        store.write(&SERVERS, &acme(), changes).await.unwrap();
    }
    // One key twice: the last one counts.
    let changes = (0..120).map(|number| put(number, 3)).chain([put(0, 4)]).collect();
    store.write(&SERVERS, &acme(), changes).await.unwrap();
    let listed = store.list(&SERVERS, &acme(), &Query::first(500)).await.unwrap();
    let versions: Vec<_> = listed.rows.iter().filter_map(|row| row.integer("version")).collect();
    assert_eq!((versions.len(), versions[0], versions[1], versions[129]), (130, 4, 3, 2));
}

#[track_caller]
fn invalid(result: Result<(), StoreError>, expected: &str) {
    match result {
        Err(StoreError::Invalid(why)) => assert!(why.contains(expected), "{why}"),
        other => panic!("not invalid: {other:?}"),
    }
}

#[tokio::test]
async fn what_the_service_cannot_hold_is_refused() {
    let prefix = "refused-";
    let store = open(prefix).await;
    let huge = || Row::new("1").with("content", "x".repeat(401 * 1024));
    let half = |column| Row::new("1").with(column, "x".repeat(250 * 1024));
    let write = async |changes| store.write(&CALLS, &acme(), changes).await;
    invalid(write(vec![Change::Put(huge())]).await, "size");
    invalid(write(vec![Change::Insert(huge())]).await, "size");
    write(vec![Change::Put(half("content"))]).await.unwrap();
    invalid(write(vec![Change::Merge(half("notes"))]).await, "size");
    invalid(write(vec![Change::Update(half("notes"))]).await, "size");
    assert_eq!(one(&store, &CALLS, "1").await, half("content"));
    invalid(write(vec![Change::Put(Row::new("2").with("name", ""))]).await, "no empty text");
}

#[tokio::test]
async fn what_is_not_ours_is_told_and_left_alone() {
    let prefix = "odd-";
    let (store, client) = (open(prefix).await, client());
    let table = format!("{prefix}mcp-modules");
    let module = |partition: &str, name: &str, source| {
        item([("partition_key", text(partition)), ("module_name", text(name)), ("source", source)])
    };
    put(&client, &table, module("acme#eu", "odd", number("1"))).await;
    put(&client, &table, module("no tenant!", "a", text(""))).await;
    let read = store.read(&MODULES, &acme(), &["odd"]).await;
    let Err(StoreError::Broken(why)) = read else { panic!("{read:?}") };
    assert_eq!(
        why,
        "`source` of `odd` in mcp-modules is of the type N, which is not that of the column"
    );
    assert_eq!(store.tenants(&MODULES).await.unwrap(), [acme()]);
}

#[track_caller]
fn unopened(opened: Result<Dynamodb, StoreError>, expected: &str) {
    match opened {
        Ok(_) => panic!("it opens"),
        Err(error) => assert!(error.to_string().contains(expected), "{error}"),
    }
}

#[tokio::test]
async fn what_cannot_be_opened_says_why() {
    let config = tables::of("absent-");
    let absent = DynamodbConfig { initialize_tables: false, ..config.clone() };
    unopened(Dynamodb::open(&absent).await, "`initialize_tables`");
    let other = "other-";
    make(&client(), &format!("{other}mcp-modules"), "id", &[]).await;
    unopened(
        Dynamodb::open(&tables::of(other)).await,
        "another key than `partition_key` and `module_name`",
    );
    let half = DynamodbConfig { secret_access_key: None, ..config.clone() };
    unopened(Dynamodb::open(&half).await, "belong together");
    let nobody = DynamodbConfig { endpoint: Some("http://127.0.0.1:1".to_owned()), ..config };
    unopened(Dynamodb::open(&nobody).await, "the store is unavailable");
}
