//! What may be configured.

use switchboard_config::Secret;
use switchboard_store::{PostgresConfig, SqliteConfig, StoreConfig, open};
use tempfile::TempDir;

async fn check(config: StoreConfig, expected: &str) {
    let directory = TempDir::new().unwrap();
    let Err(error) = open(&config, directory.path()).await else { panic!("not refused") };
    let told = error.to_string();
    assert!(told.contains(expected), "{told}");
    assert!(!told.contains("s3cret"), "{told}");
}

fn postgres(url: &str, schema: &str) -> StoreConfig {
    let postgres = PostgresConfig {
        url: Secret::new(url),
        schema: schema.to_owned(),
        ..PostgresConfig::default()
    };
    StoreConfig { postgres: Some(postgres), ..StoreConfig::default() }
}

#[tokio::test]
async fn what_cannot_be_opened_says_why() {
    let both = StoreConfig {
        sqlite: Some(SqliteConfig::default()),
        ..postgres("postgres://127.0.0.1/", "a")
    };
    check(both, "kept in one place").await;
    check(postgres("http://user:s3cret@host", "a"), "`store.postgres.url` is no address").await;
    check(postgres("postgres://:s3cret@host:what/", "a"), "`store.postgres.url`").await;
    for schema in ["", "A", "a-b", "1a", "a\"; DROP SCHEMA public; --", &"a".repeat(64)] {
        check(postgres("postgres://127.0.0.1/", schema), "`store.postgres.schema`").await;
    }
}

#[tokio::test]
async fn a_path_is_within_the_state_directory_unless_it_is_whole() {
    let (state, other) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let whole = other.path().join("whole.db");
    for (path, expected) in [
        (None, state.path().join("store.db")),
        (Some("own.db".into()), state.path().join("own.db")),
        (Some(whole.clone()), whole),
    ] {
        let sqlite = Some(SqliteConfig { path });
        open(&StoreConfig { sqlite, ..StoreConfig::default() }, state.path()).await.unwrap();
        assert!(expected.is_file(), "{}", expected.display());
    }
}
