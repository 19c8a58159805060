//! The contract over the links that are one connection to a server elsewhere: HTTP+SSE and
//! `WebSocket`. The server behind them is the reference server, which has both.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use futures_util::future::join_all;
use switchboard_core::Peer;
use switchboard_mcp::ProtocolVersion;
use switchboard_oauth::OauthSettings;
use switchboard_process::{Options, Spawner};
use switchboard_testkit::Reference;
use switchboard_upstream::{HttpConfig, Settings, SseConfig, State, Upstream, WebSocketConfig};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio_util::task::TaskTracker;

use crate::common::{LEGACY, MODERN, News, PATIENCE, Reports, call, call_with, environment};

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Kind {
    Sse,
    WebSocket,
}

/// HTTP+SSE has no place for 2026-07-28.
const ALL: [(Kind, ProtocolVersion); 3] =
    [(Kind::Sse, LEGACY), (Kind::WebSocket, LEGACY), (Kind::WebSocket, MODERN)];

/// An upstream, and a line to its server that can be listened to and cut.
struct Bench {
    upstream: Arc<Upstream>,
    server: Reference,
    line: Line,
    news: Arc<News>,
    tasks: TaskTracker,
    spawner: Spawner,
    _directory: tempfile::TempDir,
}

impl Bench {
    async fn new(kind: Kind, version: ProtocolVersion) -> Self {
        let server = Reference::start("far", version).await;
        let line = Line::to(server.url().split('/').nth(2).unwrap().to_owned()).await;
        let settings = match kind {
            Kind::Sse => over_sse(format!("http://{}/sse", line.address)),
            Kind::WebSocket => {
                let url = format!("ws://{}/ws", line.address);
                let websocket = Some(WebSocketConfig { url, headers: BTreeMap::new() });
                Settings { websocket, ..Settings::default() }
            }
        };
        let directory = tempfile::tempdir().unwrap();
        let options = Options { state_dir: directory.path().join("state"), guard: None };
        let (spawner, _) = Spawner::start(options).await.unwrap();
        let news = Arc::new(News::default());
        let environment = environment(&spawner, directory.path(), Arc::clone(&news));
        let tasks = environment.tasks.clone();
        let upstream = Upstream::new("fake", settings, environment).unwrap();
        Self { upstream, server, line, news, tasks, spawner, _directory: directory }
    }

    async fn call(&self, tool: &str) -> String {
        call(&self.upstream, tool, "{}").await
    }

    /// Stops the upstream, and sees to it that nothing of it goes on.
    async fn end(self) {
        tokio::time::timeout(PATIENCE, self.upstream.stop()).await.unwrap();
        assert_eq!(self.upstream.status().state, State::Stopped);
        ended(&self.tasks).await;
        assert!(self.spawner.close(std::time::Duration::from_secs(1)).await.is_empty());
    }
}

async fn ended(tasks: &TaskTracker) {
    tasks.close();
    let ended = tokio::time::timeout(PATIENCE, tasks.wait()).await;
    assert!(ended.is_ok(), "{} tasks outlive the link", tasks.len());
}

fn over_sse(url: String) -> Settings {
    let sse = Some(SseConfig { url, headers: BTreeMap::new() });
    Settings { sse, ..Settings::default() }
}

/// Passes bytes on, keeps those that go to the server, and can cut every connection at once.
struct Line {
    address: std::net::SocketAddr,
    sent: Arc<Mutex<Vec<u8>>>,
    cuts: watch::Sender<()>,
    _passing: tokio::task::JoinSet<()>,
}

impl Line {
    async fn to(server: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let sent = Arc::new(Mutex::new(Vec::new()));
        let cuts = watch::Sender::new(());
        let mut passing = tokio::task::JoinSet::new();
        let (kept, cut) = (Arc::clone(&sent), cuts.clone());
        passing.spawn(async move {
            let mut connections = tokio::task::JoinSet::new();
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect(&server).await.unwrap();
                let (kept, mut cut) = (Arc::clone(&kept), cut.subscribe());
                connections.spawn(async move {
                    tokio::select! {
                        () = pass(client, server, kept) => {}
                        _ = cut.changed() => {}
                    }
                });
            }
        });
        Self { address, sent, cuts, _passing: passing }
    }

    fn cut(&self) {
        self.cuts.send_replace(());
    }

    /// What went to the server, as far as it is text.
    fn sent(&self) -> String {
        String::from_utf8_lossy(&self.sent.lock().unwrap()).into_owned()
    }
}

async fn pass(client: TcpStream, server: TcpStream, kept: Arc<Mutex<Vec<u8>>>) {
    let (mut from_client, mut to_client) = client.into_split();
    let (mut from_server, mut to_server) = server.into_split();
    let up = async {
        let mut piece = vec![0; 16 << 10];
        while let Ok(length @ 1..) = from_client.read(&mut piece).await {
            kept.lock().unwrap().extend_from_slice(&piece[..length]);
            if to_server.write_all(&piece[..length]).await.is_err() {
                return;
            }
        }
    };
    let down = tokio::io::copy(&mut from_server, &mut to_client);
    tokio::select! {
        () = up => {}
        _ = down => {}
    }
}

pub(crate) async fn all_callers_share_one_session() {
    for (kind, version) in ALL {
        let bench = Bench::new(kind, version).await;
        let arguments: Vec<_> = (0..40).map(|number| format!("{{\"n\":{number}}}")).collect();
        let calls = arguments.iter().map(|arguments| call(&bench.upstream, "echo", arguments));
        for (arguments, answer) in arguments.iter().zip(join_all(calls).await) {
            assert!(answer.contains(arguments), "{kind:?} {version}: {answer}");
        }
        assert_eq!(bench.upstream.status().version, Some(version.as_str()));
        let opened = match kind {
            Kind::Sse => "GET /sse HTTP/1.1",
            Kind::WebSocket => "GET /ws HTTP/1.1",
        };
        assert_eq!(bench.line.sent().matches(opened).count(), 1, "{kind:?} {version}");
        bench.end().await;
    }
}

pub(crate) async fn what_comes_during_a_call_reaches_its_caller() {
    for (kind, version) in ALL {
        let bench = Bench::new(kind, version).await;
        let reports = Arc::new(Reports::default());
        let peer = Arc::clone(&reports) as Arc<dyn Peer>;
        call_with(&bench.upstream, "progress", "{}", Some(peer)).await;
        assert!(!reports.0.lock().unwrap().is_empty(), "{kind:?} {version}");
        bench.end().await;
    }
}

pub(crate) async fn who_leaves_cancels_the_call_only() {
    for (kind, version) in ALL {
        let bench = Bench::new(kind, version).await;
        tokio::select! {
            answer = bench.call("slow") => panic!("{answer}"),
            saw = bench.server.saw("call slow", 1) => assert!(saw, "{:?}", bench.server.seen()),
        }
        let saw = bench.server.saw("notified notifications/cancelled", 1).await;
        assert!(saw, "{kind:?} {version}: {:?}", bench.server.seen());
        assert!(bench.call("echo").await.contains("arguments"), "{kind:?} {version}");
        bench.end().await;
    }
}

pub(crate) async fn a_line_that_is_cut_is_opened_again() {
    for (kind, version) in ALL {
        let bench = Bench::new(kind, version).await;
        let cutting = async {
            assert!(bench.server.saw("call slow", 1).await, "{:?}", bench.server.seen());
            bench.line.cut();
        };
        let (answer, ()) = tokio::join!(bench.call("slow"), cutting);
        assert!(answer.starts_with("lost: "), "{kind:?} {version}: {answer}");
        assert!(bench.call("echo").await.contains("arguments"), "{kind:?} {version}");
        let slow = bench.server.seen().iter().filter(|it| it.starts_with("call slow")).count();
        assert_eq!(slow, 1, "{kind:?} {version}: not sent twice");
        bench.end().await;
    }
}

pub(crate) async fn a_list_that_changes_is_read_again() {
    for (kind, version) in ALL {
        let bench = Bench::new(kind, version).await;
        bench.call("echo").await;
        let tools = || bench.upstream.view().lists.map_or(0, |lists| lists.tools.len());
        bench.news.until(|| tools() > 0).await;
        if version == MODERN {
            assert!(bench.server.saw("listen", 1).await, "{:?}", bench.server.seen());
        }
        let before = tools();
        bench.call("add").await;
        bench.news.until(|| tools() == before + 1).await;
        bench.end().await;
    }
}

/// No server behind HTTP+SSE knows `server/discover`, and some fall silent at what they do not
/// know before `initialize`.
pub(crate) async fn a_server_over_sse_is_not_asked_for_its_era() {
    let bench = Bench::new(Kind::Sse, LEGACY).await;
    assert!(bench.call("echo").await.contains("arguments"));
    let sent = bench.line.sent();
    assert!(sent.contains("\"initialize\""), "{sent}");
    assert!(!sent.contains("server/discover"), "{sent}");
    bench.end().await;
}

/// Messages that are on their way to a server over HTTP+SSE at once, at most.
const CROWD: usize = 8;

/// What a server over HTTP+SSE says to the POST of a call of that name, by hand: `refuse` gets a
/// 500, `hang` nothing, `late` what it gets a moment later, `crowd` the same once there are eight of
/// it; all other requests are answered on the stream. `heard` has the messages as they were taken.
async fn serve_by_hand(
    listener: TcpListener,
    endpoint: &'static str,
    heard: watch::Sender<Vec<String>>,
) {
    let (events, _) = tokio::sync::broadcast::channel::<String>(64);
    let mut connections = tokio::task::JoinSet::new();
    while let Ok((mut stream, _)) = listener.accept().await {
        let (events, heard) = (events.clone(), heard.clone());
        connections.spawn(async move {
            let Some((head, body)) = request(&mut stream).await else { return };
            if head.starts_with("GET") {
                let mut said = events.subscribe();
                let opening = format!(
                    "HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n: hello\n\n\
                     event: endpoint\ndata: {endpoint}\n\n"
                );
                let _ = stream.write_all(opening.as_bytes()).await;
                while let Ok(text) = said.recv().await {
                    let _ = stream.write_all(text.as_bytes()).await;
                }
                return;
            }
            let message: serde_json::Value = serde_json::from_str(&body).unwrap();
            let name = message["params"]["name"].as_str();
            let hear = || {
                let said = name.or(message["method"].as_str()).unwrap_or_default().to_owned();
                heard.send_modify(|heard| heard.push(said));
            };
            if let Some(name @ ("late" | "crowd")) = name {
                let is_here = format!("{name} is here");
                let count = if name == "crowd" { CROWD } else { 1 };
                heard.send_modify(|heard| heard.push(is_here.clone()));
                let is_full = |heard: &Vec<String>| {
                    heard.iter().filter(|it| **it == is_here).count() >= count
                };
                let _ = heard.subscribe().wait_for(is_full).await;
                tokio::time::sleep(std::time::Duration::from_millis(300)).await;
            }
            hear();
            let status = match name {
                _ if !head.starts_with(&format!("POST {endpoint} ")) => "404 Not Found",
                Some("refuse") => "500 Internal Server Error",
                Some("hang") => return std::future::pending().await,
                _ => "202 Accepted",
            };
            let head =
                format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
            let _ = stream.write_all(head.as_bytes()).await;
            if status == "202 Accepted" && !message["id"].is_null() && name != Some("late") {
                let info = serde_json::json!({ "name": "hand", "version": "1" });
                let result = serde_json::json!({ "content": [], "protocolVersion": LEGACY.as_str(),
                    "capabilities": {}, "serverInfo": info });
                let answer =
                    serde_json::json!({ "jsonrpc": "2.0", "id": message["id"], "result": result });
                let _ = events.send(format!("event: message\ndata: {answer}\n\n"));
            }
        });
    }
}

async fn request(stream: &mut TcpStream) -> Option<(String, String)> {
    let mut read = Vec::new();
    loop {
        if let Some((head, body)) = String::from_utf8_lossy(&read).split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| {
                line.to_lowercase().strip_prefix("content-length: ")?.parse::<usize>().ok()
            });
            if body.len() >= length.unwrap_or(0) {
                return Some((head.to_owned(), body.to_owned()));
            }
        }
        if stream.read_buf(&mut read).await.ok()? == 0 {
            return None;
        }
    }
}

/// An upstream of a server by hand, which is up while `_serving` lives.
struct ByHand {
    upstream: Arc<Upstream>,
    tasks: TaskTracker,
    heard: watch::Receiver<Vec<String>>,
    _serving: tokio::task::JoinSet<()>,
}

impl ByHand {
    async fn until_heard(&mut self, what: &str) {
        let heard = self.heard.wait_for(|heard| heard.iter().any(|it| it == what));
        let heard = tokio::time::timeout(PATIENCE, heard).await.is_ok_and(|heard| heard.is_ok());
        assert!(heard, "never heard {what}");
    }

    async fn end(self) {
        tokio::time::timeout(PATIENCE, self.upstream.stop()).await.unwrap();
        ended(&self.tasks).await;
    }
}

async fn by_hand(endpoint: &'static str) -> ByHand {
    by_hand_as(endpoint, over_sse).await
}

async fn by_hand_as(endpoint: &'static str, settings: fn(String) -> Settings) -> ByHand {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/sse", listener.local_addr().unwrap());
    let (hears, heard) = watch::channel(Vec::new());
    let mut serving = tokio::task::JoinSet::new();
    serving.spawn(serve_by_hand(listener, endpoint, hears));
    let directory = tempfile::tempdir().unwrap();
    let options = Options { state_dir: directory.path().join("state"), guard: None };
    let (spawner, _) = Spawner::start(options).await.unwrap();
    let environment = environment(&spawner, directory.path(), Arc::new(News::default()));
    let tasks = environment.tasks.clone();
    let upstream = Upstream::new("fake", settings(url), environment).unwrap();
    ByHand { upstream, tasks, heard, _serving: serving }
}

pub(crate) async fn a_message_that_is_refused_concerns_its_caller_only() {
    let hand = by_hand("/messages?s=1").await;
    assert!(call(&hand.upstream, "echo", "{}").await.contains("content"));
    let answer = call(&hand.upstream, "refuse", "{}").await;
    assert!(answer.contains("the server answered 500"), "{answer}");
    assert!(call(&hand.upstream, "echo", "{}").await.contains("content"));
    assert_eq!(hand.upstream.status().restarts, 0, "the same session");
    hand.end().await;
}

pub(crate) async fn the_address_for_messages_may_name_another_in_its_query() {
    let hand = by_hand("/messages?back=http://elsewhere.example/").await;
    let answer = call(&hand.upstream, "echo", "{}").await;
    assert!(answer.contains("content"), "{answer}");
    hand.end().await;
}

pub(crate) async fn a_server_that_takes_no_message_does_not_keep_the_link() {
    let mut hand = by_hand("/messages?s=1").await;
    let upstream = Arc::clone(&hand.upstream);
    tokio::select! {
        answer = call(&upstream, "hang", "{}") => panic!("{answer}"),
        () = hand.until_heard("hang") => {}
    }
    hand.end().await;
}

pub(crate) async fn a_message_that_is_taken_slowly_holds_up_no_other() {
    let mut hand = by_hand("/messages?s=1").await;
    let upstream = Arc::clone(&hand.upstream);
    let others = async {
        hand.until_heard("hang").await;
        for _ in 0..20 {
            let answer = call(&upstream, "echo", "{}").await;
            assert!(answer.contains("content"), "{answer}");
        }
    };
    tokio::select! {
        answer = call(&upstream, "hang", "{}") => panic!("{answer}"),
        () = others => {}
    }
    hand.end().await;
}

pub(crate) async fn messages_on_their_way_are_so_many_at_most() {
    let hand = by_hand("/messages?s=1").await;
    let calls = (0..3 * CROWD).map(|_| call(&hand.upstream, "crowd", "{}"));
    for answer in join_all(calls).await {
        assert!(answer.contains("content"), "{answer}");
    }
    let (mut under_way, mut most) = (0, 0);
    for what in &*hand.heard.borrow() {
        match what.as_str() {
            "crowd is here" => under_way += 1,
            "crowd" => under_way -= 1,
            _ => {}
        }
        most = most.max(under_way);
    }
    assert_eq!(most, CROWD);
    hand.end().await;
}

pub(crate) async fn a_cancellation_follows_what_it_cancels() {
    let mut hand = by_hand("/messages?s=1").await;
    let upstream = Arc::clone(&hand.upstream);
    tokio::select! {
        answer = call(&upstream, "late", "{}") => panic!("{answer}"),
        () = hand.until_heard("late is here") => {}
    }
    hand.until_heard("notifications/cancelled").await;
    let heard = hand.heard.borrow().clone();
    let place = |what: &str| heard.iter().position(|it| it == what);
    assert!(place("late").is_some(), "not taken yet: {heard:?}");
    assert!(place("initialize") < place("notifications/initialized"), "{heard:?}");
    hand.end().await;
}

fn over_http(url: String) -> Settings {
    let http = Some(HttpConfig { url, headers: BTreeMap::new(), oauth: OauthSettings::default() });
    Settings { http, ..Settings::default() }
}

/// As clients find the servers of 2024-11-05 (2026-07-28, "Backward compatibility").
pub(crate) async fn a_server_that_takes_no_initialize_is_tried_over_sse() {
    let hand = by_hand_as("/messages?s=1", over_http).await;
    let answer = call(&hand.upstream, "echo", "{}").await;
    assert!(answer.contains("content"), "{answer}");
    assert_eq!(hand.upstream.status().version, Some(LEGACY.as_str()));
    hand.end().await;
}
