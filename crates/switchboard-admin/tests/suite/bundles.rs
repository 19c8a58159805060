//! Bundles that are pushed.

use bytes::Bytes;
use http::StatusCode;
use serde_json::{Value, json};
use switchboard_core::Area;
use switchboard_core::store::{BlobStore as _, tables};

use crate::house::{House, admin, caller};

/// An archive that says this, as it is sent.
fn package(text: &str) -> String {
    use base64::Engine as _;
    base64::engine::general_purpose::STANDARD.encode(text)
}

/// The digest that the daemon of the tests has for an archive.
fn digest(text: &str) -> String {
    let hex: String = text.bytes().map(|byte| format!("{byte:02x}")).collect();
    format!("{hex:0<64}")
}

async fn digests(house: &House) -> Vec<String> {
    let answered = house.ask(&admin("acme"), "GET /acme/api/v1/bundles/b/versions", None).await;
    let versions: Value = serde_json::from_str(&answered.body).unwrap();
    let versions = versions.as_array().unwrap().iter();
    versions.map(|it| it["digest"].as_str().unwrap().to_owned()).collect()
}

const PLACE: &str = "/acme/api/v1/bundles/b";

#[tokio::test]
async fn ten_versions_are_kept_and_the_served_one_among_them() {
    let house = House::new();
    let acme = admin("acme");
    let put = format!("PUT {PLACE}");
    let answered = house.ask(&acme, &put, Some(json!({}))).await;
    assert_eq!(answered.status, StatusCode::BAD_REQUEST);
    assert!(answered.body.contains("needs a `package` or an `upload`"), "{}", answered.body);
    for number in 0..14 {
        let body = json!({ "package": package(&format!("v{number:02}")) });
        let answered = house.ask(&acme, &put, Some(body)).await;
        assert_eq!(answered.status, StatusCode::OK, "{}", answered.body);
    }
    let kept = digests(&house).await;
    let expected: Vec<_> = (4..14).rev().map(|number| digest(&format!("v{number:02}"))).collect();
    assert_eq!(kept, expected);
    let back = json!({ "digest": digest("v04") });
    let answered = house.ask(&acme, &format!("POST {PLACE}/rollback"), Some(back)).await;
    assert_eq!(answered.status, StatusCode::OK, "{}", answered.body);
    // Its definition changes, and it is the oldest: it stays.
    let body = json!({ "definition": { "prefix": "p" } });
    let answered = house.ask(&acme, &put, Some(body)).await;
    let bundle: Value = serde_json::from_str(&answered.body).unwrap();
    assert_eq!(bundle["digest"], digest("v04"));
    assert_eq!(bundle["definition"], json!({ "prefix": "p" }));
    assert!(digests(&house).await.contains(&digest("v04")));
    let told = house.daemon.changed.lock().unwrap().clone();
    assert!(told.contains(&("acme".to_owned(), Area::Functions)), "{told:?}");
}

/// Nothing is kept of what was meant for another version of the bundle.
#[tokio::test]
async fn conditions_are_looked_at_first() {
    let house = House::new();
    let acme = admin("acme");
    let put = async |tag: (&str, &str), text: &str| {
        let body = json!({ "package": package(text) }).to_string();
        let request = http::Request::builder().method("PUT").uri(PLACE).header(tag.0, tag.1);
        let request = request.header("content-type", "application/json");
        house.send(&acme, request.body(Bytes::from(body)).unwrap()).await.status
    };
    assert_eq!(put(("if-none-match", "*"), "one").await, StatusCode::OK);
    assert_eq!(put(("if-none-match", "*"), "two").await, StatusCode::PRECONDITION_FAILED);
    assert_eq!(put(("if-match", "\"7\""), "three").await, StatusCode::PRECONDITION_FAILED);
    assert_eq!(house.daemon.inspected.lock().unwrap().len(), 1, "nothing of it was run");
    assert_eq!(digests(&house).await, [digest("one")]);
}

#[tokio::test]
async fn what_cannot_be_served_changes_nothing() {
    let house = House::new();
    let acme = admin("acme");
    let put = async |body: Value| house.ask(&acme, &format!("PUT {PLACE}"), Some(body)).await;
    put(json!({ "package": package("good") })).await;
    for (package, part) in [(package("bad"), "it is bad"), ("%".to_owned(), "not in base64")] {
        let answered = put(json!({ "package": package })).await;
        assert_eq!(answered.status, StatusCode::BAD_REQUEST);
        assert!(answered.body.contains(part), "{}", answered.body);
    }
    assert_eq!(digests(&house).await, [digest("good")]);
    // What starts programs that are not confined needs a right of its own.
    let bob = caller("acme", "user:bob", &["manage functions"]);
    let body = json!({ "package": package("free") });
    let answered = house.ask(&bob, &format!("PUT {PLACE}"), Some(body.clone())).await;
    assert_eq!(answered.status, StatusCode::FORBIDDEN);
    assert!(answered.body.contains("start programs"), "{}", answered.body);
    let bob = caller("acme", "user:bob", &["manage functions", "start programs"]);
    let answered = house.ask(&bob, &format!("PUT {PLACE}"), Some(body)).await;
    assert_eq!(answered.status, StatusCode::OK, "{}", answered.body);
    // Bundles and servers share one set of names.
    let server = json!({ "definition": { "http": { "url": "https://a" } } });
    let answered = house.ask(&acme, "PUT /acme/api/v1/servers/b", Some(server.clone())).await;
    assert!(answered.body.contains("is a bundle"), "{}", answered.body);
    house.ask(&acme, "PUT /acme/api/v1/servers/s", Some(server)).await;
    let body = json!({ "package": package("good") });
    let answered = house.ask(&acme, "PUT /acme/api/v1/bundles/s", Some(body)).await;
    assert!(answered.body.contains("is a server"), "{}", answered.body);
}

#[tokio::test]
async fn what_is_set_is_shown_to_nobody_and_stays() {
    let house = House::new();
    let acme = admin("acme");
    let put = async |body: Value| {
        let answered = house.ask(&acme, &format!("PUT {PLACE}"), Some(body)).await;
        assert_eq!(answered.status, StatusCode::OK, "{}", answered.body);
        answered.body
    };
    let definition =
        json!({ "settings": { "word": "hush" }, "grants": { "hosts": ["a.example"] } });
    let shown = put(json!({ "package": package("one"), "definition": definition })).await;
    assert!(!shown.contains("hush") && shown.contains("a.example"), "{shown}");
    let seen = serde_json::from_str::<Value>(&shown).unwrap()["definition"].clone();
    put(json!({ "package": package("two"), "definition": seen })).await;
    put(json!({ "package": package("three") })).await;
    let inspected = house.daemon.inspected.lock().unwrap().clone();
    assert_eq!(inspected, [definition.clone(), definition.clone(), definition]);
    let query = "{ bundles { nodes { name digest definition } } bundleVersions(name: \"b\") \
                 { digest isCurrent isSigned version bytes pushedBy } }";
    let data = house.data(&acme, query, json!({})).await;
    assert!(!data.to_string().contains("hush"));
    assert_eq!(data["bundles"]["nodes"][0]["digest"], digest("three"));
    let current = json!({ "digest": digest("three"), "isCurrent": true, "isSigned": false,
        "version": "three", "bytes": 5, "pushedBy": "user:ann" });
    assert_eq!(data["bundleVersions"][0], current);
}

#[tokio::test]
async fn an_upload_is_taken_once_and_by_its_tenant_alone() {
    let house = House::new();
    let acme = admin("acme");
    let upload = format!("POST {PLACE}/upload");
    let answered = house.ask(&acme, &upload, Some(json!({}))).await;
    let address: Value = serde_json::from_str(&answered.body).unwrap();
    assert_eq!(address["key"], "bundles/acme/b.zip");
    assert_eq!(address["url"], "https://blobs.example/bundles/acme/b.zip?for=900");
    let blobs = &house.daemon.blobs;
    blobs.put("bundles/acme/b.zip", Bytes::from_static(b"sent")).await.unwrap();
    blobs.put("bundles/other/b.zip", Bytes::from_static(b"theirs")).await.unwrap();
    blobs.put("bundles/acme/large.zip", Bytes::from_static(&[0; 17])).await.unwrap();
    let put = async |body: Value| house.ask(&acme, &format!("PUT {PLACE}"), Some(body)).await;
    for (key, part) in [
        ("bundles/other/b.zip", "there is no upload"),
        ("bundles/acme/none.zip", "there is no upload"),
        ("bundles/acme/large.zip", "16 is the limit"),
        ("mcp_content/1.json", "there is no upload"),
    ] {
        let answered = put(json!({ "upload": key })).await;
        assert!(answered.body.contains(part), "{key}: {}", answered.body);
    }
    let both = put(json!({ "upload": "bundles/acme/b.zip", "package": package("x") })).await;
    assert!(both.body.contains("not both"), "{}", both.body);
    let answered = put(json!({ "upload": "bundles/acme/b.zip" })).await;
    assert_eq!(answered.status, StatusCode::OK, "{}", answered.body);
    assert_eq!(digests(&house).await, [digest("sent")]);
    assert_eq!(blobs.read("bundles/acme/b.zip").await.unwrap(), None);
    let answered = house.ask(&acme, &format!("DELETE {PLACE}"), None).await;
    assert_eq!(answered.status, StatusCode::NO_CONTENT);
    assert_eq!(
        house.store.row(&tables::BUNDLE_VERSIONS, "acme", &format!("b.{}", digest("sent"))),
        None
    );
}
