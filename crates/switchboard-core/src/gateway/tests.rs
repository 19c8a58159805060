mod access;
mod answers;
mod limited;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use switchboard_mcp::{Json, Method, ProtocolVersion, RpcError};

use super::{Change, Gateway, Snapshot};
use crate::catalog::{Catalog, Member};
use crate::error::Error;
use crate::filter::Filter;
use crate::lists::{Capabilities, Item, Kind, Lists};
use crate::name::Prefix;
use crate::peer::{Context, Peer, Request, Response};
use crate::principal::Principal;
use crate::seal::bare::Bare;

/// Has one tool, `echo`, and the resources that its name says.
struct Server(&'static str);

#[async_trait]
impl Peer for Server {
    async fn request(&self, _: &Context, request: Request) -> Result<Response, Error> {
        let name = request.name.unwrap_or_default();
        if request.method == Method::ResourcesRead && !name.starts_with(self.0) {
            let error = RpcError::new(-32002, format!("not mine: {name}"));
            return Err(Error::Server { error, version: ProtocolVersion::NEWEST_LEGACY });
        }
        let result = serde_json::json!({ "contents": [{ "uri": name, "text": self.0 }] });
        Ok(Response::new(Json::encode(&result), ProtocolVersion::NEWEST_LEGACY))
    }
}

fn member(name: &'static str, learning: bool) -> Member {
    let tool = Json::parse(Bytes::from_static(b"{\"name\":\"echo\"}")).unwrap();
    let capabilities = Capabilities { resources: true, ..Default::default() };
    let tools = Item::read(Kind::Tools, tool).into_iter().collect();
    let lists = Lists { capabilities, tools, ..Default::default() };
    Member {
        name: name.into(),
        prefix: Prefix::new(name).unwrap(),
        filter: Filter::default(),
        peer: Arc::new(Server(name)),
        lists: (!learning).then(|| Arc::new(lists)),
        learning,
    }
}

fn snapshot(members: &[(&'static str, bool)]) -> Snapshot {
    let members = members.iter().map(|(name, learning)| member(name, *learning)).collect();
    Snapshot {
        catalog: Catalog::build(members),
        list_wait: Duration::from_secs(5),
        ..Snapshot::default()
    }
}

fn gateway(members: &[(&'static str, bool)]) -> Gateway {
    Gateway::new(snapshot(members), Arc::new(Bare))
}

async fn ask(gateway: &Gateway, method: Method, name: &str) -> String {
    let version = ProtocolVersion::NEWEST_LEGACY;
    let context = Context::new(Principal::new("ann"), version);
    let request = Request { method: method.clone(), params: None, name: Some(name.to_owned()) };
    match gateway.request(&context, request).await {
        Ok(response) => response.result.to_string(),
        Err(error) => error.to_rpc(version, &method).to_string(),
    }
}

#[tokio::test]
async fn a_call_reaches_its_server_under_its_own_name() {
    let gateway = gateway(&[("git", false), ("fs", false)]);
    let answer = ask(&gateway, Method::ToolsCall, "fs__echo").await;
    assert_eq!(answer, r#"{"contents":[{"uri":"echo","text":"fs"}]}"#);
    let answer = ask(&gateway, Method::ToolsCall, "fs__none").await;
    assert_eq!(answer, "no tool named `fs__none` (-32602)");
    let answer = ask(&gateway, Method::Other("x/y".into()), "").await;
    assert_eq!(answer, "method `x/y` is not served here (-32601)");
    let answer = ask(&gateway, Method::Discover, "").await;
    assert_eq!(answer, "method `server/discover` is not served here (-32601)");
}

#[tokio::test]
async fn a_method_we_do_not_know_reaches_the_one_server_it_can_mean() {
    let gateway = gateway(&[("git", false)]);
    let answer = ask(&gateway, Method::Other("x/y".into()), "").await;
    assert!(answer.contains("\"text\":\"git\""), "{answer}");
}

#[tokio::test]
async fn servers_are_asked_for_an_unlisted_resource_until_one_has_it() {
    let gateway = gateway(&[("git", false), ("fs", false)]);
    let answer = ask(&gateway, Method::ResourcesRead, "fs://x").await;
    assert_eq!(answer, r#"{"contents":[{"uri":"fs://x","text":"fs"}]}"#);
    let answer = ask(&gateway, Method::ResourcesRead, "switchboard://fs/fs%3A%2F%2Fx").await;
    assert!(answer.contains("\"uri\":\"switchboard://fs/fs%3A%2F%2Fx\""), "{answer}");
    let answer = ask(&gateway, Method::ResourcesRead, "no://x").await;
    assert_eq!(answer, "not mine: no://x (-32002)");
}

/// Keeps who asked it for what.
#[derive(Default)]
struct Keeping(Mutex<Vec<String>>);

#[async_trait]
impl Peer for Keeping {
    async fn request(&self, context: &Context, request: Request) -> Result<Response, Error> {
        self.0.lock().unwrap().push(format!("{} {}", request.method, request.name.unwrap()));
        Ok(Response::new(Json::empty_object(), context.version))
    }
}

/// Which of them has the subscription nobody but they know.
#[tokio::test]
async fn every_server_that_may_have_a_subscription_hears_of_its_end() {
    let peers = [(); 3].map(|()| Arc::new(Keeping::default()));
    let subscribe = [true, true, false];
    let members = ["git", "fs", "web"].into_iter().zip(&peers).zip(subscribe);
    let members = members.map(|((name, peer), subscribe)| {
        let mut lists = Lists::clone(member(name, false).lists.as_deref().unwrap());
        lists.capabilities = Capabilities { resources: subscribe, subscribe, ..lists.capabilities };
        if name == "fs" {
            // Its alone by now.
            let listed = Json::parse(Bytes::from_static(b"{\"uri\":\"x:1\"}")).unwrap();
            lists.resources.extend(Item::read(Kind::Resources, listed));
        }
        let (peer, lists) = (Arc::clone(peer) as Arc<dyn Peer>, Some(Arc::new(lists)));
        Member { peer, lists, ..member(name, false) }
    });
    let catalog = Catalog::build(members.collect());
    let snapshot = Snapshot { catalog, list_wait: Duration::ZERO, ..Snapshot::default() };
    let gateway = Gateway::new(snapshot, Arc::new(Bare));
    assert_eq!(ask(&gateway, Method::Unsubscribe, "x:1").await, "{}");
    let heard = peers.each_ref().map(|peer| peer.0.lock().unwrap().clone());
    let once = || vec!["resources/unsubscribe x:1".to_owned()];
    assert_eq!(heard, [once(), once(), Vec::new()]);
}

#[tokio::test]
async fn a_modern_client_hears_which_resource_nobody_has() {
    let gateway = gateway(&[("git", false)]);
    let context = Context::new(Principal::new("ann"), ProtocolVersion::MODERN);
    let method = Method::ResourcesRead;
    let name = Some("no://x".to_owned());
    let request = Request { method: method.clone(), params: None, name };
    let error = gateway.request(&context, request).await.unwrap_err();
    let error = error.to_rpc(context.version, &method);
    assert_eq!(error.code, -32602);
    assert_eq!(error.data.unwrap().as_str(), r#"{"uri":"no://x"}"#);
}

#[tokio::test]
async fn publishing_takes_effect_for_the_next_call_and_is_announced() {
    let gateway = gateway(&[]);
    let mut changes = gateway.changes();
    assert!(ask(&gateway, Method::ToolsCall, "git__echo").await.starts_with("no tool"));
    gateway.publish(snapshot(&[("git", false)]));
    assert!(ask(&gateway, Method::ToolsCall, "git__echo").await.contains("contents"));
    assert_eq!(changes.try_recv(), Ok(Change::List(Kind::Tools)));
    assert!(changes.try_recv().is_err(), "no other list changed");
}

/// Notes which of its lists a client got.
#[derive(Default)]
struct Noting(Mutex<Vec<Kind>>);

#[async_trait]
impl Peer for Noting {
    async fn request(&self, _: &Context, request: Request) -> Result<Response, Error> {
        Err(Error::NoSuchMethod(request.method.to_string()))
    }

    fn listed(&self, kind: Kind) {
        self.0.lock().unwrap().push(kind);
    }
}

#[tokio::test]
async fn servers_hear_which_of_their_lists_is_wanted() {
    let peer = Arc::new(Noting::default());
    let noting = Member { peer: Arc::clone(&peer) as Arc<dyn Peer>, ..member("git", false) };
    let catalog = Catalog::build(vec![noting]);
    let snapshot = Snapshot { catalog, list_wait: Duration::ZERO, ..Snapshot::default() };
    let gateway = Gateway::new(snapshot, Arc::new(Bare));
    for method in
        [Method::ToolsList, Method::PromptsList, Method::ResourcesList, Method::TemplatesList]
    {
        ask(&gateway, method, "").await;
    }
    assert_eq!(*peer.0.lock().unwrap(), Kind::ALL);
}

#[tokio::test(start_paused = true)]
async fn a_list_waits_for_a_new_server_but_not_for_ever() {
    let gateway = Arc::new(gateway(&[("git", false), ("slow", true)]));
    let started = tokio::time::Instant::now();
    let list = ask(&gateway, Method::ToolsList, "").await;
    assert!(list.contains("git__echo") && list.contains(r#"["slow"]"#), "{list}");
    assert_eq!(started.elapsed(), Duration::from_secs(5));

    let waiting = {
        let gateway = Arc::clone(&gateway);
        async move { ask(&gateway, Method::ToolsList, "").await }
    };
    let learnt = async {
        tokio::task::yield_now().await;
        gateway.publish(snapshot(&[("git", false), ("slow", false)]));
    };
    let (list, ()) = tokio::join!(waiting, learnt);
    assert!(list.contains("slow__echo"), "{list}");
}
