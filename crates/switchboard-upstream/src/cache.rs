//! The lists of servers on disk, so that a server is in the catalog before it runs.
//!
//! One file for each server, named after it, holding what it listed when it was last asked and a
//! fingerprint of the configuration it was asked under. Losing the directory costs one start of
//! each server and nothing else.

use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use sha2::{Digest as _, Sha256};
use switchboard_config::Secret;
use switchboard_core::{Capabilities, Item, Kind, Lists};
use switchboard_mcp::{Hint, Json, ProtocolVersion, Scope};

use crate::open::Verdict;
use crate::settings::Settings;

/// The directory of remembered lists.
#[derive(Clone, Debug)]
pub struct ListCache {
    directory: PathBuf,
}

/// What is known of a server from before.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Kept {
    pub lists: Lists,
    /// When the server was last asked which era it speaks; `None` where nobody knows.
    pub asked: Option<SystemTime>,
}

impl Kept {
    /// What the server was found to speak. Without a date it counts as long ago.
    pub(crate) fn verdict(&self) -> Option<Verdict> {
        let asked = self.asked.unwrap_or(SystemTime::UNIX_EPOCH);
        self.lists.version.map(|version| Verdict { era: version.era(), asked })
    }
}

#[derive(Serialize)]
struct Written<'a> {
    fingerprint: &'a str,
    version: &'static str,
    asked: Option<u64>,
    hints: [Option<KeptHint>; 4],
    capabilities: Capabilities,
    offered: Option<&'a RawValue>,
    instructions: Option<&'a str>,
    tools: Vec<&'a RawValue>,
    prompts: Vec<&'a RawValue>,
    resources: Vec<&'a RawValue>,
    templates: Vec<&'a RawValue>,
}

#[derive(Deserialize)]
struct Read<'a> {
    fingerprint: String,
    version: String,
    /// Seconds after 1970.
    #[serde(default)]
    asked: Option<u64>,
    #[serde(default)]
    hints: [Option<KeptHint>; 4],
    capabilities: Capabilities,
    #[serde(borrow, default)]
    offered: Option<&'a RawValue>,
    instructions: Option<String>,
    #[serde(borrow)]
    tools: Vec<&'a RawValue>,
    #[serde(borrow)]
    prompts: Vec<&'a RawValue>,
    #[serde(borrow)]
    resources: Vec<&'a RawValue>,
    #[serde(borrow)]
    templates: Vec<&'a RawValue>,
}

#[derive(Deserialize, Serialize)]
struct KeptHint {
    ttl_ms: u64,
    is_public: bool,
}

impl ListCache {
    pub fn new(directory: PathBuf) -> Self {
        Self { directory }
    }

    /// Another one within it, for what is not to be mistaken for a server of this one.
    #[must_use]
    pub fn beside(&self, name: &str) -> Self {
        Self { directory: self.directory.join(name) }
    }

    /// What `name` listed under the same configuration; `None` where nothing usable is kept.
    pub(crate) fn load(&self, name: &str, fingerprint: &str) -> Option<Kept> {
        let text = std::fs::read(self.path(name)).ok()?;
        let kept: Read<'_> = serde_json::from_slice(&text).ok()?;
        if kept.fingerprint != fingerprint {
            return None;
        }
        let items = |kind: Kind, raw: &[&RawValue]| {
            raw.iter()
                .filter_map(|raw| Item::read(kind, Json::written(raw.get().as_bytes().to_vec())))
                .collect()
        };
        let asked = kept.asked.map(Duration::from_secs);
        let asked = asked.and_then(|since| SystemTime::UNIX_EPOCH.checked_add(since));
        let lists = Lists {
            version: ProtocolVersion::parse(&kept.version),
            capabilities: kept.capabilities,
            offered: kept.offered.map(|raw| Json::written(raw.get().as_bytes().to_vec())),
            instructions: kept.instructions,
            tools: items(Kind::Tools, &kept.tools),
            prompts: items(Kind::Prompts, &kept.prompts),
            resources: items(Kind::Resources, &kept.resources),
            templates: items(Kind::Templates, &kept.templates),
            hints: kept.hints.map(|hint| hint.map(KeptHint::read)),
        };
        Some(Kept { lists, asked })
    }

    /// Remembers complete lists, and when the server was asked which era it speaks, in one step: a
    /// reader finds the old file or the new one.
    ///
    /// # Errors
    ///
    /// What the file system says; the daemon goes on without.
    pub(crate) fn save(
        &self,
        name: &str,
        fingerprint: &str,
        lists: &Lists,
        asked: Option<SystemTime>,
    ) -> io::Result<()> {
        let raw = |kind: Kind| -> Result<Vec<&RawValue>, io::Error> {
            let items = lists.of(kind).iter();
            items.map(|item| item.json.view().map_err(io::Error::other)).collect()
        };
        let written = Written {
            fingerprint,
            version: lists.version.unwrap_or(ProtocolVersion::NEWEST_LEGACY).as_str(),
            asked: asked
                .and_then(|asked| asked.duration_since(SystemTime::UNIX_EPOCH).ok())
                .map(|since| since.as_secs()),
            hints: lists.hints.map(|hint| hint.map(KeptHint::written)),
            capabilities: lists.capabilities,
            offered: lists
                .offered
                .as_ref()
                .map(Json::view)
                .transpose()
                .map_err(io::Error::other)?,
            instructions: lists.instructions.as_deref(),
            tools: raw(Kind::Tools)?,
            prompts: raw(Kind::Prompts)?,
            resources: raw(Kind::Resources)?,
            templates: raw(Kind::Templates)?,
        };
        std::fs::create_dir_all(&self.directory)?;
        let path = self.path(name);
        let new = path.with_extension("new");
        std::fs::write(&new, serde_json::to_vec(&written)?)?;
        std::fs::rename(&new, &path)
    }

    fn path(&self, name: &str) -> PathBuf {
        // Names are letters, digits, `-` and `_`, so they are file names too.
        Path::new(&self.directory).join(format!("{name}.json"))
    }
}

impl KeptHint {
    fn read(self) -> Hint {
        let scope = if self.is_public { Scope::Public } else { Scope::Private };
        Hint { ttl_ms: self.ttl_ms, scope }
    }

    fn written(hint: Hint) -> Self {
        Self { ttl_ms: hint.ttl_ms, is_public: hint.scope == Scope::Public }
    }
}

/// What tells whether remembered lists are those of the server as it is configured now. Names of
/// variables count, their values do not: they are secrets, and change without changing the tools.
/// Arguments do count, as a hash: they choose what a server serves, and may hold a secret too.
pub(crate) fn fingerprint(settings: &Settings) -> String {
    let stdio = settings.stdio.as_ref().map(|stdio| {
        let names: Vec<_> = stdio.env.keys().collect();
        serde_json::json!([stdio.command, digest(&stdio.args), names, stdio.cwd])
    });
    let http = settings.http.as_ref().map(|http| {
        let names: Vec<_> = http.headers.keys().collect();
        serde_json::json!([http.url, names])
    });
    let addresses = [
        settings.sse.as_ref().map(|sse| (&sse.url, &sse.headers)),
        settings.websocket.as_ref().map(|socket| (&socket.url, &socket.headers)),
    ];
    let addresses = addresses.map(|address| {
        address.map(|(url, headers)| serde_json::json!([url, headers.keys().collect::<Vec<_>>()]))
    });
    let known = serde_json::json!([stdio, http, settings.era, addresses]).to_string();
    match &settings.memory {
        Some(memory) => format!("{known}{}", memory.server),
        None => known,
    }
}

fn digest(args: &[Secret]) -> String {
    let mut hash = Sha256::new();
    for arg in args {
        hash.update(arg.expose());
        // No argument of a program can hold this byte.
        hash.update([0]);
    }
    hash.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests;
