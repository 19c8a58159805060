//! One upstream with several endpoints, or with instances of its own for some.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use switchboard_config::TimeSpan;
use switchboard_core::{
    CallerId, Context, Error, Peer as _, Principal, Request, Response, Session, Trail,
};
use switchboard_mcp::{Json, Method, ProtocolVersion};
use switchboard_process::{Options, Spawner};
use switchboard_testkit::{Behaviour, Fake};
use switchboard_upstream::{
    BalanceStrategy, EndpointSettings, PoolSettings, Settings, Sharing, State, Upstream,
};
use tokio_util::sync::CancellationToken;

use crate::common::{Bench, Kind, LEGACY, MODERN, News, PATIENCE, environment, settings};
use crate::web::{Reply, Seen, Web, legacy};

/// An upstream with an endpoint for each of several servers.
struct Group {
    upstream: Arc<Upstream>,
    fakes: Vec<Fake>,
    news: Arc<News>,
    spawner: Spawner,
    _directory: tempfile::TempDir,
}

impl Group {
    async fn new(kinds: &[(Kind, ProtocolVersion)], change: impl FnOnce(&mut Settings)) -> Self {
        let mut fakes = Vec::new();
        let mut endpoints = Vec::new();
        for (kind, version) in kinds {
            let fake = Fake::start(*version).await;
            let Settings { stdio, http, .. } = settings(*kind, &fake);
            endpoints.push(EndpointSettings { stdio, http, ..EndpointSettings::default() });
            fakes.push(fake);
        }
        let mut settings = Settings { endpoints, ..Settings::default() };
        change(&mut settings);
        let directory = tempfile::tempdir().unwrap();
        let options = Options { state_dir: directory.path().join("state"), guard: None };
        let (spawner, _) = Spawner::start(options).await.unwrap();
        let news = Arc::new(News::default());
        let environment = environment(&spawner, directory.path(), Arc::clone(&news));
        let upstream = Upstream::new("group", settings, environment).unwrap();
        Self { upstream, fakes, news, spawner, _directory: directory }
    }

    /// With all of them open.
    async fn ready(kinds: &[(Kind, ProtocolVersion)], change: impl FnOnce(&mut Settings)) -> Self {
        let group = Self::new(kinds, change).await;
        group.upstream.wake();
        group.until_open(kinds.len()).await;
        group
    }

    async fn until_open(&self, count: usize) {
        let open = || {
            let endpoints = self.upstream.endpoints();
            endpoints.iter().filter(|it| it.status.state == State::Ready).count()
        };
        self.news.until(|| open() == count).await;
    }

    fn calls(&self) -> Vec<usize> {
        self.fakes.iter().map(|fake| fake.count("call")).collect()
    }

    async fn end(self) {
        tokio::time::timeout(PATIENCE, self.upstream.stop()).await.unwrap();
        assert!(self.spawner.close(Duration::from_secs(1)).await.is_empty());
    }
}

fn of(principal: &str) -> Context {
    Context::new(Principal::new(principal), ProtocolVersion::NEWEST_LEGACY)
}

/// The context of a session, and what ends it.
fn in_session(principal: &str) -> (Context, CancellationToken) {
    let over = CancellationToken::new();
    let mut context = of(principal);
    context.session = Some(Session::new(CallerId::unique(), over.clone()));
    (context, over)
}

async fn call(upstream: &Upstream, context: &Context, tool: &str) -> Result<Response, Error> {
    call_with(upstream, context, tool, &serde_json::json!({})).await
}

async fn call_with(
    upstream: &Upstream,
    context: &Context,
    tool: &str,
    arguments: &serde_json::Value,
) -> Result<Response, Error> {
    let params = Json::encode(&serde_json::json!({ "name": tool, "arguments": arguments }));
    let (method, name) = (Method::ToolsCall, Some(tool.to_owned()));
    let request = Request { method, params: Some(params), name };
    tokio::time::timeout(PATIENCE, upstream.request(context, request)).await.unwrap()
}

const BOTH: [(Kind, ProtocolVersion); 2] = [(Kind::Stdio, LEGACY), (Kind::Http, MODERN)];

pub(crate) async fn calls_are_spread_over_endpoints() {
    let round = |settings: &mut Settings| settings.balance = BalanceStrategy::RoundRobin;
    let group = Group::ready(&BOTH, round).await;
    let ten = async {
        loop {
            let before = group.calls();
            for _ in 0..10 {
                call(&group.upstream, &of("ann"), "echo").await.unwrap();
            }
            let went = group.calls();
            // That an endpoint is new, and to be eased in, is known a moment after it is ready.
            if went.iter().zip(&before).all(|(after, before)| after - before == 5) {
                break;
            }
        }
    };
    tokio::time::timeout(PATIENCE, ten).await.unwrap();
    group.end().await;
}

pub(crate) async fn the_same_goes_to_the_same() {
    let hash = |settings: &mut Settings| {
        settings.balance = BalanceStrategy::ConsistentHash;
        settings.hash_argument = Some("repo".to_owned());
    };
    let group = Group::ready(&BOTH, hash).await;
    let mut places = Vec::new();
    for repo in ["a", "b", "c", "d", "e", "f", "g", "h"] {
        let before = group.calls();
        for _ in 0..4 {
            let arguments = serde_json::json!({ "repo": repo });
            call_with(&group.upstream, &of("ann"), "echo", &arguments).await.unwrap();
        }
        let after = group.calls();
        let moved: Vec<_> =
            after.iter().zip(&before).map(|(after, before)| after - before).collect();
        assert!(moved == [4, 0] || moved == [0, 4], "{repo}: {moved:?}");
        places.push(moved[0] == 4);
    }
    assert!(places.contains(&true) && places.contains(&false), "all went to one: {places:?}");
    group.end().await;
}

pub(crate) async fn a_call_goes_on_where_an_endpoint_is_down() {
    let group = Group::new(&[(Kind::Stdio, LEGACY), (Kind::Http, LEGACY)], |settings| {
        settings.endpoints[0].stdio.as_mut().unwrap().command = "/nonexistent/server".to_owned();
    })
    .await;
    for _ in 0..4 {
        call(&group.upstream, &of("ann"), "echo").await.unwrap();
    }
    assert_eq!(group.calls(), [0, 4]);
    let endpoints = group.upstream.endpoints();
    assert_eq!(endpoints[0].status.state, State::Waiting);
    assert_eq!(group.upstream.status().state, State::Ready);
    let problem = group.upstream.status().problem.unwrap();
    assert!(problem.contains("/nonexistent/server"), "{problem}");
    group.end().await;
}

pub(crate) async fn what_does_no_harm_twice_is_sent_to_another() {
    for trusted in [true, false] {
        let group = Group::new(&[(Kind::Stdio, LEGACY), (Kind::Stdio, LEGACY)], |settings| {
            settings.balance = BalanceStrategy::RoundRobin;
            settings.retry.trust_hints = trusted;
        })
        .await;
        let hint = r#""result":{"tools":[{"name":"never","annotations":{"readOnlyHint":true}}]}"#;
        group.fakes.iter().for_each(|fake| fake.script("tools/list", hint));
        group.upstream.wake();
        group.until_open(2).await;
        group
            .news
            .until(|| group.upstream.view().lists.is_some_and(|it| it.tools.len() == 1))
            .await;
        // Whichever has it dies of it.
        let trail = Arc::<Trail>::default();
        let ann = Context { trail: Some(Arc::clone(&trail)), ..of("ann") };
        let calling = call(&group.upstream, &ann, "never");
        let killing = async {
            tokio::time::timeout(PATIENCE, async {
                while group.calls().iter().sum::<usize>() == 0 {
                    tokio::task::yield_now().await;
                }
            })
            .await
            .unwrap();
            let first = usize::from(group.calls()[0] == 0);
            let pid = group.upstream.endpoints()[first].status.pid.unwrap();
            kill(pid);
            if trusted {
                group.fakes[1 - first].until("call never", 1).await;
                kill(group.upstream.endpoints()[1 - first].status.pid.unwrap());
            }
        };
        let (answer, ()) = tokio::join!(calling, killing);
        assert!(matches!(answer, Err(Error::Lost { .. })), "{answer:?}");
        assert_eq!(group.calls().iter().sum::<usize>(), if trusted { 2 } else { 1 });
        assert_eq!(group.upstream.counts().retries, u64::from(trusted));
        assert_eq!(trail.went().attempt, if trusted { 2 } else { 1 });
        assert!(trail.went().endpoint.is_some_and(|name| name.starts_with("group")));
        group.end().await;
    }
}

pub(crate) async fn what_does_no_harm_twice_is_sent_again_to_the_server_that_died_of_it() {
    for (trusted, times) in [(true, 2), (false, 1)] {
        let group = Group::new(&[(Kind::Stdio, LEGACY)], |settings| {
            settings.retry.trust_hints = trusted;
        })
        .await;
        let hint = r#""result":{"tools":[{"name":"never","annotations":{"readOnlyHint":true}}]}"#;
        group.fakes[0].script("tools/list", hint);
        group.upstream.wake();
        group.until_open(1).await;
        group
            .news
            .until(|| group.upstream.view().lists.is_some_and(|it| it.tools.len() == 1))
            .await;
        let ann = of("ann");
        let calling = call(&group.upstream, &ann, "never");
        let killing = async {
            for time in 1..=times {
                group.fakes[0].until("call never", time).await;
                kill(group.upstream.endpoints()[0].status.pid.unwrap());
            }
        };
        let (answer, ()) = tokio::join!(calling, killing);
        assert!(matches!(answer, Err(Error::Lost { .. })), "{answer:?}");
        assert_eq!(group.calls()[0], times);
        group.end().await;
    }
}

fn kill(pid: u32) {
    let pid = rustix::process::Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
}

pub(crate) async fn a_second_endpoint_is_asked_where_the_first_takes_long() {
    let group = Group::ready(&[(Kind::Stdio, LEGACY), (Kind::Http, LEGACY)], |settings| {
        settings.balance = BalanceStrategy::RoundRobin;
        settings.retry.trust_hints = true;
        settings.retry.hedge_after = Some(TimeSpan::from_millis(20));
    })
    .await;
    let hint = r#""result":{"tools":[{"name":"hold","annotations":{"idempotentHint":true}}]}"#;
    group.fakes.iter().for_each(|fake| fake.script("tools/list", hint));
    group.fakes.iter().for_each(|fake| fake.add_tool("more"));
    let holds = |lists: &switchboard_core::Lists| lists.tools.iter().any(|it| it.key == "hold");
    group.news.until(|| group.upstream.view().lists.is_some_and(|lists| holds(&lists))).await;
    let trail = Arc::<Trail>::default();
    let ann = Context { trail: Some(Arc::clone(&trail)), ..of("ann") };
    let answer = loop {
        let calling = call(&group.upstream, &ann, "hold");
        let releasing = async {
            // What the lists say is acted on a moment after it is shown.
            let both = async {
                while group.calls().contains(&0) {
                    tokio::task::yield_now().await;
                }
            };
            if tokio::time::timeout(Duration::from_millis(500), both).await.is_ok() {
                group.fakes[1].until("held", 1).await;
                // What is held may be a call that was given up before.
                loop {
                    group.fakes[1].release();
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
            }
        };
        tokio::select! {
            answer = calling => break answer,
            () = releasing => {}
        }
    };
    assert_eq!(answer.unwrap().endpoint.as_deref(), Some("group.2"));
    assert_eq!(trail.went().endpoint.as_deref(), Some("group.2"), "the one that answered");
    group.fakes[0].until("cancelled hold", 1).await;
    group.end().await;
}

pub(crate) async fn what_is_kept_at_an_endpoint_is_asked_there() {
    let group = Group::ready(&BOTH, |_| {}).await;
    for name in ["group", "group.2"] {
        for _ in 0..4 {
            let context = of("ann").at(Some(name));
            let answer = call(&group.upstream, &context, "echo").await.unwrap();
            assert_eq!(answer.endpoint.as_deref(), Some(name));
        }
    }
    let answer = call(&group.upstream, &of("ann").at(Some("group.9")), "echo").await;
    assert!(matches!(answer, Err(Error::Invalid(_))), "{answer:?}");
    group.end().await;
}

pub(crate) async fn each_session_has_an_instance_of_its_own() {
    for (kind, count) in [(Kind::Stdio, "start"), (Kind::Http, "initialize")] {
        let apart = |settings: &mut Settings| settings.sharing = Sharing::PerSession;
        let bench = Bench::with(kind, Behaviour::new(LEGACY), apart).await;
        let (ann, over) = in_session("ann");
        let (again, _kept) = in_session("ann");
        for context in [&ann, &again, &ann, &again] {
            call(&bench.upstream, context, "echo").await.unwrap();
        }
        assert_eq!(bench.fake.count(count), 2, "{kind:?} {:#?}", bench.fake.seen());
        assert_eq!(bench.upstream.endpoints().len(), 3);
        over.cancel();
        bench.until("closed", |upstream| upstream.endpoints().len() == 2).await;
        call(&bench.upstream, &again, "echo").await.unwrap();
        assert_eq!(bench.fake.count(count), 2);
        // Who has no session shares with the same principal.
        for who in ["ann", "bob", "ann", "bob"] {
            call(&bench.upstream, &of(who), "echo").await.unwrap();
        }
        assert_eq!(bench.fake.count(count), 4);
        bench.end().await;
    }
}

/// Has the server change its lists while it has a call.
async fn change_in_a_call(bench: &Bench) {
    let calling = bench.call("hold");
    let changing = async {
        bench.fake.until("held", 1).await;
        bench.fake.add_tool("more");
        bench.until("what it did to be noticed", |it| it.keeps_state().is_some()).await;
        bench.fake.release();
    };
    tokio::join!(calling, changing);
}

pub(crate) async fn a_server_that_keeps_state_is_reported() {
    for kind in [Kind::Stdio, Kind::Http] {
        let bench = Bench::new(kind, LEGACY).await;
        bench.call("echo").await;
        bench.fake.add_tool("other");
        bench.until("the list", |it| it.view().lists.is_some_and(|it| it.tools.len() > 1)).await;
        assert_eq!(bench.upstream.keeps_state(), None, "it changed when nobody called");
        change_in_a_call(&bench).await;
        assert!(!bench.upstream.is_set_apart());
        assert_eq!(bench.upstream.endpoints().len(), 1);
        bench.end().await;
    }
}

pub(crate) async fn a_server_that_keeps_state_is_set_apart() {
    let auto = |settings: &mut Settings| settings.sharing = Sharing::Auto;
    let bench = Bench::with(Kind::Stdio, Behaviour::new(LEGACY), auto).await;
    let (ann, _over) = in_session("ann");
    let (bob, _too) = in_session("bob");
    for context in [&ann, &bob] {
        call(&bench.upstream, context, "echo").await.unwrap();
    }
    assert_eq!(bench.fake.count("start"), 1, "all share it");
    change_in_a_call(&bench).await;
    assert!(bench.upstream.is_set_apart());
    for context in [&ann, &bob, &ann] {
        call(&bench.upstream, context, "echo").await.unwrap();
    }
    assert_eq!(bench.fake.count("start"), 3, "each has its own");
    bench.end().await;
}

pub(crate) async fn instances_make_room_for_others() {
    let apart = |settings: &mut Settings| {
        settings.sharing = Sharing::PerPrincipal;
        settings.instances = 2;
    };
    let bench = Bench::with(Kind::Stdio, Behaviour::new(LEGACY), apart).await;
    for who in ["ann", "bob", "ann", "eve"] {
        call(&bench.upstream, &of(who), "echo").await.unwrap();
    }
    // Bob's was the one that was not used for longest.
    call(&bench.upstream, &of("ann"), "echo").await.unwrap();
    assert_eq!(bench.fake.count("start"), 3);
    let [ann, eve] = [of("ann"), of("eve")];
    let held = [&ann, &eve].map(|who| call(&bench.upstream, who, "hold"));
    let other = async {
        bench.fake.until("held", 2).await;
        let refused = call(&bench.upstream, &of("bob"), "echo").await;
        assert!(matches!(refused, Err(Error::Busy { .. })), "{refused:?}");
        bench.fake.release();
    };
    let (answers, ()) = tokio::join!(join_all(held), other);
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    bench.end().await;
}

pub(crate) async fn a_pool_grows_while_all_are_busy_and_shrinks() {
    let pool = |settings: &mut Settings| {
        let idle = TimeSpan::from_millis(100);
        settings.pool = Some(PoolSettings { min: 1, max: 2, idle });
    };
    let bench = Bench::with(Kind::Stdio, Behaviour::new(LEGACY), pool).await;
    let context = of("ann");
    let held = (0..4).map(|_| call(&bench.upstream, &context, "hold"));
    let more = async {
        bench.fake.until("held", 4).await;
        let two = |upstream: &Upstream| {
            upstream.endpoints().iter().filter(|it| it.status.state == State::Ready).count() == 2
        };
        bench.until("two instances", two).await;
        let under_way: Vec<_> = bench.upstream.endpoints().iter().map(|it| it.in_flight).collect();
        assert_eq!(under_way, [2, 2]);
        bench.fake.release();
    };
    let (answers, ()) = tokio::join!(join_all(held), more);
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    assert_eq!(bench.fake.count("start"), 2);
    bench.until("one instance", |upstream| upstream.endpoints().len() == 1).await;
    call(&bench.upstream, &context, "echo").await.unwrap();
    bench.end().await;
}

pub(crate) async fn calls_to_what_fails_are_stopped_for_a_while() {
    let breaker = |settings: &mut Settings| {
        settings.timeout = TimeSpan::from_millis(50);
        settings.breaker.failures = 2;
        settings.breaker.open = TimeSpan::from_millis(400);
    };
    let bench = Bench::with(Kind::Http, Behaviour::new(MODERN), breaker).await;
    break_it(&bench).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    for _ in 0..3 {
        call(&bench.upstream, &of("ann"), "echo").await.unwrap();
    }
    assert_eq!(bench.upstream.endpoints()[0].breaker, "closed");
    bench.end().await;
}

/// What one client sends that is refused at the door is no reason to keep the others out.
pub(crate) async fn refusals_at_the_door_stop_no_calls() {
    let breaker = |settings: &mut Settings| settings.breaker.failures = 2;
    let bench = Bench::with(Kind::Http, Behaviour::new(MODERN), breaker).await;
    for tool in ["http_413", "http_400", "http_429"] {
        for _ in 0..5 {
            let answer = call(&bench.upstream, &of("ann"), tool).await;
            let is_refusal = match tool {
                "http_429" => matches!(answer, Err(Error::Busy { .. })),
                _ => matches!(answer, Err(Error::Declined { .. })),
            };
            assert!(is_refusal, "{tool}: {answer:?}");
        }
        call(&bench.upstream, &of("bob"), "echo").await.unwrap();
        assert_eq!(bench.upstream.endpoints()[0].breaker, "closed", "{tool}");
    }
    bench.end().await;
}

/// It starts well each time.
pub(crate) async fn a_server_that_dies_of_its_calls_is_left_in_peace() {
    let breaker = |settings: &mut Settings| {
        settings.breaker.failures = 3;
        settings.breaker.open = TimeSpan::from_mins(60);
    };
    let bench = Bench::with(Kind::Stdio, Behaviour::new(LEGACY), breaker).await;
    for round in 1..=3 {
        let answer = call(&bench.upstream, &of("ann"), "die").await;
        assert!(matches!(answer, Err(Error::Lost { .. })), "{round}: {answer:?}");
        bench.until("another", |it| it.status().restarts == round).await;
        bench.until_state(State::Ready).await;
    }
    assert_eq!(bench.upstream.endpoints()[0].breaker, "open");
    let answer = call(&bench.upstream, &of("ann"), "echo").await;
    assert!(matches!(answer, Err(Error::Unavailable { .. })), "{answer:?}");
    bench.end().await;
}

pub(crate) async fn a_rest_neither_stops_calls_nor_lets_them_in() {
    let change = |settings: &mut Settings| {
        settings.timeout = TimeSpan::from_millis(50);
        settings.idle_stop = Some(TimeSpan::from_millis(200));
        settings.breaker.failures = 2;
        settings.breaker.open = TimeSpan::from_mins(60);
        settings.health.interval = TimeSpan::from_secs(0);
    };
    let bench = Bench::with(Kind::Http, Behaviour::new(MODERN), change).await;
    break_it(&bench).await;
    bench.until_state(State::Dormant).await;
    assert_eq!(bench.upstream.endpoints()[0].breaker, "open");
    bench.upstream.wake();
    bench.until_state(State::Ready).await;
    assert_eq!(bench.upstream.endpoints()[0].breaker, "open");
    bench.end().await;
}

/// Each waits for the end of its session, and ends before that where it makes room for another.
pub(crate) async fn what_made_room_for_others_leaves_nothing() {
    let apart = |settings: &mut Settings| {
        settings.sharing = Sharing::PerSession;
        settings.instances = 1;
    };
    let bench = Bench::with(Kind::Http, Behaviour::new(MODERN), apart).await;
    let sessions: Vec<_> = (0..2).map(|_| in_session("ann")).collect();
    let alive = || tokio::runtime::Handle::current().metrics().num_alive_tasks();
    let mut before = 0;
    for round in 0..30 {
        call(&bench.upstream, &sessions[round % 2].0, "echo").await.unwrap();
        if round == 5 {
            before = alive();
        }
    }
    // Connections and owners of those that went end by and by.
    let settled = async {
        while alive() > before + 8 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let settled = tokio::time::timeout(PATIENCE, settled).await.is_ok();
    assert!(settled, "{before} tasks before, {} after", alive());
    bench.end().await;
}

/// One that gets no calls rests, whatever the others get.
pub(crate) async fn an_endpoint_without_calls_rests() {
    let brief = TimeSpan::from_millis(150);
    let kinds = [(Kind::Stdio, LEGACY), (Kind::Stdio, LEGACY)];
    let idle = |settings: &mut Settings| settings.idle_stop = Some(brief);
    let group = Group::ready(&kinds, idle).await;
    // What the first alone has.
    group.fakes[0].add_tool("progress");
    let knows = |lists: &switchboard_core::Lists| lists.tools.iter().any(|it| it.key == "progress");
    group.news.until(|| group.upstream.view().lists.is_some_and(|lists| knows(&lists))).await;
    let before: Vec<_> = group.fakes.iter().map(|fake| fake.count("start")).collect();
    let resting = || {
        let endpoints = group.upstream.endpoints();
        endpoints.iter().filter(|it| it.status.state == State::Dormant).count()
    };
    let calling = async {
        loop {
            call(&group.upstream, &of("ann"), "progress").await.unwrap();
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let rests = async {
        group.news.until(|| resting() == 1).await;
        // As long as it takes to stop several times.
        tokio::time::sleep(brief.as_duration() * 5).await;
    };
    tokio::select! {
        () = calling => {}
        () = rests => {}
    }
    assert_eq!(group.fakes[1].count("start"), before[1]);
    group.end().await;
}

/// Both fail, and neither is asked again.
pub(crate) async fn a_second_endpoint_that_was_asked_is_not_asked_again() {
    let group = Group::ready(&[(Kind::Stdio, LEGACY), (Kind::Stdio, LEGACY)], |settings| {
        settings.balance = BalanceStrategy::RoundRobin;
        settings.retry.trust_hints = true;
        settings.retry.hedge_after = Some(TimeSpan::from_millis(20));
    })
    .await;
    let hint = r#""result":{"tools":[{"name":"never","annotations":{"readOnlyHint":true}}]}"#;
    group.fakes.iter().for_each(|fake| fake.script("tools/list", hint));
    group.fakes.iter().for_each(|fake| fake.add_tool("more"));
    let knows = |lists: &switchboard_core::Lists| lists.tools.iter().any(|it| it.key == "never");
    let all_know = || group.upstream.view().lists.is_some_and(|lists| knows(&lists));
    group.news.until(all_know).await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    let ann = of("ann");
    let calling = call(&group.upstream, &ann, "never");
    let killing = async {
        for fake in &group.fakes {
            fake.until("call never", 1).await;
        }
        for endpoint in group.upstream.endpoints() {
            kill(endpoint.status.pid.unwrap());
        }
    };
    let (answer, ()) = tokio::join!(calling, killing);
    assert!(matches!(answer, Err(Error::Lost { .. })), "{answer:?}");
    assert_eq!(group.calls(), [1, 1]);
    group.end().await;
}

pub(crate) async fn what_is_sent_again_at_one_endpoint_is_in_the_budget() {
    for (burst, requests) in [(30, 2), (0, 1)] {
        let answer = |seen: &Seen| match seen.method() {
            "prompts/list" => Reply::Events(": and it ends\n\n".to_owned()),
            _ => legacy(seen).unwrap_or(Reply::Status(405)),
        };
        let web = Web::changed(move |settings| settings.retry.burst = burst, answer).await;
        let request = Request { method: Method::PromptsList, params: None, name: None };
        let asked = of("ann");
        let answer = tokio::time::timeout(PATIENCE, web.upstream.request(&asked, request)).await;
        assert!(matches!(answer.unwrap(), Err(Error::Lost { .. })), "{burst}");
        assert_eq!(web.seen("prompts/list").len(), requests, "{burst}");
        let counts = web.upstream.counts();
        assert_eq!(
            (counts.retries, counts.retries_denied),
            if burst > 0 { (1, 0) } else { (0, 1) }
        );
        web.end().await;
    }
}

/// Lets calls fail until no more are sent.
async fn break_it(bench: &Bench) {
    call(&bench.upstream, &of("ann"), "echo").await.unwrap();
    for _ in 0..2 {
        let answer = call(&bench.upstream, &of("ann"), "never").await;
        assert!(matches!(answer, Err(Error::TimedOut { .. })), "{answer:?}");
    }
    let answer = call(&bench.upstream, &of("ann"), "echo").await;
    let Err(Error::Unavailable { cause, .. }) = answer else { panic!("{answer:?}") };
    assert!(cause.starts_with("it failed too often; it is tried again in"), "{cause}");
    assert_eq!(bench.fake.count("call echo"), 1);
    assert_eq!(bench.upstream.endpoints()[0].breaker, "open");
}

pub(crate) async fn nobody_waits_behind_all_the_calls_of_another() {
    let one = |settings: &mut Settings| settings.in_flight = 1;
    let bench = Bench::with(Kind::Stdio, Behaviour::new(LEGACY), one).await;
    call(&bench.upstream, &of("ann"), "echo").await.unwrap();
    let done = Arc::new(std::sync::Mutex::new(Vec::new()));
    let calling = |who: &'static str, tool: &'static str| {
        let (upstream, done) = (Arc::clone(&bench.upstream), Arc::clone(&done));
        async move {
            call(&upstream, &of(who), tool).await.unwrap();
            done.lock().unwrap().push(who);
        }
    };
    let waiting = || bench.upstream.counts().queue.waiting;
    let until = async |count: usize| {
        while waiting() < count {
            tokio::task::yield_now().await;
        }
    };
    let mut all = tokio::task::JoinSet::new();
    all.spawn(calling("ann", "hold"));
    bench.fake.until("held", 1).await;
    for place in 0..5 {
        all.spawn(calling("ann", "echo"));
        until(place + 1).await;
    }
    all.spawn(calling("bob", "echo"));
    until(6).await;
    bench.fake.release();
    tokio::time::timeout(PATIENCE, async { while all.join_next().await.is_some() {} })
        .await
        .unwrap();
    let place = done.lock().unwrap().iter().position(|who| *who == "bob").unwrap();
    assert!(place <= 2, "{:?}", done.lock().unwrap());
    bench.end().await;
}
