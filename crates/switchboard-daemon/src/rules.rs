//! What values must be beyond their shape, so that a mistake shows in `config check` and at the
//! start rather than when somebody calls.

pub(crate) mod bundle;
pub(crate) mod group;
mod reach;
mod spread;

use std::path::Path;

use http::Uri;
use switchboard_auth::AuthConfig;
use switchboard_config::{ByteSize, Diagnostic, code};
use switchboard_core::Prefix;
use switchboard_core::limit::Rules;
use switchboard_egress::{EgressError, Guard};
use switchboard_history::Redactor;
use switchboard_policy::Base;
use switchboard_upstream::Settings;

use crate::config::Config;
use crate::place;

fn invalid(message: String, hint: &str) -> Diagnostic {
    Diagnostic::new(code::INVALID_VALUE, message).with_hint(hint)
}

/// The mistakes outside of the upstreams.
pub(crate) fn general(config: &Config, file: &Path) -> Vec<Diagnostic> {
    let mut found: Vec<(&str, Diagnostic)> = Vec::new();
    if let Err(reason) = config.http.ip() {
        let hint = "127.0.0.1 is this machine alone";
        found.push(("http.host", invalid(format!("http.host: {reason}"), hint)));
    }
    for host in &config.http.allowed_hosts {
        if host.is_empty() || host.contains(['/', ' ', '*']) {
            let message = format!("http.allowed_hosts: `{host}` is no host name");
            let hint = "write a name such as `gate.example` or `gate.example:8443`";
            found.push(("http.allowed_hosts", invalid(message, hint)));
        }
    }
    for origin in &config.http.allowed_origins {
        let rest = origin.split_once("://").map(|(_, rest)| rest);
        if rest.is_none_or(|rest| rest.is_empty() || rest.contains(['/', ' ', '*'])) {
            let message = format!("http.allowed_origins: `{origin}` is no web origin");
            let hint = "write scheme and host, such as `https://app.example.com`";
            found.push(("http.allowed_origins", invalid(message, hint)));
        }
    }
    if let Err(error) = switchboard_telemetry::log::check_filter(&config.log.level) {
        found.push(("log.level", invalid(format!("log.level: {error}"), error.hint())));
    }
    if let Err(error) = Guard::new(&config.egress) {
        let (key, hint) = match error {
            EgressError::Authorities { .. } => ("egress.ca_file", "name a PEM file"),
            _ => ("egress.allow", "write `10.0.0.0/8`, `10.1.2.3`, `host.example` or `*.example`"),
        };
        found.push((key, invalid(error.to_string(), hint)));
    }
    found.extend(kept(config, file));
    let located = found.into_iter();
    let located = located.map(|(key, mistake)| mistake.with_place(place::find(file, key)));
    located.chain(identity(&config.auth, file)).collect()
}

/// The mistakes in who may call.
fn identity(config: &AuthConfig, file: &Path) -> Vec<Diagnostic> {
    let directory = file.parent().unwrap_or_else(|| Path::new(""));
    let mistakes = config.beside(directory).mistakes();
    let shown = mistakes.iter().map(|error| {
        let key = error.key();
        let hint = match key {
            "auth.api_key" | "auth.admin_token" | "auth.tokens.secret" => {
                "`openssl rand -base64 48` prints one that is good".to_owned()
            }
            _ => format!("`switchboard config explain {key}` says what belongs there"),
        };
        let inside = key.strip_prefix("auth.").unwrap_or_default();
        let place = place::within(file, "auth", inside);
        let mistake = invalid(error.to_string(), &hint).with_place(place);
        match error.reason() {
            Some(reason) => mistake.with_cause(reason.to_string()),
            None => mistake,
        }
    });
    shown.collect()
}

/// The longest arguments that a record in DynamoDB has room for, beside 256 KiB of its result that
/// are not yet put into a blob.
const ITEM_ARGUMENTS: ByteSize = ByteSize::from_kib(128);

/// The mistakes in what is kept, recorded and allowed.
fn kept(config: &Config, file: &Path) -> Vec<(&'static str, Diagnostic)> {
    let mut found = Vec::new();
    if let Err(error) = Redactor::new(&config.history.redact) {
        let hint = "https://docs.rs/regex has the syntax";
        let message = format!("history.redact.patterns: {error}");
        found.push(("history.redact.patterns", invalid(message, hint)));
    }
    if config.store.dynamodb.is_some() && config.history.arguments_limit > ITEM_ARGUMENTS {
        let message = format!(
            "history.arguments_limit: an item of DynamoDB takes 400 KB with all that stands in it, and \
             so no arguments beyond {ITEM_ARGUMENTS}"
        );
        let hint = "lower it, or keep records in SQLite or PostgreSQL";
        found.push(("history.arguments_limit", invalid(message, hint)));
    }
    if let Err(error) = Rules::new(&config.limits) {
        let hint = "`switchboard config explain limits` says what belongs there";
        found.push(("limits", invalid(format!("limits: {error}"), hint)));
    }
    let directory = file.parent().unwrap_or_else(|| Path::new(""));
    if let Err(mistakes) = Base::configured(&config.policy, directory) {
        let hint = "https://docs.cedarpolicy.com has the language";
        found.push(("policy", invalid(format!("policy: {mistakes}"), hint)));
    }
    found
}

/// A mistake in one upstream.
pub(crate) struct Mistake {
    /// The key at which to show it; empty for the upstream as a whole.
    pub key: String,
    pub diagnostic: Diagnostic,
}

impl Mistake {
    fn at(key: impl Into<String>, message: String, hint: &str) -> Self {
        Self { key: key.into(), diagnostic: invalid(message, hint) }
    }
}

impl From<Diagnostic> for Mistake {
    fn from(diagnostic: Diagnostic) -> Self {
        Self { key: String::new(), diagnostic }
    }
}

/// The first mistake in one upstream.
pub(crate) fn upstream(name: &str, settings: &Settings) -> Result<(), Mistake> {
    if name.is_empty() {
        return Err(invalid("an upstream has no name".into(), "write [upstream.NAME]").into());
    }
    Prefix::new(name).map_err(|error| {
        let message = format!("upstream `{name}`: the name {error}");
        invalid(message, "rename the table, such as [upstream.my-server]")
    })?;
    if let Some(prefix) = &settings.prefix {
        Prefix::new(prefix).map_err(|error| {
            invalid(format!("upstream.{name}.prefix: {error}"), "`\"\"` shows bare names")
        })?;
    }
    reach::check(name, settings)?;
    spread::check(name, settings)?;
    let patterns = settings.include_tools.iter().chain(&settings.exclude_tools);
    for pattern in patterns {
        if pattern.matches('[').count() > pattern.matches(']').count() {
            return Err(invalid(
                format!("upstream.{name}: the pattern `{pattern}` has a `[` without its `]`"),
                "write a set such as `[a-z]`",
            )
            .into());
        }
    }
    Ok(())
}

/// Whether an address says `user@host` or `user:password@host`.
pub(crate) fn has_user(url: &str) -> bool {
    let uri = url.parse::<Uri>().ok();
    uri.and_then(|uri| uri.into_parts().authority).is_some_and(|host| host.as_str().contains('@'))
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use serde_json::json;

    use super::general;

    #[track_caller]
    fn check(store: &str, limit: &str, expected: &[&str]) {
        let config = json!({ "store": { store: {} }, "history": { "arguments_limit": limit } });
        let mistakes = general(&serde_json::from_value(config).unwrap(), Path::new("config.toml"));
        let keys = mistakes.iter().filter_map(|mistake| mistake.message.split(':').next());
        assert_eq!(keys.collect::<Vec<_>>(), expected);
    }

    #[test]
    fn arguments_have_to_fit_beside_results_in_an_item_of_dynamodb() {
        check("dynamodb", "128 KiB", &[]);
        check("dynamodb", "129 KiB", &["history.arguments_limit"]);
        check("sqlite", "1 MiB", &[]);
    }
}
