//! The lists that people look at most, over the store that most have.

use std::sync::Arc;

use serde_json::json;
use switchboard_core::Tenant;
use switchboard_core::store::{Change, Row, Store, tables};
use switchboard_store::{StoreConfig, open};
use tokio::time::Instant;

use crate::house::{House, admin};

async fn filled(store: &dyn Store) {
    let acme = Tenant::parse("acme").unwrap();
    let write = async |table, rows: Vec<Row>| {
        let changes = rows.into_iter().map(Change::Insert).collect();
        store.write(table, &acme, changes).await.unwrap();
    };
    let functions = (0..100).map(|number| {
        Row::new(format!("f{number:03}"))
            .with("mcp_type", "tool")
            .with("description", "what it is good for, in a sentence or two")
            .with("data", json!({"inputSchema": {"properties": {"firstName": {"type": "string"}}}}))
            .with("module_name", format!("m{}", number % 20))
            .with("class_name", "C")
    });
    write(&tables::FUNCTIONS, functions.collect()).await;
    let modules = (0..20).map(|number| {
        let class = json!([{"class_name": "C", "setting_id": format!("s{number}")}]);
        Row::new(format!("m{number}")).with("package_name", "p").with("classes", class)
    });
    write(&tables::MODULES, modules.collect()).await;
    let settings =
        (0..20).map(|number| Row::new(format!("s{number}")).with("setting", json!({"of": number})));
    write(&tables::SETTINGS, settings.collect()).await;
    let calls = (0..10_000).map(|number| {
        Row::new(format!("{number:020}"))
            .with("name", format!("f{:03}", number % 100))
            .with("status", "completed")
            .with("updated_at", format!("2026-11-20T00:00:00.{number:06}Z"))
            .with("content", "x".repeat(200))
    });
    write(&tables::CALLS, calls.collect()).await;
}

/// The time is printed and not checked: it is the machine's as much as ours.
#[expect(clippy::print_stderr, reason = "the time is what this is for")]
#[tokio::test]
async fn a_hundred_functions_with_all_that_belongs_to_them() {
    let directory = tempfile::TempDir::new().unwrap();
    let store = open(&StoreConfig::default(), directory.path()).await.unwrap();
    filled(&*store).await;
    let house = House::over(Arc::clone(&store));
    let list = "{ functions(first: 100) { edges { node { name description data
        module { packageName classes } settings { setting } lastCall { status } } } } }";
    let mut times = Vec::new();
    for _ in 0..21 {
        let begin = Instant::now();
        let data = house.data(&admin("acme"), list, json!({})).await;
        times.push(begin.elapsed());
        let edges = data["functions"]["edges"].as_array().unwrap();
        assert_eq!(edges.len(), 100);
        assert!(edges.iter().all(|edge| edge["node"]["lastCall"]["status"] == "completed"));
        assert_eq!(edges[99]["node"]["settings"], json!([{"setting": {"of": 19}}]));
    }
    times.sort();
    eprintln!("a list of 100 with children: {:?} in the middle of {}", times[10], times.len());
}
