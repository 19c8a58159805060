//! Environment variables as a layer: which variable sets which key.

use std::collections::BTreeMap;

use schemars::JsonSchema;

use crate::diagnostic::{Diagnostic, Place, code};
use crate::key::Key;
use crate::node::{Node, Source};
use crate::schema::Schema;
use crate::suggest;

/// Two keys that the same environment variable would set. One of them needs another name.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{variable}` would set both `{first}` and `{second}`")]
pub struct NameCollision {
    variable: String,
    first: String,
    second: String,
}

/// What the process environment contributes.
#[derive(Default)]
pub(crate) struct Environment {
    pub(crate) variables: BTreeMap<String, String>,
    pub(crate) prefix: String,
    /// Variables with the prefix that mean something to someone else.
    pub(crate) reserved: Vec<String>,
    /// Further variables and the dotted key that each sets.
    pub(crate) aliases: Vec<(String, String)>,
}

/// The variable for every key that can have one, by variable name.
///
/// `listen.idle-stop` is `PREFIX_LISTEN_IDLE_STOP`. Only single values with a fixed key have a
/// variable: not arrays, and nothing inside a map.
///
/// # Errors
///
/// Two keys that differ only in where `_` and `.` stand. A test of the configuration type calls this,
/// because [`Loader::load`](crate::Loader::load) panics on it.
pub fn environment_names<T: JsonSchema>(
    prefix: &str,
) -> Result<BTreeMap<String, String>, NameCollision> {
    let names = names(&Schema::of::<T>(), prefix)?;
    Ok(names.into_iter().map(|(name, key)| (name, key.to_string())).collect())
}

pub(crate) fn names(schema: &Schema, prefix: &str) -> Result<BTreeMap<String, Key>, NameCollision> {
    let mut names: BTreeMap<String, Key> = BTreeMap::new();
    for setting in schema.settings() {
        if !setting.key.is_fixed() || !setting.view.is_scalar() {
            continue;
        }
        let variable = format!("{prefix}{}", variable_part(&setting.key));
        match names.get(&variable) {
            // Variants of an enum may share a key.
            Some(known) if *known == setting.key => {}
            Some(known) => {
                let (first, second) = (known.to_string(), setting.key.to_string());
                return Err(NameCollision { variable, first, second });
            }
            None => {
                names.insert(variable, setting.key);
            }
        }
    }
    Ok(names)
}

fn variable_part(key: &Key) -> String {
    key.to_string().to_ascii_uppercase().replace(['.', '-'], "_")
}

impl Environment {
    /// Lays the variables over the tree.
    ///
    /// An empty variable sets nothing, as OpenTelemetry specifies for its own and container tools
    /// presuppose: `NAME: ${NAME:-}` passes an unset variable on as an empty one
    /// (<https://opentelemetry.io/docs/specs/otel/configuration/sdk-environment-variables/#parsing-empty-value>).
    /// Its name has to be right all the same. Over an alias, the variable with our own name wins.
    pub(crate) fn overlay(
        &self,
        names: &BTreeMap<String, Key>,
        tree: &mut Node,
        diagnostics: &mut Vec<Diagnostic>,
    ) {
        for (variable, key) in &self.aliases {
            let key = Key::parse(key).expect("an alias is for a dotted key");
            self.set(tree, variable, &key);
        }
        for variable in self.variables.keys().filter(|name| self.is_ours(name)) {
            match names.get(variable) {
                Some(key) => self.set(tree, variable, key),
                None => diagnostics.push(self.unknown(variable, names)),
            }
        }
    }

    fn is_ours(&self, variable: &String) -> bool {
        !self.prefix.is_empty()
            && variable.starts_with(&self.prefix)
            && !self.reserved.contains(variable)
            && !self.aliases.iter().any(|(alias, _)| alias == variable)
    }

    fn set(&self, tree: &mut Node, variable: &str, key: &Key) {
        if let Some(value) = self.variables.get(variable).filter(|value| !value.is_empty()) {
            tree.set(key, value, &Source::Environment(variable.to_owned()));
        }
    }

    fn unknown(&self, variable: &str, names: &BTreeMap<String, Key>) -> Diagnostic {
        let place = Place::Environment { name: variable.to_owned() };
        let diagnostic = Diagnostic::new(
            code::UNKNOWN_VARIABLE,
            format!("the environment variable `{variable}` sets nothing"),
        );
        diagnostic.with_place(place).with_hint(self.hint(variable, names))
    }

    fn hint(&self, variable: &str, names: &BTreeMap<String, Key>) -> String {
        // Compared without the prefix: it is always right, and would make everything look similar.
        let typed = variable.strip_prefix(&self.prefix).unwrap_or(variable);
        let known = names.keys().chain(&self.reserved);
        let known = known.filter_map(|name| name.strip_prefix(&self.prefix));
        if let Some(near) = suggest::nearest(typed, known) {
            return format!("did you mean `{}{near}`?", self.prefix);
        }
        if is_service_link(variable) {
            return "Kubernetes sets it for a Service of this name; `enableServiceLinks: false` in the \
                    pod's specification stops that"
                .to_owned();
        }
        format!("unset it, or see the reference for what begins with `{}`", self.prefix)
    }
}

/// Whether the name is one that Kubernetes makes up for each Service
/// (<https://kubernetes.io/docs/concepts/services-networking/service/#environment-variables>).
fn is_service_link(variable: &str) -> bool {
    let protocol = ["_TCP", "_UDP", "_SCTP"].iter().any(|protocol| variable.contains(protocol));
    variable.contains("_SERVICE_HOST")
        || variable.contains("_SERVICE_PORT")
        || variable.contains("_PORT_") && protocol
}
