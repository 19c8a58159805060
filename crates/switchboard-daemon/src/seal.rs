//! The key under which clients keep things for us: made at the first start, renewed by itself.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use switchboard_auth::{KeyError, KeyFile, Sealer};
use switchboard_core::Seal;

use crate::paths::Paths;
use crate::problem::StartProblem;

/// When a start makes a new key. A month bounds how much is sealed under one, and what a copy of
/// an old state directory is good for.
const RENEWED_AFTER: Duration = Duration::from_secs(30 * 24 * 60 * 60);

/// How long what was sealed under the key before is still opened: no task that a client waits for
/// takes longer.
const GRACE: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// Reads the key, or makes one.
pub(crate) async fn open(paths: &Paths, now: SystemTime) -> Result<Arc<dyn Seal>, StartProblem> {
    let file = KeyFile::new(paths.seal());
    let opened = tokio::task::spawn_blocking(move || read(&file, now)).await;
    let sealer = opened
        .expect("opening does not panic")
        .map_err(|error| StartProblem::new(error.code(), error.to_string()).hint(error.hint()))?;
    Ok(Arc::new(sealer))
}

fn read(file: &KeyFile, now: SystemTime) -> Result<Sealer, KeyError> {
    let opened = file.open_or_create()?;
    let written = std::fs::metadata(file.path()).and_then(|metadata| metadata.modified());
    let age = written.ok().and_then(|written| now.duration_since(written).ok());
    if age.is_some_and(|age| age > RENEWED_AFTER) {
        return Ok(Sealer::new(&file.rotate(now, GRACE)?.stored));
    }
    Ok(Sealer::new(&opened.stored))
}
