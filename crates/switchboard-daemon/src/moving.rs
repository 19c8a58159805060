//! Commands about what is kept as a whole; they need no daemon, and may run beside one.

use std::path::Path;

use switchboard_store::{Moved, OpenError, TransferError, VaultKey, export, import};
use tokio::io::{AsyncBufRead, AsyncWrite};

use crate::assemble::make_private;
use crate::config::Config;
use crate::keep::{self, Bare};
use crate::paths::Paths;
use crate::problem::StartProblem;

/// Writes everything that is kept to `writer`, as lines of JSON. Secrets stay sealed.
///
/// # Errors
///
/// [`StartProblem`]; what was written until then is of no use.
pub async fn export_store(
    config: &Config,
    paths: &Paths,
    writer: &mut (dyn AsyncWrite + Send + Unpin),
) -> Result<Moved, StartProblem> {
    let Bare { rows, blobs } = opened(config, paths).await?;
    export(&*rows, Some(&*blobs), writer).await.map_err(|error| moving(&error))
}

/// Takes over what [`export_store`] wrote. What is there under the same keys is replaced.
///
/// # Errors
///
/// [`StartProblem`]; what stands before the line that it names is taken over.
pub async fn import_store(
    config: &Config,
    paths: &Paths,
    reader: &mut (dyn AsyncBufRead + Send + Unpin),
) -> Result<Moved, StartProblem> {
    let Bare { rows, blobs } = opened(config, paths).await?;
    import(&*rows, Some(&*blobs), reader).await.map_err(|error| moving(&error))
}

/// Takes over what another configuration keeps, in one go.
///
/// # Errors
///
/// [`StartProblem`]; what was taken over until then stays.
pub async fn migrate_store(
    (from, from_paths): (&Config, &Paths),
    (to, to_paths): (&Config, &Paths),
) -> Result<Moved, StartProblem> {
    let from = opened(from, from_paths).await?;
    let to = opened(to, to_paths).await?;
    // A line at a time, so that it does not matter how much there is.
    let (mut writer, reader) = tokio::io::duplex(PIPE);
    let writing = async {
        let outcome = export(&*from.rows, Some(&*from.blobs), &mut writer).await;
        drop(writer);
        outcome
    };
    let mut reader = tokio::io::BufReader::new(reader);
    let reading = import(&*to.rows, Some(&*to.blobs), &mut reader);
    let (written, read) = tokio::join!(writing, reading);
    // Where writing failed, reading only saw the end.
    written.map_err(|error| moving(&error))?;
    read.map_err(|error| moving(&error))
}

/// Seals everything that is secret with the configured key; how many rows were sealed otherwise.
///
/// # Errors
///
/// [`StartProblem`]; doing it again goes on where it ended.
pub async fn reseal_store(config: &Config, paths: &Paths) -> Result<u64, StartProblem> {
    make_private(&paths.state)?;
    let kept = keep::open(config, paths).await?;
    kept.vault.reseal().await.map_err(|error| {
        StartProblem::new("store-failed", "the store cannot be resealed").because(error)
    })
}

/// Puts a new key into the place of the one that seals secrets, and seals all of them with it; how many
/// rows those were. Beside a running daemon, which knows the old key alone, it is not done.
///
/// # Errors
///
/// [`StartProblem`]; nothing is lost then, and doing it again goes on where it ended.
pub async fn rotate_vault_key(config: &Config, paths: &Paths) -> Result<u64, StartProblem> {
    if config.vault.key.is_some() {
        let problem =
            StartProblem::new("vault-key-unusable", "the key stands in the configuration");
        return Err(problem.hint(
            "put another into `vault.key` and this one into `vault.former_keys`, restart, and run \
             `switchboard store reseal`",
        ));
    }
    make_private(&paths.state)?;
    let file = keep::key_file(paths);
    let on_file = |work: fn(&Path) -> Result<(), OpenError>| {
        let file = file.clone();
        async move {
            let done = tokio::task::spawn_blocking(move || work(&file)).await;
            let done = done.expect("it does not panic");
            done.map_err(|error| keep::problem("vault-key-unusable", &error))
        }
    };
    on_file(VaultKey::rotate).await?;
    let resealed = reseal_store(config, paths).await?;
    on_file(VaultKey::forget_former).await?;
    Ok(resealed)
}

/// Bytes between a store that is read and one that is written.
const PIPE: usize = 1 << 20;

async fn opened(config: &Config, paths: &Paths) -> Result<Bare, StartProblem> {
    make_private(&paths.state)?;
    Bare::open(config, paths).await
}

fn moving(error: &TransferError) -> StartProblem {
    let problem = StartProblem::new("store-transfer", error.to_string());
    match std::error::Error::source(error) {
        Some(cause) => problem.because(cause),
        None => problem,
    }
}
