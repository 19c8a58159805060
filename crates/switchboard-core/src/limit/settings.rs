//! `[limits]`.

use std::collections::BTreeMap;
use std::num::{NonZeroU32, NonZeroU64};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use switchboard_config::TimeSpan;

use crate::limit::pattern::Pattern;
use crate::limit::rate::Rate;

/// How much anybody may ask for. Without rules nobody is limited here.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct LimitConfig {
    /// The rules, by name: letters, digits, `-`, `_` and `.`, at most 64. All that apply to a call
    /// have to allow it.
    pub rule: BTreeMap<String, LimitSettings>,
    /// How often what was used of quotas is written to the store. Several daemons on one store see
    /// of each other as often, so each may let through what it is asked for in that time beyond a
    /// quota; so may a daemon that has just started. 2 s: long enough that a busy daemon writes
    /// seldom, short beside a day.
    pub flush: TimeSpan,
}

/// One rule: for whom, and how much.
///
/// Whoever runs the daemon, and reaches it from the same machine, is only limited by rules that name
/// a `role` or a `subject`. What a server refuses later, or is not there for, has counted; what is
/// refused here has not.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct LimitSettings {
    /// What has the limit for itself: each `principal`, each `tenant`, each `tool` of each
    /// principal, or each `address` of the network (of IPv6, each network of 64 bits, which is what
    /// one customer gets).
    pub per: Per,
    /// Only in these tenants; a `*` at the end stands for anything, here and below.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tenant: Option<Pattern>,
    /// Only for those who have such a role.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<Pattern>,
    /// Only for those who are called so: `user:ann`, or `key:*` for all keys.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<Pattern>,
    /// Only what goes to these servers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server: Option<Pattern>,
    /// Only calls of these tools, by the names that their servers have for them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tool: Option<Pattern>,
    /// How fast, over time: `100/min`, by `s`, `min`, `h` or `day`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rate: Option<Rate>,
    /// How many of them may come at once. Absent: as many as the number in `rate`.
    #[schemars(range(min = 1, max = 1000000))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub burst: Option<NonZeroU32>,
    /// How many may be under way at once; more wait for `wait`. Principals that wait for the same
    /// places get them in turn.
    #[schemars(range(min = 1, max = 1000000))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub concurrency: Option<NonZeroU32>,
    /// How long one may wait for its place. Absent: 10 s, which is less than clients wait.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wait: Option<TimeSpan>,
    /// How many may wait; when it is full, whoever has most of them waiting loses the newest.
    /// Absent: four times `concurrency`.
    #[schemars(range(min = 0, max = 1000000))]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub queue: Option<u32>,
    /// Calls in a day, from midnight UTC on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub calls_per_day: Option<NonZeroU64>,
    /// Calls in a month of the calendar, in UTC.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub calls_per_month: Option<NonZeroU64>,
    /// Tokens in a day, those of the parameters and of the results; a token is taken to be four
    /// bytes of JSON. The call that goes beyond is still answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokens_per_day: Option<NonZeroU64>,
    /// Tokens in a month of the calendar.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokens_per_month: Option<NonZeroU64>,
}

/// What has a limit for itself.
///
/// In the order in which limits are looked at: what is one's own comes before what is shared, so that
/// whoever is refused by the own limit has taken nothing from the others.
#[derive(
    Clone, Copy, Debug, Default, Deserialize, Eq, JsonSchema, Ord, PartialEq, PartialOrd, Serialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Per {
    /// A tool of a principal.
    Tool,
    /// Everybody who proves to be somebody. A key is a principal of its own.
    #[default]
    Principal,
    /// An address of the network. What comes over a socket of this machine has none.
    Address,
    Tenant,
}

impl Default for LimitConfig {
    fn default() -> Self {
        Self { rule: BTreeMap::new(), flush: TimeSpan::from_secs(2) }
    }
}

#[cfg(test)]
mod tests;
