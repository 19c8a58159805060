//! Text from servers, made safe for a terminal.
//!
//! A tool's name or description is written by a stranger. Escape sequences could repaint the screen
//! or the title, and the marks that turn the direction of writing can make a line read as another.

/// Several lines: escape sequences, control characters and direction marks are taken out.
pub(crate) fn text(untrusted: &str) -> String {
    let shown = |c: &char| !is_hidden(*c) || matches!(c, '\n' | '\t');
    anstream::adapter::strip_str(untrusted).to_string().chars().filter(shown).collect()
}

/// The first line that is not blank.
pub(crate) fn line(untrusted: &str) -> String {
    let clean = text(untrusted).replace('\t', " ");
    clean.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default().to_owned()
}

/// Control characters, and the directional formatting characters of UAX #9 (section 2).
fn is_hidden(c: char) -> bool {
    let is_mark = matches!(
        c,
        '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'
    );
    c.is_control() || is_mark
}

#[cfg(test)]
mod tests {
    use super::{line, text};

    #[track_caller]
    fn check(untrusted: &str, expected: &str) {
        assert_eq!(text(untrusted), expected);
    }

    #[test]
    fn nothing_reaches_the_terminal_but_text() {
        check("plain, schön, 日本", "plain, schön, 日本");
        check("\u{1b}[31mred\u{1b}[0m", "red");
        check("\u{1b}]0;title\u{7}after", "after");
        check("a\rb\u{8}c\u{7f}d\u{9b}31me", "abcd31me");
        check("safe\u{202e}exe.txt", "safeexe.txt");
        check("two\nlines\tand a tab", "two\nlines\tand a tab");
    }

    #[test]
    fn a_line_is_the_first_one_with_something_in_it() {
        assert_eq!(line("\n  \n  Says hello.  \nMore."), "Says hello.");
        assert_eq!(line(""), "");
    }
}
