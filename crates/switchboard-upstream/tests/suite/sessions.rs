//! The sessions of a server over streamable HTTP, and how its era is told.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use serde_json::json;
use switchboard_config::Secret;
use switchboard_core::{Context, Error, Peer as _, Principal, Request};
use switchboard_mcp::{Json, Method, ProtocolVersion};
use switchboard_oauth::{Grant, OauthSettings};
use switchboard_upstream::Settings;

use crate::common::PATIENCE;
use crate::web::{Reply, Seen, Web, legacy};

/// A server that gives each `initialize` a session of its own, and forgets those in the set.
async fn sessions(per_principal: bool) -> (Web, Arc<Mutex<BTreeSet<String>>>) {
    let forgotten: Arc<Mutex<BTreeSet<String>>> = Arc::default();
    let opened = Mutex::new(0);
    let gone = Arc::clone(&forgotten);
    let answer = move |seen: &Seen| {
        if seen.header("mcp-session-id").is_some_and(|it| gone.lock().unwrap().contains(it)) {
            return Reply::Status(404);
        }
        match (seen.method(), legacy(seen)) {
            ("initialize", Some(Reply::Result(result))) => {
                let mut opened = opened.lock().unwrap();
                *opened += 1;
                Reply::Opened(format!("s{opened}"), result)
            }
            ("tools/call", _) => Reply::Result(json!({ "content": [] })),
            (_, reply) => reply.unwrap_or(Reply::Status(405)),
        }
    };
    let oauth = OauthSettings { per_principal, ..OauthSettings::default() };
    (Web::with(oauth, answer).await, forgotten)
}

/// The session that a call of `who` goes with.
async fn session_of(web: &Web, who: &str) -> String {
    let context = Context::new(Principal::new(who), ProtocolVersion::NEWEST_LEGACY);
    let params = Some(Json::encode(&json!({ "name": "x" })));
    let request = Request { method: Method::ToolsCall, params, name: Some("x".to_owned()) };
    let answer = tokio::time::timeout(PATIENCE, web.upstream.request(&context, request)).await;
    answer.unwrap().unwrap();
    let call = web.seen("tools/call").pop().unwrap();
    call.header("mcp-session-id").unwrap().to_owned()
}

pub(crate) async fn who_logs_in_alone_has_a_session_alone() {
    let (web, _) = sessions(true).await;
    assert_eq!(session_of(&web, "owner").await, "s1");
    assert_eq!(session_of(&web, "ann").await, "s2");
    assert_eq!(session_of(&web, "bob").await, "s3");
    assert_eq!(session_of(&web, "ann").await, "s2");
    let initialized = web.seen("notifications/initialized");
    let initialized: Vec<_> = initialized.iter().map(|it| it.header("mcp-session-id")).collect();
    assert_eq!(initialized, [Some("s1"), Some("s2"), Some("s3")]);
    web.end().await;
}

pub(crate) async fn a_session_that_is_lost_concerns_nobody_else() {
    let (web, forgotten) = sessions(true).await;
    for (who, session) in [("ann", "s2"), ("bob", "s3")] {
        assert_eq!(session_of(&web, who).await, session);
    }
    forgotten.lock().unwrap().insert("s2".to_owned());
    for (who, session) in [("ann", "s4"), ("bob", "s3"), ("owner", "s1")] {
        assert_eq!(session_of(&web, who).await, session);
    }
    assert_eq!(web.upstream.status().restarts, 0);
    tokio::time::timeout(PATIENCE, web.upstream.stop()).await.unwrap();
    let ended: BTreeSet<_> = web
        .seen("DELETE")
        .iter()
        .map(|it| it.header("mcp-session-id").unwrap().to_owned())
        .collect();
    assert_eq!(ended, ["s1", "s3", "s4"].map(str::to_owned).into());
    web.end().await;
}

/// The call that finds it out is carried out in the next session; whatever word the server has.
pub(crate) async fn a_session_that_is_gone_is_opened_again() {
    for status in [404, 410] {
        let is_gone = Arc::new(AtomicBool::new(false));
        let gone = Arc::clone(&is_gone);
        let answer = move |seen: &Seen| {
            let session = seen.header("mcp-session-id");
            match (seen.method(), legacy(seen)) {
                ("initialize", Some(Reply::Result(result))) => {
                    let session = if gone.load(Ordering::Relaxed) { "s2" } else { "s1" };
                    Reply::Opened(session.to_owned(), result)
                }
                _ if gone.load(Ordering::Relaxed) && session == Some("s1") => Reply::Status(status),
                ("tools/call", _) => Reply::Result(json!({ "content": [] })),
                (_, reply) => reply.unwrap_or(Reply::Status(405)),
            }
        };
        let web = Web::new(answer).await;
        assert_eq!(session_of(&web, "owner").await, "s1", "{status}");
        is_gone.store(true, Ordering::Relaxed);
        assert_eq!(session_of(&web, "owner").await, "s2", "{status}");
        assert_eq!(session_of(&web, "owner").await, "s2", "{status}");
        assert_eq!(web.upstream.status().restarts, 1, "{status}");
        web.end().await;
    }
}

/// A server that binds a session to a login and forgets both, which it tells by 401; with a header
/// of the configuration there is nothing that could be renewed but the session.
pub(crate) async fn a_session_that_lets_nobody_in_any_more_is_opened_again() {
    let is_shut = Arc::new(AtomicBool::new(false));
    let shut = Arc::clone(&is_shut);
    let answer = move |seen: &Seen| {
        let session = seen.header("mcp-session-id");
        let is_secret = seen.body["params"]["name"] == "secret";
        match (seen.method(), legacy(seen)) {
            ("initialize", Some(Reply::Result(result))) => {
                let session = if shut.load(Ordering::Relaxed) { "s2" } else { "s1" };
                Reply::Opened(session.to_owned(), result)
            }
            _ if shut.load(Ordering::Relaxed) && session == Some("s1") => Reply::Status(401),
            ("tools/call", _) if is_secret => Reply::Status(401),
            ("tools/call", _) => Reply::Result(json!({ "content": [] })),
            (_, reply) => reply.unwrap_or(Reply::Status(405)),
        }
    };
    let change = |settings: &mut Settings| {
        let headers = &mut settings.http.as_mut().unwrap().headers;
        headers.insert("Authorization".to_owned(), Secret::new("Bearer mine"));
    };
    let web = Web::changed(change, answer).await;
    assert_eq!(session_of(&web, "owner").await, "s1");
    is_shut.store(true, Ordering::Relaxed);
    assert_eq!(session_of(&web, "owner").await, "s2");
    assert_eq!(session_of(&web, "owner").await, "s2");
    assert_eq!(web.upstream.status().restarts, 1);
    // What wants another login in every session costs the others none.
    for _ in 0..3 {
        let context = Context::new(Principal::new("ann"), ProtocolVersion::NEWEST_LEGACY);
        let params = Some(Json::encode(&json!({ "name": "secret" })));
        let name = Some("secret".to_owned());
        let request = Request { method: Method::ToolsCall, params, name };
        let answer = tokio::time::timeout(PATIENCE, web.upstream.request(&context, request)).await;
        assert!(matches!(answer.unwrap(), Err(Error::Declined { .. })));
    }
    assert_eq!(session_of(&web, "owner").await, "s2");
    assert_eq!(web.upstream.status().restarts, 1);
    web.end().await;
}

pub(crate) async fn one_login_for_all_is_one_session_for_all() {
    let (web, _) = sessions(false).await;
    for who in ["owner", "ann", "bob"] {
        assert_eq!(session_of(&web, who).await, "s1", "{who}");
    }
    web.end().await;
}

/// A modern server in trouble would be taken for an old one for as long as that is remembered.
pub(crate) async fn a_server_that_fails_tells_no_era() {
    let trouble = json!({ "code": -32603, "message": "try later" });
    let answer = move |seen: &Seen| match seen.method() {
        "server/discover" => Reply::Error(500, trouble.clone()),
        _ => legacy(seen).unwrap_or(Reply::Status(405)),
    };
    let web = Web::new(answer).await;
    web.upstream.wake();
    web.news.until(|| web.upstream.status().problem.is_some()).await;
    let problem = web.upstream.status().problem.unwrap();
    assert!(problem.contains("the server answered 500"), "{problem}");
    assert!(problem.contains("era = \"legacy\""), "{problem}");
    assert_eq!(web.seen("initialize").len(), 0);
    web.end().await;
}

pub(crate) async fn a_server_that_takes_nothing_says_so() {
    for words in [None, Some(json!({ "code": -32601, "message": "no such path" }))] {
        let said = words.clone().map_or("", |_| "no such path");
        let refusal =
            move || words.clone().map_or(Reply::Status(405), |words| Reply::Error(405, words));
        let web = Web::new(move |_| refusal()).await;
        web.upstream.wake();
        web.news.until(|| web.upstream.status().problem.is_some()).await;
        let problem = web.upstream.status().problem.unwrap();
        for part in ["initialize: the server answered 405", said, "opened no stream of events"] {
            assert!(problem.contains(part), "{problem}");
        }
        assert!(!web.seen("GET").is_empty(), "not tried over HTTP+SSE: {problem}");
        web.end().await;
    }
}

/// The pages of an authorization server on the same host, and what a server says that takes only
/// the newest of its tokens.
struct Office {
    issued: AtomicUsize,
    revoked: Arc<AtomicBool>,
}

impl Office {
    fn answer(&self, seen: &Seen) -> Reply {
        let me = format!("http://{}", seen.header("host").unwrap());
        match &*seen.path {
            "/mcp" => self.server(seen),
            "/.well-known/oauth-protected-resource/mcp" => Reply::Plain(json!({
                "resource": format!("{me}/mcp"),
                "authorization_servers": [me],
            })),
            "/.well-known/oauth-authorization-server" => Reply::Plain(json!({
                "issuer": me,
                "authorization_endpoint": format!("{me}/authorize"),
                "token_endpoint": format!("{me}/token"),
                "code_challenge_methods_supported": ["S256"],
                "token_endpoint_auth_methods_supported": ["client_secret_post"],
            })),
            "/token" => {
                self.revoked.store(false, Ordering::Relaxed);
                let number = self.issued.fetch_add(1, Ordering::Relaxed) + 1;
                let token = format!("t{number}");
                Reply::Plain(json!({
                    "access_token": token, "token_type": "Bearer", "expires_in": 3600 }))
            }
            _ => Reply::Status(404),
        }
    }

    fn server(&self, seen: &Seen) -> Reply {
        let token = format!("Bearer t{}", self.issued.load(Ordering::Relaxed));
        let is_valid = !self.revoked.load(Ordering::Relaxed);
        if !is_valid || seen.header("authorization") != Some(&token) {
            return Reply::Status(401);
        }
        match (seen.method(), legacy(seen)) {
            ("initialize", Some(Reply::Result(result))) => Reply::Opened("s1".to_owned(), result),
            ("tools/call", _) => Reply::Result(json!({ "content": [] })),
            (_, reply) => reply.unwrap_or(Reply::Status(405)),
        }
    }
}

pub(crate) async fn a_login_that_has_run_out_is_renewed_in_its_session() {
    let revoked = Arc::new(AtomicBool::new(false));
    let office = Office { issued: AtomicUsize::new(0), revoked: Arc::clone(&revoked) };
    let change = |settings: &mut Settings| {
        let http = settings.http.as_mut().unwrap();
        http.oauth = OauthSettings {
            client_id: Some("me".to_owned()),
            client_secret: Some(Secret::new("mine")),
            grant: Grant::ClientCredentials,
            issuer: Some(http.url.trim_end_matches("/mcp").to_owned()),
            ..OauthSettings::default()
        };
    };
    let web = Web::changed(change, move |seen| office.answer(seen)).await;
    for round in ["t1", "t2"] {
        assert_eq!(session_of(&web, "owner").await, "s1", "{round}");
        let call = web.seen("tools/call").pop().unwrap();
        assert_eq!(call.header("authorization"), Some(&*format!("Bearer {round}")));
        revoked.store(true, Ordering::Relaxed);
    }
    assert_eq!(web.upstream.status().restarts, 0);
    web.end().await;
}
