//! Keeps a value inside its line and its quotes.
//!
//! Much of what we log was chosen by somebody else: names of tools, paths, what a server wrote. A
//! newline in it could forge a log line, an escape sequence could drive the terminal of whoever
//! reads the log (CWE-117, CWE-150), a bidirectional override could show another text than it is
//! (CVE-2021-42574). The escapes are JSON's in both formats, so there is one rule to read.

/// Appends `text` with unsafe characters escaped; for text that stands without quotes.
pub(super) fn push_escaped(line: &mut String, text: &str) {
    for character in text.chars() {
        push_character(line, character);
    }
}

/// Appends `text` as a JSON string, quotes included.
pub(super) fn push_quoted(line: &mut String, text: &str) {
    line.push('"');
    for character in text.chars() {
        if matches!(character, '"' | '\\') {
            line.push('\\');
        }
        push_character(line, character);
    }
    line.push('"');
}

/// Appends `text` as it is where no reader could take it for more than one word, else quoted.
pub(super) fn push_word(line: &mut String, text: &str) {
    let plain = |character: char| {
        !character.is_whitespace() && !matches!(character, '"' | '\\') && !is_unsafe(character)
    };
    if !text.is_empty() && text.chars().all(plain) {
        line.push_str(text);
    } else {
        push_quoted(line, text);
    }
}

fn push_character(line: &mut String, character: char) {
    match character {
        '\n' => line.push_str("\\n"),
        '\r' => line.push_str("\\r"),
        '\t' => line.push_str("\\t"),
        // All of them are below U+10000, where four digits are enough.
        unsafe_one if is_unsafe(unsafe_one) => {
            line.push_str(&format!("\\u{:04x}", u32::from(unsafe_one)));
        }
        other => line.push(other),
    }
}

fn is_unsafe(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            // Line and paragraph separator, which some readers break lines at.
            '\u{2028}' | '\u{2029}'
            // Bidirectional marks, embeddings, overrides and isolates; the byte order mark.
            | '\u{061c}' | '\u{200e}' | '\u{200f}'
            | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{feff}'
        )
}
