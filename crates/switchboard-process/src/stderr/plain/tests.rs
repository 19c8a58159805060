use super::text;

#[test]
fn nothing_reaches_the_terminal() {
    for (raw, plain) in [
        ("plain ü 漢", "plain ü 漢"),
        ("a\tb", "a\tb"),
        ("\u{1b}[1;31merror\u{1b}[0m: no", "error: no"),
        ("\u{1b}[2J\u{1b}[Hhello", "hello"),
        ("\u{1b}]0;title\u{7}text", "text"),
        ("\u{1b}]52;c;aGk=\u{1b}\\text", "text"),
        ("\u{1b}]0;no end", "␛]0;no end"),
        ("\u{1b}[31", "␛[31"),
        ("\u{1b}[3\u{1b}[1mx", "␛[3x"),
        ("\u{1b}cx", "␛cx"),
        ("50%\r60%", "50%␍60%"),
        ("a\u{8}\u{7f}\0", "a␈␡␀"),
        ("\u{9b}31m", "\u{fffd}31m"),
        ("a\u{202e}b\u{2066}", "a\u{fffd}b\u{fffd}"),
    ] {
        assert_eq!(text(raw), plain, "of {raw:?}");
    }
}
