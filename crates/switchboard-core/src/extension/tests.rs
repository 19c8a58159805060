use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};
use switchboard_mcp::{Json, Method, ProtocolVersion};

use crate::catalog::{Catalog, Member};
use crate::error::Error;
use crate::filter::Filter;
use crate::gateway::{Gateway, Snapshot};
use crate::lists::{Capabilities, Item, Kind, Lists};
use crate::name::Prefix;
use crate::peer::{Context, Peer, Request, Response};
use crate::principal::Principal;
use crate::seal::bare::Bare;

/// Has one skill on each of two pages, and a directory of two pages; a page says how long it holds.
struct Server {
    name: &'static str,
    ttl_ms: u64,
}

/// Has always one page more.
struct Endless;

#[async_trait]
impl Peer for Endless {
    async fn request(&self, _: &Context, _: Request) -> Result<Response, Error> {
        let page = json!({ "skills": [{ "uri": "skill://endless/SKILL.md" }], "nextCursor": "x" });
        Ok(Response::new(Json::encode(&page), ProtocolVersion::MODERN))
    }
}

const SHARED: &str = "skill://shared/SKILL.md";

#[async_trait]
impl Peer for Server {
    async fn request(&self, _: &Context, request: Request) -> Result<Response, Error> {
        let params = request.params.map_or(json!({}), |params| params.view().unwrap());
        let is_second = match params["cursor"].as_str() {
            None => false,
            Some(cursor) if cursor == format!("{} 2", self.name) => true,
            Some(other) => return Err(Error::Invalid(format!("{}: cursor {other}", self.name))),
        };
        let own = format!("skill://{}/SKILL.md", self.name);
        let skill = |uri: &str| {
            let file = uri.replace("SKILL.md", "a.txt");
            json!({ "uri": uri, "frontmatter": { "x-from": self.name }, "resources": [{ "uri": file }] })
        };
        let asked = request.name.unwrap_or_default();
        let mut result = match request.method {
            Method::SkillsList => {
                json!({ "skills": [skill(if is_second { &own } else { SHARED })] })
            }
            Method::SkillsGet => json!({ "skill": skill(&asked) }),
            Method::DirectoryRead => {
                json!({ "resources": [{ "uri": format!("{asked}/{is_second}") }] })
            }
            other => return Err(Error::NoSuchMethod(other.to_string())),
        };
        result["ttlMs"] = json!(self.ttl_ms);
        result["cacheScope"] = json!("public");
        if !is_second && request.method != Method::SkillsGet {
            result["nextCursor"] = json!(format!("{} 2", self.name));
        }
        Ok(Response::new(Json::encode(&result), ProtocolVersion::MODERN))
    }
}

fn member(name: &'static str, ttl_ms: u64) -> Member {
    let offered = json!({ "resources": {}, "extensions": { super::SKILLS: {} } });
    let lists = Lists {
        version: Some(ProtocolVersion::MODERN),
        capabilities: Capabilities { resources: true, ..Default::default() },
        offered: Some(Json::encode(&offered)),
        ..Lists::default()
    };
    Member {
        name: name.into(),
        prefix: Prefix::new(name).unwrap(),
        filter: Filter::default(),
        peer: Arc::new(Server { name, ttl_ms }),
        lists: Some(Arc::new(lists)),
        learning: false,
    }
}

fn gateway_of(members: Vec<Member>) -> Gateway {
    let catalog = Catalog::build(members);
    Gateway::new(
        Snapshot { catalog, list_wait: Duration::ZERO, ..Snapshot::default() },
        Arc::new(Bare),
    )
}

fn gateway(servers: &[(&'static str, u64)]) -> Gateway {
    gateway_of(servers.iter().map(|&(name, ttl_ms)| member(name, ttl_ms)).collect())
}

async fn ask(gateway: &Gateway, who: &str, method: Method, params: Value) -> Result<Value, Error> {
    let context = Context::new(Principal::new(who), ProtocolVersion::MODERN);
    let name = params["uri"].as_str().map(str::to_owned);
    let request = Request { method, params: Some(Json::encode(&params)), name };
    let response = gateway.request(&context, request).await?;
    Ok(response.result.view().unwrap())
}

fn uris(list: &Value) -> Vec<&str> {
    list.as_array().unwrap().iter().map(|item| item["uri"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn a_list_of_several_servers_holds_as_long_as_all_of_it_does() {
    let gateway = gateway(&[("a", 900), ("b", 300)]);
    let list = ask(&gateway, "ann", Method::SkillsList, json!({})).await.unwrap();
    assert_eq!((&list["ttlMs"], &list["cacheScope"]), (&json!(300), &json!("public")), "{list}");
    assert_eq!(list["nextCursor"], Value::Null);
}

#[tokio::test]
async fn of_two_skills_with_one_address_the_second_has_another() {
    let gateway = gateway(&[("a", 1), ("b", 1)]);
    let list = ask(&gateway, "ann", Method::SkillsList, json!({})).await.unwrap();
    let moved = "switchboard://b/skill%3A//shared/SKILL.md";
    let own = ["skill://a/SKILL.md", "skill://b/SKILL.md"];
    assert_eq!(uris(&list["skills"]), [SHARED, own[0], moved, own[1]]);
    let files = ["switchboard://b/skill%3A//shared/a.txt"];
    assert_eq!(uris(&list["skills"][2]["resources"]), files);
    // Under that address all of it is at the server that has it.
    let got = ask(&gateway, "ann", Method::SkillsGet, json!({ "uri": moved })).await.unwrap();
    assert_eq!(got["skill"]["frontmatter"]["x-from"], "b", "{got}");
    assert_eq!(got["skill"]["uri"], moved);
    assert_eq!(uris(&got["skill"]["resources"]), files);
}

#[tokio::test]
async fn the_address_of_a_listed_resource_leads_to_its_server() {
    let mut second = member("b", 1);
    let listed = Json::encode(&json!({ "uri": SHARED, "name": "SKILL.md" }));
    let lists = second.lists.as_mut().map(Arc::make_mut).unwrap();
    lists.resources.extend(Item::read(Kind::Resources, listed));
    let gateway = gateway_of(vec![member("a", 1), second]);
    let list = ask(&gateway, "ann", Method::SkillsList, json!({})).await.unwrap();
    let moved = "switchboard://a/skill%3A//shared/SKILL.md";
    let own = ["skill://a/SKILL.md", "skill://b/SKILL.md"];
    assert_eq!(uris(&list["skills"]), [moved, own[0], SHARED, own[1]]);
    for (uri, server) in [(moved, "a"), (SHARED, "b")] {
        let got = ask(&gateway, "ann", Method::SkillsGet, json!({ "uri": uri })).await.unwrap();
        assert_eq!(got["skill"]["frontmatter"]["x-from"], server, "{got}");
    }
}

#[tokio::test]
async fn a_list_without_end_is_left_out() {
    let endless = Member { peer: Arc::new(Endless), ..member("a", 1) };
    let gateway = gateway_of(vec![endless, member("b", 1)]);
    let list = ask(&gateway, "ann", Method::SkillsList, json!({})).await.unwrap();
    assert_eq!(uris(&list["skills"]), [SHARED, "skill://b/SKILL.md"]);
    assert_eq!((&list["ttlMs"], &list["cacheScope"]), (&json!(0), &json!("private")));
}

#[tokio::test]
async fn a_cursor_is_sealed_and_leads_to_who_gave_it() {
    let alone = gateway(&[("b", 1)]);
    let both = gateway(&[("a", 1), ("b", 1)]);
    let first = ask(&alone, "ann", Method::SkillsList, json!({})).await.unwrap();
    let cursor = first["nextCursor"].as_str().unwrap();
    assert_ne!(cursor, "b 2");
    assert_eq!(first["cacheScope"], "private", "nobody else can go on from it");
    let params = json!({ "cursor": cursor });
    // Also when another server has come meanwhile.
    for gateway in [&alone, &both] {
        let next = ask(gateway, "ann", Method::SkillsList, params.clone()).await.unwrap();
        assert_eq!(uris(&next["skills"]), ["skill://b/SKILL.md"]);
        assert_eq!(next["nextCursor"], Value::Null);
        assert_eq!(next["cacheScope"], "private", "as the first page");
    }
    // For nobody else, for nothing else, and none that we did not give.
    for (who, method, params) in [
        ("bob", Method::SkillsList, params.clone()),
        ("ann", Method::ToolsList, params),
        ("ann", Method::DirectoryRead, json!({ "uri": "x://d", "cursor": cursor })),
        ("ann", Method::SkillsList, json!({ "cursor": "b 2" })),
    ] {
        let error = ask(&alone, who, method.clone(), params).await.unwrap_err();
        assert!(matches!(error, Error::Invalid(_)), "{method}: {error}");
    }
}

#[tokio::test]
async fn a_directory_goes_on_at_the_server_where_it_began() {
    let gateway = gateway(&[("a", 1), ("b", 1)]);
    let at = "switchboard://b/x%3A//d";
    let read = async |cursor: Option<&str>| {
        let params = match cursor {
            None => json!({ "uri": at }),
            Some(cursor) => json!({ "uri": at, "cursor": cursor }),
        };
        ask(&gateway, "ann", Method::DirectoryRead, params).await
    };
    let first = read(None).await.unwrap();
    assert_eq!(uris(&first["resources"]), ["switchboard://b/x%3A//d/false"]);
    let next = read(first["nextCursor"].as_str()).await.unwrap();
    assert_eq!(uris(&next["resources"]), ["switchboard://b/x%3A//d/true"]);
    assert!(matches!(read(Some("b 2")).await, Err(Error::Invalid(_))));
    // A plain address is tried at one server after another, but its cursor is good at one.
    let first = ask(&gateway, "ann", Method::DirectoryRead, json!({ "uri": "x://d" })).await;
    let cursor = first.unwrap()["nextCursor"].clone();
    let params = json!({ "uri": "x://d", "cursor": cursor });
    let next = ask(&gateway, "ann", Method::DirectoryRead, params).await.unwrap();
    assert_eq!(uris(&next["resources"]), ["x://d/true"]);
}
