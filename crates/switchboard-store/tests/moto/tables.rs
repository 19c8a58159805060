//! Tables on moto.

use switchboard_config::Secret;
use switchboard_store::dynamodb::DynamodbConfig;

use crate::moto::{KEY, REGION, endpoint};

/// The tables of that prefix, which are made where they are not there.
pub(crate) fn of(table_prefix: &str) -> DynamodbConfig {
    DynamodbConfig {
        region: Some(REGION.to_owned()),
        endpoint: Some(endpoint().to_owned()),
        table_prefix: table_prefix.to_owned(),
        initialize_tables: true,
        access_key_id: Some(KEY.0.to_owned()),
        secret_access_key: Some(Secret::new(KEY.1)),
        session_token: None,
    }
}
