use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use switchboard_core::{CallerId, Context, Error, Peer, Principal, Request, Response};
use switchboard_mcp::{ClientCapabilities, Json, Method, ProtocolVersion};
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

use super::{Calls, Whose};
use crate::caller::Caller;

/// A client that never answers.
struct Silent;

#[async_trait]
impl Peer for Silent {
    async fn request(&self, _: &Context, _: Request) -> Result<Response, Error> {
        std::future::pending().await
    }
}

/// Plays, in paused time, calls that begin (`+ID CLIENT`) and end (`-ID`), are given up (`/ID`) and
/// answered all the same (`*ID`), with a server that heard of what was given up (`#`), ask (`?ID`) and are answered (`!ID`), and milliseconds that pass (`NUMBERms`). A client is `principal/session`. What
/// follows `->` is whose a question would be, and after `|` whose a report, where it differs. `@` is
/// when a question came that is looked at after each line from then on.
async fn play(script: &str) {
    let calls = Calls::default();
    let mut clients: HashMap<&str, CallerId> = HashMap::new();
    let tasks = TaskTracker::new();
    let mut open = HashMap::new();
    let mut came: Option<Instant> = None;
    let mut questions: HashMap<u64, JoinHandle<()>> = HashMap::new();
    for line in script.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let (steps, expected) = line.split_once("->").unwrap();
        for step in steps.split(',').map(str::trim) {
            let (first, rest) = step.split_at(1);
            match first {
                "+" => {
                    let (id, client) = rest.split_once(' ').unwrap();
                    let context = context(client, &mut clients);
                    let id: u64 = id.parse().unwrap();
                    let caller = Caller::new(&context);
                    open.insert(id, (calls.enter(id, &caller), caller));
                }
                "-" => drop(open.remove(&rest.parse().unwrap())),
                "/" => {
                    let id = rest.parse().unwrap();
                    calls.give_up(id);
                    drop(open.remove(&id));
                }
                "*" => calls.answered(rest.parse().unwrap()),
                "#" => drop(calls.heard(Instant::now())),
                "@" => came = Some(Instant::now()),
                "?" => {
                    let id: u64 = rest.parse().unwrap();
                    let caller = Arc::clone(&open[&id].1);
                    let asking = async move { drop(caller.ask(Method::RootsList, None).await) };
                    questions.insert(id, tasks.spawn(asking));
                    tokio::task::yield_now().await;
                }
                "!" => {
                    let question = questions.remove(&rest.parse().unwrap()).unwrap();
                    question.abort();
                    question.await.unwrap_err();
                }
                _ => {
                    let ms = step.strip_suffix("ms").unwrap().parse().unwrap();
                    tokio::time::advance(Duration::from_millis(ms)).await;
                }
            }
        }
        let (question, report) = expected.split_once('|').unwrap_or((expected, expected));
        let asker = calls.asker(came.unwrap_or_else(Instant::now));
        assert_eq!(named(&asker, &clients), question.trim(), "question after `{steps}`");
        assert_eq!(named(&calls.whose(), &clients), report.trim(), "report after `{steps}`");
    }
}

fn context<'a>(client: &'a str, clients: &mut HashMap<&'a str, CallerId>) -> Context {
    let principal = Principal::new(client.split('/').next().unwrap());
    let mut context = Context::new(principal, ProtocolVersion::MODERN);
    context.caller = *clients.entry(client).or_insert(context.caller);
    context.client = Some(Arc::new(Silent));
    let declared = Json::encode(&serde_json::json!({ "roots": {} }));
    context.capabilities = ClientCapabilities::read(declared);
    context
}

fn named(whose: &Whose, clients: &HashMap<&str, CallerId>) -> String {
    match whose {
        Whose::Nobody => "nobody".to_owned(),
        Whose::Several => "several".to_owned(),
        Whose::One(caller) => {
            let client = clients.iter().find(|(_, id)| **id == caller.id());
            (*client.unwrap().0).to_owned()
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_message_is_somebodys_only_while_it_can_be_nobody_elses() {
    play(
        "+1 ann           -> ann
         +2 ann           -> ann
         +3 bob           -> several
         -1, -2           -> bob
         -3               -> nobody
         +4 bob, +5 cat   -> several
         -4               -> cat",
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_an_answer_asks_nothing_new() {
    play(
        "+1 ann/1, ?1           -> ann/1
         +2 ann/2               -> several
         100ms                  -> ann/2   | several
         ?2                     -> ann/2   | several
         100ms                  -> several
         !1                     -> ann/1   | several
         !2                     -> several
         -1                     -> ann/2",
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn no_question_passes_from_one_principal_to_another() {
    play(
        "+1 ann/1, ?1, +2 bob/1, 200ms -> several
         +3 bob/2, ?3, 200ms           -> several
         -1                            -> bob/1 | several",
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_call_that_was_given_up_may_still_speak() {
    play(
        "+1 ann, +2 bob, /1      -> several
         *1                      -> bob
         +3 ann, /3, #, 10000ms  -> several
         1ms                     -> bob
         -2                      -> nobody
         +4 ann, /4              -> nobody
         +5 ann                  -> ann
         +6 bob                  -> several
         *4, -5                  -> bob",
    )
    .await;
}

/// It reads the call when it goes on, and the cancellation after it.
#[tokio::test(start_paused = true)]
async fn a_server_that_hangs_speaks_of_what_was_given_up_long_ago() {
    play(
        "+1 ann, /1, 60000ms, +2 bob -> several
         #, 10000ms                  -> several
         1ms                         -> bob
         -2                          -> nobody
         +3 ann, /3, 130000ms        -> nobody
         +4 bob                      -> several
         1ms                         -> bob",
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_server_that_heard_of_it_says_no_more_to_the_same_principal() {
    play(
        "+1 ann/1, +2 ann/2, /1  -> several
         #, 1ms                  -> ann/2
         +3 ann/3, /3            -> several
         10001ms                 -> ann/2",
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn what_came_while_nobody_could_tell_is_not_guessed_later() {
    play(
        "+1 ann/1, +2 ann/2, /1, @ -> several
         #, 1ms                    -> several | ann/2
         10000ms                   -> several | ann/2
         *1                        -> ann/2",
    )
    .await;
}
