//! Several upstreams that offer the same: what they have in common is shown once, and each call of
//! it goes to one of them.
//!
//! The members stay upstreams of their own, with what only one of them has. A group knows no more
//! of them than what they list and how they do; whether a call may begin, and what becomes of one
//! that fails inside an upstream, is theirs.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use async_trait::async_trait;
use switchboard_core::pool::{
    BalanceConfig, BudgetConfig, Candidate, Eligibility, Load, OutlierConfig, Outliers, Pick,
    RESPONSE_TIME_DECAY, RetryBudget, stable_hash,
};
use switchboard_core::{
    Common, Context, Error, Kind, Lists, Peer, Prefix, PrefixError, Request, Response,
};
use switchboard_mcp::Method;
use tokio::time::Instant;

use crate::choice::{ExplainedEndpoint, Explanation, hash_of};
use crate::random;
use crate::seat::verdict;
use crate::settings::GroupSettings;
use crate::upstream::{Upstream, next};

/// A peer in front of several.
pub struct Group {
    name: Arc<str>,
    settings: GroupSettings,
    prefix: Prefix,
    members: Vec<Desk>,
    common: ArcSwap<Common>,
    balance: BalanceConfig,
    outliers: Outliers,
    budget: RetryBudget,
    turn: AtomicU64,
    born: Instant,
}

/// One of the upstreams of a group.
#[derive(Clone)]
pub struct GroupMember {
    pub upstream: Arc<Upstream>,
    /// The way to it.
    pub peer: Arc<dyn Peer>,
}

struct Desk {
    member: GroupMember,
    load: Arc<Load>,
    key: u64,
}

/// All upstreams count alike; one that is to get more has several endpoints.
const WEIGHT: NonZeroU32 = NonZeroU32::MIN;

impl Group {
    /// Puts `members` behind one name.
    ///
    /// # Errors
    ///
    /// [`PrefixError`] when names could not be told apart under its prefix.
    pub fn new(
        name: &str,
        settings: GroupSettings,
        members: Vec<GroupMember>,
    ) -> Result<Arc<Self>, PrefixError> {
        let prefix = Prefix::new(settings.prefix.as_deref().unwrap_or(name))?;
        let balance =
            BalanceConfig { strategy: settings.balance.into(), ..BalanceConfig::default() };
        let outliers = Outliers::new(OutlierConfig::default());
        let desk = |member: GroupMember| {
            let key = stable_hash(member.upstream.name().as_bytes());
            outliers.join(key);
            Desk { member, key, load: Load::new(RESPONSE_TIME_DECAY, Duration::ZERO) }
        };
        let members = members.into_iter().map(desk).collect();
        let budget = RetryBudget::new(BudgetConfig::default(), Duration::ZERO);
        let group = Self {
            name: name.into(),
            settings,
            prefix,
            members,
            common: ArcSwap::default(),
            balance,
            outliers,
            budget,
            turn: AtomicU64::new(0),
            born: Instant::now(),
        };
        group.relearn();
        Ok(Arc::new(group))
    }

    pub fn name(&self) -> &Arc<str> {
        &self.name
    }

    pub fn settings(&self) -> &GroupSettings {
        &self.settings
    }

    pub fn prefix(&self) -> &Prefix {
        &self.prefix
    }

    /// Whether it stands before these very upstreams.
    pub fn has(&self, members: &[GroupMember]) -> bool {
        self.members.len() == members.len()
            && self
                .members
                .iter()
                .zip(members)
                .all(|(desk, member)| Arc::ptr_eq(&desk.member.upstream, &member.upstream))
    }

    pub fn member_names(&self) -> impl Iterator<Item = &Arc<str>> {
        self.members.iter().map(|desk| desk.member.upstream.name())
    }

    /// What the members have in common now, of what they show.
    pub fn relearn(&self) -> Arc<Common> {
        let shown: Vec<_> = self.members.iter().map(|desk| desk.member.upstream.shown()).collect();
        let common = Common::of(&shown.iter().map(Option::as_ref).collect::<Vec<_>>());
        let common = Arc::new(common);
        self.common.store(Arc::clone(&common));
        common
    }

    /// Tells where a request would go now, and why.
    pub fn explain(&self, context: &Context, request: &Request) -> Explanation {
        let places = self.who(request);
        let pick = self.pick(context, request, self.turn.load(Ordering::Relaxed));
        let mut members: Vec<ExplainedEndpoint> = Vec::with_capacity(places.len());
        for tier in self.tiers(&places) {
            let before = members.iter().filter(|it| it.place.is_some()).count();
            let explained = self.balance.explain(&self.candidates(&tier, pick.now), &pick);
            members.extend(tier.iter().zip(explained).map(|(&place, explained)| {
                let upstream = &self.members[place].member.upstream;
                ExplainedEndpoint {
                    name: Arc::clone(upstream.name()),
                    place: explained.place.map(|place| before + place),
                    reason: format!("{}, {}", upstream.status().state.as_str(), explained.reason),
                }
            }));
        }
        let others = (0..self.members.len()).filter(|place| !places.contains(place));
        members.extend(others.map(|place| ExplainedEndpoint {
            name: Arc::clone(self.members[place].member.upstream.name()),
            place: None,
            reason: "does not list it".to_owned(),
        }));
        members.sort_by_key(|member| member.place.unwrap_or(usize::MAX));
        Explanation { strategy: self.settings.balance.as_str(), endpoints: members }
    }

    /// Which members have what is asked for.
    fn who(&self, request: &Request) -> Vec<usize> {
        let kind = match request.method {
            Method::ToolsCall => Kind::Tools,
            _ => Kind::Prompts,
        };
        let name = request.name.as_deref().unwrap_or_default();
        self.common.load().who(kind, name).to_vec()
    }

    /// Those that could answer at once, and the others for when these fail.
    fn tiers(&self, places: &[usize]) -> [Vec<usize>; 2] {
        let (ready, rest): (Vec<_>, Vec<_>) =
            places.iter().partition(|&&place| self.members[place].member.upstream.is_ready());
        [ready, rest]
    }

    fn candidates(&self, places: &[usize], now: Duration) -> Vec<Candidate> {
        let candidate = |&place: &usize| {
            let Desk { load, key, .. } = &self.members[place];
            Candidate {
                key: *key,
                weight: WEIGHT,
                in_flight: load.in_flight(),
                response_time: load.response_time(now),
                started: load.started(),
                eligibility: match self.outliers.ejected(*key, now) {
                    Some(until) => Eligibility::Ejected { until },
                    None => Eligibility::Eligible,
                },
            }
        };
        places.iter().map(candidate).collect()
    }

    fn pick(&self, context: &Context, request: &Request, turn: u64) -> Pick {
        let GroupSettings { balance, hash_argument, .. } = &self.settings;
        let hash = hash_of(*balance, hash_argument.as_deref(), context, request);
        Pick { now: self.now(), turn, random: random::u64(), hash }
    }

    /// The members to ask, best first.
    fn order(&self, context: &Context, request: &Request) -> Vec<usize> {
        let pick = self.pick(context, request, next(&self.turn));
        let mut order = Vec::with_capacity(self.members.len());
        for tier in self.tiers(&self.who(request)) {
            let candidates = self.candidates(&tier, pick.now);
            order.extend(self.balance.order(&candidates, &pick).iter().map(|at| tier[at]));
        }
        order
    }

    /// Asks one member; what it answers says where it comes from.
    async fn ask(
        &self,
        place: usize,
        context: &Context,
        request: Request,
    ) -> Result<Response, Error> {
        let Desk { member, load, key } = &self.members[place];
        let _in_flight = load.enter();
        let began = self.now();
        let answer = member.peer.request(context, request).await;
        let now = self.now();
        if answer.is_ok() {
            load.observe(now.saturating_sub(began), now);
        }
        self.outliers.record(*key, verdict(&answer, false), now);
        let upstream = member.upstream.name();
        answer.map(|response| {
            let endpoint = match &response.endpoint {
                Some(endpoint) => format!("{upstream}{APART}{endpoint}").into(),
                None => Arc::clone(upstream),
            };
            Response { endpoint: Some(endpoint), ..response }
        })
    }

    /// Asks the member that keeps what the request is about.
    async fn ask_at(
        &self,
        kept_at: &str,
        context: &Context,
        request: Request,
    ) -> Result<Response, Error> {
        let (upstream, endpoint) = match kept_at.split_once(APART) {
            Some((upstream, endpoint)) => (upstream, Some(endpoint)),
            None => (kept_at, None),
        };
        let place = self.members.iter().position(|desk| **desk.member.upstream.name() == *upstream);
        let gone = || {
            let name = &self.name;
            Error::Invalid(format!(
                "`{upstream}`, which has this, is not in the group `{name}` now"
            ))
        };
        self.ask(place.ok_or_else(gone)?, &context.at(endpoint), request).await
    }

    /// Whether another member may be asked after this answer of the one at `place`: only what was
    /// certainly not carried out, or does no harm when it is done twice.
    fn may_go_on(&self, place: usize, request: &Request, answer: &Result<Response, Error>) -> bool {
        let Err(error) = answer else { return false };
        let is_harmless = match error {
            Error::Lost { .. } | Error::TimedOut { .. } => {
                self.members[place].member.upstream.is_repeatable(request)
            }
            error => error.may_be_sent_again(),
        };
        is_harmless && self.budget.retry(self.now())
    }

    fn now(&self) -> Duration {
        self.born.elapsed()
    }
}

/// Between the name of a member and that of its endpoint; no name has it.
const APART: char = '/';

#[async_trait]
impl Peer for Group {
    async fn request(&self, context: &Context, request: Request) -> Result<Response, Error> {
        if let Some(kept_at) = &context.endpoint {
            return self.ask_at(kept_at, context, request).await;
        }
        self.budget.call();
        let came = Instant::now();
        let mut shortened: Option<Context> = None;
        let mut order = self.order(context, &request).into_iter().peekable();
        while let Some(place) = order.next() {
            let under = shortened.as_ref().unwrap_or(context);
            let answer = self.ask(place, under, request.clone()).await;
            if order.peek().is_none() || !self.may_go_on(place, &request, &answer) {
                return answer;
            }
            // What one member may take is all there is, however many are asked.
            let settings = self.members[place].member.upstream.settings();
            shortened = Some(under.by(came + settings.timeout_total.as_duration()));
        }
        // Between the catalog that named the group and now, its members have become others.
        let kind = if request.method == Method::ToolsCall { Kind::Tools } else { Kind::Prompts };
        let name = request.name.unwrap_or_default();
        Err(Error::NotFound { what: kind.noun(), name })
    }

    fn listed(&self, kind: Kind) {
        for desk in &self.members {
            desk.member.peer.listed(kind);
        }
    }
}

impl Upstream {
    /// What it lists, as far as its settings show it.
    fn shown(&self) -> Option<Lists> {
        let mut lists = Lists::clone(&*self.view().lists?);
        let filter = self.filter();
        lists.tools.retain(|tool| filter.allows(&tool.key));
        Some(lists)
    }
}
