//! Lists as those see them who may not use everything.
//!
//! What a principal sees is worked out item by item once and kept while neither the catalog nor the
//! decisions change; whoever may see everything gets the page that was written with the catalog.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use switchboard_mcp::Json;

use super::{Catalog, Member, PAGE_SIZE, page};
use crate::access::Access;
use crate::lists::{Item, Kind};
use crate::principal::{Entitled, Principal};

/// One list as a principal sees it.
#[derive(Clone)]
pub(crate) enum View {
    Everything,
    Part(Arc<Part>),
}

/// What is left of a list.
pub(crate) struct Part {
    /// Of each item of the list, whether it is here.
    shown: Vec<bool>,
    pub(super) items: Vec<Item>,
    /// What is left where it is one page.
    pub(super) whole: Option<Json>,
    /// Servers of which nothing is known, and which may be used.
    pub(super) missing: Vec<Arc<str>>,
}

/// The views that were worked out, by whom they are for.
#[derive(Default)]
pub(super) struct Views(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    views: HashMap<(Kind, Entitled), Entry>,
    /// Of all pages, those counted twice that two principals share.
    bytes: usize,
}

struct Entry {
    generation: u64,
    view: View,
}

/// Views kept at once: four of each principal, for as many as have sessions at once (`http.sessions`
/// is 256). When there are more all are forgotten, which costs each principal one more look.
const VIEWS_KEPT: usize = 1_024;

/// What the pages of all views may take.
const BYTES_KEPT: usize = 32 * 1024 * 1024;

impl Catalog {
    /// The list of `kind` as `principal` sees it.
    pub(crate) fn view(&self, kind: Kind, access: &Access, principal: &Principal) -> View {
        if access.is_open_to(principal) {
            return View::Everything;
        }
        // Taken first: what is decided anew meanwhile must not be kept under the new number.
        let generation = access.generation();
        let key = (kind, Entitled(principal.clone()));
        if let Some(view) = self.views.find(&key, generation) {
            return view;
        }
        let view = self.seen(kind, access, principal);
        self.views.keep(key, generation, view)
    }

    fn seen(&self, kind: Kind, access: &Access, principal: &Principal) -> View {
        let listing = &self.listings[kind as usize];
        let may_see = |item: &Item| self.may_see(kind, access, principal, &item.key);
        let shown: Vec<bool> = listing.items.iter().map(may_see).collect();
        let reached = |name: &&Arc<str>| access.reaches(principal, name);
        let missing: Vec<_> = self.missing().filter(reached).cloned().collect();
        if !shown.contains(&false) && missing.len() == self.missing().count() {
            return View::Everything;
        }
        let items = listing.items.iter().zip(&shown).filter(|(_, is_shown)| **is_shown);
        let items: Vec<_> = items.map(|(item, _)| item.clone()).collect();
        let whole =
            (items.len() <= PAGE_SIZE).then(|| page(kind, &items, &missing, |_| String::new()));
        View::Part(Arc::new(Part { shown, items, whole, missing }))
    }

    /// Whether `principal` may use the item that clients know as `key`.
    fn may_see(&self, kind: Kind, access: &Access, principal: &Principal, key: &str) -> bool {
        self.find(kind, key).any(|listed| access.allows(principal, &listed.thing(kind), None))
    }

    /// Of each server, whether `principal` is to know of it: it may use something that the server
    /// lists, or whatever else that has.
    pub(crate) fn known_to(&self, access: &Access, principal: &Principal) -> Vec<bool> {
        let is_open = access.is_open_to(principal);
        let is_admitted = access.admits(principal);
        // Of one that has listed nothing yet there is nothing to hide but what was used before.
        let reached = |member: &Member| {
            is_open
                || (is_admitted && member.lists.is_none())
                || access.reaches(principal, &member.name)
        };
        let mut known: Vec<bool> = self.members.iter().map(reached).collect();
        for kind in Kind::ALL {
            if !known.contains(&false) {
                break;
            }
            let view = self.view(kind, access, principal);
            let items = self.listings[kind as usize].items.iter().enumerate();
            for (_, item) in items.filter(|(at, _)| view.shows(*at)) {
                for place in self.places(kind, &item.key) {
                    known[place.index] = true;
                }
            }
        }
        known
    }
}

impl View {
    /// Whether the item at this place of the whole list is in it.
    fn shows(&self, at: usize) -> bool {
        match self {
            Self::Everything => true,
            Self::Part(part) => part.shown[at],
        }
    }

    fn size(&self) -> usize {
        match self {
            Self::Everything => 0,
            Self::Part(part) => part.whole.as_ref().map_or(0, |page| page.as_bytes().len()),
        }
    }

    fn is_as(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Everything, Self::Everything) => true,
            (Self::Part(part), Self::Part(other)) => {
                part.shown == other.shown && part.missing == other.missing
            }
            _ => false,
        }
    }
}

impl Views {
    fn find(&self, key: &(Kind, Entitled), generation: u64) -> Option<View> {
        let kept = self.0.lock().expect("no one panics holding it");
        let entry = kept.views.get(key).filter(|entry| entry.generation == generation)?;
        Some(entry.view.clone())
    }

    /// Keeps a view; what comes back is the same in the place where it was kept before, so that
    /// principals who see the same share their pages.
    fn keep(&self, key: (Kind, Entitled), generation: u64, view: View) -> View {
        let mut kept = self.0.lock().expect("no one panics holding it");
        let alike =
            kept.views.iter().find(|((kind, _), kept)| *kind == key.0 && kept.view.is_as(&view));
        let view = alike.map_or(view, |(_, kept)| kept.view.clone());
        if kept.views.len() >= VIEWS_KEPT || kept.bytes + view.size() > BYTES_KEPT {
            *kept = Kept::default();
        }
        kept.bytes += view.size();
        if let Some(old) = kept.views.insert(key, Entry { generation, view: view.clone() }) {
            kept.bytes -= old.view.size();
        }
        view
    }
}
