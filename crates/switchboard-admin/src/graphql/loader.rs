//! What belongs to the items of a list, read for all of them at once.

use std::collections::{HashMap, HashSet};
use std::hash::Hash;
use std::sync::Arc;

use async_graphql::dataloader::Loader;
use async_graphql::{ComplexObject, Context};
use switchboard_core::store::{Row, Table, tables};

use crate::access::Right;
use crate::desk::{Desk, area};
use crate::fault::Fault;
use crate::graphql::{desk, rows};
use crate::operations::ServerState;
use crate::record::{Call, Class, Function, Module, Server, Setting};

/// The rows of the tenant of a request, by what refers to them. Each sort of reference is a type, by
/// which the library keeps their batches apart.
pub(super) struct Rows(pub Desk);

#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(super) struct ModuleName(String);

#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(super) struct SettingId(String);

#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(super) struct ServerName(String);

/// Stands for the last call of the function.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(super) struct LastCallOf(String);

/// A row, or that there is none: that is remembered too. The library hands out what it remembers by
/// cloning it, for every field that asks.
type Found<K> = Result<HashMap<K, Option<Arc<Row>>>, Fault>;

impl Rows {
    async fn read<K: Clone + Eq + Hash>(
        &self,
        table: &'static Table,
        keys: &[K],
        text: impl Fn(&K) -> &str,
    ) -> Found<K> {
        self.0.access.require(Right::Inspect(area(table)))?;
        let texts: Vec<_> = keys.iter().map(&text).collect();
        let rows = self.0.ports.store.read(table, self.0.tenant(), &texts).await?;
        let mut rows: HashMap<_, _> =
            rows.into_iter().map(|row| (row.key.clone(), Arc::new(row))).collect();
        Ok(keys.iter().map(|key| (key.clone(), rows.remove(text(key)))).collect())
    }
}

impl Loader<ModuleName> for Rows {
    type Value = Option<Arc<Row>>;
    type Error = Fault;

    async fn load(&self, keys: &[ModuleName]) -> Found<ModuleName> {
        self.read(&tables::MODULES, keys, |key| &key.0).await
    }
}

impl Loader<SettingId> for Rows {
    type Value = Option<Arc<Row>>;
    type Error = Fault;

    async fn load(&self, keys: &[SettingId]) -> Found<SettingId> {
        self.read(&tables::SETTINGS, keys, |key| &key.0).await
    }
}

impl Loader<ServerName> for Rows {
    type Value = Option<Arc<Row>>;
    type Error = Fault;

    async fn load(&self, keys: &[ServerName]) -> Found<ServerName> {
        self.read(&tables::SERVERS, keys, |key| &key.0).await
    }
}

impl Loader<LastCallOf> for Rows {
    type Value = Option<Arc<Row>>;
    type Error = Fault;

    async fn load(&self, keys: &[LastCallOf]) -> Found<LastCallOf> {
        self.0.access.require(Right::Inspect(area(&tables::CALLS)))?;
        let names: Vec<_> = keys.iter().map(|key| &*key.0).collect();
        let (store, tenant) = (&self.0.ports.store, self.0.tenant());
        // By when they changed: ids of our records are times, but not of those that others left.
        let calls = store.latest(&tables::CALLS, tenant, "name", &names, "updated_at").await?;
        let named = |row: Row| Some((row.text("name")?.to_owned(), Arc::new(row)));
        let mut calls: HashMap<_, _> = calls.into_iter().filter_map(named).collect();
        Ok(keys.iter().map(|key| (key.clone(), calls.remove(&key.0))).collect())
    }
}

/// Reads what belongs to the functions of a list, where it is asked for.
///
/// The library would collect what the fields of the items want, for as long as a timer runs: on a
/// machine that is busy that makes several queries of one. What is wanted is known here already.
pub(super) async fn warm_functions(context: &Context<'_>, functions: &[Row]) {
    let loader = rows(context);
    let of_modules = async {
        let wants_settings =
            wants(context, &["settings"]) || wants(context, &["module", "settings"]);
        if !wants_settings && !wants(context, &["module"]) {
            return;
        }
        let names = functions.iter().filter_map(|row| row.text("module_name"));
        let names = names.filter(|name| !name.is_empty());
        let names: HashSet<_> = names.map(|name| ModuleName(name.to_owned())).collect();
        // What is not permitted or fails is said by the fields themselves, here and below.
        let modules = loader.load_many(names).await.unwrap_or_default();
        if wants_settings {
            warm_settings(context, modules.values().flatten().map(Arc::as_ref)).await;
        }
    };
    let of_calls = async {
        if wants(context, &["lastCall"]) {
            let names = functions.iter().map(|row| LastCallOf(row.key.clone()));
            let _ = loader.load_many(names).await;
        }
    };
    futures_util::future::join(of_modules, of_calls).await;
}

/// The same for the modules of a list.
pub(super) async fn warm_modules(context: &Context<'_>, modules: &[Row]) {
    if wants(context, &["settings"]) {
        warm_settings(context, modules.iter()).await;
    }
}

/// The same for the servers of a list.
pub(super) async fn warm_servers(context: &Context<'_>, servers: &[ServerState]) {
    if wants(context, &["definition"]) {
        let names = servers.iter().map(|server| ServerName(server.name.clone()));
        let _ = rows(context).load_many(names).await;
    }
}

async fn warm_settings(context: &Context<'_>, modules: impl Iterator<Item = &Row>) {
    let ids = modules.flat_map(Class::all).filter_map(|class| class.setting_id);
    let ids: HashSet<_> = ids.map(SettingId).collect();
    if !ids.is_empty() {
        let _ = rows(context).load_many(ids).await;
    }
}

/// Whether the items of the list that is resolved are asked for this field.
fn wants(context: &Context<'_>, path: &[&str]) -> bool {
    const ITEMS: &[&[&str]] =
        &[&["mcpFunctionList"], &["mcpModuleList"], &["edges", "node"], &["nodes"]];
    let is_asked = |items: &&[&str]| {
        let steps = items.iter().chain(path);
        steps.fold(context.look_ahead(), |look, field| look.field(field)).exists()
    };
    ITEMS.iter().any(is_asked)
}

#[ComplexObject]
impl Function {
    /// The module that it is in.
    async fn module(&self, context: &Context<'_>) -> async_graphql::Result<Option<Module>> {
        let row = module_of(context, self.module_name.as_deref()).await?;
        Ok(row.map(|row| Module::of(desk(context).tenant(), &row)))
    }

    /// The settings of its class.
    async fn settings(&self, context: &Context<'_>) -> async_graphql::Result<Option<Vec<Setting>>> {
        let Some(row) = module_of(context, self.module_name.as_deref()).await? else {
            return Ok(None);
        };
        let own = |class: &Class| Some(&class.class_name) == self.class_name.as_ref();
        settings_of(context, Class::all(&row).into_iter().filter(own)).await.map(Some)
    }

    /// Its latest call.
    async fn last_call(&self, context: &Context<'_>) -> async_graphql::Result<Option<Call>> {
        let Some(name) = self.name.clone() else { return Ok(None) };
        let row = rows(context).load_one(LastCallOf(name)).await?.flatten();
        Ok(row.map(|row| Call::of(desk(context).tenant(), &row)))
    }
}

#[ComplexObject]
impl Module {
    /// The settings of its classes.
    async fn settings(&self, context: &Context<'_>) -> async_graphql::Result<Option<Vec<Setting>>> {
        let classes = self.classes.clone().map(|classes| classes.0).unwrap_or_default();
        let classes: Vec<Class> = serde_json::from_value(classes).unwrap_or_default();
        settings_of(context, classes.into_iter()).await.map(Some)
    }
}

/// A server of the tenant.
#[derive(Clone, Debug, async_graphql::SimpleObject)]
#[graphql(name = "Server", complex)]
pub(super) struct ServerNode {
    #[graphql(flatten)]
    pub state: ServerState,
}

#[ComplexObject]
impl ServerNode {
    /// What it is, where the store has it; null for servers of the configuration file.
    async fn definition(&self, context: &Context<'_>) -> async_graphql::Result<Option<Server>> {
        let row = rows(context).load_one(ServerName(self.state.name.clone())).await?.flatten();
        Ok(row.as_deref().map(Server::from))
    }
}

async fn module_of(
    context: &Context<'_>,
    name: Option<&str>,
) -> async_graphql::Result<Option<Arc<Row>>> {
    let Some(name) = name.filter(|name| !name.is_empty()) else { return Ok(None) };
    Ok(rows(context).load_one(ModuleName(name.to_owned())).await?.flatten())
}

async fn settings_of(
    context: &Context<'_>,
    classes: impl Iterator<Item = Class>,
) -> async_graphql::Result<Vec<Setting>> {
    let ids: Vec<_> = classes.filter_map(|class| class.setting_id).map(SettingId).collect();
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let found = rows(context).load_many(ids.clone()).await?;
    let tenant = desk(context).tenant();
    let settings = ids.iter().filter_map(|id| found.get(id)?.as_deref());
    Ok(settings.map(|row| Setting::of(tenant, row)).collect())
}
