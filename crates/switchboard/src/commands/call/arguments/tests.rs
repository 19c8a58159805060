use serde_json::{Value, json};

/// What becomes of words, for a tool with one argument of each type.
#[track_caller]
fn check(words: &[&str], expected: &str) {
    let schema = json!({
        "type": "object",
        "properties": {
            "text": { "type": "string" },
            "count": { "type": "integer" },
            "ratio": { "type": "number" },
            "deep": { "type": "boolean" },
            "files": { "type": "array", "items": { "type": "string" } },
            "sizes": { "type": "array", "items": { "$ref": "#/$defs/size" } },
            "options": { "type": "object" },
            "either": { "type": ["string", "null"] },
            "maybe": { "anyOf": [{ "type": "integer" }, { "type": "null" }] },
            "circle": { "$ref": "#/$defs/circle" },
            "any": {},
        },
        "additionalProperties": false,
        "$defs": { "size": { "type": "integer" }, "circle": { "$ref": "#/$defs/circle" } },
    });
    assert_eq!(outcome(words, Some(&schema)), expected, "{words:?}");
}

fn outcome(words: &[&str], schema: Option<&Value>) -> String {
    let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
    let object = super::parse(&words).and_then(|words| words.object(schema));
    match object {
        Ok(object) => Value::Object(object).to_string(),
        Err(failure) => {
            let rest = failure.hint.or(failure.cause).unwrap_or_default();
            format!("{} ({rest})", failure.message)
        }
    }
}

#[test]
fn a_value_becomes_what_the_tool_wants() {
    check(&["text=5"], r#"{"text":"5"}"#);
    check(&["text=true", "count=5"], r#"{"text":"true","count":5}"#);
    check(&["text=a=b"], r#"{"text":"a=b"}"#);
    check(&["text="], r#"{"text":""}"#);
    check(&["text=\"q\""], r#"{"text":"\"q\""}"#);
    check(&["ratio=1", "deep=false"], r#"{"ratio":1,"deep":false}"#);
    check(&["options={\"a\":[1]}"], r#"{"options":{"a":[1]}}"#);
    check(&["either=null"], r#"{"either":null}"#);
    check(&["either=7"], r#"{"either":"7"}"#);
    check(&["maybe=7"], r#"{"maybe":7}"#);
    check(&["any=7", "circle=x"], r#"{"any":7,"circle":"x"}"#);
}

#[test]
fn a_list_grows_with_every_word() {
    check(&["files=a"], r#"{"files":["a"]}"#);
    check(&["files=a", "files=7"], r#"{"files":["a","7"]}"#);
    check(&["files=[\"a\",\"b\"]"], r#"{"files":["a","b"]}"#);
    check(&["sizes=1", "sizes=2"], r#"{"sizes":[1,2]}"#);
    check(&["sizes=x"], "`sizes` must be of type integer, not `x` ()");
    check(
        &["text=a", "text=b"],
        "`text` is given twice (the tool wants one value there, not a list)",
    );
}

#[test]
fn json_is_taken_as_it_is_and_words_win_over_the_object() {
    check(&["text:=5"], r#"{"text":5}"#);
    check(&[r#"{"text":"a","count":1}"#, "count=2"], r#"{"text":"a","count":2}"#);
    check(&["text:=x"], "`x` is not JSON (`text=x` gives it as text)");
    check(
        &["{\"text\":}"],
        "`{\"text\":}` is not a JSON object (expected value at line 1 column 9)",
    );
}

#[test]
fn what_fits_nowhere_is_refused_with_what_would() {
    check(&["count=many"], "`count` must be of type integer, not `many` ()");
    check(&["count=1.5"], "`count` must be of type integer, not `1.5` ()");
    check(&["maybe=x"], "`maybe` must be of type integer or null, not `x` ()");
    check(
        &["word"],
        "`word` is no argument of a tool (write `key=value`, `key:=json`, or a JSON object in quotes)",
    );
    check(
        &["=x"],
        "`=x` is no argument of a tool (write `key=value`, `key:=json`, or a JSON object in quotes)",
    );
    let schema = json!({ "properties": { "a": {} }, "additionalProperties": false });
    assert_eq!(outcome(&["b=1"], Some(&schema)), "the tool has no argument `b` (it has `a`)");
}

#[test]
fn a_tool_that_says_little_gets_a_guess() {
    assert_eq!(outcome(&["n=1", "s=x"], Some(&json!({}))), r#"{"n":1,"s":"x"}"#);
    let numbers = json!({ "properties": {}, "additionalProperties": { "type": "string" } });
    assert_eq!(outcome(&["n=1"], Some(&numbers)), r#"{"n":"1"}"#);
}
