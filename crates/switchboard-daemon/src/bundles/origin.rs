//! Where the archive of a bundle is: on this machine, in a bucket, or in the store.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use switchboard_core::Tenant;
use switchboard_core::store::{BlobStore, Store, tables};
use switchboard_function::{Archive, Caps, SigningKeys, Source, Stamp};
use switchboard_store::blob::{S3, S3Config};

/// Where the archive of a bundle is.
#[derive(Clone)]
pub(super) enum Origin {
    /// A ZIP archive or a directory of this machine.
    Here(Source),
    /// `s3://BUCKET/KEY`.
    Object { bucket: Arc<dyn BlobStore>, key: String, address: String },
    /// A version that was pushed.
    Pushed { store: Arc<dyn Store>, tenant: Tenant, key: String },
    /// Nowhere, and why.
    Nowhere(String),
}

/// What it looks like there: another mark may be another content, the same one is the same.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Mark {
    Files(Stamp),
    /// The entity tags of the object and of its signature.
    Tags(Option<String>, Option<String>),
    Version(String),
    /// It could not be looked at.
    Unknown,
}

/// How an archive in a bucket is told from a path.
const S3_SCHEME: &str = "s3://";

impl Origin {
    /// Whether it is looked at over the network.
    pub(super) fn is_far(&self) -> bool {
        matches!(self, Self::Object { .. })
    }

    pub(super) async fn look(&self) -> Mark {
        match self {
            Self::Here(source) => {
                let source = source.clone();
                let looking = tokio::task::spawn_blocking(move || source.stamp());
                Mark::Files(looking.await.expect("looking does not panic"))
            }
            Self::Object { bucket, key, .. } => {
                let signature = signature_of(key);
                let (object, signature) =
                    tokio::join!(bucket.glance(key), bucket.glance(&signature));
                match (object, signature) {
                    (Ok(object), Ok(signature)) => {
                        Mark::Tags(object.map(|it| it.tag), signature.map(|it| it.tag))
                    }
                    _ => Mark::Unknown,
                }
            }
            Self::Pushed { key, .. } => Mark::Version(key.clone()),
            Self::Nowhere(_) => Mark::Unknown,
        }
    }

    /// Reads all of it, if one of `keys` signed it, or nobody has to.
    ///
    /// # Errors
    ///
    /// Why it cannot be taken, for people.
    pub(super) async fn read(&self, caps: Caps, keys: SigningKeys) -> Result<Archive, String> {
        let (content, place, signature) = match self {
            Self::Here(source) => {
                let source = source.clone();
                let reading = tokio::task::spawn_blocking(move || source.read(&caps, &keys));
                let read = reading.await.expect("reading does not panic");
                return read.map_err(|error| error.to_string());
            }
            Self::Object { bucket, key, address } => {
                let content = object(&**bucket, key, caps.packed).await?;
                let content = content.ok_or_else(|| format!("there is no `{address}`"))?;
                let signature = match keys.are_there() {
                    true => object(&**bucket, &signature_of(key), SIGNATURE_BYTES).await?,
                    false => None,
                };
                let signature = signature.map(|it| String::from_utf8_lossy(&it).into_owned());
                (content, signature_of(address), signature)
            }
            Self::Pushed { store, tenant, key } => {
                let (content, signature) = pushed(&**store, tenant, key).await?;
                (content, format!("signature of {key}"), signature)
            }
            Self::Nowhere(why) => return Err(why.clone()),
        };
        let reading = tokio::task::spawn_blocking(move || {
            Archive::signed(&content, (&place, signature.as_deref()), &caps, &keys)
        });
        reading.await.expect("reading does not panic").map_err(|error| error.to_string())
    }
}

/// The largest signature: `minisign` writes four lines.
const SIGNATURE_BYTES: u64 = 4_096;

/// What an object holds, which is looked at before it is fetched.
async fn object(bucket: &dyn BlobStore, key: &str, limit: u64) -> Result<Option<Vec<u8>>, String> {
    let unreadable = |error: switchboard_core::store::StoreError| error.to_string();
    let Some(glance) = bucket.glance(key).await.map_err(unreadable)? else { return Ok(None) };
    if glance.bytes > limit {
        return Err(format!("`{key}` has {} bytes, and {limit} is the limit", glance.bytes));
    }
    Ok(bucket.read(key).await.map_err(unreadable)?.map(Into::into))
}

async fn pushed(
    store: &dyn Store,
    tenant: &Tenant,
    key: &str,
) -> Result<(Vec<u8>, Option<String>), String> {
    let rows = store.read(&tables::BUNDLE_VERSIONS, tenant, &[key]).await;
    let row = rows.map_err(|error| error.to_string())?.pop();
    let row = row.ok_or_else(|| format!("the version `{key}` is gone from the store"))?;
    let content = STANDARD.decode(row.text("content").unwrap_or_default());
    let content = content.map_err(|error| format!("the version `{key}` is damaged: {error}"))?;
    Ok((content, row.text("signature").map(str::to_owned)))
}

fn signature_of(name: &str) -> String {
    format!("{name}.minisig")
}

/// Finds what `source` of a bundle names.
#[derive(Default)]
pub(super) struct Finder {
    /// By their names.
    buckets: Mutex<HashMap<String, Bucket>>,
}

/// A bucket, and what it was opened with.
type Bucket = (S3Config, Arc<dyn BlobStore>);

impl Finder {
    /// A path is relative to `base`; a bucket is reached as `s3` says, or by what the machine knows.
    pub(super) async fn find(&self, source: &Path, base: &Path, s3: Option<&S3Config>) -> Origin {
        let text = source.to_string_lossy();
        let Some(address) = text.strip_prefix(S3_SCHEME) else {
            return Origin::Here(Source::new(base.join(source)));
        };
        let Some((bucket, key)) =
            address.split_once('/').filter(|(bucket, key)| !bucket.is_empty() && !key.is_empty())
        else {
            return Origin::Nowhere(format!("`{text}` is not of the form `s3://BUCKET/KEY`"));
        };
        match self.bucket(bucket, s3).await {
            Ok(opened) => {
                let (key, address) = (key.to_owned(), text.clone().into_owned());
                Origin::Object { bucket: opened, key, address }
            }
            Err(why) => Origin::Nowhere(why),
        }
    }

    async fn bucket(
        &self,
        name: &str,
        s3: Option<&S3Config>,
    ) -> Result<Arc<dyn BlobStore>, String> {
        let config = S3Config {
            bucket: name.to_owned(),
            prefix: String::new(),
            ..s3.cloned().unwrap_or_default()
        };
        let known = || self.buckets.lock().expect("no one panics holding it");
        if let Some((_, bucket)) = known().get(name).filter(|(of, _)| *of == config) {
            return Ok(Arc::clone(bucket));
        }
        let bucket = Box::pin(S3::open(&config)).await.map_err(|error| error.to_string())?;
        let bucket: Arc<dyn BlobStore> = Arc::new(bucket);
        known().insert(name.to_owned(), (config, Arc::clone(&bucket)));
        Ok(bucket)
    }
}
