//! The limits that tenants keep in their stores.

use std::hash::{BuildHasher, Hash as _, Hasher as _};

use crate::limit::rules::{Rules, check};
use crate::limit::settings::LimitSettings;
use crate::store::{Query, Row, Store, StoreError, tables};
use crate::tenant::Tenant;

/// What a tenant keeps, as it was read: a row of [`tables::LIMITS`] has a [`LimitSettings`] for its
/// body, and the name of the limit for its key.
#[derive(Debug)]
pub struct StoredLimits {
    rows: Vec<Row>,
    has_more: bool,
}

/// How many limits a tenant may keep.
pub const STORED_LIMIT: u32 = 32;

impl StoredLimits {
    /// Reads what `tenant` keeps.
    ///
    /// # Errors
    ///
    /// Those of the store. What held before should go on to hold.
    pub async fn read(store: &dyn Store, tenant: &Tenant) -> Result<Self, StoreError> {
        let listed = store.list(&tables::LIMITS, tenant, &Query::first(STORED_LIMIT)).await?;
        Ok(Self { rows: listed.rows, has_more: listed.has_more })
    }

    /// What tells it from what was read before.
    pub fn digest(&self, hasher: &impl BuildHasher) -> u64 {
        let mut state = hasher.build_hasher();
        for row in &self.rows {
            (&row.key, row.get("body").map(ToString::to_string)).hash(&mut state);
        }
        state.finish()
    }

    /// The rules, and in words what of them cannot hold.
    ///
    /// A row that is no limit is left out, and so is what is beyond [`STORED_LIMIT`]: limits
    /// forgive, and one that another program wrote wrongly is no reason to shut a tenant.
    pub fn rules(&self, tenant: &Tenant) -> (Rules, Vec<String>) {
        let mut problems = Vec::new();
        let mut kept = Vec::new();
        for row in &self.rows {
            match settings(tenant, row) {
                Ok(settings) => kept.push((&*row.key, settings)),
                Err(why) => problems.push(format!("limit `{}`: {why}", row.key)),
            }
        }
        if self.has_more {
            problems.push(format!("only the first {STORED_LIMIT} limits of a tenant hold"));
        }
        let rules = Rules::kept(tenant, kept.iter().map(|(name, settings)| (*name, settings)));
        let rules = rules.unwrap_or_else(|error| {
            problems.push(error.to_string());
            Rules::default()
        });
        (rules, problems)
    }
}

fn settings(tenant: &Tenant, row: &Row) -> Result<LimitSettings, String> {
    let body = row.get("body").cloned().unwrap_or_default();
    let settings: LimitSettings =
        serde_json::from_value(body).map_err(|error| error.to_string())?;
    check(Some(tenant), &row.key, &settings).map_err(|error| error.to_string())?;
    Ok(settings)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::StoredLimits;
    use crate::store::Row;
    use crate::tenant::Tenant;

    #[track_caller]
    fn check(body: &Value, expected: &str) {
        let row = |name: &str, body: &Value| Row::new(name).with("body", body.clone());
        let good = row("good", &json!({ "rate": "1/h" }));
        let stored = StoredLimits { rows: vec![good, row("it", body)], has_more: false };
        let (rules, problems) = stored.rules(&Tenant::parse("acme").unwrap());
        assert!(!rules.is_empty(), "the other one holds");
        let problems = problems.join("; ");
        assert_eq!(problems.is_empty(), expected.is_empty(), "{body}: {problems}");
        assert!(problems.starts_with(expected), "{body}: {problems}");
    }

    #[test]
    fn a_row_that_is_no_limit_is_left_out() {
        check(&json!({ "calls_per_day": 5 }), "");
        check(&json!({}), "limit `it`: the limit `it` limits nothing: set `rate`, ");
        let others = json!({ "rate": "1/h", "tenant": "other" });
        check(&others, "limit `it`: the limit `it` is for its own tenant alone: ");
        check(&json!({ "rats": 5 }), "limit `it`: unknown field `rats`");
        check(&json!({ "rate": "often" }), "limit `it`: ");
    }
}
