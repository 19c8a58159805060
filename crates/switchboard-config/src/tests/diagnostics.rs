//! Wrong configurations, each with the whole of what a person is told.

use super::{file, refuse, variables};
use crate::{Diagnostic, Excerpt, Place, code};

/// Loads `text` as the file and compares every message.
#[track_caller]
fn check(text: &str, expected: &str) {
    let actual = refuse(file(text));
    assert_eq!(actual, expected.trim_matches('\n'), "\n{actual}\n");
}

#[test]
fn key_near_a_known_one() {
    check(
        r#"
[listen]
port = 1
hots = "localhost"
"#,
        r"
error[config-unknown-key]: unknown key `hots` in `listen`
 --> /etc/app/config.toml:4:1
  |
4 | hots = …
  | ^^^^
  = hint: did you mean `host`?
",
    );
}

#[test]
fn unknown_keys_are_all_reported() {
    check(
        r#"
lisen = 1

[log]
level = "info"
levle = "info"

[upstream.github]
stdio = { comand = "x", command = "y", "odd key" = 1 }
"#,
        r#"
error[config-unknown-key]: unknown key `lisen`
 --> /etc/app/config.toml:2:1
  |
2 | lisen = …
  | ^^^^^
  = hint: did you mean `listen`?

error[config-unknown-key]: unknown key `levle` in `log`
 --> /etc/app/config.toml:6:1
  |
6 | levle = …
  | ^^^^^
  = hint: did you mean `level`?

error[config-unknown-key]: unknown key `comand` in `upstream.github.stdio`
 --> /etc/app/config.toml:9:11
  |
9 | stdio = { comand = …, command = "y", "odd key" = … }
  |           ^^^^^^
  = hint: did you mean `command`?

error[config-unknown-key]: unknown key `odd key` in `upstream.github.stdio`
 --> /etc/app/config.toml:9:40
  |
9 | stdio = { comand = …, command = "y", "odd key" = … }
  |                                      ^^^^^^^^^
  = hint: there can be `command`, `args` or `env`
"#,
    );
}

#[test]
fn key_in_the_wrong_table() {
    check(
        r#"
port = 80

[upstream.a]
url = "http://localhost"
"#,
        r"
error[config-unknown-key]: unknown key `port`
 --> /etc/app/config.toml:2:1
  |
2 | port = …
  | ^^^^
  = hint: `port` belongs in `[listen]`

error[config-unknown-key]: unknown key `url` in `upstream.a`
 --> /etc/app/config.toml:5:1
  |
5 | url = …
  | ^^^
  = hint: there can be `stdio`, `http` or `idle_stop`
",
    );
}

#[test]
fn case_and_dashes_do_not_matter() {
    check(
        r#"
[upstream.a]
Idle-Stop = "5s"
"#,
        r"
error[config-unknown-key]: unknown key `Idle-Stop` in `upstream.a`
 --> /etc/app/config.toml:3:1
  |
3 | Idle-Stop = …
  | ^^^^^^^^^
  = hint: did you mean `idle_stop`?
",
    );
}

#[test]
fn key_near_nothing() {
    check(
        r"
[log]
whatever = 1
",
        r"
error[config-unknown-key]: unknown key `whatever` in `log`
 --> /etc/app/config.toml:3:1
  |
3 | whatever = …
  | ^^^^^^^^
  = hint: there can be `level`, `json` or `sampled`
",
    );
}

#[test]
fn table_that_is_unknown() {
    check(
        r"
[metrics]
port = 1
",
        r"
error[config-unknown-key]: unknown key `metrics`
 --> /etc/app/config.toml:2:2
  |
2 | [metrics]
  |  ^^^^^^^
  = hint: there can be `api_key`, `listen`, `log`, `limits`, `store` or `upstream`
",
    );
}

#[test]
fn string_for_an_integer() {
    check(
        r#"
[listen]
port = "80"
"#,
        r#"
error[config-wrong-type]: `listen.port` must be an integer from 0 to 65535, not the string `80`
 --> /etc/app/config.toml:3:8
  |
3 | port = "80"
  |        ^^^^
  = hint: write it without the quotes
"#,
    );
}

#[test]
fn integer_for_a_string() {
    check(
        r"
[upstream.a]
http = { url = 80 }
",
        r"
error[config-wrong-type]: `upstream.a.http.url` must be a string, not the integer `80`
 --> /etc/app/config.toml:3:16
  |
3 | http = { url = 80 }
  |                ^^
  = hint: write it in quotes
",
    );
}

#[test]
fn string_for_a_list() {
    check(
        r#"
[listen]
allowed_hosts = "localhost"
"#,
        r#"
error[config-wrong-type]: `listen.allowed_hosts` must be an array of strings, not the string `localhost`
 --> /etc/app/config.toml:3:17
  |
3 | allowed_hosts = "localhost"
  |                 ^^^^^^^^^^^
  = hint: write it in brackets: `[…]`
"#,
    );
}

#[test]
fn wrong_element_of_a_list() {
    check(
        r#"
[listen]
allowed_hosts = ["localhost", 7]
"#,
        r#"
error[config-wrong-type]: `listen.allowed_hosts[1]` must be a string, not the integer `7`
 --> /etc/app/config.toml:3:31
  |
3 | allowed_hosts = ["localhost", 7]
  |                               ^
  = hint: write it in quotes
"#,
    );
}

#[test]
fn value_for_a_table() {
    check(
        r"
listen = 8080
",
        r"
error[config-wrong-type]: `listen` must be a table, not the integer `8080`
 --> /etc/app/config.toml:2:10
  |
2 | listen = 8080
  |          ^^^^
",
    );
}

#[test]
fn table_for_a_value() {
    check(
        r"
[listen.port]
number = 1
",
        r"
error[config-wrong-type]: `listen.port` must be an integer from 0 to 65535, not a table
 --> /etc/app/config.toml:2:1
  |
2 | [listen.port]
  | ^^^^^^^^^^^^^
",
    );
}

#[test]
fn date_for_a_duration() {
    check(
        r"
[limits]
drain = 2026-01-01
",
        r"
error[config-wrong-type]: `limits.drain` must be a duration of at most 1h, not a date
 --> /etc/app/config.toml:3:9
  |
3 | drain = 2026-01-01
  |         ^^^^^^^^^^
",
    );
}

#[test]
fn several_wrong_values() {
    check(
        r#"
[listen]
host = "nowhere"
port = 70000

[log]
level = "loud"
json = "true"
"#,
        r#"
error[config-invalid-value]: `listen.host`: invalid IP address syntax
 --> /etc/app/config.toml:3:8
  |
3 | host = "nowhere"
  |        ^^^^^^^^^

error[config-out-of-range]: `listen.port` must be an integer from 0 to 65535, not the integer `70000`
 --> /etc/app/config.toml:4:8
  |
4 | port = 70000
  |        ^^^^^

error[config-invalid-value]: `log.level` must be `error`, `info` or `debug`, not the string `loud`
 --> /etc/app/config.toml:7:9
  |
7 | level = "loud"
  |         ^^^^^^

error[config-wrong-type]: `log.json` must be a boolean, not the string `true`
 --> /etc/app/config.toml:8:8
  |
8 | json = "true"
  |        ^^^^^^
  = hint: write it without the quotes
"#,
    );
}

#[test]
fn integer_out_of_range_of_its_type() {
    check(
        r"
[listen]
port = -1

[limits]
queue = 0
",
        r"
error[config-out-of-range]: `listen.port` must be an integer from 0 to 65535, not the integer `-1`
 --> /etc/app/config.toml:3:8
  |
3 | port = -1
  |        ^^

error[config-out-of-range]: `limits.queue` must be an integer from 1 to 65535, not the integer `0`
 --> /etc/app/config.toml:6:9
  |
6 | queue = 0
  |         ^
",
    );
}

#[test]
fn integer_of_more_than_64_bits() {
    check(
        r"
[limits]
calls = 99999999999999999999999999999999999999999999
",
        r"
error[config-out-of-range]: `limits.calls` must be an integer from 1 to 64, not so large a number
 --> /etc/app/config.toml:3:9
  |
3 | calls = 99999999999999999999999999999999999999999999
  |         ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
",
    );
}

#[test]
fn limits_of_the_schema_hold() {
    check(
        r#"
[limits]
calls = 65
body = "1 B"
drain = "2h"

[log]
sampled = 1.5
"#,
        r#"
error[config-out-of-range]: `limits.calls` must be an integer from 1 to 64, not `65`
 --> /etc/app/config.toml:3:9
  |
3 | calls = 65
  |         ^^

error[config-out-of-range]: `limits.body` must be a size from 1 KiB to 64 MiB, not `1 B`
 --> /etc/app/config.toml:4:8
  |
4 | body = "1 B"
  |        ^^^^^

error[config-out-of-range]: `limits.drain` must be a duration of at most 1h, not `2h`
 --> /etc/app/config.toml:5:9
  |
5 | drain = "2h"
  |         ^^^^

error[config-out-of-range]: `log.sampled` must be a number from 0.0 to 1.0, not `1.5`
 --> /etc/app/config.toml:8:11
  |
8 | sampled = 1.5
  |           ^^^
"#,
    );
}

#[test]
fn units_that_do_not_exist() {
    check(
        r#"
[limits]
body = "4 M"
drain = "30 sec"
"#,
        r#"
error[config-invalid-value]: `limits.body` must be a size from 1 KiB to 64 MiB, not the string `4 M`
 --> /etc/app/config.toml:3:8
  |
3 | body = "4 M"
  |        ^^^^^

error[config-invalid-value]: `limits.drain` must be a duration of at most 1h, not the string `30 sec`
 --> /etc/app/config.toml:4:9
  |
4 | drain = "30 sec"
  |         ^^^^^^^^
"#,
    );
}

#[test]
fn choice_that_does_not_exist() {
    check(
        r#"
[log]
level = "dbeug"
"#,
        r#"
error[config-invalid-value]: `log.level` must be `error`, `info` or `debug`, not the string `dbeug`
 --> /etc/app/config.toml:3:9
  |
3 | level = "dbeug"
  |         ^^^^^^^
  = hint: did you mean `debug`?
"#,
    );
}

#[test]
fn kind_that_does_not_exist() {
    check(
        r#"
store = { sqlit = { path = "x" } }
"#,
        r"
error[config-unknown-key]: unknown key `sqlit` in `store`
 --> /etc/app/config.toml:2:11
  |
2 | store = { sqlit = { path = … } }
  |           ^^^^^
  = hint: did you mean `sqlite`?
",
    );
}

#[test]
fn two_kinds_at_once() {
    check(
        r#"
[store]
sqlite = { path = "x" }
redis = { url = "y" }
"#,
        r"
error[config-invalid-value]: `store` must be a table with exactly one of `memory`, `sqlite` or `redis`, not a table with 2 keys
 --> /etc/app/config.toml:2:1
  |
2 | [store]
  | ^^^^^^^
",
    );
}

#[test]
fn kind_without_its_settings() {
    check(
        r#"
store = "sqlite"
"#,
        r"
error[config-wrong-type]: `store` must be a table, not a bare name
 --> /etc/app/config.toml:2:9
  |
2 | store = …
  |         ^
",
    );
}

#[test]
fn required_key() {
    check(
        r#"
[upstream.a]
idle_stop = "1s"

[upstream.a.http]
"#,
        r"
error[config-missing-key]: `upstream.a.http.url` is missing
 --> /etc/app/config.toml:5:13
  |
5 | [upstream.a.http]
  |             ^^^^
  = hint: add `url = …`: The address of the server.
",
    );
}

#[test]
fn rule_of_a_type() {
    check(
        r#"
[upstream.a__b]
idle_stop = "1s"
"#,
        r"
error[config-invalid-value]: `upstream.a__b`: a name must not contain `__`
 --> /etc/app/config.toml:2:11
  |
2 | [upstream.a__b]
  |           ^^^^
",
    );
}

#[test]
fn wrong_value_does_not_make_its_table_incomplete() {
    check(
        r#"
[upstream.a]
http = { url = 1 }
idle_stop = "x"
"#,
        r#"
error[config-wrong-type]: `upstream.a.http.url` must be a string, not the integer `1`
 --> /etc/app/config.toml:3:16
  |
3 | http = { url = 1 }
  |                ^
  = hint: write it in quotes

error[config-invalid-value]: `upstream.a.idle_stop` must be a duration such as `30s` or `1h30m`, not the string `x`
 --> /etc/app/config.toml:4:13
  |
4 | idle_stop = "x"
  |             ^^^
"#,
    );
}

#[test]
fn duplicate_key() {
    check(
        r"
[listen]
port = 1
port = 2
",
        r"
error[config-syntax]: duplicate key `port`
 --> /etc/app/config.toml:4:1
  |
4 | port = 2
  | ^^^^
",
    );
}

#[test]
fn duplicate_table() {
    check(
        r#"
[listen]
port = 1
[listen]
host = "::1"
"#,
        r"
error[config-syntax]: duplicate key `listen`
 --> /etc/app/config.toml:4:2
  |
4 | [listen]
  |  ^^^^^^
",
    );
}

#[test]
fn missing_quotes() {
    check(
        r"
[upstream.a]
http = { url = localhost }
",
        r"
error[config-syntax]: string values must be quoted, expected literal string
 --> /etc/app/config.toml:3:16
  |
3 | http = { url = …
  |                ^
",
    );
}

#[test]
fn unclosed_string() {
    check(
        r#"
[listen]
host = "localhost
"#,
        r#"
error[config-syntax]: invalid basic string, expected `"`
 --> /etc/app/config.toml:3:18
  |
3 | host = "localhost
  |                  ^
"#,
    );
}

#[test]
fn unclosed_table() {
    check(
        r"
[listen
port = 1
",
        r"
error[config-syntax]: unclosed table, expected `]`
 --> /etc/app/config.toml:2:8
  |
2 | [listen
  |        ^
",
    );
}

#[test]
fn not_toml_at_all() {
    check(
        r#"
{ "listen": { "port": 1 } }
"#,
        r"
error[config-syntax]: invalid key-value pair, expected key
 --> /etc/app/config.toml:2:1
  |
2 | …
  | ^
  = hint: this looks like JSON; the configuration is TOML: `[table]`, then `key = value`
",
    );
}

#[test]
fn long_line_is_shortened_around_the_mistake() {
    check(
        r#"
[upstream.a]
stdio = { command = "a-program-with-quite-a-long-name", args = ["one", "two", "three", "four", "five"], arsg = [], env = { A_VARIABLE = "a", ANOTHER_VARIABLE = "b" } }
"#,
        r#"
error[config-unknown-key]: unknown key `arsg` in `upstream.a.stdio`
 --> /etc/app/config.toml:3:105
  |
3 | …["one", "two", "three", "four", "five"], arsg = [], env = { A_VARIABLE = …, ANOTHER_VARIABLE = … } }
  |                                           ^^^^
  = hint: did you mean `args`?
"#,
    );
}

#[test]
fn file_cannot_steer_the_terminal() {
    let message = refuse(file("[listen]\nport = \"\u{e9}\t\"\t# \u{1b}[31m"));
    assert!(!message.contains('\u{1b}'), "{message}");
}

#[test]
fn place_counts_characters() {
    let diagnostics = crate::Loader::new()
        .file("c.toml".into(), "log.level\t= 'été'".to_owned())
        .load::<super::Config>()
        .expect_err("there is no such level");
    let excerpt = Excerpt { text: "log.level = 'été'".to_owned(), start: 12, width: 5 };
    let place = Place::File { path: "c.toml".into(), line: 1, column: 13, excerpt };
    assert_eq!(diagnostics[0].place.as_deref(), Some(&place));
}

#[test]
fn colour_changes_nothing_but_colour() {
    let excerpt = Excerpt { text: "prot = 1".to_owned(), start: 0, width: 4 };
    let place = Place::File { path: "c.toml".into(), line: 12, column: 1, excerpt };
    let diagnostic = Diagnostic::new(code::UNKNOWN_KEY, "unknown key `prot`")
        .with_place(place)
        .with_cause("because")
        .with_hint("did you mean `port`?");
    let plain = "\
error[config-unknown-key]: unknown key `prot`
  --> c.toml:12:1
   |
12 | prot = 1
   | ^^^^
   = cause: because
   = hint: did you mean `port`?";
    assert_eq!(diagnostic.to_string(), plain);
    let mut coloured = diagnostic.render(true);
    assert!(coloured.contains("\x1b[1;31m^^^^\x1b[0m"), "{coloured}");
    for escape in ["\x1b[1;31m", "\x1b[1;34m", "\x1b[1m", "\x1b[0m"] {
        coloured = coloured.replace(escape, "");
    }
    assert_eq!(coloured, plain);
}

#[test]
fn what_is_right_is_accepted() {
    for text in [
        "",
        "# only a comment",
        "\u{feff}api_key = 'after a byte order mark'",
        "store = 'memory'",
        "[store.sqlite]\npath = 'x'",
        "upstream.'with space'.http.url = 'http://localhost'",
        "[limits]\nbody = 65_536\ndrain = 90\ncalls = 0x10",
        "[log]\nsampled = 1",
        "[listen]\r\nport = 1\r\n",
    ] {
        super::load(file(text));
    }
}

#[test]
fn names_with_escape_sequences_leave_the_terminal_alone() {
    let environment = variables(&[("APP_\u{1b}[2J", "x")]);
    let loader = file("\"\\u001b[2J\" = 1\n[upstream.\"\\u001b]0;x\\u0007\"]\nx = 1");
    let message = refuse(loader.environment(environment, "APP_", &[], &[]));
    assert_eq!(message.matches("error[").count(), 3, "{message}");
    assert!(!message.contains(|c: char| c.is_control() && c != '\n'), "{message:?}");
}
