use super::*;

#[test]
fn a_form_is_filled_with_its_defaults_and_with_what_fits() {
    let check = |schema: Value, wanted: Value| {
        let params = json!({ "requestedSchema": { "properties": { "field": schema } } });
        let answer = to("elicitation/create", &params);
        assert_eq!(answer, json!({ "action": "accept", "content": { "field": wanted } }));
    };
    check(json!({ "type": "string", "default": "John Doe" }), json!("John Doe"));
    check(json!({ "type": "boolean", "default": false }), json!(false));
    check(json!({ "type": "boolean" }), json!(true));
    check(json!({ "type": "integer" }), json!(1));
    check(json!({ "type": "string" }), json!("something"));
}
