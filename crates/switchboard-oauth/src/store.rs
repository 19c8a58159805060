//! Logins on disk: `STATE/oauth/`, one sealed file for each principal and upstream.
//!
//! A file is `nonce ‖ XChaCha20-Poly1305(record)`, with the upstream and the principal as
//! associated data: copied to another's place, it does not open there.

use std::fmt;
use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use chacha20poly1305::aead::{Aead as _, KeyInit as _, Payload};
use chacha20poly1305::{XChaCha20Poly1305, XNonce};
use sha2::{Digest as _, Sha256};

use crate::error::StoreError;
use crate::record::Record;
use crate::secrets_key::{self, beside, failed, read_private, replace};

/// 192 random bits: so many files can be sealed under one key that none repeats.
const NONCE: usize = 24;

/// Longest file that is read: two tokens, a client and scopes have under 40 KiB.
const LONGEST: u64 = 256 * 1024;

/// Where logins are kept. Cheap to clone; all upstreams share one.
///
/// Its methods do blocking I/O of a few milliseconds, [`Store::stamp`] of microseconds.
#[derive(Clone)]
pub struct Store {
    directory: PathBuf,
    cipher: Arc<XChaCha20Poly1305>,
}

/// One login's place.
#[derive(Clone, Debug, Eq, Hash, PartialEq)]
pub(crate) struct Place {
    path: PathBuf,
    associated: Vec<u8>,
}

/// Which content a file has, without reading it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) struct Stamp {
    inode: u64,
    seconds: i64,
    nanoseconds: i64,
}

impl Store {
    /// Opens the store of a state directory, and makes the key and the directory at first.
    ///
    /// # Errors
    ///
    /// [`StoreError`] says what is in the way; a key that is damaged is left as it is.
    pub fn open(state: &Path) -> Result<Self, StoreError> {
        let key = secrets_key::open_or_create(&state.join("secrets.key"))?;
        let directory = state.join("oauth");
        match DirBuilder::new().mode(0o700).create(&directory) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(failed("create", &directory)(error));
            }
            Ok(()) | Err(_) => {}
        }
        // Whatever else is sealed with this key is sealed with another one made of it.
        let mut hash = Sha256::new();
        hash.update(b"switchboard oauth 1\0");
        hash.update(key);
        Ok(Self { directory, cipher: Arc::new(XChaCha20Poly1305::new(&hash.finalize())) })
    }

    pub(crate) fn place(&self, upstream: &str, owner: Option<&str>) -> Place {
        // The length keeps two pairs from reading the same; "everyone" is not a name.
        let kind: &[u8] = if owner.is_some() { b"one" } else { b"all" };
        let length = (upstream.len() as u64).to_be_bytes();
        let owner = owner.unwrap_or_default();
        let associated = [kind, &length, upstream.as_bytes(), owner.as_bytes()].concat();
        let name: String =
            Sha256::digest(&associated)[..16].iter().map(|byte| format!("{byte:02x}")).collect();
        Place { path: self.directory.join(name), associated }
    }

    pub(crate) fn stamp(&self, place: &Place) -> Option<Stamp> {
        let metadata = fs::metadata(&place.path).ok()?;
        Some(Stamp {
            inode: metadata.ino(),
            seconds: metadata.mtime(),
            nanoseconds: metadata.mtime_nsec(),
        })
    }

    /// `None` if there is no login.
    pub(crate) fn load(&self, place: &Place) -> Result<Option<Record>, StoreError> {
        let damaged = || StoreError::Damaged { path: place.path.clone() };
        let Some(whole) = read_private(&place.path, LONGEST)? else { return Ok(None) };
        let (nonce, sealed) = whole.split_at_checked(NONCE).ok_or_else(damaged)?;
        let nonce = XNonce::from(<[u8; NONCE]>::try_from(nonce).map_err(|_| damaged())?);
        let payload = Payload { msg: sealed, aad: &place.associated };
        let clear = self.cipher.decrypt(&nonce, payload).map_err(|_| damaged())?;
        serde_json::from_slice(&clear).map(Some).map_err(|_| damaged())
    }

    pub(crate) fn save(&self, place: &Place, record: &Record) -> Result<(), StoreError> {
        let clear = serde_json::to_vec(record).expect("a record has only texts and numbers");
        let mut nonce = [0; NONCE];
        getrandom::fill(&mut nonce)
            .map_err(|error| failed("seal", &place.path)(io::Error::other(error)))?;
        let payload = Payload { msg: &clear, aad: &place.associated };
        let sealed = self.cipher.encrypt(&XNonce::from(nonce), payload);
        let sealed = sealed.expect("only a payload of 256 GiB is too long");
        replace(&place.path, &[nonce.as_slice(), &sealed].concat())
    }

    pub(crate) fn remove(&self, place: &Place) -> Result<bool, StoreError> {
        match fs::remove_file(&place.path) {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            Err(error) => Err(failed("remove", &place.path)(error)),
        }
    }

    /// Keeps other processes from renewing or replacing a login; waits for them.
    pub(crate) fn lock(&self, place: &Place) -> Result<File, StoreError> {
        secrets_key::lock(&beside(&place.path, "lock"))
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").field("directory", &self.directory).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
