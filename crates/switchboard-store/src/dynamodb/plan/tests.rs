use serde_json::{Value, json};
use switchboard_core::store::tables::CALLS;
use switchboard_core::store::{Condition, Test};

use super::Plan;
use crate::dynamodb::tables::Place;

const KEY: &str = "mcp_function_call_uuid";

fn place() -> Place {
    Place { name: "calls".to_owned(), indexes: vec!["mcp_type", "name", "updated_at"] }
}

fn condition(column: &'static str, test: Test) -> Condition {
    Condition { column, test }
}

/// `index span | filter | rest`.
fn told(plan: &Plan<'_>) -> String {
    let columns = |conditions: &[&Condition]| {
        conditions.iter().map(|condition| condition.column).collect::<Vec<_>>().join(" ")
    };
    let bound = |bound: &Option<String>| bound.clone().unwrap_or_default();
    let span = match &plan.span.is {
        Some(is) => format!("={is}"),
        None => format!("{}..{}", bound(&plan.span.from), bound(&plan.span.below)),
    };
    let index = plan.index.unwrap_or("table");
    format!("{index} {span} | {} | {}", columns(&plan.filter), columns(&plan.rest))
}

#[track_caller]
fn by_key(conditions: &[Condition], expected: &str) {
    assert_eq!(told(&Plan::by_key(&CALLS, &place(), conditions)), expected);
}

#[track_caller]
fn by_time(conditions: &[Condition], expected: &str) {
    assert_eq!(told(&Plan::by_index(&CALLS, "updated_at", conditions)), expected);
}

fn text(text: &str) -> Value {
    Value::from(text)
}

#[test]
fn an_equal_value_is_asked_of_its_index() {
    by_key(&[], "table .. |  | ");
    by_key(&[condition("name", Test::Is(text("a")))], "name =a |  | ");
    by_key(&[condition("name", Test::Is(text("")))], "table .. | name | ");
    by_key(&[condition("name", Test::Is(Value::Null))], "table .. | name | ");
    // This table has no index for it.
    by_key(&[condition("status", Test::Is(text("failed")))], "table .. | status | ");
    by_key(
        &[condition("status", Test::Is(text("failed"))), condition("name", Test::Is(text("a")))],
        "name =a | status | ",
    );
}

#[test]
fn a_filter_names_no_key() {
    by_key(&[condition(KEY, Test::From(text("5")))], "table 5.. |  | ");
    by_key(&[condition(KEY, Test::Contains("5".into()))], "table .. |  | mcp_function_call_uuid");
    by_key(
        &[condition(KEY, Test::From(text("5"))), condition("name", Test::Is(text("a")))],
        "name =a |  | mcp_function_call_uuid",
    );
    by_time(
        &[
            condition("updated_at", Test::In(vec![Value::Null])),
            condition("time_spent", Test::From(json!(1))),
        ],
        "updated_at .. | time_spent | updated_at",
    );
}

#[test]
fn bounds_are_those_of_all_ways_to_write_a_time() {
    let from = condition("updated_at", Test::From(text("2026-01-01T00:00:00.000000Z")));
    let below = condition("updated_at", Test::Below(text("2026-02")));
    by_time(std::slice::from_ref(&from), "updated_at 2026-01-01T00:00:00.000000.. |  | ");
    by_time(
        &[from.clone(), below.clone()],
        "updated_at 2026-01-01T00:00:00.000000..2026-02 |  | updated_at",
    );
    let conditions = [from, below];
    let counted = Plan::unordered(&CALLS, &CALLS_PLACE, &conditions);
    assert_eq!(counted.index, Some("updated_at"));
    let contains = condition("created_at", Test::Contains("05Z".into()));
    by_key(&[contains], "table .. |  | created_at");
}

static CALLS_PLACE: std::sync::LazyLock<Place> = std::sync::LazyLock::new(place);

#[test]
fn nothing_is_asked_where_nothing_can_be() {
    for (conditions, expected) in [
        (vec![condition(KEY, Test::From(text("b"))), condition(KEY, Test::Below(text("b")))], true),
        (vec![condition(KEY, Test::Below(text("")))], true),
        (vec![condition(KEY, Test::From(text("")))], false),
        (
            vec![condition(KEY, Test::From(text("a"))), condition(KEY, Test::Below(text("b")))],
            false,
        ),
    ] {
        let plan = Plan::by_key(&CALLS, &CALLS_PLACE, &conditions);
        assert_eq!(plan.span.is_empty(), expected, "{conditions:?}");
    }
}
