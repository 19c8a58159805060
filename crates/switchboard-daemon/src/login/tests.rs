use std::time::{Duration, SystemTime};

use switchboard_auth::{Key, KeyFile, Keys};
use switchboard_core::{Admitted, Credentials, Denied, Login as _, Tenant};
use tokio_util::sync::CancellationToken;

use super::KeyLogin;
use crate::clock::now;

fn present(login: &KeyLogin, key: &str) -> Result<Admitted, Denied> {
    let headers = [("x-api-key", key.as_bytes())];
    let tenant = Tenant::default();
    login.admit(Credentials::Http { tenant: &tenant, headers: &headers, query: None, from: None })
}

/// The token of a key that lets in.
#[track_caller]
fn let_in(login: &KeyLogin, key: &str) -> CancellationToken {
    let admitted = present(login, key).unwrap();
    assert!(!admitted.revoked.is_cancelled());
    admitted.revoked
}

/// A login by a key file, the file, and the key in it.
fn by_file(directory: &tempfile::TempDir) -> (KeyLogin, KeyFile, String) {
    let file = KeyFile::new(directory.path().join("key"));
    let stored = file.open_or_create().unwrap().stored;
    (KeyLogin::new(stored.keys()), file, stored.key().expose().to_owned())
}

/// Makes a new key, and gives it.
fn rotate(login: &KeyLogin, file: &KeyFile, at: SystemTime, grace: Duration) -> String {
    let rotated = file.rotate(at, grace).unwrap();
    login.replace(rotated.stored.keys());
    rotated.stored.key().expose().to_owned()
}

#[test]
fn what_a_key_opened_ends_with_the_key() {
    let directory = tempfile::tempdir().unwrap();
    let (login, file, first) = by_file(&directory);
    let opened = let_in(&login, &first);
    // A reload that changes nothing ends nothing.
    login.replace(file.load().unwrap().stored.keys());
    assert!(!opened.is_cancelled());
    let second = rotate(&login, &file, now(), Duration::ZERO);
    assert!(opened.is_cancelled());
    assert!(present(&login, &first).is_err());
    let opened = let_in(&login, &second);
    login.replace(Keys::only(&Key::configured("one-that-a-person-chose").unwrap()));
    assert!(opened.is_cancelled());
}

#[test]
fn what_a_replaced_key_opened_lives_through_its_grace() {
    let directory = tempfile::tempdir().unwrap();
    let (login, file, first) = by_file(&directory);
    let before = let_in(&login, &first);
    let hour = Duration::from_secs(3_600);
    let second = rotate(&login, &file, now(), hour);
    let within = let_in(&login, &first);
    let new = let_in(&login, &second);
    login.expire(now());
    assert!(!before.is_cancelled());
    login.expire(now() + 2 * hour);
    assert!(before.is_cancelled() && within.is_cancelled());
    // Two rotations end the first key, whatever its grace was.
    let third = rotate(&login, &file, now(), hour);
    assert!(!new.is_cancelled());
    rotate(&login, &file, now(), hour);
    assert!(new.is_cancelled());
    let_in(&login, &third);
}

#[tokio::test]
async fn the_end_of_a_grace_is_waited_for() {
    let directory = tempfile::tempdir().unwrap();
    let (login, file, first) = by_file(&directory);
    let opened = let_in(&login, &first);
    let rotating = async {
        // An end that is past already for the clock, which does not stand still.
        let hour = Duration::from_secs(3_600);
        rotate(&login, &file, now() - 2 * hour, hour);
        opened.cancelled().await;
    };
    tokio::select! {
        () = login.follow() => {}
        () = rotating => {}
    }
    assert!(present(&login, &first).is_err());
}
