//! Functions.

use switchboard_core::store::{Listed, Query, Test, tables};

use crate::desk::{Desk, Extent};
use crate::fault::Fault;
use crate::record::{Function, FunctionWish};

/// Which functions are meant.
#[derive(Clone, Debug, Default)]
pub(crate) struct FunctionFilter {
    pub mcp_type: Option<String>,
    /// Contained in the description.
    pub description: Option<String>,
    pub module_name: Option<String>,
    pub class_name: Option<String>,
    pub function_name: Option<String>,
    pub status: Option<i64>,
}

impl FunctionFilter {
    fn narrow(self, query: Query) -> Query {
        let equal = [
            ("mcp_type", self.mcp_type),
            ("module_name", self.module_name),
            ("class_name", self.class_name),
            ("function_name", self.function_name),
        ];
        let mut query = query;
        for (column, value) in equal {
            if let Some(value) = value {
                query = query.only(column, Test::Is(value.into()));
            }
        }
        if let Some(text) = self.description {
            query = query.only("description", Test::Contains(text));
        }
        match self.status {
            Some(status) => query.only("status", Test::Is(status.into())),
            None => query,
        }
    }
}

impl Desk {
    pub(crate) async fn function(&self, name: &str) -> Result<Option<Function>, Fault> {
        let row = self.row(&tables::FUNCTIONS, name).await?;
        Ok(row.map(|row| Function::of(self.tenant(), &row)))
    }

    pub(crate) async fn functions(
        &self,
        filter: FunctionFilter,
        query: Query,
    ) -> Result<Listed, Fault> {
        self.rows(&tables::FUNCTIONS, &filter.narrow(query)).await
    }

    pub(crate) async fn put_function(
        &self,
        name: &str,
        wish: FunctionWish,
        extent: Extent,
        by: Option<String>,
    ) -> Result<Function, Fault> {
        let mut row = wish.row(name)?;
        if let Some(by) = by {
            row = row.with("updated_by", by);
        }
        let row = self.upsert(&tables::FUNCTIONS, row, extent, &["mcp_type"]).await?;
        Ok(Function::of(self.tenant(), &row))
    }
}
