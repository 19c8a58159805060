//! Modules.

use switchboard_core::store::tables;

use crate::desk::{Desk, Extent};
use crate::fault::Fault;
use crate::record::{Module, ModuleWish};

impl Desk {
    pub(crate) async fn module(&self, name: &str) -> Result<Option<Module>, Fault> {
        let row = self.row(&tables::MODULES, name).await?;
        Ok(row.map(|row| Module::of(self.tenant(), &row)))
    }

    pub(crate) async fn put_module(
        &self,
        name: &str,
        wish: ModuleWish,
        extent: Extent,
        by: Option<String>,
    ) -> Result<Module, Fault> {
        let mut row = wish.row(name)?;
        if let Some(by) = by {
            row = row.with("updated_by", by);
        }
        let row = self.upsert(&tables::MODULES, row, extent, &["package_name"]).await?;
        Ok(Module::of(self.tenant(), &row))
    }
}
