//! All settings in effect, as a configuration file that says where each came from.

use std::fmt::Write as _;

use serde_json::{Map, Value as Json};

use crate::key::Key;
use crate::settings::{Origin, Settings};
use crate::syntax;

/// The column up to which the comments are aligned; a longer line has its comment right behind it.
const COMMENT_COLUMN: usize = 40;

impl Settings {
    /// Every setting in effect as TOML, each with its origin as a comment. Secrets show as
    /// [`Secret`](crate::Secret) prints them. Settings without a value are left out.
    pub fn show(&self) -> String {
        let mut text = String::new();
        if let Json::Object(members) = &self.effective {
            self.section(&Key::default(), members, &mut text);
        }
        text
    }

    /// The plain values of one table first, then its tables: the order TOML demands.
    fn section(&self, key: &Key, members: &Map<String, Json>, text: &mut String) {
        let plain: Vec<_> = members
            .iter()
            .filter(|(_, member)| !member.is_object() && !member.is_null())
            .map(|(name, member)| {
                let line = format!("{} = {}", syntax::key(name), syntax::value(member));
                (line, self.origin(&key.child(name)))
            })
            .collect();
        let stands_alone = members.is_empty() && self.origin(key) != Origin::Default;
        if !key.is_root() && (!plain.is_empty() || stands_alone) {
            let gap = if text.is_empty() { "" } else { "\n" };
            let _infallible = writeln!(text, "{gap}[{key}]");
        }
        let lengths = plain.iter().map(|(line, _)| line.chars().count());
        let column = lengths.filter(|length| *length <= COMMENT_COLUMN).max().unwrap_or(0);
        for (line, origin) in plain {
            let _infallible = writeln!(text, "{line:column$}  # {origin}");
        }
        for (name, member) in members {
            if let Json::Object(inner) = member {
                self.section(&key.child(name), inner, text);
            }
        }
    }
}
