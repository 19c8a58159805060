use super::Stored;

const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8";
const HASH: &str = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";

/// Reads `text` as a key file; `{key}` and `{hash}` stand for good ones.
#[track_caller]
fn check(text: &str, expected: &str) {
    let text = text.replace("{key}", KEY).replace("{hash}", HASH);
    let actual = match Stored::parse(&text) {
        Ok(stored) => {
            assert_eq!(stored.key().expose(), KEY);
            if text.ends_with('\n') && !text.contains('\r') {
                assert_eq!(stored.render(), text);
            }
            "good".to_owned()
        }
        Err(damage) => format!("line {} is not {}", damage.line, damage.expected),
    };
    assert!(actual.starts_with(expected), "{text:?}: {actual}");
}

#[test]
fn good_files() {
    for text in [
        "{key}\n",
        "{key}",
        "{key}\r\n",
        "{key}\nprevious sha256={hash} expires=0\n",
        "{key}\nprevious sha256={hash} expires=1795000000\n",
    ] {
        check(text, "good");
    }
}

#[test]
fn damaged_files_name_the_line() {
    for (text, expected) in [
        ("", "line 1 is not a key"),
        ("\n", "line 1 is not a key"),
        ("\n{key}\n", "line 1 is not a key"),
        ("garbage\n", "line 1 is not a key"),
        (" {key}\n", "line 1 is not a key"),
        ("{key}=\n", "line 1 is not a key"),
        ("{hash}\n", "line 1 is not a key"),
        ("AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh+\n", "line 1 is not a key"),
        ("{key}\n\n", "line 2 is not `previous"),
        ("{key}\n{key}\n", "line 2 is not `previous"),
        ("{key}\nprevious sha256={hash}\n", "line 2 is not `previous"),
        ("{key}\nprevious sha256=12 expires=0\n", "line 2 is not `previous"),
        ("{key}\nprevious sha256={hash} expires=soon\n", "line 2 is not `previous"),
        ("{key}\nprevious sha256={hash} expires=-1\n", "line 2 is not `previous"),
        ("{key}\nprevious sha256={hash} expires=99999999999999999999\n", "line 2 is not"),
        ("{key}\nprevious sha256={hash} expires=18446744073709551615\n", "line 2 is not"),
        ("{key}\nprevious sha256={hash} expires=1\nmore\n", "line 3 is not the end"),
    ] {
        check(text, expected);
    }
}

#[test]
fn content_is_not_printed() {
    let text = format!("{KEY}\nprevious sha256={HASH} expires=1\n");
    let printed = format!("{:?}", Stored::parse(&text).unwrap());
    assert!(!printed.contains(KEY) && !printed.contains(HASH), "{printed}");
}
