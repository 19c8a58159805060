//! Any client with any server: every client revision over every listener, with a server of every
//! revision behind every transport, tries every feature through one daemon.
//!
//! The checks are those that hold with nothing in between (`switchboard-testkit/tests/direct.rs`);
//! what no pair can express is in `matrix/impossible.txt`.

pub(crate) mod relay;
mod selection;
pub(crate) mod stage;

use std::sync::Arc;

use switchboard_mcp::ProtocolVersion;
use switchboard_testkit::client::Carrier;
use switchboard_testkit::matrix::{Impossible, Totals, Visit};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use selection::Selection;
use stage::{Stage, Upstream};

/// Upstreams in view at once. The work is the daemon's and ours, on few processors; each client
/// talks to one server at a time, because a server on a shared connection cannot say whom it asks.
const AT_ONCE: usize = 6;

/// Features that have the daemon ask every server. They have a turn of their own: while such a
/// request is open at a server, nobody can tell whose the server's log messages are.
const ASKS_ALL: [&str; 2] = ["resource-missing", "extension-method"];

#[test]
fn any_client_uses_any_server() {
    let selection = Selection::from_environment();
    tokio::runtime::Runtime::new().unwrap().block_on(every_cell(selection));
}

async fn every_cell(selection: Selection) {
    let upstreams = stage::every_upstream().into_iter().filter(|it| selection.has_upstream(*it));
    let stage = Arc::new(Stage::start(upstreams.collect()).await);
    let selection = Arc::new(selection);
    let impossible = Arc::new(Impossible::parse(include_str!("matrix/impossible.txt")));
    let totals = Arc::new(Totals::default());
    let places = Arc::new(Semaphore::new(AT_ONCE));
    for words in [
        selection.features(|name| !ASKS_ALL.contains(&name)),
        selection.features(|name| ASKS_ALL.contains(&name)),
    ] {
        let words = Arc::new(words);
        let mut lanes = JoinSet::new();
        for index in 0..stage.upstreams.len() {
            let (stage, totals) = (Arc::clone(&stage), Arc::clone(&totals));
            let (impossible, selection) = (Arc::clone(&impossible), Arc::clone(&selection));
            let (places, words) = (Arc::clone(&places), Arc::clone(&words));
            lanes.spawn(async move {
                let _place = places.acquire().await.unwrap();
                let upstream = &stage.upstreams[index];
                lane(&stage, (upstream, &words), &selection, &impossible, &totals).await;
            });
        }
        while let Some(ended) = lanes.join_next().await {
            ended.unwrap();
        }
    }
    let file = concat!(env!("CARGO_TARGET_TMPDIR"), "/matrix.txt");
    std::fs::write(file, totals.reports()).unwrap();
    println!("{}", totals.summary());
    assert_eq!(totals.failed(), 0, "cells failed; all of them are in {file}");
    if selection.is_all() {
        assert!(
            impossible.unused().is_empty(),
            "lines of impossible.txt: {:?}",
            impossible.unused()
        );
    }
}

/// All clients with one server, one after the other.
async fn lane(
    stage: &Stage,
    (upstream, words): (&Upstream, &[String]),
    selection: &Selection,
    impossible: &Impossible,
    totals: &Totals,
) {
    if words.is_empty() {
        return;
    }
    for listener in Carrier::ALL {
        let target = stage.target(listener);
        for client in ProtocolVersion::ALL {
            if !listener.carries(client) || !selection.has_client((listener, client)) {
                continue;
            }
            let (server, transport) = (&upstream.server, upstream.transport);
            let (prefix, target) = (&*upstream.prefix, &target);
            let visit = Visit { client, listener, target, transport, server, prefix, words };
            visit.run(impossible, totals).await;
        }
    }
}
