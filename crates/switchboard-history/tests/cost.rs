//! What the history costs a call, and what writing a record costs: figures, and no verdict.
//!
//! `cargo test -p switchboard-history --profile simulation --test cost -- --ignored --nocapture`
#![expect(clippy::unwrap_used, reason = "a measurement that cannot go on fails")]
#![expect(clippy::print_stdout, reason = "the figures are what this is for")]
#![expect(clippy::disallowed_methods, reason = "a measurement takes real time, and ends its task")]

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use bytes::Bytes;
use serde_json::json;
use switchboard_core::store::{Row, Store};
use switchboard_core::{
    Call, CallOutcome, Capabilities, Catalog, Context, Error, Filter, Gateway, Item, Kind, Lists,
    Member, Peer, Prefix, Principal, Purpose, Recorder as _, Request, Response, Seal, Snapshot,
    Tenant, Went,
};
use switchboard_history::{
    Audience, Facts, History, HistoryConfig, Keeper, Known, Ports, Redactor,
};
use switchboard_mcp::{Json, Method, ProtocolVersion};
use switchboard_store::StoreConfig;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

const CALLS: u32 = 10_000;

/// Rounds of which the middle one is told.
const ROUNDS: usize = 5;

/// Answers at once with a result of a usual size.
struct Server(Json);

#[async_trait]
impl Peer for Server {
    async fn request(&self, _: &Context, _: Request) -> Result<Response, Error> {
        Ok(Response::new(self.0.clone(), ProtocolVersion::NEWEST_LEGACY))
    }
}

struct Unsealed;

impl Seal for Unsealed {
    fn seal(&self, _: Purpose, _: &Principal, _: &[u8]) -> String {
        String::new()
    }

    fn open(&self, _: Purpose, _: &Principal, _: &str) -> Option<Vec<u8>> {
        None
    }
}

struct Nothing;

impl Known for Nothing {
    fn facts(&self, _: &Call) -> Facts {
        Facts::default()
    }
}

impl Audience for Nothing {
    fn is_there(&self, _: &Tenant) -> bool {
        false
    }

    fn written(&self, _: &Tenant, _: &Row) {}
}

fn result() -> Json {
    let text = "a line of a log, as tools print them: 2026-11-21 GET /index.html 200\n".repeat(14);
    Json::encode(&json!({ "content": [{ "type": "text", "text": text }] }))
}

fn params() -> Json {
    let arguments = json!({ "path": "src/main.rs", "query": "how it is called", "limit": 20 });
    Json::encode(&json!({ "name": "one__echo", "arguments": arguments }))
}

fn gateway() -> Gateway {
    let tool = Json::parse(Bytes::from_static(b"{\"name\":\"echo\"}")).unwrap();
    let tools = Item::read(Kind::Tools, tool).into_iter().collect();
    let capabilities = Capabilities { tools: true, ..Default::default() };
    let member = Member {
        name: "one".into(),
        prefix: Prefix::new("one").unwrap(),
        filter: Filter::default(),
        peer: Arc::new(Server(result())),
        lists: Some(Arc::new(Lists { capabilities, tools, ..Default::default() })),
        learning: false,
    };
    let snapshot = Snapshot { catalog: Catalog::build(vec![member]), ..Snapshot::default() };
    Gateway::new(snapshot, Arc::new(Unsealed))
}

async fn calls(gateway: &Gateway) -> Duration {
    let context = Context::new(Principal::new("ann"), ProtocolVersion::NEWEST_LEGACY);
    let params = params();
    let begun = Instant::now();
    for _ in 0..CALLS {
        let (name, params) = (Some("one__echo".to_owned()), Some(params.clone()));
        let request = Request { method: Method::ToolsCall, params, name };
        gateway.request(&context, request).await.unwrap();
    }
    begun.elapsed()
}

/// The middle of several runs, each after the records of the one before are written.
async fn middle(gateway: &Gateway, history: Option<&History>) -> Duration {
    let mut times = Vec::new();
    for _ in 0..ROUNDS {
        times.push(calls(gateway).await);
        if let Some(history) = history {
            history.settle(Duration::from_secs(60)).await;
        }
    }
    times.sort();
    times[ROUNDS / 2]
}

/// What this process has used of processors, from proc(5): in hundredths of a second.
fn used() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let fields: Vec<_> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
    let ticks = [11, 12].map(|field: usize| fields[field].parse::<u64>().unwrap());
    Duration::from_millis(ticks.iter().sum::<u64>() * 10)
}

fn each(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6 / f64::from(CALLS)
}

#[test]
#[ignore = "a measurement: it has figures and no verdict"]
fn what_a_call_and_its_record_cost() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let directory = tempfile::TempDir::new().unwrap();
        let store =
            switchboard_store::open(&StoreConfig::default(), directory.path()).await.unwrap();
        measure(store).await;
    });
}

async fn measure(store: Arc<dyn Store>) {
    let config = HistoryConfig { queue: 1_000_000, ..HistoryConfig::default() };
    let redactor = Redactor::new(&config.redact).unwrap();
    let (known, audience) = (Arc::new(Nothing) as _, Arc::new(Nothing) as _);
    let ports = Ports { store, known, audience };
    let (history, keeper) = Keeper::new(&config, redactor, ports, SystemTime::now, 7);
    let end = CancellationToken::new();
    let keeping = tokio::spawn(keeper.run(end.clone()));

    let without = middle(&gateway(), None).await;
    let recorded = gateway().recorded_by(Arc::clone(&history) as _);
    let with = middle(&recorded, Some(&history)).await;
    println!("a call through the gateway: {:.2} µs, recorded {:.2} µs", each(without), each(with));
    println!("the ratio is {:.2}", with.as_secs_f64() / without.as_secs_f64());

    let call = |result: &Json, params: &Json| Call {
        principal: Principal::new("ann"),
        method: Method::ToolsCall,
        name: "one__echo".to_owned(),
        params: Some(params.clone()),
        outcome: CallOutcome::Answered(Response::new(result.clone(), ProtocolVersion::MODERN)),
        took: Duration::from_micros(700),
        went: Went::default(),
        is_shown: false,
    };
    let (result, params) = (result(), params());
    let all: Vec<_> = (0..CALLS).map(|_| call(&result, &params)).collect();
    let (begun, before) = (Instant::now(), used());
    all.into_iter().for_each(|call| history.record(call));
    let noted = begun.elapsed();
    history.settle(Duration::from_secs(60)).await;
    let written = begun.elapsed();
    println!("to take note of a call: {:.2} µs", each(noted));
    println!(
        "to write it: {:.1} µs of processors, {:.0} records/s",
        each(used().saturating_sub(before)),
        f64::from(CALLS) / written.as_secs_f64()
    );
    println!("lost: {}", history.losses().count());
    end.cancel();
    keeping.await.unwrap();
}
