use super::{OURS, Passwords, Recipe, StoredHash, TURNS, hash_now};

/// Of `hunter22`, by Python's `bcrypt` 4 with 4 rounds and by `argon2-cffi`.
const BCRYPT: &str = "$2b$04$abcdefghijklmnopqrstuu5yQq1Ksm4qRmbeVnDcBqQ2GZ1wnJ0bS";

#[track_caller]
fn check(text: &str, expected: &str) {
    let actual = match StoredHash::parse(text) {
        Ok(hash) => format!("{:?}", hash.recipe),
        Err(error) => error.to_string(),
    };
    assert!(actual.contains(expected), "{text}: {actual}");
}

#[test]
fn a_hash_is_of_a_kind_that_is_known_and_affordable() {
    check(BCRYPT, "Bcrypt { cost: 4 }");
    check(&BCRYPT.replace("$2b$", "$2y$"), "Bcrypt");
    check(&BCRYPT.replace("$2b$04", "$2b$15"), "longer or more memory");
    check(&BCRYPT[..50], "damaged");
    check(hash_now("x").as_str(), "Argon2id { memory_kib: 19456, passes: 2, lanes: 1 }");
    check("$argon2id$v=19$m=4194304,t=2,p=1$c29tZXNhbHQ$AAAAAAAAAAAAAAAAAAAAAA", "more memory");
    check("$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHQ", "damaged");
    check("$argon2i$v=19$m=16,t=2,p=1$c29tZXNhbHQ$AAAAAAAAAAAAAAAAAAAAAA", "neither");
    check("5f4dcc3b5aa765d61d8327deb882cf99", "neither");
    check("", "neither");
}

#[tokio::test]
async fn a_password_fits_its_hash_and_no_other() {
    let passwords = Passwords::new();
    let made = passwords.hash("correct horse").await.unwrap();
    let old = StoredHash::parse(&bcrypt::hash("correct horse", 4).unwrap()).unwrap();
    for hash in [&made, &old] {
        assert_eq!(passwords.verify("ann", Some(hash), "correct horse").await, Ok(true));
        assert_eq!(passwords.verify("ann", Some(hash), "correct horses").await, Ok(false));
        assert_eq!(passwords.verify("ann", Some(hash), "").await, Ok(false));
        assert_eq!(passwords.verify("ann", None, "correct horse").await, Ok(false));
    }
}

/// The dummies cost what the real ones do, because they are read the same way and have the same
/// parameters; a clock in a test would say less, and not each time.
#[test]
fn an_unknown_name_costs_what_a_known_one_does() {
    let passwords = Passwords::new();
    assert_eq!(passwords.dummy("nobody").recipe, OURS);
    let bcrypt = Recipe::Bcrypt { cost: 12 };
    passwords.note(&StoredHash::parse(bcrypt.dummy().as_str()).unwrap());
    for name in ["nobody", "root", ""] {
        assert_eq!(passwords.dummy(name).recipe, bcrypt);
    }
    passwords.note(&OURS.dummy());
    let kinds: Vec<Recipe> =
        (0..64).map(|at| passwords.dummy(&format!("user{at}")).recipe).collect();
    assert!(kinds.contains(&OURS) && kinds.contains(&bcrypt));
    assert_eq!(passwords.dummy("root").recipe, passwords.dummy("root").recipe);
    for recipe in [OURS, Recipe::Bcrypt { cost: 4 }] {
        let dummy = StoredHash::parse(recipe.dummy().as_str()).unwrap();
        assert_eq!(dummy.recipe, recipe);
        assert!(!dummy.verify(b"anything"));
    }
}

/// A name that nobody has goes the way of the others to its end: it waits for one of the turns at
/// computing hashes, and has its answer from there.
#[tokio::test]
async fn an_unknown_name_waits_for_its_turn_as_a_known_one_does() {
    let passwords = Passwords::new();
    let known = StoredHash::parse(&bcrypt::hash("correct horse", 4).unwrap()).unwrap();
    passwords.note(&known);
    for hash in [Some(&known), None] {
        let taken = passwords.turns.acquire_many(TURNS as u32).await.unwrap();
        let mut judged = std::pin::pin!(passwords.verify("ann", hash, "wrong"));
        tokio::select! {
            biased;
            early = &mut judged => panic!("{early:?} without a hash"),
            () = std::future::ready(()) => {}
        }
        drop(taken);
        assert_eq!(judged.await, Ok(false));
    }
}
