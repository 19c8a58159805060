use std::fs;

use super::{Vault, is_secret_address, is_secret_argument};

#[test]
fn a_secret_goes_to_a_file_and_the_configuration_names_it() {
    let directory = tempfile::tempdir().unwrap();
    let mut vault = Vault::new(directory.path());
    let at = |name: &str| format!("${{file:{}}}", directory.path().join(name).display());
    let mut check = |upstream: &str, key: &str, value: &str, expected: &str| {
        assert_eq!(vault.put(upstream, key, value).unwrap(), expected);
    };
    check("github", "TOKEN", "one", &at("github-TOKEN"));
    // The same again is the same file; another value under the same name is another.
    check("github", "TOKEN", "one", &at("github-TOKEN"));
    check("github", "TOKEN", "two", &at("github-TOKEN-2"));
    check("web", "X-Api/Key", "three", &at("web-X-Api-Key"));
    check("web", "EMPTY", "", "");
    let files = vault.into_files();
    let contents: Vec<_> = files.iter().map(|file| file.content.as_str()).collect();
    assert_eq!(contents, ["one\n", "two\n", "three\n"]);
    assert!(!format!("{files:?}").contains("two"), "a secret is not shown");
}

#[test]
fn a_file_on_the_disk_is_used_again_or_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("a-KEY"), "same\n").unwrap();
    fs::write(directory.path().join("b-KEY"), "other\n").unwrap();
    let mut vault = Vault::new(directory.path());
    assert!(vault.put("a", "KEY", "same").unwrap().ends_with("/a-KEY}"));
    assert!(vault.put("b", "KEY", "mine").unwrap().ends_with("/b-KEY-2}"));
    assert_eq!(vault.into_files().len(), 1);
}

#[test]
fn arguments_that_speak_of_a_secret_are_found() {
    #[track_caller]
    fn check(arguments: &str, secret: &[&str]) {
        let arguments: Vec<_> = arguments.split('|').collect();
        let found: Vec<_> = arguments
            .iter()
            .enumerate()
            .filter(|(at, argument)| {
                is_secret_argument(at.checked_sub(1).map(|before| arguments[before]), argument)
            })
            .map(|(_, argument)| *argument)
            .collect();
        assert_eq!(found, secret);
    }
    check("-y|@modelcontextprotocol/server-filesystem|/home/me/keys", &[]);
    check("--path|/x|--pattern|*.rs|--keyboard|de|--port=8080|a:b", &[]);
    check("--api-key|abc|--verbose", &["abc"]);
    check("--token|--verbose", &[]);
    check("--access-token=abc|--token=", &["--access-token=abc"]);
    check("-e|GITHUB_PERSONAL_ACCESS_TOKEN=abc", &["GITHUB_PERSONAL_ACCESS_TOKEN=abc"]);
    check("-e|GITHUB_PERSONAL_ACCESS_TOKEN", &[]);
    check("--header|Authorization: Bearer abc", &["Authorization: Bearer abc"]);
    check("postgresql://me:pw@localhost/db", &["postgresql://me:pw@localhost/db"]);
    check("https://example.com/?apiKey=abc", &["https://example.com/?apiKey=abc"]);
    check("ghp_abcdef", &["ghp_abcdef"]);
}

#[test]
fn addresses_that_may_hold_a_secret_are_found() {
    for url in ["http://127.0.0.1:9000/mcp", "https://api.example.com/v2/mcp/read-only"] {
        assert!(!is_secret_address(url), "{url}");
    }
    for url in [
        "https://me:pw@example.com/mcp",
        "https://example.com/mcp?key=1",
        "https://example.com/s/1f0c7c52-9a2e-4a55-8d0e-2b5f4d1c9a11/mcp",
    ] {
        assert!(is_secret_address(url), "{url}");
    }
}
