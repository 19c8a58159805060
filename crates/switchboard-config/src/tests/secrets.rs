//! Secrets are found, and never shown.

use std::io;
use std::path::Path;

use super::{file, load, refuse, variables};
use crate::{Loader, Secret};

/// A loader for `text` that knows some variables and files.
fn loader(text: &str) -> Loader {
    let known = [("TOKEN", "t0ken"), ("EMPTY", ""), ("HOME", "/home/ann")];
    file(text).environment(variables(&known), "APP_", &[], &[]).read_with(read)
}

fn read(path: &Path) -> io::Result<String> {
    match path.to_str() {
        Some("/etc/app/key.txt") => Ok("from file\n".to_owned()),
        Some("/run/key") => Ok("windows\r\n".to_owned()),
        Some("/home/ann/key") => Ok("two\n\n".to_owned()),
        Some("/etc/app/locked") => Err(io::ErrorKind::PermissionDenied.into()),
        _ => Err(io::ErrorKind::NotFound.into()),
    }
}

/// Writes `template` as the key, and compares the secret and how it prints.
#[track_caller]
fn check(template: &str, value: &str, printed: &str) {
    let loaded = load(loader(&format!("api_key = '{template}'")));
    let secret = loaded.value.api_key.expect("it is set");
    assert_eq!(secret.expose(), value);
    assert_eq!(secret.to_string(), printed);
    assert_eq!(format!("{secret:?}"), format!("Secret({printed})"));
    assert_eq!(serde_json::to_value(&secret).unwrap(), printed);
}

#[test]
fn references_are_replaced() {
    check("literal", "literal", "…");
    check("", "", "…");
    check("${env:TOKEN}", "t0ken", "${env:TOKEN}");
    check("Bearer ${env:TOKEN}!", "Bearer t0ken!", "Bearer ${env:TOKEN}!");
    check("${env:TOKEN}${env:TOKEN}", "t0kent0ken", "${env:TOKEN}${env:TOKEN}");
    check("${file:key.txt}", "from file", "${file:key.txt}");
    check("${file:/run/key}", "windows", "${file:/run/key}");
    check("${file:~/key}", "two\n", "${file:~/key}");
    check("a$b $$ $", "a$b $$ $", "…");
    check("$${env:TOKEN}", "${env:TOKEN}", "…");
}

#[test]
fn reference_may_come_from_a_variable() {
    let variables = variables(&[("APP_API_KEY", "${env:TOKEN}"), ("TOKEN", "t0ken")]);
    let loaded = load(Loader::new().environment(variables, "APP_", &[], &[]));
    assert_eq!(loaded.value.api_key, Some(Secret::new("t0ken")));
    assert!(loaded.settings.show().contains("api_key = \"${env:TOKEN}\""));
}

#[test]
fn default_reader_reads_the_disk_up_to_its_limit() {
    let directory = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(directory.path().join(name), text).unwrap();
    write("small", "from disk\n");
    write("large", &"x".repeat((1 << 20) + 1));
    let load_key = |name: &str| {
        let text = format!("api_key = \"${{file:{name}}}\"");
        Loader::new().file(directory.path().join("config.toml"), text)
    };
    assert_eq!(load(load_key("small")).value.api_key, Some(Secret::new("from disk")));
    assert!(refuse(load_key("large")).contains("cause: the file is larger than 1 MiB"));
}

#[test]
fn other_formats_are_taken_literally() {
    let secret: Secret = serde_json::from_str("\"${env:TOKEN}\"").unwrap();
    assert_eq!(secret.expose(), "${env:TOKEN}");
    assert_eq!(secret.to_string(), "…");
}

/// Writes `template` as the key, and compares the message.
#[track_caller]
fn check_refused(template: &str, expected: &str) {
    let actual = refuse(loader(&format!("api_key = '{template}'")));
    assert_eq!(actual, expected.trim_matches('\n'), "\n{actual}\n");
}

#[test]
fn variable_that_is_missing() {
    check_refused(
        "${env:NOPE}",
        "
error[config-missing-secret]: `api_key` needs the environment variable `NOPE`, which is not set
 --> /etc/app/config.toml:1:11
  |
1 | api_key = '${env:NOPE}'
  |           ^^^^^^^^^^^^^
  = hint: `export NOPE=…` before the start, or keep it in a file: `${file:path}`
",
    );
}

#[test]
fn variable_that_is_empty() {
    check_refused(
        "${env:EMPTY}",
        "
error[config-missing-secret]: `api_key` needs the environment variable `EMPTY`, which is empty
 --> /etc/app/config.toml:1:11
  |
1 | api_key = '${env:EMPTY}'
  |           ^^^^^^^^^^^^^^
  = hint: `export EMPTY=…` before the start, or keep it in a file: `${file:path}`
",
    );
}

#[test]
fn file_that_is_missing() {
    check_refused(
        "${file:nope}",
        "
error[config-missing-secret]: `api_key` needs the file `/etc/app/nope`, which cannot be read
 --> /etc/app/config.toml:1:11
  |
1 | api_key = '${file:nope}'
  |           ^^^^^^^^^^^^^^
  = cause: entity not found
  = hint: write it there: `(umask 077; cat > '/etc/app/nope')`
",
    );
}

#[test]
fn file_that_is_locked() {
    check_refused(
        "${file:locked}",
        "
error[config-missing-secret]: `api_key` needs the file `/etc/app/locked`, which cannot be read
 --> /etc/app/config.toml:1:11
  |
1 | api_key = '${file:locked}'
  |           ^^^^^^^^^^^^^^^^
  = cause: permission denied
  = hint: let the user this runs as read it: `ls -l '/etc/app/locked'` shows who may
",
    );
}

#[test]
fn reference_of_no_known_kind() {
    for template in ["${nope:x}", "${TOKEN}", "${env:}", "a${env:TOKEN", "${}"] {
        check_refused(
            template,
            "
error[config-invalid-value]: `api_key` has a `${` that begins neither `${env:NAME}` nor `${file:path}`
 --> /etc/app/config.toml:1:11
  |
1 | api_key = …
  |           ^
  = hint: write `$${` where `${` itself is meant
",
        );
    }
}

/// Stands in every configuration below where a secret may stand.
const CANARY: &str = "c4n4ry";

/// Each has a mistake on the line of a secret.
const MISTAKES: [&str; 22] = [
    "api_key = c4n4ry",
    "api_key = \"c4n4ry",
    "api_key = \"c4n4ry\\q\"",
    "api_key = \"\"\"\nc4n4ry\\q\"\"\"",
    "api_key = \"\"\"\nknown\nport = c4n4ry\\q\"\"\"",
    "api_key = \"c4n4ry\" port = 1",
    "api_key \"c4n4ry\"",
    "api_key = [\"c4n4ry\"]",
    "api_key = { x = \"c4n4ry\" }",
    "api_key = \"c4n4ry${nope}\"",
    "api_kye = \"c4n4ry\"",
    "[secret]\nkey = \"c4n4ry\"",
    "[upstream.a]\nstdio = { command = 1, env = { X = \"c4n4ry\" } }",
    "[upstream.a]\nstdio = { command = x, env = { X = \"c4n4ry\" } }",
    "[upstream.a.stdio]\ncommand = \"x\"\nenv = [\"X=c4n4ry\"]",
    "[upstream.a.stdio.env]\nX = \"c4n4ry",
    "[upstream.a.stdio.env]\n\"X Y\" = \"c4n4ry",
    "[upstream.a.stdio]\nargs = [\n\"c4n4ry\",,\n]",
    "api\u{feff}key = \"c4n4ry",
    "“api_key” = \"c4n4ry\"",
    "store = { redis = { url = \"c4n4ry\", x = 1 } }",
    "store = { redis = \"c4n4ry\" }",
];

#[test]
fn diagnostics_show_no_secret() {
    for text in MISTAKES {
        let message = refuse(loader(text));
        assert!(!message.contains(CANARY), "{text}\n\n{message}");
    }
}

#[test]
fn variables_and_flags_show_no_secret() {
    let key = format!("{CANARY}${{nope}}");
    let environment = variables(&[("APP_API_KEY", &key), ("APP_API_KYE", CANARY)]);
    let message = refuse(Loader::new().environment(environment, "APP_", &[], &[]));
    assert!(!message.contains(CANARY), "{message}");
    let message = refuse(Loader::new().flag("api_key", "--api-key", key));
    assert!(!message.contains(CANARY), "{message}");
}

#[test]
fn what_is_in_effect_shows_no_secret() {
    let text = "api_key = 'c4n4ry'
        store = { redis = { url = 'c4n4ry' } }
        upstream.a.stdio = { command = 'x', env = { A = 'c4n4ry', B = '${env:TOKEN}' } }";
    let loaded = load(loader(text));
    let mut printed = format!("{:?}{}{loaded:?}", loaded.value, loaded.settings.show());
    for key in ["api_key", "store", "store.redis.url", "upstream", "upstream.a.stdio.env.A"] {
        let explanation = loaded.settings.explain(key).unwrap();
        printed.push_str(&format!("{explanation}{explanation:?}"));
    }
    assert!(!printed.contains(CANARY), "{printed}");
    assert!(!printed.contains("t0ken"), "{printed}");
}
