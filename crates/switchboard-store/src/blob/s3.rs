//! Blobs as objects of a bucket of S3.

use std::error::Error as _;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use futures_util::TryStreamExt as _;
use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::path::Path;
use object_store::signer::{Method, Signer as _};
use object_store::{ClientOptions, Error, ObjectStore as _, ObjectStoreExt as _, RetryConfig};
use switchboard_core::store::{BlobStore, Glance, StoreError};

use crate::blob::S3Config;
use crate::blob::name;

/// How long S3 may take to accept a connection.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(3);

/// How long one request may take: 20 MB over a slow line.
const TIMEOUT: Duration = Duration::from_secs(60);

/// How long and how often a request that failed is sent again.
const RETRIES: usize = 3;
const RETRY_TIMEOUT: Duration = Duration::from_secs(90);

/// The longest time an address may be good for: seven days
/// (<https://docs.aws.amazon.com/AmazonS3/latest/userguide/using-presigned-url.html>).
const LONGEST: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// A bucket whose objects are blobs; the key of an object is the name of its blob after a prefix.
#[derive(Debug)]
pub struct S3 {
    bucket: String,
    /// Empty, or with a slash at its end.
    prefix: String,
    client: AmazonS3,
}

impl S3 {
    /// Prepares requests to a bucket, without one.
    ///
    /// # Errors
    ///
    /// [`StoreError::Invalid`] where `config` is not enough.
    pub async fn open(config: &S3Config) -> Result<Self, StoreError> {
        if config.bucket.is_empty() {
            return Err(StoreError::Invalid("`s3` needs the name of a `bucket`".to_owned()));
        }
        let mut prefix = config.prefix.trim_end_matches('/').to_owned();
        if !prefix.is_empty() {
            name::check(&prefix)?;
            prefix.push('/');
        }
        let builder = with_credentials(AmazonS3Builder::new(), config).await?;
        let options = ClientOptions::new()
            .with_connect_timeout(CONNECT_TIMEOUT)
            .with_timeout(TIMEOUT)
            .with_allow_http(is_plain(config));
        let retry = RetryConfig {
            max_retries: RETRIES,
            retry_timeout: RETRY_TIMEOUT,
            ..RetryConfig::default()
        };
        let client = builder
            .with_bucket_name(&config.bucket)
            .with_client_options(options)
            .with_retry(retry)
            .build()
            .map_err(|error| StoreError::Invalid(format!("`s3` cannot be used: {error}")))?;
        Ok(Self { bucket: config.bucket.clone(), prefix, client })
    }

    fn path(&self, name: &str) -> Result<Path, StoreError> {
        name::check(name)?;
        // `parse` rather than `from`, which would write `%` and other signs in another way.
        Path::parse(format!("{}{name}", self.prefix))
            .map_err(|error| StoreError::Invalid(error.to_string()))
    }

    fn failed(&self, doing: &str, name: &str, error: &Error) -> StoreError {
        let text = format!("cannot {doing} `{name}` in the bucket `{}`: {error}", self.bucket);
        match error {
            // Only what has a bucket around it can be missing without anybody having to look.
            Error::NotFound { .. }
            | Error::PermissionDenied { .. }
            | Error::Unauthenticated { .. }
            | Error::NotSupported { .. }
            | Error::UnknownConfigurationKey { .. } => StoreError::Broken(text),
            Error::InvalidPath { .. } => StoreError::Invalid(text),
            error if says(error, "status code: 4") => StoreError::Broken(text),
            _ => StoreError::Unavailable(text),
        }
    }
}

#[async_trait]
impl BlobStore for S3 {
    async fn put(&self, name: &str, content: Bytes) -> Result<(), StoreError> {
        let put = self.client.put(&self.path(name)?, content.into()).await;
        put.map(drop).map_err(|error| self.failed("write", name, &error))
    }

    async fn glance(&self, name: &str) -> Result<Option<Glance>, StoreError> {
        match self.client.head(&self.path(name)?).await {
            Ok(found) => {
                // Everything that speaks this protocol has entity tags.
                let tag = found.e_tag.unwrap_or_else(|| found.last_modified.to_rfc3339());
                Ok(Some(Glance { bytes: found.size, tag }))
            }
            Err(error) if is_missing(&error) => Ok(None),
            Err(error) => Err(self.failed("look at", name, &error)),
        }
    }

    async fn read(&self, name: &str) -> Result<Option<Bytes>, StoreError> {
        let failed = |error| self.failed("read", name, &error);
        match self.client.get(&self.path(name)?).await {
            Ok(found) => found.bytes().await.map(Some).map_err(failed),
            Err(error) if is_missing(&error) => Ok(None),
            Err(error) => Err(failed(error)),
        }
    }

    async fn delete(&self, name: &str) -> Result<(), StoreError> {
        match self.client.delete(&self.path(name)?).await {
            Err(error) if !is_missing(&error) => Err(self.failed("delete", name, &error)),
            Ok(()) | Err(_) => Ok(()),
        }
    }

    async fn list(&self, prefix: &str) -> Result<Vec<String>, StoreError> {
        // The service could look for any beginning of a name; `object_store` asks for directories.
        let directory = format!("{}{}", self.prefix, name::directory(prefix)?);
        let directory = Path::parse(directory.trim_end_matches('/'))
            .map_err(|error| StoreError::Invalid(error.to_string()))?;
        let objects: Vec<_> = self
            .client
            .list(Some(&directory).filter(|directory| !directory.as_ref().is_empty()))
            .try_collect()
            .await
            .map_err(|error| self.failed("list", prefix, &error))?;
        let names = objects
            .iter()
            .filter_map(|object| object.location.as_ref().strip_prefix(self.prefix.as_str()));
        let mut names: Vec<String> =
            names.filter(|name| name.starts_with(prefix)).map(str::to_owned).collect();
        names.sort_unstable();
        Ok(names)
    }

    async fn upload_url(
        &self,
        name: &str,
        lifetime: Duration,
    ) -> Result<Option<String>, StoreError> {
        if lifetime > LONGEST {
            return Err(StoreError::Invalid(
                "an address for an upload is good for seven days at most".to_owned(),
            ));
        }
        let signed = self.client.signed_url(Method::PUT, &self.path(name)?, lifetime).await;
        let signed = signed.map_err(|error| self.failed("sign an address for", name, &error))?;
        Ok(Some(signed.into()))
    }
}

/// Explicit keys, or who else knows some.
async fn with_credentials(
    builder: AmazonS3Builder,
    config: &S3Config,
) -> Result<AmazonS3Builder, StoreError> {
    let mut builder = match (&config.access_key_id, &config.secret_access_key) {
        (Some(id), Some(secret)) => {
            let mut builder =
                builder.with_access_key_id(id).with_secret_access_key(secret.expose());
            if let Some(token) = &config.session_token {
                builder = builder.with_token(token.expose());
            }
            builder
        }
        (None, None) => from_machine(config.region.is_some()).await?,
        _ => {
            return Err(StoreError::Invalid(
                "`access_key_id` and `secret_access_key` of `s3` belong together".to_owned(),
            ));
        }
    };
    if let Some(region) = &config.region {
        builder = builder.with_region(region);
    }
    if let Some(endpoint) = &config.endpoint {
        builder = builder.with_endpoint(endpoint);
    }
    Ok(builder)
}

#[cfg(feature = "dynamodb")]
async fn from_machine(has_region: bool) -> Result<AmazonS3Builder, StoreError> {
    let (chain, region) = crate::blob::chain::Chain::load().await?;
    let builder = AmazonS3Builder::new().with_credentials(std::sync::Arc::new(chain));
    match region {
        Some(region) => Ok(builder.with_region(region.as_ref())),
        None if has_region => Ok(builder),
        None => Err(StoreError::Invalid(
            "the region of the bucket is not known: set `region` of `s3`, or AWS_REGION".to_owned(),
        )),
    }
}

/// Environment, web identity, container and machine; profiles and single sign-on need the SDK.
#[cfg(not(feature = "dynamodb"))]
async fn from_machine(_: bool) -> Result<AmazonS3Builder, StoreError> {
    Ok(AmazonS3Builder::from_env())
}

fn is_plain(config: &S3Config) -> bool {
    config.endpoint.as_deref().is_some_and(|endpoint| endpoint.starts_with("http://"))
}

/// Whether the object is not there. That the bucket is not there has the same status and the same
/// variant; only the code in the answer tells them apart
/// (<https://docs.aws.amazon.com/AmazonS3/latest/API/ErrorResponses.html>).
fn is_missing(error: &Error) -> bool {
    matches!(error, Error::NotFound { .. }) && !says(error, "NoSuchBucket")
}

/// Whether a cause of an error has these words. The status and the body of an answer are in types
/// that `object_store` keeps to itself, so the words are all there is. (It sends again what was
/// answered by 429 or 408, and by a server's failure.)
fn says(error: &Error, words: &str) -> bool {
    let mut next = error.source();
    while let Some(cause) = next {
        if cause.to_string().contains(words) {
            return true;
        }
        next = cause.source();
    }
    false
}
