//! A management surface over a store in memory, and clients of it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::stream::{BoxStream, StreamExt as _};
use http::{HeaderMap, Request, StatusCode};
use serde_json::{Value, json};
use switchboard_admin::{
    Admin, Body, CacheFacts, Checked, Document, ExplainWish, Explained, ExplainedAnswer,
    ExplainedPlace, ExplainedPolicy, ExplainedPrincipal, Facts, Inspected, LoginChange,
    LoginChanged, Moment, Offer, Operations, Package, Ports, Refused, ServerPhase, ServerState,
};
use switchboard_core::store::{Change, Row, Store, tables};
use switchboard_core::{
    Action, Area, Decision, Effect, Kind, Policy, Principal, Standing, Tenant, Wish,
};
use tokio_util::task::TaskTracker;

use crate::store::{Addresses, Memory};

pub(crate) struct House {
    pub(crate) admin: Admin,
    pub(crate) store: Arc<Memory>,
    pub(crate) daemon: Arc<Daemon>,
}

pub(crate) struct Answered {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

/// Who asks whom: a principal and the tenant that it addresses.
#[derive(Clone)]
pub(crate) struct Caller {
    pub(crate) principal: Principal,
    pub(crate) tenant: Tenant,
}

impl House {
    pub(crate) fn new() -> Self {
        let store = Arc::new(Memory::default());
        let daemon = Arc::new(Daemon { store: Arc::clone(&store), ..Daemon::default() });
        let admin = open(Arc::clone(&store) as _, &daemon);
        Self { admin, store, daemon }
    }

    /// One over another store; what its daemon writes is in memory all the same.
    pub(crate) fn over(store: Arc<dyn Store>) -> Self {
        let daemon = Arc::new(Daemon::default());
        Self { admin: open(store, &daemon), store: Arc::clone(&daemon.store), daemon }
    }

    pub(crate) async fn send(&self, caller: &Caller, request: Request<Bytes>) -> Answered {
        let response = self.admin.respond(&caller.principal, &caller.tenant, request).await;
        let (parts, body) = response.into_parts();
        let body = match body {
            Body::Whole(bytes) => bytes,
            Body::Stream(stream) => stream.map(|bytes| bytes.to_vec()).concat().await.into(),
        };
        let body = String::from_utf8(body.to_vec()).unwrap();
        Answered { status: parts.status, headers: parts.headers, body }
    }

    /// Sends JSON, or nothing where there is none.
    pub(crate) async fn ask(&self, caller: &Caller, line: &str, body: Option<Value>) -> Answered {
        let (method, path) = line.split_once(' ').unwrap();
        let request = Request::builder().method(method).uri(path);
        let request = request.header("content-type", "application/json");
        let body = body.map(|body| body.to_string()).unwrap_or_default();
        self.send(caller, request.body(body.into()).unwrap()).await
    }

    /// The answer of GraphQL, which is 200 whatever it says.
    pub(crate) async fn graphql(&self, caller: &Caller, query: &str, variables: Value) -> Value {
        let path = match caller.tenant.is_default() {
            true => "/graphql".to_owned(),
            false => format!("/{}/mcp_core_graphql", caller.tenant.endpoint()),
        };
        let body = json!({ "query": query, "variables": variables });
        let answered = self.ask(caller, &format!("POST {path}"), Some(body)).await;
        assert_eq!(answered.status, StatusCode::OK, "{}", answered.body);
        serde_json::from_str(&answered.body).unwrap()
    }

    /// The data of an answer without errors.
    pub(crate) async fn data(&self, caller: &Caller, query: &str, variables: Value) -> Value {
        let mut answer = self.graphql(caller, query, variables).await;
        assert_eq!(answer.get("errors"), None, "{query}");
        answer["data"].take()
    }

    /// The code and the message of the first error.
    pub(crate) async fn error(
        &self,
        caller: &Caller,
        query: &str,
        variables: Value,
    ) -> (String, String) {
        let answer = self.graphql(caller, query, variables).await;
        let error = &answer["errors"][0];
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        (text(&error["extensions"]["code"]), text(&error["message"]))
    }

    /// Events of a stream, as they come.
    pub(crate) async fn stream(
        &self,
        caller: &Caller,
        request: Request<Bytes>,
    ) -> Result<BoxStream<'static, String>, String> {
        let response = self.admin.respond(&caller.principal, &caller.tenant, request).await;
        match response.into_body() {
            Body::Stream(stream) => {
                Ok(stream.map(|bytes| String::from_utf8(bytes.to_vec()).unwrap()).boxed())
            }
            Body::Whole(bytes) => Err(String::from_utf8(bytes.to_vec()).unwrap()),
        }
    }
}

fn open(store: Arc<dyn Store>, daemon: &Arc<Daemon>) -> Admin {
    let blobs = Arc::clone(&daemon.blobs) as _;
    Admin::new(Ports {
        store,
        blobs,
        operations: Arc::clone(daemon) as _,
        policy: Arc::new(ByRole),
        clock: tick,
        tasks: TaskTracker::new(),
    })
}

/// A principal of a tenant with these roles.
pub(crate) fn caller(tenant: &str, subject: &str, roles: &[&str]) -> Caller {
    let tenant = Tenant::parse(tenant).unwrap();
    let roles = roles.iter().map(|role| (*role).into()).collect();
    let standing = Standing { roles, ..Standing::default() };
    Caller { principal: Principal::of(tenant.clone(), subject, standing), tenant }
}

/// Somebody who may do everything in a tenant.
pub(crate) fn admin(tenant: &str) -> Caller {
    caller(tenant, "user:ann", &["admin"])
}

/// A clock that goes on by a microsecond whenever somebody looks.
fn tick() -> SystemTime {
    static MICROS: AtomicU64 = AtomicU64::new(1_790_000_000_000_000);
    SystemTime::UNIX_EPOCH + Duration::from_micros(MICROS.fetch_add(1, Ordering::Relaxed))
}

/// Allows what is the name of a role: `inspect functions`, `manage keys`, `start programs`.
struct ByRole;

impl Policy for ByRole {
    fn decide(&self, principal: &Principal, wish: &Wish<'_>) -> Decision {
        let role = match wish.action {
            Action::Use { name, .. } => {
                return Decision { is_allowed: !name.starts_with("hidden"), rules: Vec::new() };
            }
            Action::Inspect(area) => format!("inspect {}", area.as_str()),
            Action::Manage(area) => format!("manage {}", area.as_str()),
            Action::Spawn => "start programs".to_owned(),
        };
        let is_allowed =
            principal.is_owner() || principal.has_role("admin") || principal.has_role(&role);
        Decision { is_allowed, rules: Vec::new() }
    }

    fn generation(&self) -> u64 {
        0
    }
}

/// A daemon that remembers what it was told.
#[derive(Default)]
pub(crate) struct Daemon {
    pub(crate) store: Arc<Memory>,
    pub(crate) previewed: Mutex<Vec<String>>,
    pub(crate) removed: Mutex<Vec<String>>,
    pub(crate) changed: Mutex<Vec<(String, Area)>>,
    pub(crate) previews: Mutex<Vec<Value>>,
    /// The definitions of bundles that were looked at.
    pub(crate) inspected: Mutex<Vec<Value>>,
    pub(crate) blobs: Arc<Addresses>,
}

fn offer(kind: Kind, name: &str) -> Offer {
    Offer {
        kind,
        server: "git".to_owned(),
        name: name.to_owned(),
        exposed: format!("git__{name}"),
        effect: Effect::Reads,
        item: json!({
            "name": name,
            "description": format!("does {name}"),
            "inputSchema": {"type": "object", "properties": {"firstName": {}, "last_name": {}}},
        }),
    }
}

#[async_trait]
impl Operations for Daemon {
    fn facts(&self) -> Facts {
        let started_at = Moment::at(SystemTime::UNIX_EPOCH + Duration::from_secs(1_790_000_000));
        Facts { server: "switchboard".to_owned(), version: "0.1.0".to_owned(), started_at }
    }

    async fn servers(&self, _: &Tenant) -> Vec<ServerState> {
        ["git", "mail"].map(state).into()
    }

    async fn offers(&self, _: &Tenant) -> Vec<Offer> {
        vec![
            offer(Kind::Tools, "log"),
            offer(Kind::Tools, "hidden_push"),
            offer(Kind::Prompts, "review"),
        ]
    }

    fn cache(&self, tenant: &Tenant) -> Option<CacheFacts> {
        let facts = CacheFacts { tools: 2, prompts: 1, module_links: 3, ..CacheFacts::default() };
        (tenant.as_str() == "acme").then_some(facts)
    }

    async fn refresh(&self, _: &Tenant, server: Option<&str>) -> Result<CacheFacts, Refused> {
        if server.is_some_and(|server| !["git", "mail"].contains(&server)) {
            let key = server.unwrap_or_default().to_owned();
            return Err(Refused::NotFound { what: "server", key });
        }
        Ok(CacheFacts { tools: 2, prompts: 1, ..CacheFacts::default() })
    }

    async fn purge(&self, tenant: Option<&Tenant>) -> Vec<Tenant> {
        match tenant {
            Some(tenant) => vec![tenant.clone()],
            None => vec![Tenant::default(), Tenant::parse("acme").unwrap()],
        }
    }

    fn check(&self, _: &Tenant, document: Document<'_>) -> Result<Checked, Refused> {
        match document {
            Document::Policy { text, .. } if !text.contains("permit") => {
                Err(Refused::Invalid("line 1: expected `permit`".to_owned()))
            }
            Document::Server { definition, .. } => {
                Ok(Checked { spawns: definition.get("stdio").is_some() })
            }
            _ => Ok(Checked::default()),
        }
    }

    async fn preview(&self, _: &Tenant, definition: &Value) -> Result<Vec<Offer>, Refused> {
        self.previews.lock().unwrap().push(definition.clone());
        let names = self.previewed.lock().unwrap().clone();
        if names.is_empty() {
            let detail = "connection refused by 10.0.0.7".to_owned();
            return Err(Refused::Unavailable { what: "the server", detail });
        }
        Ok(names.iter().map(|name| offer(Kind::Tools, name)).collect())
    }

    /// An archive that says that it is bad is bad, and every other is of the version that it says.
    async fn inspect(&self, _: &Tenant, package: Package<'_>) -> Result<Inspected, Refused> {
        let text = String::from_utf8_lossy(&package.content).into_owned();
        if text == "bad" {
            return Err(Refused::Invalid("the bundle cannot be served: it is bad".to_owned()));
        }
        if text == "free" && !package.may_spawn {
            return Err(Refused::Forbidden("start programs".to_owned()));
        }
        self.inspected.lock().unwrap().push(package.definition.clone());
        let digest = format!(
            "{:0<64}",
            package.content.iter().fold(String::new(), |hex, byte| { format!("{hex}{byte:02x}") })
        );
        Ok(Inspected { digest, version: Some(text), ..Inspected::default() })
    }

    fn package_limit(&self) -> u64 {
        16
    }

    async fn explain(
        &self,
        tenant: &Tenant,
        asks: Option<&Principal>,
        wish: ExplainWish,
    ) -> Result<Explained, Refused> {
        let subject = wish.principal.or(wish.subject);
        let subject = subject.or(asks.map(|it| it.subject.to_string())).unwrap_or_default();
        let principal = ExplainedPrincipal {
            tenant: tenant.to_string(),
            subject,
            name: None,
            method: "oidc".to_owned(),
            roles: wish.roles,
            scopes: wish.scopes,
            ended: None,
        };
        let place = ExplainedPlace { text: "policy.text".to_owned(), line: 1, column: 1 };
        let policy =
            ExplainedPolicy { id: "p".to_owned(), permits: true, is_of_tenant: false, place };
        let answer = ExplainedAnswer {
            about: wish.question,
            server: None,
            allowed: true,
            policies: vec![policy],
            scopes_in_the_way: Vec::new(),
            troubles: Vec::new(),
            is_shut: false,
        };
        let answers = vec![answer];
        Ok(Explained { allowed: true, principal, answers, depends_on_arguments: false })
    }

    async fn login(
        &self,
        tenant: &Tenant,
        by: &str,
        change: LoginChange,
    ) -> Result<LoginChanged, Refused> {
        assert!(by.starts_with("user:") || by == "owner", "{by}");
        let (table, change, changed) = match change {
            LoginChange::MakeKey(wish) => {
                let body = json!({"name": wish.name, "subject": wish.subject, "roles": wish.roles,
                    "scopes": wish.scopes, "created": 1_790_000_000, "digest": "0xsecret"});
                let row = Row::new("k1").with("body", body);
                let made =
                    LoginChanged::KeyMade { id: "k1".to_owned(), text: "sb-text".to_owned() };
                (&tables::KEYS, Change::Put(row), made)
            }
            LoginChange::RotateKey { id, grace } => {
                assert!(grace.as_secs() == 86_400 || grace.as_secs() == 60, "{grace:?}");
                let text = LoginChanged::KeyMade { id: id.clone(), text: "sb-next".to_owned() };
                (&tables::KEYS, Change::Update(Row::new(id)), text)
            }
            LoginChange::RevokeKey { id } => {
                (&tables::KEYS, Change::Delete(id), LoginChanged::Done)
            }
            LoginChange::PutUser(user) => {
                let body = json!({"password_hash": user.password, "roles": user.roles});
                let row = Row::new(user.name).with("body", body);
                (&tables::USERS, Change::Put(row), LoginChanged::Done)
            }
            LoginChange::RemoveUser { name } => {
                (&tables::USERS, Change::Delete(name), LoginChanged::Done)
            }
        };
        let written = self.store.write(table, tenant, vec![change]).await;
        let missing = |_| Refused::NotFound { what: "login", key: "that".to_owned() };
        written.map(|()| changed).map_err(missing)
    }

    async fn remove_tenant(&self, tenant: &Tenant, _: &str) -> Result<(), Refused> {
        self.removed.lock().unwrap().push(tenant.to_string());
        Ok(())
    }

    async fn changed(&self, tenant: &Tenant, area: Area) {
        self.changed.lock().unwrap().push((tenant.to_string(), area));
    }
}

pub(crate) fn state(name: &str) -> ServerState {
    ServerState {
        name: name.to_owned(),
        state: ServerPhase::Open,
        transport: "stdio".to_owned(),
        tools: Some(2),
        reason: None,
        since: None,
    }
}
