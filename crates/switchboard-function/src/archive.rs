//! The files of a bundle, out of a ZIP or a directory, judged before one of them is written.
//!
//! Whoever made the archive may want to write elsewhere, or to fill memory and disk. So everything is
//! read into memory within [`Caps`], by what it unpacks to and not by what it says of itself, and only
//! what passed as a whole is handed on.

use std::collections::HashSet;
use std::io::{Cursor, Read as _};
use std::path::Path;

use zip::ZipArchive;

use crate::digest::Digest;
use crate::signature::{SignatureError, SigningKeys};

/// The files of a version.
#[derive(Clone, Debug)]
pub struct Archive {
    /// By name, in order.
    files: Vec<File>,
    digest: Digest,
}

#[derive(Clone, Debug)]
pub(crate) struct File {
    /// Relative, with `/` between its parts.
    pub(crate) name: String,
    pub(crate) content: Vec<u8>,
    pub(crate) is_executable: bool,
}

/// How much a bundle may be.
#[derive(Clone, Copy, Debug)]
pub struct Caps {
    /// Bytes of the ZIP.
    pub packed: u64,
    /// Bytes of all files.
    pub unpacked: u64,
    /// Files and directories.
    pub entries: usize,
    /// How many bytes may come out of one, beyond the first mebibyte of a file: text shrinks to a
    /// tenth, what is made to burst to a thousandth.
    pub ratio: u64,
}

impl Default for Caps {
    fn default() -> Self {
        Self { packed: 64 << 20, unpacked: 256 << 20, entries: 10_000, ratio: 200 }
    }
}

/// Why the files cannot be taken.
#[derive(Debug, thiserror::Error)]
pub enum ArchiveError {
    #[error("it is no ZIP archive: {0}")]
    NotZip(String),
    #[error("the entry `{name}` {problem}")]
    Entry { name: String, problem: String },
    #[error("{what}, and {limit} is the limit")]
    TooMuch { what: String, limit: u64 },
    #[error("it has no files")]
    Empty,
    #[error(transparent)]
    Signature(#[from] SignatureError),
    #[error("`{path}` cannot be read: {cause}")]
    Unreadable { path: String, cause: std::io::Error },
}

/// How many directories may lie within each other.
const DEPTH: usize = 32;

/// The longest name of a file or directory that file systems take.
const NAME_LIMIT: usize = 255;

/// What of a file is not held against its ratio.
const FREE: u64 = 1 << 20;

impl Archive {
    /// Reads a ZIP archive.
    ///
    /// # Errors
    ///
    /// See [`ArchiveError`]; nothing was written.
    pub fn unzip(bytes: &[u8], caps: &Caps) -> Result<Self, ArchiveError> {
        within("the archive has", bytes.len() as u64, "bytes", caps.packed)?;
        let not_zip = |error: zip::result::ZipError| ArchiveError::NotZip(error.to_string());
        let mut zip = ZipArchive::new(Cursor::new(bytes)).map_err(not_zip)?;
        within("the archive has", zip.len() as u64, "entries", caps.entries as u64)?;
        let mut gathered = Gathered::new(caps);
        for index in 0..zip.len() {
            let mut entry = zip.by_index(index).map_err(not_zip)?;
            let name = match std::str::from_utf8(entry.name_raw()) {
                Ok(name) => name.to_owned(),
                Err(_) => {
                    let name = entry.name_raw().escape_ascii().to_string();
                    return Err(refused(&name, "has a name that is not UTF-8"));
                }
            };
            let mode = entry.unix_mode().unwrap_or_default();
            kind_is_plain(&name, mode)?;
            if entry.encrypted() {
                return Err(refused(&name, "is encrypted"));
            }
            if let Some(directory) = name.strip_suffix('/') {
                check_name(directory).map_err(|problem| refused(&name, problem))?;
                continue;
            }
            let room = gathered.room(entry.compressed_size());
            let mut content = Vec::new();
            let read = entry.by_ref().take(room.saturating_add(1)).read_to_end(&mut content);
            read.map_err(|error| refused(&name, format!("cannot be unpacked: {error}")))?;
            gathered.add(&name, content, (mode & 0o111 != 0, room))?;
        }
        gathered.finish(Digest::of(bytes))
    }

    /// Reads a ZIP archive whose signature is said to be in `place`, if one of `keys` signed it, or
    /// nobody has to.
    ///
    /// # Errors
    ///
    /// See [`ArchiveError`]; nothing was written.
    pub fn signed(
        bytes: &[u8],
        (place, signature): (&str, Option<&str>),
        caps: &Caps,
        keys: &SigningKeys,
    ) -> Result<Self, ArchiveError> {
        if keys.are_there() {
            // Before anybody looks into what a stranger may have made.
            let unsigned = || SignatureError::Unsigned(place.to_owned());
            keys.check(bytes, place, signature.ok_or_else(unsigned)?)?;
        }
        Self::unzip(bytes, caps)
    }

    /// Reads a directory with all that is in it, apart from what begins with a dot and what Python
    /// leaves behind.
    ///
    /// # Errors
    ///
    /// See [`ArchiveError`].
    pub fn read_directory(directory: &Path, caps: &Caps) -> Result<Self, ArchiveError> {
        let mut gathered = Gathered::new(caps);
        gathered.walk(directory, "")?;
        gathered.files.sort_by(|one, other| one.name.cmp(&other.name));
        let named = gathered.files.iter().map(|file| (&*file.name, &*file.content));
        let digest = Digest::of_files(named);
        gathered.finish(digest)
    }

    pub fn digest(&self) -> Digest {
        self.digest
    }

    pub(crate) fn files(&self) -> &[File] {
        &self.files
    }

    /// What a file holds.
    pub fn file(&self, name: &str) -> Option<&[u8]> {
        let file = self.files.iter().find(|file| file.name == name)?;
        Some(&file.content)
    }

    /// The names of all files.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.files.iter().map(|file| &*file.name)
    }
}

/// What has been read so far.
struct Gathered<'c> {
    caps: &'c Caps,
    files: Vec<File>,
    names: HashSet<String>,
    size: u64,
}

impl<'c> Gathered<'c> {
    fn new(caps: &'c Caps) -> Self {
        Self { caps, files: Vec::new(), names: HashSet::new(), size: 0 }
    }

    /// How much the next file may unpack to that has so many packed bytes.
    fn room(&self, packed: u64) -> u64 {
        let by_ratio = packed.saturating_mul(self.caps.ratio).max(FREE);
        by_ratio.min(self.caps.unpacked.saturating_sub(self.size))
    }

    fn add(
        &mut self,
        name: &str,
        content: Vec<u8>,
        (is_executable, room): (bool, u64),
    ) -> Result<(), ArchiveError> {
        check_name(name).map_err(|problem| refused(name, problem))?;
        let size = content.len() as u64;
        if size > room {
            within("the files have", self.size + size, "bytes", self.caps.unpacked)?;
            let problem = format!("unpacks to more than {} times its size", self.caps.ratio);
            return Err(refused(name, problem));
        }
        self.size += size;
        // File systems that do not tell capitals apart would write one over the other.
        if !self.names.insert(name.to_lowercase()) {
            return Err(refused(name, "is there twice"));
        }
        self.files.push(File { name: name.to_owned(), content, is_executable });
        Ok(())
    }

    fn walk(&mut self, directory: &Path, prefix: &str) -> Result<(), ArchiveError> {
        let unreadable = |path: &Path, cause| {
            let path = path.display().to_string();
            ArchiveError::Unreadable { path, cause }
        };
        let entries = std::fs::read_dir(directory).map_err(|error| unreadable(directory, error))?;
        for entry in entries {
            let entry = entry.map_err(|error| unreadable(directory, error))?;
            let path = entry.path();
            let name = entry
                .file_name()
                .into_string()
                .map_err(|name| refused(&name.to_string_lossy(), "has a name that is not UTF-8"))?;
            if name.starts_with('.') || name == "__pycache__" {
                continue;
            }
            let name = format!("{prefix}{name}");
            let kind = entry.file_type().map_err(|error| unreadable(&path, error))?;
            if kind.is_dir() {
                check_name(&name).map_err(|problem| refused(&name, problem))?;
                self.walk(&path, &format!("{name}/"))?;
                continue;
            }
            if !kind.is_file() {
                return Err(refused(&name, "is neither a file nor a directory"));
            }
            let count = self.files.len() as u64 + 1;
            within("the directory has", count, "files", self.caps.entries as u64)?;
            let room = self.caps.unpacked.saturating_sub(self.size);
            let file = std::fs::File::open(&path).map_err(|error| unreadable(&path, error))?;
            let metadata = file.metadata().map_err(|error| unreadable(&path, error))?;
            let mut content = Vec::new();
            let read = file.take(room.saturating_add(1)).read_to_end(&mut content);
            read.map_err(|error| unreadable(&path, error))?;
            use std::os::unix::fs::PermissionsExt as _;
            let is_executable = metadata.permissions().mode() & 0o111 != 0;
            self.add(&name, content, (is_executable, room))?;
        }
        Ok(())
    }

    fn finish(self, digest: Digest) -> Result<Archive, ArchiveError> {
        let Self { files, .. } = self;
        if files.is_empty() {
            return Err(ArchiveError::Empty);
        }
        // `a` and `a/b`: one of them cannot be written.
        let names: HashSet<&str> = files.iter().map(|file| &*file.name).collect();
        for file in &files {
            let parents = file.name.match_indices('/').map(|(end, _)| &file.name[..end]);
            if let Some(parent) = parents.into_iter().find(|parent| names.contains(parent)) {
                let problem = format!("lies in `{parent}`, which is a file");
                return Err(refused(&file.name, problem));
            }
        }
        Ok(Archive { files, digest })
    }
}

fn refused(name: &str, problem: impl Into<String>) -> ArchiveError {
    ArchiveError::Entry { name: name.escape_debug().to_string(), problem: problem.into() }
}

fn within(whose: &str, count: u64, unit: &str, limit: u64) -> Result<(), ArchiveError> {
    let what = || format!("{whose} {count} {unit}");
    if count > limit { Err(ArchiveError::TooMuch { what: what(), limit }) } else { Ok(()) }
}

/// Refuses links, devices and the like, which an entry says of itself in the mode that Unix gives
/// files (inode(7)).
fn kind_is_plain(name: &str, mode: u32) -> Result<(), ArchiveError> {
    match mode & 0o170_000 {
        // Nothing is said, a file, a directory.
        0 | 0o100_000 | 0o040_000 => Ok(()),
        0o120_000 => Err(refused(name, "is a symbolic link")),
        _ => Err(refused(name, "is neither a file nor a directory")),
    }
}

/// Says what is wrong with a name: whatever could lie outside of the directory that it is unpacked
/// into, on any system, and what no system takes.
fn check_name(name: &str) -> Result<(), &'static str> {
    if name.starts_with('/') {
        return Err("has an absolute path");
    }
    if name.contains('\\') || name.contains(':') {
        return Err("has a path of another system (`\\`, `:`)");
    }
    if name.chars().any(char::is_control) {
        return Err("has a control character in its name");
    }
    if name.split('/').count() > DEPTH {
        return Err("lies too deep");
    }
    for part in name.split('/') {
        match part {
            "" => return Err("has an empty part in its path"),
            "." | ".." => return Err("has `.` or `..` in its path"),
            part if part.len() > NAME_LIMIT => return Err("has too long a name"),
            _ => {}
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
