//! The policies that tenants keep in their stores.

use switchboard_core::Tenant;
use switchboard_core::store::{Mark, Query, Row, Store, StoreError, tables};

use crate::text::Text;

/// Policies of one tenant that are read at most; each is a text that may have many rules.
const STORED_LIMIT: usize = 1_000;

/// Rows that are asked for at once.
const PAGE: u32 = 200;

/// The texts that `tenant` keeps, in the order of their ids: a row of [`tables::POLICIES`] has one
/// as the member `text` of its body.
///
/// # Errors
///
/// Those of the store; a row without a text is [`StoreError::Broken`], and more rows than are read
/// are [`StoreError::Invalid`]. In every case it is not known what the tenant forbids, so it is to
/// stay as it is, or be [shut](crate::Policies::shut) where it was never read.
pub async fn stored_texts(store: &dyn Store, tenant: &Tenant) -> Result<Vec<Text>, StoreError> {
    let mut texts = Vec::new();
    let mut after = None;
    loop {
        let query = Query { after, ..Query::first(PAGE) };
        let listed = store.list(&tables::POLICIES, tenant, &query).await?;
        for row in &listed.rows {
            texts.push(text(row)?);
        }
        if texts.len() > STORED_LIMIT {
            let message = format!("{tenant} has more than {STORED_LIMIT} policies");
            return Err(StoreError::Invalid(message));
        }
        after = listed
            .rows
            .last()
            .filter(|_| listed.has_more)
            .map(|last| Mark { value: serde_json::Value::Null, key: last.key.clone() });
        if after.is_none() {
            return Ok(texts);
        }
    }
}

fn text(row: &Row) -> Result<Text, StoreError> {
    let content = row.get("body").and_then(|body| body["text"].as_str());
    let content =
        content.ok_or_else(|| StoreError::Broken(format!("policy `{}` has no text", row.key)))?;
    Ok(Text::new(&row.key, content))
}

#[cfg(test)]
mod tests {
    use serde_json::json;
    use switchboard_core::store::Row;

    use super::text;

    #[test]
    fn a_row_has_its_text_in_the_body() {
        let row = Row::new("limits").with("body", json!({ "text": "// nothing" }));
        let read = text(&row).unwrap();
        assert_eq!((&*read.name, &*read.content), ("limits", "// nothing"));
        let row = Row::new("limits").with("body", json!({ "text": 1 }));
        assert!(text(&row).unwrap_err().to_string().contains("policy `limits` has no text"));
    }
}
