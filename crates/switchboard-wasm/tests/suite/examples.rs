//! The examples of bundles, built by the tools that authors use.

use serde_json::{Value, json};
use switchboard_wasm::{Ask, Denied, Grants, Program, Report, Source, Terms, WasmError};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::time::Instant;

use crate::built::{Example, JAVASCRIPT, PYTHON, RUST};
use crate::surroundings::{Asked, engine};

async fn tool(
    asked: &Asked,
    program: &Program,
    name: &str,
    arguments: Value,
) -> Result<Value, WasmError> {
    let ask = Ask::Tool { name: name.to_owned(), arguments: arguments.to_string() };
    let text = asked.ask(program, ask).await?;
    Ok(serde_json::from_str(&text).unwrap())
}

/// What all examples do alike. `needs` is what the language wants whatever the bundle does.
async fn check(example: &Example, needs: Grants) {
    let engine = engine();
    let began = Instant::now();
    let program = example.load(&engine).await;
    println!("{}: built and loaded in {:?}", example.name, began.elapsed());
    let settings = r#"{"unit":"km"}"#.to_owned();
    let nothing = Asked::on(Terms { grants: needs.clone(), settings, ..Terms::default() });
    let began = Instant::now();
    let sum = tool(&nothing, &program, "add", json!({"a": 1, "b": 2})).await.unwrap();
    println!(
        "{}: first call {:?}, denied {:?}",
        example.name,
        began.elapsed(),
        nothing.ear.denied()
    );
    assert_eq!(sum["structuredContent"], json!({"sum": 3}));
    assert_eq!(nothing.ear.lines(Source::Stdout), ["added 1 and 2"]);
    let error = tool(&nothing, &program, "add", json!({"a": 1})).await.unwrap_err();
    assert_eq!(error.code(), "wasm-arguments", "{error}");
    assert_eq!(
        tool(&nothing, &program, "gone", json!({})).await.unwrap_err().code(),
        "wasm-not-found"
    );
    resource_and_prompt(&nothing, &program).await;

    let refused = tool(&nothing, &program, "count", json!({})).await.unwrap();
    assert_eq!(refused["isError"], true, "{refused}");
    assert!(nothing.ear.denied().contains(&Denied::KeyValue));
    let granted = Asked::granted(Grants { key_value: true, ..needs });
    for count in 1..=3 {
        let counted = tool(&granted, &program, "count", json!({})).await.unwrap();
        assert_eq!(counted["structuredContent"], json!({"count": count}));
    }
    let progress =
        Report::Progress { done: 1.0, total: Some(2.0), message: Some("read".to_owned()) };
    assert!(granted.ear.reports().contains(&progress));
}

async fn resource_and_prompt(asked: &Asked, program: &Program) {
    let ask = Ask::Resource { uri: "settings://all".to_owned() };
    let settings: Value = serde_json::from_str(&asked.ask(program, ask).await.unwrap()).unwrap();
    assert_eq!(settings["contents"][0]["text"], r#"{"unit":"km"}"#);
    let ask = Ask::Prompt { name: "greet".to_owned(), arguments: r#"{"who":"Ada"}"#.to_owned() };
    let prompt: Value = serde_json::from_str(&asked.ask(program, ask).await.unwrap()).unwrap();
    assert_eq!(prompt["messages"][0]["content"]["text"], "Greet Ada.");
}

#[tokio::test]
async fn a_bundle_in_rust() {
    check(&RUST, Grants::default()).await;
}

#[tokio::test]
async fn a_bundle_in_python() {
    // Its interpreter seeds `random` anew in each instance.
    let random = Grants { random: true, ..Grants::default() };
    check(&PYTHON, random).await;
    let program = PYTHON.load(&engine()).await;
    let nothing = Asked::on(Terms::default());
    let error = tool(&nothing, &program, "add", json!({"a": 1, "b": 2})).await.unwrap_err();
    assert!(matches!(error, WasmError::NotGranted { what: Denied::Random, .. }), "{error}");
}

#[tokio::test]
async fn a_bundle_in_javascript() {
    check(&JAVASCRIPT, Grants::default()).await;
}

/// Answers every request with what it was asked for.
async fn server() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    tokio::task::spawn_local(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut head = vec![0; 4096];
            let length = stream.read(&mut head).await.unwrap();
            let head = String::from_utf8_lossy(&head[..length]);
            let path = head.split(' ').nth(1).unwrap_or_default();
            let text = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{path}", path.len());
            stream.write_all(text.as_bytes()).await.unwrap();
        }
    });
    address
}

#[tokio::test]
async fn a_bundle_sends_requests_where_it_may() {
    let local = tokio::task::LocalSet::new();
    local
        .run_until(async {
            let (address, other) = (server().await, server().await);
            let program = JAVASCRIPT.load(&engine()).await;
            let hosts = vec![address.parse().unwrap()];
            let asked = Asked::granted(Grants { hosts, ..Grants::default() });
            let url = json!({"url": format!("{address}/a/page?x=1")});
            let read = tool(&asked, &program, "fetch", url).await.unwrap();
            assert_eq!(read["structuredContent"], json!({"status": 200}), "{read}");
            assert_eq!(read["content"][0]["text"], "/a/page?x=1");
            let url = json!({"url": format!("{other}/")});
            let read = tool(&asked, &program, "fetch", url).await.unwrap();
            assert_eq!(read["isError"], true, "{read}");
            assert!(asked.ear.denied().contains(&Denied::Host(other)), "{:?}", asked.ear.denied());
        })
        .await;
}
