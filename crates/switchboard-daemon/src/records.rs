//! Recorded calls: what is known of them besides, and commands about them.

use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use serde_json::{Value, json};
use switchboard_client::control::{CallFilter, RecordedCall, Replayed, Reply};
use switchboard_core::store::StoreError;
use switchboard_core::{Call, Context, Gateway, Kind, Peer, Request, Tenant};
use switchboard_history::{Facts, Known, Page, difference, page, show as look_up};
use switchboard_mcp::{Json, Method, ProtocolVersion};
use tokio::time::Instant;

use crate::clock::now;
use crate::daemon::Daemon;
use crate::problem::StartProblem;
use crate::tenants::Tenants;

/// Knows of a call what the catalog of its tenant says, once it is told where catalogs are.
#[derive(Default)]
pub(crate) struct Catalogs {
    pub gateway: OnceLock<Weak<Gateway>>,
    pub tenants: OnceLock<Weak<Tenants>>,
}

impl Known for Catalogs {
    fn facts(&self, call: &Call) -> Facts {
        self.about(&call.principal.tenant, &call.method, &call.name)
    }
}

impl Catalogs {
    /// What is known of calls of `name` in `tenant` now.
    pub(crate) fn about(&self, tenant: &Tenant, method: &Method, name: &str) -> Facts {
        let of_tenant = || {
            let tenants = self.tenants.get()?.upgrade()?;
            tenants.gateway(tenant)
        };
        let gateway = match tenant.is_default() {
            true => self.gateway.get().and_then(Weak::upgrade),
            false => of_tenant(),
        };
        let Some(gateway) = gateway else { return Facts::default() };
        let catalog = &gateway.snapshot().catalog;
        let kind = kind_of(method);
        let route = match kind {
            Kind::Resources => catalog.resource_routes(name).into_iter().next(),
            _ => catalog.route(kind, name).ok(),
        };
        let Some(route) = route else { return Facts::default() };
        let schema = catalog.item(kind, &route).and_then(|item| {
            let members = item.json.members().ok()?;
            Some(item.json.part(members.get("inputSchema")?))
        });
        Facts { upstream: Some(catalog.upstream_name(&route)), schema }
    }
}

/// How long a store may take to write what is about to be read.
const PATIENCE: Duration = Duration::from_secs(2);

/// The newest calls of a tenant.
pub(crate) async fn list(
    daemon: &Daemon,
    tenant: Option<&str>,
    filter: &CallFilter,
    after: Option<&str>,
    limit: u32,
) -> Result<Reply, StartProblem> {
    let tenant = parse(tenant)?;
    settle(daemon).await;
    let wanted = Page { filter, after, limit };
    let listed = page(&*daemon.kept.store, &tenant, wanted, now()).await;
    listed.map(Reply::Calls).map_err(|error| unreadable(&error))
}

/// One call of a tenant.
pub(crate) async fn show(
    daemon: &Daemon,
    tenant: Option<&str>,
    id: &str,
) -> Result<Reply, StartProblem> {
    let call = find(daemon, &parse(tenant)?, id).await?;
    Ok(Reply::Call(Box::new(call)))
}

/// Makes a call of a tenant again, as the owner.
pub(crate) async fn replay(
    daemon: &Daemon,
    tenant: Option<&str>,
    id: &str,
    against: Option<&str>,
) -> Result<Reply, StartProblem> {
    let tenant = parse(tenant)?;
    let recorded = find(daemon, &tenant, id).await?;
    if !recorded.can_be_replayed {
        let message = format!("call {id} cannot be made again: its arguments are not on record");
        return Err(StartProblem::new("call-not-replayable", message)
            .because(recorded.notes.as_deref().unwrap_or("they were put out of sight"))
            .hint("`switchboard call` makes it with arguments that you give"));
    }
    let gateway = daemon.gateway_of(&tenant).await?;
    let Target { peer, upstream, request } = target(&gateway, &recorded, against)?;
    let mut context = Context::new(daemon.login.owner(), ProtocolVersion::NEWEST_LEGACY);
    context.principal.tenant = tenant;
    let begun = Instant::now();
    let outcome = peer.request(&context, request).await;
    let took = i64::try_from(begun.elapsed().as_micros()).unwrap_or(i64::MAX);
    let (result, error) = match outcome {
        Ok(response) => (response.result.view::<Value>().ok(), None),
        Err(error) => (None, Some(error.to_string())),
    };
    let before = recorded.result.as_ref().unwrap_or(&Value::Null);
    let difference = result.as_ref().map(|now| difference(before, now)).unwrap_or_default();
    let upstream = upstream.to_string();
    let replayed = Replayed { recorded, upstream, duration_us: took, result, error, difference };
    Ok(Reply::Replayed(Box::new(replayed)))
}

/// Who is to be asked, and for what.
struct Target {
    peer: Arc<dyn Peer>,
    upstream: Arc<str>,
    request: Request,
}

fn target(
    gateway: &Arc<Gateway>,
    recorded: &RecordedCall,
    against: Option<&str>,
) -> Result<Target, StartProblem> {
    let (method, member) = match recorded.kind.as_str() {
        "prompt" => (Method::PromptsGet, "name"),
        "resource" => (Method::ResourcesRead, "uri"),
        _ => (Method::ToolsCall, "name"),
    };
    let kind = kind_of(&method);
    let snapshot = gateway.snapshot();
    let catalog = &snapshot.catalog;
    let route = (kind != Kind::Resources).then(|| catalog.route(kind, &recorded.name));
    let refused = |error: switchboard_core::Error| {
        StartProblem::new("call-refused", error.to_string())
            .hint("`switchboard tools` lists what there is now")
    };
    let request = |name: &str| {
        let mut params = json!({ member: name });
        if let Some(arguments) = &recorded.arguments {
            params["arguments"] = arguments.clone();
        }
        let (params, name) = (Some(Json::encode(&params)), Some(name.to_owned()));
        Request { method: method.clone(), params, name }
    };
    let Some(against) = against else {
        let upstream = match &route {
            Some(Ok(route)) => Some(catalog.upstream_name(route)),
            _ => recorded.upstream.as_deref().map(Arc::from),
        };
        let upstream = upstream.unwrap_or_else(|| "nobody".into());
        let peer = Arc::clone(gateway) as Arc<dyn Peer>;
        return Ok(Target { peer, upstream, request: request(&recorded.name) });
    };
    let own_name = match route {
        Some(route) => route.map_err(refused)?.own_name,
        None => recorded.name.clone(),
    };
    let member = catalog.members().iter().find(|member| &*member.name == against);
    let member = member.ok_or_else(|| {
        StartProblem::new("upstream-unknown", format!("no upstream is named `{against}`"))
            .hint("`switchboard servers` lists them")
    })?;
    let (peer, upstream) = (Arc::clone(&member.peer), Arc::clone(&member.name));
    Ok(Target { peer, upstream, request: request(&own_name) })
}

/// Has written what was recorded until now: whoever asks has perhaps just called.
async fn settle(daemon: &Daemon) {
    if let Some(history) = &daemon.middle.history {
        history.settle(PATIENCE).await;
    }
}

async fn find(daemon: &Daemon, tenant: &Tenant, id: &str) -> Result<RecordedCall, StartProblem> {
    settle(daemon).await;
    let found =
        look_up(&*daemon.kept.store, tenant, id).await.map_err(|error| unreadable(&error))?;
    found.ok_or_else(|| {
        StartProblem::new("call-unknown", format!("no call `{id}` is on record"))
            .hint("`switchboard history` lists them; old ones are let go of (`history.keep`)")
    })
}

pub(crate) fn parse(tenant: Option<&str>) -> Result<Tenant, StartProblem> {
    let Some(tenant) = tenant else { return Ok(Tenant::default()) };
    Tenant::parse(tenant).map_err(|error| {
        StartProblem::new("tenant-invalid", error.to_string())
            .hint("`switchboard tenant list` shows those that there are")
    })
}

fn unreadable(error: &StoreError) -> StartProblem {
    StartProblem::new("store-failed", "the store cannot be read")
        .because(error)
        .hint("`switchboard logs` tells more")
}

fn kind_of(method: &Method) -> Kind {
    match method {
        Method::PromptsGet => Kind::Prompts,
        Method::ResourcesRead => Kind::Resources,
        _ => Kind::Tools,
    }
}
