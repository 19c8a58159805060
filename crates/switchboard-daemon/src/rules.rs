//! What values must be beyond their shape, so that a mistake shows in `config check` and at the
//! start rather than when somebody calls.

use std::path::Path;

use http::{HeaderName, Uri};
use switchboard_config::{Diagnostic, code};
use switchboard_core::Prefix;
use switchboard_egress::{EgressError, Guard};
use switchboard_oauth::OauthSettings;
use switchboard_upstream::{EraChoice, HttpConfig, Settings};

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
    if let Some(key) = &config.auth.api_key
        && let Err(error) = switchboard_auth::Key::configured(key.expose())
    {
        found.push(("auth.api_key", invalid(format!("auth.api_key: {error}"), error.hint())));
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
    let located = found.into_iter();
    located.map(|(key, mistake)| mistake.with_place(place::find(file, key))).collect()
}

/// The first mistake in one upstream.
pub(crate) fn upstream(name: &str, settings: &Settings) -> Result<(), Diagnostic> {
    if name.is_empty() {
        return Err(invalid("an upstream has no name".into(), "write [upstream.NAME]"));
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
    reach(name, settings)?;
    let patterns = settings.include_tools.iter().chain(&settings.exclude_tools);
    for pattern in patterns {
        if pattern.matches('[').count() > pattern.matches(']').count() {
            return Err(invalid(
                format!("upstream.{name}: the pattern `{pattern}` has a `[` without its `]`"),
                "write a set such as `[a-z]`",
            ));
        }
    }
    Ok(())
}

fn reach(name: &str, settings: &Settings) -> Result<(), Diagnostic> {
    match settings.kinds()[..] {
        [] => {
            return Err(invalid(
                format!("upstream `{name}` has none of `stdio`, `http`, `sse` and `websocket`"),
                "add stdio = { command = \"…\" } or http = { url = \"…\" }",
            ));
        }
        [_] => {}
        [one, other, ..] => {
            return Err(invalid(
                format!("upstream `{name}` has both `{one}` and `{other}`"),
                "keep the one that is meant",
            ));
        }
    }
    if settings.stdio.as_ref().is_some_and(|stdio| stdio.command.trim().is_empty()) {
        return Err(invalid(
            format!("upstream.{name}.stdio.command is empty"),
            "name a program, such as `npx`",
        ));
    }
    let web = ["http", "https"];
    if let Some(http) = &settings.http {
        address(&format!("{name}.http"), &http.url, web, http.headers.keys())?;
        login(name, http)?;
    }
    if let Some(sse) = &settings.sse {
        address(&format!("{name}.sse"), &sse.url, web, sse.headers.keys())?;
        if settings.era == EraChoice::Modern {
            return Err(invalid(
                format!("upstream.{name}: 2026-07-28 is not spoken over HTTP+SSE"),
                "leave `era` out, or reach the server by `http`",
            ));
        }
    }
    if let Some(socket) = &settings.websocket {
        let headers = socket.headers.keys();
        address(&format!("{name}.websocket"), &socket.url, ["ws", "wss"], headers)?;
    }
    Ok(())
}

/// `place` is the name of the upstream and the kind.
fn address<'a>(
    place: &str,
    url: &str,
    schemes: [&str; 2],
    mut headers: impl Iterator<Item = &'a String>,
) -> Result<(), Diagnostic> {
    let parsed = url.parse::<Uri>().ok().filter(|uri| {
        uri.scheme_str().is_some_and(|scheme| schemes.contains(&scheme))
            && uri.authority().is_some()
    });
    let [plain, safe] = schemes;
    if parsed.is_none() {
        // Not quoted: people put keys into addresses.
        return Err(invalid(
            format!("upstream.{place}.url is no address that begins with {plain}:// or {safe}://"),
            &format!("write the address of the MCP endpoint, such as `{safe}://host/mcp`"),
        ));
    }
    if has_user(url) {
        return Err(invalid(
            format!("upstream.{place}.url has a user name or a password in it"),
            "addresses end in logs: put it into `headers`, as Authorization = \"Basic …\"",
        ));
    }
    if let Some(header) = headers.find(|header| HeaderName::try_from(header.as_str()).is_err()) {
        return Err(invalid(
            format!("upstream.{place}.headers: `{header}` is no name of a header"),
            "write a name such as `Authorization`",
        ));
    }
    Ok(())
}

/// Whether an address says `user@host` or `user:password@host`.
pub(crate) fn has_user(url: &str) -> bool {
    let uri = url.parse::<Uri>().ok();
    uri.and_then(|uri| uri.into_parts().authority).is_some_and(|host| host.as_str().contains('@'))
}

fn login(name: &str, http: &HttpConfig) -> Result<(), Diagnostic> {
    let table = format!("upstream.{name}.http.oauth");
    if http.has_authorization() && http.oauth != OauthSettings::default() {
        return Err(invalid(
            format!("{table} is of no use: `headers` has an `Authorization` already"),
            "keep the one that is meant",
        ));
    }
    match http.oauth.mistakes().first() {
        Some((key, why)) => {
            let hint = format!("`switchboard config explain upstream.{name}.http.oauth.{key}`");
            Err(invalid(format!("{table}.{key}: {why}"), &hint))
        }
        None => Ok(()),
    }
}
