//! Makes what a child wrote harmless to look at.
//!
//! A terminal obeys escape sequences: they move the cursor over what was printed before, change the
//! window's title, or write to the clipboard (OSC 52). Invisible direction marks make text read
//! differently from what it is (CVE-2021-42574). A log shows none of that to the terminal.

use std::iter::Peekable;
use std::str::Chars;

const ESCAPE: char = '\u{1b}';

/// Removes colours and other complete escape sequences, and shows every other control character as a symbol.
pub(super) fn text(raw: &str) -> String {
    let mut plain = String::with_capacity(raw.len());
    let mut rest = raw.chars().peekable();
    while let Some(next) = rest.next() {
        match next {
            ESCAPE if skip_sequence(&mut rest) => {}
            '\t' => plain.push('\t'),
            // U+2400 and following are the pictures of the control characters.
            '\0'..='\u{1f}' => plain.extend(char::from_u32(0x2400 + u32::from(next))),
            '\u{7f}' => plain.push('\u{2421}'),
            hidden if is_hidden(hidden) => plain.push(char::REPLACEMENT_CHARACTER),
            visible => plain.push(visible),
        }
    }
    plain
}

/// C1 controls (8-bit escape sequences), line and paragraph separators, and direction marks.
fn is_hidden(character: char) -> bool {
    matches!(character,
        '\u{80}'..='\u{9f}'
        | '\u{61c}'
        | '\u{200e}' | '\u{200f}'
        | '\u{2028}'..='\u{202e}'
        | '\u{2066}'..='\u{2069}')
}

/// Skips a sequence whose escape character was just read (ECMA-48, 5.4 and 8.3.89); false if it is none,
/// or has no end, and then nothing was skipped.
fn skip_sequence(rest: &mut Peekable<Chars<'_>>) -> bool {
    let mut ahead = rest.clone();
    let complete = match ahead.next() {
        Some('[') => ahead
            .find(|next| !matches!(next, '\u{20}'..='\u{3f}'))
            .is_some_and(|end| matches!(end, '\u{40}'..='\u{7e}')),
        Some(']') => match ahead.find(|next| matches!(*next, '\u{7}' | ESCAPE)) {
            Some(ESCAPE) => ahead.next() == Some('\\'),
            end => end.is_some(),
        },
        _ => false,
    };
    if complete {
        *rest = ahead;
    }
    complete
}

#[cfg(test)]
mod tests;
