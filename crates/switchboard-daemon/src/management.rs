//! What the management surface asks of the running daemon.

use std::num::NonZeroU32;
use std::sync::{Arc, Weak};
use std::time::Duration;

use async_trait::async_trait;
use serde_json::Value;
use switchboard_admin::{
    CacheFacts, Checked, Document, ExplainWish, Explained, Facts, Inspected, LoginChange,
    LoginChanged, Moment, Offer, Operations, Package, Refused, ServerPhase, ServerState,
    UserChange,
};
use switchboard_auth::{ApiKeyError, ChangedUser, NewKey, NewUser, UserError};
use switchboard_client::control::UpstreamStatus;
use switchboard_core::limit::{LimitSettings, Rules};
use switchboard_core::store::StoreError;
use switchboard_core::{Area, Gateway, Kind, Principal, Tenant};
use switchboard_function::FunctionKind;
use switchboard_policy::Text;
use switchboard_upstream::{Environment, Events, ListCache, Settings, Status, Upstream};
use tokio::sync::Notify;

use crate::bundles::{self, Judged, Rejected};
use crate::clock::now;
use crate::daemon::Daemon;
use crate::explain::explain;
use crate::fleet::Fleet;
use crate::rules;

/// The daemon, for the management surface. It is held by what the daemon holds.
pub(crate) struct Management {
    daemon: Weak<Daemon>,
    started: Moment,
}

/// How long a server may take that is only looked at.
const PREVIEW: Duration = Duration::from_secs(20);

/// The name of a server that is only looked at.
const PREVIEWED: &str = "preview";

impl Management {
    pub(crate) fn new(daemon: &Arc<Daemon>) -> Self {
        Self { daemon: Arc::downgrade(daemon), started: Moment::at(now()) }
    }

    fn daemon(&self) -> Result<Arc<Daemon>, Refused> {
        let gone = || Refused::Unavailable { what: "the daemon", detail: "it ends".to_owned() };
        self.daemon.upgrade().ok_or_else(gone)
    }

    /// What serves `tenant`, put together if it is not yet.
    async fn served(&self, tenant: &Tenant) -> Result<(Arc<Gateway>, Arc<Fleet>), Refused> {
        let daemon = self.daemon()?;
        if tenant.is_default() {
            return Ok((Arc::clone(&daemon.gateway), Arc::clone(&daemon.fleet)));
        }
        let unknown = || Refused::NotFound { what: "tenant", key: tenant.to_string() };
        let tenants = daemon.tenants.get().ok_or_else(unknown)?;
        let residence = tenants.residence(tenant).await.map_err(|error| store(&error))?;
        let residence = residence.ok_or_else(unknown)?;
        Ok((Arc::clone(&residence.gateway), Arc::clone(&residence.fleet)))
    }

    /// The catalog of `tenant`, if it is served now.
    fn gateway(&self, tenant: &Tenant) -> Option<Arc<Gateway>> {
        let daemon = self.daemon.upgrade()?;
        match tenant.is_default() {
            true => Some(Arc::clone(&daemon.gateway)),
            false => daemon.tenants.get()?.gateway(tenant),
        }
    }
}

#[async_trait]
impl Operations for Management {
    fn facts(&self) -> Facts {
        Facts {
            server: "switchboard".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            started_at: self.started.clone(),
        }
    }

    async fn servers(&self, tenant: &Tenant) -> Vec<ServerState> {
        match self.served(tenant).await {
            Ok((_, fleet)) => fleet.status().into_iter().map(state).collect(),
            Err(_) => Vec::new(),
        }
    }

    async fn offers(&self, tenant: &Tenant) -> Vec<Offer> {
        match self.served(tenant).await {
            Ok((gateway, _)) => offers(&gateway),
            Err(_) => Vec::new(),
        }
    }

    fn cache(&self, tenant: &Tenant) -> Option<CacheFacts> {
        self.gateway(tenant).map(|gateway| facts(&gateway))
    }

    async fn refresh(&self, tenant: &Tenant, server: Option<&str>) -> Result<CacheFacts, Refused> {
        let (gateway, fleet) = self.served(tenant).await?;
        if let Some(server) = server
            && fleet.find(server).is_none()
        {
            return Err(Refused::NotFound { what: "server", key: server.to_owned() });
        }
        let daemon = self.daemon()?;
        if let Some(tenants) = daemon.tenants.get().map(Arc::clone) {
            let tenant = tenant.clone();
            // On its own: half of it done is what nobody would do again.
            let refreshed =
                daemon.environment.tasks.spawn(async move { tenants.refresh(&tenant).await });
            let refreshed = refreshed.await.map_err(|error| Refused::Failed(error.to_string()))?;
            refreshed.map_err(|error| store(&error))?;
        }
        fleet.read_again(server);
        Ok(facts(&gateway))
    }

    async fn purge(&self, tenant: Option<&Tenant>) -> Vec<Tenant> {
        let Ok(daemon) = self.daemon() else { return Vec::new() };
        let Some(tenants) = daemon.tenants.get() else { return Vec::new() };
        let mut purged = tenants.purge(tenant).await;
        // What the configuration file describes is there anyway; its lists are read again.
        if tenant.is_none_or(Tenant::is_default) {
            daemon.fleet.read_again(None);
            purged.push(Tenant::default());
        }
        purged
    }

    fn check(&self, tenant: &Tenant, document: Document<'_>) -> Result<Checked, Refused> {
        match document {
            Document::Server { name, definition } => {
                if tenant.is_default() {
                    let why = "the servers of this tenant stand in the configuration file";
                    return Err(Refused::Invalid(why.to_owned()));
                }
                let settings = settings(name, definition)?;
                let starts = settings.endpoints.iter().any(|it| it.stdio.is_some());
                Ok(Checked { spawns: settings.stdio.is_some() || starts })
            }
            Document::Policy { id, text } => {
                let text = Text::new(id, text);
                let checked = switchboard_policy::validate(&[text]);
                checked.map_err(|mistakes| Refused::Invalid(mistakes.to_string()))?;
                Ok(Checked::default())
            }
            Document::Limit { id, definition } => {
                let invalid = |error: String| Refused::Invalid(error);
                let settings: LimitSettings = serde_json::from_value(definition.clone())
                    .map_err(|error| invalid(error.to_string()))?;
                let checked = Rules::check_kept(tenant, id, &settings);
                checked.map_err(|error| invalid(error.to_string()))?;
                Ok(Checked::default())
            }
        }
    }

    async fn preview(&self, _: &Tenant, definition: &Value) -> Result<Vec<Offer>, Refused> {
        let settings = settings(PREVIEWED, definition)?;
        if settings.stdio.is_some() || settings.endpoints.iter().any(|it| it.stdio.is_some()) {
            let why = "a program is not started to be looked at; keep the server to use it";
            return Err(Refused::Invalid(why.to_owned()));
        }
        let daemon = self.daemon()?;
        look_at(settings, &daemon.environment).await
    }

    async fn inspect(&self, tenant: &Tenant, package: Package<'_>) -> Result<Inspected, Refused> {
        let daemon = self.daemon()?;
        let Package { name, content, signature, definition, may_spawn } = package;
        let config = bundles::definition(definition).map_err(Refused::Invalid)?;
        rules::bundle::pushed(name, &config)
            .map_err(|mistake| Refused::Invalid(mistake.diagnostic.to_string()))?;
        if tenant.is_default() && daemon.bundles.is_configured(name) {
            let why = format!("`{name}` stands in the configuration file, which comes first");
            return Err(Refused::Invalid(why));
        }
        let judged = daemon.bundles.judge((tenant, name), &config, (content, signature), may_spawn);
        match judged.await {
            Ok(judged) => Ok(inspected(&judged)),
            Err(Rejected::Wrong(problem)) => {
                Err(Refused::Invalid(format!("the bundle cannot be served: {problem}")))
            }
            Err(Rejected::Spawns) => Err(Refused::Forbidden("start programs".to_owned())),
        }
    }

    fn package_limit(&self) -> u64 {
        self.daemon().map_or(0, |daemon| daemon.bundles.package_limit())
    }

    async fn explain(
        &self,
        tenant: &Tenant,
        asks: Option<&Principal>,
        wish: ExplainWish,
    ) -> Result<Explained, Refused> {
        let (gateway, _) = self.served(tenant).await?;
        let daemon = self.daemon()?;
        explain(&daemon, (tenant, &gateway), asks, wish).await
    }

    async fn login(
        &self,
        tenant: &Tenant,
        by: &str,
        change: LoginChange,
    ) -> Result<LoginChanged, Refused> {
        let daemon = self.daemon()?;
        match change {
            LoginChange::MakeKey(wish) => {
                let expires = wish.expires_at.as_ref().and_then(Moment::time);
                let new = NewKey {
                    name: wish.name,
                    subject: wish.subject,
                    roles: wish.roles,
                    scopes: wish.scopes,
                    expires,
                    rate: wish.per_minute.and_then(NonZeroU32::new),
                };
                let made = daemon.identity.current().auth.keys.create(tenant, new, by).await;
                let made = made.map_err(|error| key(&error))?;
                Ok(LoginChanged::KeyMade { id: made.key.id.clone(), text: made.text })
            }
            LoginChange::RotateKey { id, grace } => {
                let auth = &daemon.identity.current().auth;
                let made = auth.keys.rotate(tenant, &id, grace, by).await;
                let made = made.map_err(|error| key(&error))?;
                Ok(LoginChanged::KeyMade { id: made.key.id.clone(), text: made.text })
            }
            LoginChange::RevokeKey { id } => {
                let revoked = daemon.identity.current().auth.keys.revoke(tenant, &id, by).await;
                revoked.map(|()| LoginChanged::Done).map_err(|error| key(&error))
            }
            LoginChange::PutUser(change) => {
                put_user(&daemon, tenant, by, change).await.map(|()| LoginChanged::Done)
            }
            LoginChange::RemoveUser { name } => {
                let removed = daemon.identity.current().auth.users.delete(tenant, &name).await;
                removed.map(|()| LoginChanged::Done).map_err(|error| user(&error))
            }
        }
    }

    async fn remove_tenant(&self, tenant: &Tenant, by: &str) -> Result<(), Refused> {
        let daemon = self.daemon()?;
        let unknown = || Refused::NotFound { what: "tenant", key: tenant.to_string() };
        let tenants = Arc::clone(daemon.tenants.get().ok_or_else(unknown)?);
        if !tenants.exists(tenant).await.map_err(|error| store(&error))? {
            return Err(unknown());
        }
        let (tenant, by) = (tenant.clone(), by.to_owned());
        let tasks = daemon.environment.tasks.clone();
        // On its own: half of a tenant is of use to nobody.
        let removed = tasks.spawn(async move {
            // First, so that streams that were opened with them end, and nobody comes again.
            daemon
                .identity
                .current()
                .auth
                .keys
                .revoke_all(&tenant, &by)
                .await
                .map_err(|error| key(&error))?;
            tenants.remove(&tenant).await.map_err(|error| store(&error))?;
            tracing::info!(%tenant, by, "a tenant was removed");
            Ok::<_, Refused>(())
        });
        removed.await.unwrap_or_else(|error| Err(Refused::Failed(error.to_string())))
    }

    async fn changed(&self, tenant: &Tenant, area: Area) {
        let Ok(daemon) = self.daemon() else { return };
        let tenant = tenant.clone();
        if let Some(tenants) = daemon.tenants.get() {
            tenants.changed(&tenant);
        }
        let tasks = daemon.environment.tasks.clone();
        // On its own: what was written has to hold also where whoever wrote it does not wait.
        let done = tasks.spawn(async move {
            match area {
                Area::Servers => {
                    if let Some(tenants) = daemon.tenants.get()
                        && let Err(error) = tenants.refresh(&tenant).await
                    {
                        tracing::error!(%error, %tenant, "the servers of a tenant are not known");
                    }
                }
                // Whoever is not served has its bundles read when it is.
                Area::Functions | Area::Settings if daemon.served_gateway(&tenant).is_some() => {
                    renew_bundles(&daemon, &tenant).await;
                }
                Area::Policies | Area::Limits => {
                    if let Some(gateway) = daemon.served_gateway(&tenant)
                        && daemon.middle.learn(&daemon.kept, &tenant).await
                    {
                        gateway.access_changed();
                    }
                }
                _ => {}
            }
        });
        // It panics nowhere, and who asked could do nothing about it.
        let _ = done.await;
    }
}

fn inspected(judged: &Judged) -> Inspected {
    let manifest = &judged.manifest;
    let count = |kinds: &[FunctionKind]| {
        manifest.functions.iter().filter(|function| kinds.contains(&function.kind)).count()
    };
    Inspected {
        digest: judged.digest.to_string(),
        version: manifest.version.clone(),
        configuration: manifest.configuration.clone(),
        tools: count(&[FunctionKind::Tool]),
        resources: count(&[FunctionKind::Resource, FunctionKind::Template]),
        prompts: count(&[FunctionKind::Prompt]),
    }
}

/// Serves the bundles of a tenant as they were pushed.
async fn renew_bundles(daemon: &Daemon, tenant: &Tenant) {
    let renewed = match daemon.bundles.is_outdated(tenant).await {
        Ok(false) => Ok(()),
        Ok(true) => daemon.renew_bundles_of(tenant).await,
        Err(error) => Err(error.to_string()),
    };
    if let Err(problem) = renewed {
        tracing::error!(problem, %tenant, "what was pushed is not served");
    }
}

async fn put_user(
    daemon: &Daemon,
    tenant: &Tenant,
    by: &str,
    change: UserChange,
) -> Result<(), Refused> {
    let UserChange { name, password, roles, scopes } = change;
    let identity = daemon.identity.current();
    let users = &identity.auth.users;
    let changed = ChangedUser { password, roles, scopes };
    let ChangedUser { password, roles, scopes } =
        match users.change(tenant, &name, &changed, by).await {
            Err(UserError::Missing(_)) => changed,
            outcome => return outcome.map_err(|error| user(&error)),
        };
    let Some(password) = password else {
        let why = "a new user needs a password";
        return Err(Refused::Invalid(why.to_owned()));
    };
    let new = NewUser { username: name, password, roles: roles.unwrap_or_default(), scopes };
    users.put(tenant, new, by).await.map_err(|error| user(&error))
}

/// What a server says of itself that is not kept.
async fn look_at(settings: Settings, environment: &Environment) -> Result<Vec<Offer>, Refused> {
    let heard = Arc::new(Heard::default());
    // What it lists is asked of it, and not of what others were told before.
    let nothing = tempfile::TempDir::with_prefix("switchboard-preview-");
    let nothing = nothing.map_err(|error| Refused::Failed(error.to_string()))?;
    let environment = Environment {
        events: Arc::<Heard>::clone(&heard),
        cache: ListCache::new(nothing.path().to_path_buf()),
        guard: environment.guard.for_tenants(),
        ..environment.clone()
    };
    let upstream = Upstream::new(PREVIEWED, settings, environment)
        .map_err(|error| Refused::Invalid(error.to_string()))?;
    upstream.wake();
    let learnt = async {
        loop {
            let changed = heard.0.notified();
            if let Some(lists) = upstream.view().lists {
                return Ok(lists);
            }
            if let Some(problem) = upstream.status().problem {
                return Err(Refused::Unavailable { what: "the server", detail: problem });
            }
            changed.await;
        }
    };
    let learnt = tokio::time::timeout(PREVIEW, learnt).await;
    upstream.stop().await;
    let lists = learnt.unwrap_or_else(|_| {
        let detail = format!("it did not answer within {} s", PREVIEW.as_secs());
        Err(Refused::Unavailable { what: "the server", detail })
    })?;
    let offer = |kind: Kind| {
        let items = lists.of(kind).iter();
        items.filter_map(move |item| {
            let value: Value = item.json.view().ok()?;
            let effect = switchboard_core::Effect::of_tool(&item.json);
            let (server, name) = (String::new(), item.key.clone());
            Some(Offer { kind, server, exposed: name.clone(), name, effect, item: value })
        })
    };
    Ok(Kind::ALL.into_iter().flat_map(offer).collect())
}

/// Hears of a server that is looked at.
#[derive(Default)]
struct Heard(Notify);

impl Events for Heard {
    fn lists_changed(&self, _: &str) {
        self.0.notify_one();
    }

    fn state_changed(&self, _: &str, _: &Status) {
        self.0.notify_one();
    }
}

fn settings(name: &str, definition: &Value) -> Result<Settings, Refused> {
    let settings: Settings = serde_json::from_value(definition.clone())
        .map_err(|error| Refused::Invalid(error.to_string()))?;
    rules::upstream(name, &settings)
        .map_err(|mistake| Refused::Invalid(mistake.diagnostic.message))?;
    Ok(settings)
}

fn offers(gateway: &Gateway) -> Vec<Offer> {
    let snapshot = gateway.snapshot();
    let catalog = &snapshot.catalog;
    let mut offers = Vec::new();
    for kind in Kind::ALL {
        for item in catalog.items(kind) {
            let value: Value = item.json.view().unwrap_or_default();
            offers.extend(catalog.find(kind, &item.key).map(|listed| Offer {
                kind,
                server: listed.server.to_owned(),
                name: listed.own_name.to_owned(),
                exposed: listed.shown_name.to_owned(),
                effect: listed.effect,
                item: value.clone(),
            }));
        }
    }
    offers
}

fn facts(gateway: &Gateway) -> CacheFacts {
    let snapshot = gateway.snapshot();
    let count = |kind| snapshot.catalog.count(kind);
    CacheFacts {
        tools: count(Kind::Tools),
        resources: count(Kind::Resources),
        prompts: count(Kind::Prompts),
        ..CacheFacts::default()
    }
}

/// A server as the management surface shows it.
pub(crate) fn state(status: UpstreamStatus) -> ServerState {
    let since = Duration::from_secs(status.since_seconds);
    ServerState {
        state: match status.state.as_str() {
            "starting" => ServerPhase::Opening,
            "ready" => ServerPhase::Open,
            "waiting" => ServerPhase::Waiting,
            "stopped" => ServerPhase::Disabled,
            _ => ServerPhase::Dormant,
        },
        name: status.name,
        transport: status.kind,
        tools: status.tools.and_then(|tools| u32::try_from(tools).ok()),
        reason: status.problem,
        since: now().checked_sub(since).map(Moment::at),
    }
}

fn store(error: &StoreError) -> Refused {
    match error {
        StoreError::Unavailable(detail) => {
            Refused::Unavailable { what: "the store", detail: detail.clone() }
        }
        error => Refused::Failed(error.to_string()),
    }
}

fn key(error: &ApiKeyError) -> Refused {
    match error {
        ApiKeyError::Missing(id) => Refused::NotFound { what: "key", key: id.clone() },
        ApiKeyError::Store(error) => store(error),
        ApiKeyError::Random(error) => Refused::Failed(error.to_string()),
        ApiKeyError::Invalid(_) | ApiKeyError::Scope(_) => Refused::Invalid(error.to_string()),
    }
}

fn user(error: &UserError) -> Refused {
    match error {
        UserError::Missing(name) => Refused::NotFound { what: "user", key: name.clone() },
        UserError::Store(error) => store(error),
        UserError::Busy(busy) => {
            Refused::Unavailable { what: "the place for passwords", detail: busy.to_string() }
        }
        UserError::Invalid(_) | UserError::Scope(_) => Refused::Invalid(error.to_string()),
    }
}
