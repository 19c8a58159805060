use super::*;

#[test]
fn a_retry_repeats_the_call_with_answers_and_the_state_it_was_given() {
    let check = |call: Value, result: Value, wanted: Option<Value>| {
        assert_eq!(retry(&call, &result).unwrap(), wanted);
    };
    let asks = json!({ "root": { "method": "roots/list" } });
    let answers = json!({ "root": answer::to("roots/list", &Value::Null) });
    check(json!({ "name": "a" }), json!({ "content": [] }), None);
    check(
        json!({ "name": "a" }),
        json!({ "resultType": "input_required", "inputRequests": asks, "requestState": "s" }),
        Some(json!({ "name": "a", "inputResponses": answers, "requestState": "s" })),
    );
    // The state of an earlier round is not for a server that has given none in this one.
    check(
        json!({ "name": "a", "requestState": "s" }),
        json!({ "resultType": "input_required", "inputRequests": asks }),
        Some(json!({ "name": "a", "inputResponses": answers })),
    );
}

#[test]
fn the_scenario_may_say_which_calls_it_wants() {
    let tools = [json!({ "name": "a", "inputSchema": {} })];
    let wanted = json!([{ "name": "b", "arguments": { "c": 1 } }]);
    assert_eq!(json!(calls(&tools, &json!({ "toolCalls": wanted }))), wanted);
    assert_eq!(json!(calls(&tools, &Value::Null)), json!([{ "name": "a", "arguments": {} }]));
}
