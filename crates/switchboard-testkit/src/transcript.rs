//! Conversations as data: what the client says, what reaches the server, what comes back.
//!
//! One file in `transcripts/` is one conversation, written without what belongs to a hop (ids,
//! headers, the envelope and the cache hints of 2026-07-28), so that it holds for every listener,
//! upstream and revision:
//!
//! ```text
//! upstream = tools/call "result":{"content":[]}     how the server answers from here on
//! client > tools/call {"name":"fake__echo"}         a request
//! upstream < tools/call {"name":"echo"}             what the server got
//! client < progress 3                               notifications before the answer
//! client < result {"content":[]}                    the answer
//! client < modern error -32602                      the answer to clients of one era only
//! ```
//!
//! The examples of the specification are in `transcripts/specification`: whole messages of one
//! revision each, see [`Exchange`]; which example is replayed where stands in [`mod@coverage`].

mod coverage;
mod exchange;
mod server;

pub use coverage::{Replay, coverage};
pub use exchange::{Exchange, Move, Names, Side, exchanges};
pub use server::Server;

use std::path::{Path, PathBuf};

use bytes::Bytes;
use switchboard_mcp::{Era, Json, Members, Object};

pub struct Transcript {
    pub name: String,
    pub steps: Vec<(usize, Step)>,
}

pub enum Step {
    Answer { method: String, member: String },
    Ask { method: String, params: String },
    Arrived(String),
    Progress(usize),
    Told { era: Option<Era>, what: String },
}

/// All transcripts, by name.
pub fn load() -> Vec<Transcript> {
    texts(&directory()).iter().map(|path| read(path)).collect()
}

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("transcripts")
}

/// The transcripts in a directory, in order.
fn texts(directory: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(directory).unwrap();
    let mut paths: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "txt"));
    paths.sort();
    paths
}

fn read(path: &Path) -> Transcript {
    let text = std::fs::read_to_string(path).unwrap();
    let lines = (1..).zip(text.lines());
    let lines = lines.filter(|(_, line)| !line.trim().is_empty() && !line.starts_with('#'));
    let name = path.file_stem().unwrap().to_string_lossy().into_owned();
    let steps = lines.map(|(number, line)| {
        let step = parse(line).unwrap_or_else(|| panic!("{name}:{number}: `{line}` is no step"));
        (number, step)
    });
    let steps = steps.collect();
    Transcript { name, steps }
}

fn parse(line: &str) -> Option<Step> {
    let pair = |text: &str| {
        let (method, rest) = text.split_once(' ').unwrap_or((text, "{}"));
        (method.to_owned(), rest.to_owned())
    };
    if let Some(rest) = line.strip_prefix("upstream = ") {
        let (method, member) = pair(rest);
        return Some(Step::Answer { method, member });
    }
    if let Some(rest) = line.strip_prefix("client > ") {
        let (method, params) = pair(rest);
        return Some(Step::Ask { method, params });
    }
    if let Some(rest) = line.strip_prefix("upstream < ") {
        return Some(Step::Arrived(rest.to_owned()));
    }
    let rest = line.strip_prefix("client < ")?;
    if let Some(count) = rest.strip_prefix("progress ") {
        return Some(Step::Progress(count.parse().ok()?));
    }
    let eras = [("legacy ", Some(Era::Legacy)), ("modern ", Some(Era::Modern)), ("", None)];
    let (era, what) =
        eras.into_iter().find_map(|(word, era)| Some((era, rest.strip_prefix(word)?)))?;
    Some(Step::Told { era, what: what.to_owned() })
}

/// A result or parameters without what belongs to the hop.
pub fn end_to_end(text: &str) -> String {
    let json = Json::parse(Bytes::copy_from_slice(text.as_bytes())).unwrap();
    let Ok(members) = json.members() else { return text.to_owned() };
    let mut out = Vec::new();
    let mut object = Object::open(&mut out);
    for (name, value) in members.iter() {
        match name {
            "resultType" | "ttlMs" | "cacheScope" => {}
            "_meta" => write_meta(&mut object, &Members::parse(value).unwrap()),
            _ => {
                object.raw(name, value.get().as_bytes());
            }
        }
    }
    object.close();
    String::from_utf8(out).unwrap()
}

fn write_meta(object: &mut Object<'_>, meta: &Members<'_>) {
    let is_kept =
        |name: &str| name != "progressToken" && !name.starts_with("io.modelcontextprotocol/");
    let mut kept = meta.iter().filter(|(name, _)| is_kept(name)).peekable();
    if kept.peek().is_none() {
        return;
    }
    let mut inner = Object::open(object.member("_meta"));
    for (name, value) in kept {
        inner.raw(name, value.get().as_bytes());
    }
    inner.close();
}
