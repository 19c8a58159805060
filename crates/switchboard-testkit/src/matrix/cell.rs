//! One cell, and what becomes of all of them.

use std::collections::BTreeMap;
use std::fmt;
use std::fmt::Write as _;
use std::sync::Mutex;
use std::time::Duration;

use serde_json::Value;
use switchboard_mcp::ProtocolVersion;
use tokio::time::Instant;

use super::impossible::Impossible;
use super::{FEATURES, Feature, Scene};
use crate::client::{Carrier, Client, Target, Trouble};
use crate::reference::Reference;

#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Cell {
    pub client: ProtocolVersion,
    pub listener: Carrier,
    pub transport: Carrier,
    pub server: ProtocolVersion,
    pub feature: &'static str,
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { client, listener, transport, server, feature } = self;
        write!(f, "{client} {listener} > {transport} {server} : {feature}")
    }
}

#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub enum Verdict {
    Green,
    /// On the list, and cleanly refused.
    Impossible,
    Failed,
}

/// One client with one server in view: a cell for each feature.
pub struct Visit<'a> {
    pub client: ProtocolVersion,
    pub listener: Carrier,
    pub target: &'a Target,
    pub transport: Carrier,
    pub server: &'a Reference,
    pub prefix: &'a str,
    /// Only these features; none means all.
    pub words: &'a [String],
}

/// After so many silent cells the rest of a visit is not tried: each costs all our patience.
const SILENT: usize = 4;

/// How much of what the server saw stands in a report.
const SEEN: usize = 6;

impl Visit<'_> {
    /// Tries every feature; the client connects once, and anew after a failure.
    pub async fn run(&self, impossible: &Impossible, totals: &Totals) {
        let mut seat = Ok(None);
        let mut silent = 0;
        for feature in FEATURES {
            let is_wanted =
                self.words.is_empty() || self.words.iter().any(|word| feature.name == word);
            if !is_wanted {
                continue;
            }
            let started = Instant::now();
            let (outcome, log) = self.attempt(&mut seat, feature).await;
            silent += usize::from(matches!(outcome, Err(Trouble::Silent(_) | Trouble::Ended(_))));
            if silent == SILENT {
                seat = Err(Trouble::Barred(format!("not tried after {SILENT} silent cells")));
            }
            let cell = self.cell(feature);
            let is_listed = impossible.has(&cell);
            let took = started.elapsed();
            totals.add(&Tried { cell, is_listed, outcome, log, took });
        }
    }

    /// Tries a feature with the client in `seat`, which stays there if it is still good for more.
    async fn attempt(
        &self,
        seat: &mut Result<Option<Client>, Trouble>,
        feature: &Feature,
    ) -> (Result<(), Trouble>, Vec<String>) {
        let client = match std::mem::replace(seat, Ok(None)) {
            Ok(Some(client)) => Ok(client),
            Ok(None) => Client::connect(self.client, self.listener, self.target)
                .await
                .map_err(|trouble| Trouble::Barred(format!("cannot connect: {trouble}"))),
            Err(barred) => Err(barred),
        };
        let mut client = match client {
            Ok(client) => client,
            Err(barred) => {
                *seat = Err(barred.clone());
                return (Err(barred), Vec::new());
            }
        };
        client.forget();
        let outcome = self.check(&mut client, feature).await;
        let mut log = client.log().to_vec();
        if outcome.is_err() {
            let seen = self.server.seen();
            let last = seen.iter().skip(seen.len().saturating_sub(SEEN));
            log.extend(last.map(|entry| format!("server: {entry}")));
        }
        if outcome.as_ref().err().is_none_or(Trouble::is_refusal) {
            *seat = Ok(Some(client));
        }
        (outcome, log)
    }

    async fn check(&self, client: &mut Client, feature: &Feature) -> Result<(), Trouble> {
        let own = format!("{}-{}-{}", self.client, self.listener, self.server.name());
        let tag = format!("{own}-{}", feature.name);
        let scene = Scene { server: self.server, prefix: self.prefix, tag: &tag };
        let bare = feature.name == "no-capability" && !client.is_modern();
        if bare {
            // What a client can do is said once in a session: this takes one of its own.
            let none = serde_json::json!({});
            let mut other = Client::with(self.client, self.listener, self.target, none).await?;
            return (feature.check)(&mut other, &scene).await;
        }
        (feature.check)(client, &scene).await?;
        nothing_foreign(client, &own, self.server.name())
    }

    fn cell(&self, feature: &Feature) -> Cell {
        Cell {
            client: self.client,
            listener: self.listener,
            transport: self.transport,
            server: self.server.version(),
            feature: feature.name,
        }
    }
}

/// Other clients talk to other servers at the same time; nothing of that may be heard here.
fn nothing_foreign(client: &Client, own: &str, server: &str) -> Result<(), Trouble> {
    let starts = |value: &Value, start: &str| value.as_str().is_none_or(|it| it.starts_with(start));
    for message in &client.heard {
        let params = &message["params"];
        let is_own = match message["method"].as_str().unwrap_or_default() {
            "notifications/message" => starts(&params["data"]["tag"], own),
            "notifications/progress" => starts(&params["progressToken"], &format!("token {own}")),
            "notifications/resources/updated" => {
                starts(&params["uri"], &format!("test://{server}/"))
            }
            _ => true,
        };
        if !is_own {
            return Err(Trouble::Wrong(format!("what was somebody else's: {message}")));
        }
    }
    Ok(())
}

/// A cell that was tried.
struct Tried {
    cell: Cell,
    is_listed: bool,
    outcome: Result<(), Trouble>,
    log: Vec<String>,
    took: Duration,
}

impl Tried {
    fn verdict(&self) -> (Verdict, String) {
        match &self.outcome {
            Ok(()) if self.is_listed => {
                (Verdict::Failed, "works, but is listed as impossible".to_owned())
            }
            Ok(()) => (Verdict::Green, String::new()),
            Err(trouble) if self.is_listed && trouble.is_refusal() => {
                (Verdict::Impossible, String::new())
            }
            Err(Trouble::Barred(why)) => (Verdict::Failed, why.clone()),
            Err(trouble) if self.is_listed => (Verdict::Failed, format!("not refused: {trouble}")),
            Err(trouble) => (Verdict::Failed, trouble.to_string()),
        }
    }
}

/// What came of all cells so far.
#[derive(Default)]
pub struct Totals(Mutex<Inner>);

#[derive(Default)]
struct Inner {
    /// Green, impossible, failed, and milliseconds, by feature.
    features: BTreeMap<&'static str, [u128; 4]>,
    /// Failed cells by what is the same in them.
    groups: BTreeMap<String, Vec<Cell>>,
    /// In full.
    reports: Vec<String>,
}

/// Reports that are printed in full; the others are in the file.
const PRINTED: usize = 6;

impl Totals {
    fn add(&self, tried: &Tried) {
        let Tried { cell, log, took, .. } = tried;
        let (verdict, why) = tried.verdict();
        let mut inner = self.0.lock().unwrap();
        let row = inner.features.entry(cell.feature).or_default();
        row[verdict as usize] += 1;
        row[3] += took.as_millis();
        if verdict == Verdict::Failed {
            // What is the same whoever the server was.
            let name = format!("{}-{}", cell.transport, cell.server);
            let short: String = why.replace(&name, "NAME").chars().take(110).collect();
            let group = match &tried.outcome {
                Err(Trouble::Barred(_)) => short,
                _ => format!("{}: {short}", cell.feature),
            };
            inner.groups.entry(group).or_default().push(cell.clone());
            inner.reports.push(format!("{cell}\n  {why}\n  {}\n", log.join("\n  ")));
        }
    }

    pub fn failed(&self) -> usize {
        self.0.lock().unwrap().reports.len()
    }

    /// Every failed cell in full.
    pub fn reports(&self) -> String {
        self.0.lock().unwrap().reports.join("\n")
    }

    /// The table of features, what failed in groups, and the first few failures in full.
    pub fn summary(&self) -> String {
        let inner = self.0.lock().unwrap();
        let mut out =
            format!("{:<20}{:>7}{:>12}{:>8}{:>9}\n", "", "green", "impossible", "failed", "ms");
        let mut sum = [0; 4];
        for (feature, row) in &inner.features {
            let [green, impossible, failed, ms] = row;
            writeln!(out, "{feature:<20}{green:>7}{impossible:>12}{failed:>8}{ms:>9}").unwrap();
            sum.iter_mut().zip(row).for_each(|(sum, count)| *sum += count);
        }
        let [green, impossible, failed, ms] = sum;
        writeln!(out, "{:<20}{green:>7}{impossible:>12}{failed:>8}{ms:>9}", "all").unwrap();
        for (group, cells) in &inner.groups {
            writeln!(out, "\n{} x {group}", cells.len()).unwrap();
            for (what, values) in spread(cells) {
                writeln!(out, "    {what}: {}", values.join(" ")).unwrap();
            }
        }
        for report in inner.reports.iter().take(PRINTED) {
            write!(out, "\n{report}").unwrap();
        }
        out
    }
}

/// Which values the failed cells of a group have.
fn spread(cells: &[Cell]) -> [(&'static str, Vec<String>); 4] {
    let values = |of: &dyn Fn(&Cell) -> String| {
        let mut counts = BTreeMap::<String, usize>::new();
        cells.iter().for_each(|cell| *counts.entry(of(cell)).or_default() += 1);
        counts.into_iter().map(|(value, count)| format!("{value}({count})")).collect::<Vec<_>>()
    };
    [
        ("client", values(&|cell| cell.client.to_string())),
        ("listener", values(&|cell| cell.listener.to_string())),
        ("upstream", values(&|cell| cell.transport.to_string())),
        ("server", values(&|cell| cell.server.to_string())),
    ]
}
