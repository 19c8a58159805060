//! Bundles: names that are there once, and sources.

use std::collections::BTreeMap;

use switchboard_core::Prefix;
use switchboard_function::BundleConfig;

use super::Mistake;

/// The mistakes in `bundles`, each with the bundle it is in. `is_upstream` tells the names of all
/// upstreams, those that are not used included.
pub(crate) fn check(
    bundles: &BTreeMap<String, BundleConfig>,
    is_upstream: impl Fn(&str) -> bool,
) -> Vec<(String, Mistake)> {
    let mut mistakes = Vec::new();
    for (name, bundle) in bundles {
        if let Err(mistake) = one(name, bundle, &is_upstream) {
            mistakes.push((name.clone(), mistake));
        }
    }
    mistakes
}

/// Checks a bundle that is pushed and not configured.
///
/// # Errors
///
/// What is wrong with it.
pub(crate) fn pushed(name: &str, bundle: &BundleConfig) -> Result<(), Mistake> {
    terms(name, bundle)
}

fn one(
    name: &str,
    bundle: &BundleConfig,
    is_upstream: &impl Fn(&str) -> bool,
) -> Result<(), Mistake> {
    if is_upstream(name) {
        let hint = "a bundle and an upstream share one set of names; rename one of them";
        return mistake((name, ""), "has the name of an upstream".to_owned(), hint);
    }
    terms(name, bundle)?;
    if bundle.source.as_os_str().is_empty() {
        let hint = "name a ZIP archive or a directory, such as \"bundles/weather\"";
        return mistake((name, "source"), "names nothing".to_owned(), hint);
    }
    Ok(())
}

fn mistake((name, key): (&str, &str), what: impl Into<String>, hint: &str) -> Result<(), Mistake> {
    let place = if key.is_empty() { String::new() } else { format!(".{key}") };
    Err(Mistake::at(key, format!("bundle.{name}{place} {}", what.into()), hint))
}

/// What holds wherever a bundle comes from.
fn terms(name: &str, bundle: &BundleConfig) -> Result<(), Mistake> {
    let mistake = |key, what: String, hint: &str| mistake((name, key), what, hint);
    if name.is_empty() {
        return mistake("", "has no name".to_owned(), "write [bundle.NAME]");
    }
    if let Err(error) = Prefix::new(name) {
        return mistake("", error.to_string(), "rename the table, such as [bundle.weather]");
    }
    if let Some(Err(error)) = bundle.prefix.as_deref().map(Prefix::new) {
        return mistake("prefix", error.to_string(), "`\"\"` shows bare names");
    }
    if let Some(host) = bundle.grants.wrong_hosts().next() {
        let hint = "such as \"api.example.com\", \"*.example.com\" or \"localhost:8080\"";
        return mistake("grants.hosts", format!("has what is no host: `{host}`"), hint);
    }
    if let Some(path) = bundle.grants.files.iter().find(|path| path.is_relative()) {
        let what = format!("has what is no absolute path: `{}`", path.display());
        return mistake("grants.files", what, "such as \"/usr/share/dict\"");
    }
    Ok(())
}
