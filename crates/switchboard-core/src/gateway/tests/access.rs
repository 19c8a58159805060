//! What a principal may not use it does not see, and what it guesses is not there.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};
use switchboard_mcp::{Era, Json, Method, ProtocolVersion};

use super::{Change, Gateway, Snapshot};
use crate::access::Access;
use crate::catalog::{Catalog, Member};
use crate::error::Error;
use crate::filter::Filter;
use crate::lists::{Capabilities, Item, Kind, Lists};
use crate::name::Prefix;
use crate::peer::{Context, Peer, Request, Response};
use crate::policy::{Action, Decision, Policy, Wish};
use crate::principal::{Principal, Standing};
use crate::seal::bare::Bare;
use crate::tenant::Tenant;

/// Says what it was asked for.
struct Echo(&'static str);

#[async_trait]
impl Peer for Echo {
    async fn request(&self, _: &Context, request: Request) -> Result<Response, Error> {
        let text = format!("{} {} {}", self.0, request.method, request.name.unwrap_or_default());
        let skill = |uri: &str| json!({ "uri": uri });
        let result = match request.method {
            Method::SkillsList => {
                json!({ "skills": [skill("skill://open/SKILL.md"), skill("skill://dark/SKILL.md")] })
            }
            _ => json!({ "text": text }),
        };
        Ok(Response::new(Json::encode(&result), ProtocolVersion::NEWEST_LEGACY))
    }
}

/// Everybody may use what has no `dark` in its name; `dark` is for `eve`, and `many` with an
/// argument `n` is for nobody.
#[derive(Default)]
struct NoDark {
    generation: AtomicU64,
    asked: AtomicU64,
}

impl Policy for NoDark {
    fn decide(&self, principal: &Principal, wish: &Wish<'_>) -> Decision {
        self.asked.fetch_add(1, Ordering::Relaxed);
        let Action::Use { server, name, arguments, .. } = wish.action else { unreachable!() };
        let is_dark = server.contains("dark") || name.contains("dark");
        let is_too_many = arguments.is_some_and(|arguments| !arguments["n"].is_null());
        let is_allowed = (!is_dark || &*principal.subject == "eve") && !is_too_many;
        Decision { is_allowed, rules: Vec::new() }
    }

    fn generation(&self) -> u64 {
        self.generation.load(Ordering::Relaxed)
    }
}

/// A server with `tools` and one of everything else, once in the open and once not.
fn member(name: &'static str, tools: &[&str]) -> Member {
    let offered = json!({ "logging": {}, "extensions": { "io.modelcontextprotocol/skills": {} } });
    let mut lists = Lists {
        version: Some(ProtocolVersion::MODERN),
        capabilities: Capabilities { resources: true, ..Default::default() },
        offered: Some(Json::encode(&offered)),
        instructions: Some(format!("how to use {name}")),
        ..Lists::default()
    };
    let item = |kind: Kind, key: String| {
        let hints = json!({ "readOnlyHint": key.contains("get") });
        let json = Json::encode(&json!({ kind.key(): key, "annotations": hints }));
        Item::read(kind, json)
    };
    lists.tools.extend(tools.iter().filter_map(|key| item(Kind::Tools, (*key).to_owned())));
    for (kind, keys) in [
        (Kind::Prompts, ["open", "dark"].map(str::to_owned)),
        (Kind::Resources, ["open", "dark"].map(|key| format!("{name}://{key}"))),
        (Kind::Templates, ["open", "dark"].map(|key| format!("{name}://{key}/{{x}}"))),
    ] {
        lists.of_mut(kind).extend(keys.into_iter().filter_map(|key| item(kind, key)));
    }
    Member {
        name: name.into(),
        prefix: Prefix::new(name).unwrap(),
        filter: Filter::default(),
        peer: Arc::new(Echo(name)),
        lists: Some(Arc::new(lists)),
        learning: false,
    }
}

fn gateway(members: Vec<Member>, policy: Option<Arc<dyn Policy>>) -> Gateway {
    let access = Access { tenant: Tenant::parse("acme").unwrap(), policy };
    let catalog = Catalog::build(members);
    Gateway::new(Snapshot { catalog, access, list_wait: Duration::ZERO }, Arc::new(Bare))
}

fn two_servers() -> Vec<Member> {
    vec![member("git", &["get", "dark", "push"]), member("darkness", &["get"])]
}

/// `TENANT/SUBJECT`, and the scopes of the credential.
fn principal(text: &str) -> Principal {
    let (name, scopes) = text.split_once(' ').unwrap_or((text, ""));
    let (tenant, subject) = name.split_once('/').unwrap();
    let scopes = (!scopes.is_empty()).then(|| scopes.split(' ').map(Arc::from).collect());
    let standing = Standing { scopes, ..Standing::default() };
    Principal::of(Tenant::parse(tenant).unwrap(), subject, standing)
}

async fn ask(gateway: &Gateway, who: &str, method: &str, params: Value) -> String {
    let version = ProtocolVersion::NEWEST_LEGACY;
    let context = Context::new(principal(who), version);
    let method = Method::from(method);
    let name = ["name", "uri"].into_iter().find_map(|member| params[member].as_str());
    let name = name.or(params["ref"]["name"].as_str()).or(params["ref"]["uri"].as_str());
    let name = name.map(str::to_owned);
    let request = Request { method: method.clone(), params: Some(Json::encode(&params)), name };
    match gateway.request(&context, request).await {
        Ok(response) => response.result.to_string(),
        Err(error) => error.to_rpc(version, &method).to_string(),
    }
}

/// What is listed, by the part of the key after the last separator.
async fn listed(gateway: &Gateway, who: &str) -> String {
    let mut names = Vec::new();
    for (kind, method) in [
        (Kind::Tools, "tools/list"),
        (Kind::Prompts, "prompts/list"),
        (Kind::Resources, "resources/list"),
        (Kind::Templates, "resources/templates/list"),
    ] {
        let list: Value =
            serde_json::from_str(&ask(gateway, who, method, json!({})).await).unwrap();
        let items = list[kind.member()].as_array().unwrap().iter();
        names.extend(items.map(|item| item[kind.key()].as_str().unwrap().to_owned()));
    }
    names.join(" ")
}

#[tokio::test]
async fn lists_show_what_may_be_used() {
    let guarded = gateway(two_servers(), Some(Arc::new(NoDark::default())));
    let check = async |who: &str, expected: &str| {
        assert_eq!(listed(&guarded, who).await, expected, "{who}");
        assert_eq!(listed(&guarded, who).await, expected, "{who}, once more");
    };
    check("acme/ann", "git__get git__push git__open git://open git://open/{x}").await;
    check("acme/ann tool:git__*", "git__get git__push git__open").await;
    check("acme/ann effect:read", "git__get git__open git://open git://open/{x}").await;
    check("acme/ann effect:destructive", "git__push").await;
    check("acme/eve server:darkness tool:darkness__get", "darkness__get").await;
    check("acme/ann server:darkness", "").await;
    let all = listed(&guarded, "acme/eve").await;
    assert_eq!(all.split(' ').count(), 16, "{all}");

    let open = gateway(two_servers(), None);
    assert_eq!(listed(&open, "acme/ann").await, all);
    assert_eq!(listed(&open, "other/ann").await, "", "of another tenant");
    assert_eq!(listed(&open, "acme/ann tool:git__get").await, "git__get");
}

#[tokio::test]
async fn what_is_denied_and_what_is_missing_look_the_same() {
    let gateway = gateway(two_servers(), Some(Arc::new(NoDark::default())));
    let check = async |method: &str, member: &str, denied: &str, missing: &str| {
        let name = |name: &str| match member {
            "ref" => json!({ "ref": { "name": name } }),
            _ => json!({ member: name }),
        };
        let answer = ask(&gateway, "acme/ann", method, name(denied)).await;
        let other = ask(&gateway, "acme/ann", method, name(missing)).await;
        assert_eq!(answer.replace(denied, "X"), other.replace(missing, "X"), "{method}");
        assert!(answer.starts_with("no "), "{answer}");
        let may = ask(&gateway, "acme/eve", method, name(denied)).await;
        assert!(may.starts_with(r#"{"text":"#), "{may}");
    };
    check("tools/call", "name", "git__dark", "git__none").await;
    check("tools/call", "name", "darkness__get", "none__get").await;
    check("prompts/get", "name", "git__dark", "git__none").await;
    check("completion/complete", "ref", "git__dark", "darkness://x").await;
    check("completion/complete", "ref", "darkness://dark/{x}", "git__dark").await;
    check("resources/read", "uri", "darkness://dark", "dark://none").await;
    check("resources/subscribe", "uri", "darkness://dark", "dark://none").await;
    check("skills/get", "uri", "skill://dark/SKILL.md", "dark://none").await;
}

#[tokio::test]
async fn nobody_reaches_another_tenant_but_the_owner() {
    let gateway = gateway(vec![member("git", &["get"])], None);
    let call = json!({ "name": "git__get" });
    let answer = ask(&gateway, "other/ann", "tools/call", call.clone()).await;
    assert_eq!(answer, "no tool named `git__get` (-32602)");
    let answer = ask(&gateway, "other/ann", "x/y", json!({})).await;
    assert_eq!(answer, "method `x/y` is not served here (-32601)");
    let unsubscribe = json!({ "uri": "git://open" });
    let answer = ask(&gateway, "other/ann", "resources/unsubscribe", unsubscribe).await;
    assert!(answer.starts_with("no resource"), "{answer}");
    let version = ProtocolVersion::NEWEST_LEGACY;
    let owner = Context::new(Principal::new("owner"), version);
    let params = Some(Json::encode(&call));
    let request = Request { method: Method::ToolsCall, params, name: Some("git__get".to_owned()) };
    assert!(gateway.request(&owner, request).await.is_ok());
}

#[tokio::test]
async fn a_rule_about_arguments_hides_nothing_and_refuses_the_call() {
    let gateway = gateway(vec![member("git", &["get"])], Some(Arc::new(NoDark::default())));
    let check = async |arguments: &str, expected: &str| {
        let params = format!("{{\"name\":\"git__get\",\"arguments\":{arguments}}}");
        let params = Json::parse(params.into()).unwrap();
        let version = ProtocolVersion::NEWEST_LEGACY;
        let context = Context::new(principal("acme/ann"), version);
        let name = Some("git__get".to_owned());
        let request = Request { method: Method::ToolsCall, params: Some(params), name };
        let answer = match gateway.request(&context, request).await {
            Ok(response) => response.result.to_string(),
            Err(error) => error.to_rpc(version, &Method::ToolsCall).to_string(),
        };
        assert!(answer.contains(expected), "{answer}");
    };
    check("{}", "git tools/call get").await;
    check(r#"{"n":1}"#, "`git__get` may not be used with these arguments (-32602)").await;
    check(r#"{"n":null,"n":1}"#, "duplicate member `n`").await;
    check(r#"{"n":1,"n":null}"#, "duplicate member `n`").await;
    assert!(listed(&gateway, "acme/ann").await.starts_with("git__get"));
}

#[tokio::test]
async fn a_list_is_decided_once_until_something_changes() {
    let policy = Arc::new(NoDark::default());
    let gateway = gateway(two_servers(), Some(Arc::clone(&policy) as Arc<dyn Policy>));
    let page = async |who: &str| ask(&gateway, who, "tools/list", json!({})).await;
    let first = page("acme/ann").await;
    let asked = policy.asked.load(Ordering::Relaxed);
    assert_eq!(page("acme/ann").await, first);
    assert_eq!(policy.asked.load(Ordering::Relaxed), asked, "kept");
    page("acme/ann effect:read").await;
    let other = policy.asked.load(Ordering::Relaxed);
    assert_ne!(other, asked, "another standing is another view");
    policy.generation.fetch_add(1, Ordering::Relaxed);
    assert_eq!(page("acme/ann").await, first);
    assert_ne!(policy.asked.load(Ordering::Relaxed), other, "decided anew");
}

#[tokio::test]
async fn pages_go_on_where_they_ended_among_what_is_left() {
    let names: Vec<_> = (0..3_000).map(|n| format!("{}{n}", ["t", "dark"][n % 2])).collect();
    let names: Vec<_> = names.iter().map(String::as_str).collect();
    let gateway = gateway(vec![member("git", &names)], Some(Arc::new(NoDark::default())));
    let mut seen = Vec::new();
    let mut params = json!({});
    loop {
        let page = ask(&gateway, "acme/ann", "tools/list", params).await;
        let page: Value = serde_json::from_str(&page).unwrap();
        let tools = page["tools"].as_array().unwrap();
        seen.extend(tools.iter().map(|tool| tool["name"].as_str().unwrap().to_owned()));
        if page["nextCursor"].is_null() {
            break;
        }
        params = json!({ "cursor": page["nextCursor"] });
    }
    let expected: Vec<_> = (0..3_000).step_by(2).map(|n| format!("git__t{n}")).collect();
    assert_eq!(seen, expected);
}

#[tokio::test]
async fn a_server_of_which_nothing_may_be_used_is_not_mentioned() {
    let mut members = two_servers();
    members.push(Member { lists: None, ..member("darker", &[]) });
    members.push(Member { lists: None, ..member("away", &[]) });
    let gateway = gateway(members, Some(Arc::new(NoDark::default())));
    let facts = |who: &str| gateway.facts(Era::Legacy, &principal(who));
    assert_eq!(facts("acme/ann").instructions.unwrap(), "## git\n\nhow to use git");
    assert!(facts("acme/ann").capabilities.as_str().contains("logging"));
    let nothing = facts("acme/ann server:darkness");
    assert_eq!(nothing.instructions, None);
    assert!(!nothing.capabilities.as_str().contains("logging"), "{}", nothing.capabilities);
    let list = ask(&gateway, "acme/ann", "tools/list", json!({})).await;
    assert!(list.contains(r#"unavailable":["away"]"#), "{list}");
    // What its server has not listed yet is denied by its name all the same.
    let call = ask(&gateway, "acme/ann", "tools/call", json!({ "name": "away__dark" })).await;
    assert_eq!(call, "no tool named `away__dark` (-32602)");
    let call = ask(&gateway, "acme/ann", "tools/call", json!({ "name": "away__get" })).await;
    assert!(call.contains("away tools/call get"), "{call}");
    let skills = ask(&gateway, "acme/ann", "skills/list", json!({})).await;
    assert!(skills.contains("skill://open/SKILL.md") && !skills.contains("dark"), "{skills}");
}

#[tokio::test]
async fn what_is_shown_can_be_asked_for_by_its_name() {
    let gateway = gateway(two_servers(), Some(Arc::new(NoDark::default())));
    let snapshot = gateway.snapshot();
    let mut changes = gateway.changes();
    for (who, name, expected) in [
        ("acme/ann", "git__get", true),
        ("acme/ann", "git__dark", false),
        ("acme/ann", "git__none", false),
        ("acme/ann effect:read", "git__push", false),
        ("acme/eve", "darkness__get", true),
    ] {
        assert_eq!(snapshot.shows(Kind::Tools, &principal(who), name), expected, "{who} {name}");
    }
    gateway.access_changed();
    for kind in Kind::ALL {
        assert_eq!(changes.try_recv(), Ok(Change::List(kind)));
    }
}
