use std::sync::Arc;

use async_trait::async_trait;

use super::{Catalog, Member, View};
use crate::error::Error;
use crate::filter::Filter;
use crate::lists::{Capabilities, Item, Kind, Lists};
use crate::name::Prefix;
use crate::peer::{Context, Peer, Request, Response};
use switchboard_mcp::{Hint, Json, Method, ProtocolVersion, Scope};

/// Never asked here: the catalog only says whom to ask.
struct Nobody;

#[async_trait]
impl Peer for Nobody {
    async fn request(&self, _: &Context, request: Request) -> Result<Response, Error> {
        Err(Error::NoSuchMethod(request.method.to_string()))
    }
}

/// `NAME[/PREFIX]: item item`, where an item is `tool`, `!prompt`, `@resource` or `@template{x}`;
/// a server without a colon has not been asked.
fn member(line: &str) -> Member {
    let (head, items) =
        line.split_once(':').map_or((line, None), |(head, items)| (head, Some(items)));
    let (name, prefix) = head.trim().split_once('/').unwrap_or((head.trim(), head.trim()));
    let lists = items.map(|items| {
        let mut lists = Lists {
            capabilities: Capabilities { resources: items.contains('@'), ..Default::default() },
            ..Default::default()
        };
        for item in items.split_whitespace() {
            let (kind, key) = match item.split_at(1) {
                ("!", key) => (Kind::Prompts, key),
                ("@", key) if key.contains('{') => (Kind::Templates, key),
                ("@", key) => (Kind::Resources, key),
                _ => (Kind::Tools, item),
            };
            let json = Json::encode(&serde_json::json!({ kind.key(): key, "x-from": name }));
            let mut items = lists.of(kind).to_vec();
            items.push(Item::read(kind, json).unwrap());
            lists.replace(kind, items);
        }
        Arc::new(lists)
    });
    Member {
        name: name.into(),
        prefix: Prefix::new(prefix).unwrap(),
        filter: Filter { include: vec![], exclude: vec!["hidden*".into()] },
        peer: Arc::new(Nobody),
        learning: false,
        lists,
    }
}

fn catalog(servers: &str) -> Catalog {
    Catalog::build(servers.lines().map(str::trim).filter(|l| !l.is_empty()).map(member).collect())
}

/// The names listed for a kind, in order, read from the answer itself.
fn names(catalog: &Catalog, kind: Kind) -> String {
    let page = catalog.page(kind, &View::Everything, None, str::to_owned).unwrap();
    let value: serde_json::Value = page.view().unwrap();
    let items = value[kind.member()].as_array().unwrap();
    items.iter().map(|item| item[kind.key()].as_str().unwrap()).collect::<Vec<_>>().join(" ")
}

fn routes_to(catalog: &Catalog, kind: Kind, name: &str) -> String {
    match catalog.route(kind, name) {
        Ok(route) => route.own_name,
        Err(error) => error.to_string(),
    }
}

#[test]
fn names_are_in_the_order_of_the_configuration() {
    let catalog = catalog(
        "git: log status hidden_one !commit
         fs: read",
    );
    assert_eq!(names(&catalog, Kind::Tools), "git__log git__status fs__read");
    assert_eq!(names(&catalog, Kind::Prompts), "git__commit");
    assert_eq!(routes_to(&catalog, Kind::Tools, "git__log"), "log");
    assert_eq!(routes_to(&catalog, Kind::Tools, "log"), "no tool named `log`");
    assert_eq!(
        routes_to(&catalog, Kind::Tools, "git__hidden_one"),
        "no tool named `git__hidden_one`"
    );
}

#[test]
fn the_first_configured_keeps_a_bare_name() {
    let catalog = catalog(
        "one/: read
         two/: read write",
    );
    assert_eq!(names(&catalog, Kind::Tools), "read two__read_0bca6e69 write");
    assert_eq!(routes_to(&catalog, Kind::Tools, "two__read_0bca6e69"), "read");
    assert_eq!(catalog.conflicts(), ["`read` of `two` is shown as `two__read_0bca6e69`"]);
}

#[test]
fn a_server_that_was_never_asked_is_found_by_its_prefix() {
    let catalog = catalog("git");
    assert_eq!(routes_to(&catalog, Kind::Tools, "git__log"), "log");
    assert_eq!(routes_to(&catalog, Kind::Tools, "git__hidden"), "no tool named `git__hidden`");
    assert_eq!(routes_to(&catalog, Kind::Tools, "fs__read"), "no tool named `fs__read`");
    let page = catalog.page(Kind::Tools, &View::Everything, None, str::to_owned).unwrap();
    assert_eq!(page.as_str(), r#"{"tools":[],"_meta":{"dev.switchboard/unavailable":["git"]}}"#);
}

#[test]
fn resources_keep_their_address_unless_two_servers_have_it() {
    let catalog = catalog(
        "one: @a://x
         two: @a://x @a://y @b://{id}
         tools-only: t",
    );
    assert_eq!(names(&catalog, Kind::Resources), "a://x switchboard://two/a%3A//x a://y");
    let owners = |uri: &str| {
        let routes = catalog.resource_routes(uri);
        routes.into_iter().map(|route| route.own_name).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(owners("switchboard://two/a%3A//x"), "a://x");
    assert_eq!(owners("b://7"), "b://7 b://7", "the one with the template, then the other");
    assert_eq!(owners("switchboard://three/x"), "");
}

#[test]
fn what_is_listed_twice_is_shown_once() {
    let catalog = catalog(
        "one: t t !p !p @a://x @a://x @b://{id}
         two: @a://x @a://x @b://{id}",
    );
    assert_eq!(names(&catalog, Kind::Tools), "one__t");
    assert_eq!(names(&catalog, Kind::Prompts), "one__p");
    assert_eq!(names(&catalog, Kind::Resources), "a://x switchboard://two/a%3A//x");
    assert_eq!(names(&catalog, Kind::Templates), "b://{id}");
}

#[test]
fn pages_follow_each_other_and_survive_a_change() {
    let many: String = (0..2_100).map(|n| format!(" t{n}")).collect();
    let before = catalog(&format!("s:{many}"));
    let after = catalog(&format!("r: new\ns:{many}"));
    let mut seen = 0;
    let mut cursor: Option<String> = None;
    loop {
        let page =
            after.page(Kind::Tools, &View::Everything, cursor.as_deref(), str::to_owned).unwrap();
        let value: serde_json::Value = page.view().unwrap();
        seen += value["tools"].as_array().unwrap().len();
        let Some(next) = value["nextCursor"].as_str() else { break };
        assert!(before.page(Kind::Tools, &View::Everything, Some(next), str::to_owned).is_some());
        cursor = Some(next.to_owned());
    }
    assert_eq!(seen, 2_101);
    for wrong in ["", "x", "s__none"] {
        assert!(
            after.page(Kind::Tools, &View::Everything, Some(wrong), str::to_owned).is_none(),
            "`{wrong}`"
        );
    }
    assert_eq!(after.changed_since(&before), [Kind::Tools]);
}

#[test]
fn links_lead_to_the_server_they_come_from() {
    let catalog = catalog(
        "one: t @a://x
         two: t @a://x @b://y",
    );
    let link = |uri: &str| {
        let block = serde_json::json!({ "type": "resource_link", "name": "n", "uri": uri });
        Json::encode(&serde_json::json!({ "content": [block] }))
    };
    let check = |tool: &str, uri: &str, expected: &str| {
        let route = catalog.route(Kind::Tools, tool).unwrap();
        let result = catalog.readdressed(&route, &Method::ToolsCall, link(uri));
        assert_eq!(result, link(expected), "{tool} {uri}");
    };
    check("one__t", "a://x", "a://x");
    check("two__t", "a://x", "switchboard://two/a%3A//x");
    check("two__t", "b://y", "b://y");
    check("two__t", "c://unlisted", "c://unlisted");
}

#[test]
fn a_list_holds_no_longer_than_any_part_of_it() {
    let with = |hints: &[Option<(u64, Scope)>]| {
        let members = hints.iter().enumerate().map(|(index, hint)| {
            let mut member = member(&format!("s{index}: t"));
            let lists = member.lists.as_mut().map(Arc::make_mut).unwrap();
            lists.version = Some(ProtocolVersion::MODERN);
            lists.capabilities.tools = true;
            lists.hints[0] = hint.map(|(ttl_ms, scope)| Hint { ttl_ms, scope });
            member
        });
        let hint = Catalog::build(members.collect()).hint(Kind::Tools);
        hint.map(|hint| (hint.ttl_ms, hint.scope))
    };
    let (public, private) = (Scope::Public, Scope::Private);
    assert_eq!(with(&[]), None);
    assert_eq!(with(&[Some((9, public)), Some((7, public))]), Some((7, public)));
    assert_eq!(with(&[Some((9, public)), Some((70, private))]), Some((9, private)));
    assert_eq!(with(&[Some((9, public)), None]), Some((0, private)));
    // One without tools has no part in their list.
    let mut members = vec![member("a: t"), member("b: @r://x")];
    let lists = members[0].lists.as_mut().map(Arc::make_mut).unwrap();
    lists.capabilities.tools = true;
    lists.hints[0] = Some(Hint { ttl_ms: 9, scope: public });
    assert_eq!(Catalog::build(members).hint(Kind::Tools).map(|hint| hint.ttl_ms), Some(9));
}

#[test]
fn a_list_of_several_pages_is_for_whoever_asked() {
    for (count, scope) in [(1_000, Scope::Public), (1_001, Scope::Private)] {
        let tools: String = (0..count).map(|n| format!(" t{n}")).collect();
        let mut many = member(&format!("s:{tools}"));
        let lists = many.lists.as_mut().map(Arc::make_mut).unwrap();
        lists.capabilities.tools = true;
        lists.hints[0] = Some(Hint { ttl_ms: 9, scope: Scope::Public });
        let hint = Catalog::build(vec![many]).hint(Kind::Tools);
        assert_eq!(hint, Some(Hint { ttl_ms: 9, scope }), "{count}");
    }
}
