//! Requests that cost more than they are worth, or come from where they should not.

use bytes::Bytes;
use http::{Request, StatusCode};
use serde_json::json;

use crate::house::{Answered, House, admin, caller};

async fn post(content: &str, body: String) -> Answered {
    let request = Request::post("/acme/mcp_core_graphql").header("content-type", content);
    House::new().send(&admin("acme"), request.body(Bytes::from(body)).unwrap()).await
}

#[tokio::test]
async fn bombs_are_refused() {
    let house = House::new();
    let acme = admin("acme");
    let repeated = |number: usize, text: &str| text.repeat(number);
    let aliases: String = (0..100).map(|n| format!("a{n}: name ")).collect();
    let fragments: String = (0..30)
        .map(|n| format!("fragment f{n} on Query {{ ...f{} ...f{} }} ", n + 1, n + 1))
        .collect();
    for query in [
        format!("{{{}ping{}", repeated(40, "functions{"), repeated(41, "}")),
        format!("{}{}", repeated(60_000, "{"), repeated(10, "}")),
        format!("{{ mcpFunction(name: \"f\") {{ {aliases} }} }}"),
        format!("{{ {} }}", repeated(40, "ping ")),
        format!("{{ ...f0 }} {fragments} fragment f30 on Query {{ ping }}"),
        "{ functions(first: 1000) { edges { node { module { settings { settingId setting updatedBy
            createdAt updatedAt partitionKey } } settings { settingId setting updatedBy createdAt
            updatedAt partitionKey } lastCall { name status content notes arguments error subject
            upstream method duration tokensIn tokensOut attempt cache traceId } name data } } }
          calls(first: 1000) { edges { node { name status content notes arguments error subject
            upstream method duration tokensIn tokensOut attempt cache traceId } } } }"
            .to_owned(),
        format!("{{ ping }} #{}", repeated(70_000, "x")),
    ] {
        let (code, message) = house.error(&acme, &query, json!({})).await;
        assert_eq!(code, "LIMIT_EXCEEDED", "{message}: {}", &query[..query.len().min(80)]);
    }
    assert!(house.store.asked().is_empty(), "nothing was read for any of them");
}

#[tokio::test]
async fn documents_that_are_wrong_have_a_code() {
    let house = House::new();
    let acme = admin("acme");
    for (query, code) in [
        ("{", "INVALID"),
        ("{ nothing }", "GRAPHQL_VALIDATION_FAILED"),
        ("{ mcpFunction { name } }", "GRAPHQL_VALIDATION_FAILED"),
        ("query a { ping } query b { ping }", "INVALID"),
        ("{ ...f } fragment f on Query { ...f }", "INVALID"),
    ] {
        let (actual, message) = house.error(&acme, query, json!({})).await;
        assert_eq!(actual, code, "{query}");
        assert!(!message.contains("Did you mean"), "{message}");
    }
}

#[tokio::test]
async fn only_json_is_taken_and_not_too_much_of_it() {
    let query = json!({"query": "{ ping }"}).to_string();
    for (content, body, status) in [
        ("application/json", query.clone(), 200),
        ("application/json; charset=utf-8", query.clone(), 200),
        // What forms of strangers can send without asking first.
        ("text/plain", query.clone(), 415),
        ("application/x-www-form-urlencoded", query.clone(), 415),
        ("multipart/form-data", query.clone(), 415),
        ("application/json", format!("[{query}]"), 400),
        ("application/json", "{".to_owned(), 400),
        ("application/json", format!("\"{}\"", "x".repeat(5 * 1024 * 1024)), 413),
    ] {
        let answered = post(content, body).await;
        assert_eq!(answered.status.as_u16(), status, "{content}");
    }
    let named =
        json!({"query": "query a { ping } query b { me { subject } }", "operation_name": "b"});
    let answered = post("application/json", named.to_string()).await;
    assert!(answered.body.contains("user:ann"), "{}", answered.body);
}

#[tokio::test]
async fn get_is_for_queries() {
    let house = House::new();
    let acme = admin("acme");
    for (query, status) in [
        ("query=%7B%20ping%20%7D", 200),
        (
            "query=query($n:String!)%7BmcpFunction(name:$n)%7Bname%7D%7D&variables=%7B%22n%22:%22x%22%7D",
            200,
        ),
        ("query=mutation%20%7B%20purgeCache%20%7D", 405),
        ("query=subscription%20%7B%20events%20%7B%20area%20%7D%20%7D", 405),
        ("", 400),
        ("query=%7Bping%7D&variables=1", 400),
    ] {
        let line = format!("GET /acme/mcp_core_graphql?{query}");
        let answered = house.ask(&acme, &line, None).await;
        assert_eq!(answered.status.as_u16(), status, "{query}: {}", answered.body);
    }
    let answered = house.ask(&acme, "PUT /acme/mcp_core_graphql", None).await;
    assert_eq!(answered.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn the_explorer_is_for_administrators_and_fetches_nothing() {
    let house = House::new();
    let get = || {
        let request = Request::get("/acme/graphql").header("accept", "text/html,*/*;q=0.8");
        request.body(Bytes::new()).unwrap()
    };
    let answered = house.send(&admin("acme"), get()).await;
    assert_eq!(answered.status, StatusCode::OK);
    assert!(!answered.body.contains("http://") && !answered.body.contains("https://"));
    assert!(!answered.body.contains("{nonce}"));
    let policy = answered.headers["content-security-policy"].to_str().unwrap();
    assert!(policy.starts_with("default-src 'none'"), "{policy}");
    let answered = house.send(&caller("acme", "user:bob", &[]), get()).await;
    assert_eq!(answered.status, StatusCode::FORBIDDEN);
}
