//! Bundles that are pushed: kept in versions, one of which is served.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use serde_json::{Value, json};
use switchboard_core::store::{Change, Condition, Mark, Query, Row, StoreError, Test, tables};

use switchboard_core::Area;

use crate::access::Right;
use crate::desk::documents::Version;
use crate::desk::manifest::Stats;
use crate::desk::packages::Upload;
use crate::desk::{Desk, area};
use crate::fault::Fault;
use crate::mask::unmask;
use crate::operations::{Inspected, Package};
use crate::record::{Bundle, BundleVersion, BundleWish, RollbackWish};

/// Versions of a bundle that are kept, the one that is served among them.
const VERSIONS: usize = 10;

/// Rows that are read at once.
const PAGE: u32 = 100;

/// An archive, and what says whose it is.
pub(super) struct Archive {
    pub content: Bytes,
    pub signature: Option<String>,
}

/// A package that is not served yet.
pub(super) struct Taken {
    archive: Archive,
    pub inspected: Inspected,
    definition: Value,
    kept: Option<Row>,
}

/// What is to be served.
struct Next<'a> {
    archive: &'a Archive,
    inspected: &'a Inspected,
    definition: Value,
    /// Whether it was sent now, and is not an older version.
    is_pushed: bool,
}

impl Inspected {
    pub(super) fn stats(&self) -> Stats {
        let count = |number: usize| i32::try_from(number).unwrap_or(i32::MAX);
        Stats {
            tools: count(self.tools),
            resources: count(self.resources),
            prompts: count(self.prompts),
            ..Stats::default()
        }
    }
}

impl Desk {
    /// Keeps a bundle: in a new version where one is sent, with another definition where that is.
    /// What could not be served is not kept.
    pub(crate) async fn put_bundle(
        &self,
        name: &str,
        wish: BundleWish,
        meant: Version,
    ) -> Result<Bundle, Fault> {
        self.access.require(Right::Manage(area(&tables::BUNDLES)))?;
        let kept = self.kept(&tables::BUNDLES, name).await?;
        if !meant.fits(kept.as_ref()) {
            return Err(Fault::Conflict(name.to_owned()));
        }
        let none = Value::Null;
        let body = kept.as_ref().and_then(|row| row.get("body")).unwrap_or(&none);
        let definition = match wish.definition {
            Some(sent) => unmask(sent.0, Some(&body["definition"]))
                .map_err(|why| Fault::Invalid(why.to_string()))?,
            None if body.is_null() => json!({}),
            None => body["definition"].clone(),
        };
        let uploaded = wish.upload.clone();
        let sent = self.sent(wish.package, wish.upload).await?;
        let is_pushed = sent.is_some();
        let archive = match (sent, body["current"].as_str()) {
            (Some(content), _) => Archive { content, signature: wish.signature },
            (None, Some(current)) => self.archive(name, current).await?,
            (None, None) => {
                return Err(Fault::invalid("a new bundle needs a `package` or an `upload`"));
            }
        };
        self.check_server(name).await?;
        let inspected = self.inspect(name, &archive, &definition).await?;
        let next = Next { archive: &archive, inspected: &inspected, definition, is_pushed };
        let bundle = self.serve(name, next, (kept, meant)).await?;
        if let Some(key) = uploaded {
            // It is kept as a version now. Where it cannot be deleted, the next one takes its place.
            let _ = self.ports.blobs.delete(&key).await;
        }
        Ok(bundle)
    }

    /// Has an older version served again.
    pub(crate) async fn roll_back(
        &self,
        name: &str,
        wish: RollbackWish,
        meant: Version,
    ) -> Result<Bundle, Fault> {
        self.access.require(Right::Manage(area(&tables::BUNDLES)))?;
        let kept = self.kept(&tables::BUNDLES, name).await?;
        let body = kept.as_ref().and_then(|row| row.get("body")).cloned();
        let Some(body) = body else { return Err(missing(name)) };
        if !meant.fits(kept.as_ref()) {
            return Err(Fault::Conflict(name.to_owned()));
        }
        let current = body["current"].as_str().unwrap_or_default();
        let versions = self.versions(name).await?;
        let digest = older(&versions, current, wish.digest.as_deref())?;
        let archive = self.archive(name, &digest).await?;
        let definition = body["definition"].clone();
        let inspected = self.inspect(name, &archive, &definition).await?;
        let next = Next { archive: &archive, inspected: &inspected, definition, is_pushed: false };
        self.serve(name, next, (kept, meant)).await
    }

    /// Looks at a package that is to be the bundle of its name, whether there was one or not.
    pub(super) async fn take(&self, name: &str, archive: Archive) -> Result<Taken, Fault> {
        self.check_server(name).await?;
        let kept = self.kept(&tables::BUNDLES, name).await?;
        let body = kept.as_ref().and_then(|row| row.get("body"));
        let definition = body.map_or_else(|| json!({}), |body| body["definition"].clone());
        let inspected = self.inspect(name, &archive, &definition).await?;
        Ok(Taken { archive, inspected, definition, kept })
    }

    /// Has a package served; nobody is told yet.
    pub(super) async fn put_package(&self, name: &str, taken: &Taken) -> Result<(), Fault> {
        let Taken { archive, inspected, definition, kept } = taken;
        let definition = definition.clone();
        let next = Next { archive, inspected, definition, is_pushed: true };
        self.put_in_place(name, next, (kept.clone(), Version::Any)).await.map(drop)
    }

    /// The versions that are kept of a bundle, those first that were pushed last.
    pub(crate) async fn bundle_versions(&self, name: &str) -> Result<Vec<BundleVersion>, Fault> {
        let kept = self.row(&tables::BUNDLES, name).await?.ok_or_else(|| missing(name))?;
        let current = kept.get("body").and_then(|body| body["current"].as_str());
        let versions = self.versions(name).await?;
        Ok(versions.iter().map(|row| BundleVersion::of(row, current)).collect())
    }

    /// Serves a bundle no more, and deletes its versions and what it kept. What an earlier try left is
    /// deleted, too.
    pub(crate) async fn remove_bundle(&self, name: &str, meant: Version) -> Result<(), Fault> {
        self.access.require(Right::Manage(area(&tables::BUNDLES)))?;
        // Before: what somebody pushes meanwhile is not ours to delete.
        let versions = self.versions(name).await?;
        match self.delete_document(&tables::BUNDLES, name, meant).await {
            Err(Fault::NotFound { .. }) if !versions.is_empty() => {}
            deleted => deleted?,
        }
        for row in versions {
            self.drop_version(row.key).await?;
        }
        loop {
            let own = vec![Condition { column: "bundle", test: Test::Is(name.into()) }];
            let store = &self.ports.store;
            if store.prune(&tables::BUNDLE_VALUES, self.tenant(), own, PAGE).await? == 0 {
                return Ok(());
            }
        }
    }

    /// An address to which the archive of a bundle can be uploaded.
    pub(crate) async fn bundle_upload(&self, name: &str) -> Result<Upload, Fault> {
        self.access.require(Right::Manage(area(&tables::BUNDLES)))?;
        let is_plain = |it: char| it.is_ascii_alphanumeric() || it == '_' || it == '-';
        if name.is_empty() || name.len() > 64 || !name.chars().all(is_plain) {
            return Err(Fault::invalid("a bundle is named by letters, digits, `-` and `_`"));
        }
        self.upload_to(format!("{}{name}.zip", self.uploads("bundles"))).await
    }

    /// What was sent, one way or the other.
    pub(super) async fn sent(
        &self,
        inline: Option<String>,
        upload: Option<String>,
    ) -> Result<Option<Bytes>, Fault> {
        match (inline, upload) {
            (None, None) => Ok(None),
            (Some(_), Some(_)) => Err(Fault::invalid("send the package or upload it, not both")),
            (Some(text), None) => {
                let content = STANDARD.decode(text.trim());
                let content = content.map_err(|error| {
                    Fault::Invalid(format!("the package is not in base64: {error}"))
                })?;
                Ok(Some(content.into()))
            }
            (None, Some(key)) => self.uploaded(&key).await.map(Some),
        }
    }

    /// What was uploaded by somebody of this tenant.
    pub(super) async fn uploaded(&self, key: &str) -> Result<Bytes, Fault> {
        let is_own = ["packages", "bundles"].iter().any(|it| key.starts_with(&self.uploads(it)));
        match is_own {
            true => self.fetch(key).await,
            false => Err(Fault::NotFound { what: "upload", key: key.to_owned() }),
        }
    }

    /// A blob that may be an archive.
    pub(super) async fn fetch(&self, key: &str) -> Result<Bytes, Fault> {
        let missing = || Fault::NotFound { what: "upload", key: key.to_owned() };
        let glance = self.ports.blobs.glance(key).await?.ok_or_else(missing)?;
        let limit = self.ports.operations.package_limit();
        if glance.bytes > limit {
            let bytes = glance.bytes;
            let why = format!("the package has {bytes} bytes, and {limit} is the limit");
            return Err(Fault::Invalid(why));
        }
        self.ports.blobs.read(key).await?.ok_or_else(missing)
    }

    async fn inspect(
        &self,
        name: &str,
        archive: &Archive,
        definition: &Value,
    ) -> Result<Inspected, Fault> {
        let package = Package {
            name,
            content: archive.content.clone(),
            signature: archive.signature.as_deref(),
            definition,
            may_spawn: self.access.has(Right::Spawn),
        };
        Ok(self.ports.operations.inspect(self.tenant(), package).await?)
    }

    /// Bundles and servers of a tenant share one set of names.
    async fn check_server(&self, name: &str) -> Result<(), Fault> {
        let servers = self.ports.store.read(&tables::SERVERS, self.tenant(), &[name]).await?;
        match servers.is_empty() {
            true => Ok(()),
            false => Err(Fault::Invalid(format!("`{name}` is a server of this tenant"))),
        }
    }

    async fn keep_version(
        &self,
        name: &str,
        archive: &Archive,
        inspected: &Inspected,
    ) -> Result<(), Fault> {
        let now = self.now();
        let bytes = i64::try_from(archive.content.len()).unwrap_or(i64::MAX);
        let row = Row::new(version_key(name, &inspected.digest))
            .with("bundle", name)
            .with("digest", inspected.digest.as_str())
            .with("version", inspected.version.clone())
            .with("bytes", bytes)
            .with("content", STANDARD.encode(&archive.content))
            .with("signature", archive.signature.clone())
            .with("created_at", now.as_str());
        let change = vec![Change::Put(self.stamped(row, &now))];
        Ok(self.ports.store.write(&tables::BUNDLE_VERSIONS, self.tenant(), change).await?)
    }

    /// Has an archive served that was looked at, with a definition, and lets its rows say what it says
    /// where it has rows.
    async fn serve(
        &self,
        name: &str,
        next: Next<'_>,
        kept: (Option<Row>, Version),
    ) -> Result<Bundle, Fault> {
        let configuration = match &next.inspected.configuration {
            Some(text) if self.has_rows(name).await? => {
                self.access.require(Right::Manage(Area::Settings))?;
                Some(text)
            }
            _ => None,
        };
        let row = self.put_in_place(name, next, kept).await?;
        if let Some(text) = configuration {
            self.write_package(name, text).await?;
        }
        // Once all of it is there.
        self.changed(area(&tables::BUNDLES)).await;
        Ok(Bundle::from(&row))
    }

    /// Keeps an archive as a version, has the row of the bundle name it, and lets go of versions that
    /// are too many. Nobody is told yet.
    async fn put_in_place(
        &self,
        name: &str,
        next: Next<'_>,
        kept: (Option<Row>, Version),
    ) -> Result<Row, Fault> {
        let Next { archive, inspected, definition, is_pushed } = next;
        let is_there = |row: &Row| row.text("digest") == Some(&inspected.digest);
        let was_there = self.versions(name).await?.iter().any(is_there);
        if is_pushed || !was_there {
            self.keep_version(name, archive, inspected).await?;
        }
        let body = json!({ "current": inspected.digest, "definition": definition });
        let quiet = Self { is_quiet: true, ..self.clone() };
        let row = match quiet.keep(&tables::BUNDLES, name, body, kept).await {
            Ok(row) => row,
            Err(fault) => {
                // What failed may have been written all the same, or by somebody else.
                if !was_there && self.current(name).await?.as_ref() != Some(&inspected.digest) {
                    self.drop_version(version_key(name, &inspected.digest)).await?;
                }
                return Err(fault);
            }
        };
        self.trim(name, &inspected.digest).await?;
        // Somebody may have deleted the bundle, and all of its versions, while this was served.
        if !self.versions(name).await?.iter().any(is_there) {
            self.keep_version(name, archive, inspected).await?;
        }
        Ok(row)
    }

    /// The digest of the version that is served.
    async fn current(&self, name: &str) -> Result<Option<String>, Fault> {
        let row = self.ports.store.read(&tables::BUNDLES, self.tenant(), &[name]).await?.pop();
        let current = row.as_ref().and_then(|row| row.get("body")?["current"].as_str());
        Ok(current.map(str::to_owned))
    }

    /// Whether the content of a bundle is rows.
    async fn has_rows(&self, name: &str) -> Result<bool, Fault> {
        let query = Query::first(1).only("package_name", Test::Is(name.into()));
        let listed = self.ports.store.list(&tables::MODULES, self.tenant(), &query).await?;
        Ok(!listed.rows.is_empty())
    }

    /// Lets go of versions that are too many: neither the one that was just served, nor the one that
    /// somebody else has served since.
    async fn trim(&self, name: &str, served: &str) -> Result<(), Fault> {
        let current = self.current(name).await?;
        let is_served = |row: &Row| {
            let digest = row.text("digest");
            digest == Some(served) || digest == current.as_deref()
        };
        let others = self.versions(name).await?.into_iter().filter(|row| !is_served(row));
        for row in others.skip(VERSIONS - 1) {
            self.drop_version(row.key).await?;
        }
        Ok(())
    }

    /// The rows of the versions of a bundle without their archives, those first that were pushed last.
    async fn versions(&self, name: &str) -> Result<Vec<Row>, Fault> {
        let query = Query::first(PAGE).only("bundle", Test::Is(name.into()));
        let mut query = Query { omits_large: true, ..query };
        let (store, mut rows) = (&self.ports.store, Vec::new());
        loop {
            let listed = store.list(&tables::BUNDLE_VERSIONS, self.tenant(), &query).await?;
            rows.extend(listed.rows);
            let Some(last) = rows.last().filter(|_| listed.has_more) else { break };
            query.after = Some(Mark { value: Value::Null, key: last.key.clone() });
        }
        let pushed = |row: &Row| row.text("updated_at").map(str::to_owned);
        rows.sort_by_key(|row| std::cmp::Reverse(pushed(row)));
        Ok(rows)
    }

    async fn archive(&self, name: &str, digest: &str) -> Result<Archive, Fault> {
        let key = version_key(name, digest);
        let store = &self.ports.store;
        let row = store.read(&tables::BUNDLE_VERSIONS, self.tenant(), &[&key]).await?.pop();
        let row = row.ok_or_else(|| Fault::NotFound { what: "version", key: digest.to_owned() })?;
        let content = STANDARD.decode(row.text("content").unwrap_or_default());
        let content = content.map_err(|error| Fault::internal(&format!("`{key}`: {error}")))?;
        let signature = row.text("signature").map(str::to_owned);
        Ok(Archive { content: content.into(), signature })
    }

    async fn drop_version(&self, key: String) -> Result<(), Fault> {
        let change = vec![Change::Delete(key)];
        match self.ports.store.write(&tables::BUNDLE_VERSIONS, self.tenant(), change).await {
            // Somebody else was quicker.
            Ok(()) | Err(StoreError::Missing { .. }) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

/// Under which a version is kept. No name of a bundle has a full stop in it.
fn version_key(name: &str, digest: &str) -> String {
    format!("{name}.{digest}")
}

fn missing(name: &str) -> Fault {
    Fault::NotFound { what: "bundle", key: name.to_owned() }
}

/// The digest that is meant: one that begins so, or that of the version before the current one.
fn older(versions: &[Row], current: &str, wanted: Option<&str>) -> Result<String, Fault> {
    let digests = || versions.iter().filter_map(|row| row.text("digest"));
    let Some(wanted) = wanted else {
        let older = digests().skip_while(|digest| *digest != current).nth(1);
        let why = || Fault::invalid("there is no version before the one that is served");
        return older.map(str::to_owned).ok_or_else(why);
    };
    let mut meant = digests().filter(|digest| digest.starts_with(wanted));
    match (meant.next(), meant.next()) {
        (Some(digest), None) if !wanted.is_empty() => Ok(digest.to_owned()),
        (None, _) => Err(Fault::NotFound { what: "version", key: wanted.to_owned() }),
        _ => Err(Fault::Invalid(format!("several versions begin with `{wanted}`"))),
    }
}

#[cfg(test)]
mod tests {
    use switchboard_core::store::Row;

    use super::older;

    #[test]
    fn versions_are_meant_by_how_they_begin_or_by_what_is_served() {
        let versions = ["c9", "b7", "b1"].map(|digest| Row::new(digest).with("digest", digest));
        let older = |current, wanted| older(&versions, current, wanted).ok();
        assert_eq!(older("c9", None).as_deref(), Some("b7"));
        assert_eq!(older("b7", None).as_deref(), Some("b1"));
        assert_eq!(older("b1", None), None, "it is the oldest");
        assert_eq!(older("b1", Some("c")).as_deref(), Some("c9"), "forward is allowed");
        assert_eq!(older("c9", Some("b")), None, "two begin so");
        assert_eq!(older("c9", Some("")), None);
        assert_eq!(older("c9", Some("d")), None);
    }
}
