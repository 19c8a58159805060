//! What a user answers reaches the server that asked, and no other.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use serde_json::{Value, json};
use switchboard_mcp::{ClientCapabilities, Json, Method, ProtocolVersion, RpcError};

use super::{Gateway, Snapshot};
use crate::catalog::{Catalog, Member};
use crate::error::Error;
use crate::filter::Filter;
use crate::lists::{Capabilities, Item, Kind, Lists};
use crate::name::Prefix;
use crate::peer::{Context, Peer, Request, Response};
use crate::principal::Principal;
use crate::seal::bare::Bare;

/// Asks who it is before it answers anything, unless it has nothing.
struct Asker {
    has_nothing: bool,
    /// Its own `requestState`.
    state: Option<&'static str>,
    seen: Mutex<Vec<Value>>,
}

impl Asker {
    fn new(has_nothing: bool, state: Option<&'static str>) -> Arc<Self> {
        Arc::new(Self { has_nothing, state, seen: Mutex::default() })
    }

    /// The answers and the state of each request since it was last looked at.
    fn took(&self) -> Vec<(Value, Value)> {
        let seen = std::mem::take(&mut *self.seen.lock().unwrap());
        let brought = |it: Value| (it["inputResponses"].clone(), it["requestState"].clone());
        seen.into_iter().map(brought).collect()
    }
}

#[async_trait]
impl Peer for Asker {
    async fn request(&self, _: &Context, request: Request) -> Result<Response, Error> {
        let params: Value = request.params.unwrap().view().unwrap();
        let is_answered = params["inputResponses"]["who"].is_object();
        self.seen.lock().unwrap().push(params);
        let version = ProtocolVersion::MODERN;
        if self.has_nothing {
            let error = RpcError::new(-32602, "resource not found");
            return Err(Error::Server { error, version });
        }
        let result = if is_answered {
            json!({ "contents": [] })
        } else {
            let params = json!({ "message": "who are you?" });
            let who = json!({ "method": "elicitation/create", "params": params });
            let mut asks =
                json!({ "resultType": "input_required", "inputRequests": { "who": who } });
            if let Some(state) = self.state {
                asks["requestState"] = json!(state);
            }
            asks
        };
        Ok(Response::new(Json::encode(&result), version))
    }
}

/// With the tool `t`, and resources of which it lists none.
fn member(name: &str, prefix: &str, peer: &Arc<Asker>) -> Member {
    let tool = Json::parse(Bytes::from_static(b"{\"name\":\"t\"}")).unwrap();
    let lists = Lists {
        capabilities: Capabilities { resources: true, ..Default::default() },
        tools: Item::read(Kind::Tools, tool).into_iter().collect(),
        ..Default::default()
    };
    Member {
        name: name.into(),
        prefix: Prefix::new(prefix).unwrap(),
        filter: Filter::default(),
        peer: Arc::clone(peer) as Arc<dyn Peer>,
        lists: Some(Arc::new(lists)),
        learning: false,
    }
}

fn snapshot(members: Vec<Member>) -> Snapshot {
    Snapshot { catalog: Catalog::build(members), list_wait: Duration::ZERO, ..Snapshot::default() }
}

fn gateway(members: Vec<Member>) -> Gateway {
    Gateway::new(snapshot(members), Arc::new(Bare))
}

async fn ask(gateway: &Gateway, method: &Method, params: &Value) -> Value {
    let mut context = Context::new(Principal::new("ann"), ProtocolVersion::MODERN);
    let declared = Json::parse(Bytes::from_static(b"{\"elicitation\":{}}")).unwrap();
    context.capabilities = ClientCapabilities::read(declared);
    let name = params["uri"].as_str().or_else(|| params["name"].as_str()).map(str::to_owned);
    let request = Request { method: method.clone(), params: Some(Json::encode(params)), name };
    match gateway.request(&context, request).await {
        Ok(response) => response.result.view().unwrap(),
        Err(error) => json!(error.to_rpc(context.version, method).to_string()),
    }
}

/// `params` with an answer, and with the state of `asked` where it is to have one.
fn answered(params: &Value, asked: Option<&Value>) -> Value {
    let mut retry = params.clone();
    retry["inputResponses"] = json!({ "who": { "action": "accept" } });
    if let Some(asked) = asked {
        assert_eq!(asked["resultType"], "input_required", "{asked}");
        retry["requestState"] = asked["requestState"].clone();
    }
    retry
}

const NOTHING: (Value, Value) = (Value::Null, Value::Null);

#[tokio::test]
async fn an_answer_about_an_unlisted_resource_goes_to_who_asked() {
    for state in [Some("of b"), None] {
        let (a, b) = (Asker::new(true, None), Asker::new(false, state));
        let gateway = gateway(vec![member("a", "a", &a), member("b", "b", &b)]);
        let read = json!({ "uri": "x://1" });
        let asked = ask(&gateway, &Method::ResourcesRead, &read).await;
        assert!(asked["requestState"].is_string(), "{asked}");
        assert_eq!((a.took(), b.took()), (vec![NOTHING], vec![NOTHING]));

        let retry = answered(&read, Some(&asked));
        let got = ask(&gateway, &Method::ResourcesRead, &retry).await;
        assert_eq!(got, json!({ "contents": [] }));
        assert_eq!(a.took(), [], "it did not ask");
        assert_eq!(b.took(), [(retry["inputResponses"].clone(), json!(state))]);

        // Nobody can tell whom these are for.
        let retry = answered(&read, None);
        let asked = ask(&gateway, &Method::ResourcesRead, &retry).await;
        assert_eq!(asked["resultType"], "input_required", "{asked}");
        assert_eq!((a.took(), b.took()), (vec![NOTHING], vec![NOTHING]));
    }
}

#[tokio::test]
async fn an_answer_does_not_follow_a_name_to_another_server() {
    let read = (Method::ResourcesRead, json!({ "uri": "x://1" }));
    let call = (Method::ToolsCall, json!({ "name": "x__t", "arguments": {} }));
    for (method, params) in [read, call] {
        let (a, b) = (Asker::new(false, None), Asker::new(false, Some("of b")));
        let gateway = gateway(vec![member("b", "x", &b)]);
        let asked = ask(&gateway, &method, &params).await;
        gateway.publish(snapshot(vec![member("a", "x", &a)]));
        let refused = ask(&gateway, &method, &answered(&params, Some(&asked))).await;
        let refused = refused.as_str().unwrap_or_default();
        assert!(
            refused.contains("of the server `b`") && refused.ends_with("(-32602)"),
            "{refused}"
        );
        assert_eq!(a.took(), [], "{method}: it did not ask");
        // Begun anew it is its own to ask.
        let asked = ask(&gateway, &method, &params).await;
        let got = ask(&gateway, &method, &answered(&params, Some(&asked))).await;
        assert_eq!(got, json!({ "contents": [] }));
    }
}
