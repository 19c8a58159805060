//! What an endpoint lists, by name: looked up by each call where there are several endpoints, so it
//! is made once, with the lists.

use std::collections::HashSet;

use switchboard_core::{Kind, Lists};

/// The names of tools and prompts.
pub(crate) struct Names {
    tools: HashSet<String>,
    prompts: HashSet<String>,
}

impl Names {
    pub(crate) fn of(lists: &Lists) -> Self {
        let names = |kind| lists.of(kind).iter().map(|item| item.key.clone()).collect();
        Self { tools: names(Kind::Tools), prompts: names(Kind::Prompts) }
    }

    /// Whether `name` is listed. Who has a resource, names do not tell.
    pub(crate) fn may_be(&self, kind: Kind, name: &str) -> bool {
        match kind {
            Kind::Tools => self.tools.contains(name),
            Kind::Prompts => self.prompts.contains(name),
            Kind::Resources | Kind::Templates => true,
        }
    }
}

#[cfg(test)]
mod tests {
    use switchboard_core::{Item, Kind, Lists};
    use switchboard_mcp::Json;

    use super::Names;

    #[test]
    fn a_name_is_known_under_its_kind() {
        let item = |key: &str| Item { key: key.to_owned(), json: Json::empty_object() };
        let (tools, prompts) = (vec![item("a"), item("b")], vec![item("c")]);
        let names = Names::of(&Lists { tools, prompts, ..Lists::default() });
        for (kind, name, expected) in [
            (Kind::Tools, "a", true),
            (Kind::Tools, "b", true),
            (Kind::Tools, "c", false),
            (Kind::Prompts, "c", true),
            (Kind::Prompts, "a", false),
            (Kind::Resources, "a:1", true),
        ] {
            assert_eq!(names.may_be(kind, name), expected, "{kind:?} {name}");
        }
    }
}
