//! Kinds of [`BlobStore`]: a directory, or a bucket of S3.
//!
//! What a blob may be called is judged in one place (`name`), so that a name that one kind keeps,
//! the other does not refuse.

mod config;
mod directory;
mod name;
mod s3;

#[cfg(feature = "dynamodb")]
mod chain;

use std::path::Path;
use std::sync::Arc;

use switchboard_core::store::{BlobStore, StoreError};

pub use config::{BlobConfig, DirectoryConfig, S3Config};
pub use directory::Directory;
pub use s3::S3;

/// Where large values are kept if nothing else is configured, within the state directory.
const DIRECTORY: &str = "blobs";

/// Opens what `config` names; `state` is the state directory.
///
/// # Errors
///
/// [`StoreError::Invalid`] where the configuration contradicts itself or is not enough,
/// [`StoreError::Broken`] where the directory cannot be used. A bucket is not asked for anything
/// yet: that it cannot be reached for a while is no reason not to start.
pub async fn open(config: &BlobConfig, state: &Path) -> Result<Arc<dyn BlobStore>, StoreError> {
    match (&config.directory, &config.s3) {
        (Some(_), Some(_)) => {
            Err(StoreError::Invalid("large values go to `directory` or to `s3`, not both".into()))
        }
        (None, Some(s3)) => Ok(Arc::new(S3::open(s3).await?)),
        (directory, None) => {
            let path = directory.as_ref().and_then(|directory| directory.path.as_deref());
            let path = path.map_or_else(|| state.join(DIRECTORY), |path| state.join(path));
            Ok(Arc::new(Directory::open(path)?))
        }
    }
}
