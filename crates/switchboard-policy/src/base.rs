//! The policies of the operator.

use std::path::Path;

use crate::config::PolicyConfig;
use crate::load::load;
use crate::mistake::{Mistake, Mistakes};
use crate::rules::Rules;
use crate::text::{Place, Text};

const GUARD: &str = include_str!("../policies/guard.cedar");
const DEFAULT: &str = include_str!("../policies/default.cedar");

/// What the names of the texts begin with that are in the program.
const BUILT_IN: &str = "built-in";

/// The policies that hold in all tenants, checked.
#[derive(Clone, Debug)]
pub struct Base {
    pub(crate) rules: Rules,
    /// Whether they are those that Switchboard comes with, and no others: then the owner may do
    /// everything, which can be told without evaluating anything.
    pub(crate) is_plain: bool,
}

impl Base {
    /// Those that `texts` have and, with `default`, those that Switchboard comes with.
    ///
    /// # Errors
    ///
    /// [`Mistakes`], all that are found.
    pub fn new(texts: &[Text], default: bool) -> Result<Self, Mistakes> {
        let built_in =
            |name: &str, content: &str| Text::new(&format!("{BUILT_IN}/{name}"), content);
        let mut all = vec![built_in("guard.cedar", GUARD)];
        if default {
            all.push(built_in("default.cedar", DEFAULT));
        }
        all.extend_from_slice(texts);
        Ok(Self { rules: Rules::new(load(&all)?), is_plain: default && texts.is_empty() })
    }

    /// Those of a configuration that stands in `directory`. Reads files.
    ///
    /// # Errors
    ///
    /// [`Mistakes`], also for a file that cannot be read.
    pub fn configured(config: &PolicyConfig, directory: &Path) -> Result<Self, Mistakes> {
        let mut texts = Vec::new();
        let mut mistakes = Vec::new();
        for file in &config.files {
            let path = directory.join(file);
            let name = path.display().to_string();
            match std::fs::read_to_string(&path) {
                Ok(content) => texts.push(Text::new(&name, content)),
                Err(error) => mistakes.push(Mistake {
                    place: Place { text: name.into(), line: 1, column: 1 },
                    policy: None,
                    message: format!("the file cannot be read: {error}"),
                    hint: Some("correct `policy.files`".to_owned()),
                }),
            }
        }
        if !mistakes.is_empty() {
            return Err(Mistakes(mistakes));
        }
        texts.extend(config.text.as_ref().map(|text| Text::new("policy.text", text.as_str())));
        Self::new(&texts, config.default)
    }

    /// Those that Switchboard comes with.
    pub fn plain() -> Self {
        Self::new(&[], true).expect("a test loads them")
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::Base;
    use crate::config::PolicyConfig;

    #[track_caller]
    fn check(directory: &Path, config: &str, expected: &str) {
        let config: PolicyConfig = serde_json::from_str(config).unwrap();
        let actual = match Base::configured(&config, directory) {
            Ok(base) => format!("{} rules, plain: {}", base.rules.count(), base.is_plain),
            Err(mistakes) => mistakes.to_string(),
        };
        assert!(actual.contains(expected), "{config:?}: {actual}");
    }

    #[test]
    fn the_configuration_adds_to_the_default_or_stands_in_its_place() {
        let directory = tempfile::tempdir().unwrap();
        let at = directory.path();
        let two = "permit (principal, action, resource);\nforbid (principal, action, resource);";
        std::fs::write(at.join("two.cedar"), two).unwrap();
        std::fs::write(at.join("bad.cedar"), "permit (\nprincipal, action);").unwrap();
        check(at, "{}", "4 rules, plain: true");
        check(at, r#"{"default":false}"#, "1 rules, plain: false");
        check(at, r#"{"files":["two.cedar"]}"#, "6 rules, plain: false");
        check(at, r#"{"files":["two.cedar"],"default":false}"#, "3 rules, plain: false");
        let text = r#"{"text":"permit (principal, action, resource);"}"#;
        check(at, text, "5 rules, plain: false");
        check(at, r#"{"files":["bad.cedar"]}"#, "bad.cedar:2:");
        check(at, r#"{"text":"permit;"}"#, "policy.text:1:");
        check(at, r#"{"files":["none.cedar"]}"#, "none.cedar:1:1: the file cannot be read: ");
    }

    #[test]
    fn a_key_that_there_is_not_is_refused() {
        let error = serde_json::from_str::<PolicyConfig>(r#"{"file":[]}"#).unwrap_err();
        assert!(error.to_string().contains("unknown field `file`"), "{error}");
    }
}
