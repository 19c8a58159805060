//! The port, and how it is opened.

use std::collections::HashMap;
use std::time::Duration;

use async_trait::async_trait;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region};
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::Credentials;
use aws_sdk_dynamodb::types::AttributeValue;
use serde_json::Value;
use switchboard_core::Tenant;
use switchboard_core::store::{
    Change, Condition, Listed, PARTITION, Query, Row, Store, StoreError, Table,
};

use crate::dynamodb::tables::{self, Place};
use crate::dynamodb::{DynamodbConfig, list, prune, read, sweep, write};

/// How long one request may take, and with all that are sent again because it failed.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(10);
const TIMEOUT: Duration = Duration::from_secs(30);

/// What identifies an item, and what an item is.
pub(super) type Attributes = HashMap<String, AttributeValue>;

/// Rows as items of DynamoDB's tables.
#[derive(Debug)]
pub struct Dynamodb {
    client: Client,
    /// By the names that tables have in SQL.
    places: HashMap<&'static str, Place>,
}

/// One table and one tenant: what nearly every request is about.
#[derive(Clone, Copy)]
pub(super) struct Scope<'a> {
    pub(super) client: &'a Client,
    pub(super) table: &'static Table,
    pub(super) place: &'a Place,
    pub(super) tenant: &'a Tenant,
}

impl Dynamodb {
    /// Connects, and finds all tables or makes them.
    ///
    /// # Errors
    ///
    /// [`StoreError::Invalid`] where `config` is not enough, [`StoreError::Broken`] where a table is
    /// not there or not as it should be, or we may not look; [`StoreError::Unavailable`] where
    /// nobody answers.
    pub async fn open(config: &DynamodbConfig) -> Result<Self, StoreError> {
        let client = connect(config).await?;
        let places = tables::open(&client, config).await?;
        Ok(Self { client, places })
    }

    fn scope<'a>(
        &'a self,
        table: &'static Table,
        tenant: &'a Tenant,
    ) -> Result<Scope<'a>, StoreError> {
        Ok(Scope { client: &self.client, table, place: self.place(table)?, tenant })
    }

    fn place(&self, table: &Table) -> Result<&Place, StoreError> {
        let unknown = || StoreError::Invalid(format!("{} is no table of the store", table.name));
        self.places.get(table.name).ok_or_else(unknown)
    }
}

#[async_trait]
impl Store for Dynamodb {
    async fn read(
        &self,
        table: &'static Table,
        tenant: &Tenant,
        keys: &[&str],
    ) -> Result<Vec<Row>, StoreError> {
        read::rows(self.scope(table, tenant)?, keys).await
    }

    async fn list(
        &self,
        table: &'static Table,
        tenant: &Tenant,
        query: &Query,
    ) -> Result<Listed, StoreError> {
        list::list(self.scope(table, tenant)?, query).await
    }

    async fn latest(
        &self,
        table: &'static Table,
        tenant: &Tenant,
        column: &'static str,
        values: &[&str],
        by: &'static str,
    ) -> Result<Vec<Row>, StoreError> {
        list::latest(self.scope(table, tenant)?, column, values, by).await
    }

    async fn write(
        &self,
        table: &'static Table,
        tenant: &Tenant,
        changes: Vec<Change>,
    ) -> Result<(), StoreError> {
        write::write(self.scope(table, tenant)?, changes).await
    }

    /// Where an answer is lost and the request sent again, it counts twice: a quota errs on the side
    /// of having been used.
    async fn add(
        &self,
        table: &'static Table,
        tenant: &Tenant,
        key: &str,
        column: &'static str,
        by: i64,
    ) -> Result<i64, StoreError> {
        write::add(self.scope(table, tenant)?, key, column, by).await
    }

    async fn sweep(
        &self,
        table: &'static Table,
        column: &'static str,
        bound: &Value,
        limit: u32,
    ) -> Result<u64, StoreError> {
        sweep::sweep(&self.client, table, self.place(table)?, (column, bound), limit).await
    }

    async fn prune(
        &self,
        table: &'static Table,
        tenant: &Tenant,
        conditions: Vec<Condition>,
        limit: u32,
    ) -> Result<u64, StoreError> {
        prune::prune(self.scope(table, tenant)?, &conditions, limit).await
    }

    /// A scan reads, and is paid for, by the row.
    fn walks(&self) -> bool {
        true
    }

    async fn tenants(&self, table: &'static Table) -> Result<Vec<Tenant>, StoreError> {
        sweep::tenants(&self.client, table, self.place(table)?).await
    }
}

impl Scope<'_> {
    /// What identifies the item of a row.
    pub(super) fn key(&self, key: &str) -> Attributes {
        HashMap::from([
            (PARTITION.to_owned(), AttributeValue::S(self.tenant.as_str().to_owned())),
            (self.table.key.to_owned(), AttributeValue::S(key.to_owned())),
        ])
    }
}

async fn connect(config: &DynamodbConfig) -> Result<Client, StoreError> {
    let timeouts = TimeoutConfig::builder()
        .operation_attempt_timeout(ATTEMPT_TIMEOUT)
        .operation_timeout(TIMEOUT)
        .build();
    let mut loader = aws_config::defaults(BehaviorVersion::v2026_01_12()).timeout_config(timeouts);
    if let Some(region) = &config.region {
        loader = loader.region(Region::new(region.clone()));
    }
    if let Some(endpoint) = &config.endpoint {
        loader = loader.endpoint_url(endpoint);
    }
    match (&config.access_key_id, &config.secret_access_key) {
        (Some(id), Some(secret)) => {
            let token = config.session_token.as_ref().map(|token| token.expose().to_owned());
            let credentials =
                Credentials::new(id, secret.expose(), token, None, "switchboard.toml");
            loader = loader.credentials_provider(credentials);
        }
        (None, None) => {}
        _ => {
            return Err(StoreError::Invalid(
                "`access_key_id` and `secret_access_key` of `dynamodb` belong together".to_owned(),
            ));
        }
    }
    let loaded = loader.load().await;
    if loaded.region().is_none() {
        return Err(StoreError::Invalid(
            "the region of the tables is not known: set `region` of `dynamodb`, or AWS_REGION"
                .to_owned(),
        ));
    }
    Ok(Client::new(&loaded))
}
