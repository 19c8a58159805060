use std::fs;
use std::os::unix::fs::{MetadataExt as _, symlink};
use std::thread;

use switchboard_config::Secret;
use tempfile::TempDir;

use super::VaultKey;

const BYTES: [u8; 32] = *b"0123456789abcdef0123456789abcde\xff";

#[track_caller]
fn check(value: &str, expected: Result<[u8; 32], &str>) {
    let actual = VaultKey::parse("SWITCHBOARD_STORE_KEY", &Secret::new(value));
    match (actual, expected) {
        (Ok(key), Ok(expected)) => assert_eq!(key.0, expected),
        (Err(error), Err(expected)) => {
            let told = error.to_string();
            assert!(told.contains(expected) && told.contains("SWITCHBOARD_STORE_KEY"), "{told}");
            assert!(value.len() < 4 || !told.contains(value), "it quotes the key: {told}");
        }
        (actual, _) => panic!("{actual:?}"),
    }
}

#[test]
fn a_key_is_base64_or_hexadecimal() {
    let hex = "3031323334353637383961626364656630313233343536373839616263646566";
    let bytes = *b"0123456789abcdef0123456789abcdef";
    check(hex, Ok(bytes));
    check(&hex.to_uppercase(), Ok(bytes));
    check("MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZf8=", Ok(BYTES));
    check(" MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZf8\n", Ok(BYTES));
    check(&format!("{}8=", "/".repeat(42)), Ok([0xff; 32]));
    check(&format!("{}8", "_".repeat(42)), Ok([0xff; 32]));
    check("", Err("it is empty"));
    check("correct horse battery staple", Err("neither base64 nor 64 hexadecimal digits"));
    check("c2hvcnQ=", Err("stands for 5 bytes, and a key has 32"));
    check(&hex[..60], Err("stands for 45 bytes"));
}

#[test]
fn a_file_is_made_once_and_for_its_owner_alone() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("vault.key");
    let made: Vec<_> = thread::scope(|scope| {
        let threads: Vec<_> =
            (0..8).map(|_| scope.spawn(|| VaultKey::open_or_create(&path).unwrap().0)).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(made.iter().all(|key| *key == made[0]), "one of them made it");
    assert_eq!(fs::read(&path).unwrap(), made[0]);
    assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
    assert_eq!(fs::read_dir(&directory).unwrap().count(), 1, "nothing is left beside it");
}

#[test]
fn a_file_may_hold_text_and_is_never_replaced() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("vault.key");
    fs::write(&path, "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZf8=\n").unwrap();
    assert_eq!(VaultKey::open_or_create(&path).unwrap().0, BYTES);
    assert_eq!(fs::metadata(&path).unwrap().mode() & 0o777, 0o600, "the mode is narrowed");
    for (content, expected) in
        [(&b""[..], "it is empty"), (b"\xff\xfe", "it has 2 bytes"), (b"secretsecret", "9 bytes")]
    {
        fs::write(&path, content).unwrap();
        let told = VaultKey::open_or_create(&path).unwrap_err().to_string();
        assert!(told.contains(expected) && told.contains("vault.key"), "{told}");
        assert_eq!(fs::read(&path).unwrap(), content);
    }
    let link = directory.path().join("link");
    symlink(directory.path().join("nowhere"), &link).unwrap();
    assert!(VaultKey::open_or_create(&link).is_err(), "a link to nowhere is not followed");
}
