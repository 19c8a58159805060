//! What is kept whole: servers, policies, limits.

use serde_json::{Value, json};
use switchboard_core::limit::STORED_LIMIT;
use switchboard_core::store::{Change, Query, Row, Table, tables};

use crate::access::Right;
use crate::desk::{Desk, area};
use crate::fault::Fault;
use crate::mask::unmask;
use crate::operations::Document;
use crate::record::{Limit, LimitWish, PolicyDocument, PolicyWish, Server, ServerWish};

/// Which version of a document somebody means to change.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Version {
    /// Whichever there is, or none.
    Any,
    /// There must be none.
    Absent,
    Seen(i64),
}

impl Version {
    /// Whether it is the one that is kept, if one is.
    pub(super) fn fits(self, kept: Option<&Row>) -> bool {
        let was = kept.map(|row| row.integer("version").unwrap_or_default());
        match self {
            Self::Any => true,
            Self::Absent => was.is_none(),
            Self::Seen(version) => was == Some(version),
        }
    }

    pub(crate) fn seen(version: Option<i64>) -> Self {
        version.map_or(Self::Any, Self::Seen)
    }
}

impl Desk {
    pub(crate) async fn put_server(
        &self,
        name: &str,
        wish: ServerWish,
        meant: Version,
    ) -> Result<Server, Fault> {
        self.access.require(Right::Manage(area(&tables::SERVERS)))?;
        let kept = self.kept(&tables::SERVERS, name).await?;
        if !self.ports.store.read(&tables::BUNDLES, self.tenant(), &[name]).await?.is_empty() {
            return Err(Fault::Invalid(format!("`{name}` is a bundle of this tenant")));
        }
        let body = kept.as_ref().and_then(|row| row.get("body"));
        let definition =
            unmask(wish.definition.0, body).map_err(|why| Fault::Invalid(why.to_string()))?;
        let document = Document::Server { name, definition: &definition };
        if self.ports.operations.check(self.tenant(), document)?.spawns {
            self.access.require(Right::Spawn)?;
        }
        let row = self.keep(&tables::SERVERS, name, definition, (kept, meant)).await?;
        Ok(Server::from(&row))
    }

    pub(crate) async fn put_policy(
        &self,
        id: &str,
        wish: PolicyWish,
        meant: Version,
    ) -> Result<PolicyDocument, Fault> {
        self.access.require(Right::Manage(area(&tables::POLICIES)))?;
        let document = Document::Policy { id, text: &wish.text };
        self.ports.operations.check(self.tenant(), document)?;
        let kept = self.kept(&tables::POLICIES, id).await?;
        let body = json!({ "text": wish.text });
        let row = self.keep(&tables::POLICIES, id, body, (kept, meant)).await?;
        Ok(PolicyDocument::from(&row))
    }

    /// Whether a policy would be taken, without keeping it.
    pub(crate) fn check_policy(&self, text: &str) -> Result<(), Fault> {
        self.access.require(Right::Inspect(area(&tables::POLICIES)))?;
        self.ports.operations.check(self.tenant(), Document::Policy { id: "check", text })?;
        Ok(())
    }

    pub(crate) async fn put_limit(
        &self,
        id: &str,
        wish: LimitWish,
        meant: Version,
    ) -> Result<Limit, Fault> {
        self.access.require(Right::Manage(area(&tables::LIMITS)))?;
        let definition = wish.definition.0;
        let document = Document::Limit { id, definition: &definition };
        self.ports.operations.check(self.tenant(), document)?;
        let kept = self.kept(&tables::LIMITS, id).await?;
        if kept.is_none() {
            let query = Query::first(STORED_LIMIT);
            let listed = self.ports.store.list(&tables::LIMITS, self.tenant(), &query).await?;
            if STORED_LIMIT as usize <= listed.rows.len() {
                let why = format!("a tenant keeps {STORED_LIMIT} limits at most; delete one first");
                return Err(Fault::Invalid(why));
            }
        }
        let row = self.keep(&tables::LIMITS, id, definition, (kept, meant)).await?;
        Ok(Limit::from(&row))
    }

    /// Deletes a document, in the version that somebody has seen.
    pub(crate) async fn delete_document(
        &self,
        table: &'static Table,
        id: &str,
        meant: Version,
    ) -> Result<(), Fault> {
        self.access.require(Right::Manage(area(table)))?;
        if let Version::Seen(version) = meant {
            let kept = self.kept(table, id).await?;
            if kept.is_some_and(|row| row.integer("version") != Some(version)) {
                return Err(Fault::Conflict(id.to_owned()));
            }
        }
        self.delete(table, id).await
    }

    pub(super) async fn kept(&self, table: &'static Table, id: &str) -> Result<Option<Row>, Fault> {
        if id.is_empty() {
            return Err(Fault::Invalid(format!(
                "a {} needs a name",
                crate::fault::noun(table.name)
            )));
        }
        Ok(self.ports.store.read(table, self.tenant(), &[id]).await?.pop())
    }

    /// Keeps a body as the version after the one that was read: what somebody else writes in between
    /// is not overwritten.
    pub(super) async fn keep(
        &self,
        table: &'static Table,
        id: &str,
        body: Value,
        (kept, meant): (Option<Row>, Version),
    ) -> Result<Row, Fault> {
        let now = self.now();
        if !meant.fits(kept.as_ref()) {
            return Err(Fault::Conflict(id.to_owned()));
        }
        let was = kept.as_ref().map(|row| row.integer("version").unwrap_or_default());
        let version = was.unwrap_or_default() + 1;
        let row = self.stamped(Row::new(id).with("body", body).with("version", version), &now);
        let change = match was {
            Some(was) => Change::Replace { row, column: "version", was: was.into() },
            None => Change::Insert(row.with("created_at", now.as_str())),
        };
        self.ports.store.write(table, self.tenant(), vec![change]).await?;
        self.changed(area(table)).await;
        self.written(table, id).await
    }
}
