//! What one server offers, as it says so itself.

use serde::{Deserialize, Serialize};
use switchboard_mcp::{Era, Hint, Json, Malformed, Members, ProtocolVersion, Scope};

/// The four kinds of list a server has.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Kind {
    Tools,
    Prompts,
    Resources,
    Templates,
}

impl Kind {
    pub const ALL: [Self; 4] = [Self::Tools, Self::Prompts, Self::Resources, Self::Templates];

    /// The member of a list result that holds the items.
    pub fn member(self) -> &'static str {
        match self {
            Self::Tools => "tools",
            Self::Prompts => "prompts",
            Self::Resources => "resources",
            Self::Templates => "resourceTemplates",
        }
    }

    /// The member of an item that names it.
    pub fn key(self) -> &'static str {
        match self {
            Self::Tools | Self::Prompts => "name",
            Self::Resources => "uri",
            Self::Templates => "uriTemplate",
        }
    }

    /// What one of them is called in an error.
    pub fn noun(self) -> &'static str {
        match self {
            Self::Tools => "tool",
            Self::Prompts => "prompt",
            Self::Resources => "resource",
            Self::Templates => "resource template",
        }
    }
}

/// One listed thing: its name or URI, and its description undecoded.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Item {
    pub key: String,
    pub json: Json,
}

impl Item {
    /// Reads one item of a list; `None` where it has no name, because nobody could ask for it.
    pub fn read(kind: Kind, json: Json) -> Option<Self> {
        let key = json.members().ok()?.read::<String>(kind.key())?;
        Some(Self { key, json })
    }
}

/// Everything a server offers. Complete: a list that could not be read to its end is not one.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Lists {
    pub version: Option<ProtocolVersion>,
    pub capabilities: Capabilities,
    /// The server's `capabilities` as it wrote them, for what we do not act on.
    pub offered: Option<Json>,
    pub instructions: Option<String>,
    pub tools: Vec<Item>,
    pub prompts: Vec<Item>,
    pub resources: Vec<Item>,
    pub templates: Vec<Item>,
    /// How long each list holds, by the word of the server (2026-07-28, "Caching"): the place of a
    /// kind is its number. `None` where no server of that revision was asked.
    pub hints: [Option<Hint>; 4],
}

/// How long a client may keep a list of which the server announces changes, but says nothing else:
/// for those that do not listen, so stale it may be.
const ANNOUNCED: Hint = Hint { ttl_ms: 5_000, scope: Scope::Private };

impl Lists {
    /// How long a client may keep what this server lists of `kind`, and whom it may show it to.
    /// Of a server that neither says it nor announces changes nothing is known.
    pub fn hint(&self, kind: Kind) -> Hint {
        let is_older = self.version.is_none_or(|version| version.era() == Era::Legacy);
        match self.hints[kind as usize] {
            Some(hint) => hint,
            None if is_older && self.capabilities.announces(kind) => ANNOUNCED,
            None => Hint::NONE,
        }
    }

    /// Whether all items are those of `other`, whatever else is said of them.
    pub fn has_items_of(&self, other: &Self) -> bool {
        Kind::ALL.into_iter().all(|kind| self.of(kind) == other.of(kind))
    }

    pub fn of(&self, kind: Kind) -> &[Item] {
        match kind {
            Kind::Tools => &self.tools,
            Kind::Prompts => &self.prompts,
            Kind::Resources => &self.resources,
            Kind::Templates => &self.templates,
        }
    }

    /// The items of `kind`, to add to.
    pub fn of_mut(&mut self, kind: Kind) -> &mut Vec<Item> {
        match kind {
            Kind::Tools => &mut self.tools,
            Kind::Prompts => &mut self.prompts,
            Kind::Resources => &mut self.resources,
            Kind::Templates => &mut self.templates,
        }
    }

    pub fn replace(&mut self, kind: Kind, items: Vec<Item>) {
        match kind {
            Kind::Tools => self.tools = items,
            Kind::Prompts => self.prompts = items,
            Kind::Resources => self.resources = items,
            Kind::Templates => self.templates = items,
        }
    }
}

/// The parts of a server's capabilities that decide what we ask it.
#[derive(Clone, Copy, Debug, Default, Deserialize, Eq, PartialEq, Serialize)]
#[expect(clippy::struct_excessive_bools, reason = "independent yes-or-no facts of the protocol")]
#[serde(default)]
pub struct Capabilities {
    pub tools: bool,
    pub prompts: bool,
    pub resources: bool,
    /// Whether it tells of changes to single resources.
    pub subscribe: bool,
    /// Whether it announces changes of its lists (`listChanged`).
    pub tools_changed: bool,
    pub prompts_changed: bool,
    pub resources_changed: bool,
    pub completions: bool,
    pub logging: bool,
}

impl Capabilities {
    /// Reads the `capabilities` object of `initialize` or `server/discover`.
    ///
    /// # Errors
    ///
    /// [`Malformed`] when it is no object.
    pub fn read(json: &Json) -> Result<Self, Malformed> {
        let members = json.members()?;
        let has = |name: &str| members.get(name).is_some_and(|value| value.get() != "null");
        let does = |name: &str, what: &str| {
            let part = members.get(name).and_then(|part| Members::parse(part).ok());
            part.and_then(|part| part.read(what)).unwrap_or(false)
        };
        Ok(Self {
            tools: has("tools"),
            prompts: has("prompts"),
            resources: has("resources"),
            subscribe: does("resources", "subscribe"),
            tools_changed: does("tools", "listChanged"),
            prompts_changed: does("prompts", "listChanged"),
            resources_changed: does("resources", "listChanged"),
            completions: has("completions"),
            logging: has("logging"),
        })
    }

    pub fn has(self, kind: Kind) -> bool {
        match kind {
            Kind::Tools => self.tools,
            Kind::Prompts => self.prompts,
            Kind::Resources | Kind::Templates => self.resources,
        }
    }

    /// Whether it announces changes of its list of `kind`.
    pub fn announces(self, kind: Kind) -> bool {
        match kind {
            Kind::Tools => self.tools_changed,
            Kind::Prompts => self.prompts_changed,
            Kind::Resources | Kind::Templates => self.resources_changed,
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use switchboard_mcp::{Hint, Json, ProtocolVersion, Scope};

    use super::{ANNOUNCED, Capabilities, Kind, Lists};

    #[test]
    fn what_a_server_says_of_its_list_counts_and_else_whether_it_announces() {
        let offered =
            br#"{"tools":{"listChanged":true},"prompts":{},"resources":{"subscribe":true}}"#;
        let offered = Json::parse(Bytes::from_static(offered)).unwrap();
        let capabilities = Capabilities::read(&offered).unwrap();
        assert!(capabilities.subscribe && capabilities.tools_changed);
        assert!(!capabilities.prompts_changed && !capabilities.resources_changed);
        let version = Some(ProtocolVersion::NEWEST_LEGACY);
        let mut lists = Lists { version, capabilities, ..Lists::default() };
        assert_eq!(lists.hint(Kind::Tools), ANNOUNCED);
        assert_eq!(lists.hint(Kind::Prompts), Hint::NONE);
        assert_eq!(lists.hint(Kind::Templates), Hint::NONE);
        let said = Hint { ttl_ms: 0, scope: Scope::Public };
        lists.hints[Kind::Tools as usize] = Some(said);
        assert_eq!(lists.hint(Kind::Tools), said);
    }
}
