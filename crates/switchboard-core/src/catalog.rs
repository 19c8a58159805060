//! Everything clients can ask for, and who answers.
//!
//! Built whole from what the upstreams list and never changed: a new list makes a new catalog.
//! What clients ask for most, the lists themselves, is written out once here and only handed out
//! afterwards.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use switchboard_mcp::{
    Hint, Json, Method, Object, ParamHeaders, Scope, TaskGeneration, rewrite_item_uris,
    rewrite_uris,
};

use crate::error::Error;
use crate::filter::Filter;
use crate::lists::{Item, Kind, Lists};
use crate::name::{Prefix, exposed_name, second_name};
use crate::peer::Peer;
use crate::tasks::{Server, Support, generation};
use crate::uri;

/// One upstream as the catalog sees it.
#[derive(Clone)]
pub struct Member {
    pub name: Arc<str>,
    pub prefix: Prefix,
    pub filter: Filter,
    pub peer: Arc<dyn Peer>,
    /// `None` until the server has been asked once.
    pub lists: Option<Arc<Lists>>,
    /// Whether the lists may still arrive: the server is being started for the first time.
    pub learning: bool,
}

/// Who answers, and what they call the thing that was asked for.
#[derive(Clone)]
pub struct Route {
    pub peer: Arc<dyn Peer>,
    pub own_name: String,
    index: usize,
}

#[derive(Default)]
pub struct Catalog {
    members: Vec<Member>,
    tools: HashMap<String, (usize, String)>,
    prompts: HashMap<String, (usize, String)>,
    resources: HashMap<String, (usize, String)>,
    templates: HashSet<String>,
    listings: [Listing; 4],
    /// Tools that run as tasks, by the names that clients know.
    supports: HashMap<String, Support>,
    /// Headers that repeat arguments, of the tools that have them.
    headers: HashMap<String, ParamHeaders>,
    /// What each member means by a task.
    generations: Vec<Option<TaskGeneration>>,
    /// Whether two servers list one address, so that one of them is shown under another.
    shares_addresses: bool,
    /// Names that could not be shown, for the log and for `doctor`.
    conflicts: Vec<String>,
}

/// One list as clients see it.
#[derive(Default)]
struct Listing {
    items: Vec<Item>,
    /// The list where it is one page, which it nearly always is.
    whole: Option<Json>,
}

/// Items on one page. Many clients read the first page only, so it is meant to hold everything;
/// the bound keeps one answer within what clients accept (about 1 KiB for each tool).
const PAGE_SIZE: usize = 1_000;

impl Catalog {
    /// Puts together what `members` list, in the order of the configuration.
    pub fn build(members: Vec<Member>) -> Self {
        let generation = |member: &Member| generation(member.lists.as_deref()?);
        let generations = members.iter().map(generation).collect();
        let mut catalog = Self { members, generations, ..Self::default() };
        // Resources first: tools and prompts may name the addresses that they got.
        for kind in [Kind::Resources, Kind::Templates, Kind::Tools, Kind::Prompts] {
            for index in 0..catalog.members.len() {
                let member = catalog.members[index].clone();
                let Some(lists) = &member.lists else { continue };
                for item in lists.of(kind) {
                    catalog.add(kind, index, &member, item);
                }
            }
        }
        for kind in Kind::ALL {
            let items = &catalog.listings[kind as usize].items;
            let whole = (items.len() <= PAGE_SIZE)
                .then(|| page(kind, items, &catalog.missing(), |_| String::new()));
            catalog.listings[kind as usize].whole = whole;
        }
        catalog
    }

    fn add(&mut self, kind: Kind, index: usize, member: &Member, item: &Item) {
        if kind == Kind::Tools && !member.filter.allows(&item.key) {
            return;
        }
        let shown = match kind {
            Kind::Tools | Kind::Prompts => {
                let routes = if kind == Kind::Tools { &mut self.tools } else { &mut self.prompts };
                let mut shown = exposed_name(&member.prefix, &item.key);
                let own = (index, item.key.clone());
                if routes.get(&shown).is_some_and(|other| *other != own) {
                    let other = second_name(&member.name, &shown);
                    self.conflicts
                        .push(format!("`{shown}` of `{}` is shown as `{other}`", member.name));
                    shown = other;
                }
                if routes.contains_key(&shown) {
                    self.conflicts.push(format!("`{}` lists `{}` twice", member.name, item.key));
                    return;
                }
                routes.insert(shown.clone(), own);
                shown
            }
            Kind::Resources => {
                let mut shown = item.key.clone();
                if self.resources.get(&shown).is_some_and(|(other, _)| *other != index) {
                    shown = uri::qualify(&member.name, &item.key);
                    self.shares_addresses = true;
                }
                if self.resources.contains_key(&shown) {
                    self.conflicts.push(format!("`{}` lists `{}` twice", member.name, item.key));
                    return;
                }
                self.resources.insert(shown.clone(), (index, item.key.clone()));
                shown
            }
            // Reading asks every server whose template matches, so one entry stands for all; and a
            // cursor finds its place by the name, which must be there once.
            Kind::Templates if !self.templates.insert(item.key.clone()) => return,
            Kind::Templates => item.key.clone(),
        };
        let mut item = renamed(kind, item, shown);
        if kind == Kind::Tools {
            self.note_tool(index, &mut item);
        }
        if self.shares_addresses {
            item.json = rewrite_item_uris(item.json, |uri| self.address(index, uri));
        }
        self.listings[kind as usize].items.push(item);
    }

    /// What calls of the tool have to know, and clients of 2025-11-25: a server with the extension
    /// may make a task of any call.
    fn note_tool(&mut self, index: usize, item: &mut Item) {
        if let Some(support) = Support::read(&item.json) {
            self.supports.insert(item.key.clone(), support);
        } else if self.generations[index] == Some(TaskGeneration::Extension) {
            item.json = with_execution(&item.json);
        }
        // One that is not valid has no headers to check; it is the upstream's to hide it.
        if let Ok(Some(headers)) = ParamHeaders::read(&item.json) {
            self.headers.insert(item.key.clone(), headers);
        }
    }

    /// The headers that repeat arguments of the tool, where it has some.
    pub fn param_headers(&self, tool: &str) -> Option<&ParamHeaders> {
        if self.headers.is_empty() { None } else { self.headers.get(tool) }
    }

    /// The server of `route`, for a call of the tool that clients know as `tool`.
    pub(crate) fn server(&self, route: &Route, tool: &str) -> Server<'_> {
        let support =
            if self.supports.is_empty() { None } else { self.supports.get(tool).copied() };
        let server = Server::of(&self.members[route.index], self.generations[route.index]);
        Server { support, ..server }
    }

    pub(crate) fn server_named(&self, name: &str) -> Option<Server<'_>> {
        let index = self.members.iter().position(|member| &*member.name == name)?;
        Some(Server::of(&self.members[index], self.generations[index]))
    }

    /// How clients know what the server `index` calls `uri`, where that is another's address.
    fn address(&self, index: usize, uri: &str) -> Option<String> {
        let (owner, _) = self.resources.get(uri)?;
        (*owner != index).then(|| uri::qualify(&self.members[index].name, uri))
    }

    /// The result of `method`, from the server of `route`, with the addresses that clients know.
    pub fn readdressed(&self, route: &Route, method: &Method, result: Json) -> Json {
        if !self.shares_addresses {
            return result;
        }
        rewrite_uris(method, result, |uri| self.address(route.index, uri))
    }

    /// The result of `method`, from the server called `upstream`, with the addresses that clients
    /// know.
    pub(crate) fn readdressed_of(&self, upstream: &str, method: &Method, result: Json) -> Json {
        let index = self.members.iter().position(|member| &*member.name == upstream);
        match index.filter(|_| self.shares_addresses) {
            Some(index) => rewrite_uris(method, result, |uri| self.address(index, uri)),
            None => result,
        }
    }

    /// Whose resource clients get under `uri`, where that is listed.
    pub(crate) fn owner(&self, uri: &str) -> Option<&Arc<str>> {
        self.resources.get(uri).map(|(index, _)| &self.members[*index].name)
    }

    /// What the server of `route` is called.
    pub(crate) fn upstream(&self, route: &Route) -> &str {
        &self.members[route.index].name
    }

    /// Who answers for the tool or prompt that clients call `name`.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`]; what is hidden and what does not exist look the same.
    pub fn route(&self, kind: Kind, name: &str) -> Result<Route, Error> {
        let routes = if kind == Kind::Tools { &self.tools } else { &self.prompts };
        if let Some((index, own_name)) = routes.get(name) {
            let peer = Arc::clone(&self.members[*index].peer);
            return Ok(Route { peer, own_name: own_name.clone(), index: *index });
        }
        self.route_unlisted(kind, name)
            .ok_or_else(|| Error::NotFound { what: kind.noun(), name: name.to_owned() })
    }

    /// A server that was never asked may still have what its prefix says: a client may remember
    /// the name from before.
    fn route_unlisted(&self, kind: Kind, name: &str) -> Option<Route> {
        let members = self.members.iter().enumerate();
        let unknown = members.filter(|(_, m)| m.lists.is_none() && !m.prefix.is_empty());
        for (index, member) in unknown {
            if let Some(own) = member.prefix.strip(name)
                && exposed_name(&member.prefix, own) == name
                && (kind != Kind::Tools || member.filter.allows(own))
            {
                let peer = Arc::clone(&member.peer);
                return Some(Route { peer, own_name: own.to_owned(), index });
            }
        }
        None
    }

    /// Who may have the resource `uri`, likeliest first.
    pub fn resource_routes(&self, uri: &str) -> Vec<Route> {
        let route = |index: usize, own: &str| Route {
            peer: Arc::clone(&self.members[index].peer),
            own_name: own.to_owned(),
            index,
        };
        if let Some((index, own)) = self.resources.get(uri) {
            return vec![route(*index, own)];
        }
        if let Some((upstream, own)) = uri::unqualify(uri) {
            let index = self.members.iter().position(|member| &*member.name == upstream);
            return index.map(|index| vec![route(index, &own)]).unwrap_or_default();
        }
        let offers =
            |member: &Member| member.lists.as_ref().is_none_or(|l| l.capabilities.resources);
        let matching = |member: &Member| {
            let lists = member.lists.as_ref();
            lists.is_some_and(|lists| {
                lists.templates.iter().any(|item| uri::template_may_match(&item.key, uri))
            })
        };
        let mut indexes: Vec<_> =
            (0..self.members.len()).filter(|index| offers(&self.members[*index])).collect();
        indexes.sort_by_key(|index| !matching(&self.members[*index]));
        indexes.into_iter().map(|index| route(index, uri)).collect()
    }

    /// One page of a list as the `result` of a legacy revision: what comes after the item `after`,
    /// or the beginning. `cursor` makes the cursor for what comes after an item. `None` where
    /// `after` is not listed any more.
    pub fn page(
        &self,
        kind: Kind,
        after: Option<&str>,
        cursor: impl Fn(&str) -> String,
    ) -> Option<Json> {
        let listing = &self.listings[kind as usize];
        let rest = match after {
            None => {
                if let Some(whole) = &listing.whole {
                    return Some(whole.clone());
                }
                &listing.items[..]
            }
            Some(key) => {
                let at = listing.items.iter().position(|item| item.key == key)?;
                &listing.items[at + 1..]
            }
        };
        Some(page(kind, rest, &self.missing(), cursor))
    }

    /// How long a client may keep the list of `kind`, and whom it may show it to: no longer and to
    /// no more than every part of it. `None` where it has no parts.
    pub fn hint(&self, kind: Kind) -> Option<Hint> {
        let lists = self.members.iter().filter_map(|member| member.lists.as_ref());
        let parts = lists.filter(|lists| lists.capabilities.has(kind));
        let hint = parts.map(|lists| lists.hint(kind)).reduce(Hint::and)?;
        // A cursor is sealed for whoever asked: who was shown the page of another could not go on.
        let is_paged = self.listings[kind as usize].whole.is_none();
        Some(if is_paged { Hint { scope: Scope::Private, ..hint } } else { hint })
    }

    /// How clients may know the resource that `upstream` calls `uri`.
    pub fn shown_uris(&self, upstream: &str, uri: &str) -> Vec<String> {
        let owner = self.owner(uri);
        let plain = owner.is_none_or(|owner| **owner == *upstream).then(|| uri.to_owned());
        plain.into_iter().chain([uri::qualify(upstream, uri)]).collect()
    }

    pub fn members(&self) -> &[Member] {
        &self.members
    }

    pub fn conflicts(&self) -> &[String] {
        &self.conflicts
    }

    pub fn count(&self, kind: Kind) -> usize {
        self.listings[kind as usize].items.len()
    }

    /// The kinds whose lists differ from those of `other`.
    pub fn changed_since(&self, other: &Self) -> Vec<Kind> {
        let differs = |kind: &Kind| {
            self.listings[*kind as usize].items != other.listings[*kind as usize].items
        };
        Kind::ALL.into_iter().filter(differs).collect()
    }

    /// Whether some server is still being asked for the first time.
    pub fn is_learning(&self) -> bool {
        self.members.iter().any(|member| member.learning)
    }

    fn missing(&self) -> Vec<&str> {
        self.members.iter().filter(|m| m.lists.is_none()).map(|m| &*m.name).collect()
    }
}

/// The item under the name that clients see. The key of the returned item is that name.
fn renamed(kind: Kind, item: &Item, shown: String) -> Item {
    if shown == item.key {
        return item.clone();
    }
    let members = item.json.members().expect("read when it was listed");
    let mut out = Vec::with_capacity(item.json.as_bytes().len() + shown.len());
    let mut object = Object::open(&mut out);
    for (name, value) in members.iter() {
        if name == kind.key() {
            object.text(name, &shown);
        } else {
            object.raw(name, value.get().as_bytes());
        }
    }
    object.close();
    Item { key: shown, json: Json::written(out) }
}

/// The tool with the word that it may run as a task.
fn with_execution(tool: &Json) -> Json {
    let Ok(members) = tool.members() else { return tool.clone() };
    let mut out = Vec::with_capacity(tool.as_bytes().len() + 48);
    let mut object = Object::open(&mut out);
    for (name, value) in members.iter().filter(|(name, _)| *name != "execution") {
        object.raw(name, value.get().as_bytes());
    }
    object.raw("execution", br#"{"taskSupport":"optional"}"#);
    object.close();
    Json::written(out)
}

fn page(kind: Kind, items: &[Item], missing: &[&str], cursor: impl Fn(&str) -> String) -> Json {
    let shown = &items[..items.len().min(PAGE_SIZE)];
    let size: usize = shown.iter().map(|item| item.json.as_bytes().len() + 1).sum();
    let mut out = Vec::with_capacity(size + 128);
    let mut object = Object::open(&mut out);
    let list = object.member(kind.member());
    list.push(b'[');
    for (index, item) in shown.iter().enumerate() {
        if index > 0 {
            list.push(b',');
        }
        list.extend_from_slice(item.json.as_bytes());
    }
    list.push(b']');
    if let (true, Some(last)) = (shown.len() < items.len(), shown.last()) {
        // It names the last item of its page, so it stays good when other items come and go.
        object.text("nextCursor", &cursor(&last.key));
    }
    if !missing.is_empty() {
        let names = Json::encode(&missing);
        let mut meta = Object::open(object.member("_meta"));
        meta.raw(MISSING_KEY, names.as_bytes());
        meta.close();
    }
    object.close();
    Json::written(out)
}

/// Names the servers whose part of a list is not known, so that a short list explains itself.
const MISSING_KEY: &str = "dev.switchboard/unavailable";

#[cfg(test)]
mod tests;
