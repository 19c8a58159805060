//! Who the SDKs of AWS would ask for credentials is asked: a profile, here.
//!
//! Where they look is said by environment variables, which a process cannot change safely for itself:
//! the tests run themselves once more, with them.

#![cfg(feature = "dynamodb")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod moto;
#[path = "moto/tables.rs"]
mod tables;

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use switchboard_store::blob::{self, BlobConfig, S3Config};
use switchboard_store::dynamodb::{Dynamodb, DynamodbConfig};
use switchboard_store::{OpenError, StoreConfig};

/// Where moto is, for the second run.
const ENDPOINT: &str = "SWITCHBOARD_TEST_ENDPOINT";
const KEY_ID: &str = "AKIAPROFILEEXAMPLE";

#[tokio::test]
async fn credentials_and_region_come_from_a_profile() {
    if let Some(endpoint) = std::env::var_os(ENDPOINT) {
        return with_profile(endpoint.into_string().unwrap()).await;
    }
    // Another store has made the tables.
    Dynamodb::open(&tables::of("chain-")).await.unwrap();
    let keys = format!("aws_access_key_id = {KEY_ID}\naws_secret_access_key = not-a-secret\n");
    again("credentials_and_region_come_from_a_profile", &keys);
}

async fn with_profile(endpoint: String) {
    let store = StoreConfig { dynamodb: Some(tables_at(&endpoint)), ..StoreConfig::default() };
    switchboard_store::open(&store, Path::new("/nowhere")).await.unwrap();
    let s3 =
        S3Config { bucket: "packages".to_owned(), endpoint: Some(endpoint), ..S3Config::default() };
    let config = BlobConfig { directory: None, s3: Some(s3) };
    let store = blob::open(&config, Path::new("/nowhere")).await.unwrap();
    let url = store.upload_url("a.zip", Duration::from_secs(60)).await.unwrap().unwrap();
    let credential = format!("X-Amz-Credential={KEY_ID}");
    assert!(url.contains(&credential) && url.contains(moto::REGION), "{url}");
}

#[tokio::test]
async fn without_credentials_somebody_has_to_look() {
    let Some(endpoint) = std::env::var_os(ENDPOINT) else {
        return again("without_credentials_somebody_has_to_look", "");
    };
    let dynamodb = Some(tables_at(&endpoint.into_string().unwrap()));
    let store = StoreConfig { dynamodb, ..StoreConfig::default() };
    match switchboard_store::open(&store, Path::new("/nowhere")).await {
        Err(OpenError::Refused { cause, .. }) => assert!(cause.contains("credentials"), "{cause}"),
        Err(error) => panic!("{error:?}"),
        Ok(_) => panic!("it opens"),
    }
}

fn tables_at(endpoint: &str) -> DynamodbConfig {
    DynamodbConfig {
        endpoint: Some(endpoint.to_owned()),
        table_prefix: "chain-".to_owned(),
        ..DynamodbConfig::default()
    }
}

/// Runs a test in another process, for which `keys` are those of its profile.
#[track_caller]
fn again(test: &str, keys: &str) {
    let home = tempfile::tempdir().unwrap();
    let (config, credentials) = (home.path().join("config"), home.path().join("credentials"));
    std::fs::write(&config, format!("[profile team]\nregion = {}\n", moto::REGION)).unwrap();
    std::fs::write(&credentials, format!("[team]\n{keys}")).unwrap();
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", test])
        .env_clear()
        .env(ENDPOINT, moto::endpoint())
        .env("AWS_CONFIG_FILE", config)
        .env("AWS_SHARED_CREDENTIALS_FILE", credentials)
        .env("AWS_PROFILE", "team")
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && said.contains("1 passed"), "{said}");
}
