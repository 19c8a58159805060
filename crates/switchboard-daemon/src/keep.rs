//! What is kept, and what is laid around it: secrets sealed, large values apart.

use std::path::PathBuf;
use std::sync::Arc;

use switchboard_core::store::{BlobStore, Store};
use switchboard_store::{OpenError, Overflow, Vault, VaultKey};

use crate::config::Config;
use crate::paths::Paths;
use crate::problem::StartProblem;

/// What the parts of a daemon keep things in.
#[derive(Clone)]
pub(crate) struct Kept {
    pub store: Arc<dyn Store>,
    /// The same, for whoever reseals what is sealed.
    pub vault: Arc<Vault>,
    pub blobs: Arc<dyn BlobStore>,
}

/// Opens the store and the place for large values, and brings tables up to date.
///
/// # Errors
///
/// [`StartProblem`]; nothing was changed then.
pub(crate) async fn open(config: &Config, paths: &Paths) -> Result<Kept, StartProblem> {
    let Bare { rows, blobs } = Bare::open(config, paths).await?;
    let (key, former) = keys(config, paths).await?;
    let vault = Arc::new(Vault::new(rows, &key, &former));
    Ok(Kept { store: Arc::clone(&vault) as Arc<dyn Store>, vault, blobs })
}

/// What is kept, with its secrets sealed as they lie there.
pub(crate) struct Bare {
    pub rows: Arc<dyn Store>,
    pub blobs: Arc<dyn BlobStore>,
}

impl Bare {
    pub(crate) async fn open(config: &Config, paths: &Paths) -> Result<Self, StartProblem> {
        let blobs = switchboard_store::blob::open(&config.blobs, &paths.state).await;
        let blobs =
            blobs.map_err(|error| StartProblem::new("blobs-unusable", error.to_string()))?;
        let rows = switchboard_store::open(&config.store, &paths.state).await;
        let rows = rows.map_err(|error| problem("store-unusable", &error))?;
        // Who moves rows moves what lies apart with them.
        let rows = Arc::new(Overflow::new(rows, Arc::clone(&blobs), Overflow::LIMIT));
        Ok(Self { rows, blobs })
    }
}

/// What secrets are sealed with, and what they were sealed with before.
async fn keys(config: &Config, paths: &Paths) -> Result<(VaultKey, Vec<VaultKey>), StartProblem> {
    let unusable = |error: OpenError| problem("vault-key-unusable", &error);
    let former = config.vault.former_keys.iter().enumerate();
    let former = former
        .map(|(place, key)| VaultKey::parse(&format!("vault.former_keys[{place}]"), key))
        .collect::<Result<Vec<_>, _>>()
        .map_err(unusable)?;
    if let Some(key) = &config.vault.key {
        return Ok((VaultKey::parse("vault.key", key).map_err(unusable)?, former));
    }
    let file = key_file(paths);
    let opened = tokio::task::spawn_blocking(move || {
        // While a rotation is under way, or did not come to its end.
        let former = VaultKey::former(&file)?;
        Ok((VaultKey::open_or_create(&file)?, former))
    });
    let (key, before) = opened.await.expect("opening does not panic").map_err(unusable)?;
    Ok((key, before.into_iter().chain(former).collect()))
}

/// Where the key is that nobody configured.
pub(crate) fn key_file(paths: &Paths) -> PathBuf {
    paths.state.join("vault.key")
}

pub(crate) fn problem(code: &'static str, error: &OpenError) -> StartProblem {
    let problem = StartProblem::new(code, error.to_string());
    match std::error::Error::source(error) {
        Some(cause) => problem.because(cause),
        None => problem,
    }
}
