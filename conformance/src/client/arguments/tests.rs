use super::*;

#[test]
fn a_tool_gets_what_it_insists_on_and_no_more() {
    let check = |properties: Value, required: Value, wanted: Value| {
        let schema = json!({ "type": "object", "properties": properties, "required": required });
        let arguments = fitting(&json!({ "name": "tool", "inputSchema": schema }));
        assert_eq!(Value::Object(arguments), wanted);
    };
    check(json!({}), json!([]), json!({}));
    check(json!({ "a": { "type": "number" }, "b": {} }), json!(["a"]), json!({ "a": 5 }));
    check(json!({ "a": { "type": "string" } }), json!(["a"]), json!({ "a": "something" }));
    assert!(fitting(&json!({ "name": "tool", "inputSchema": { "type": "object" } })).is_empty());
}
