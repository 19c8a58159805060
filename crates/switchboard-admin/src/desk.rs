//! What can be done, whoever asks in whichever language: every way to the store is here, and each
//! asks first whether the principal may.

mod bundles;
mod calls;
mod documents;
mod explain;
mod external;
mod functions;
mod logins;
mod manifest;
mod modules;
mod packages;
mod settings;
mod tenants;

use std::sync::Arc;
use std::time::SystemTime;

use switchboard_core::store::{
    BlobStore, Change, Listed, Query, Row, Store, StoreError, Table, tables,
};
use switchboard_core::{Area, Policy, Tenant};
use tokio_util::task::TaskTracker;

pub(crate) use calls::CallFilter;
pub(crate) use documents::Version;
pub(crate) use external::External;
pub(crate) use functions::FunctionFilter;
pub(crate) use logins::Known;
pub(crate) use manifest::Stats;
pub(crate) use packages::{Load, Upload};
pub(crate) use tenants::{KnownTenant, TenantWish};

use crate::access::{Access, Right};
use crate::fault::Fault;
use crate::live::{Event, Live};
use crate::moment::{Moment, micros};
use crate::operations::Operations;

/// What the management surface stands on.
#[derive(Clone)]
pub struct Ports {
    pub store: Arc<dyn Store>,
    pub blobs: Arc<dyn BlobStore>,
    pub operations: Arc<dyn Operations>,
    pub policy: Arc<dyn Policy>,
    pub clock: fn() -> SystemTime,
    /// On which what outlives a poll runs, so that shutdown can wait for it.
    pub tasks: TaskTracker,
}

/// Where one principal manages one tenant.
#[derive(Clone)]
pub(crate) struct Desk {
    pub access: Access,
    pub ports: Ports,
    pub live: Live,
    /// Whether nobody is told of what is written: who writes much tells of it at the end.
    pub is_quiet: bool,
}

/// How much of a row is said.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Extent {
    /// What is not said stays.
    Partly,
    /// What is not said goes away.
    Whole,
}

impl Desk {
    pub(crate) fn tenant(&self) -> &Tenant {
        &self.access.tenant
    }

    pub(crate) fn now(&self) -> Moment {
        Moment::at((self.ports.clock)())
    }

    pub(crate) fn subject(&self) -> &str {
        &self.access.principal.subject
    }

    pub(crate) async fn row(&self, table: &'static Table, key: &str) -> Result<Option<Row>, Fault> {
        self.access.require(Right::Inspect(area(table)))?;
        // No key is empty, and a store may refuse to look for one that is (DynamoDB does).
        if key.is_empty() {
            return Ok(None);
        }
        Ok(self.ports.store.read(table, self.tenant(), &[key]).await?.pop())
    }

    pub(crate) async fn rows(&self, table: &'static Table, query: &Query) -> Result<Listed, Fault> {
        self.access.require(Right::Inspect(area(table)))?;
        Ok(self.ports.store.list(table, self.tenant(), query).await?)
    }

    /// Writes a row, whether it was there or not, and reads what it is then. `needs` are the columns
    /// that a new one must have.
    async fn upsert(
        &self,
        table: &'static Table,
        row: Row,
        extent: Extent,
        needs: &[&str],
    ) -> Result<Row, Fault> {
        self.access.require(Right::Manage(area(table)))?;
        let now = self.now();
        let mut row = self.stamped(row, &now);
        if extent == Extent::Whole {
            complete(table, &mut row);
        }
        let is_whole = needs.iter().all(|column| row.get(column).is_some());
        if extent == Extent::Whole && !is_whole {
            return Err(lacking(table, needs));
        }
        let key = row.key.clone();
        // Changing what is there comes first: it must not touch when that was made.
        if !self.change(table, Change::Update(row.clone())).await? {
            if !is_whole {
                return Err(lacking(table, needs));
            }
            let new = row.clone().with("created_at", now.as_str());
            match self.ports.store.write(table, self.tenant(), vec![Change::Insert(new)]).await {
                Ok(()) => self.changed(area(table)).await,
                // Somebody else made it in between; then there is something to change.
                Err(StoreError::Conflict { .. }) => {
                    self.change(table, Change::Update(row)).await?;
                }
                Err(error) => return Err(error.into()),
            }
        }
        self.written(table, &key).await
    }

    /// Changes a row that has to be there, and reads what it is then.
    async fn update(&self, table: &'static Table, row: Row, extent: Extent) -> Result<Row, Fault> {
        self.access.require(Right::Manage(area(table)))?;
        let mut row = self.stamped(row, &self.now());
        if extent == Extent::Whole {
            complete(table, &mut row);
        }
        let key = row.key.clone();
        if self.change(table, Change::Update(row)).await? {
            return self.written(table, &key).await;
        }
        Err(Fault::NotFound { what: crate::fault::noun(table.name), key })
    }

    /// Keeps a new row under an id that is made for it.
    async fn insert(&self, table: &'static Table, row: Row) -> Result<Row, Fault> {
        self.access.require(Right::Manage(area(table)))?;
        let now = self.now();
        let row = self.stamped(row, &now).with("created_at", now.as_str());
        for _ in 0..ID_ATTEMPTS {
            let row = Row { key: self.new_id()?, ..row.clone() };
            let change = vec![Change::Insert(row.clone())];
            match self.ports.store.write(table, self.tenant(), change).await {
                Ok(()) => {
                    self.changed(area(table)).await;
                    return Ok(row);
                }
                Err(StoreError::Conflict { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Err(Fault::internal(&format!("every id that was made for {} is taken", table.name)))
    }

    /// Deletes a row; one that is not there is an error at once.
    pub(crate) async fn delete(&self, table: &'static Table, key: &str) -> Result<(), Fault> {
        self.access.require(Right::Manage(area(table)))?;
        if key.is_empty() {
            return Err(Fault::NotFound {
                what: crate::fault::noun(table.name),
                key: String::new(),
            });
        }
        let change = vec![Change::Delete(key.to_owned())];
        self.ports.store.write(table, self.tenant(), change).await?;
        self.changed(area(table)).await;
        Ok(())
    }

    /// Whether there was something to change.
    async fn change(&self, table: &'static Table, change: Change) -> Result<bool, Fault> {
        match self.ports.store.write(table, self.tenant(), vec![change]).await {
            Ok(()) => {
                self.changed(area(table)).await;
                Ok(true)
            }
            Err(StoreError::Missing { .. }) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Something of `area` was written: whoever made something of it, or watches, is told.
    pub(crate) async fn changed(&self, area: Area) {
        if self.is_quiet {
            return;
        }
        self.ports.operations.changed(self.tenant(), area).await;
        self.live.announce(self.tenant(), Event::Changed(area));
    }

    /// What was just written. Who may write may see what came of it.
    async fn written(&self, table: &'static Table, key: &str) -> Result<Row, Fault> {
        let row = self.ports.store.read(table, self.tenant(), &[key]).await?.pop();
        row.ok_or_else(|| Fault::Conflict(key.to_owned()))
    }

    /// With who changes it and when. Who is said already where the older surface was told.
    fn stamped(&self, row: Row, now: &Moment) -> Row {
        let by = row.text("updated_by").unwrap_or(self.subject()).to_owned();
        row.with("updated_by", by).with("updated_at", now.as_str())
    }

    /// An id of 20 digits, as the older engine made them: the microseconds since 1970 and four
    /// random ones, so that the order of ids is that of their making.
    fn new_id(&self) -> Result<String, Fault> {
        let mut random = [0; 2];
        getrandom::fill(&mut random).map_err(|error| Fault::internal(&error))?;
        let micros = micros((self.ports.clock)());
        Ok(format!("{micros:016}{:04}", u16::from_le_bytes(random) % 10_000))
    }
}

/// How many ids are tried for a row. Two in one microsecond are rare, and equal random digits then.
const ID_ATTEMPTS: u32 = 8;

/// Whose right a table needs.
pub(crate) fn area(table: &'static Table) -> Area {
    let areas = [
        (&tables::FUNCTIONS, Area::Functions),
        (&tables::MODULES, Area::Functions),
        (&tables::SETTINGS, Area::Settings),
        (&tables::CALLS, Area::History),
        (&tables::SERVERS, Area::Servers),
        (&tables::BUNDLES, Area::Functions),
        (&tables::BUNDLE_VERSIONS, Area::Functions),
        (&tables::BUNDLE_VALUES, Area::Functions),
        (&tables::KEYS, Area::Keys),
        (&tables::USERS, Area::Users),
        (&tables::POLICIES, Area::Policies),
        (&tables::LIMITS, Area::Limits),
    ];
    let own = areas.into_iter().find(|(known, _)| known.name == table.name);
    // Tokens and usage are nobody's to manage; whoever asks anyway needs the right to everything.
    own.map_or(Area::Tenants, |(_, area)| area)
}

/// Takes away what is not said.
fn complete(table: &'static Table, row: &mut Row) {
    for column in table.columns.iter().filter(|column| column.name != "created_at") {
        row.columns.entry(column.name).or_insert(serde_json::Value::Null);
    }
}

fn lacking(table: &'static Table, needs: &[&str]) -> Fault {
    let needs: Vec<_> = needs.iter().map(|column| format!("`{}`", camel(column))).collect();
    Fault::Invalid(format!(
        "a new {} needs {}",
        crate::fault::noun(table.name),
        needs.join(" and ")
    ))
}

/// A column as clients call it.
fn camel(column: &str) -> String {
    let mut words = column.split('_');
    let mut name = words.next().unwrap_or_default().to_owned();
    for word in words {
        let (first, rest) = word.split_at(word.len().min(1));
        name.push_str(&first.to_ascii_uppercase());
        name.push_str(rest);
    }
    name
}
