//! Everything in a store as lines of JSON, and back into any store.
//!
//! ```text
//! {"format":"switchboard-store","version":1}
//! {"table":"mcp_functions","tenant":"acme","row":{"name":"github__create_issue","status":1}}
//! {"blob":"packages/demo.zip","content":"BASE64"}
//! {"end":{"rows":1,"blobs":1}}
//! ```
//!
//! Rows are as the store gives them: with the values of their blobs where [`Overflow`](crate::Overflow)
//! lies around it, and with secrets in the clear where [`Vault`](crate::Vault) does. Without the
//! vault on both sides they stay sealed, and are good with the same key. The last line says how much
//! there was, because a file that lost its end looks like one that is complete.

use std::collections::BTreeMap;
use std::io;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use switchboard_core::Tenant;
use switchboard_core::store::{
    ATOMIC, BlobStore, Change, Mark, Query, Row, Store, StoreError, Table, tables,
};
use tokio::io::{
    AsyncBufRead, AsyncBufReadExt as _, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _,
};

use crate::shape;

/// What was moved.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Moved {
    /// The rows of each table, by its name.
    pub rows: BTreeMap<&'static str, u64>,
    pub blobs: u64,
}

/// Why a store was not exported or imported.
#[derive(Debug, thiserror::Error)]
pub enum TransferError {
    /// Correct the file; what stands before the line is imported.
    #[error("line {line}: {why}")]
    Line { line: u64, why: String },
    /// The same may succeed later, or somebody has to look.
    #[error("{what}: {cause}")]
    Store { what: String, cause: StoreError },
    /// Lay [`Overflow`](crate::Overflow) around the store: it reads them back.
    #[error("`{table}` has values in blobs, and this store gives only their names")]
    Apart { table: &'static str },
    /// Look at the file or the pipe.
    #[error("cannot {doing} the export")]
    Io {
        doing: &'static str,
        #[source]
        cause: io::Error,
    },
}

const FORMAT: &str = "switchboard-store";
const VERSION: u32 = 1;

/// Rows that are read at once.
const PAGE: u32 = 200;

/// The same of those that are archives.
const LARGE_PAGE: u32 = 2;

/// The longest line: a value of that length is in no store that we know of, and a file that is none
/// of ours may be one line.
const LINE_LIMIT: u64 = 256 << 20;

/// Bytes of lines that are written together; a row may be small or very large.
const BATCH_LIMIT: usize = 4 << 20;

/// Where large values of rows are, which the rows have in them.
const CONTENT: &str = "mcp_content/";

/// One line; which of them depends on what is there.
#[derive(Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
struct Line {
    #[serde(skip_serializing_if = "Option::is_none")]
    format: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    version: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    table: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tenant: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    row: Option<Map<String, Value>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    blob: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    end: Option<Totals>,
}

#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize)]
#[serde(deny_unknown_fields)]
struct Totals {
    rows: u64,
    blobs: u64,
}

impl Moved {
    fn totals(&self) -> Totals {
        Totals { rows: self.rows.values().sum(), blobs: self.blobs }
    }
}

/// Writes everything: all rows of all tenants, and the blobs that are no values of rows.
///
/// What is written while it runs may be in it or not; a row is whole in either case.
///
/// # Errors
///
/// [`TransferError`]; what was written then has no last line, and is refused by [`import`].
pub async fn export(
    store: &dyn Store,
    blobs: Option<&dyn BlobStore>,
    writer: &mut (dyn AsyncWrite + Send + Unpin),
) -> Result<Moved, TransferError> {
    let mut moved = Moved::default();
    let (format, version) = (Some(FORMAT.to_owned()), Some(VERSION));
    put(writer, &Line { format, version, ..Line::default() }).await?;
    for table in tables::ALL {
        let tenants = store.tenants(table).await.map_err(failed(|| table.name.to_owned()))?;
        for tenant in tenants {
            *moved.rows.entry(table.name).or_default() +=
                export_table(store, table, &tenant, writer).await?;
        }
    }
    if let Some(blobs) = blobs {
        moved.blobs = export_blobs(blobs, writer).await?;
    }
    put(writer, &Line { end: Some(moved.totals()), ..Line::default() }).await?;
    writer.flush().await.map_err(|cause| TransferError::Io { doing: "write", cause })?;
    Ok(moved)
}

async fn export_table(
    store: &dyn Store,
    table: &'static Table,
    tenant: &Tenant,
    writer: &mut (dyn AsyncWrite + Send + Unpin),
) -> Result<u64, TransferError> {
    let mut count = 0;
    let is_large = table.name == tables::BUNDLE_VERSIONS.name;
    let mut query = Query::first(if is_large { LARGE_PAGE } else { PAGE });
    loop {
        let page = store.list(table, tenant, &query).await;
        let page = page.map_err(failed(|| format!("{} of {tenant}", table.name)))?;
        query.after = page.rows.last().map(|row| Mark { value: Value::Null, key: row.key.clone() });
        let flag = table.overflow.map(|(_, flag)| flag);
        if page.rows.iter().any(|row| flag.is_some_and(|flag| row.flag(flag))) {
            return Err(TransferError::Apart { table: table.name });
        }
        for Row { key, columns } in page.rows {
            let mut row = Map::with_capacity(columns.len() + 1);
            row.insert(table.key.to_owned(), key.into());
            row.extend(columns);
            let line = Line {
                table: Some(table.name.to_owned()),
                tenant: Some(tenant.as_str().to_owned()),
                row: Some(row),
                ..Line::default()
            };
            put(writer, &line).await?;
            count += 1;
        }
        if !page.has_more {
            return Ok(count);
        }
    }
}

async fn export_blobs(
    blobs: &dyn BlobStore,
    writer: &mut (dyn AsyncWrite + Send + Unpin),
) -> Result<u64, TransferError> {
    let mut count = 0;
    let names = blobs.list("").await.map_err(failed(|| "the blobs".to_owned()))?;
    for name in names.into_iter().filter(|name| !name.starts_with(CONTENT)) {
        let content = blobs.read(&name).await.map_err(failed(|| format!("the blob `{name}`")))?;
        // Deleted since it was listed.
        let Some(content) = content else { continue };
        let content = Some(STANDARD.encode(content));
        put(writer, &Line { blob: Some(name), content, ..Line::default() }).await?;
        count += 1;
    }
    Ok(count)
}

async fn put(
    writer: &mut (dyn AsyncWrite + Send + Unpin),
    line: &Line,
) -> Result<(), TransferError> {
    let written = async {
        let mut text = serde_json::to_vec(line)?;
        text.push(b'\n');
        writer.write_all(&text).await
    };
    written.await.map_err(|cause| TransferError::Io { doing: "write", cause })
}

/// Puts everything that [`export`] wrote into a store, in the place of rows that have the same keys.
/// Rows that it does not name stay; done twice, it is as if done once.
///
/// # Errors
///
/// [`TransferError`]; what stands before the line that it names may be there already.
pub async fn import(
    store: &dyn Store,
    blobs: Option<&dyn BlobStore>,
    reader: &mut (dyn AsyncBufRead + Send + Unpin),
) -> Result<Moved, TransferError> {
    let mut lines = Lines { reader, number: 0, length: 0 };
    let head = lines.next().await?.unwrap_or_default();
    if head.format.as_deref() != Some(FORMAT) {
        return lines
            .refuse(format!("this is no export: it does not say `\"format\":\"{FORMAT}\"`"));
    }
    if head.version != Some(VERSION) {
        let found = head.version.unwrap_or_default();
        return lines
            .refuse(format!("version {found} of the format, and this build knows {VERSION}"));
    }
    let mut batch = Batch { store, pending: Vec::new(), bytes: 0, moved: Moved::default() };
    while let Some(line) = lines.next().await? {
        match line {
            Line { table: Some(table), tenant: Some(tenant), row: Some(row), .. } => {
                match to_row(&table, &tenant, row) {
                    Ok(row) => batch.add(row, lines.length).await?,
                    Err(why) => return lines.refuse(why),
                }
            }
            Line { blob: Some(name), content: Some(content), .. } => {
                let Some(blobs) = blobs else {
                    return lines.refuse("a blob, and there is no place for blobs".to_owned());
                };
                let Ok(content) = STANDARD.decode(content) else {
                    return lines.refuse(format!("the content of `{name}` is no base64"));
                };
                let kept = blobs.put(&name, Bytes::from(content)).await;
                kept.map_err(failed(|| format!("the blob `{name}`")))?;
                batch.moved.blobs += 1;
            }
            Line { end: Some(totals), .. } => {
                batch.flush().await?;
                if batch.moved.totals() != totals {
                    return lines.refuse(format!("there should have been {totals:?}"));
                }
                return Ok(batch.moved);
            }
            _ => return lines.refuse("this is neither a row nor a blob nor the end".to_owned()),
        }
    }
    lines.refuse("the file ends here, and what came after it is lost".to_owned())
}

/// A row and where it belongs.
type Placed = (&'static Table, Tenant, Row);

fn to_row(table: &str, tenant: &str, mut columns: Map<String, Value>) -> Result<Placed, String> {
    let found = tables::ALL.into_iter().find(|own| own.name == table);
    let table = found.ok_or_else(|| format!("`{table}` is no table that this build knows"))?;
    let tenant = Tenant::parse(tenant).map_err(|error| format!("no tenant: {error}"))?;
    let Some(Value::String(key)) = columns.shift_remove(table.key) else {
        return Err(format!("the row has no `{}`, which is its key", table.key));
    };
    let row = Row { key, columns };
    shape::row(table, &row).map_err(|error| error.to_string())?;
    Ok((table, tenant, row))
}

/// Rows on their way into the store, of one table and tenant at a time.
struct Batch<'a> {
    store: &'a dyn Store,
    pending: Vec<Placed>,
    bytes: usize,
    moved: Moved,
}

impl Batch<'_> {
    async fn add(&mut self, row: Placed, bytes: usize) -> Result<(), TransferError> {
        let fits = self.pending.last().is_none_or(|last| {
            last.0.name == row.0.name
                && last.1 == row.1
                && self.pending.len() < ATOMIC
                && self.bytes + bytes <= BATCH_LIMIT
        });
        if !fits {
            self.flush().await?;
        }
        self.bytes += bytes;
        self.pending.push(row);
        Ok(())
    }

    async fn flush(&mut self) -> Result<(), TransferError> {
        self.bytes = 0;
        let Some((table, tenant, _)) = self.pending.first().cloned() else { return Ok(()) };
        let changes: Vec<_> = self.pending.drain(..).map(|(_, _, row)| Change::Put(row)).collect();
        let count = changes.len() as u64;
        let written = self.store.write(table, &tenant, changes).await;
        written.map_err(failed(|| format!("{} of {tenant}", table.name)))?;
        *self.moved.rows.entry(table.name).or_default() += count;
        Ok(())
    }
}

struct Lines<'a> {
    reader: &'a mut (dyn AsyncBufRead + Send + Unpin),
    number: u64,
    length: usize,
}

impl Lines<'_> {
    /// The next line; `None` at the end of the file.
    async fn next(&mut self) -> Result<Option<Line>, TransferError> {
        let mut text = Vec::new();
        let read = (&mut *self.reader).take(LINE_LIMIT).read_until(b'\n', &mut text).await;
        self.length = read.map_err(|cause| TransferError::Io { doing: "read", cause })?;
        self.number += 1;
        if self.length == 0 {
            return Ok(None);
        }
        if text.len() as u64 == LINE_LIMIT {
            return self.refuse("the line is too long".to_owned());
        }
        match serde_json::from_slice(&text) {
            Ok(line) => Ok(Some(line)),
            // Its own line is always the first one.
            Err(error) => self.refuse(format!("column {}: {}", error.column(), told(&error))),
        }
    }

    fn refuse<T>(&self, why: String) -> Result<T, TransferError> {
        Err(TransferError::Line { line: self.number, why })
    }
}

/// What `serde_json` says, without the place, which it counts from the beginning of the line.
fn told(error: &serde_json::Error) -> String {
    let told = error.to_string();
    told.split(" at line ").next().unwrap_or_default().to_owned()
}

fn failed(what: impl FnOnce() -> String) -> impl FnOnce(StoreError) -> TransferError {
    move |cause| TransferError::Store { what: what(), cause }
}
