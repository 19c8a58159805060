//! The same random messages to a server directly and through the daemon: the same answers.
//!
//! Compared is what came of one POST: the notifications in their order and the answer, byte for
//! byte, but for what belongs to a hop:
//!
//! - HTTP status codes, which the specification leaves open for most errors;
//! - in results of 2026-07-28 the order of the envelope's members (`resultType`, `ttlMs`,
//!   `cacheScope`, `_meta`), the values of the two that say how long a result may be kept, and
//!   `serverInfo`, which is the answering server's;
//! - the words and the `data` of an error with one of the protocol's own codes where the words
//!   differ: then it is a refusal that the daemon gave by itself.

mod compare;
mod shrink;

use switchboard_mcp::ProtocolVersion;
use switchboard_testkit::client::{Carrier, Poster, Target};
use switchboard_testkit::messages::Messages;

use crate::matrix::stage::Stage;
use compare::differences;
use shrink::shrink;

/// In all: four pairs with so many each.
const MESSAGES: usize = 1250;

/// Any; a run that failed is repeated with the same.
const SEED: u64 = 0x5EED;

/// Differences after which a pair is not looked at further: they commonly have one reason.
const ENOUGH: usize = 8;

#[test]
fn the_same_messages_have_the_same_answers() {
    tokio::runtime::Runtime::new().unwrap().block_on(async {
        let (old, new) = (ProtocolVersion::NEWEST_LEGACY, ProtocolVersion::MODERN);
        let (stdio, http) = (Carrier::Stdio, Carrier::Http);
        let reports = [
            run(stdio, old).await,
            run(stdio, new).await,
            run(http, old).await,
            run(http, new).await,
        ];
        let all = reports.concat();
        assert!(all.is_empty(), "{} differences\n{}", all.len(), all.join("\n"));
    });
}

/// Where both posters go.
struct Both {
    direct: Poster,
    through: Poster,
}

impl Both {
    async fn differences(&self, text: &str) -> Vec<String> {
        let (direct, through) = (self.direct.post(text).await, self.through.post(text).await);
        differences(&direct, &through)
    }
}

async fn run(transport: Carrier, version: ProtocolVersion) -> Vec<String> {
    let stage = Stage::alone(transport, version).await;
    let server = &stage.upstreams[0].server;
    let Target::Address { url, key } = stage.target(Carrier::Http) else {
        panic!("HTTP is reached by an address");
    };
    let both = Both {
        direct: Poster::open(&server.url(), None, version).await,
        through: Poster::open(&url, key.as_deref(), version).await,
    };
    let mut messages = Messages::new(SEED, version, server.name());
    let mut reports = Vec::new();
    let mut results = 0;
    for number in 0..MESSAGES {
        let text = messages.message();
        let (direct, through) = (both.direct.post(&text).await, both.through.post(&text).await);
        results += usize::from(through.messages.iter().any(|it| it.contains("\"result\":")));
        if differences(&direct, &through).is_empty() {
            continue;
        }
        let small = shrink(&both, text).await;
        let (direct, through) = (both.direct.post(&small).await, both.through.post(&small).await);
        let what = differences(&direct, &through).join("\n  ");
        reports.push(format!(
            "{transport} {version}, message {number}: {what}\n  sent    {small}\n  \
             direct  {} {:?}\n  through {} {:?}",
            direct.status, direct.messages, through.status, through.messages,
        ));
        if reports.len() == ENOUGH {
            break;
        }
    }
    // Messages that nobody understands would be answered alike too.
    assert!(!reports.is_empty() || results > MESSAGES / 3, "only {results} results");
    reports
}
