//! Replaces `${env:NAME}` and `${file:path}` in a secret by what they stand for.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use crate::diagnostic::code;

/// Reads a file for `${file:…}`.
pub(crate) type Reader = Box<dyn Fn(&Path) -> io::Result<String> + Send + Sync>;

/// Where references are looked up.
pub(crate) struct Lookup<'a> {
    pub(crate) environment: &'a BTreeMap<String, String>,
    /// What relative paths are relative to; `None` leaves them to the reader.
    pub(crate) directory: Option<&'a Path>,
    pub(crate) read: &'a Reader,
}

/// Why a secret cannot be expanded. Names what was referred to, never a part of the secret.
#[derive(Clone, Debug)]
pub(crate) struct Unresolved {
    pub(crate) code: &'static str,
    /// Follows the name of the key: "`api_key` needs …".
    pub(crate) message: String,
    pub(crate) cause: Option<String>,
    pub(crate) hint: String,
}

enum Part<'a> {
    Text(&'a str),
    Environment(&'a str),
    File(&'a str),
}

/// What `${file:…}` may hold at most: 1 MiB, as much as a Kubernetes Secret
/// (<https://kubernetes.io/docs/concepts/configuration/secret/>). Keeps `${file:/dev/zero}` from filling the memory.
const FILE_LIMIT: u64 = 1 << 20;

/// Whether the text refers to a secret, so that it may be printed; otherwise it may be one.
pub(crate) fn refers(template: &str) -> bool {
    let refers = |parts: Vec<Part<'_>>| parts.iter().any(|part| !matches!(part, Part::Text(_)));
    parse(template).is_ok_and(refers)
}

/// The reader used unless the caller brings one.
pub(crate) fn read_file(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    File::open(path)?.take(FILE_LIMIT + 1).read_to_string(&mut text)?;
    if text.len() as u64 > FILE_LIMIT {
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, "the file is larger than 1 MiB"));
    }
    Ok(text)
}

impl Lookup<'_> {
    /// What the template stands for.
    pub(crate) fn expand(&self, template: &str) -> Result<String, Unresolved> {
        let mut expanded = String::new();
        for part in parse(template)? {
            match part {
                Part::Text(text) => expanded.push_str(text),
                Part::Environment(name) => expanded.push_str(self.variable(name)?),
                Part::File(path) => expanded.push_str(&self.file(path)?),
            }
        }
        Ok(expanded)
    }

    /// An empty variable counts as missing: an empty password only fails later, further from its cause.
    fn variable(&self, name: &str) -> Result<&str, Unresolved> {
        match self.environment.get(name).map(String::as_str) {
            None => Err(missing_variable(name, "not set")),
            Some("") => Err(missing_variable(name, "empty")),
            Some(value) => Ok(value),
        }
    }

    fn file(&self, written: &str) -> Result<String, Unresolved> {
        let path = self.resolve(written)?;
        let mut text = (self.read)(&path).map_err(|error| unreadable(&path, &error))?;
        if text.ends_with('\n') {
            text.pop();
            if text.ends_with('\r') {
                text.pop();
            }
        }
        Ok(text)
    }

    fn resolve(&self, written: &str) -> Result<PathBuf, Unresolved> {
        if let Some(below_home) = written.strip_prefix("~/") {
            return Ok(Path::new(self.variable("HOME")?).join(below_home));
        }
        Ok(self
            .directory
            .map_or_else(|| PathBuf::from(written), |directory| directory.join(written)))
    }
}

fn parse(template: &str) -> Result<Vec<Part<'_>>, Unresolved> {
    let mut parts = Vec::new();
    let mut rest = template;
    while let Some(dollar) = rest.find("${") {
        let (before, reference) = rest.split_at(dollar);
        if let Some(before) = before.strip_suffix('$') {
            parts.extend([Part::Text(before), Part::Text("${")]);
            rest = &reference[2..];
            continue;
        }
        let (reference, after) = reference[2..].split_once('}').ok_or_else(malformed)?;
        parts.push(Part::Text(before));
        parts.push(match reference.split_once(':') {
            Some(("env", name)) if !name.is_empty() => Part::Environment(name),
            Some(("file", path)) if !path.is_empty() => Part::File(path),
            _ => return Err(malformed()),
        });
        rest = after;
    }
    parts.push(Part::Text(rest));
    Ok(parts)
}

/// Says nothing of what stands there: it may be a password that happens to contain `${`.
fn malformed() -> Unresolved {
    Unresolved {
        code: code::INVALID_VALUE,
        message: "has a `${` that begins neither `${env:NAME}` nor `${file:path}`".to_owned(),
        cause: None,
        hint: "write `$${` where `${` itself is meant".to_owned(),
    }
}

fn missing_variable(name: &str, state: &str) -> Unresolved {
    Unresolved {
        code: code::MISSING_SECRET,
        message: format!("needs the environment variable `{name}`, which is {state}"),
        cause: None,
        hint: format!("`export {name}=…` before the start, or keep it in a file: `${{file:path}}`"),
    }
}

fn unreadable(path: &Path, error: &io::Error) -> Unresolved {
    let path = path.display();
    let hint = match error.kind() {
        io::ErrorKind::NotFound => format!("write it there: `(umask 077; cat > '{path}')`"),
        io::ErrorKind::PermissionDenied => {
            format!("let the user this runs as read it: `ls -l '{path}'` shows who may")
        }
        _ => format!("`cat '{path}'` as the user this runs as shows the same error"),
    };
    Unresolved {
        code: code::MISSING_SECRET,
        message: format!("needs the file `{path}`, which cannot be read"),
        cause: Some(error.to_string()),
        hint,
    }
}
