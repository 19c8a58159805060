//! Groups: names that are there once, and members that are there at all.

use std::collections::BTreeMap;

use switchboard_core::Prefix;
use switchboard_upstream::{BalanceStrategy, GroupSettings};

use super::Mistake;

/// The mistakes in `groups`, each with the group it is in. `is_upstream` tells the names of all
/// upstreams, those that are not used included.
pub(crate) fn check(
    groups: &BTreeMap<String, GroupSettings>,
    is_upstream: impl Fn(&str) -> bool,
) -> Vec<(String, Mistake)> {
    let mut grouped = BTreeMap::new();
    let mut mistakes = Vec::new();
    for (name, settings) in groups {
        if let Err(mistake) = one(name, settings, &is_upstream, &mut grouped) {
            mistakes.push((name.clone(), mistake));
        }
    }
    mistakes
}

fn one<'a>(
    name: &'a str,
    settings: &'a GroupSettings,
    is_upstream: impl Fn(&str) -> bool,
    grouped: &mut BTreeMap<&'a str, &'a str>,
) -> Result<(), Mistake> {
    let mistake = |key: &str, what: String, hint: &str| {
        let place = if key.is_empty() { String::new() } else { format!(".{key}") };
        Err(Mistake::at(key, format!("group.{name}{place} {what}"), hint))
    };
    if name.is_empty() {
        return mistake("", "has no name".to_owned(), "write [group.NAME]");
    }
    if let Err(error) = Prefix::new(name) {
        return mistake("", error.to_string(), "rename the table, such as [group.search]");
    }
    if is_upstream(name) {
        let hint = "a group and an upstream share one set of names; rename one of them";
        return mistake("", "has the name of an upstream".to_owned(), hint);
    }
    if let Some(Err(error)) = settings.prefix.as_deref().map(Prefix::new) {
        return mistake("prefix", error.to_string(), "`\"\"` shows bare names");
    }
    if settings.upstreams.len() < 2 {
        let hint = "name the upstreams that offer the same, such as [\"one\", \"two\"]";
        return mistake("upstreams", "names fewer than two upstreams".to_owned(), hint);
    }
    for upstream in &settings.upstreams {
        if !is_upstream(upstream) {
            let hint = "`switchboard servers` lists those that there are";
            return mistake("upstreams", format!("names `{upstream}`, which is none"), hint);
        }
        if let Some(other) = grouped.insert(upstream, name) {
            let hint = "an upstream belongs to one group, once";
            return mistake(
                "upstreams",
                format!("names `{upstream}`, as group.{other} does"),
                hint,
            );
        }
    }
    if settings.hash_argument.is_some() && settings.balance != BalanceStrategy::ConsistentHash {
        let what = "does nothing without `balance = \"consistent_hash\"`".to_owned();
        return mistake("hash_argument", what, "add that, or leave it out");
    }
    Ok(())
}
