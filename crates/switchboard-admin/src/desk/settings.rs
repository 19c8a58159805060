//! Settings.

use switchboard_core::store::tables;

use crate::desk::{Desk, Extent};
use crate::fault::Fault;
use crate::record::{Setting, SettingWish};

impl Desk {
    pub(crate) async fn setting(&self, id: &str) -> Result<Option<Setting>, Fault> {
        let row = self.row(&tables::SETTINGS, id).await?;
        Ok(row.map(|row| Setting::of(self.tenant(), &row)))
    }

    /// Changes the setting of that id, or makes one where no id is given: an id that nobody knows is
    /// a mistake, and not a new setting.
    pub(crate) async fn put_setting(
        &self,
        id: Option<&str>,
        wish: SettingWish,
        extent: Extent,
        by: Option<String>,
    ) -> Result<Setting, Fault> {
        let mut row = wish.row(id.unwrap_or_default());
        if let Some(by) = by {
            row = row.with("updated_by", by);
        }
        let row = match id {
            Some(_) => self.update(&tables::SETTINGS, row, extent).await?,
            None => self.insert(&tables::SETTINGS, row).await?,
        };
        Ok(Setting::of(self.tenant(), &row))
    }
}
