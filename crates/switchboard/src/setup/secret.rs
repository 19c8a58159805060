//! Values that do not belong into the configuration in the clear, and the files they go to.
//!
//! A configuration is shown to colleagues and kept in repositories. What may be secret is put into a
//! file of its own in the state directory, readable by its owner only, and the configuration says
//! `${file:…}`. Every value of `env` and of a header counts: a rule that guessed which of them are
//! secret would be wrong once.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::failure::Failure;

/// A file with a secret that is to be written.
#[derive(Clone, Eq, PartialEq)]
pub(crate) struct SecretFile {
    pub(crate) path: PathBuf,
    pub(crate) content: String,
}

/// Decides where secrets go; writes nothing.
pub(crate) struct Vault<'a> {
    directory: &'a Path,
    files: Vec<SecretFile>,
}

impl fmt::Debug for SecretFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SecretFile").field("path", &self.path).finish_non_exhaustive()
    }
}

impl<'a> Vault<'a> {
    pub(crate) fn new(directory: &'a Path) -> Self {
        Self { directory, files: Vec::new() }
    }

    /// Takes a value in, and returns what the configuration says instead.
    pub(crate) fn put(
        &mut self,
        upstream: &str,
        key: &str,
        value: &str,
    ) -> Result<String, Failure> {
        if value.is_empty() {
            return Ok(String::new());
        }
        // Whoever reads the file takes one line end away; what ends in `\r` would lose that as well.
        let end = if value.ends_with('\r') { "" } else { "\n" };
        let path = self.keep(&format!("{upstream}-{}", plain(key)), "", format!("{value}{end}"));
        match path.to_str() {
            Some(path) if !path.contains('}') => Ok(format!("${{file:{path}}}")),
            _ => {
                let message = format!("`{}` cannot be named in a configuration", path.display());
                Err(Failure::new("secret-path", message).with_hint(
                    "set SWITCHBOARD_STATE_DIR to a directory with plain letters in its path",
                ))
            }
        }
    }

    /// Takes a whole document in, and returns where it will be.
    pub(crate) fn put_document(&mut self, upstream: &str, content: String) -> PathBuf {
        self.keep(upstream, ".json", content)
    }

    /// The files that have to be written; those already on the disk are not among them.
    pub(crate) fn into_files(self) -> Vec<SecretFile> {
        self.files
    }

    /// A file of this content: one that is there already, or a new one whose name is free.
    fn keep(&mut self, stem: &str, extension: &str, content: String) -> PathBuf {
        let mut number = 1_u32;
        loop {
            let suffix = if number == 1 { String::new() } else { format!("-{number}") };
            let path = self.directory.join(format!("{stem}{suffix}{extension}"));
            let planned = self.files.iter().find(|file| file.path == path);
            let there = match planned {
                Some(file) => Some(file.content.clone()),
                // A file that cannot be read is somebody's, and its name is not free.
                None if path.exists() => Some(std::fs::read_to_string(&path).unwrap_or_default()),
                None => None,
            };
            match there {
                None => {
                    self.files.push(SecretFile { path: path.clone(), content });
                    return path;
                }
                Some(there) if there == content => return path,
                Some(_) => number += 1,
            }
        }
    }
}

/// A key as a part of a file name.
fn plain(key: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() || c == '_' { c } else { '-' };
    key.chars().map(plain).collect()
}

/// Words that stand in the names of flags, variables and headers whose values are secret.
const WORDS: [&str; 9] = [
    "apikey",
    "authorization",
    "bearer",
    "connectionstring",
    "credential",
    "passwd",
    "password",
    "secret",
    "token",
];

/// How the tokens of well-known services begin.
const BEGINNINGS: [&str; 9] =
    ["sk-", "ghp_", "gho_", "ghs_", "github_pat_", "glpat-", "xoxb-", "xoxp-", "AKIA"];

/// Whether an argument may be secret; `before` is the one in front of it.
///
/// Arguments mostly are not, and a configuration without them would say nothing. So here, unlike
/// with variables and headers, the value is looked at.
pub(crate) fn is_secret_argument(before: Option<&str>, argument: &str) -> bool {
    let flag = before.filter(|before| before.starts_with('-') && !before.contains('='));
    let follows = flag.is_some_and(is_secret_name) && !argument.starts_with('-');
    follows
        || BEGINNINGS.iter().any(|beginning| argument.starts_with(beginning))
        || has_user_information(argument)
        || assigns_secret(argument)
}

/// Whether an address may hold a secret: in its user information, its query, or as a long part of
/// the path that nobody made up by hand, which is how some services give out addresses.
pub(crate) fn is_secret_address(url: &str) -> bool {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    has_user_information(url)
        || rest.contains('?')
        || rest.split('/').skip(1).any(|segment| {
            /// Shorter ones are words and versions; tokens and UUIDs are longer.
            const SHORTEST_TOKEN: usize = 20;
            segment.len() >= SHORTEST_TOKEN
                && segment.contains(|c: char| c.is_ascii_digit())
                && segment.contains(|c: char| c.is_ascii_alphabetic())
        })
}

fn has_user_information(text: &str) -> bool {
    let Some((_, rest)) = text.split_once("://") else { return false };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    authority.contains('@')
}

/// `NAME=value`, `--flag=value`, `Header: value` or `?name=value` with a name that speaks of a secret.
fn assigns_secret(text: &str) -> bool {
    text.match_indices(['=', ':']).any(|(at, _)| {
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        let before = &text[..at];
        let start = before
            .rfind(|c| !is_name(c))
            .map_or(0, |other| other + before[other..].chars().next().map_or(1, char::len_utf8));
        let value = text[at + 1..].trim();
        is_secret_name(&before[start..]) && !value.is_empty()
    })
}

fn is_secret_name(name: &str) -> bool {
    let lower = name.to_ascii_lowercase();
    let parts: Vec<_> = lower.split(['-', '_']).filter(|part| !part.is_empty()).collect();
    let joined = parts.concat();
    // `pat` and `key` are secret as words of their own, and not in `path` or `keyboard`.
    parts.iter().any(|part| matches!(*part, "key" | "pat" | "pwd" | "auth"))
        || WORDS.iter().any(|word| joined.contains(word))
}

#[cfg(test)]
mod tests;
