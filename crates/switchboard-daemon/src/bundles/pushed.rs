//! Bundles that were pushed: rows of the store.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};

use serde_json::Value;
use switchboard_core::store::{BlobStore, Mark as Place, Query, Row, Store, StoreError, tables};
use switchboard_core::{Prefix, Tenant};
use switchboard_function::BundleConfig;

use super::origin::Origin;
use super::rows::configurations;
use super::{Bundles, Wanted};
use crate::keep::Kept;

/// What was last read of the store, by tenant.
#[derive(Default)]
pub(super) struct Seen(Mutex<HashMap<Tenant, Vec<Sight>>>);

/// As much of a bundle as tells whether the store has another: its name, how often its row was
/// written, and what rows say that is in it.
pub(super) type Sight = (String, i64, Option<String>);

impl Seen {
    pub(super) fn note(&self, tenant: &Tenant, sights: Vec<Sight>) {
        self.0.lock().expect("no one panics holding it").insert(tenant.clone(), sights);
    }

    fn is(&self, tenant: &Tenant, sights: &[Sight]) -> bool {
        let seen = self.0.lock().expect("no one panics holding it");
        seen.get(tenant).map_or(sights.is_empty(), |seen| seen == sights)
    }

    pub(super) fn forget(&self, tenant: &Tenant) {
        self.0.lock().expect("no one panics holding it").remove(tenant);
    }
}

/// Rows read at once.
const PAGE: u32 = 500;

impl Bundles {
    /// Whether the store has other bundles of a tenant than when it was last read.
    ///
    /// # Errors
    ///
    /// The store cannot be read.
    pub(crate) async fn is_outdated(&self, tenant: &Tenant) -> Result<bool, StoreError> {
        let Some(kept) = &self.kept else { return Ok(false) };
        Ok(!self.seen.is(tenant, &sights(&self.wanted(kept, tenant).await?)))
    }

    /// The bundles that were pushed of a tenant, and the packages of the older engine.
    pub(super) async fn pushed(
        &self,
        tenant: &Tenant,
    ) -> Result<BTreeMap<String, Wanted>, StoreError> {
        let Some(kept) = &self.kept else { return Ok(BTreeMap::new()) };
        self.wanted(kept, tenant).await
    }

    async fn wanted(
        &self,
        kept: &Kept,
        tenant: &Tenant,
    ) -> Result<BTreeMap<String, Wanted>, StoreError> {
        let rows = rows(&*kept.store, tenant).await?;
        let mut configurations = configurations(&*kept.store, tenant).await?;
        let mut wanted = BTreeMap::new();
        for row in rows {
            let configuration = configurations.remove(&row.key);
            wanted.insert(row.key.clone(), of_row(&kept.store, tenant, &row, configuration));
        }
        for (name, configuration) in configurations {
            if let Err(error) = Prefix::new(&name) {
                // A name that is none leads to no place but ours either.
                tracing::warn!(%tenant, package = name, %error, "a package is left out");
                continue;
            }
            let is_served = self.loaded().contains_key(&(tenant.clone(), name.clone()));
            if let Some(origin) = in_place(&kept.blobs, &name, is_served).await {
                let (config, configuration) = (BundleConfig::default(), Some(configuration));
                let is_kept = true;
                wanted.insert(name, Wanted { config, origin, configuration, revision: 0, is_kept });
            }
        }
        Ok(wanted)
    }

    /// The same as they were when they were last read.
    pub(super) fn known_as_pushed(&self, tenant: &Tenant) -> BTreeMap<String, Wanted> {
        let loaded = self.loaded();
        let own = loaded.iter().filter(|((own, _), it)| own == tenant && it.wanted.is_kept);
        own.map(|((_, name), it)| (name.clone(), it.wanted.clone())).collect()
    }
}

pub(super) fn sights(wanted: &BTreeMap<String, Wanted>) -> Vec<Sight> {
    let sight =
        |(name, it): (&String, &Wanted)| (name.clone(), it.revision, it.configuration.clone());
    wanted.iter().map(sight).collect()
}

/// A package that the older engine has in its bucket, where it looked for it.
async fn in_place(blobs: &Arc<dyn BlobStore>, name: &str, is_served: bool) -> Option<Origin> {
    let key = format!("{name}.zip");
    // What is in no bucket is code that is elsewhere; its functions are rows and nothing more.
    let is_there = match blobs.glance(&key).await {
        Ok(glance) => glance.is_some(),
        Err(error) => {
            // What is served goes on, and what cannot be looked at keeps nothing else from being.
            tracing::warn!(%error, package = name, "whether a package is there cannot be told");
            is_served
        }
    };
    let origin = || Origin::Object { bucket: Arc::clone(blobs), address: key.clone(), key };
    is_there.then(origin)
}

async fn rows(store: &dyn Store, tenant: &Tenant) -> Result<Vec<Row>, StoreError> {
    let mut rows = Vec::new();
    let mut query = Query::first(PAGE);
    loop {
        let listed = store.list(&tables::BUNDLES, tenant, &query).await?;
        rows.extend(listed.rows);
        let Some(last) = rows.last().filter(|_| listed.has_more) else { return Ok(rows) };
        query.after = Some(Place { value: Value::Null, key: last.key.clone() });
    }
}

fn of_row(
    store: &Arc<dyn Store>,
    tenant: &Tenant,
    row: &Row,
    configuration: Option<String>,
) -> Wanted {
    let body = row.get("body").unwrap_or(&Value::Null);
    let current = body["current"].as_str().unwrap_or_default();
    let config = definition(&body["definition"]);
    let origin = match &config {
        Ok(_) => Origin::Pushed {
            store: Arc::clone(store),
            tenant: tenant.clone(),
            key: format!("{}.{current}", row.key),
        },
        Err(problem) => Origin::Nowhere(problem.clone()),
    };
    let revision = row.integer("version").unwrap_or_default();
    Wanted { config: config.unwrap_or_default(), origin, configuration, revision, is_kept: true }
}

/// How a bundle that is pushed is to be served: as in a `[bundle.NAME]`, without `source`.
///
/// # Errors
///
/// What is wrong with it, for people.
pub(crate) fn definition(definition: &Value) -> Result<BundleConfig, String> {
    let config = serde_json::from_value::<BundleConfig>(definition.clone());
    let config = config.map_err(|error| format!("its definition is not valid: {error}"))?;
    match config.source.as_os_str().is_empty() {
        true => Ok(config),
        false => Err("a bundle that is pushed has no `source`".to_owned()),
    }
}
