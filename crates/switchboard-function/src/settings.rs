//! What is set of a bundle, as its manifest wants it.

use std::collections::BTreeMap;

use serde_json::{Map, Value};
use switchboard_config::Secret;

use crate::config::Grants;
use crate::host::HostRule;
use crate::manifest::{Manifest, Runtime, SettingType};

impl Manifest {
    /// The values that the code gets: what is set, and what has a default.
    ///
    /// # Errors
    ///
    /// What is missing, unknown or of another type, one sentence for each.
    pub fn settle(
        &self,
        set: &BTreeMap<String, Secret>,
    ) -> Result<Map<String, Value>, Vec<String>> {
        let mut problems = Vec::new();
        let mut settled = Map::new();
        for name in set.keys().filter(|name| !self.is_older && !self.settings.contains_key(*name)) {
            let known: Vec<&str> = self.settings.keys().map(String::as_str).collect();
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            problems.push(format!("there is no setting `{name}` (there are: {known})"));
        }
        for (name, setting) in &self.settings {
            match (set.get(name), &setting.default) {
                (Some(value), _) => match setting.kind.read(value.expose()) {
                    Some(value) => drop(settled.insert(name.clone(), value)),
                    None => {
                        let kind = setting.kind.name();
                        problems.push(format!("the setting `{name}` is no {kind}"));
                    }
                },
                (None, Some(default)) => drop(settled.insert(name.clone(), default.clone())),
                (None, None) if setting.required => {
                    problems.push(format!("the setting `{name}` is missing"));
                }
                (None, None) => {}
            }
        }
        if self.is_older {
            let given = set.iter();
            let given = given.map(|(name, value)| (name.clone(), Value::from(value.expose())));
            settled.extend(given);
        }
        if problems.is_empty() { Ok(settled) } else { Err(problems) }
    }

    /// What it wants and is not granted, one sentence for each.
    pub fn ungranted(&self, grants: &Grants) -> Vec<String> {
        let mut missing = Vec::new();
        let granted: Vec<_> = grants.hosts.iter().filter_map(|it| HostRule::parse(it)).collect();
        for host in &self.wants.hosts {
            let wanted = HostRule::parse(host);
            let is_granted =
                |wanted: &HostRule| granted.iter().any(|granted| granted.covers(wanted));
            if !wanted.as_ref().is_some_and(is_granted) {
                let hint = "grant it with `grants.hosts`";
                missing.push(format!("it wants to connect to `{host}`: {hint}"));
            }
        }
        for file in &self.wants.files {
            let is_granted =
                grants.files.iter().any(|granted| std::path::Path::new(file).starts_with(granted));
            if !is_granted {
                missing.push(format!("it wants to read `{file}`: grant it with `grants.files`"));
            }
        }
        let is_component = matches!(self.runtime, Runtime::Wasm { .. });
        for (what, is_wanted, is_granted) in [
            ("clock", self.wants.clock, grants.clock),
            ("key_value", self.wants.key_value, grants.key_value),
            ("random", self.wants.random, grants.random),
        ] {
            if is_component && is_wanted && !is_granted {
                missing.push(format!("it wants `{what}`: grant it with `grants.{what} = true`"));
            }
        }
        for name in self.wants.environment.iter().filter(|name| !grants.environment.contains(name))
        {
            let hint = "grant it with `grants.environment`";
            missing.push(format!("it wants the variable `{name}`: {hint}"));
        }
        missing
    }
}

impl SettingType {
    fn read(self, text: &str) -> Option<Value> {
        match self {
            Self::String => Some(Value::from(text)),
            Self::Integer => text.parse::<i64>().ok().map(Value::from),
            Self::Number => text.parse::<f64>().ok().filter(|it| it.is_finite()).map(Value::from),
            Self::Boolean => text.parse::<bool>().ok().map(Value::from),
            Self::Json => serde_json::from_str(text).ok(),
        }
    }

    fn name(self) -> &'static str {
        match self {
            Self::String => "text",
            Self::Integer => "whole number",
            Self::Number => "number",
            Self::Boolean => "`true` or `false`",
            Self::Json => "JSON",
        }
    }
}
