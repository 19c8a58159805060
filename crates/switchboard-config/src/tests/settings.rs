//! What the settings in effect say about themselves.

use serde_json::json;

use super::sample::Config;
use super::{Loaded, file, load, variables};
use crate::{Origin, reference, schema};

/// Some settings from every layer.
fn loaded() -> Loaded<Config> {
    let text = "api_key = 'Bearer ${env:TOKEN}'

[listen]
allowed_hosts = [\"a\", \"b\\nc\"]

[store.redis]
url = 'redis://:password@localhost'

[upstream.github]
stdio = { command = 'github', env = { TOKEN = 't0ken', \"odd key\" = '${env:TOKEN}' } }

[upstream.\"a.b\"]
";
    let known = variables(&[("TOKEN", "t0ken"), ("APP_LOG_LEVEL", "debug")]);
    load(file(text).environment(known, "APP_", &[], &[]).flag(
        "limits.drain",
        "--drain",
        "90".to_owned(),
    ))
}

#[track_caller]
fn check(actual: &str, expected: &str) {
    assert_eq!(actual.trim_end(), expected.trim_matches('\n'), "\n{actual}\n");
}

#[test]
fn show_is_toml_with_origins() {
    check(&loaded().settings.show(), SHOWN);
}

const SHOWN: &str = r##"
api_key = "Bearer ${env:TOKEN}"  # /etc/app/config.toml:1:1

[listen]
host = "127.0.0.1"             # default
port = 8765                    # default
allowed_hosts = ["a", "b\nc"]  # /etc/app/config.toml:4:1

[log]
level = "debug"  # environment variable APP_LOG_LEVEL
json = false     # default
sampled = 0.0    # default

[limits]
body = "4 MiB"   # default
drain = "1m30s"  # flag --drain
calls = 16       # default

[store.redis]
url = "…"  # /etc/app/config.toml:7:1

[upstream."a.b"]
idle_stop = "10m"  # default

[upstream.github]
idle_stop = "10m"  # default

[upstream.github.stdio]
command = "github"  # /etc/app/config.toml:10:11
args = []           # default

[upstream.github.stdio.env]
TOKEN = "…"                 # /etc/app/config.toml:10:39
"odd key" = "${env:TOKEN}"  # /etc/app/config.toml:10:56
"##;

#[test]
fn what_is_shown_can_be_read() {
    let first = loaded();
    let text = first.settings.show();
    let known = variables(&[("TOKEN", "t0ken")]);
    let again = load(file(&text).environment(known, "APP_", &[], &[]));
    assert_eq!(again.value.limits.drain, first.value.limits.drain);
    assert_eq!(again.value.api_key, first.value.api_key);
    assert_eq!(again.value.listen.allowed_hosts, first.value.listen.allowed_hosts);
}

/// Explains a key of [`loaded`].
#[track_caller]
fn check_explained(key: &str, expected: &str) {
    match loaded().settings.explain(key) {
        Ok(explanation) => check(&explanation.to_string(), expected),
        Err(diagnostic) => check(&diagnostic.to_string(), expected),
    }
}

#[test]
fn explain_tells_value_origin_and_meaning() {
    check_explained(
        "listen.port",
        "
listen.port = 8765
  from      default
  default   8765
  may be    an integer from 0 to 65535
  variable  APP_LISTEN_PORT

The port to listen on; 0 takes any that is free.
",
    );
    check_explained(
        "limits.drain",
        "
limits.drain = \"1m30s\"
  from      flag --drain
  default   \"25s\"
  may be    a duration of at most 1h
  variable  APP_LIMITS_DRAIN

How long a stopping daemon waits for calls.
",
    );
    check_explained(
        "log.level",
        "
log.level = \"debug\"
  from      environment variable APP_LOG_LEVEL
  default   \"info\"
  may be    `info`, `debug` or `error`
  variable  APP_LOG_LEVEL

How much is written.
",
    );
}

#[test]
fn explain_shows_no_secret_and_says_what_is_not_set() {
    check_explained(
        "api_key",
        "
api_key = \"Bearer ${env:TOKEN}\"
  from      /etc/app/config.toml:1:1
  may be    a string
  variable  APP_API_KEY

Who may call. Without it, everyone may.
",
    );
    check_explained(
        "store.redis.url",
        "
store.redis.url = \"…\"
  from      /etc/app/config.toml:7:1
  may be    a string
  variable  APP_STORE_REDIS_URL

Where the server is, with its password.
",
    );
    check_explained(
        "upstream.\"a.b\".idle_stop",
        "
upstream.\"a.b\".idle_stop = \"10m\"
  from      default
  default   \"10m\"
  may be    a duration such as `30s` or `1h30m`

After how long without a call it is stopped.
",
    );
    check_explained(
        "limits.queue",
        "
limits.queue is not set
  from      default
  may be    an integer from 1 to 65535
  variable  APP_LIMITS_QUEUE

How many calls may wait; without it, none may.
",
    );
}

#[test]
fn explain_knows_what_was_meant() {
    check_explained(
        "listen.prot",
        "
error[config-unknown-key]: there is no setting `listen.prot`
  = hint: did you mean `listen.port`?
",
    );
    check_explained(
        "upstream.github.http.zzz",
        "
error[config-unknown-key]: there is no setting `upstream.github.http.zzz`
  = hint: `upstream.github.http` has url
",
    );
    check_explained(
        "listen.port.x",
        "
error[config-unknown-key]: there is no setting `listen.port.x`
  = hint: `listen.port` has no settings inside
",
    );
    check_explained(
        "listen..port",
        "
error[config-unknown-key]: `listen..port` is not a dotted key
  = hint: write it as in `table.key`, with quotes around a name that contains a dot
",
    );
}

#[test]
fn explanation_is_data_too() {
    let explanation = loaded().settings.explain("limits.drain").unwrap();
    assert_eq!(explanation.origin, Origin::Flag { name: "--drain".to_owned() });
    let json = serde_json::to_value(&explanation).unwrap();
    assert_eq!(json["origin"], json!({ "from": "flag", "name": "--drain" }));
}

#[test]
fn reference_has_every_key() {
    check(&reference::<Config>(), REFERENCE);
}

const REFERENCE: &str = r##"
| Key | Type | Range | Default | Description |
| --- | --- | --- | --- | --- |
| `api_key` | secret |  |  | Who may call. Without it, everyone may. |
| `listen` | table |  |  | Where calls come in. |
| `listen.host` | string |  | `"127.0.0.1"` | The address to listen on. |
| `listen.port` | integer | from 0 to 65535 | `8765` | The port to listen on; 0 takes any that is free. |
| `listen.allowed_hosts` | array of strings |  | `[]` | Names that a `Host` header may have \| besides the address. |
| `log` | table |  |  |  |
| `log.level` | string | `info`, `debug` or `error` | `"info"` | How much is written. |
| `log.json` | boolean |  | `false` | Whether to write JSON. |
| `log.sampled` | number | from 0.0 to 1.0 | `0.0` | The share of calls that is traced. |
| `limits` | table |  |  |  |
| `limits.body` | size | from 1 KiB to 64 MiB | `"4 MiB"` | The largest body of a request. |
| `limits.drain` | duration | at most 1h | `"25s"` | How long a stopping daemon waits for calls. |
| `limits.calls` | integer | from 1 to 64 | `16` | How many calls may be under way. |
| `limits.queue` | integer | from 1 to 65535 |  | How many calls may wait; without it, none may. |
| `store` | string or table | `memory` |  | Where calls are kept. |
| `store.sqlite` | table |  |  |  |
| `store.sqlite.path` | string |  | required | The file of the database. |
| `store.redis` | table |  |  |  |
| `store.redis.url` | secret |  | required | Where the server is, with its password. |
| `upstream.NAME` | table |  |  | The servers behind the daemon, by name. |
| `upstream.NAME.stdio` | table |  |  | A program to start. |
| `upstream.NAME.stdio.command` | string |  | required | The program. |
| `upstream.NAME.stdio.args` | array of strings |  | `[]` | Its arguments. |
| `upstream.NAME.stdio.env.NAME` | secret |  |  | Its environment variables. |
| `upstream.NAME.http` | table |  |  | A server to call. |
| `upstream.NAME.http.url` | string |  | required | The address of the server. |
| `upstream.NAME.idle_stop` | duration |  | `"10m"` | After how long without a call it is stopped. |
"##;

#[test]
fn schema_says_what_an_editor_needs() {
    let schema = schema::<Config>();
    let body = &schema["$defs"]["Limits"]["properties"]["body"];
    assert_eq!(
        *body,
        json!({
            "description": "The largest body of a request.",
            "type": ["string", "integer"],
            "format": "byte-size",
            "default": "4 MiB",
            "x-minimum": "1 KiB",
            "x-maximum": "64 MiB",
        })
    );
    assert_eq!(schema["properties"]["api_key"]["format"], "secret");
}
