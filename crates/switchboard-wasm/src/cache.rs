//! Compiled code, kept on disk.
//!
//! Compiling Python's interpreter takes half a minute, loading what came of it milliseconds. But what
//! is loaded is machine code that runs as we do, so a file is believed only if all of this holds:
//!
//! - its directory, and the file itself, belong to our user and nobody else may write there;
//! - its name is the digest of the component and of everything about the compiler that matters;
//! - beside it lies a code that only who has the key can make (HMAC-SHA256, RFC 2104), over the name
//!   and every byte. This finds damage, and keeps out what came with a restored backup or over a
//!   shared volume.
//!
//! A file that fails is compiled anew and written over. Nothing here is needed to survive.

use std::fmt::Write as _;
use std::fs::{self, File, OpenOptions, Permissions};
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{
    DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _, PermissionsExt as _,
};
use std::path::{Path, PathBuf};

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};
use wasmtime::Engine;
use wasmtime::component::Component;

use crate::error::WasmError;

mod deserialize;

/// What is read at once; fits into the processor's cache.
const PIECE_BYTES: usize = 256 << 10;

/// A signature has 32; a file that is longer is none.
const SIGNATURE_BYTES: u64 = 33;

/// The digest of a component.
pub(crate) type Sha = [u8; 32];

/// A directory with compiled code, and the key that signs it.
#[derive(Clone)]
pub struct Cache {
    directory: PathBuf,
    key: [u8; 32],
}

impl Cache {
    /// Opens the directory, which is made with mode 0700 if there is none.
    ///
    /// # Errors
    ///
    /// [`WasmError::Cache`]: somebody else can write there.
    pub fn open(directory: PathBuf, key: [u8; 32]) -> Result<Self, WasmError> {
        let failed = |why: String| WasmError::Cache { directory: directory.clone(), why };
        let made = fs::DirBuilder::new().recursive(true).mode(0o700).create(&directory);
        made.map_err(|error| failed(error.to_string()))?;
        let metadata =
            fs::symlink_metadata(&directory).map_err(|error| failed(error.to_string()))?;
        if !metadata.is_dir() {
            return Err(failed("it is no directory".to_owned()));
        }
        if metadata.uid() != rustix::process::geteuid().as_raw() {
            return Err(failed("it belongs to somebody else".to_owned()));
        }
        if metadata.mode() & 0o077 != 0 {
            return Err(failed(format!("its mode is {:o}, not 700", metadata.mode() & 0o7777)));
        }
        Ok(Self { directory, key })
    }

    /// What was kept for a component, if it is there and ours.
    pub(crate) fn load(&self, engine: &Engine, sha: &Sha) -> Option<Component> {
        let name = name(engine, sha);
        let path = self.directory.join(&name);
        let mut signature = Vec::new();
        open_ours(&signature_path(&path))
            .ok()?
            .take(SIGNATURE_BYTES)
            .read_to_end(&mut signature)
            .ok()?;
        let mut mac = self.mac(&name);
        digest(&mut open_ours(&path).ok()?, &mut mac).ok()?;
        mac.verify_slice(&signature).ok()?;
        deserialize::verified(engine, &path).ok()
    }

    /// Keeps compiled code. That it was not kept costs compiling it again, and nothing else.
    pub(crate) fn keep(&self, engine: &Engine, sha: &Sha, code: &[u8]) -> io::Result<()> {
        let name = name(engine, sha);
        let path = self.directory.join(&name);
        let mut mac = self.mac(&name);
        mac.update(code);
        let signature = mac.finalize().into_bytes();
        // A file that is mapped into a running process is replaced, never written into.
        replace(&path, code)?;
        replace(&signature_path(&path), &signature)
    }

    /// Begun with the name; the code follows.
    fn mac(&self, name: &str) -> Hmac<Sha256> {
        let mut mac = Hmac::new_from_slice(&self.key).expect("a key of any length");
        mac.update(name.as_bytes());
        mac.update(b"\0");
        mac
    }
}

pub(crate) fn sha(bytes: &[u8]) -> Sha {
    Sha256::digest(bytes).into()
}

/// The compiler's version and settings are part of it: code of another is not found.
fn name(engine: &Engine, sha: &Sha) -> String {
    let mut hasher = DefaultHasher::new();
    engine.precompile_compatibility_hash().hash(&mut hasher);
    let mut name = String::with_capacity(96);
    for byte in sha {
        write!(name, "{byte:02x}").expect("text takes text");
    }
    write!(name, "-{:016x}.cwasm", hasher.finish()).expect("text takes text");
    name
}

fn signature_path(path: &Path) -> PathBuf {
    path.with_extension("mac")
}

/// Opens a regular file of our user that nobody else may write.
fn open_ours(path: &Path) -> io::Result<File> {
    let no_follow = i32::try_from(rustix::fs::OFlags::NOFOLLOW.bits()).expect("a flag of open");
    let file = OpenOptions::new().read(true).custom_flags(no_follow).open(path)?;
    let metadata = file.metadata()?;
    let is_ours = metadata.is_file()
        && metadata.uid() == rustix::process::geteuid().as_raw()
        && metadata.mode() & 0o022 == 0;
    if is_ours { Ok(file) } else { Err(io::ErrorKind::PermissionDenied.into()) }
}

/// In pieces: memory for all of an interpreter would have to be made ready first, which takes as long as
/// the digest.
fn digest(file: &mut File, mac: &mut Hmac<Sha256>) -> io::Result<()> {
    let mut piece = vec![0; PIECE_BYTES];
    loop {
        match file.read(&mut piece)? {
            0 => return Ok(()),
            length => mac.update(&piece[..length]),
        }
    }
}

fn replace(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut random = [0; 8];
    getrandom::fill(&mut random).map_err(|error| io::Error::other(error.to_string()))?;
    let temporary = path.with_extension(format!("{:016x}.new", u64::from_ne_bytes(random)));
    let written = write_new(&temporary, bytes).and_then(|()| fs::rename(&temporary, path));
    if written.is_err() {
        // It may not even be there; the first error is the one that says something.
        let _ = fs::remove_file(&temporary);
    }
    written
}

fn write_new(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file: File = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.write_all(bytes)?;
    file.set_permissions(Permissions::from_mode(0o400))
}

#[cfg(test)]
mod tests;
