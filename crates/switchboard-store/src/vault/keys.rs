//! The keys of a vault: from a file, which is made on first use, or from the configuration.

use std::fmt;
use std::fs::{self, File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::alphabet::{STANDARD, URL_SAFE};
use base64::engine::general_purpose::GeneralPurpose;
use base64::engine::{DecodePaddingMode, GeneralPurposeConfig};
use chacha20poly1305::XChaCha20Poly1305;
use chacha20poly1305::aead::KeyInit as _;
use sha2::{Digest as _, Sha256};
use switchboard_config::Secret;

use crate::error::OpenError;

/// A key of a vault; prints as nothing.
#[derive(Clone)]
pub struct VaultKey([u8; LENGTH]);

const LENGTH: usize = 32;

/// Read and written by the owner only.
const MODE: u32 = 0o600;

impl VaultKey {
    /// Reads the key of that file: its 32 bytes, or text as [`Self::parse`] takes it. Makes a random
    /// one where there is no file; of several processes at once, one makes it.
    ///
    /// # Errors
    ///
    /// [`OpenError`]. A file that holds something else is never replaced: what was sealed with its
    /// key would be lost without a word.
    pub fn open_or_create(path: &Path) -> Result<Self, OpenError> {
        if let Some(key) = Self::read(path)? {
            return Ok(key);
        }
        let mut key = [0; LENGTH];
        getrandom::fill(&mut key).map_err(|error| {
            OpenError::io("make random bytes for", path)(io::Error::other(error))
        })?;
        match place(path, &key) {
            Ok(()) => Ok(Self(key)),
            // Another process made it meanwhile; a link is refused, and never cut short.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                Self::read(path)?.ok_or_else(|| OpenError::io("read", path)(error))
            }
            Err(error) => Err(OpenError::io("create", path)(error)),
        }
    }

    /// The key that was in that file before, while secrets are still sealed with it.
    ///
    /// # Errors
    ///
    /// [`OpenError`].
    pub fn former(path: &Path) -> Result<Option<Self>, OpenError> {
        Self::read(&beside(path))
    }

    /// Puts a new random key into that file; the one before is [`former`](Self::former) until it is
    /// [forgotten](Self::forget_former). Where one is former already, an earlier rotation did not come
    /// to its end, and this goes on with it.
    ///
    /// # Errors
    ///
    /// [`OpenError`]; whatever was sealed can be opened then.
    pub fn rotate(path: &Path) -> Result<(), OpenError> {
        if Self::former(path)?.is_some() {
            return Ok(());
        }
        Self::open_or_create(path)?;
        let mut key = [0; LENGTH];
        getrandom::fill(&mut key).map_err(|error| {
            OpenError::io("make random bytes for", path)(io::Error::other(error))
        })?;
        // The old one is there under one name or both at every moment.
        fs::hard_link(path, beside(path)).map_err(OpenError::io("keep beside", path))?;
        let new = write_beside(path, &key).map_err(OpenError::io("write beside", path))?;
        fs::rename(&new, path).map_err(OpenError::io("replace", path))?;
        flush(path);
        Ok(())
    }

    /// Deletes the key before; nothing is sealed with it any more.
    ///
    /// # Errors
    ///
    /// [`OpenError`].
    pub fn forget_former(path: &Path) -> Result<(), OpenError> {
        match fs::remove_file(beside(path)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            removed => removed.map_err(OpenError::io("delete what is beside", path)),
        }
    }

    /// Reads a key from a configured value: 32 bytes as base64 (either alphabet, with or without
    /// `=`) or as 64 hexadecimal digits. `place` is the key of the configuration, or the variable.
    ///
    /// # Errors
    ///
    /// [`OpenError::Key`], which says what is wrong and quotes nothing.
    pub fn parse(place: &str, value: &Secret) -> Result<Self, OpenError> {
        parse(value.expose())
            .map(Self)
            .map_err(|why| OpenError::Key { place: place.to_owned(), why })
    }

    fn read(path: &Path) -> Result<Option<Self>, OpenError> {
        // A FIFO would be waited for; what is no regular file is refused before it is opened.
        match fs::metadata(path) {
            Ok(metadata) if metadata.is_file() => {}
            Ok(_) => {
                let cause = io::Error::other("it is not a regular file");
                return Err(OpenError::io("read", path)(cause));
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(OpenError::io("look at", path)(error)),
        }
        let file = File::open(path).map_err(OpenError::io("open", path))?;
        let metadata = file.metadata().map_err(OpenError::io("look at", path))?;
        if metadata.mode() & 0o077 != 0 {
            tracing::warn!(path = %path.display(), "others could read this file; its mode is narrowed");
            file.set_permissions(fs::Permissions::from_mode(MODE))
                .map_err(OpenError::io("narrow", path))?;
        }
        let mut bytes = Vec::new();
        file.take(1024).read_to_end(&mut bytes).map_err(OpenError::io("read", path))?;
        if let Ok(key) = <[u8; LENGTH]>::try_from(&*bytes) {
            return Ok(Some(Self(key)));
        }
        let parsed = match std::str::from_utf8(&bytes) {
            Ok(text) => parse(text),
            Err(_) => Err(format!("it has {} bytes, and a key has {LENGTH}", bytes.len())),
        };
        let place = format!("the key file `{}`", path.display());
        parsed.map(|key| Some(Self(key))).map_err(|why| OpenError::Key { place, why })
    }

    /// The key for sealing is not the bytes themselves: whoever uses the same ones for something
    /// else as well has two keys all the same.
    pub(super) fn cipher(&self) -> XChaCha20Poly1305 {
        let mut hash = Sha256::new();
        hash.update(b"switchboard vault 1\0");
        hash.update(self.0);
        XChaCha20Poly1305::new(&hash.finalize())
    }
}

impl fmt::Debug for VaultKey {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("VaultKey(…)")
    }
}

/// Where the key before is.
fn beside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".former");
    name.into()
}

/// Puts a whole file at `path`, or fails because something is there.
fn place(path: &Path, key: &[u8]) -> io::Result<()> {
    let new = write_beside(path, key)?;
    // A hard link is there whole or not at all, and never in the place of another.
    let linked = fs::hard_link(&new, path);
    fs::remove_file(&new)?;
    linked?;
    flush(path);
    Ok(())
}

/// Writes a key to a file of its own, beside the one where it is to be.
fn write_beside(path: &Path, key: &[u8]) -> io::Result<PathBuf> {
    let mut suffix = [0; 8];
    getrandom::fill(&mut suffix).map_err(io::Error::other)?;
    let mut new = path.as_os_str().to_owned();
    new.push(format!(".{:016x}", u64::from_ne_bytes(suffix)));
    let new = PathBuf::from(new);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(MODE).open(&new)?;
    file.write_all(key).and_then(|()| file.sync_all())?;
    Ok(new)
}

/// Makes names survive a power cut, where the filesystem can.
fn flush(path: &Path) {
    if let Some(directory) = path.parent() {
        let _ = File::open(directory).and_then(|directory| directory.sync_all());
    }
}

fn parse(text: &str) -> Result<[u8; LENGTH], String> {
    let text = text.trim();
    if text.is_empty() {
        return Err("it is empty".to_owned());
    }
    if text.len() == 2 * LENGTH && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        let mut key = [0; LENGTH];
        for (byte, digits) in key.iter_mut().zip(text.as_bytes().chunks(2)) {
            *byte = digits.iter().fold(0, |byte, digit| byte << 4 | value(*digit));
        }
        return Ok(key);
    }
    let config =
        GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let decoded = [STANDARD, URL_SAFE]
        .iter()
        .find_map(|alphabet| GeneralPurpose::new(alphabet, config).decode(text).ok());
    let bytes = decoded.ok_or_else(|| {
        format!(
            "it is neither base64 nor {} hexadecimal digits; `openssl rand -base64 {LENGTH}` makes one",
            2 * LENGTH
        )
    })?;
    let length = bytes.len();
    bytes.try_into().map_err(|_| {
        format!(
            "it stands for {length} bytes, and a key has {LENGTH}; `openssl rand -base64 {LENGTH}` \
             makes one"
        )
    })
}

fn value(digit: u8) -> u8 {
    match digit {
        b'0'..=b'9' => digit - b'0',
        b'a'..=b'f' => digit - b'a' + 10,
        _ => digit - b'A' + 10,
    }
}

#[cfg(test)]
mod tests;
