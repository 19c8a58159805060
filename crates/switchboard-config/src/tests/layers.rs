//! Which layer wins, and what the environment can set.

use serde_json::json;

use super::sample::{Config, Level};
use super::{file, load, refuse, variables};
use crate::{Diagnostic, Inherited, Loader, code, environment_names};

const PREFIX: &str = "APP_";

/// Adds variables, of which `APP_CONFIG` is no key and `PORT` is an alias.
fn with(loader: Loader, pairs: &[(&str, &str)]) -> Loader {
    loader.environment(variables(pairs), PREFIX, &["APP_CONFIG"], &[("PORT", "listen.port")])
}

/// Gives the port in some of the layers and says which port is used.
#[track_caller]
fn check_port(file_port: Option<u16>, pairs: &[(&str, &str)], flag: Option<&str>, expected: u16) {
    let text = file_port.map(|port| format!("listen.port = {port}")).unwrap_or_default();
    let mut loader = with(file(&text), pairs);
    if let Some(port) = flag {
        loader = loader.flag("listen.port", "--port", port.to_owned());
    }
    assert_eq!(load(loader).value.listen.port, expected);
}

#[test]
fn later_layers_win() {
    let variable = ("APP_LISTEN_PORT", "3");
    let alias = ("PORT", "2");
    check_port(None, &[], None, 8765);
    check_port(Some(1), &[], None, 1);
    check_port(Some(1), &[alias], None, 2);
    check_port(Some(1), &[alias, variable], None, 3);
    check_port(Some(1), &[alias, variable], Some("4"), 4);
    check_port(None, &[], Some("4"), 4);
}

#[test]
fn what_is_inherited_fills_in_and_says_where_it_is_from() {
    let inherit = |loader: Loader| {
        load(loader.inherited(|is_given| {
            let port = if is_given("limits") { "7" } else { "6" };
            let value = |text: &str| text.to_owned();
            Ok(vec![
                Inherited { variable: "OLD_PORT", key: "listen.port", value: value(port) },
                Inherited { variable: "OLD_HOST", key: "listen.host", value: value("::1") },
            ])
        }))
    };
    let loaded = inherit(file("listen.host = \"::2\""));
    assert_eq!(
        (loaded.value.listen.port, loaded.value.listen.host.to_string()),
        (6, "::2".to_owned())
    );
    let explained = loaded.settings.explain("listen.port").unwrap();
    assert_eq!(explained.origin.to_string(), "environment variable OLD_PORT");
    assert!(loaded.settings.show().contains("# environment variable OLD_PORT"));
    assert_eq!(inherit(file("limits.calls = 9")).value.listen.port, 7);
    assert_eq!(inherit(with(Loader::new(), &[("PORT", "2")])).value.listen.port, 2);
    let flagged = Loader::new().flag("listen.port", "--port", "4".to_owned());
    assert_eq!(inherit(flagged).value.listen.port, 4);
    let mistake = || Diagnostic::new(code::INVALID_VALUE, "`OLD` is too old");
    assert!(refuse(Loader::new().inherited(move |_| Err(vec![mistake()]))).contains("too old"));
}

#[test]
fn empty_variable_sets_nothing() {
    check_port(Some(1), &[("APP_LISTEN_PORT", ""), ("PORT", "")], None, 1);
}

#[test]
fn other_values_of_the_same_table_stay() {
    let loaded = load(with(
        file("listen = { host = \"::1\", allowed_hosts = [\"a\"] }"),
        &[("APP_LISTEN_PORT", "9")],
    ));
    let listen = serde_json::to_value(&loaded.value.listen).unwrap();
    assert_eq!(listen, json!({ "host": "::1", "port": 9, "allowed_hosts": ["a"] }));
}

#[test]
fn variables_are_read_as_the_type_of_their_key() {
    let value = load(with(
        Loader::new(),
        &[
            ("APP_API_KEY", "0123"),
            ("APP_CONFIG", "/elsewhere"),
            ("APP_LIMITS_BODY", "64 KiB"),
            ("APP_LIMITS_CALLS", "64"),
            ("APP_LIMITS_DRAIN", "90"),
            ("APP_LIMITS_QUEUE", "5"),
            ("APP_LISTEN_HOST", "::1"),
            ("APP_LOG_JSON", "1"),
            ("APP_LOG_LEVEL", "debug"),
            ("APP_LOG_SAMPLED", "0.5"),
            ("APP_STORE_SQLITE_PATH", "7"),
            ("HOME", "/home/ann"),
        ],
    ))
    .value;
    assert_eq!(value.api_key.as_ref().map(|key| key.expose()), Some("0123"));
    assert_eq!(value.log.level, Level::Debug);
    assert_eq!(
        serde_json::to_value(&value).unwrap(),
        json!({
            "api_key": "…",
            "listen": { "host": "::1", "port": 8765, "allowed_hosts": [] },
            "log": { "level": "debug", "json": true, "sampled": 0.5 },
            "limits": { "body": "64 KiB", "drain": "1m30s", "calls": 64, "queue": 5 },
            "store": { "sqlite": { "path": "7" } },
            "upstream": {},
        })
    );
}

#[test]
fn every_single_value_with_a_fixed_key_has_a_variable() {
    let names = environment_names::<Config>(PREFIX).unwrap();
    let names: Vec<_> = names.iter().map(|(name, key)| format!("{name} {key}")).collect();
    assert_eq!(
        names,
        [
            "APP_API_KEY api_key",
            "APP_LIMITS_BODY limits.body",
            "APP_LIMITS_CALLS limits.calls",
            "APP_LIMITS_DRAIN limits.drain",
            "APP_LIMITS_QUEUE limits.queue",
            "APP_LISTEN_HOST listen.host",
            "APP_LISTEN_PORT listen.port",
            "APP_LOG_JSON log.json",
            "APP_LOG_LEVEL log.level",
            "APP_LOG_SAMPLED log.sampled",
            "APP_STORE_REDIS_URL store.redis.url",
            "APP_STORE_SQLITE_PATH store.sqlite.path",
        ]
    );
}

#[test]
fn keys_that_share_a_variable_are_found() {
    #[derive(schemars::JsonSchema)]
    #[expect(dead_code, reason = "only its schema is used")]
    struct Ambiguous {
        a: Inner,
        a_b: bool,
    }
    #[derive(schemars::JsonSchema)]
    #[expect(dead_code, reason = "only its schema is used")]
    struct Inner {
        b: bool,
    }
    let collision = environment_names::<Ambiguous>(PREFIX).unwrap_err();
    assert_eq!(collision.to_string(), "`APP_A_B` would set both `a.b` and `a_b`");
}

/// Loads with one variable and compares the message.
#[track_caller]
fn check_refused(variable: &str, value: &str, expected: &str) {
    let actual = refuse(with(Loader::new(), &[(variable, value)]));
    assert_eq!(actual, expected.trim_matches('\n'), "\n{actual}\n");
}

#[test]
fn misspelt_variable() {
    check_refused(
        "APP_LISTEN_PROT",
        "1",
        "
error[config-unknown-variable]: the environment variable `APP_LISTEN_PROT` sets nothing
 --> environment variable APP_LISTEN_PROT
  = hint: did you mean `APP_LISTEN_PORT`?
",
    );
}

#[test]
fn variable_is_unknown_even_when_empty() {
    check_refused(
        "APP_NOTHING_OF_THE_KIND",
        "",
        "
error[config-unknown-variable]: the environment variable `APP_NOTHING_OF_THE_KIND` sets nothing
 --> environment variable APP_NOTHING_OF_THE_KIND
  = hint: unset it, or see the reference for what begins with `APP_`
",
    );
}

#[test]
fn variable_that_kubernetes_made_up() {
    check_refused(
        "APP_PORT_8765_TCP_ADDR",
        "10.0.0.7",
        "
error[config-unknown-variable]: the environment variable `APP_PORT_8765_TCP_ADDR` sets nothing
 --> environment variable APP_PORT_8765_TCP_ADDR
  = hint: Kubernetes sets it for a Service of this name; `enableServiceLinks: false` in the pod's specification stops that
",
    );
}

#[test]
fn variable_of_the_wrong_type() {
    check_refused(
        "APP_LISTEN_PORT",
        "80a",
        "
error[config-wrong-type]: `listen.port` must be an integer from 0 to 65535, not `80a`
 --> environment variable APP_LISTEN_PORT
",
    );
}

#[test]
fn variable_out_of_range() {
    check_refused(
        "APP_LIMITS_BODY",
        "1 TiB",
        "
error[config-out-of-range]: `limits.body` must be a size from 1 KiB to 64 MiB, not `1 TiB`
 --> environment variable APP_LIMITS_BODY
",
    );
}

#[test]
fn flag_is_named_as_it_was_typed() {
    let actual = refuse(file("").flag("log.level", "--log", "laud".to_owned()));
    assert_eq!(
        actual,
        "error[config-invalid-value]: `log.level` must be `error`, `info` or `debug`, not `laud`
 --> flag --log"
    );
}

#[test]
fn file_that_has_no_table_there_is_what_is_reported() {
    let actual = refuse(with(file("listen = 1"), &[("APP_LISTEN_PORT", "2")]));
    assert!(actual.starts_with("error[config-wrong-type]: `listen` must be a table"), "{actual}");
}

#[test]
fn mistakes_of_all_layers_come_in_reading_order() {
    let loader = with(file("lisen = 1"), &[("APP_LOG_JSON", "maybe")]);
    let actual = refuse(loader.flag("listen.port", "--port", "x".to_owned()));
    let codes: Vec<_> = actual.lines().filter(|line| line.contains("-->")).collect();
    assert_eq!(
        codes,
        [
            " --> /etc/app/config.toml:1:1",
            " --> environment variable APP_LOG_JSON",
            " --> flag --port"
        ]
    );
}
