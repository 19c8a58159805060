//! What the configuration asks for, checked: every upstream with a name and one way to reach it.
//!
//! The same function serves the start, a reload and `config check`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use switchboard_clientfile::{
    Dialect, Expansion, Reach, Server, is_switchboard, parse_mcp_servers,
};
use switchboard_config::{Diagnostic, Secret, TimeSpan};
use switchboard_oauth::OauthSettings;
use switchboard_upstream::{
    GroupSettings, HttpConfig, Settings, SseConfig, StdioConfig, WebSocketConfig,
};

use crate::config::Config;
use crate::{bundles, place, rules};

/// Every upstream that is to be there.
#[derive(Clone, Debug, Default)]
pub struct Plan {
    pub upstreams: BTreeMap<String, PlannedUpstream>,
    pub groups: BTreeMap<String, GroupSettings>,
    /// What is in packages of the older engine, by their names.
    pub packages: BTreeMap<String, String>,
    /// What was left out or adapted, and why.
    pub notes: Vec<String>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct PlannedUpstream {
    pub settings: Settings,
    /// The imported file it comes from; `None` for the configuration itself.
    pub from: Option<PathBuf>,
}

/// Checks `config`, whose file is `file`, and reads what it imports.
///
/// # Errors
///
/// Every mistake found.
pub fn plan(
    config: &Config,
    file: &Path,
    variables: &BTreeMap<String, String>,
) -> Result<Plan, Vec<Diagnostic>> {
    let mut plan = Plan::default();
    let mut mistakes = rules::general(config, file);
    for (name, settings) in &config.upstream {
        if let Err(mistake) = rules::upstream(name, settings) {
            let place = place::within(file, &format!("upstream.{name}"), &mistake.key);
            mistakes.push(mistake.diagnostic.with_place(place));
        } else if !settings.disabled {
            let planned = PlannedUpstream { settings: settings.clone(), from: None };
            plan.upstreams.insert(name.clone(), planned);
        }
    }
    for import in &config.import {
        let path = resolve(import, file, variables);
        match read(&path, variables) {
            Ok((servers, notes)) => {
                plan.notes.extend(notes.into_iter().map(|n| format!("{}: {n}", path.display())));
                for server in servers {
                    adopt(&server, &path, config, &mut plan);
                }
            }
            Err(mistake) => mistakes.push(mistake),
        }
    }
    let is_upstream =
        |name: &str| config.upstream.contains_key(name) || plan.upstreams.contains_key(name);
    for (name, mistake) in rules::bundle::check(&config.bundle, is_upstream) {
        let place = place::within(file, &format!("bundle.{name}"), &mistake.key);
        mistakes.push(mistake.diagnostic.with_place(place));
    }
    if let Some(path) = &config.bundles.configuration {
        match bundles::packages(&resolve(path, file, variables)) {
            Ok(packages) => {
                let is_taken =
                    |name: &&String| is_upstream(name) || config.bundle.contains_key(*name);
                if let Some(name) = packages.keys().find(is_taken) {
                    let why =
                        format!("the package `{name}` has the name of an upstream or a bundle");
                    mistakes.push(unreadable(path, &why, file));
                }
                plan.packages = packages;
            }
            Err(why) => mistakes.push(unreadable(path, &why, file)),
        }
    }
    let is_upstream = |name: &str| {
        let is_bundle = config.bundle.contains_key(name) || plan.packages.contains_key(name);
        is_bundle || is_upstream(name)
    };
    for (name, mistake) in rules::group::check(&config.group, is_upstream) {
        let place = place::within(file, &format!("group.{name}"), &mistake.key);
        mistakes.push(mistake.diagnostic.with_place(place));
    }
    plan.groups.clone_from(&config.group);
    if mistakes.is_empty() { Ok(plan) } else { Err(mistakes) }
}

fn unreadable(path: &Path, why: &str, file: &Path) -> Diagnostic {
    let message = format!("`bundles.configuration`: `{}` is not valid", path.display());
    let place = place::within(file, "bundles", "configuration");
    let hint = "an object with `tools`, `resources`, `prompts`, `module_links` and `modules`";
    Diagnostic::new("config-invalid", message).with_cause(why).with_hint(hint).with_place(place)
}

/// Relative to the configuration file; `~/` is the home directory.
fn resolve(import: &Path, file: &Path, variables: &BTreeMap<String, String>) -> PathBuf {
    if let (Ok(rest), Some(home)) = (import.strip_prefix("~"), variables.get("HOME")) {
        return Path::new(home).join(rest);
    }
    file.parent().unwrap_or_else(|| Path::new("")).join(import)
}

fn read(
    path: &Path,
    variables: &BTreeMap<String, String>,
) -> Result<(Vec<Server>, Vec<String>), Diagnostic> {
    let failed = |what: &str, cause: String| {
        let message = format!("import `{}` {what}", path.display());
        Diagnostic::new("config-import", message).with_cause(cause)
    };
    let text = std::fs::read_to_string(path)
        .map_err(|error| failed("cannot be read", error.to_string()))?;
    let home = variables.get("HOME").map(PathBuf::from).unwrap_or_default();
    let expansion = Expansion { env: variables, home: &home, dialect: Dialect::owning(path) };
    let parsed = parse_mcp_servers(&text, &expansion).map_err(|error| {
        let place = error.at().map(|at| format!(" (at {at})")).unwrap_or_default();
        failed("is not valid", format!("{error}{place}")).with_hint(error.hint())
    })?;
    Ok((parsed.servers, parsed.notes.iter().map(ToString::to_string).collect()))
}

/// Takes over one imported server, under a name that we can show.
fn adopt(server: &Server, path: &Path, config: &Config, plan: &mut Plan) {
    let name = usable_name(&server.name);
    let note = |text: String| format!("{}: `{}` {text}", path.display(), server.name);
    let own_address = format!("{}:{}", config.http.host, config.http.port);
    if is_switchboard(&server.reach, Some(&own_address)) {
        // Nothing to report: `connect` wrote it there.
        return;
    }
    if server.disabled || config.upstream.contains_key(&name) {
        return;
    }
    if let Some(other) = plan.upstreams.get(&name) {
        let from = other.from.as_deref().unwrap_or(Path::new("another import"));
        plan.notes.push(note(format!("is left out: {} has the name already", from.display())));
        return;
    }
    if name != server.name {
        plan.notes.push(note(format!("is called `{name}` here")));
    }
    match settings(server) {
        Ok(settings) => {
            let from = Some(path.to_path_buf());
            plan.upstreams.insert(name, PlannedUpstream { settings, from });
        }
        Err(reason) => plan.notes.push(note(format!("is left out: {reason}"))),
    }
}

fn settings(server: &Server) -> Result<Settings, &'static str> {
    let secrets = |values: &BTreeMap<String, String>| {
        values.iter().map(|(key, value)| (key.clone(), Secret::new(value))).collect()
    };
    let mut settings = Settings {
        include_tools: server.include_tools.clone(),
        exclude_tools: server.exclude_tools.clone(),
        optional: server.optional,
        ..Settings::default()
    };
    if let Some(timeout) = server.timeout {
        let milliseconds = u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX);
        settings.timeout = TimeSpan::from_millis(milliseconds);
    }
    match &server.reach {
        Reach::Stdio { command, args, env, cwd } => {
            settings.stdio = Some(StdioConfig {
                command: command.clone(),
                args: args.iter().map(Secret::new).collect(),
                env: secrets(env),
                cwd: cwd.clone(),
            });
        }
        Reach::Http { url, headers } => {
            if rules::has_user(url) {
                return Err("its address has a user name in it, which belongs into a header");
            }
            if url.starts_with("ws://") || url.starts_with("wss://") {
                let (url, headers) = (url.clone(), secrets(headers));
                settings.websocket = Some(WebSocketConfig { url, headers });
            } else {
                settings.http = Some(HttpConfig {
                    url: url.clone(),
                    headers: secrets(headers),
                    oauth: OauthSettings::default(),
                });
            }
        }
        Reach::Sse { url, headers } => {
            if rules::has_user(url) {
                return Err("its address has a user name in it, which belongs into a header");
            }
            settings.sse = Some(SseConfig { url: url.clone(), headers: secrets(headers) });
        }
    }
    Ok(settings)
}

/// The name with what [`Prefix`](switchboard_core::Prefix) refuses replaced.
fn usable_name(name: &str) -> String {
    let mut clean = String::new();
    for c in name.chars().take(32) {
        let c = if c.is_ascii_alphanumeric() || c == '_' { c } else { '-' };
        if !(c == '_' && clean.ends_with('_')) {
            clean.push(c);
        }
    }
    let clean = clean.trim_matches(['_', '-']);
    if clean.is_empty() { "server".to_owned() } else { clean.to_owned() }
}

#[cfg(test)]
mod tests {
    use switchboard_core::Prefix;

    use super::usable_name;

    #[test]
    fn imported_names_become_usable() {
        let cases = [
            ("github", "github"),
            ("My Server", "My-Server"),
            ("a__b", "a_b"),
            ("@scope/pkg", "scope-pkg"),
            ("größe", "gr--e"),
            ("___", "server"),
        ];
        for (name, expected) in cases {
            assert_eq!(usable_name(name), expected);
            assert!(Prefix::new(expected).is_ok());
        }
    }
}
