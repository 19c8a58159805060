use super::*;
use crate::process;

/// What is chosen where so much is there.
fn check(named: bool, usual_answers: bool, installed: bool, wanted: Option<&Source>) {
    let programs = || installed.then(|| PathBuf::from("/bin"));
    assert_eq!(choose(named, || usual_answers, programs).as_ref(), wanted);
}

#[test]
fn a_server_that_is_there_comes_before_one_of_our_own() {
    check(true, true, true, Some(&Source::Named));
    check(true, false, false, Some(&Source::Named));
    check(false, true, true, Some(&Source::Running));
    check(false, true, false, Some(&Source::Running));
    check(false, false, true, Some(&Source::Installed("/bin".into())));
    check(false, false, false, None);
}

#[test]
fn tests_are_told_an_address_with_a_user_and_a_database() {
    assert_eq!(url(USUAL), "postgres://postgres@127.0.0.1:5432/postgres");
}

/// Messages of a server: the kind, and the bytes after the length.
fn said(messages: &[(u8, &[u8])]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (kind, body) in messages {
        let length = u32::try_from(body.len() + 4).unwrap();
        bytes.push(*kind);
        bytes.extend(length.to_be_bytes());
        bytes.extend(*body);
    }
    bytes
}

#[test]
fn a_server_is_usable_once_it_is_ready_for_a_query() {
    let check = |messages: &[(u8, &[u8])], usable| {
        let answer = probe::is_ready(&said(messages)[..]);
        assert_eq!(answer.unwrap_or(false), usable, "{messages:?}");
    };
    let trusted: (u8, &[u8]) = (b'R', &[0, 0, 0, 0]);
    let ready: (u8, &[u8]) = (b'Z', b"I");
    check(&[trusted, ready], true);
    check(&[trusted, (b'S', b"TimeZone\0UTC\0"), (b'K', &[7; 8]), ready], true);
    check(&[(b'N', b"SWARNING\0\0"), trusted, ready], true);
    // A password in clear text, as MD5, by SCRAM.
    for method in [3, 5, 10] {
        check(&[(b'R', &[0, 0, 0, method]), ready], false);
    }
    // It is starting; there is no such database.
    check(&[(b'E', b"C57P03\0\0")], false);
    check(&[trusted, (b'E', b"C3D000\0\0")], false);
    // It hangs up.
    check(&[], false);
    check(&[trusted], false);
}

#[test]
fn another_program_is_no_postgresql() {
    for said in ["HTTP/1.1 400 Bad Request\r\n\r\n", "-ERR unknown command\r\n", "\0\0\0\0\0", "Z"]
    {
        assert!(!probe::is_ready(said.as_bytes()).unwrap_or(false), "{said}");
    }
}

#[test]
fn an_address_that_somebody_named_is_passed_on_unseen() {
    let told = |address: Option<&str>| {
        let mut command = Command::new("cargo");
        Postgres { address: address.map(str::to_owned), own: None }.tell(&mut command);
        process::shown(&command)
    };
    assert_eq!(told(None), "cargo");
    assert_eq!(
        told(Some("postgres://postgres@127.0.0.1:5433/postgres")),
        "SWITCHBOARD_TEST_POSTGRES=postgres://postgres@127.0.0.1:5433/postgres cargo"
    );
}
