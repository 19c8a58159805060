//! What several servers have in common.

use std::collections::BTreeMap;

use switchboard_mcp::Json;

use crate::lists::{Capabilities, Kind, Lists};
use crate::tasks::generation;

/// Tools and prompts that two or more servers list under the same name, and who does.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Common {
    /// What there is, as the first of the servers describes it.
    pub lists: Lists,
    tools: BTreeMap<String, Vec<usize>>,
    prompts: BTreeMap<String, Vec<usize>>,
}

impl Common {
    /// Looks through what the servers list; `None` for one of which nothing is known.
    ///
    /// Servers that mean something else by a task than the first of them have nothing in common
    /// with it: a call that becomes a task has to be one thing wherever it goes.
    pub fn of(servers: &[Option<&Lists>]) -> Self {
        let known = || servers.iter().enumerate().filter_map(|(at, lists)| Some((at, (*lists)?)));
        let Some((_, first)) = known().next() else { return Self::default() };
        let alike = || known().filter(|(_, lists)| generation(lists) == generation(first));
        let mut common = Self::default();
        for kind in [Kind::Tools, Kind::Prompts] {
            let mut who: BTreeMap<String, Vec<usize>> = BTreeMap::new();
            for (at, lists) in alike() {
                for item in lists.of(kind) {
                    let listing = who.entry(item.key.clone()).or_default();
                    // One may list a thing twice.
                    if listing.last() != Some(&at) {
                        listing.push(at);
                    }
                }
            }
            who.retain(|_, listing| listing.len() > 1);
            for (at, lists) in alike() {
                let described = lists.of(kind).iter().filter(|it| {
                    who.get(&it.key).is_some_and(|listing| listing.first() == Some(&at))
                });
                common.lists.of_mut(kind).extend(described.cloned());
            }
            *common.who_mut(kind) = who;
        }
        common.lists.version = first.version;
        common.lists.offered = tasks_of(first);
        common.lists.capabilities = Capabilities {
            tools: !common.tools.is_empty(),
            prompts: !common.prompts.is_empty(),
            completions: alike().any(|(_, lists)| lists.capabilities.completions),
            logging: alike().any(|(_, lists)| lists.capabilities.logging),
            ..Capabilities::default()
        };
        common.lists.hints = Kind::ALL.map(|kind| {
            let hints = alike().map(|(_, lists)| lists.hint(kind));
            hints.reduce(switchboard_mcp::Hint::and)
        });
        common
    }

    /// Who has the thing, by the places of the servers; nobody where it is not common.
    pub fn who(&self, kind: Kind, name: &str) -> &[usize] {
        let who = match kind {
            Kind::Tools => &self.tools,
            Kind::Prompts => &self.prompts,
            Kind::Resources | Kind::Templates => return &[],
        };
        who.get(name).map_or(&[], Vec::as_slice)
    }

    /// What the server at `place` lists besides.
    pub fn rest(&self, place: usize, lists: &Lists) -> Lists {
        let mut rest = lists.clone();
        for kind in [Kind::Tools, Kind::Prompts] {
            rest.of_mut(kind).retain(|item| !self.who(kind, &item.key).contains(&place));
        }
        rest
    }

    fn who_mut(&mut self, kind: Kind) -> &mut BTreeMap<String, Vec<usize>> {
        if kind == Kind::Tools { &mut self.tools } else { &mut self.prompts }
    }
}

/// What the server says about tasks, and nothing of what else it offers: that is its own.
fn tasks_of(lists: &Lists) -> Option<Json> {
    let offered = lists.offered.as_ref()?.members().ok()?;
    let mut own = serde_json::Map::new();
    for name in ["tasks", "extensions"] {
        let Some(part) = offered.read::<serde_json::Value>(name) else { continue };
        let part = match (name, part) {
            ("extensions", serde_json::Value::Object(mut extensions)) => {
                extensions.retain(|id, _| id == switchboard_mcp::TASKS_EXTENSION);
                serde_json::Value::Object(extensions)
            }
            (_, part) => part,
        };
        own.insert(name.to_owned(), part);
    }
    Some(Json::encode(&own))
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;
    use switchboard_mcp::{Json, ProtocolVersion};

    use super::Common;
    use crate::lists::{Item, Kind, Lists};

    fn lists(tools: &[&str], offered: &'static str) -> Lists {
        let item = |name: &&str| Item {
            key: (*name).to_owned(),
            json: Json::encode(&serde_json::json!({ "name": name, "title": offered })),
        };
        Lists {
            version: Some(ProtocolVersion::MODERN),
            offered: Some(Json::parse(Bytes::from_static(offered.as_bytes())).unwrap()),
            tools: tools.iter().map(item).collect(),
            ..Lists::default()
        }
    }

    #[test]
    fn common_is_what_two_have() {
        let servers = [
            lists(&["search", "own"], "{}"),
            lists(&["fetch", "search", "search"], "{\"skills\":{}}"),
            lists(&["fetch"], "{}"),
        ];
        let known: Vec<_> = servers.iter().map(Some).chain([None]).collect();
        let common = Common::of(&known);
        assert_eq!(common.who(Kind::Tools, "search"), [0, 1]);
        assert_eq!(common.who(Kind::Tools, "fetch"), [1, 2]);
        assert!(common.who(Kind::Tools, "own").is_empty());
        let names: Vec<_> = common.lists.tools.iter().map(|item| &*item.key).collect();
        assert_eq!(names, ["search", "fetch"]);
        assert_eq!(common.lists.tools[0], servers[0].tools[0], "as the first describes it");
        assert!(common.lists.capabilities.tools && !common.lists.capabilities.resources);
        let rest: Vec<_> = common.rest(0, &servers[0]).tools;
        assert_eq!(rest, servers[0].tools[1..]);
        assert!(common.rest(1, &servers[1]).tools.is_empty());
    }

    #[test]
    fn servers_that_mean_different_things_by_a_task_have_nothing_in_common() {
        let with = "{\"extensions\":{\"io.modelcontextprotocol/tasks\":{},\"x/y\":{}}}";
        let servers = [lists(&["a"], with), lists(&["a"], "{}"), lists(&["a"], with)];
        let known: Vec<_> = servers.iter().map(Some).collect();
        let common = Common::of(&known);
        assert_eq!(common.who(Kind::Tools, "a"), [0, 2]);
        assert_eq!(common.rest(1, &servers[1]).tools.len(), 1);
        let offered = common.lists.offered.unwrap();
        assert_eq!(
            offered.as_str(),
            "{\"extensions\":{\"io.modelcontextprotocol/tasks\":{}}}",
            "what else it offers is its own"
        );
    }
}
