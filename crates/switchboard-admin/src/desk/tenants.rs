//! The tenants that there are.
//!
//! A tenant is what is kept of it, so making one is keeping that it is there, and anything else that
//! is kept makes one as well. Only whoever runs the daemon reaches beyond a tenant; a policy that
//! lets somebody manage tenants speaks of the own one.

use std::collections::BTreeSet;

use async_graphql::{InputObject, SimpleObject};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::json;
use switchboard_core::store::{Change, Row, tables};
use switchboard_core::{Area, Tenant};

use crate::access::Right;
use crate::desk::Desk;
use crate::fault::Fault;

#[derive(Clone, Debug, Deserialize, InputObject, JsonSchema)]
#[graphql(name = "TenantInput")]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct TenantWish {
    /// `ENDPOINT`, or `ENDPOINT#PART`.
    pub name: String,
}

#[derive(Clone, Debug, JsonSchema, Serialize, SimpleObject)]
#[graphql(name = "TenantEntry")]
#[serde(rename_all = "camelCase")]
pub(crate) struct KnownTenant {
    pub name: String,
}

impl Desk {
    /// All that something is kept of; to whoever does not run the daemon, the own one.
    pub(crate) async fn tenants(&self) -> Result<Vec<String>, Fault> {
        self.access.require(Right::Inspect(Area::Tenants))?;
        let mut tenants = BTreeSet::from([self.tenant().to_string()]);
        if self.access.principal.is_owner() {
            for table in tables::ALL {
                let kept = self.ports.store.tenants(table).await?;
                tenants.extend(kept.iter().map(ToString::to_string));
            }
        }
        Ok(tenants.into_iter().collect())
    }

    pub(crate) async fn make_tenant(&self, wish: TenantWish) -> Result<KnownTenant, Fault> {
        let tenant = self.other(&wish.name)?;
        let now = self.now();
        let row = self.stamped(Row::new(tables::TENANT).with("body", json!({})), &now);
        let row = row.with("version", 1).with("created_at", now.as_str());
        let insert = vec![Change::Insert(row)];
        match self.ports.store.write(&tables::TENANTS, &tenant, insert).await {
            Ok(()) => {
                self.ports.operations.changed(&tenant, Area::Tenants).await;
                Ok(KnownTenant { name: tenant.to_string() })
            }
            Err(switchboard_core::store::StoreError::Conflict { .. }) => {
                Err(Fault::Conflict(tenant.to_string()))
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Deletes everything that is kept of a tenant.
    pub(crate) async fn remove_tenant(&self, name: &str) -> Result<(), Fault> {
        let tenant = self.other(name)?;
        Ok(self.ports.operations.remove_tenant(&tenant, self.subject()).await?)
    }

    /// The tenant of that name, where the principal may make and remove it.
    fn other(&self, name: &str) -> Result<Tenant, Fault> {
        self.access.require(Right::Manage(Area::Tenants))?;
        let tenant = Tenant::parse(name).map_err(|error| Fault::Invalid(error.to_string()))?;
        if tenant.is_default() {
            let why = "the tenant `default` is the one of the configuration file, and always there";
            return Err(Fault::invalid(why));
        }
        if tenant != *self.tenant() && !self.access.principal.is_owner() {
            return Err(Fault::Forbidden("manage other tenants".to_owned()));
        }
        Ok(tenant)
    }
}
