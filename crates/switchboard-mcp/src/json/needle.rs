//! Texts that are looked for in message after message.

use std::sync::OnceLock;

use memchr::memmem::Finder;

use super::Json;

/// A text that most messages do without: to look for it is cheaper than to walk through their
/// members. What the search needs to know about it is worked out once.
pub struct Needle {
    text: &'static str,
    finder: OnceLock<Finder<'static>>,
}

impl Needle {
    pub const fn new(text: &'static str) -> Self {
        Self { text, finder: OnceLock::new() }
    }

    /// Whether the text of `json` has it anywhere, in a name, a value or over both.
    pub fn is_in(&self, json: &Json) -> bool {
        self.is_in_text(json.as_bytes())
    }

    pub(crate) fn is_in_text(&self, text: &[u8]) -> bool {
        let finder = self.finder.get_or_init(|| Finder::new(self.text));
        finder.find(text).is_some()
    }
}
