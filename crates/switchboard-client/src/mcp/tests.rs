use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixListener;
use std::thread;

use bytes::Bytes;
use switchboard_mcp::Json;

use super::Client;
use crate::error::ClientError;

/// A daemon that answers each request with the next of `answers`, and a client of it. Returns what
/// the client sent, without the envelope that every request has.
async fn converse<T>(
    answers: &'static [&'static str],
    act: impl AsyncFnOnce(Client) -> T,
) -> (T, Vec<String>) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("mcp.sock");
    let listener = UnixListener::bind(&path).unwrap();
    let daemon = thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        let lines = BufReader::new(stream.try_clone().unwrap()).lines();
        let mut seen = Vec::new();
        for (line, answer) in lines.zip(answers) {
            let line = line.unwrap();
            seen.push(without_envelope(&line));
            writeln!(stream, "{answer}").unwrap();
        }
        seen
    });
    let outcome = act(Client::connect(&path).await.unwrap()).await;
    (outcome, daemon.join().unwrap())
}

fn without_envelope(line: &str) -> String {
    let mut request: serde_json::Value = serde_json::from_str(line).unwrap();
    let meta = request["params"]["_meta"].as_object_mut().unwrap();
    assert_eq!(meta.remove("io.modelcontextprotocol/protocolVersion").unwrap(), "2026-07-28");
    assert!(meta.remove("io.modelcontextprotocol/clientCapabilities").unwrap().is_object());
    assert_eq!(meta.remove("io.modelcontextprotocol/clientInfo").unwrap()["name"], "switchboard");
    format!("{} {}", request["method"].as_str().unwrap(), request["params"])
}

fn arguments(text: &'static str) -> Json {
    Json::parse(Bytes::from_static(text.as_bytes())).unwrap()
}

#[tokio::test]
async fn a_list_is_read_to_its_last_page() {
    let answers = &[
        r#"{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"a","inputSchema":{}}],"nextCursor":"x"}}"#,
        r#"{"jsonrpc":"2.0","id":2,"result":{"tools":[{"name":"b","inputSchema":{},"later":1}]}}"#,
    ];
    let (tools, seen) = converse(answers, async |mut client| client.list_tools().await).await;
    let tools = tools.unwrap();
    let texts: Vec<_> = tools.iter().map(|tool| tool.json.as_str()).collect();
    assert_eq!(
        texts,
        [r#"{"name":"a","inputSchema":{}}"#, r#"{"name":"b","inputSchema":{},"later":1}"#]
    );
    assert_eq!(seen, [r#"tools/list {"_meta":{}}"#, r#"tools/list {"cursor":"x","_meta":{}}"#]);
}

#[tokio::test]
async fn a_call_hears_its_progress_and_gets_its_answer() {
    let answers = &[concat!(
        r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":1,"progress":1,"total":2}}"#,
        "\n",
        r#"{"jsonrpc":"2.0","method":"notifications/progress","params":{"progressToken":9,"progress":5}}"#,
        "\n",
        r#"{"jsonrpc":"2.0","id":7,"result":{}}"#,
        "\n",
        r#"{"jsonrpc":"2.0","id":1,"result":{"content":[],"isError":true}}"#,
    )];
    let (heard, seen) = converse(answers, async |mut client| {
        let mut heard = Vec::new();
        let mut hear = |report: super::Progress| heard.push(report.progress);
        let result = client.call("s__t", &arguments(r#"{"n": 1.0}"#), Some(&mut hear)).await;
        assert!(result.unwrap().is_error);
        heard
    })
    .await;
    assert_eq!(heard, [1.0]);
    let expected =
        r#"tools/call {"name":"s__t","arguments":{"n":1.0},"_meta":{"progressToken":1}}"#;
    assert_eq!(seen, [expected]);
}

#[tokio::test]
async fn what_is_no_answer_is_an_error() {
    for (answer, expected) in [
        (
            r#"{"jsonrpc":"2.0","id":1,"error":{"code":-32602,"message":"no such tool"}}"#,
            "no such tool",
        ),
        (
            r#"{"jsonrpc":"2.0","id":1,"result":{"resultType":"task"}}"#,
            "cannot use the answer of the tool",
        ),
        (r#"{"jsonrpc":"2.0","id":1,"result":[]}"#, "cannot understand the answer of the tool"),
        ("garbage", "cannot understand the daemon's answer"),
    ] {
        let answers: &'static [&'static str] = Box::leak(Box::new([answer]));
        let (result, _) = converse(answers, async |mut client| {
            client.call("s__t", &Json::empty_object(), None).await
        })
        .await;
        assert_eq!(result.unwrap_err().to_string(), expected, "{answer}");
    }
    let (result, _) = converse(&[], async |mut client| client.list_tools().await).await;
    assert!(matches!(result, Err(ClientError::Broken { .. })));
}
