//! Clients over every listener that call one tool after the other, and what became of each call.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use switchboard_mcp::ProtocolVersion;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep};

use super::latencies::Latencies;
use crate::client::{Carrier, Client, Target, Trouble};
use crate::faulty::Random;

/// Every listener, and both eras of HTTP.
pub const KINDS: [(Carrier, ProtocolVersion); 5] = [
    (Carrier::Http, ProtocolVersion::MODERN),
    (Carrier::Http, ProtocolVersion::V2025_11_25),
    (Carrier::Sse, ProtocolVersion::V2024_11_05),
    (Carrier::WebSocket, ProtocolVersion::V2025_06_18),
    (Carrier::Unix, ProtocolVersion::V2025_11_25),
];

/// More reasons than a daemon has; messages of strangers would be as many as they like.
const REASONS: usize = 50;

/// The error of a request in a session that the daemon does not know, or knows no more.
const SESSION_OVER: i64 = -32000;

/// What the clients do.
#[derive(Clone)]
pub struct Aim {
    /// Where each of [`KINDS`] goes.
    pub targets: Vec<Target>,
    /// The tools that are called, by chance.
    pub tools: Vec<String>,
    /// Between the calls of one client.
    pub pause: Duration,
    /// After so many calls a client goes without a word, in the middle of one, and comes anew.
    pub leaves_after: Option<u64>,
    /// Whether an error is an answer, as it is where the server behind it fails.
    pub may_be_refused: bool,
    /// The longest that a call may take.
    pub patience: Duration,
    pub seed: u64,
}

/// What became of the calls.
#[derive(Clone, Debug, Default)]
pub struct Tally {
    pub answered: u64,
    pub refused: u64,
    /// The reasons of refusals, and how often each was given.
    pub reasons: BTreeMap<String, u64>,
    /// The connection ended while the daemon was disturbed on purpose.
    pub cut: u64,
    /// Connections that were made.
    pub opened: u64,
    pub latencies: Latencies,
    /// What must not be: no answer, two answers, somebody else's, or an error without a reason.
    pub wrong: Vec<String>,
}

impl Tally {
    pub fn merge(&mut self, other: &Self) {
        self.answered += other.answered;
        self.refused += other.refused;
        for (reason, count) in &other.reasons {
            *self.reasons.entry(reason.clone()).or_default() += count;
        }
        self.cut += other.cut;
        self.opened += other.opened;
        self.latencies.merge(&other.latencies);
        self.wrong.extend(other.wrong.iter().cloned());
    }
}

/// Running clients; they stop when this is dropped.
pub struct Load {
    shared: Arc<Shared>,
    clients: JoinSet<()>,
}

#[derive(Default)]
struct Shared {
    over: AtomicBool,
    /// Odd while the daemon is disturbed on purpose.
    disturbances: AtomicU64,
    tally: Mutex<Tally>,
}

impl Load {
    /// Starts `count` clients, of all kinds in turn.
    pub fn start(aim: &Aim, count: usize) -> Self {
        let shared = Arc::new(Shared::default());
        let mut clients = JoinSet::new();
        let aim = Arc::new(aim.clone());
        for number in 0..count {
            let caller = Caller {
                kind: number % KINDS.len(),
                number,
                aim: Arc::clone(&aim),
                shared: Arc::clone(&shared),
            };
            clients.spawn(caller.run());
        }
        Self { shared, clients }
    }

    /// From here until [`settled`](Self::settled), connections may end.
    pub fn disturb(&self) {
        self.shared.disturbances.fetch_or(1, Ordering::SeqCst);
    }

    pub fn settled(&self) {
        self.shared.disturbances.fetch_add(1, Ordering::SeqCst);
    }

    /// What became of the calls since this was last asked.
    pub fn take(&self) -> Tally {
        std::mem::take(&mut self.shared.tally.lock().unwrap())
    }

    /// Lets every client finish its call.
    pub async fn stop(mut self) -> Tally {
        self.shared.over.store(true, Ordering::SeqCst);
        while let Some(ended) = self.clients.join_next().await {
            ended.unwrap();
        }
        self.take()
    }
}

struct Caller {
    kind: usize,
    number: usize,
    aim: Arc<Aim>,
    shared: Arc<Shared>,
}

impl Caller {
    async fn run(self) {
        let mut random = Random::new(self.aim.seed ^ (self.number as u64) << 20);
        let (mut client, mut calls) = (None, 0);
        while !self.shared.over.load(Ordering::SeqCst) {
            let before = self.shared.disturbances.load(Ordering::SeqCst);
            let mut open = match client.take() {
                Some(open) => open,
                None => match self.connect(before).await {
                    Some(open) => open,
                    None => continue,
                },
            };
            let tool = &self.aim.tools[random.index(self.aim.tools.len())];
            calls += 1;
            if self.aim.leaves_after.is_some_and(|after| calls % after == 0) {
                open.begin("tools/call", &json!({ "name": tool, "arguments": {} })).await;
                continue;
            }
            if self.call(&mut open, tool, calls, before).await {
                client = Some(open);
            }
            sleep(self.aim.pause).await;
        }
    }

    async fn connect(&self, before: u64) -> Option<Client> {
        let (carrier, version) = KINDS[self.kind];
        match Client::connect(version, carrier, &self.aim.targets[self.kind]).await {
            Ok(mut client) => {
                client.patience = self.aim.patience;
                self.shared.tally.lock().unwrap().opened += 1;
                Some(client)
            }
            Err(trouble) => {
                if self.is_disturbed(before) {
                    self.shared.tally.lock().unwrap().cut += 1;
                } else {
                    self.complain(&format!("cannot connect: {trouble}"));
                }
                sleep(Duration::from_millis(100)).await;
                None
            }
        }
    }

    /// Whether the client can go on with its connection.
    async fn call(&self, client: &mut Client, tool: &str, call: u64, before: u64) -> bool {
        let begun = Instant::now();
        let arguments = json!({ "client": self.number, "call": call });
        let outcome = one_call(client, tool, &arguments).await;
        let took = begun.elapsed();
        let mut tally = self.shared.tally.lock().unwrap();
        match outcome {
            Ok(()) => {
                tally.answered += 1;
                tally.latencies.add(took);
                return true;
            }
            // Over HTTP with 404: a client opens another session and goes on.
            Err(Trouble::Refused { code: SESSION_OVER, .. })
                if KINDS[self.kind].0 == Carrier::Http && self.is_disturbed(before) =>
            {
                tally.cut += 1;
                return false;
            }
            Err(Trouble::Refused { message, .. }) if self.aim.may_be_refused => {
                tally.refused += 1;
                if tally.reasons.len() < REASONS || tally.reasons.contains_key(&message) {
                    *tally.reasons.entry(message).or_default() += 1;
                }
                return true;
            }
            Err(Trouble::Ended(_)) if self.is_disturbed(before) => {
                tally.cut += 1;
                return false;
            }
            Err(trouble) => {
                drop(tally);
                let log = client.log().iter().rev().take(4).rev().cloned().collect::<Vec<_>>();
                let log = log.join("\n      ");
                self.complain(&format!("{tool} after {took:.1?}: {trouble}\n      {log}"));
            }
        }
        false
    }

    fn is_disturbed(&self, before: u64) -> bool {
        let now = self.shared.disturbances.load(Ordering::SeqCst);
        now != before || now % 2 == 1
    }

    fn complain(&self, what: &str) {
        let (carrier, version) = KINDS[self.kind];
        let mut tally = self.shared.tally.lock().unwrap();
        // Enough to see what it is; a broken daemon would fill the memory with it.
        if tally.wrong.len() < 100 {
            tally.wrong.push(format!("client {} ({carrier}, {version}): {what}", self.number));
        }
    }
}

/// Calls a tool of a faulty server, and looks whether the answer is to this call.
///
/// # Errors
///
/// [`Trouble`].
pub async fn one_call(client: &mut Client, tool: &str, arguments: &Value) -> Result<(), Trouble> {
    let params = json!({ "name": tool, "arguments": arguments });
    let result = client.ask("tools/call", params).await?;
    let text = result["content"][0]["text"].as_str().unwrap_or_default();
    if result["isError"] == true {
        return Err(Trouble::Refused { code: 0, message: text.to_owned(), data: Value::Null });
    }
    let seen: Value = serde_json::from_str(text).unwrap_or_default();
    if seen["arguments"] != *arguments {
        return Err(Trouble::Wrong(format!("{arguments} was answered with {result}")));
    }
    Ok(())
}
