//! Questions of people, answered.

use serde::Serialize;
use serde_json::Value;
use switchboard_core::{Action, Catalog, Effect, Item, Kind, Listed, Principal, Tenant, Wish};

use crate::explain::Explanation;
use crate::policies::Policies;
use crate::question::Question;

/// What is decided of one thing that was asked about.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Answer {
    /// `tool git__log`, `resource file:///x`, `manage keys`, `spawn`.
    pub about: String,
    /// The server, where the question is about what one has.
    pub server: Option<String>,
    pub explanation: Explanation,
}

/// There is nothing of that name to ask about.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error("no {what} named `{name}` is listed by any server of the tenant")]
pub struct NotListed {
    pub what: &'static str,
    pub name: String,
}

/// Everything that has all of these words.
fn search<'a>(catalog: &'a Catalog, words: &str) -> Vec<(Kind, Listed<'a>)> {
    let words: Vec<_> = words.split_whitespace().map(str::to_lowercase).collect();
    let mut found = Vec::new();
    for kind in Kind::ALL {
        for item in catalog.items(kind).iter().filter(|item| has_all(item, &words)) {
            found.extend(catalog.find(kind, &item.key).map(|listed| (kind, listed)));
        }
    }
    found
}

/// Whether an item has all of these words, in lower case, in its name or in what is said of it.
fn has_all(item: &Item, words: &[String]) -> bool {
    let item: Value = item.json.view().unwrap_or_default();
    let said = ["name", "uri", "uriTemplate", "title", "description"];
    let said = said.iter().filter_map(|member| item[member].as_str());
    let said = said.collect::<Vec<_>>().join("\n").to_lowercase();
    words.iter().all(|word| said.contains(word))
}

impl Policies {
    /// Answers `question` as for a request of `principal` in `tenant`, which is served what is in
    /// `catalog`. A `call` without arguments is asked about as a list asks.
    ///
    /// # Errors
    ///
    /// [`NotListed`] where the question names something that is not there. An address that no
    /// server lists is asked about at each that may have it.
    pub fn answer(
        &self,
        principal: &Principal,
        tenant: &Tenant,
        catalog: &Catalog,
        question: &Question,
    ) -> Result<Vec<Answer>, NotListed> {
        let explain = |action: Action<'_>, shown_name: Option<&str>| {
            self.explain(principal, &Wish { tenant, action }, shown_name)
        };
        let used = |kind: Kind, listed: Listed<'_>, arguments| {
            let Listed { server, own_name: name, shown_name, effect } = listed;
            let action = Action::Use { kind, server, name, effect, arguments };
            Answer {
                about: format!("{} {shown_name}", kind.noun()),
                server: Some(server.to_owned()),
                explanation: explain(action, Some(shown_name)),
            }
        };
        let named = |kind: Kind, name: &str, arguments| {
            let found: Vec<_> =
                catalog.find(kind, name).map(|listed| used(kind, listed, arguments)).collect();
            match found.is_empty() {
                true => Err(NotListed { what: kind.noun(), name: name.to_owned() }),
                false => Ok(found),
            }
        };
        let managed = |about: String, action: Action<'_>| {
            Ok(vec![Answer { about, server: None, explanation: explain(action, None) }])
        };
        match question {
            Question::Call { name, arguments } => named(Kind::Tools, name, arguments.as_ref()),
            Question::Get(name) => named(Kind::Prompts, name, None),
            Question::Read(uri) => named(Kind::Resources, uri, None).or_else(|missing| {
                let members = catalog.members().iter();
                let offering = members.filter(|member| {
                    member.lists.as_ref().is_none_or(|lists| lists.capabilities.resources)
                });
                let at = |server| Listed {
                    server,
                    own_name: uri,
                    shown_name: uri,
                    effect: Effect::Reads,
                };
                let answers: Vec<_> =
                    offering.map(|it| used(Kind::Resources, at(&it.name), None)).collect();
                if answers.is_empty() { Err(missing) } else { Ok(answers) }
            }),
            Question::List => {
                let all = |kind| catalog.listed(kind).map(move |listed| (kind, listed));
                let all = Kind::ALL.into_iter().flat_map(all);
                Ok(all.map(|(kind, listed)| used(kind, listed, None)).collect())
            }
            Question::Search(words) => {
                let found = search(catalog, words).into_iter();
                Ok(found.map(|(kind, listed)| used(kind, listed, None)).collect())
            }
            Question::Inspect(area) => {
                managed(format!("inspect {}", area.as_str()), Action::Inspect(*area))
            }
            Question::Manage(area) => {
                managed(format!("manage {}", area.as_str()), Action::Manage(*area))
            }
            Question::Spawn => managed("spawn".to_owned(), Action::Spawn),
        }
    }
}
