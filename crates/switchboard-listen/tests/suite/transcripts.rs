//! Every transcript over every listener, upstream and revision.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use switchboard_auth::Sealer;
use switchboard_core::{Catalog, Gateway, Member, Peer, Principal, Snapshot};
use switchboard_egress::{EgressSettings, Guard};
use switchboard_mcp::{Era, Json, Members, ProtocolVersion};
use switchboard_oauth::{OauthSettings, Store};
use switchboard_process::{Options, Spawner};
use switchboard_testkit::transcript::{Step, Transcript, end_to_end, load};
use switchboard_testkit::{Fake, Scripted};
use switchboard_upstream::{
    Environment, Events, HttpConfig, ListCache, Settings, Status, StdioConfig, Upstream,
};
use tokio::sync::Notify;
use tokio_util::task::TaskTracker;

use crate::carrier::{Carrier, Talk};
use crate::house::{House, new, old};

pub(crate) async fn transcripts_over_stdio() {
    check_all(true).await;
}

pub(crate) async fn transcripts_over_http() {
    check_all(false).await;
}

async fn check_all(stdio: bool) {
    let transcripts = load();
    assert!(!transcripts.is_empty());
    for version in ProtocolVersion::ALL {
        let back = Back::open(stdio, version).await;
        let house = House::around(Arc::clone(&back.gateway), Scripted::default(), |_| {}).await;
        for era in [Era::Legacy, Era::Modern] {
            for mut client in Client::all(&house, era).await {
                for transcript in &transcripts {
                    let place = format!("{} {client} {version} stdio:{stdio}", transcript.name);
                    play(transcript, &mut client, &back.fake, &place).await;
                }
            }
        }
        house.end().await;
        back.close().await;
    }
}

async fn play(transcript: &Transcript, client: &mut Client, fake: &Fake, place: &str) {
    let mut heard = Vec::new();
    let mut asked = String::new();
    for (line, step) in &transcript.steps {
        let place = format!("{place}, line {line}");
        match step {
            Step::Answer { method, member } => fake.script(method, member),
            Step::Ask { method, params } => {
                heard = client.ask(method, params).await;
                asked.clone_from(params);
            }
            Step::Arrived(expected) => {
                let seen = fake.seen();
                let last = seen.iter().rev().find_map(|entry| entry.strip_prefix("< ")).unwrap();
                let (method, params) = last.split_once(' ').unwrap();
                assert_eq!(format!("{method} {}", end_to_end(params)), *expected, "{place}");
            }
            Step::Progress(count) => {
                let token = asked.split("\"progressToken\":").nth(1).unwrap_or("}");
                let token = token.split('}').next().unwrap();
                assert_eq!(heard.len(), count + 1, "{place}: {heard:?}");
                for (number, message) in (1..=*count).zip(&heard) {
                    let expected = format!(
                        "\"params\":{{\"progressToken\":{token},\"progress\":{number},\"x-future\":1.10}}"
                    );
                    assert!(message.contains(&expected), "{place}: {message}");
                }
            }
            Step::Told { era, .. } if era.is_some_and(|era| era != client.era()) => {}
            Step::Told { what, .. } => assert_eq!(told(heard.last().unwrap()), *what, "{place}"),
        }
    }
}

/// The answer as transcripts write it.
fn told(message: &str) -> String {
    let json = Json::parse(message.to_owned().into()).unwrap();
    let members = json.members().unwrap();
    if let Some(result) = members.get("result") {
        return format!("result {}", end_to_end(result.get()));
    }
    let error = Members::parse(members.get("error").unwrap()).unwrap();
    let code: i64 = error.read("code").unwrap();
    format!("error {code} {}", error.read::<String>("message").unwrap())
}

/// A gateway with one server behind it.
struct Back {
    gateway: Arc<Gateway>,
    fake: Fake,
    upstream: Arc<Upstream>,
    spawner: Spawner,
    _directory: tempfile::TempDir,
}

struct News(Notify);

impl Events for News {
    fn lists_changed(&self, _: &str) {
        self.0.notify_one();
    }

    fn state_changed(&self, _: &str, _: &Status) {}
}

impl Back {
    async fn open(stdio: bool, version: ProtocolVersion) -> Self {
        let fake = Fake::start(version).await;
        let directory = tempfile::tempdir().unwrap();
        let options = Options { state_dir: directory.path().join("state"), guard: None };
        let (spawner, _) = Spawner::start(options).await.unwrap();
        let news = Arc::new(News(Notify::new()));
        let environment = Environment {
            dialer: None,
            spawner: spawner.clone(),
            child_variables: BTreeMap::new(),
            cache: ListCache::new(directory.path().join("lists")),
            guard: Guard::new(&EgressSettings::default()).unwrap(),
            logins: Store::open(directory.path()).unwrap(),
            owner: Principal::new("owner"),
            tasks: TaskTracker::new(),
            events: Arc::clone(&news) as Arc<dyn Events>,
        };
        let upstream = Upstream::new("fake", settings(stdio, &fake), environment).unwrap();
        upstream.wake();
        while upstream.view().lists.is_none() {
            let heard = tokio::time::timeout(Duration::from_secs(15), news.0.notified()).await;
            assert!(heard.is_ok(), "{:?} {:?}", upstream.status(), fake.seen());
        }
        let member = Member {
            name: "fake".into(),
            prefix: upstream.prefix().clone(),
            filter: upstream.filter(),
            peer: Arc::clone(&upstream) as Arc<dyn Peer>,
            lists: upstream.view().lists,
            learning: false,
        };
        let catalog = Catalog::build(vec![member]);
        let gateway = Gateway::new(
            Snapshot { catalog, list_wait: Duration::ZERO, ..Snapshot::default() },
            Arc::new(Sealer::random()),
        );
        Self { gateway: Arc::new(gateway), fake, upstream, spawner, _directory: directory }
    }

    async fn close(self) {
        self.upstream.stop().await;
        assert!(self.spawner.close(Duration::from_secs(1)).await.is_empty());
    }
}

fn settings(stdio: bool, fake: &Fake) -> Settings {
    let (command, args) = fake.command();
    let args = serde_json::from_value(serde_json::json!(args)).unwrap();
    let child = StdioConfig { command, args, env: BTreeMap::new(), cwd: None };
    let server =
        HttpConfig { url: fake.url(), headers: BTreeMap::new(), oauth: OauthSettings::default() };
    Settings {
        stdio: stdio.then_some(child),
        http: (!stdio).then_some(server),
        ..Settings::default()
    }
}

/// A client of one era over one kind of listener.
enum Client {
    HttpLegacy(crate::house::Client, String),
    HttpModern(crate::house::Client),
    Conversation(Carrier, Era, Box<Talk>),
}

impl fmt::Display for Client {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::HttpLegacy(..) => f.write_str("http legacy"),
            Self::HttpModern(_) => f.write_str("http modern"),
            Self::Conversation(carrier, era, _) => write!(f, "{carrier} {era:?}"),
        }
    }
}

impl Client {
    /// A client over every listener that has the era.
    async fn all(house: &House, era: Era) -> Vec<Self> {
        let client = house.connect().await;
        let http = match era {
            Era::Legacy => Self::HttpLegacy(client, house.session("2025-06-18").await),
            Era::Modern => Self::HttpModern(client),
        };
        let mut all = vec![http];
        let carriers = match era {
            Era::Legacy => &Carrier::ALL[..],
            Era::Modern => &Carrier::OF_BOTH_ERAS[..],
        };
        for carrier in carriers {
            let talk = match era {
                Era::Legacy => Talk::legacy(house, *carrier, "2025-06-18").await,
                Era::Modern => Talk::begin(house, *carrier).await,
            };
            all.push(Self::Conversation(*carrier, era, Box::new(talk)));
        }
        all
    }

    fn era(&self) -> Era {
        match self {
            Self::HttpLegacy(..) => Era::Legacy,
            Self::HttpModern(_) => Era::Modern,
            Self::Conversation(_, era, _) => *era,
        }
    }

    /// Sends a request; gives every message up to the answer.
    async fn ask(&mut self, method: &str, params: &str) -> Vec<String> {
        let inner = params.strip_prefix('{').and_then(|text| text.strip_suffix('}')).unwrap();
        let body = match self.era() {
            Era::Legacy => old("1", method, inner),
            Era::Modern => match inner.split_once(",\"_meta\":{") {
                Some((rest, meta)) => new("1", method, rest, meta.strip_suffix('}').unwrap()),
                None => new("1", method, inner, ""),
            },
        };
        match self {
            Self::HttpLegacy(client, session) => {
                let (_, body) = client.ask(&format!("POST s={session}"), body).await;
                messages(&body)
            }
            Self::HttpModern(client) => {
                let value: serde_json::Value = serde_json::from_str(params).unwrap();
                let name = value["name"].as_str().or(value["uri"].as_str()).unwrap_or_default();
                let request = format!("POST v=2026-07-28 m={method} n={name}");
                let (_, body) = client.ask(&request, body).await;
                messages(&body)
            }
            Self::Conversation(_, _, talk) => {
                talk.say(body).await;
                let mut heard = Vec::new();
                loop {
                    heard.push(talk.hear().await);
                    if !heard.last().unwrap().contains("\"method\":") {
                        return heard;
                    }
                }
            }
        }
    }
}

/// The messages of a body: of a stream, or the one that it is.
fn messages(body: &str) -> Vec<String> {
    if body.starts_with('{') {
        return vec![body.to_owned()];
    }
    body.lines().filter_map(|line| line.strip_prefix("data: ")).map(str::to_owned).collect()
}
