use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Barrier;
use std::thread;

use super::{Place, Store};
use crate::error::StoreError;
use crate::record::{Client, Login, Record, Source};
use crate::settings::ClientAuth;

fn record(token: &str) -> Record {
    let client = Client {
        issuer: "https://as.example".to_owned(),
        id: "id".to_owned(),
        secret: Some("canary-secret".to_owned()),
        auth: ClientAuth::Basic,
        source: Source::Registered,
        redirect_uri: None,
        device: false,
    };
    let login = Login {
        token_endpoint: "https://as.example/token".to_owned(),
        resource: "https://mcp.example".to_owned(),
        access_token: token.to_owned(),
        refresh_token: None,
        obtained_at: 1,
        expires_at: None,
        scopes: Vec::new(),
    };
    let server = "https://mcp.example/".to_owned();
    Record { server, client, login: Some(login), wanted: Vec::new() }
}

fn token(store: &Store, place: &Place) -> Option<String> {
    Some(store.load(place).unwrap()?.login?.access_token)
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o7777
}

#[test]
fn what_is_kept_is_private_and_unreadable() {
    let state = tempfile::tempdir().unwrap();
    let store = Store::open(state.path()).unwrap();
    let place = store.place("github", Some("anna"));
    assert!(store.load(&place).unwrap().is_none());
    assert!(store.stamp(&place).is_none());
    store.save(&place, &record("canary-token")).unwrap();
    let first = store.stamp(&place);
    assert_eq!(mode(&place.path), 0o600);
    assert_eq!(mode(&state.path().join("oauth")), 0o700);
    assert_eq!(mode(&state.path().join("secrets.key")), 0o600);
    let bytes = fs::read(&place.path).unwrap();
    assert!(!bytes.windows(6).any(|window| window == b"canary"));
    assert!(!place.path.to_string_lossy().contains("anna"));
    // Another process with the same key.
    let other = Store::open(state.path()).unwrap();
    assert_eq!(token(&other, &place).as_deref(), Some("canary-token"));
    other.save(&place, &record("second")).unwrap();
    assert_ne!(store.stamp(&place), first);
    assert_eq!(token(&store, &place).as_deref(), Some("second"));
    assert!(store.remove(&place).unwrap());
    assert!(!store.remove(&place).unwrap());
}

#[test]
fn a_file_opens_in_its_own_place_only() {
    let state = tempfile::tempdir().unwrap();
    let store = Store::open(state.path()).unwrap();
    let own = store.place("github", Some("anna"));
    store.save(&own, &record("canary-token")).unwrap();
    for place in [
        store.place("github", Some("bert")),
        store.place("github", Some("")),
        store.place("github", None),
        store.place("githu", Some("banna")),
        store.place("githuba", Some("nna")),
        store.place("all", Some("anna")),
    ] {
        assert_ne!(place.path, own.path);
        fs::copy(&own.path, &place.path).unwrap();
        let error = store.load(&place).err().unwrap();
        assert!(matches!(error, StoreError::Damaged { .. }), "{error}");
    }
}

#[test]
fn damage_is_an_error_and_stays() {
    let state = tempfile::tempdir().unwrap();
    let store = Store::open(state.path()).unwrap();
    let place = store.place("github", None);
    store.save(&place, &record("canary-token")).unwrap();
    let good = fs::read(&place.path).unwrap();
    let mut flipped = good.clone();
    flipped[30] ^= 1;
    for bad in [&[][..], &good[..10], &good[..good.len() - 1], &flipped, &[0; 4096]] {
        fs::write(&place.path, bad).unwrap();
        let error = store.load(&place).err().unwrap();
        assert!(matches!(error, StoreError::Damaged { .. }), "{error}");
        assert!(!format!("{error:?}").contains("canary"));
    }
    fs::remove_file(&place.path).unwrap();
    fs::create_dir(&place.path).unwrap();
    assert!(matches!(store.load(&place).err().unwrap(), StoreError::Io { .. }));
}

#[test]
fn a_file_that_others_could_read_is_narrowed() {
    let state = tempfile::tempdir().unwrap();
    let store = Store::open(state.path()).unwrap();
    let place = store.place("github", None);
    store.save(&place, &record("x")).unwrap();
    fs::set_permissions(&place.path, Permissions::from_mode(0o644)).unwrap();
    store.load(&place).unwrap().unwrap();
    assert_eq!(mode(&place.path), 0o600);
}

#[test]
fn a_damaged_key_is_left_as_it_is() {
    for content in [&b""[..], b"short", &[7; 33], &[7; 5000]] {
        let state = tempfile::tempdir().unwrap();
        let path = state.path().join("secrets.key");
        fs::write(&path, content).unwrap();
        let error = Store::open(state.path()).err().unwrap();
        assert!(matches!(error, StoreError::Key { .. }), "{error}");
        assert_eq!(fs::read(&path).unwrap(), content);
    }
}

#[test]
fn all_who_start_at_once_get_one_key() {
    let state = tempfile::tempdir().unwrap();
    let start = Barrier::new(8);
    let stores: Vec<Store> = thread::scope(|scope| {
        let open = || {
            start.wait();
            Store::open(state.path()).unwrap()
        };
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(open)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    let place = stores[0].place("github", None);
    stores[0].save(&place, &record("one")).unwrap();
    for store in &stores {
        assert_eq!(token(store, &place).as_deref(), Some("one"));
    }
}
