//! The port to whoever decides what a principal may do.

use serde_json::Value;
use switchboard_mcp::{Json, Members};

use crate::lists::Kind;
use crate::principal::Principal;
use crate::tenant::Tenant;

/// Decides. Asked for every item of a list and every call, so it must not wait.
///
/// One decision serves listing, searching and calling: what a principal may not call it does not
/// see, and what it guesses it may not call.
pub trait Policy: Send + Sync {
    fn decide(&self, principal: &Principal, wish: &Wish<'_>) -> Decision;

    /// Changes with every change of what is decided, so that decisions can be kept meanwhile.
    fn generation(&self) -> u64;

    /// Whether a decision in `tenant` may depend on the arguments of a call. Where it does not they
    /// are not even decoded.
    fn looks_at_arguments(&self, _tenant: &Tenant) -> bool {
        true
    }
}

/// What somebody wants to do, in a tenant.
#[derive(Clone, Debug)]
pub struct Wish<'a> {
    pub tenant: &'a Tenant,
    pub action: Action<'a>,
}

#[derive(Clone, Debug)]
pub enum Action<'a> {
    /// To see and to use an item of a list. What is not about an item (`completion/complete` is
    /// about its prompt, `ping` about nothing) is not asked for.
    Use {
        kind: Kind,
        server: &'a str,
        /// As its server calls it; empty where the server as such is meant: what it has beyond
        /// its lists. That is asked for as for a tool of the worst effect.
        name: &'a str,
        effect: Effect,
        /// `None` where it is only to be seen: a rule about arguments does not hide a tool.
        arguments: Option<&'a Value>,
    },
    /// To look at what is managed.
    Inspect(Area),
    /// To change what is managed.
    Manage(Area),
    /// To have a program started that the configuration file does not name.
    Spawn,
}

/// What a tool does, by the hints of its server; the worst where it says nothing.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Effect {
    Reads,
    Writes,
    Destroys,
}

/// What is managed.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Area {
    Functions,
    Servers,
    Settings,
    Keys,
    Users,
    Policies,
    Limits,
    History,
    Cache,
    /// The state of the daemon: metrics, health of servers, logs.
    Operations,
    Tenants,
}

/// What was decided, and why.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Decision {
    pub is_allowed: bool,
    /// The names of the rules that decided; none where nothing allowed it.
    pub rules: Vec<String>,
}

impl Effect {
    /// What a tool does, by its description (2025-11-25, "Tool annotations"): `readOnlyHint` is
    /// false and `destructiveHint` true where they are absent.
    pub fn of_tool(description: &Json) -> Self {
        let hint = |name: &str, default: bool| {
            let members = description.members().ok()?;
            let annotations = Members::parse(members.get("annotations")?).ok()?;
            Some(annotations.read(name).unwrap_or(default))
        };
        match (hint("readOnlyHint", false), hint("destructiveHint", true)) {
            (Some(true), _) => Self::Reads,
            (_, Some(false)) => Self::Writes,
            _ => Self::Destroys,
        }
    }

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Reads => "read",
            Self::Writes => "write",
            Self::Destroys => "destructive",
        }
    }
}

impl Area {
    pub const ALL: [Self; 11] = [
        Self::Functions,
        Self::Servers,
        Self::Settings,
        Self::Keys,
        Self::Users,
        Self::Policies,
        Self::Limits,
        Self::History,
        Self::Cache,
        Self::Operations,
        Self::Tenants,
    ];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::Functions => "functions",
            Self::Servers => "servers",
            Self::Settings => "settings",
            Self::Keys => "keys",
            Self::Users => "users",
            Self::Policies => "policies",
            Self::Limits => "limits",
            Self::History => "history",
            Self::Cache => "cache",
            Self::Operations => "operations",
            Self::Tenants => "tenants",
        }
    }
}

#[cfg(test)]
mod tests {
    use switchboard_mcp::Json;

    use super::Effect;

    #[track_caller]
    fn check(annotations: &str, expected: Effect) {
        let tool = format!("{{\"name\":\"x\"{annotations}}}");
        assert_eq!(Effect::of_tool(&Json::parse(tool.into()).unwrap()), expected, "{annotations}");
    }

    #[test]
    fn the_effect_of_a_tool_is_what_its_hints_say_and_else_the_worst() {
        check("", Effect::Destroys);
        check(r#","annotations":null"#, Effect::Destroys);
        check(r#","annotations":{"title":"X"}"#, Effect::Destroys);
        check(r#","annotations":{"readOnlyHint":true}"#, Effect::Reads);
        check(r#","annotations":{"readOnlyHint":true,"destructiveHint":true}"#, Effect::Reads);
        check(r#","annotations":{"readOnlyHint":false}"#, Effect::Destroys);
        check(r#","annotations":{"destructiveHint":false}"#, Effect::Writes);
        check(r#","annotations":{"readOnlyHint":"true"}"#, Effect::Destroys);
        check(r#","annotations":{"readOnlyHint":true,"readOnlyHint":false}"#, Effect::Destroys);
    }
}
