//! Members put into and taken out of JSON texts of every layout.

use serde_json::{Value, json};

use crate::json::{set, unset, value};

fn with_ours(text: &str) -> String {
    set(text, &["servers", "ours"], &json!({ "command": "s", "args": ["stdio"] }))
}

#[track_caller]
fn check(text: &str, expected: &str) {
    let added = with_ours(text);
    assert_eq!(added, expected, "of {text}");
    let mut read = value(&added, true).unwrap_or_else(|error| panic!("{added}: {error}"));
    let ours = read
        .pointer_mut("/servers")
        .and_then(Value::as_object_mut)
        .and_then(|servers| servers.shift_remove("ours"));
    assert_eq!(ours, Some(json!({ "command": "s", "args": ["stdio"] })));
    let mut before = value(text, true).unwrap();
    before.as_object_mut().unwrap().entry("servers").or_insert(json!({}));
    assert_eq!(read, before, "other values of {text}");
}

/// Putting in and taking out leaves the same bytes.
#[track_caller]
fn check_inverse(text: &str) {
    assert_eq!(unset(&with_ours(text), &["servers", "ours"]), text);
}

#[test]
fn member_follows_the_layout_of_the_file() {
    for (text, expected) in [
        (
            "{\n  \"servers\": {\n    \"a\": {}\n  }\n}\n",
            "{\n  \"servers\": {\n    \"a\": {},\n    \"ours\": {\n      \"command\": \"s\",\n      \"args\": [\n        \"stdio\"\n      ]\n    }\n  }\n}\n",
        ),
        (
            "{\n\t\"servers\": {}\n}",
            "{\n\t\"servers\": {\n\t\t\"ours\": {\n\t\t\t\"command\": \"s\",\n\t\t\t\"args\": [\n\t\t\t\t\"stdio\"\n\t\t\t]\n\t\t}\n\t}\n}",
        ),
        (
            "{\r\n    \"x\": 1\r\n}\r\n",
            "{\r\n    \"x\": 1,\r\n    \"servers\": {\r\n        \"ours\": {\r\n            \"command\": \"s\",\r\n            \"args\": [\r\n                \"stdio\"\r\n            ]\r\n        }\r\n    }\r\n}\r\n",
        ),
        (
            "{\"x\":1,\"servers\":{\"a\":{}}}",
            "{\"x\":1,\"servers\":{\"a\":{},\"ours\":{\"command\":\"s\",\"args\":[\"stdio\"]}}}",
        ),
        ("{\"servers\":{}}", "{\"servers\":{\"ours\":{\"command\":\"s\",\"args\":[\"stdio\"]}}}"),
        (
            "{\n  \"servers\": { \"a\": {} }\n}",
            "{\n  \"servers\": { \"a\": {}, \"ours\": {\"command\":\"s\",\"args\":[\"stdio\"]} }\n}",
        ),
        (
            "",
            "{\n  \"servers\": {\n    \"ours\": {\n      \"command\": \"s\",\n      \"args\": [\n        \"stdio\"\n      ]\n    }\n  }\n}\n",
        ),
    ] {
        check(text, expected);
    }
}

#[test]
fn taking_out_undoes_putting_in() {
    for text in [
        "{\n  \"servers\": {\n    \"a\": {}\n  }\n}\n",
        "{\n  \"servers\": {\n    \"a\": {} // the first\n  }\n}\n",
        "{\n  \"servers\": {\n    \"a\": {}, // the first\n    /* and */ \"b\": [1, \"}\"], /* last\n */\n  }, // done\n}\n",
        "{\n  \"servers\": {\n    \"a\": {},\n    // \"b\": {}\n  }\n}\n",
        "{\n  \"servers\": {\n    \"a\": {}   \n\n  }\n}\n",
        "{\n  \"servers\": {\n    \"a\": {} /*/ no end yet */\n  }\n}\n",
        "{\n  \"servers\": {\n    // nothing yet\n  }\n}\n",
        "{\n  \"servers\": {}\n}",
        "{\r\n  \"servers\": {\r\n    \"a\": \"\\\" // no comment }\" // a comment \r\n  }\r\n}",
        "{\"servers\":{}}",
        "{\"servers\":{\"a\":{}}}",
        "{ \"servers\": { \"a\": {} /* one */ } }",
        "{ \"servers\": { \"a\": {}, } }",
        "\u{feff}{\n  \"servers\": {\n    \"größe €\": {}\n  }\n}",
        "// Zed\n{\n  // the { brace\n  \"servers\": {\n    \"a\": { \"b\": null }\n  },\n  \"z\": 1\n}",
    ] {
        check_inverse(text);
    }
}

#[test]
fn our_entry_is_replaced_where_it_stands() {
    let text = "{\n  \"servers\": {\n    \"ours\": { \"command\": \"old\" }, // here\n    \"b\": {}\n  }\n}";
    let expected = "{\n  \"servers\": {\n    \"ours\": {\n      \"command\": \"s\",\n      \"args\": [\n        \"stdio\"\n      ]\n    }, // here\n    \"b\": {}\n  }\n}";
    assert_eq!(with_ours(text), expected);
    assert_eq!(
        unset(&with_ours(text), &["servers", "ours"]),
        "{\n  \"servers\": { // here\n    \"b\": {}\n  }\n}"
    );
}

#[test]
fn only_comments_get_a_document_below() {
    let text = "// Zed settings\n";
    assert!(with_ours(text).starts_with("// Zed settings\n{\n  \"servers\": {\n"));
}

#[test]
fn what_is_not_there_is_not_taken_out() {
    for text in ["", "{}", "{\"servers\":{\"a\":{}}}", "{\"servers\":[]}", "[]", "// {"] {
        assert_eq!(unset(text, &["servers", "ours"]), text);
    }
}
