//! Several upstreams that offer the same.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use switchboard_core::{Context, Error, Kind as List, Peer, Principal, Request, Response};
use switchboard_mcp::{Json, Method, ProtocolVersion};
use switchboard_testkit::Behaviour;
use switchboard_upstream::{BalanceStrategy, Group, GroupMember, GroupSettings, State};
use tokio::time::Instant;

use crate::common::{Bench, Kind, LEGACY, MODERN, PATIENCE};

/// Two upstreams, each with a server, both open, and a group in front of them.
struct Pair {
    benches: [Bench; 2],
    group: Arc<Group>,
}

impl Pair {
    async fn new(change: impl FnOnce(&mut GroupSettings)) -> Self {
        let mut benches = Vec::new();
        for (name, kind, version) in [("one", Kind::Stdio, LEGACY), ("two", Kind::Http, MODERN)] {
            let bench = Bench::named(name, kind, Behaviour::new(version)).await;
            bench.upstream.wake();
            bench.until("it to be open", |it| it.view().lists.is_some() && it.is_ready()).await;
            benches.push(bench);
        }
        let benches: [Bench; 2] = benches.try_into().ok().unwrap();
        let mut settings = GroupSettings {
            upstreams: vec!["one".to_owned(), "two".to_owned()],
            ..GroupSettings::default()
        };
        change(&mut settings);
        let member = |bench: &Bench| GroupMember {
            upstream: Arc::clone(&bench.upstream),
            peer: Arc::clone(&bench.upstream) as Arc<dyn Peer>,
        };
        let members = benches.iter().map(member).collect();
        let group = Group::new("both", settings, members).unwrap();
        Self { benches, group }
    }

    async fn call(&self, context: &Context, tool: &str) -> Result<Response, Error> {
        let params = Json::encode(&serde_json::json!({ "name": tool, "arguments": {} }));
        let (method, name) = (Method::ToolsCall, Some(tool.to_owned()));
        let request = Request { method, params: Some(params), name };
        tokio::time::timeout(PATIENCE, self.group.request(context, request)).await.unwrap()
    }

    fn calls(&self) -> [usize; 2] {
        self.benches.each_ref().map(|bench| bench.fake.count("call"))
    }

    async fn end(self) {
        let [one, two] = self.benches;
        one.end().await;
        two.end().await;
    }
}

fn ann() -> Context {
    Context::new(Principal::new("ann"), ProtocolVersion::NEWEST_LEGACY)
}

pub(crate) async fn what_two_offer_is_called_at_either() {
    let pair = Pair::new(|settings| settings.balance = BalanceStrategy::RoundRobin).await;
    let common = pair.group.relearn();
    assert_eq!(common.who(List::Tools, "echo"), [0, 1]);
    for _ in 0..10 {
        pair.call(&ann(), "echo").await.unwrap();
    }
    assert_eq!(pair.calls(), [5, 5]);
    let nobody = pair.call(&ann(), "nobody has it").await;
    assert!(matches!(nobody, Err(Error::NotFound { .. })), "{nobody:?}");
    pair.end().await;
}

/// Is down, and keeps until when it was to answer.
#[derive(Default)]
struct Down(Mutex<Vec<Option<Instant>>>);

#[async_trait]
impl Peer for Down {
    async fn request(&self, context: &Context, _: Request) -> Result<Response, Error> {
        self.0.lock().unwrap().push(context.deadline);
        Err(Error::Unavailable { upstream: "down".to_owned(), cause: "it is".to_owned() })
    }
}

pub(crate) async fn a_call_has_its_time_once() {
    let pair = Pair::new(|_| {}).await;
    let down = Arc::new(Down::default());
    let member = |bench: &Bench| GroupMember {
        upstream: Arc::clone(&bench.upstream),
        peer: Arc::clone(&down) as Arc<dyn Peer>,
    };
    let settings = pair.group.settings().clone();
    let members = pair.benches.iter().map(member).collect();
    let group = Group::new("both", settings, members).unwrap();
    let total = pair.benches[0].upstream.settings().timeout_total.as_duration();
    let latest = Instant::now() + total;
    let (method, name) = (Method::ToolsCall, Some("echo".to_owned()));
    let request = Request { method, params: None, name };
    let answer = group.request(&ann(), request).await;
    assert!(matches!(answer, Err(Error::Unavailable { .. })), "{answer:?}");
    let asked = down.0.lock().unwrap().clone();
    assert_eq!(asked.len(), 2);
    // What the first may take its settings say.
    assert_eq!(asked[0], None);
    let second = asked[1].unwrap();
    assert!(latest <= second && second <= Instant::now() + total);
    pair.end().await;
}

pub(crate) async fn what_one_alone_offers_is_not_common() {
    let pair = Pair::new(|_| {}).await;
    pair.benches[1].fake.add_tool("alone");
    let has = |name: &str| {
        let lists = pair.benches[1].upstream.view().lists.unwrap();
        lists.tools.iter().any(|tool| tool.key == name)
    };
    pair.benches[1].news.until(|| has("alone")).await;
    let common = pair.group.relearn();
    assert!(common.who(List::Tools, "alone").is_empty());
    let lists = pair.benches[1].upstream.view().lists.unwrap();
    let rest: Vec<_> = common.rest(1, &lists).tools.iter().map(|tool| tool.key.clone()).collect();
    assert_eq!(rest, ["alone"]);
    pair.end().await;
}

pub(crate) async fn a_call_goes_to_the_other_where_one_is_down() {
    let pair = Pair::new(|settings| settings.balance = BalanceStrategy::RoundRobin).await;
    pair.benches[0].upstream.stop().await;
    assert_eq!(pair.benches[0].upstream.status().state, State::Stopped);
    for _ in 0..4 {
        let answer = pair.call(&ann(), "echo").await.unwrap();
        assert_eq!(answer.endpoint.as_deref(), Some("two"));
    }
    assert_eq!(pair.calls(), [0, 4]);
    pair.end().await;
}

pub(crate) async fn what_is_kept_at_one_is_asked_there() {
    let pair = Pair::new(|_| {}).await;
    for name in ["one", "two"] {
        for _ in 0..4 {
            let answer = pair.call(&ann().at(Some(name)), "echo").await.unwrap();
            assert_eq!(answer.endpoint.as_deref(), Some(name));
        }
    }
    let gone = pair.call(&ann().at(Some("three")), "echo").await;
    assert!(matches!(gone, Err(Error::Invalid(_))), "{gone:?}");
    pair.end().await;
}

pub(crate) async fn a_choice_between_upstreams_is_explained() {
    let pair = Pair::new(|settings| settings.balance = BalanceStrategy::ConsistentHash).await;
    let request =
        Request { method: Method::ToolsCall, params: None, name: Some("echo".to_owned()) };
    let explanation = pair.group.explain(&ann(), &request);
    assert_eq!(explanation.strategy, "consistent_hash");
    let first = explanation.endpoints[0].name.to_string();
    assert!(explanation.endpoints[0].reason.contains("home of the key"));
    for _ in 0..4 {
        let answer = pair.call(&ann(), "echo").await.unwrap();
        assert_eq!(answer.endpoint.as_deref(), Some(first.as_str()));
    }
    pair.end().await;
}

pub(crate) async fn the_names_of_a_group_are_checked() {
    let settings = GroupSettings { prefix: Some("a__b".to_owned()), ..GroupSettings::default() };
    assert!(Group::new("g", settings, Vec::new()).is_err());
}
