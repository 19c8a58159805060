//! The schema as it is checked in: `SWITCHBOARD_BLESS=1 cargo test -p switchboard-admin --test suite`
//! writes it anew.

use std::path::Path;

use crate::house::House;

fn check(name: &str, actual: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(name);
    if std::env::var_os("SWITCHBOARD_BLESS").is_some() {
        std::fs::write(&path, actual).unwrap();
    }
    let expected = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        expected == actual,
        "{name} is not up to date: SWITCHBOARD_BLESS=1 cargo test -p switchboard-admin --test suite"
    );
}

#[test]
fn the_schema_is_the_one_that_is_checked_in() {
    check("schema.graphql", &House::new().admin.sdl());
}

#[test]
fn the_description_of_rest_is_the_one_that_is_checked_in() {
    let text = serde_json::to_string_pretty(&House::new().admin.openapi()).unwrap();
    check("openapi.json", &format!("{text}\n"));
}
