use std::borrow::Cow;

use super::redact_query;

#[track_caller]
fn check(text: &str, expected: &str) {
    let actual = redact_query(text);
    assert_eq!(actual, expected);
    assert_eq!(matches!(actual, Cow::Borrowed(_)), text == expected, "copied without need");
}

#[test]
fn the_key_is_hidden_wherever_it_stands() {
    for (text, expected) in [
        ("api_key=canary", "api_key=…"),
        ("a=1&api_key=canary&b=2", "a=1&api_key=…&b=2"),
        ("/mcp?api_key=canary", "/mcp?api_key=…"),
        ("/mcp?api_key=canary#part", "/mcp?api_key=…#part"),
        ("api_key=canary&api_key=canary", "api_key=…&api_key=…"),
        ("api_key=can=ary", "api_key=…"),
        ("api_key=can%26ary", "api_key=…"),
        ("%61pi_key=canary", "%61pi_key=…"),
        ("API_KEY=canary", "API_KEY=…"),
        ("api-key=canary&apiKey=canary", "api-key=…&apiKey=…"),
        ("a=1;api_key=canary", "a=1;api_key=…"),
        ("é=1&api_key=canäry&é=2", "é=1&api_key=…&é=2"),
    ] {
        check(text, expected);
    }
}

#[test]
fn everything_else_stays() {
    for text in ["", "a=1&b=2", "/mcp", "api_key", "api_key=", "my_api_keys=3", "%zz=%", "&&?;#"] {
        check(text, text);
    }
}
