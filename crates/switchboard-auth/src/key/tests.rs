use super::{Digest, Key};

#[test]
fn random_bytes_become_url_safe_base64() {
    // Vectors from `python3 -c 'base64.urlsafe_b64encode(...)'`, padding removed.
    let counting: [u8; 32] = std::array::from_fn(|index| index as u8);
    for (bytes, expected) in [
        ([0x00; 32], "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"),
        ([0xff; 32], "__________________________________________8"),
        (counting, "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"),
    ] {
        assert_eq!(Key::from_random(bytes).expose(), expected);
    }
}

#[test]
fn generated_keys_differ_and_are_read_back() {
    let (one, other) = (Key::generate().unwrap(), Key::generate().unwrap());
    assert_ne!(one, other);
    assert_eq!(Key::parse_generated(one.expose()), Some(one));
}

#[test]
fn configured_keys_are_checked() {
    let at_the_limit = "k".repeat(512);
    let too_long = "k".repeat(513);
    for (text, expected) in [
        ("0123456789abcdef", "accepted"),
        ("!\"#$%&'()*+,-./~", "accepted"),
        (&at_the_limit, "accepted"),
        ("", "the API key has 0 characters, fewer than 16"),
        ("0123456789abcde", "the API key has 15 characters, fewer than 16"),
        (&too_long, "the API key has 513 bytes, more than 512"),
        ("0123456789 abcdef", "character 11 of the API key cannot be sent in a header"),
        ("0123456789abcdef\n", "character 17 of the API key cannot be sent in a header"),
        ("0123456789abcdéf", "character 15 of the API key cannot be sent in a header"),
    ] {
        let actual = match Key::configured(text) {
            Ok(key) => {
                assert_eq!(key.expose(), text);
                "accepted".to_owned()
            }
            Err(error) => error.to_string(),
        };
        assert_eq!(actual, expected, "for {text:?}");
    }
}

#[test]
fn nothing_prints_a_key() {
    let key = Key::configured("canary-canary-canary").unwrap();
    for printed in [format!("{key:?}"), format!("{:?}", key.digest())] {
        assert!(printed.ends_with("(…)"), "{printed}");
    }
}

#[test]
fn digests_are_read_back_and_nothing_else_is() {
    // SHA-256 of "abc": FIPS 180-2, appendix B.1.
    let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    assert_eq!(Digest::of(b"abc").hex(), abc);
    assert_eq!(Digest::parse(abc).map(|digest| digest.hex()).as_deref(), Some(abc));
    let padded = format!("{abc}0");
    let signed = abc.replacen("ba", "+a", 1);
    let wide = abc.replacen("ba", "é", 1);
    for wrong in ["", &abc[1..], &abc.to_uppercase(), &padded, &signed, &wide] {
        assert!(Digest::parse(wrong).is_none(), "{wrong}");
    }
}
