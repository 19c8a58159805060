//! What was done lately, and who still has to hear of it.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, SystemTime};

use switchboard_core::Tenant;

/// How many activities are kept of a tenant, for those who come back: as many as in the older
/// engine, which kept them of all tenants together.
const KEPT_EACH: usize = 1000;

/// How many are kept of all.
const KEPT: usize = 10_000;

/// How many bytes are kept of all: results of tools may be large.
const KEPT_BYTES: usize = 32 * 1024 * 1024;

/// How many a client may be behind, and how many bytes these may have: one that is longer waits
/// alone.
const QUEUE: usize = 100;
const QUEUE_BYTES: usize = 8 * 1024 * 1024;

/// How long what somebody does is kept after the last stream of it has ended: a network that was away
/// is back by then, or the laptop was closed.
const RETURN: Duration = Duration::from_secs(10 * 60);

/// How many may be waited for.
const LEFT: usize = 1000;

/// Activities, and the queues of those who watch. `W` is how somebody who waits is woken.
///
/// What somebody does is worth keeping while there is a stream of it, and for a while afterwards.
/// Nobody watches most of those who call, and they are not to pay for it.
pub(super) struct Ring<W> {
    run: u64,
    next: u64,
    kept: VecDeque<Arc<Entry>>,
    kept_bytes: usize,
    /// Of tenants that have something kept, and of no others: so many there are at most.
    shares: BTreeMap<Tenant, Share>,
    /// The number of the last activity of a tenant of which nothing is kept any more.
    lost: u64,
    clients: BTreeMap<u64, Client<W>>,
    next_client: u64,
    followed: BTreeMap<Tenant, BTreeMap<Box<str>, Followed>>,
    /// Those of whom no stream is open any more, in the order in which the last one ended.
    left: VecDeque<(SystemTime, Tenant, Box<str>)>,
}

/// Somebody whose activities are kept.
struct Followed {
    streams: usize,
    /// Activities from this number on are all there, or known to be forgotten.
    since: u64,
    /// When the last stream ended.
    left: Option<SystemTime>,
}

pub(super) struct Entry {
    tenant: Tenant,
    subject: Box<str>,
    scopes: Option<Box<[Arc<str>]>>,
    number: u64,
    weight: usize,
    /// `RUN-NUMBER`.
    pub id: String,
    /// Made when somebody reads it first, which is not on the way of a call.
    pub text: Text,
}

pub(super) type Text = LazyLock<String, Box<dyn FnOnce() -> String + Send>>;

/// What a tenant has in the ring.
#[derive(Default)]
struct Share {
    kept: usize,
    /// The number of its last activity that is not kept any more, by which those who come back learn
    /// that they may have missed something.
    forgotten: u64,
}

struct Client<W> {
    tenant: Tenant,
    subject: Box<str>,
    scopes: Option<Box<[Arc<str>]>>,
    waiter: W,
    state: State,
}

enum State {
    /// What it has to read, and how much that weighs.
    Reading(VecDeque<Arc<Entry>>, usize),
    /// Was too far behind: hears what is queued, and that this is all.
    Dropped(VecDeque<Arc<Entry>>),
}

/// Who did something, or watches what was done.
#[derive(Clone, Copy, Debug)]
pub struct Whose<'a> {
    pub tenant: &'a Tenant,
    pub subject: &'a str,
    /// What the credential is limited to; `None` where it is not.
    pub scopes: Option<&'a [Arc<str>]>,
}

impl Whose<'_> {
    /// Whether it is shown what is in `entry`: what the same principal did, and where the credential is
    /// limited, only what was done with the same limits. What others may see with fewer could show
    /// what this one may not, lists of what there is most of all.
    fn sees(self, entry: &Entry) -> bool {
        entry.tenant == *self.tenant
            && *entry.subject == *self.subject
            && (self.scopes.is_none() || self.scopes == entry.scopes.as_deref())
    }
}

/// What a client that comes has to hear first.
pub(super) struct Opened {
    pub client: u64,
    /// Since the last event that it knows.
    pub missed: Vec<Arc<Entry>>,
    /// Whether there may have been more in between that is not kept any more.
    pub has_gap: bool,
}

/// What is next for a client.
pub(super) enum Next {
    Entry(Arc<Entry>),
    /// Nothing at the moment.
    Wait,
    /// Nothing ever again: it was too slow.
    Dropped,
}

impl<W: Clone> Ring<W> {
    pub(super) fn new(run: u64) -> Self {
        Self {
            run,
            next: 1,
            kept: VecDeque::new(),
            kept_bytes: 0,
            shares: BTreeMap::new(),
            lost: 0,
            clients: BTreeMap::new(),
            next_client: 1,
            followed: BTreeMap::new(),
            left: VecDeque::new(),
        }
    }

    /// Whether anybody watches, or may come back.
    pub(super) fn is_idle(&self) -> bool {
        self.followed.is_empty()
    }

    /// Whether what a principal does is to be published.
    pub(super) fn follows(&mut self, tenant: &Tenant, subject: &str, now: SystemTime) -> bool {
        self.sweep(now);
        self.followed.get(tenant).is_some_and(|own| own.contains_key(subject))
    }

    /// Keeps an activity of a principal under the next number, and gives it to the principal's
    /// clients; those who are to be woken. `weight` is about how long the text will be.
    pub(super) fn publish(
        &mut self,
        Whose { tenant, subject, scopes }: Whose<'_>,
        weight: usize,
        text: impl FnOnce(u64) -> Text,
    ) -> Vec<W> {
        let number = self.next;
        self.next += 1;
        let entry = Arc::new(Entry {
            tenant: tenant.clone(),
            subject: subject.into(),
            scopes: scopes.map(Into::into),
            number,
            weight,
            id: format!("{}-{number}", self.run),
            text: text(number),
        });
        self.keep(Arc::clone(&entry));
        let own = |client: &&mut Client<W>| client.whose().sees(&entry);
        let mut woken = Vec::new();
        for client in self.clients.values_mut().filter(own) {
            client.give(&entry);
            woken.push(client.waiter.clone());
        }
        woken
    }

    /// A client comes, and may say which event it saw last.
    pub(super) fn open(
        &mut self,
        whose: Whose<'_>,
        last: Option<&str>,
        (waiter, now): (W, SystemTime),
    ) -> Opened {
        let Whose { tenant, subject, scopes } = whose;
        let client = self.next_client;
        self.next_client += 1;
        let state = State::Reading(VecDeque::new(), 0);
        let since = self.follow(tenant, subject, now);
        let last = last.map(|last| self.number(last));
        let is_missed =
            |entry: &&Arc<Entry>| last.is_some_and(|last| last < entry.number) && whose.sees(entry);
        let missed = self.kept.iter().filter(is_missed).cloned().collect();
        let forgotten = self.shares.get(tenant).map_or(self.lost, |share| share.forgotten);
        let has_gap = last.is_some_and(|last| last < forgotten.max(since));
        let (tenant, subject) = (tenant.clone(), subject.into());
        let scopes = scopes.map(Into::into);
        self.clients.insert(client, Client { tenant, subject, scopes, waiter, state });
        Opened { client, missed, has_gap }
    }

    pub(super) fn next(&mut self, client: u64) -> Next {
        let Some(client) = self.clients.get_mut(&client) else { return Next::Dropped };
        match &mut client.state {
            State::Reading(queue, weight) => match queue.pop_front() {
                Some(entry) => {
                    *weight -= entry.weight;
                    Next::Entry(entry)
                }
                None => Next::Wait,
            },
            State::Dropped(queue) => queue.pop_front().map_or(Next::Dropped, Next::Entry),
        }
    }

    pub(super) fn close(&mut self, client: u64, now: SystemTime) {
        let Some(Client { tenant, subject, .. }) = self.clients.remove(&client) else { return };
        let own = self.followed.get_mut(&tenant).and_then(|own| own.get_mut(&subject));
        if let Some(followed) = own {
            followed.streams -= 1;
            if followed.streams == 0 {
                followed.left = Some(now);
                self.left.push_back((now, tenant, subject));
            }
        }
        self.sweep(now);
    }

    /// One stream more of a principal; from which number on its activities are kept.
    fn follow(&mut self, tenant: &Tenant, subject: &str, now: SystemTime) -> u64 {
        self.sweep(now);
        let own = self.followed.entry(tenant.clone()).or_default();
        let new = || Followed { streams: 0, since: self.next, left: None };
        let followed = own.entry(subject.into()).or_insert_with(new);
        followed.streams += 1;
        followed.left = None;
        followed.since
    }

    /// Forgets those who have not come back.
    fn sweep(&mut self, now: SystemTime) {
        while let Some((at, tenant, subject)) = self.left.front() {
            let is_over = now.duration_since(*at).is_ok_and(|since| RETURN <= since);
            if !is_over && self.left.len() <= LEFT {
                return;
            }
            if let Some(own) = self.followed.get_mut(tenant)
                && own.get(subject).is_some_and(|followed| followed.left == Some(*at))
            {
                own.remove(subject);
                if own.is_empty() {
                    self.followed.remove(tenant);
                }
            }
            self.left.pop_front();
        }
    }

    pub(super) fn counts(&self, tenant: &Tenant) -> (usize, usize) {
        let clients = self.clients.values().filter(|client| client.tenant == *tenant).count();
        (clients, self.shares.get(tenant).map_or(0, |share| share.kept))
    }

    fn keep(&mut self, entry: Arc<Entry>) {
        let share = self
            .shares
            .entry(entry.tenant.clone())
            .or_insert(Share { kept: 0, forgotten: self.lost });
        share.kept += 1;
        if KEPT_EACH < share.kept {
            // The oldest of its own: a busy tenant does not push out what others are to hear.
            let oldest = self.kept.iter().position(|kept| kept.tenant == entry.tenant);
            self.forget(oldest);
        }
        self.kept_bytes += entry.weight;
        self.kept.push_back(entry);
        while KEPT < self.kept.len() || (KEPT_BYTES < self.kept_bytes && 1 < self.kept.len()) {
            self.forget(Some(0));
        }
    }

    fn forget(&mut self, place: Option<usize>) {
        let Some(entry) = place.and_then(|place| self.kept.remove(place)) else { return };
        self.kept_bytes -= entry.weight;
        let Some(share) = self.shares.get_mut(&entry.tenant) else { return };
        share.kept -= 1;
        share.forgotten = entry.number;
        if share.kept == 0 {
            self.shares.remove(&entry.tenant);
            self.lost = entry.number;
        }
    }

    /// The number in an id of ours; a bare number is that of a client that read it out of the
    /// activity, as clients of the older engine had to. What another run gave is before all of ours.
    fn number(&self, id: &str) -> u64 {
        match id.split_once('-') {
            Some((run, number)) if run.parse() == Ok(self.run) => {
                number.parse().unwrap_or_default()
            }
            Some(_) => 0,
            None => id.parse().unwrap_or_default(),
        }
    }
}

impl<W> Client<W> {
    fn whose(&self) -> Whose<'_> {
        let Self { tenant, subject, scopes, .. } = self;
        Whose { tenant, subject, scopes: scopes.as_deref() }
    }

    fn give(&mut self, entry: &Arc<Entry>) {
        let State::Reading(queue, weight) = &mut self.state else { return };
        let has_room = queue.is_empty() || *weight + entry.weight <= QUEUE_BYTES;
        if queue.len() < QUEUE && has_room {
            *weight += entry.weight;
            queue.push_back(Arc::clone(entry));
        } else {
            self.state = State::Dropped(std::mem::take(queue));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::LazyLock;
    use std::time::{Duration, SystemTime, UNIX_EPOCH};

    use switchboard_core::Tenant;

    use super::{KEPT_EACH, LEFT, Next, Opened, QUEUE, QUEUE_BYTES, RETURN, Ring, Whose};

    fn tenant(name: &str) -> Tenant {
        Tenant::parse(name).unwrap()
    }

    fn publish(ring: &mut Ring<u8>, who: (&str, &str), text: &str) -> Vec<u8> {
        let text = text.to_owned();
        let whose = Whose { tenant: &tenant(who.0), subject: who.1, scopes: None };
        ring.publish(whose, text.len(), |_| LazyLock::new(Box::new(|| text)))
    }

    fn at(seconds: u64) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(seconds)
    }

    fn open(ring: &mut Ring<u8>, who: (&str, &str), last: Option<&str>, waiter: u8) -> Opened {
        let whose = Whose { tenant: &tenant(who.0), subject: who.1, scopes: None };
        ring.open(whose, last, (waiter, at(0)))
    }

    /// What a client hears until it has to wait, or is dropped.
    fn heard(ring: &mut Ring<u8>, client: u64) -> Vec<String> {
        let mut heard = Vec::new();
        loop {
            match ring.next(client) {
                Next::Entry(entry) => heard.push((*entry.text).clone()),
                Next::Wait => return heard,
                Next::Dropped => {
                    heard.push("dropped".to_owned());
                    return heard;
                }
            }
        }
    }

    fn missed(ring: &mut Ring<u8>, who: (&str, &str), last: &str) -> (Vec<String>, bool) {
        let opened = open(ring, who, Some(last), 0);
        (opened.missed.iter().map(|entry| (*entry.text).clone()).collect(), opened.has_gap)
    }

    #[test]
    fn only_the_same_subject_of_the_same_tenant_hears() {
        let mut ring = Ring::new(7);
        let ann = open(&mut ring, ("a", "ann"), None, 1).client;
        let bob = open(&mut ring, ("a", "bob"), None, 2).client;
        let other = open(&mut ring, ("b", "ann"), None, 3).client;
        assert_eq!(publish(&mut ring, ("a", "ann"), "one"), [1]);
        assert_eq!(heard(&mut ring, ann), ["one"]);
        assert!(heard(&mut ring, bob).is_empty());
        assert!(heard(&mut ring, other).is_empty());
        assert_eq!(missed(&mut ring, ("a", "ann"), "7-0").0, ["one"]);
        assert!(missed(&mut ring, ("a", "bob"), "7-0").0.is_empty());
        assert!(missed(&mut ring, ("b", "ann"), "7-0").0.is_empty());
    }

    #[test]
    fn a_limited_key_hears_what_was_done_with_the_same_limits() {
        let mut ring = Ring::new(7);
        let acme = tenant("a");
        let scopes = |scope: &str| vec![std::sync::Arc::<str>::from(scope)];
        let (git, fs) = (scopes("server:git"), scopes("server:fs"));
        let whose = |scopes| Whose { tenant: &acme, subject: "ann", scopes };
        let (all, limited) = (whose(None), whose(Some(&*git)));
        let [free, narrow] = [all, limited].map(|it| ring.open(it, None, (1, at(0))).client);
        for (whose, text) in [(all, "all"), (limited, "git"), (whose(Some(&*fs)), "fs")] {
            ring.publish(whose, 1, |_| LazyLock::new(Box::new(|| text.to_owned())));
        }
        assert_eq!(heard(&mut ring, free), ["all", "git", "fs"]);
        assert_eq!(heard(&mut ring, narrow), ["git"]);
        let missed = ring.open(limited, Some("7-0"), (1, at(0))).missed;
        assert_eq!(missed.iter().map(|entry| &**entry.text).collect::<Vec<_>>(), ["git"]);
    }

    #[test]
    fn who_comes_back_hears_what_was_missed() {
        let mut ring = Ring::new(7);
        for text in ["one", "two", "three"] {
            publish(&mut ring, ("a", "ann"), text);
        }
        let all = ["one", "two", "three"];
        for (last, expected) in
            [("7-1", &all[1..]), ("2", &all[2..]), ("7-3", &[]), ("6-3", &all), ("x", &all)]
        {
            assert_eq!(missed(&mut ring, ("a", "ann"), last).0, expected, "{last}");
        }
        assert!(open(&mut ring, ("a", "ann"), None, 0).missed.is_empty());
    }

    #[test]
    fn a_slow_client_hears_what_is_queued_and_that_it_was_dropped() {
        let mut ring = Ring::new(7);
        let slow = open(&mut ring, ("a", "ann"), None, 1).client;
        for _ in 0..=QUEUE {
            publish(&mut ring, ("a", "ann"), "x");
        }
        let heard = heard(&mut ring, slow);
        assert_eq!(heard.len(), QUEUE + 1);
        assert_eq!(heard.last().map(String::as_str), Some("dropped"));
    }

    #[test]
    fn a_busy_tenant_forgets_its_own_and_says_so() {
        let mut ring = Ring::new(7);
        for who in [("a", "ann"), ("b", "bob")] {
            open(&mut ring, who, None, 0);
        }
        publish(&mut ring, ("b", "bob"), "quiet");
        for _ in 0..KEPT_EACH + 5 {
            publish(&mut ring, ("a", "ann"), "x");
        }
        assert_eq!(ring.counts(&tenant("a")).1, KEPT_EACH);
        assert_eq!(missed(&mut ring, ("b", "bob"), "7-1"), (vec![], false));
        assert_eq!(missed(&mut ring, ("b", "bob"), "7-0").0, ["quiet"]);
        assert!(missed(&mut ring, ("a", "ann"), "7-1").1);
        assert!(!missed(&mut ring, ("a", "ann"), "7-900").1);
    }

    #[test]
    fn a_client_waits_for_no_more_than_so_many_bytes() {
        let mut ring = Ring::new(7);
        let slow = open(&mut ring, ("a", "ann"), None, 1).client;
        let long = "x".repeat(QUEUE_BYTES / 2);
        for _ in 0..3 {
            publish(&mut ring, ("a", "ann"), &long);
        }
        let heard = heard(&mut ring, slow);
        assert_eq!((heard.len(), heard[2].as_str()), (3, "dropped"));
        let slow = open(&mut ring, ("a", "ann"), None, 1).client;
        publish(&mut ring, ("a", "ann"), &"x".repeat(QUEUE_BYTES + 1));
        assert!(matches!(ring.next(slow), Next::Entry(_)), "one alone is read whatever it weighs");
    }

    #[test]
    fn who_is_gone_for_long_is_told_that_something_may_be_missing() {
        let mut ring = Ring::new(7);
        let ann = tenant("a");
        let whose = Whose { tenant: &ann, subject: "ann", scopes: None };
        assert!(!ring.follows(&ann, "ann", at(0)) && ring.is_idle());
        let first = open(&mut ring, ("a", "ann"), None, 1).client;
        publish(&mut ring, ("a", "ann"), "one");
        assert!(ring.follows(&ann, "ann", at(5)) && !ring.follows(&ann, "bob", at(5)));
        ring.close(first, at(10));
        assert!(ring.follows(&ann, "ann", at(10) + RETURN - Duration::from_secs(1)));
        // It comes back in time, and goes again.
        let opened = ring.open(whose, Some("7-1"), (1, at(20)));
        assert!(opened.missed.is_empty() && !opened.has_gap);
        ring.close(opened.client, at(30));
        assert!(ring.follows(&ann, "ann", at(10) + RETURN), "it left later than that");
        assert!(!ring.follows(&ann, "ann", at(30) + RETURN) && ring.is_idle());
        let opened = ring.open(whose, Some("7-1"), (1, at(40) + RETURN));
        assert!(opened.has_gap);
    }

    #[test]
    fn so_many_are_waited_for_and_no_more() {
        let mut ring = Ring::new(7);
        for number in 0..LEFT + 5 {
            let client = open(&mut ring, ("a", &number.to_string()), None, 1).client;
            ring.close(client, at(1));
        }
        assert!(!ring.follows(&tenant("a"), "4", at(1)) && ring.follows(&tenant("a"), "5", at(1)));
    }
}
