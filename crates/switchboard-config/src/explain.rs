//! Everything there is to say about one setting.

use std::fmt;

use serde::Serialize;
use serde_json::Value as Json;

use crate::diagnostic::{Diagnostic, code};
use crate::key::{Key, Segment};
use crate::range;
use crate::schema::View;
use crate::settings::{Origin, Settings};
use crate::suggest;
use crate::syntax;

/// One setting: what it is, where that came from, and what it means.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Explanation {
    pub key: String,
    /// The value in effect as TOML, secrets hidden; `None` if it has none.
    pub value: Option<String>,
    pub origin: Origin,
    /// What it would be if nobody set it, as TOML.
    pub default: Option<String>,
    /// What it may be: `an integer from 0 to 65535`.
    pub wanted: String,
    /// The environment variable that sets it, if there is one.
    pub variable: Option<String>,
    /// What it is for, from where it is defined.
    pub documentation: String,
}

impl Settings {
    /// Explains one setting, named by its dotted key.
    ///
    /// # Errors
    ///
    /// There is no such key; the hint names the nearest.
    pub fn explain(&self, key: &str) -> Result<Explanation, Diagnostic> {
        let parsed = Key::parse(key).ok_or_else(|| {
            Diagnostic::new(
                code::UNKNOWN_KEY,
                format!("`{}` is not a dotted key", key.escape_debug()),
            )
            .with_hint("write it as in `table.key`, with quotes around a name that contains a dot")
        })?;
        let view = self.schema.at(&parsed).ok_or_else(|| self.no_such_key(&parsed))?;
        let variable = self.names.iter().find(|(_, known)| **known == parsed);
        Ok(Explanation {
            value: find(&self.effective, &parsed).map(syntax::value),
            origin: self.origin(&parsed),
            default: self.default(&parsed, view).map(syntax::value),
            wanted: range::wanted(view),
            variable: variable.map(|(name, _)| name.clone()),
            documentation: view.documentation().to_owned(),
            key: parsed.to_string(),
        })
    }

    /// The default of the key itself, or what the default of a table around it says.
    fn default<'a>(&'a self, key: &Key, view: View<'a>) -> Option<&'a Json> {
        view.default().or_else(|| {
            let (table, name) = key.split()?;
            let default = self.default(&table, self.schema.at(&table)?)?.get(name)?;
            Some(default).filter(|default| !default.is_null())
        })
    }

    fn no_such_key(&self, key: &Key) -> Diagnostic {
        let mut table = Key::default();
        let mut hint = None;
        for segment in key.segments() {
            let longer = table.then(segment.clone());
            if self.schema.at(&longer).is_none() {
                hint = self.near(&table, segment);
                break;
            }
            table = longer;
        }
        let diagnostic = Diagnostic::new(code::UNKNOWN_KEY, format!("there is no setting `{key}`"));
        Diagnostic { hint, ..diagnostic }
    }

    fn near(&self, table: &Key, segment: &Segment) -> Option<String> {
        let Segment::Name(name) = segment else { return None };
        let known = self.schema.at(table)?.properties();
        let known: Vec<_> = known.into_iter().map(|(name, _)| name).collect();
        match suggest::nearest(name, known.iter().copied()) {
            Some(near) => Some(format!("did you mean `{}`?", table.child(near))),
            None if known.is_empty() => Some(format!("`{table}` has no settings inside")),
            None if table.is_root() => Some(format!("there are {}", known.join(", "))),
            None => Some(format!("`{table}` has {}", known.join(", "))),
        }
    }
}

fn find<'a>(effective: &'a Json, key: &Key) -> Option<&'a Json> {
    let value = key.segments().iter().try_fold(effective, |value, segment| match segment {
        Segment::Name(name) => value.get(name),
        _ => None,
    });
    value.filter(|value| !value.is_null())
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.value {
            Some(value) => writeln!(f, "{} = {value}", self.key)?,
            None => writeln!(f, "{} is not set", self.key)?,
        }
        writeln!(f, "  from      {}", self.origin)?;
        if let Some(default) = &self.default {
            writeln!(f, "  default   {default}")?;
        }
        writeln!(f, "  may be    {}", self.wanted)?;
        if let Some(variable) = &self.variable {
            writeln!(f, "  variable  {variable}")?;
        }
        if !self.documentation.is_empty() {
            write!(f, "\n{}\n", self.documentation)?;
        }
        Ok(())
    }
}
