use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::{Value, json};

use super::{integer, json as documents, time};

#[track_caller]
fn check_time(stored: &str, expected: Option<&str>) {
    assert_eq!(time::canonical(stored).as_deref(), expected, "{stored}");
}

#[test]
fn a_time_is_read_however_it_is_written() {
    let moment = Some("2025-03-04T05:06:07.089012Z");
    check_time("2025-03-04T05:06:07.089012+0000", moment);
    check_time("2025-03-04T05:06:07.089012+00:00", moment);
    check_time("2025-03-04T05:06:07.089012Z", moment);
    check_time("2025-03-04T05:06:07.089012", moment);
    check_time("2025-03-04 05:06:07.089012Z", moment);
    check_time("2025-03-04T05:06:07.089012345Z", moment);
    check_time("2025-03-04T07:36:07.089012+02:30", moment);
    check_time("2025-03-04T05:06:07Z", Some("2025-03-04T05:06:07.000000Z"));
    check_time("2025-03-04T05:06:07.5Z", Some("2025-03-04T05:06:07.500000Z"));
    check_time("2024-12-31T22:00:00-0500", Some("2025-01-01T03:00:00.000000Z"));
    check_time("2024-03-01T00:30:00+01:00", Some("2024-02-29T23:30:00.000000Z"));
    check_time("yesterday", None);
    check_time("2025-03-04", None);
    check_time("2025-03-04T05:06:07+1", None);
    check_time("2025-03-04T05:06:07 UTC", None);
    check_time("", None);
}

#[test]
fn a_time_is_written_as_the_older_engine_does() {
    assert_eq!(time::stored("2025-03-04T05:06:07.089012Z"), "2025-03-04T05:06:07.089012+0000");
    assert_eq!(time::stored("2025-03-04T05:06"), "2025-03-04T05:06");
}

#[test]
fn a_number_is_whole_in_any_notation() {
    for (text, expected) in [
        ("12", Some(12)),
        ("-9223372036854775808", Some(i64::MIN)),
        ("12.0", Some(12)),
        ("1.2E+1", Some(12)),
        ("12.5", None),
        ("9223372036854775808", None),
        ("twelve", None),
    ] {
        assert_eq!(integer(text), expected, "{text}");
    }
}

/// Whether it is kept as a document, and that it comes back.
#[track_caller]
fn check_json(value: Value, is_document: bool) {
    let attribute = documents::encode(&value);
    let as_text = matches!(&attribute, AttributeValue::M(members) if members.contains_key("$json"));
    assert_eq!(as_text, !is_document, "{value}");
    assert_eq!(documents::decode(&attribute), Some(value));
}

#[test]
fn json_is_a_document_where_that_can_hold_it() {
    check_json(json!({"type": "object", "required": ["a"], "maximum": 1.5, "n": null}), true);
    check_json(json!([i64::MIN, u64::MAX, 0.1, 1e20, -2.5e-7]), true);
    check_json(json!("text"), true);
    check_json(json!([1e300]), false);
    check_json(json!({"small": 1e-200}), false);
    check_json(json!({"": 1}), false);
    check_json(json!({"$json": "1"}), false);
    let nested = |levels: usize| (0..levels).fold(json!(1), |inner, _| json!([inner]));
    check_json(nested(30), true);
    check_json(nested(31), false);
    check_json(nested(100), false);
}

#[test]
fn what_others_store_is_read() {
    let text = |text: &str| AttributeValue::S(text.to_owned());
    let number = |text: &str| AttributeValue::N(text.to_owned());
    for (attribute, expected) in [
        (AttributeValue::Ss(vec!["a".into(), "b".into()]), Some(json!(["a", "b"]))),
        (AttributeValue::Ns(vec!["1".into(), "2.5".into()]), Some(json!([1, 2.5]))),
        (AttributeValue::M([("$json".into(), number("1"))].into()), Some(json!({"$json": 1}))),
        (AttributeValue::L(vec![text("a"), AttributeValue::Null(true)]), Some(json!(["a", null]))),
        (AttributeValue::B(aws_sdk_dynamodb::primitives::Blob::new("a")), None),
    ] {
        assert_eq!(documents::decode(&attribute), expected, "{attribute:?}");
    }
}
