use serde_json::{Value, json};

use super::{Schema, check};

#[test]
fn defaults_are_filled_in_where_nothing_is_said() {
    let fill = |schema: Value, mut value: Value| {
        let changed = Schema::new(schema).fill(&mut value);
        (value, changed)
    };
    let nested = json!({ "type": "object", "properties": {
        "firstName": { "type": "string", "default": "Ann" },
        "where": { "type": "object", "default": {}, "properties": { "zip": { "default": "010" } } },
        "list": { "type": "array", "items": { "properties": { "n": { "default": 1 } } } },
        "other": { "$ref": "#/$defs/other" } },
        "$defs": { "other": { "properties": { "x": { "default": null } } } } });
    for (value, expected, changed) in [
        (json!({}), json!({ "firstName": "Ann", "where": { "zip": "010" } }), true),
        (
            json!({ "firstName": "Bo", "where": { "zip": "1" }, "list": [{}, { "n": 2 }] }),
            json!({ "firstName": "Bo", "where": { "zip": "1" }, "list": [{ "n": 1 }, { "n": 2 }] }),
            true,
        ),
        (
            json!({ "firstName": null, "where": { "zip": 1 }, "other": {} }),
            json!({ "firstName": null, "where": { "zip": 1 }, "other": { "x": null } }),
            true,
        ),
        (json!("no object"), json!("no object"), false),
    ] {
        assert_eq!(fill(nested.clone(), value), (expected, changed));
    }
    let endless = json!({ "properties": { "a": { "$ref": "#", "default": {} } } });
    assert!(fill(endless, json!({})).1, "it ends");
}

#[test]
fn what_does_not_fit_is_named_with_its_place() {
    let schema = Schema::new(json!({ "type": "object", "required": ["city"], "properties": {
        "city": { "type": "string", "minLength": 2 },
        "days": { "type": "integer", "minimum": 1, "maximum": 9 },
        "unit": { "enum": ["C", "F"] } }, "additionalProperties": false }));
    let said = |value: Value| schema.validate(&value).err().unwrap_or_default();
    assert_eq!(said(json!({ "city": "Bern", "days": 3, "unit": "C" })), "");
    for (value, part) in [
        (json!({}), "\"city\" is a required property"),
        (json!({ "city": 7 }), "/city: 7 is not of type \"string\""),
        (json!({ "city": "B" }), "/city: \"B\" is shorter than 2 characters"),
        (json!({ "city": "Bern", "days": 12 }), "/days: 12 is greater than the maximum of 9"),
        (json!({ "city": "Bern", "days": 1.5 }), "/days: 1.5 is not of type \"integer\""),
        (json!({ "city": "Bern", "unit": "K" }), "/unit: \"K\" is not one of"),
        (json!({ "city": "Bern", "town": 1 }), "'town' was unexpected"),
    ] {
        assert!(said(value).contains(part), "{part}");
    }
}

#[test]
fn what_is_no_schema_is_refused() {
    for (schema, part) in [
        (json!([]), "it is no object"),
        (json!({}), "is not of `type` `object`"),
        (json!({ "type": "string" }), "is not of `type` `object`"),
        (json!({ "type": "object", "properties": 7 }), "is no JSON Schema"),
        (
            json!({ "type": "object", "properties": { "a": { "type": "text" } } }),
            "is no JSON Schema",
        ),
        (
            json!({ "type": "object", "properties": { "a": { "pattern": "(" } } }),
            "is no JSON Schema",
        ),
        (json!({ "type": "object", "$ref": "https://x.example/s" }), "is no JSON Schema"),
    ] {
        let refused = check(&schema).unwrap_err();
        assert!(refused.contains(part), "{schema}: {refused}");
    }
    assert!(check(&json!({ "type": "object" })).is_ok());
}
