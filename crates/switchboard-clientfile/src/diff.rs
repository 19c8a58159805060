//! The preview of a change, without what is in the file beside it.
//!
//! The lines around a change belong to somebody else and may hold keys and tokens, so every text in
//! them prints as `…`, and comments not at all. Only keys and the values of our own entry are shown.

use std::borrow::Cow;
use std::fmt::Write as _;

use crate::edit::Edit;
use crate::json::without_comments;
use crate::syntax::Syntax;

pub(crate) fn diff(edit: &Edit) -> String {
    let before = edit.before.as_deref().unwrap_or_default();
    let (before, after) = (visible(before, edit.syntax), visible(&edit.after, edit.syntax));
    let old: Vec<_> = before.lines().collect();
    let new: Vec<_> = after.lines().collect();
    let same_start = old.iter().zip(&new).take_while(|(old, new)| old == new).count();
    let shorter = old.len().min(new.len()) - same_start;
    let same_end = old
        .iter()
        .rev()
        .zip(new.iter().rev())
        .take(shorter)
        .take_while(|(old, new)| old == new)
        .count();

    let context = context_lines(edit.syntax);
    let from =
        edit.before.as_ref().map_or("(no file)".to_owned(), |_| edit.path.display().to_string());
    let mut out = format!("--- {from}\n+++ {}\n", edit.path.display());
    let mask = |lines: &[&str]| -> Vec<String> {
        let lines = lines.iter().filter(|line| !line.trim().is_empty());
        lines.map(|line| masked(line.trim_end(), &edit.shown)).collect()
    };
    let removed = mask(&old[same_start..old.len() - same_end]);
    let added = mask(&new[same_start..new.len() - same_end]);
    // In a file of one line the change is somewhere in the middle of it.
    let skip = match (&*removed, &*added) {
        ([old], [new]) => old.chars().zip(new.chars()).take_while(|(old, new)| old == new).count(),
        _ => 0,
    };
    let above = mask(&old[same_start.saturating_sub(context)..same_start]);
    let below = mask(&old[old.len() - same_end..old.len() - same_end.saturating_sub(context)]);
    for (sign, lines) in [(' ', above), ('-', removed), ('+', added), (' ', below)] {
        let skip = if sign == ' ' { 0 } else { skip };
        for line in lines {
            writeln!(out, "{sign} {}", shortened(&line, skip))
                .expect("writing to memory does not fail");
        }
    }
    out
}

/// How many lines around a change are shown. None of TOML, where a line can be the middle of a text
/// and then nothing says where the text begins.
fn context_lines(syntax: Syntax) -> usize {
    match syntax {
        Syntax::Json | Syntax::Jsonc => 2,
        Syntax::Toml => 0,
    }
}

fn visible(text: &str, syntax: Syntax) -> Cow<'_, str> {
    match syntax {
        Syntax::Jsonc => without_comments(text).into(),
        Syntax::Json | Syntax::Toml => text.into(),
    }
}

/// The line with every quoted text that is neither a key nor ours replaced.
fn masked(line: &str, shown: &[String]) -> String {
    let mut out = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(start) = rest.find(['"', '\'']) {
        let quote = rest.as_bytes()[start];
        let end = quoted_end(rest, start, quote);
        let (text, after) = (&rest[start..end], &rest[end..]);
        out.push_str(&rest[..start]);
        let is_key = after.trim_start().starts_with([':', '=']);
        let is_ours = serde_json::from_str::<String>(text).is_ok_and(|text| shown.contains(&text));
        out.push_str(if is_key || is_ours { text } else { "\"…\"" });
        rest = after;
    }
    out.push_str(rest);
    out
}

fn quoted_end(line: &str, start: usize, quote: u8) -> usize {
    let bytes = line.as_bytes();
    let mut at = start + 1;
    while at < bytes.len() {
        match bytes[at] {
            byte if byte == quote => return at + 1,
            // A backslash before a character of several bytes would leave us inside of it.
            b'\\' if quote == b'"' && bytes.get(at + 1).is_some_and(u8::is_ascii) => at += 2,
            _ => at += 1,
        }
    }
    line.len()
}

/// The part of a line around its first change, `skip` characters in: a file written by a program can
/// be a single line of megabytes.
fn shortened(line: &str, skip: usize) -> Cow<'_, str> {
    /// Two lines of a usual terminal.
    const LONGEST: usize = 160;
    /// Enough before the change to see what it belongs to.
    const LEAD: usize = 40;
    if line.chars().count() <= LONGEST {
        return line.into();
    }
    let start = skip.saturating_sub(LEAD);
    let part: String = line.chars().skip(start).take(LONGEST).collect();
    let (head, tail) =
        (if start > 0 { "…" } else { "" }, if part.len() + start < line.len() { "…" } else { "" });
    format!("{head}{part}{tail}").into()
}
