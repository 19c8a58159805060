//! The records of calls.

use switchboard_core::store::{Listed, Query, Test, tables};

use crate::desk::{Desk, Extent};
use crate::fault::Fault;
use crate::live::Event;
use crate::moment::Moment;
use crate::record::{Call, CallWish};

/// Which calls are meant.
#[derive(Clone, Debug, Default)]
pub(crate) struct CallFilter {
    pub mcp_type: Option<String>,
    pub name: Option<String>,
    pub status: Option<String>,
    pub subject: Option<String>,
    pub upstream: Option<String>,
    /// Changed later than this.
    pub updated_after: Option<Moment>,
    /// Changed earlier than this.
    pub updated_before: Option<Moment>,
}

impl CallFilter {
    fn narrow(self, query: Query) -> Query {
        let equal = [
            ("mcp_type", self.mcp_type),
            ("name", self.name),
            ("status", self.status),
            ("subject", self.subject),
            ("upstream", self.upstream),
        ];
        let mut query = query;
        for (column, value) in equal {
            if let Some(value) = value {
                query = query.only(column, Test::Is(value.into()));
            }
        }
        if let Some(moment) = self.updated_after {
            query = query.only("updated_at", Test::From(moment.next().as_str().into()));
        }
        match self.updated_before {
            Some(moment) => query.only("updated_at", Test::Below(moment.as_str().into())),
            None => query,
        }
    }
}

impl Desk {
    pub(crate) async fn call(&self, id: &str) -> Result<Option<Call>, Fault> {
        let row = self.row(&tables::CALLS, id).await?;
        Ok(row.map(|row| Call::of(self.tenant(), &row)))
    }

    pub(crate) async fn calls(&self, filter: CallFilter, query: Query) -> Result<Listed, Fault> {
        self.rows(&tables::CALLS, &filter.narrow(query)).await
    }

    /// Changes the record of that id, or makes one where no id is given, as with settings.
    pub(crate) async fn put_call(
        &self,
        id: Option<&str>,
        wish: CallWish,
        by: Option<String>,
    ) -> Result<Call, Fault> {
        let mut row = wish.row(id.unwrap_or_default())?;
        if let Some(by) = by {
            row = row.with("updated_by", by);
        }
        let row = match id {
            Some(_) => self.update(&tables::CALLS, row, Extent::Partly).await?,
            None => {
                if row.get("name").is_none() || row.get("mcp_type").is_none() {
                    return Err(super::lacking(&tables::CALLS, &["name", "mcp_type"]));
                }
                let status = row.text("status").unwrap_or("initial").to_owned();
                self.insert(&tables::CALLS, row.with("status", status)).await?
            }
        };
        let call = Call::of(self.tenant(), &row);
        if self.live.is_watched(self.tenant()) {
            self.live.announce(self.tenant(), Event::Call(row));
        }
        Ok(call)
    }
}
