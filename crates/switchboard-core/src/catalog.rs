//! Everything clients can ask for, and who answers.
//!
//! Built whole from what the upstreams list and never changed: a new list makes a new catalog.
//! What clients ask for most, the lists themselves, is written out once here and only handed out
//! afterwards.

mod view;

use std::collections::HashMap;
use std::sync::Arc;

use switchboard_mcp::{
    Hint, Json, Method, Object, ParamHeaders, Scope, TaskGeneration, rewrite_item_uris,
    rewrite_uris,
};

use crate::access::Thing;
use crate::error::Error;
use crate::filter::Filter;
use crate::lists::{Item, Kind, Lists};
use crate::name::{Prefix, exposed_name, second_name};
use crate::peer::Peer;
use crate::policy::Effect;
use crate::tasks::{Server, Support, generation};
use crate::uri;

pub(crate) use self::view::View;
use self::view::Views;

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
    /// What a tool does, by the word of its server; whatever else is asked for is only read.
    pub(crate) effect: Effect,
    index: usize,
}

#[derive(Default)]
pub struct Catalog {
    members: Vec<Member>,
    tools: HashMap<String, Place>,
    prompts: HashMap<String, Place>,
    resources: HashMap<String, Place>,
    /// Each with all the servers that list it.
    templates: HashMap<String, Vec<Place>>,
    listings: [Listing; 4],
    views: Views,
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

/// Something that a list has, as a decision about it wants it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Listed<'a> {
    pub server: &'a str,
    /// As its server calls it.
    pub own_name: &'a str,
    /// As clients know it.
    pub shown_name: &'a str,
    pub effect: Effect,
}

/// Where an item is.
#[derive(Clone, Debug)]
struct Place {
    /// The number of its server.
    index: usize,
    /// As its server calls it.
    own: Arc<str>,
    effect: Effect,
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
        let missing: Vec<_> = catalog.missing().cloned().collect();
        for kind in Kind::ALL {
            let items = &catalog.listings[kind as usize].items;
            let whole =
                (items.len() <= PAGE_SIZE).then(|| page(kind, items, &missing, |_| String::new()));
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
                let is_of_another = |other: &Place| other.index != index || *other.own != *item.key;
                if routes.get(&shown).is_some_and(is_of_another) {
                    let other = second_name(&member.name, &shown);
                    self.conflicts
                        .push(format!("`{shown}` of `{}` is shown as `{other}`", member.name));
                    shown = other;
                }
                if routes.contains_key(&shown) {
                    self.conflicts.push(format!("`{}` lists `{}` twice", member.name, item.key));
                    return;
                }
                let effect =
                    if kind == Kind::Tools { Effect::of_tool(&item.json) } else { Effect::Reads };
                routes.insert(shown.clone(), Place { effect, ..Place::new(index, &item.key) });
                shown
            }
            Kind::Resources => {
                let mut shown = item.key.clone();
                if self.resources.get(&shown).is_some_and(|other| other.index != index) {
                    shown = uri::qualify(&member.name, &item.key);
                    self.shares_addresses = true;
                }
                if self.resources.contains_key(&shown) {
                    self.conflicts.push(format!("`{}` lists `{}` twice", member.name, item.key));
                    return;
                }
                self.resources.insert(shown.clone(), Place::new(index, &item.key));
                shown
            }
            // Reading asks every server whose template matches, so one entry stands for all; and a
            // cursor finds its place by the name, which must be there once.
            Kind::Templates => {
                let listing = self.templates.entry(item.key.clone()).or_default();
                listing.push(Place::new(index, &item.key));
                if listing.len() > 1 {
                    return;
                }
                item.key.clone()
            }
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

    /// What `route` leads to, where clients know it as `shown_name`.
    pub(crate) fn thing<'a>(
        &'a self,
        kind: Kind,
        route: &'a Route,
        shown_name: &'a str,
    ) -> Thing<'a> {
        Thing {
            kind,
            server: self.upstream(route),
            own_name: &route.own_name,
            shown_name,
            effect: route.effect,
        }
    }

    /// The server called `name`, if it is among those that are known.
    pub(crate) fn server_named(&self, name: &str, known: &[bool]) -> Option<Server<'_>> {
        let index = self.members.iter().position(|member| &*member.name == name)?;
        if !known[index] {
            return None;
        }
        Some(Server::of(&self.members[index], self.generations[index]))
    }

    /// How clients know what the server `index` calls `uri`, where that is another's address.
    fn address(&self, index: usize, uri: &str) -> Option<String> {
        let owner = self.resources.get(uri)?.index;
        (owner != index).then(|| uri::qualify(&self.members[index].name, uri))
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
        self.resources.get(uri).map(|place| &self.members[place.index].name)
    }

    /// What the server of `route` is called.
    pub(crate) fn upstream(&self, route: &Route) -> &str {
        &self.members[route.index].name
    }

    /// What the server of `route` is called.
    pub fn upstream_name(&self, route: &Route) -> Arc<str> {
        Arc::clone(&self.members[route.index].name)
    }

    /// What `route` leads to, as its server lists it.
    pub fn item(&self, kind: Kind, route: &Route) -> Option<&Item> {
        let lists = self.members[route.index].lists.as_ref()?;
        lists.of(kind).iter().find(|item| item.key == route.own_name)
    }

    /// Who answers for the tool or prompt that clients call `name`.
    ///
    /// # Errors
    ///
    /// [`Error::NotFound`]; what is hidden and what does not exist look the same.
    pub fn route(&self, kind: Kind, name: &str) -> Result<Route, Error> {
        let routes = if kind == Kind::Tools { &self.tools } else { &self.prompts };
        if let Some(place) = routes.get(name) {
            return Ok(self.route_to(place));
        }
        self.route_unlisted(kind, name)
            .ok_or_else(|| Error::NotFound { what: kind.noun(), name: name.to_owned() })
    }

    fn route_to(&self, place: &Place) -> Route {
        Route {
            peer: Arc::clone(&self.members[place.index].peer),
            own_name: (*place.own).to_owned(),
            effect: place.effect,
            index: place.index,
        }
    }

    /// The list of `kind`, as clients see it.
    pub fn items(&self, kind: Kind) -> &[Item] {
        &self.listings[kind as usize].items
    }

    /// Everything in the list of `kind`; a template that several servers have, once for each.
    pub fn listed(&self, kind: Kind) -> impl Iterator<Item = Listed<'_>> {
        let items = self.listings[kind as usize].items.iter();
        items.flat_map(move |item| self.find(kind, &item.key))
    }

    /// What clients know as `name` in the list of `kind`: nothing, one thing, or a template of
    /// several servers.
    pub fn find<'a>(
        &'a self,
        kind: Kind,
        name: &'a str,
    ) -> impl Iterator<Item = Listed<'a>> + use<'a> {
        self.places(kind, name).iter().map(move |place| Listed {
            server: &self.members[place.index].name,
            own_name: &place.own,
            shown_name: name,
            effect: place.effect,
        })
    }

    /// Where the item is that clients know as `key`; a template may be at several servers.
    fn places(&self, kind: Kind, key: &str) -> &[Place] {
        let place = match kind {
            Kind::Tools => self.tools.get(key),
            Kind::Prompts => self.prompts.get(key),
            Kind::Resources => self.resources.get(key),
            Kind::Templates => return self.templates.get(key).map_or(&[], Vec::as_slice),
        };
        place.map_or(&[], std::slice::from_ref)
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
                let effect = if kind == Kind::Tools { Effect::Destroys } else { Effect::Reads };
                return Some(self.route_to(&Place { effect, ..Place::new(index, own) }));
            }
        }
        None
    }

    /// Who may have the resource `uri`, likeliest first.
    pub fn resource_routes(&self, uri: &str) -> Vec<Route> {
        let route = |index: usize, own: &str| self.route_to(&Place::new(index, own));
        if let Some(place) = self.resources.get(uri) {
            return vec![self.route_to(place)];
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

    /// Who may have taken a subscription to `uri`, now or under an earlier catalog: besides those
    /// that may have the resource all others that offer subscriptions.
    pub fn subscription_routes(&self, uri: &str) -> Vec<Route> {
        let mut routes = self.resource_routes(uri);
        for (index, member) in self.members.iter().enumerate() {
            let lists = member.lists.as_ref();
            let offers = lists.is_none_or(|lists| lists.capabilities.subscribe);
            let is_there = |route: &Route| route.index == index && route.own_name == uri;
            if offers && !routes.iter().any(is_there) {
                routes.push(self.route_to(&Place::new(index, uri)));
            }
        }
        routes
    }

    /// One page of a list as the `result` of a legacy revision: what comes after the item `after`,
    /// or the beginning. `cursor` makes the cursor for what comes after an item. `None` where
    /// `after` is not listed any more.
    pub(crate) fn page(
        &self,
        kind: Kind,
        view: &View,
        after: Option<&str>,
        cursor: impl Fn(&str) -> String,
    ) -> Option<Json> {
        let listing = &self.listings[kind as usize];
        let (items, whole) = match view {
            View::Everything => (&listing.items, &listing.whole),
            View::Part(part) => (&part.items, &part.whole),
        };
        let rest = match after {
            None => {
                if let Some(whole) = whole {
                    return Some(whole.clone());
                }
                &items[..]
            }
            Some(key) => {
                let at = items.iter().position(|item| item.key == key)?;
                &items[at + 1..]
            }
        };
        let missing = match view {
            View::Everything => self.missing().cloned().collect(),
            View::Part(part) => part.missing.clone(),
        };
        Some(page(kind, rest, &missing, cursor))
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

    /// The servers of which nothing is known.
    fn missing(&self) -> impl Iterator<Item = &Arc<str>> {
        self.members.iter().filter(|m| m.lists.is_none()).map(|m| &m.name)
    }
}

impl<'a> Listed<'a> {
    pub(crate) fn thing(&self, kind: Kind) -> Thing<'a> {
        let Self { server, own_name, shown_name, effect } = *self;
        Thing { kind, server, own_name, shown_name, effect }
    }
}

impl Place {
    /// Of something that is only read.
    fn new(index: usize, own: &str) -> Self {
        Self { index, own: own.into(), effect: Effect::Reads }
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

fn page(kind: Kind, items: &[Item], missing: &[Arc<str>], cursor: impl Fn(&str) -> String) -> Json {
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
        let missing: Vec<&str> = missing.iter().map(|name| &**name).collect();
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
