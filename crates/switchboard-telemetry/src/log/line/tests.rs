use tracing::Level;

use super::{Event, Fields, Format, MAX_VALUE_BYTES, Value, bounded};

fn render(message: &str, value: &str, format: Format) -> String {
    let mut fields = Fields::default();
    fields.set("name", Value::Text(value.to_owned()));
    let (ts, level, target) = ("T", Level::WARN, "switchboard");
    Event { ts, level, target, message, fields: &fields }.render(format, false)
}

#[test]
fn values_cannot_leave_their_place() {
    for (value, text, json) in [
        ("files", "files", r#""files""#),
        ("", r#""""#, r#""""#),
        ("a b", r#""a b""#, r#""a b""#),
        ("a=b", "a=b", r#""a=b""#),
        (r#"a"b"#, r#""a\"b""#, r#""a\"b""#),
        (r"a\b", r#""a\\b""#, r#""a\\b""#),
        ("a\nT INFO forged", r#""a\nT INFO forged""#, r#""a\nT INFO forged""#),
        ("a\r\n\tb", r#""a\r\n\tb""#, r#""a\r\n\tb""#),
        ("\x1b[2J", r#""\u001b[2J""#, r#""\u001b[2J""#),
        ("\0\x7f\u{9b}", r#""\u0000\u007f\u009b""#, r#""\u0000\u007f\u009b""#),
        ("a\u{2028}b", r#""a\u2028b""#, r#""a\u2028b""#),
        ("a\u{202e}b", r#""a\u202eb""#, r#""a\u202eb""#),
        ("grüße", "grüße", r#""grüße""#),
    ] {
        assert_eq!(render("m", value, Format::Text), format!("T WARN m name={text}\n"));
        let expected = r#"{"ts":"T","level":"WARN","target":"switchboard","message":"m","name":"#;
        let line = render("m", value, Format::Json);
        assert_eq!(line, format!("{expected}{json}}}\n"));
        let parsed: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(parsed["name"], value, "the value itself survives");
    }
}

#[test]
fn messages_cannot_leave_their_line() {
    let hostile = "a\nT INFO \"forged\"\x1b[31m";
    assert_eq!(
        render(hostile, "x", Format::Text),
        "T WARN a\\nT INFO \"forged\"\\u001b[31m name=x\n"
    );
    assert_eq!(render(hostile, "x", Format::Json).lines().count(), 1);
}

#[test]
fn long_values_are_cut_between_characters() {
    let exact = "x".repeat(MAX_VALUE_BYTES);
    assert_eq!(bounded(format_args!("{exact}")), exact);
    assert_eq!(bounded(format_args!("{exact}{}", "yz")), format!("{exact}…(+2 bytes)"));
    let almost = "x".repeat(MAX_VALUE_BYTES - 1);
    assert_eq!(bounded(format_args!("{almost}é{}", "y")), format!("{almost}…(+3 bytes)"));
}
