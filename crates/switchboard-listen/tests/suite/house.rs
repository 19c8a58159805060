//! A listener with a peer in memory behind it, and a client that says what it likes.

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::{Duration, UNIX_EPOCH};

use async_trait::async_trait;
use bytes::Bytes;
use switchboard_auth::Sealer;
use switchboard_core::limit::{Limits, Rules};
use switchboard_core::{
    Admitted, Capabilities, Catalog, Credentials, Denied, Filter, Gateway, Item, Kind, Lists,
    Login, Member, Prefix, Principal, Snapshot, Tenant,
};
use switchboard_listen::http::{
    FrontDesk, HttpConfig, HttpListener, NoFront, Operations, Route, Tenants,
};
use switchboard_listen::{Bounds, Front};
use switchboard_mcp::Json;
use switchboard_testkit::Scripted;
use switchboard_testkit::raw::{Head, Wire};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::asker::Asker;

pub(crate) struct House {
    pub address: SocketAddr,
    pub gateway: Arc<Gateway>,
    pub front: Arc<Front>,
    pub peer: Scripted,
    pub draining: CancellationToken,
    pub stop: CancellationToken,
    pub bounds: Bounds,
    keys: Arc<Keys>,
    neighbours: Arc<Neighbours>,
}

/// Other tenants: their fronts, which stand in front of gateways of their own.
#[derive(Default)]
struct Neighbours(Mutex<HashMap<Tenant, Arc<Front>>>);

#[async_trait]
impl Tenants for Neighbours {
    async fn front(&self, tenant: &Tenant) -> Result<Arc<Front>, NoFront> {
        self.0.lock().unwrap().get(tenant).cloned().ok_or(NoFront::Unknown)
    }
}

/// `ann` for the key `k1`, which may be taken back, `bob` for `k2`; `ended` ends as it lets in.
#[derive(Default)]
struct Keys {
    revoked: Mutex<CancellationToken>,
}

impl Login for Keys {
    fn admit(&self, credentials: Credentials<'_>) -> Result<Admitted, Denied> {
        let Credentials::Http { tenant, headers, query, .. } = credentials else {
            return Ok(Admitted::for_good(Principal::new("ann")));
        };
        let of = |subject| Principal { tenant: tenant.clone(), ..Principal::new(subject) };
        let revoked = self.revoked.lock().unwrap().clone();
        let key = headers.iter().find(|(name, _)| *name == "x-api-key").map(|(_, key)| *key);
        let mut query = query.unwrap_or_default().split('&');
        let key =
            key.or_else(|| query.find_map(|part| Some(part.strip_prefix("api_key=")?.as_bytes())));
        match key {
            Some(b"k1") if !revoked.is_cancelled() => {
                Ok(Admitted { principal: of("ann"), revoked })
            }
            Some(b"k2") => Ok(Admitted::for_good(of("bob"))),
            Some(b"ended") => {
                let admitted = Admitted::for_good(of("ann"));
                admitted.revoked.cancel();
                Ok(admitted)
            }
            None | Some(b"") => Err(Denied::missing("a key is needed")),
            Some(_) => Err(Denied::invalid("a key is needed")),
        }
    }
}

struct Quiet;

impl Operations for Quiet {
    fn health(&self) -> (bool, String) {
        (true, "{\"status\":\"ok\"}".to_owned())
    }

    fn metrics(&self) -> (String, &'static str) {
        ("# metrics\n".to_owned(), "text/plain")
    }

    fn answered(&self, _: Route, _: u16) {}

    fn rejected(&self, _: &'static str) {}
}

impl House {
    pub(crate) async fn new() -> Self {
        Self::with(|_| {}).await
    }

    pub(crate) async fn with(change: impl FnOnce(&mut HttpConfig)) -> Self {
        let peer = Scripted::default();
        let gateway =
            Arc::new(Gateway::new(snapshot(&peer, &["echo"]), Arc::new(Sealer::random())));
        Self::around(gateway, peer, change).await
    }

    /// A house with rules, by their names.
    pub(crate) async fn limited(
        rules: serde_json::Value,
        change: impl FnOnce(&mut HttpConfig),
    ) -> Self {
        let peer = Scripted::default();
        let gateway = Gateway::new(snapshot(&peer, &["echo"]), Arc::new(Sealer::random()));
        let config = serde_json::from_value(serde_json::json!({ "rule": rules })).unwrap();
        let limits = Limits::new(Rules::new(&config).unwrap(), UNIX_EPOCH);
        let gateway = Arc::new(gateway.with_limits(Arc::new(limits)));
        Self::around(gateway, peer, change).await
    }

    /// A listener in front of a gateway that is there already.
    pub(crate) async fn around(
        gateway: Arc<Gateway>,
        peer: Scripted,
        change: impl FnOnce(&mut HttpConfig),
    ) -> Self {
        let mut config = HttpConfig { port: 0, ..HttpConfig::default() };
        config.allowed_hosts = vec!["gate.example".to_owned()];
        config.allowed_origins = vec!["https://app.example".to_owned()];
        change(&mut config);
        let (draining, stop) = (CancellationToken::new(), CancellationToken::new());
        let front = Front::new(Arc::clone(&gateway), TaskTracker::new(), draining.clone());
        let front = Arc::new(front);
        let listener = HttpListener::bind(&config).await.unwrap();
        let address = listener.address();
        let keys = Arc::<Keys>::default();
        let login = Arc::<Keys>::clone(&keys);
        let neighbours = Arc::<Neighbours>::default();
        let desk = FrontDesk {
            tenants: Arc::<Neighbours>::clone(&neighbours),
            ..FrontDesk::new(Arc::clone(&front), login, Arc::new(Quiet))
        };
        let bounds = listener.bounds();
        let serving = listener.serve(config, desk, stop.clone());
        front.tasks.spawn(serving);
        Self { address, gateway, front, peer, draining, stop, bounds, keys, neighbours }
    }

    /// Serves another tenant beside, whose server is the same peer and lists `tools`.
    pub(crate) fn let_in(&self, tenant: &str, tools: &[&str]) -> Arc<Front> {
        let gateway = Gateway::new(snapshot(&self.peer, tools), Arc::clone(self.gateway.seal()));
        let front = self.front.beside(Arc::new(gateway), self.draining.child_token());
        let (front, tenant) = (Arc::new(front), Tenant::parse(tenant).unwrap());
        self.neighbours.0.lock().unwrap().insert(tenant, Arc::clone(&front));
        front
    }

    /// Serves a tenant no longer.
    pub(crate) fn let_out(&self, tenant: &str) {
        let front = self.neighbours.0.lock().unwrap().remove(&Tenant::parse(tenant).unwrap());
        front.unwrap().draining.cancel();
    }

    /// Lists these tools from now on, which changes the list.
    pub(crate) fn list(&self, tools: &[&str]) {
        self.gateway.publish(snapshot(&self.peer, tools));
    }

    /// Lets nobody in by `k1` any more.
    pub(crate) fn revoke(&self) {
        self.keys.revoked.lock().unwrap().cancel();
    }

    /// Lets in by `k1` again, as by a key that is new.
    pub(crate) fn revoke_nothing(&self) {
        *self.keys.revoked.lock().unwrap() = CancellationToken::new();
    }

    pub(crate) async fn connect(&self) -> Client {
        Client {
            wire: Wire::connect(self.address).await,
            address: self.address,
            events: VecDeque::new(),
            last_event: String::new(),
        }
    }

    /// Sends one request on a connection of its own; see [`Client::send`].
    pub(crate) async fn ask(&self, request: &str, body: impl AsRef<[u8]>) -> (Head, String) {
        let mut client = self.connect().await;
        client.ask(request, body).await
    }

    /// Opens a session and gives its id.
    pub(crate) async fn session(&self, version: &str) -> String {
        let (head, body) = self.ask("POST", initialize(version)).await;
        assert!(body.contains(version), "{body}");
        head.header("mcp-session-id").unwrap().to_owned()
    }

    pub(crate) async fn end(self) {
        self.draining.cancel();
        self.stop.cancel();
        self.front.tasks.close();
        let ended = tokio::time::timeout(Duration::from_secs(15), self.front.tasks.wait()).await;
        assert!(ended.is_ok(), "something goes on after the drain");
    }
}

fn snapshot(peer: &Scripted, tools: &[&str]) -> Snapshot {
    let items = tools.iter().filter_map(|name| {
        let text = format!("{{\"name\":\"{name}\",\"x-future\":1.10}}");
        Item::read(Kind::Tools, Json::parse(Bytes::from(text)).unwrap())
    });
    let callable =
        ["hold", "report_and_hold", "never", "progress", "refuse", "unavailable", "ask", "log"];
    let callable = callable.iter().filter_map(|name| {
        let text = format!("{{\"name\":\"{name}\"}}");
        Item::read(Kind::Tools, Json::parse(Bytes::from(text)).unwrap())
    });
    let lists = Lists {
        capabilities: Capabilities { tools: true, resources: true, ..Capabilities::default() },
        tools: items.chain(callable).collect(),
        offered: Some(Json::parse(Bytes::from_static(b"{\"logging\":{}}")).unwrap()),
        ..Lists::default()
    };
    let member = Member {
        name: "test".into(),
        prefix: Prefix::new("").unwrap(),
        filter: Filter::default(),
        peer: Arc::new(Asker(peer.clone())),
        lists: Some(Arc::new(lists)),
        learning: false,
    };
    Snapshot {
        catalog: Catalog::build(vec![member]),
        list_wait: Duration::from_secs(5),
        ..Snapshot::default()
    }
}

/// Runs a test in which time stands still, and jumps when everybody waits.
pub(crate) async fn still(test: impl Future<Output = ()> + Send + 'static) {
    let running = tokio::task::spawn_blocking(|| {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build()
            .unwrap();
        runtime.block_on(test);
    });
    running.await.unwrap();
}

/// One connection.
pub(crate) struct Client {
    pub wire: Wire,
    address: SocketAddr,
    /// Read and not yet handed out.
    events: VecDeque<String>,
    /// The id of the last event that was read, or nothing.
    pub last_event: String,
}

/// The short names that requests in tables have for headers, and what is sent where a table says
/// nothing of them.
const HEADERS: &[(&str, &str, Option<&str>)] = &[
    ("host", "Host", Some("localhost")),
    ("key", "X-API-Key", Some("k1")),
    ("type", "Content-Type", Some("application/json")),
    ("accept", "Accept", Some("application/json,text/event-stream")),
    ("v", "MCP-Protocol-Version", None),
    ("m", "Mcp-Method", None),
    ("n", "Mcp-Name", None),
    ("region", "Mcp-Param-Region", None),
    ("s", "Mcp-Session-Id", None),
    ("part", "Part-Id", None),
    ("from", "X-Forwarded-For", None),
    ("last", "Last-Event-ID", None),
    ("origin", "Origin", None),
    ("length", "Content-Length", None),
    ("encoding", "Transfer-Encoding", None),
    ("ask-method", "Access-Control-Request-Method", None),
    ("ask-headers", "Access-Control-Request-Headers", None),
];

impl Client {
    /// Sends `METHOD [/PATH] name=value …` with the short names of [`HEADERS`]; a name without a
    /// value leaves the header out.
    pub(crate) async fn send(&mut self, request: &str, body: impl AsRef<[u8]>) {
        let body = body.as_ref();
        let mut words = request.split_whitespace().peekable();
        let method = words.next().unwrap();
        let path = words.next_if(|word| word.starts_with('/')).unwrap_or("/mcp");
        let given: Vec<_> = words.map(|word| word.split_once('=').unwrap_or((word, ""))).collect();
        let mut text = format!("{method} {path} HTTP/1.1\r\n");
        for &(short, name, usual) in HEADERS {
            let values: Vec<_> = given.iter().filter(|(key, _)| *key == short).collect();
            if let (true, Some(usual)) = (values.is_empty(), usual) {
                text += &format!("{name}: {usual}\r\n");
            }
            for (_, value) in values.iter().filter(|(_, value)| !value.is_empty()) {
                text += &format!("{name}: {value}\r\n");
            }
        }
        if !request.contains("length=") && !request.contains("encoding=") {
            text += &format!("Content-Length: {}\r\n", body.len());
        }
        text += "\r\n";
        self.wire.send([text.as_bytes(), body].concat()).await;
    }

    pub(crate) async fn ask(&mut self, request: &str, body: impl AsRef<[u8]>) -> (Head, String) {
        self.send(request, body).await;
        let head = self.wire.head().await.unwrap_or_else(|| panic!("no answer to {request}"));
        let body = self.wire.body().await;
        (head, body)
    }

    /// Sends a request that is answered by a stream, and reads its head.
    pub(crate) async fn open(&mut self, request: &str, body: impl AsRef<[u8]>) -> Head {
        self.send(request, body).await;
        self.wire.head().await.unwrap()
    }

    /// The next event of a stream; `None` at its end. Comments are passed over.
    pub(crate) async fn event(&mut self) -> Option<String> {
        loop {
            if let Some(event) = self.events.pop_front() {
                return Some(event);
            }
            let piece = self.wire.piece().await?;
            for event in piece.split_terminator("\n\n").filter(|event| !event.starts_with(':')) {
                let data = event.lines().find_map(|line| line.strip_prefix("data: "));
                let data = data.unwrap_or_else(|| panic!("{piece:?}"));
                if let Some(id) = event.lines().find_map(|line| line.strip_prefix("id: ")) {
                    id.clone_into(&mut self.last_event);
                }
                // Without data it is something to resume from, and no message.
                if !data.is_empty() {
                    self.events.push_back(data.to_owned());
                }
            }
        }
    }

    /// A new connection in the place of this one, which closes.
    pub(crate) async fn reconnect(&mut self) {
        self.wire = Wire::connect(self.address).await;
    }
}

pub(crate) fn initialize(version: &str) -> String {
    format!(
        "{{\"jsonrpc\":\"2.0\",\"id\":0,\"method\":\"initialize\",\"params\":\
         {{\"protocolVersion\":\"{version}\",\"capabilities\":{{}},\
         \"clientInfo\":{{\"name\":\"t\",\"version\":\"1\"}}}}}}"
    )
}

/// A request of the legacy era.
pub(crate) fn old(id: &str, method: &str, params: &str) -> String {
    format!("{{\"jsonrpc\":\"2.0\",\"id\":{id},\"method\":\"{method}\",\"params\":{{{params}}}}}")
}

pub(crate) const ENVELOPE: &str = "\"io.modelcontextprotocol/protocolVersion\":\"2026-07-28\",\
    \"io.modelcontextprotocol/clientCapabilities\":{}";

/// A request of 2026-07-28, with more members of `params` and of `_meta`.
pub(crate) fn new(id: &str, method: &str, params: &str, meta: &str) -> String {
    let comma = |text: &str| if text.is_empty() { "" } else { "," };
    let (first, second) = (comma(params), comma(meta));
    old(id, method, &format!("{params}{first}\"_meta\":{{{ENVELOPE}{second}{meta}}}"))
}

#[track_caller]
pub(crate) fn has(text: &str, part: &str) {
    assert!(text.contains(part), "no `{part}` in {text}");
}

#[track_caller]
pub(crate) fn lacks(text: &str, part: &str) {
    assert!(!text.contains(part), "`{part}` in {text}");
}

#[track_caller]
pub(crate) fn status(head: &Head, expected: u16) {
    assert_eq!(head.status, expected);
}
