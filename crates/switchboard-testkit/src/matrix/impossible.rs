//! The list of what no pair can express.
//!
//! A line has five patterns and a sentence: which client revision, listener, upstream transport,
//! server revision and feature it is about, and what of the specification forbids it. A pattern is
//! `*`, names with commas between, or `<2025-06-18` for what came before a revision.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::cell::Cell;

pub struct Impossible {
    rules: Vec<Rule>,
}

struct Rule {
    line: usize,
    patterns: Vec<String>,
    matched: AtomicUsize,
}

impl Impossible {
    /// Reads the list.
    ///
    /// # Panics
    ///
    /// Where a line is none.
    pub fn parse(text: &str) -> Self {
        let lines = (1..).zip(text.lines());
        let lines = lines.filter(|(_, line)| !line.trim().is_empty() && !line.starts_with('#'));
        let rules = lines.map(|(line, text)| {
            let (patterns, sentence) = text.split_once('|').unwrap_or((text, ""));
            let patterns: Vec<_> = patterns.split_whitespace().map(str::to_owned).collect();
            assert_eq!(patterns.len(), 5, "line {line}: five patterns, then `|`");
            assert!(!sentence.trim().is_empty(), "line {line}: the reason is missing");
            Rule { line, patterns, matched: AtomicUsize::new(0) }
        });
        Self { rules: rules.collect() }
    }

    pub fn has(&self, cell: &Cell) -> bool {
        let mut found = false;
        for rule in &self.rules {
            if rule.covers(cell) {
                rule.matched.fetch_add(1, Ordering::Relaxed);
                found = true;
            }
        }
        found
    }

    /// Lines that no cell was covered by: they have outlived their reason.
    pub fn unused(&self) -> Vec<usize> {
        let unused = self.rules.iter().filter(|rule| rule.matched.load(Ordering::Relaxed) == 0);
        unused.map(|rule| rule.line).collect()
    }
}

impl Rule {
    fn covers(&self, cell: &Cell) -> bool {
        let values = [
            cell.client.as_str(),
            cell.listener.as_str(),
            cell.transport.as_str(),
            cell.server.as_str(),
            cell.feature,
        ];
        values.iter().zip(&self.patterns).all(|(value, pattern)| {
            // Revisions are dates, which sort as text.
            match pattern.strip_prefix('<') {
                Some(before) => *value < before,
                None => pattern == "*" || pattern.split(',').any(|one| one == *value),
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use switchboard_mcp::ProtocolVersion as Version;

    use super::Impossible;
    use crate::client::Carrier;
    use crate::matrix::Cell;

    #[test]
    fn patterns_cover_what_they_say() {
        let rules = Impossible::parse(
            "# a comment\n<2025-06-18 * * * elicit-form | new in 2025-06-18\n\
             * http,sse * 2026-07-28 ping | gone\n* * * * never | no cell\n",
        );
        let cell = |client, listener, server, feature| Cell {
            client,
            listener,
            transport: Carrier::Stdio,
            server,
            feature,
        };
        let (old, new) = (Version::V2025_03_26, Version::MODERN);
        assert!(rules.has(&cell(old, Carrier::Http, new, "elicit-form")));
        assert!(!rules.has(&cell(new, Carrier::Http, new, "elicit-form")));
        assert!(rules.has(&cell(old, Carrier::Sse, new, "ping")));
        assert!(!rules.has(&cell(old, Carrier::Unix, new, "ping")));
        assert_eq!(rules.unused(), [4]);
    }
}
