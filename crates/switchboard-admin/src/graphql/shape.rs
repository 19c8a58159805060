//! How large a document is, found out before anything is done with it.
//!
//! Fragments are what makes this worth a file: twenty of them, each spreading the next one twice,
//! are a million fields, and a validator that walks into every spread walks all of them. Here each
//! is measured once, and its measure is used wherever it is spread.

use std::collections::HashMap;

use async_graphql::Name;
use async_graphql::parser::types::{ExecutableDocument, Selection, SelectionSet};

use crate::fault::Fault;

/// How deep brackets may stand in one another, and selections. What GraphiQL asks to know a schema
/// has 13.
pub(super) const NESTING: usize = 32;

/// Levels of fields with all fragments spread.
const DEPTH: usize = 16;

/// Fields with all fragments spread.
const FIELDS: usize = 2000;

const FRAGMENTS: usize = 64;

/// One alias for each field that is wanted twice is what they are for; hundreds are one request that
/// does the work of hundreds.
const ALIASES: usize = 64;

/// Fields of an operation itself, each of which is at least one query of the store.
const ROOTS: usize = 32;

const OPERATIONS: usize = 16;

/// Of one field.
pub(super) const DIRECTIVES: usize = 8;

/// Which limit a document exceeds.
#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub(super) enum Excess {
    #[error("the text of the query is too long")]
    Text,
    #[error("the query is nested deeper than {DEPTH} levels")]
    Depth,
    #[error("the query has more than {FIELDS} fields")]
    Fields,
    #[error("the query has more than {FRAGMENTS} fragments")]
    Fragments,
    #[error("the query has more than {ALIASES} aliases")]
    Aliases,
    #[error("an operation has more than {ROOTS} fields of its own")]
    Roots,
    #[error("there are more than {OPERATIONS} operations")]
    Operations,
    #[error("a fragment spreads itself")]
    Cycle,
}

#[derive(Clone, Copy, Debug, Default)]
struct Measure {
    fields: usize,
    depth: usize,
    aliases: usize,
    /// Fields of the selection itself.
    roots: usize,
    introspects: bool,
}

/// Checks how deep brackets stand in one another. What is text or a comment does not count.
pub(super) fn check_nesting(text: &str) -> Result<(), Excess> {
    let mut rest = text;
    let mut depth = 0_usize;
    while let Some(at) = rest.find(['{', '[', '(', '}', ']', ')', '"', '#']) {
        let behind = &rest[at + 1..];
        rest = match rest.as_bytes()[at] {
            b'{' | b'[' | b'(' => {
                depth += 1;
                behind
            }
            b'#' => behind.find(['\n', '\r']).map_or("", |end| &behind[end..]),
            b'"' => behind_text(&rest[at..]),
            _ => {
                depth = depth.saturating_sub(1);
                behind
            }
        };
        if NESTING < depth {
            return Err(Excess::Depth);
        }
    }
    Ok(())
}

/// What stands behind the text that this begins with.
fn behind_text(text: &str) -> &str {
    if let Some(block) = text.strip_prefix("\"\"\"") {
        let mut from = 0;
        while let Some(at) = block[from..].find("\"\"\"") {
            let end = from + at;
            if !block[..end].ends_with('\\') {
                return &block[end + 3..];
            }
            from = end + 3;
        }
        return "";
    }
    let mut is_escaped = false;
    for (at, character) in text.char_indices().skip(1) {
        match character {
            '"' if !is_escaped => return &text[at + 1..],
            '\\' => is_escaped = !is_escaped,
            _ => is_escaped = false,
        }
    }
    ""
}

/// Checks a document; whether it introspects.
pub(super) fn check(document: &ExecutableDocument) -> Result<bool, Excess> {
    if FRAGMENTS < document.fragments.len() {
        return Err(Excess::Fragments);
    }
    if OPERATIONS < document.operations.iter().count() {
        return Err(Excess::Operations);
    }
    let mut known = HashMap::new();
    let mut total = Measure::default();
    for (_, operation) in document.operations.iter() {
        let own = measure(document, &mut known, &operation.node.selection_set.node)?;
        if ROOTS < own.roots {
            return Err(Excess::Roots);
        }
        total.add(own);
    }
    // Fragments that nothing spreads are validated all the same.
    for name in document.fragments.keys() {
        total.introspects |= fragment(document, &mut known, name)?.introspects;
    }
    match total {
        Measure { depth, .. } if DEPTH < depth => Err(Excess::Depth),
        Measure { fields, .. } if FIELDS < fields => Err(Excess::Fields),
        Measure { aliases, .. } if ALIASES < aliases => Err(Excess::Aliases),
        Measure { introspects, .. } => Ok(introspects),
    }
}

impl Measure {
    fn add(&mut self, other: Self) {
        self.fields = self.fields.saturating_add(other.fields);
        self.aliases = self.aliases.saturating_add(other.aliases);
        self.roots = self.roots.saturating_add(other.roots);
        self.depth = self.depth.max(other.depth);
        self.introspects |= other.introspects;
    }
}

/// Fragments that were measured; `None` for one that is being measured.
type Known<'a> = HashMap<&'a Name, Option<Measure>>;

fn measure<'a>(
    document: &'a ExecutableDocument,
    known: &mut Known<'a>,
    selections: &'a SelectionSet,
) -> Result<Measure, Excess> {
    let mut total = Measure::default();
    for selection in &selections.items {
        total.add(match &selection.node {
            Selection::Field(field) => {
                let field = &field.node;
                let below = measure(document, known, &field.selection_set.node)?;
                let name = field.name.node.as_str();
                Measure {
                    fields: below.fields.saturating_add(1),
                    depth: below.depth + 1,
                    aliases: below.aliases.saturating_add(usize::from(field.alias.is_some())),
                    roots: 1,
                    introspects: below.introspects || name == "__schema" || name == "__type",
                }
            }
            Selection::InlineFragment(inline) => {
                measure(document, known, &inline.node.selection_set.node)?
            }
            Selection::FragmentSpread(spread) => {
                fragment(document, known, &spread.node.fragment_name.node)?
            }
        });
    }
    Ok(total)
}

fn fragment<'a>(
    document: &'a ExecutableDocument,
    known: &mut Known<'a>,
    name: &Name,
) -> Result<Measure, Excess> {
    // One that is not there is for the validator to name.
    let Some((name, fragment)) = document.fragments.get_key_value(name) else {
        return Ok(Measure::default());
    };
    match known.get(name) {
        Some(Some(measure)) => return Ok(*measure),
        Some(None) => return Err(Excess::Cycle),
        None => {}
    }
    known.insert(name, None);
    let own = measure(document, known, &fragment.node.selection_set.node)?;
    known.insert(name, Some(own));
    Ok(own)
}

impl From<Excess> for Fault {
    fn from(excess: Excess) -> Self {
        match excess {
            Excess::Cycle => Self::Invalid(excess.to_string()),
            _ => Self::TooMuch(excess.to_string()),
        }
    }
}

#[cfg(test)]
mod tests {
    use async_graphql::parser::parse_query;

    use super::{Excess, check as check_document, check_nesting};

    #[track_caller]
    fn check(text: &str, expected: Result<bool, Excess>) {
        let actual = check_nesting(text)
            .and_then(|()| check_document(&parse_query(text).expect("a document")));
        assert_eq!(actual, expected, "{}", &text[..text.len().min(80)]);
    }

    #[test]
    fn documents_of_people_are_fine() {
        check("{ a { b(c: [1, {d: 2}]) } }", Ok(false));
        check("{ a ...f } fragment f on Query { __schema { types { name } } }", Ok(true));
        check(
            r#"{ a(b: "{{{ \" [[[ \\") # (((
            c(d: """ {{{ \""" [[[ """) }"#,
            Ok(false),
        );
    }

    #[test]
    fn bombs_are_found_before_they_go_off() {
        let many = |number: usize, one: fn(usize) -> String| -> String {
            (0..number).map(one).collect::<Vec<_>>().join(" ")
        };
        check(&format!("{}a{}", "{a".repeat(20), "}".repeat(20)), Err(Excess::Depth));
        check(&format!("{}a{}", "{a".repeat(5000), "}".repeat(5000)), Err(Excess::Depth));
        check(&format!("{{a(b:{}{})}}", "[".repeat(40), "]".repeat(40)), Err(Excess::Depth));
        check(&format!("{{r{{{}}}}}", many(100, |at| format!("a{at}: a"))), Err(Excess::Aliases));
        check(&format!("{{{}}}", many(40, |_| "a".to_owned())), Err(Excess::Roots));
        let doubling = many(30, |at| {
            format!("fragment f{at} on T {{ x {{ ...f{} }} ...f{} }}", at + 1, at + 1)
        });
        check(&format!("{{r{{...f0}}}} {doubling} fragment f30 on T {{ a }}"), Err(Excess::Depth));
        let flat =
            many(30, |at| format!("fragment f{at} on T {{ ...f{} ...f{} }}", at + 1, at + 1));
        check(&format!("{{r{{...f0}}}} {flat} fragment f30 on T {{ a }}"), Err(Excess::Fields));
        check("{...f} fragment f on Query { a { ...f } }", Err(Excess::Cycle));
        check("{a} fragment f on Query { ...g } fragment g on Query { ...f }", Err(Excess::Cycle));
    }
}
