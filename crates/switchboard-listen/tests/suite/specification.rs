//! The examples of the specification, each over every listener that carries its revision.

mod back;
mod client;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use switchboard_mcp::ProtocolVersion;
use switchboard_testkit::Scripted;
use switchboard_testkit::transcript::{
    Exchange, Move, Names, Replay, Server, Side, coverage, exchanges,
};

use self::back::Back;
use self::client::{Client, Listener, complete};
use crate::house::House;

pub(crate) async fn examples_of_2024_11_05() {
    check(ProtocolVersion::V2024_11_05).await;
}

pub(crate) async fn examples_of_2025_03_26() {
    check(ProtocolVersion::V2025_03_26).await;
}

pub(crate) async fn examples_of_2025_06_18() {
    check(ProtocolVersion::V2025_06_18).await;
}

pub(crate) async fn examples_of_2025_11_25() {
    check(ProtocolVersion::V2025_11_25).await;
}

pub(crate) async fn examples_of_2026_07_28() {
    check(ProtocolVersion::MODERN).await;
}

/// The list names transcripts that exist and have the revision, and no transcript is without use.
pub(crate) async fn every_example_is_accounted_for() {
    let (exchanges, coverage) = (exchanges(), coverage());
    let mut used = BTreeSet::new();
    for Replay { revision, page, ordinal, by } in &coverage {
        let place = format!("{revision} {page} {ordinal}");
        let names = match by {
            Ok(names) => names,
            Err(reason) => {
                assert!(reason.len() > 10, "{place}: why is it not replayed?");
                continue;
            }
        };
        for name in names {
            let found = exchanges.iter().find(|exchange| exchange.name == *name);
            let exchange = found.unwrap_or_else(|| panic!("{place}: there is no {name}.txt"));
            let has = exchange.revisions.iter().any(|version| version.as_str() == revision);
            assert!(has, "{place}: {name}.txt is not played in that revision");
            used.insert(name.as_str());
        }
    }
    for exchange in &exchanges {
        assert!(used.contains(&*exchange.name), "{}.txt replays no example", exchange.name);
        assert!(!exchange.moves.is_empty(), "{}.txt is empty", exchange.name);
    }
    check_that_none_is_left_out(&coverage);
}

/// The examples of a page are numbered, and there is a page of each chapter in each revision.
fn check_that_none_is_left_out(coverage: &[Replay]) {
    let mut pages: BTreeMap<(&str, &str), Vec<usize>> = BTreeMap::new();
    for Replay { revision, page, ordinal, .. } in coverage {
        pages.entry((revision, page)).or_default().push(*ordinal);
    }
    for (page, mut ordinals) in pages {
        ordinals.retain(|ordinal| *ordinal > 0);
        assert!(ordinals.iter().copied().eq(1..=ordinals.len()), "{page:?}: {ordinals:?}");
    }
    for version in ProtocolVersion::ALL {
        let examples = coverage.iter().filter(|replay| replay.revision == version.as_str());
        assert!(examples.count() >= 60, "examples of {version} are missing");
    }
}

async fn check(version: ProtocolVersion) {
    let exchanges = exchanges();
    let mut back = Back::open(version).await;
    let house = house_of(&back).await;
    for listener in Listener::of(version) {
        let over = |exchange: &&Exchange| {
            let listeners = &exchange.listeners;
            exchange.revisions.contains(&version)
                && (listeners.is_empty() || listeners.contains(&listener.to_string()))
        };
        let played = exchanges.iter().filter(over);
        for exchange in played {
            let place = format!("{}.txt, {version} over {listener}", exchange.name);
            // One that stops is nobody else's.
            let stops = exchange.moves.iter().any(|(_, step)| matches!(step, Move::Stops));
            let own = if stops { Some(house_of(&back).await) } else { None };
            let house = own.as_ref().unwrap_or(&house);
            let client = Client::open(house, listener, version, opens_itself(exchange)).await;
            back.server.begin();
            // What a failed one leaves open would be in the way of the next.
            let played = play(exchange, client, house, &mut back.server).await;
            played.unwrap_or_else(|trouble| panic!("{place}, {trouble}"));
            if let Some(own) = own {
                own.end().await;
            }
        }
    }
    house.end().await;
    back.close().await;
}

async fn house_of(back: &Back) -> House {
    House::around(Arc::clone(&back.gateway), Scripted::default(), |_| {}).await
}

/// Whether the conversation has an opening of its own.
fn opens_itself(exchange: &Exchange) -> bool {
    let first = exchange.moves.iter().find_map(|(_, step)| match step {
        Move::Says(Side::Client, message) => Some(message),
        _ => None,
    });
    first.is_some_and(|message| message["method"] == "initialize")
}

async fn play(
    exchange: &Exchange,
    mut client: Client<'_>,
    house: &House,
    server: &mut Server,
) -> Result<(), String> {
    let mut names = Names::default();
    // The requests that each side has received and not answered.
    let mut asked = (Vec::new(), Vec::new());
    for (line, step) in &exchange.moves {
        match step {
            Move::Says(Side::Client, message) => {
                client.say(names.fill(message), &mut asked.0).await;
                names.set("$request", client.last_request());
            }
            Move::Says(Side::Server, message) => {
                names.set("$subscription", server.subscription());
                let mut message = names.fill(message);
                complete(&mut message, &mut asked.1, || "asked-1".into());
                server.say(message);
            }
            Move::Hears(side, expected) => {
                let (seen, open) = match side {
                    Side::Client => (client.hear().await, &mut asked.0),
                    Side::Server => (server.hear().await, &mut asked.1),
                };
                let seen = seen.ok_or_else(|| format!("line {line}: nothing came"))?;
                if seen.get("method").is_some() && seen.get("id").is_some() {
                    open.push(seen["id"].clone());
                }
                if *side == Side::Server && seen.get("id").is_some() {
                    names.set("$received", seen["id"].clone());
                }
                if !names.fits(expected, &seen) {
                    return Err(format!("line {line}: {seen}"));
                }
            }
            Move::Stops => house.draining.cancel(),
            Move::Saw(expected) => {
                let seen = server.saw(expected, &mut names).await;
                seen.map_err(|last| format!("line {line}: not seen, but {last:?}"))?;
            }
        }
    }
    client.close().await;
    Ok(())
}
