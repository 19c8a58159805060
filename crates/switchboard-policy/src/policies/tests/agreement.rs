//! What is not listed cannot be called, and what is listed can be, whatever the policies.

use super::{Policies, policies, principal, tenant};
use crate::text::Text;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};
use switchboard_core::{
    Access, Capabilities, Catalog, Context, Error, Filter, Gateway, Item, Kind, Lists, Member,
    Peer, Policy, Prefix, Principal, Purpose, Request, Response, Seal, Snapshot,
};
use switchboard_mcp::{Json, Method, ProtocolVersion};

/// Seals nothing: no list here has two pages.
struct NoSeal;

impl Seal for NoSeal {
    fn seal(&self, _: Purpose, _: &Principal, _: &[u8]) -> String {
        String::new()
    }

    fn open(&self, _: Purpose, _: &Principal, _: &str) -> Option<Vec<u8>> {
        None
    }
}

/// Answers everything.
struct Willing;

#[async_trait]
impl Peer for Willing {
    async fn request(&self, _: &Context, _: Request) -> Result<Response, Error> {
        Ok(Response::new(Json::empty_object(), ProtocolVersion::NEWEST_LEGACY))
    }
}

const SERVERS: [&str; 3] = ["git", "fs", "db"];
pub(super) const TOOLS: [(&str, &str); 4] = [
    ("get", r#"{"readOnlyHint":true}"#),
    ("set", r#"{"destructiveHint":false}"#),
    ("push", "{}"),
    ("drop", r#"{"readOnlyHint":false}"#),
];

/// A source of choices that is the same each time.
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: usize) -> usize {
        // Splitmix64 (Steele, Lea, Flood 2014).
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) % end as u64).unwrap()
    }

    fn one<'a>(&mut self, of: &[&'a str]) -> &'a str {
        of[self.below(of.len())]
    }

    /// A condition, which may look at the argument `n`.
    fn condition(&mut self, depth: usize) -> String {
        if depth == 0 {
            let leaves = [
                "principal in Role::\"dev\"",
                "principal.subject == \"ann\"",
                "resource in Server::\"git\"",
                "resource in Tenant::\"acme\"",
                "action == Action::\"read\"",
                "context.arguments.n == 1",
                "context.arguments.n < 2",
                "(context.arguments has m && context.arguments.m)",
                "(principal has name && principal.name like \"a*\")",
            ];
            return self.one(&leaves).to_owned();
        }
        let [left, right] = [self.condition(depth - 1), self.condition(depth - 1)];
        match self.below(5) {
            0 => format!("({left} && {right})"),
            1 => format!("({left} || {right})"),
            2 => format!("!({left})"),
            3 => format!("(if {left} then {right} else {})", self.condition(depth - 1)),
            _ => left,
        }
    }

    fn policy(&mut self) -> String {
        let effect = self.one(&["permit", "forbid", "permit"]);
        let who = self.one(&["", "", " in Role::\"dev\"", " == Principal::\"acme/ann\""]);
        let action = self.one(&[
            " in Action::\"use\"",
            " in Action::\"use\"",
            " == Action::\"read\"",
            " in [Action::\"write\", Action::\"destructive\"]",
        ]);
        let what = self.one(&["", "", " in Server::\"git\"", " == Tool::\"db/drop\""]);
        let kind = self.one(&["when", "unless"]);
        let depth = self.below(4);
        let condition = self.condition(depth);
        format!(
            "{effect} (principal{who}, action{action}, resource{what}) {kind} {{ {condition} }};\n"
        )
    }

    /// As many policies as are good, of those that come up.
    fn policies(&mut self) -> Vec<Text> {
        let mut texts = Vec::new();
        for number in 0..=self.below(4) {
            let text = Text::new(&format!("p{number}"), self.policy());
            // Some can never apply, and are refused.
            if crate::load::load(std::slice::from_ref(&text)).is_ok() {
                texts.push(text);
            }
        }
        texts
    }
}

/// A gateway of the tenant `acme` that shows `tools` of each server.
pub(super) fn gateway(policies: Arc<Policies>, tools: &[(&str, &str)]) -> Gateway {
    let member = |name: &&'static str| {
        let tool = |(tool, hints): &(&str, &str)| {
            let text = format!("{{\"name\":\"{tool}\",\"annotations\":{hints}}}");
            Item::read(Kind::Tools, Json::parse(text.into()).unwrap()).unwrap()
        };
        let lists = Lists {
            capabilities: Capabilities { tools: true, ..Capabilities::default() },
            tools: tools.iter().map(tool).collect(),
            ..Lists::default()
        };
        Member {
            name: (*name).into(),
            prefix: Prefix::new(name).unwrap(),
            filter: Filter::default(),
            peer: Arc::new(Willing),
            lists: Some(Arc::new(lists)),
            learning: false,
        }
    };
    let catalog = Catalog::build(SERVERS.iter().map(member).collect());
    let access = Access { tenant: tenant("acme"), policy: Some(policies as Arc<dyn Policy>) };
    Gateway::new(Snapshot { catalog, access, list_wait: Duration::ZERO }, Arc::new(NoSeal))
}

pub(super) async fn ask(
    gateway: &Gateway,
    who: &Principal,
    method: Method,
    params: Value,
) -> Option<Json> {
    let context = Context::new(who.clone(), ProtocolVersion::NEWEST_LEGACY);
    let name = params["name"].as_str().map(str::to_owned);
    let request = Request { method, params: Some(Json::encode(&params)), name };
    gateway.request(&context, request).await.ok().map(|response| response.result)
}

/// What calls are tried with; between them the conditions have all values that they can have.
fn arguments() -> Vec<Value> {
    let mut all = Vec::new();
    for n in [json!(null), json!(0), json!(1), json!(2)] {
        for m in [json!(null), json!(true), json!(false)] {
            all.push(json!({ "n": n, "m": m }));
        }
    }
    all
}

#[tokio::test]
async fn lists_and_calls_agree() {
    let who =
        ["acme/ann", "acme/bob dev", "acme/eve admin", "other/ann dev", "acme/ann dev server:git"];
    let who = who.map(principal);
    let (mut listed_count, mut hidden_count) = (0, 0);
    for seed in 0..24 {
        let mut dice = Dice(seed);
        let policies = policies("", "");
        if seed % 3 > 0 {
            let base = dice.policies();
            policies.replace_base(crate::base::Base::new(&base, seed % 3 == 1).unwrap());
        }
        let own = dice.policies();
        policies.with_tenant(&tenant("acme"), &own).unwrap();
        let gateway = gateway(Arc::new(policies), &TOOLS);
        for who in &who {
            let list = ask(&gateway, who, Method::ToolsList, json!({})).await.unwrap();
            let list: Value = list.view().unwrap();
            let tools = list["tools"].as_array().unwrap();
            let listed: Vec<_> = tools.iter().map(|it| it["name"].as_str().unwrap()).collect();
            for (server, (tool, _)) in
                SERVERS.iter().flat_map(|s| TOOLS.iter().map(move |t| (s, t)))
            {
                let name = format!("{server}__{tool}");
                let mut is_callable = false;
                for arguments in arguments() {
                    let params = json!({ "name": name, "arguments": arguments });
                    is_callable = ask(&gateway, who, Method::ToolsCall, params).await.is_some();
                    if is_callable {
                        break;
                    }
                }
                let is_listed = listed.contains(&&*name);
                if is_listed {
                    listed_count += 1;
                } else {
                    hidden_count += 1;
                }
                assert!(is_listed || !is_callable, "seed {seed}: {who:?} calls {name} unseen");
                // A list may show what several rules about arguments together leave nothing of.
                if !gateway_looks(&gateway) {
                    assert_eq!(is_listed, is_callable, "seed {seed}: {who:?} {name}");
                }
            }
        }
    }
    assert!(listed_count > 300 && hidden_count > 300, "{listed_count} {hidden_count}");
}

fn gateway_looks(gateway: &Gateway) -> bool {
    let snapshot = gateway.snapshot();
    let Access { tenant, policy } = &snapshot.access;
    policy.as_ref().is_some_and(|policy| policy.looks_at_arguments(tenant))
}

#[test]
fn questions_are_answered_for_what_is_there() {
    let policies =
        Arc::new(policies("", "forbid (principal, action, resource in Server::\"db\");"));
    let gateway = gateway(Arc::clone(&policies), &TOOLS);
    let catalog = &gateway.snapshot().catalog;
    let check = |who: &str, question: &str, expected: &str| {
        let answers =
            policies.answer(&principal(who), &tenant("acme"), catalog, &question.parse().unwrap());
        let said = match answers {
            Err(error) => error.to_string(),
            Ok(answers) => {
                let said = answers.iter().map(|answer| {
                    let sign = if answer.explanation.is_allowed { "+" } else { "-" };
                    format!("{sign} {}", answer.about)
                });
                said.collect::<Vec<_>>().join(", ")
            }
        };
        assert_eq!(said, expected, "{who} {question}");
    };
    check("acme/ann", "call git__push", "+ tool git__push");
    check("acme/ann effect:read", "call git__push {}", "- tool git__push");
    check("acme/ann tool:git__push", "call git__push", "+ tool git__push");
    check("acme/ann", "call db__get", "- tool db__get");
    let missing = "no tool named `git__none` is listed by any server of the tenant";
    check("acme/ann", "call git__none", missing);
    check("acme/ann", "get p", "no prompt named `p` is listed by any server of the tenant");
    let missing = "no resource named `x://y` is listed by any server of the tenant";
    check("acme/ann", "read x://y", missing);
    check("acme/ann", "manage keys", "- manage keys");
    check("acme/eve admin", "manage keys", "+ manage keys");
    check("acme/eve admin", "spawn", "- spawn");
    check(
        "acme/ann server:fs server:db",
        "list",
        "- tool git__get, - tool git__set, - tool git__push, - tool git__drop, + tool fs__get, \
         + tool fs__set, + tool fs__push, + tool fs__drop, - tool db__get, - tool db__set, \
         - tool db__push, - tool db__drop",
    );
}
