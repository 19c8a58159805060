//! `syncExternalMcpServer`: a server that is kept for a tenant, and its tools as functions.

use serde_json::{Map, Value, json};
use switchboard_core::store::{Change, Query, Row, Test, tables};
use switchboard_core::{Area, Kind};

use crate::access::Right;
use crate::desk::documents::Version;
use crate::desk::manifest::Stats;
use crate::desk::{Desk, Extent};
use crate::fault::Fault;
use crate::operations::Offer;
use crate::record::{Class, FunctionWish, ModuleWish, ServerWish};
use crate::scalar::JsonCamelCase;

/// A server elsewhere.
#[derive(Clone, Default)]
pub(crate) struct External {
    pub name: String,
    pub url: String,
    pub bearer: Option<String>,
    pub headers: Map<String, Value>,
    pub prefix: Option<String>,
    /// Who is said to have written it; the principal where that is not said.
    pub by: Option<String>,
}

/// The class of functions that another server answers for, as older stores have it.
const PROXY: &str = "ExternalMCPProxy";

/// How many rows are read at once.
const PAGE: u32 = 500;

impl Desk {
    /// Registers the server, writes its tools as functions of a module of its name, and deletes
    /// those that it has no longer. The token stands in the definition of the server alone, and not,
    /// as in the older engine, in a setting that everybody may read who may read settings.
    pub(crate) async fn sync(&self, external: External) -> Result<Stats, Fault> {
        self.access.require(Right::Manage(Area::Servers))?;
        self.access.require(Right::Manage(Area::Functions))?;
        let definition = external.definition()?;
        let functions = self.listed(&external, &definition).await?;
        let wish = ServerWish { definition: JsonCamelCase(definition) };
        self.put_server(&external.name, wish, Version::Any).await?;
        let module = ModuleWish {
            package_name: Some(external.name.clone()),
            classes: Some(vec![Class { class_name: PROXY.to_owned(), setting_id: None }]),
            source: Some("external".to_owned()),
        };
        // `mirror` tells of all of them.
        let quiet = Self { is_quiet: true, ..self.clone() };
        quiet.put_module(&external.name, module, Extent::Whole, external.by.clone()).await?;
        let tools = self.mirror(&external, functions).await?;
        let tools = i32::try_from(tools).unwrap_or(i32::MAX);
        Ok(Stats { tools, modules: 1, ..Stats::default() })
    }

    /// The same again for every server that was registered so, as it is kept now. One that cannot be
    /// asked keeps the functions that it has.
    pub(crate) async fn sync_again(&self) -> Result<(), Fault> {
        let mut query = Query::first(PAGE).only("source", Test::Is("external".into()));
        let mut modules = Vec::new();
        loop {
            let listed = self.ports.store.list(&tables::MODULES, self.tenant(), &query).await?;
            modules.extend(listed.rows);
            let Some(last) = modules.last().filter(|_| listed.has_more) else { break };
            let key = last.key.clone();
            query.after = Some(switchboard_core::store::Mark { value: Value::Null, key });
        }
        for module in modules {
            let key = [&*module.key];
            let servers = self.ports.store.read(&tables::SERVERS, self.tenant(), &key).await?;
            let Some(server) = servers.first() else { continue };
            let definition = server.get("body").cloned().unwrap_or_default();
            let prefix = definition["prefix"].as_str().map(str::to_owned);
            let external = External { name: module.key, prefix, ..External::default() };
            let mirrored = match self.listed(&external, &definition).await {
                Ok(functions) => self.mirror(&external, functions).await,
                Err(fault) => Err(fault),
            };
            if let Err(fault) = mirrored {
                let (server, tenant) = (&external.name, self.tenant());
                tracing::warn!(server, %tenant, %fault, "the functions of a server stay as they were");
            }
        }
        Ok(())
    }

    /// What a server lists, as functions.
    async fn listed(
        &self,
        external: &External,
        definition: &Value,
    ) -> Result<Vec<(String, FunctionWish)>, Fault> {
        let offers = self.ports.operations.preview(self.tenant(), definition).await?;
        let tools = offers.iter().filter(|offer| offer.kind == Kind::Tools);
        let functions: Vec<_> = tools.map(|tool| external.function(tool)).collect();
        // Before anything is written: a name that is taken by something else is not taken from it.
        self.check_names(&external.name, &functions).await?;
        Ok(functions)
    }

    /// Writes what a server lists, where that is another thing than it was; how many functions it has.
    async fn mirror(
        &self,
        external: &External,
        functions: Vec<(String, FunctionWish)>,
    ) -> Result<usize, Fault> {
        let names: Vec<_> = functions.iter().map(|(name, _)| name.clone()).collect();
        let keys: Vec<_> = names.iter().map(String::as_str).collect();
        let kept = self.ports.store.read(&tables::FUNCTIONS, self.tenant(), &keys).await?;
        // `prune` tells of all of them.
        let quiet = Self { is_quiet: true, ..self.clone() };
        for (name, wish) in functions {
            let wanted = wish.clone().row(&name)?;
            let is_same = |row: &Row| {
                // Whether it is in use is for whoever manages it to say.
                let says = |(column, value): (&String, &Value)| {
                    let is_own = column == "status" && row.get(column).is_some();
                    is_own || row.get(column) == Some(value).filter(|value| !value.is_null())
                };
                row.key == name && wanted.columns.iter().all(says)
            };
            if !kept.iter().any(is_same) {
                quiet.put_function(&name, wish, Extent::Whole, external.by.clone()).await?;
            }
        }
        self.prune(&external.name, &names).await?;
        Ok(names.len())
    }

    async fn check_names(
        &self,
        module: &str,
        functions: &[(String, FunctionWish)],
    ) -> Result<(), Fault> {
        let keys: Vec<_> = functions.iter().map(|(name, _)| name.as_str()).collect();
        let kept = self.ports.store.read(&tables::FUNCTIONS, self.tenant(), &keys).await?;
        let taken = kept.iter().find(|row| row.text("module_name") != Some(module));
        taken.map_or(Ok(()), |row| {
            Err(Fault::Invalid(format!(
                "`{}` is a function of another module; `namePrefix` keeps them apart",
                row.key
            )))
        })
    }

    /// Deletes the functions of a module that are not among `names`.
    pub(super) async fn prune(&self, module: &str, names: &[String]) -> Result<(), Fault> {
        let store = &self.ports.store;
        let mut query = Query::first(PAGE).only("module_name", Test::Is(module.into()));
        loop {
            let listed = store.list(&tables::FUNCTIONS, self.tenant(), &query).await?;
            let gone = |row: &&Row| !names.contains(&row.key);
            for row in listed.rows.iter().filter(gone) {
                let change = vec![Change::Delete(row.key.clone())];
                match store.write(&tables::FUNCTIONS, self.tenant(), change).await {
                    // Somebody else was quicker.
                    Ok(()) | Err(switchboard_core::store::StoreError::Missing { .. }) => {}
                    Err(error) => return Err(error.into()),
                }
            }
            let Some(last) = listed.rows.last().filter(|_| listed.has_more) else { break };
            query.after =
                Some(switchboard_core::store::Mark { value: Value::Null, key: last.key.clone() });
        }
        self.changed(Area::Functions).await;
        Ok(())
    }
}

impl External {
    /// As it would stand in the configuration file.
    fn definition(&self) -> Result<Value, Fault> {
        if self.name.is_empty() {
            return Err(Fault::invalid("a server needs a name"));
        }
        let mut headers = self.headers.clone();
        if headers.values().any(|value| !value.is_string()) {
            return Err(Fault::invalid("the values of `headers` are texts"));
        }
        if let Some(bearer) = &self.bearer {
            headers.retain(|name, _| !name.eq_ignore_ascii_case("authorization"));
            headers.insert("Authorization".to_owned(), format!("Bearer {bearer}").into());
        }
        let mut http = json!({ "url": self.url });
        if !headers.is_empty() {
            http["headers"] = headers.into();
        }
        let mut definition = json!({ "http": http });
        if let Some(prefix) = &self.prefix {
            definition["prefix"] = prefix.as_str().into();
        }
        Ok(definition)
    }

    fn function(&self, tool: &Offer) -> (String, FunctionWish) {
        let name = format!("{}{}", self.prefix.as_deref().unwrap_or_default(), tool.name);
        let schema = tool.item.get("inputSchema").cloned().unwrap_or_else(|| json!({}));
        let data = json!({ "inputSchema": schema, "external_name": tool.name });
        let wish = FunctionWish {
            mcp_type: Some("tool".to_owned()),
            description: tool.item["description"].as_str().map(str::to_owned),
            data: Some(JsonCamelCase(data)),
            annotations: tool.item.get("annotations").map(Value::to_string),
            module_name: Some(self.name.clone()),
            class_name: Some(PROXY.to_owned()),
            function_name: Some(tool.name.clone()),
            return_type: Some("text".to_owned()),
            is_async: Some(false),
            status: Some(1),
        };
        (name, wish)
    }
}
