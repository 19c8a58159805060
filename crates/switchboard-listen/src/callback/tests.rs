use bytes::Bytes;
use switchboard_mcp::{Json, Method, RequestId};
use tokio::sync::mpsc;

use super::{Callbacks, LIMIT};

fn json(text: &'static str) -> Json {
    Json::parse(Bytes::from_static(text.as_bytes())).unwrap()
}

fn id(text: &'static str) -> RequestId {
    let json = json(text);
    RequestId::from_raw(json.raw()).unwrap()
}

async fn next(out: &mut mpsc::Receiver<Vec<u8>>) -> String {
    String::from_utf8(out.recv().await.unwrap()).unwrap()
}

#[tokio::test]
async fn an_answer_reaches_the_question_it_names() {
    let callbacks = Callbacks::default();
    let (queue, mut out) = mpsc::channel(8);
    let asking = callbacks.ask(&queue, &Method::RootsList, None);
    let answering = async {
        assert_eq!(next(&mut out).await, r#"{"jsonrpc":"2.0","id":1,"method":"roots/list"}"#);
        for other in ["2", "\"1\"", "-1"] {
            assert!(!callbacks.answer(&id(other), Ok(json("{}"))), "{other}");
        }
        assert!(callbacks.answer(&id("1.0"), Ok(json(r#"{"roots":[]}"#))));
        assert!(!callbacks.answer(&id("1"), Ok(json("{}"))), "answered twice");
    };
    let (answer, ()) = tokio::join!(asking, answering);
    assert_eq!(answer.unwrap().as_str(), r#"{"roots":[]}"#);
    assert!(out.try_recv().is_err());
}

#[tokio::test]
async fn a_question_that_is_given_up_is_taken_back() {
    let callbacks = Callbacks::default();
    let (queue, mut out) = mpsc::channel(8);
    {
        let asking = callbacks.ask(&queue, &Method::RootsList, None);
        tokio::pin!(asking);
        tokio::select! {
            biased;
            _ = &mut asking => panic!("nobody answered"),
            text = next(&mut out) => assert!(text.contains("\"id\":1,"), "{text}"),
        }
    }
    let expected =
        r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1}}"#;
    assert_eq!(next(&mut out).await, expected);
    assert!(!callbacks.answer(&id("1"), Ok(json("{}"))));
}

#[tokio::test(start_paused = true)]
async fn nobody_waits_for_ever_and_not_too_many_at_once() {
    let callbacks = Callbacks::default();
    let (queue, _out) = mpsc::channel(4 * LIMIT);
    let ask = || callbacks.ask(&queue, &Method::RootsList, None);
    let asking = (0..=LIMIT).map(|_| ask());
    let outcomes = futures_util::future::join_all(asking).await;
    let refused = outcomes
        .iter()
        .filter(|it| it.as_ref().unwrap_err().message.contains("has not answered 64 questions"));
    assert_eq!(refused.count(), 1);
    let late = outcomes.iter().filter(|it| it.as_ref().unwrap_err().message.contains("600 s"));
    assert_eq!(late.count(), LIMIT);
    drop(queue);
}
