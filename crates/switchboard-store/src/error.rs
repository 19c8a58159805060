//! Why a store cannot be opened.

use std::io;
use std::path::{Path, PathBuf};

use switchboard_core::store::StoreError;

/// Why a store cannot be opened. Named after what whoever runs the daemon can do about it.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Correct the configuration.
    #[error("{0}")]
    Configuration(String),
    /// Take a build that has it.
    #[error(
        "this build cannot keep anything in DynamoDB: it was made without the feature `dynamodb`; \
         take one that was made with it, `cargo build --release --features dynamodb`"
    )]
    NotBuilt,
    /// Give us the file, or another one.
    #[error("cannot {doing} `{}`", path.display())]
    Io {
        doing: &'static str,
        path: PathBuf,
        #[source]
        cause: io::Error,
    },
    /// Put a backup in its place, or move it away: the next start makes a new one.
    #[error(
        "the database `{}` is damaged, or is none of SQLite ({cause}); put a backup in its place, or \
         move it and the files beside it (`-wal`, `-shm`) away to begin with an empty one",
        path.display()
    )]
    Damaged { path: PathBuf, cause: String },
    /// Run the build that was here before, or a newer one.
    #[error(
        "the tables in {place} are of version {found}, and this build knows up to {known}: a newer \
         build has been here; run that one, or restore what was there before it"
    )]
    Newer { place: String, found: i64, known: i64 },
    /// The same may succeed later, or with another address.
    #[error("{place} does not answer: {cause}")]
    Unavailable { place: String, cause: String },
    /// Somebody has to look.
    #[error("{place} refuses us: {cause}")]
    Refused { place: String, cause: String },
    /// Correct the key, or find the one that things were sealed with.
    #[error("{place}: {why}")]
    Key { place: String, why: String },
}

impl OpenError {
    pub(crate) fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |cause| Self::Io { doing, path, cause }
    }

    /// What an error of the store itself means for opening the one in `place`.
    pub(crate) fn of(place: &str, error: StoreError) -> Self {
        let place = place.to_owned();
        match error {
            StoreError::Unavailable(cause) => Self::Unavailable { place, cause },
            error => Self::Refused { place, cause: error.to_string() },
        }
    }
}
