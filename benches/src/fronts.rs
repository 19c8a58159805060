//! What a way in costs, what a bridge between the eras adds, and how fast a parked call goes on.

use std::fmt::Write as _;
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde_json::Value;
use tokio::time::Instant;

use crate::front::{Call, Client, Front, Target};
use crate::process;
use crate::setup::Daemon;

/// Calls of one round: about a tenth of a second.
const CALLS: u32 = 1_000;

const ECHO: &str = r#"{"message":"the quick brown fox jumps over the lazy dog"}"#;

/// The medians of one way in.
struct Figures {
    p50: Duration,
    cpu_per_call: Duration,
}

pub(crate) async fn compare(daemon: &Daemon, rounds: usize) -> Result<String> {
    let socket = daemon.socket();
    let address = daemon.address.trim_start_matches("http://").trim_end_matches("/mcp").parse()?;
    let target = Target { address, key: &daemon.key, socket: &socket };
    let mut out = String::from("one client, one call after the other, server over stdio\n\n");
    let echo = |upstream: &str| Call::tool(&format!("{upstream}__echo"), ECHO, "", "lazy dog");
    let ways: Vec<_> = Front::ALL.map(|front| (front, echo("stdio"))).into();
    let figures = measure(&target, daemon, &ways, rounds).await?;
    let least = figures.iter().map(|f| f.p50).min().context("no way in")?;
    let _ = writeln!(
        out,
        "way in                      p50 µs  of the fastest  CPU µs/call of the daemon"
    );
    for ((front, _), figures) in ways.iter().zip(&figures) {
        let _ = writeln!(
            out,
            "{:<26} {:>7.1}  {:>13.0}%  {:>10.1}",
            front.name(),
            micros(figures.p50),
            100.0 * micros(figures.p50) / micros(least),
            micros(figures.cpu_per_call),
        );
    }
    out.push_str(&bridges(&target, daemon, rounds).await?);
    out.push_str(&parked(&target, rounds).await?);
    Ok(out)
}

/// Clients of both eras in front of one server that is spoken to in both.
async fn bridges(target: &Target<'_>, daemon: &Daemon, rounds: usize) -> Result<String> {
    let mut ways = Vec::new();
    for front in [Front::Stateless, Front::Stateful] {
        for era in ["modern", "legacy"] {
            ways.push((front, Call::tool(&format!("{era}__echo"), ECHO, "", "lazy dog")));
        }
    }
    let figures = measure(target, daemon, &ways, rounds).await?;
    let [mm, ml, lm, ll] = &figures[..] else { anyhow::bail!("four cells") };
    let mut out = String::from("\none server over HTTP, spoken to in both eras: p50 µs\n\n");
    let added = |bridged: &Figures, same: &Figures| micros(bridged.p50) - micros(same.p50);
    let _ = writeln!(out, "client           server 2026-07-28  server before  the bridge adds");
    for (name, modern, legacy, added) in
        [("2026-07-28", mm, ml, added(ml, mm)), ("before, session", lm, ll, added(lm, ll))]
    {
        let (modern, legacy) = (micros(modern.p50), micros(legacy.p50));
        let _ = writeln!(out, "{name:<16} {modern:>17.1}  {legacy:>13.1}  {added:>15.1}");
    }
    Ok(out)
}

/// A client of 2026-07-28 whose call waits for its answer on a server that asks the old way.
async fn parked(target: &Target<'_>, rounds: usize) -> Result<String> {
    let mut client = Client::open(Front::Stateless, target).await?;
    let arguments = r#"{"question":"?"}"#;
    let mut times = Vec::new();
    for _ in 0..rounds * 100 {
        let ask = Call::tool("legacy__ask", arguments, "", "input_required");
        let asked = client.call(&ask).await?;
        let body = asked.rsplit_once("\r\n\r\n").map_or(&*asked, |(_, body)| body);
        let asked: Value = serde_json::from_str(body)?;
        let result = &asked["result"];
        let key = result["inputRequests"].as_object().and_then(|requests| requests.keys().next());
        let answers = serde_json::json!({
            key.context("no question")?: { "action": "accept", "content": { "answer": "forty-two" } }
        });
        let state = &result["requestState"];
        let more = format!(",\"inputResponses\":{answers},\"requestState\":{state}");
        let retry = Call::tool("legacy__ask", arguments, &more, "forty-two");
        let started = Instant::now();
        client.call(&retry).await?;
        times.push(started.elapsed());
    }
    times.sort_unstable();
    let p50 = micros(times[times.len() / 2]);
    Ok(format!("\na parked call goes on and is answered {p50:.0} µs after its retry (p50)\n"))
}

/// Times all ways in turns, so that what else the machine does hits all of them.
async fn measure(
    target: &Target<'_>,
    daemon: &Daemon,
    ways: &[(Front, Call)],
    rounds: usize,
) -> Result<Vec<Figures>> {
    let mut clients = Vec::new();
    for (front, call) in ways {
        let mut client = Client::open(*front, target).await?;
        client.time(call, CALLS / 10).await?;
        clients.push((client, Vec::new(), Vec::new()));
    }
    for _ in 0..rounds {
        for ((_, call), (client, p50s, cpus)) in ways.iter().zip(&mut clients) {
            let before = process::cpu(&[daemon.pid])?;
            let mut times = client.time(call, CALLS).await?;
            cpus.push(process::cpu(&[daemon.pid])?.saturating_sub(before) / CALLS);
            times.sort_unstable();
            p50s.push(times[times.len() / 2]);
        }
    }
    let middle = |values: &mut Vec<Duration>| {
        values.sort_unstable();
        values[values.len() / 2]
    };
    Ok(clients
        .iter_mut()
        .map(|(_, p50s, cpus)| Figures { p50: middle(p50s), cpu_per_call: middle(cpus) })
        .collect())
}

fn micros(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1e6
}
