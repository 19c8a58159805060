//! Calls of 2026-07-28 clients whose servers ask back: parked, resumed, and attacked.

use futures_util::future::join_all;
use serde_json::Value;
use switchboard_testkit::raw::Head;

use crate::curious::{Curious, FORM, ROOTS};
use crate::house::{House, has, new, status, still};

const CALL: &str = "POST v=2026-07-28 m=tools/call n=quiz";

const DECLARED: &str = "\"elicitation\":{},\"roots\":{}";

/// A call that plays `steps`, for a client that declares `capabilities`; `more` are members of
/// `params`.
fn quiz(capabilities: &str, steps: &str, more: &str) -> String {
    let params = format!("\"name\":\"quiz\",\"arguments\":{{\"steps\":{steps}}}{more}");
    declaring(&new("1", "tools/call", &params, ""), capabilities)
}

fn declaring(request: &str, capabilities: &str) -> String {
    let key = "\"io.modelcontextprotocol/clientCapabilities\":";
    request.replace(&format!("{key}{{}}"), &format!("{key}{{{capabilities}}}"))
}

/// The members that make a request the retry of one that got `state`.
fn retry(state: &str, responses: &str) -> String {
    format!(",\"requestState\":\"{state}\",\"inputResponses\":{responses}")
}

fn result(body: &str) -> Value {
    let message: Value = serde_json::from_str(body).unwrap();
    assert_eq!(message["id"], 1, "{body}");
    message["result"].clone()
}

/// The state and the keys of an `input_required`.
fn wanted(body: &str) -> (String, Vec<String>) {
    let result = result(body);
    assert_eq!(result["resultType"], "input_required", "{body}");
    has(body, "\"_meta\":{\"io.modelcontextprotocol/serverInfo\"");
    let state = result["requestState"].as_str().unwrap().to_owned();
    (state, result["inputRequests"].as_object().unwrap().keys().cloned().collect())
}

/// Parks a call that asks for a form, and gives its state.
async fn park(house: &House, steps: &str) -> String {
    let (head, body) = house.ask(CALL, quiz(DECLARED, steps, "")).await;
    status(&head, 200);
    wanted(&body).0
}

pub(crate) async fn a_call_is_parked_for_each_round_of_questions() {
    let (house, curious) = Curious::house(|_| {}).await;
    let steps = format!("[[{FORM},{ROOTS}],[{ROOTS}]]");
    let (head, body) = house.ask(CALL, quiz(DECLARED, &steps, "")).await;
    assert_eq!(head.header("content-type"), Some("application/json"));
    let (first, keys) = wanted(&body);
    assert_eq!(keys, ["r1", "r2"]);
    has(&body, "{\"method\":\"elicitation/create\",\"params\":{\"message\":\"name?\"");
    let answers = "{\"r2\":{\"roots\":[]},\"r1\":{\"action\":\"decline\"}}";
    let (_, body) = house.ask(CALL, quiz(DECLARED, &steps, &retry(&first, answers))).await;
    let (second, keys) = wanted(&body);
    assert_eq!(keys, ["r3"]);
    assert_ne!(first, second);
    let answers = "{\"r3\":{\"roots\":[1]}}";
    let (_, body) = house.ask(CALL, quiz(DECLARED, &steps, &retry(&second, answers))).await;
    let expected = serde_json::json!([{ "action": "decline" }, { "roots": [] }, { "roots": [1] }]);
    assert_eq!(result(&body)["answers"], expected, "{body}");
    assert_eq!(result(&body)["resultType"], "complete");
    curious.begun(1).await;
    house.end().await;
}

pub(crate) async fn answers_are_taken_whole_or_asked_for_again() {
    let (house, _) = Curious::house(|_| {}).await;
    let steps = format!("[[{FORM},{ROOTS}]]");
    let state = park(&house, &steps).await;
    let ask = |responses: &str| house.ask(CALL, quiz(DECLARED, &steps, &retry(&state, responses)));
    for incomplete in ["{}", "{\"r1\":{}}", "{\"other\":{},\"r2\":{}}"] {
        let (_, body) = ask(incomplete).await;
        assert_eq!(wanted(&body), (state.clone(), vec!["r1".to_owned(), "r2".to_owned()]));
    }
    for malformed in ["7", "[]", "null", "{\"r1\":7,\"r2\":{}}", "{\"r1\":{},\"r2\":[]}"] {
        has(&ask(malformed).await.1, "-32602");
    }
    let (_, body) = ask("{\"r1\":{\"n\":1.10},\"r2\":{},\"extra\":{}}").await;
    has(&body, "\"answers\":[{\"n\":1.1},{}]");
    house.end().await;
}

pub(crate) async fn reports_go_to_the_request_that_is_open() {
    let (house, _) = Curious::house(|_| {}).await;
    let steps = format!("[1,\"error\",[{ROOTS}],2,\"debug\",\"error\",3]");
    let level = "\"io.modelcontextprotocol/logLevel\":\"warning\"";
    let call = |more: &str, meta: &str| {
        quiz(DECLARED, &steps, more).replace("\"_meta\":{", &format!("\"_meta\":{{{meta},"))
    };
    let first = "\"progressToken\":\"one\"";
    let (_, body) = house.ask(CALL, call("", first)).await;
    let events: Vec<_> = body.lines().filter_map(|line| line.strip_prefix("data: ")).collect();
    assert_eq!(events.len(), 2, "{body}");
    has(events[0], "{\"progressToken\":\"one\",\"progress\":1}");
    let (state, _) = wanted(events[1]);
    let second = format!("\"progressToken\":2,{level}");
    let (_, body) = house.ask(CALL, call(&retry(&state, "{\"r1\":{}}"), &second)).await;
    let events: Vec<_> = body.lines().filter_map(|line| line.strip_prefix("data: ")).collect();
    assert_eq!(events.len(), 4, "{body}");
    has(events[0], "{\"progressToken\":2,\"progress\":2}");
    has(events[1], "\"level\":\"error\"");
    has(events[2], "{\"progressToken\":2,\"progress\":3}");
    has(events[3], "\"answers\":[{}]");
    house.end().await;
}

/// Attack table, row 18: `requestState` stolen, replayed, changed, used by another user.
pub(crate) async fn a_request_state_is_good_for_one_retry_of_one_request() {
    let (house, curious) = Curious::house(|_| {}).await;
    let steps = format!("[[{ROOTS}],[{ROOTS}]]");
    let state = park(&house, &steps).await;
    let answers = "{\"r1\":{},\"r2\":{}}";
    let good = retry(&state, answers);
    let middle = state.len() / 2;
    let changed = if state.as_bytes()[middle] == b'A' { 'B' } else { 'A' };
    let changed = format!("{}{changed}{}", &state[..middle], &state[middle + 1..]);
    let other = format!("{CALL}x").replace("quizx", "other");
    let bob = format!("{CALL} key=k2");
    let elsewhere = quiz(DECLARED, &steps, &good).replace("\"quiz\"", "\"other\"");
    for (what, request, body) in [
        ("of another user", &*bob, quiz(DECLARED, &steps, &good)),
        ("with other arguments", CALL, quiz(DECLARED, "[1]", &good)),
        ("with a further argument", CALL, quiz(DECLARED, &steps, &format!(",\"task\":{{}}{good}"))),
        ("for another tool", &*other, elsewhere),
        ("changed", CALL, quiz(DECLARED, &steps, &retry(&changed, answers))),
        ("cut", CALL, quiz(DECLARED, &steps, &retry(&state[..middle], answers))),
        ("made up", CALL, quiz(DECLARED, &steps, &retry("c3RhdGU", answers))),
        ("empty", CALL, quiz(DECLARED, &steps, &retry("", answers))),
        ("no text", CALL, quiz(DECLARED, &steps, ",\"requestState\":7")),
    ] {
        let (head, body) = house.ask(request, body).await;
        assert!(head.status == 200 && body.contains("-32602"), "{what}: {body}");
    }
    curious.begun(1).await;
    // After all that it is still good, once.
    let (_, body) = house.ask(CALL, quiz(DECLARED, &steps, &good)).await;
    let (next, _) = wanted(&body);
    let (_, body) = house.ask(CALL, quiz(DECLARED, &steps, &good)).await;
    has(&body, "-32602");
    let (_, body) = house.ask(CALL, quiz(DECLARED, &steps, &retry(&next, answers))).await;
    has(&body, "\"answers\":[{},{}]");
    for used in [&state, &next] {
        let (_, body) = house.ask(CALL, quiz(DECLARED, &steps, &retry(used, answers))).await;
        has(&body, "-32602");
    }
    house.end().await;
}

pub(crate) async fn two_retries_at_once_are_one() {
    let (house, _) = Curious::house(|_| {}).await;
    let steps = format!("[[{ROOTS}]]");
    let state = park(&house, &steps).await;
    let retries = (0..16).map(|_| {
        let body = quiz(DECLARED, &steps, &retry(&state, "{\"r1\":{}}"));
        async { house.ask(CALL, body).await.1 }
    });
    let answers = join_all(retries).await;
    assert_eq!(answers.iter().filter(|body| body.contains("\"answers\":[{}]")).count(), 1);
    assert_eq!(answers.iter().filter(|body| body.contains("-32602")).count(), 15);
    house.end().await;
}

pub(crate) async fn leaving_cancels_what_is_open_and_not_what_is_parked() {
    let (house, curious) = Curious::house(|_| {}).await;
    let steps = format!("[[{ROOTS}],\"wait\"]");
    let mut client = house.connect().await;
    let (_, body) = client.ask(CALL, quiz(DECLARED, &steps, "")).await;
    let (state, _) = wanted(&body);
    drop(client);
    let mut client = house.connect().await;
    client.send(CALL, quiz(DECLARED, &steps, &retry(&state, "{\"r1\":{}}"))).await;
    curious.waiting(1).await;
    assert_eq!(curious.count_given_up(), 0);
    drop(client);
    curious.given_up(1).await;
    house.end().await;
}

pub(crate) async fn a_client_that_does_not_come_back_is_given_up() {
    still(async {
        let (house, curious) = Curious::house(|_| {}).await;
        let steps = format!("[[{ROOTS}]]");
        let state = park(&house, &steps).await;
        tokio::time::sleep(std::time::Duration::from_secs(9 * 60)).await;
        assert_eq!(curious.count_given_up(), 0);
        tokio::time::sleep(std::time::Duration::from_secs(2 * 60)).await;
        assert_eq!(curious.count_given_up(), 1);
        let late = quiz(DECLARED, &steps, &retry(&state, "{\"r1\":{}}"));
        has(&house.ask(CALL, late).await.1, "-32602");
        house.end().await;
    })
    .await;
}

pub(crate) async fn a_client_is_told_what_it_would_have_to_declare() {
    let (house, curious) = Curious::house(|_| {}).await;
    let check = |head: &Head, body: &str, required: &str| {
        status(head, 400);
        has(body, "\"id\":1,\"error\":{\"code\":-32021");
        has(body, &format!("\"data\":{{\"requiredCapabilities\":{required}}}"));
    };
    // Whatever the server makes of it: it ends, or it goes on with something else.
    for (steps, given_up) in [("", 0), (",\"wait\"", 2)] {
        let steps = format!("[[{FORM}]{steps}]");
        for declared in ["", "\"roots\":{}"] {
            let (head, body) = house.ask(CALL, quiz(declared, &steps, "")).await;
            check(&head, &body, "{\"elicitation\":{\"form\":{}}}");
        }
        curious.given_up(given_up).await;
    }
    // Also in a later round.
    let steps = format!("[[{ROOTS}],[{FORM}],\"wait\"]");
    let (_, body) = house.ask(CALL, quiz("\"roots\":{}", &steps, "")).await;
    let (state, _) = wanted(&body);
    let answers = retry(&state, "{\"r1\":{}}");
    let (head, body) = house.ask(CALL, quiz("\"roots\":{}", &steps, &answers)).await;
    check(&head, &body, "{\"elicitation\":{\"form\":{}}}");
    curious.given_up(3).await;
    house.end().await;
}

pub(crate) async fn ten_thousand_calls_are_not_all_parked() {
    let (house, curious) = Curious::house(|_| {}).await;
    let steps = format!("[[{ROOTS}]]");
    let bob = format!("{CALL} key=k2");
    let (_, body) = house.ask(&bob, quiz(DECLARED, &steps, "")).await;
    let (of_bob, _) = wanted(&body);
    let clients = (0..200).map(|_| async {
        let mut client = house.connect().await;
        let mut last = String::new();
        for _ in 0..50 {
            let (_, body) = client.ask(CALL, quiz(DECLARED, &steps, "")).await;
            last = wanted(&body).0;
        }
        last
    });
    join_all(clients).await;
    // The oldest made room; those of others stay.
    curious.given_up(10_000 - 256).await;
    assert_eq!(curious.count_given_up(), 10_000 - 256);
    let newest = park(&house, &steps).await;
    for (request, state) in [(CALL, newest), (&*bob, of_bob)] {
        let body = quiz(DECLARED, &steps, &retry(&state, "{\"r1\":{}}"));
        has(&house.ask(request, body).await.1, "\"answers\":[{}]");
    }
    house.end().await;
}

pub(crate) async fn a_drain_gives_up_what_is_parked() {
    let (house, curious) = Curious::house(|_| {}).await;
    park(&house, &format!("[[{ROOTS}]]")).await;
    house.end().await;
    curious.given_up(1).await;
}

/// Attack table, row 11: headers that do not say what the body says.
pub(crate) async fn arguments_are_repeated_in_their_headers() {
    let (house, _) = Curious::house(|_| {}).await;
    let call = |arguments: &str| {
        new("1", "tools/call", &format!("\"name\":\"marked\",\"arguments\":{{{arguments}}}"), "")
    };
    let region = "\"region\":\"eu west\"";
    for (headers, arguments, expected) in [
        ("region=eu-west", "\"region\":\"eu-west\"", 200),
        ("region==?base64?ZXUgd2VzdA==?=", region, 200),
        ("", "", 200),
        ("", "\"region\":null", 200),
        ("", region, 400),
        ("region=eu", region, 400),
        ("region=eu", "", 400),
        ("region=eu-west region=eu-west", "\"region\":\"eu-west\"", 400),
        ("region==?base64?ZXUgd2VzdA?=", region, 400),
    ] {
        let request = format!("POST v=2026-07-28 m=tools/call n=marked {headers}");
        let (head, body) = house.ask(&request, call(arguments)).await;
        assert_eq!(head.status, expected, "{headers} {arguments}: {body}");
        assert_eq!(body.contains("-32020"), expected == 400, "{body}");
    }
    house.end().await;
}
