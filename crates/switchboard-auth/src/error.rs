//! What can be wrong with a key.

use std::io;
use std::path::PathBuf;

/// Why there is no key to use. Never quotes the key.
#[derive(Debug, thiserror::Error)]
pub enum KeyError {
    /// A person chose this key and has to choose another.
    #[error(transparent)]
    Unusable(#[from] Unusable),
    /// The file is there and holds something else. A key is not made in its place, because that
    /// would lock out every client without a word.
    #[error("line {line} of the key file `{}` is not {expected}", path.display())]
    Damaged { path: PathBuf, line: usize, expected: &'static str },
    /// The file is not ours to trust: someone else can read or change it.
    #[error("the key file `{}` belongs to user {owner}, and we run as user {us}", path.display())]
    NotOurs { path: PathBuf, owner: u32, us: u32 },
    #[error("`{}` is not a regular file", path.display())]
    NotAFile { path: PathBuf },
    /// No daemon has been started with this state directory.
    #[error("there is no key file `{}` yet", path.display())]
    Missing { path: PathBuf },
    /// Another process is writing the key and does not finish; the same call may succeed later.
    #[error("another process is holding the lock `{}`", path.display())]
    Locked { path: PathBuf },
    #[error("cannot {doing} `{}`", path.display())]
    Io {
        doing: &'static str,
        path: PathBuf,
        #[source]
        cause: io::Error,
    },
    #[error("the operating system's random source failed")]
    Random(#[source] getrandom::Error),
}

/// Why a key that a person chose cannot be used.
#[derive(Debug, Eq, PartialEq, thiserror::Error)]
pub enum Unusable {
    #[error("the API key has {characters} characters, fewer than {minimum}")]
    TooShort { characters: usize, minimum: usize },
    #[error("the API key has {bytes} bytes, more than {maximum}")]
    TooLong { bytes: usize, maximum: usize },
    #[error("character {position} of the API key cannot be sent in a header")]
    Unsendable { position: usize },
}

impl KeyError {
    /// The name under which the error is documented.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Unusable(_) => "key-unusable",
            Self::Damaged { .. } => "key-damaged",
            Self::NotOurs { .. } => "key-not-ours",
            Self::NotAFile { .. } => "key-not-a-file",
            Self::Missing { .. } => "key-missing",
            Self::Locked { .. } => "key-locked",
            Self::Io { .. } => "key-io",
            Self::Random(_) => "key-random",
        }
    }

    /// What to do about it.
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::Unusable(_) => {
                "use 16 to 512 letters, digits and signs without spaces, or leave the key out to \
                 have one made"
            }
            Self::Damaged { .. } => {
                "restore the file, or run `switchboard rotate-key` to make a new key"
            }
            Self::NotOurs { .. } => {
                "run as the user who owns the file, or give it to this user with `chown`"
            }
            Self::NotAFile { .. } => "move it out of the way, so that a key can be made there",
            Self::Missing { .. } => "run `switchboard start`, which makes one",
            Self::Locked { .. } => "wait for the other `switchboard` command, then try again",
            Self::Io { .. } => "check that the state directory exists, is ours and has free space",
            Self::Random(_) => "check that /dev/urandom can be read",
        }
    }
}
