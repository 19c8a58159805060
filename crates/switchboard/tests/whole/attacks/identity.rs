//! Credentials that are not good, at every door: tokens that are forged, old or somebody else's, and
//! keys that reach too far.

mod attempts;
mod doors;
mod upstream;

use serde_json::{Value, json};
use switchboard_mcp::ProtocolVersion;
use switchboard_testkit::client::{Carrier, Client, Target};
use switchboard_testkit::issuer::{Provider, Signer};

use self::attempts::attempts;
use self::doors::{DOORS, Door};
use self::upstream::Recording;
use crate::asked::{ask, assert_ends, authority, bearer, hold, me, now, token};
use crate::common::{Home, wait};

const SECRET: &str = "the secret of this daemon and no other";
const ADMIN_TOKEN: &str = "an-opaque-token-of-the-administrator";
const CARRIERS: [Carrier; 3] = [Carrier::Http, Carrier::Sse, Carrier::WebSocket];

/// A daemon that knows every way of proving who one is, in front of a server that writes down what it
/// is sent; the tenant `acme` has the same server.
struct Site {
    home: Home,
    at: String,
    rsa: Signer,
    ec: Signer,
    corp: Provider,
    /// Its people are of the tenant `beta`.
    beta: Provider,
    upstream: Recording,
}

/// What lets somebody in who does everything right.
struct Good {
    password: String,
    refresh: String,
    oidc: String,
    /// API keys of `acme` and `beta`.
    acme: String,
    beta: String,
}

impl Site {
    fn new() -> Self {
        let (rsa, ec) = (Signer::rsa("rsa-1"), Signer::ec("ec-1"));
        let (corp, beta) = (Provider::start(&[&rsa, &ec]), Provider::start(&[&ec]));
        let upstream = Recording::start();
        let home = Home::new(&format!(
            "auth.admin_token = \"{ADMIN_TOKEN}\"\negress.allow = [\"127.0.0.1\"]\n\
             [auth.users]\nadmin_name = \"root\"\nadmin_password = \"correct horse\"\ntenant = \"*\"\n\
             [auth.tokens]\nsecret = \"{SECRET}\"\n\
             [auth.oidc.corp]\nissuer = \"{}\"\naudience = [\"us\"]\ntenant = \"*\"\n\
             [auth.oidc.beta]\nissuer = \"{}\"\naudience = [\"us\"]\ntenant = \"beta\"\n\
             [upstream.spy]\nstart = \"eager\"\nhttp = {{ url = \"{}\" }}\n",
            corp.issuer, beta.issuer, upstream.url
        ));
        home.start();
        home.wait_for("spy", "ready");
        let at = authority(&home);
        let site = Self { home, at, rsa, ec, corp, beta, upstream };
        for tenant in ["acme", "beta"] {
            let server = json!({ "definition": { "http": { "url": site.upstream.url } } });
            let request = format!("PUT /{tenant}/api/v1/servers/spy");
            let said = ask(&site.at, &request, &bearer(&site.home.key()), &server.to_string());
            assert!(said.status < 300, "{said:?}");
        }
        site
    }

    fn good(&self) -> Good {
        let said = crate::asked::log_in(&self.at, "root", "correct horse");
        let text = |name: &str| said.body[name].as_str().unwrap().to_owned();
        Good {
            password: text("access_token"),
            refresh: text("refresh_token"),
            oidc: self.ec.sign(&self.claims()),
            acme: self.key("acme", &json!({ "name": "robot", "roles": ["admin"] })),
            beta: self.key("beta", &json!({ "name": "robot", "roles": ["admin"] })),
        }
    }

    /// The claims of a token of the provider that is good everywhere.
    fn claims(&self) -> Value {
        json!({ "iss": self.corp.issuer, "aud": "us", "sub": "u1", "exp": now() + 600,
            "iat": now(), "preferred_username": "ann", "roles": ["admin"] })
    }

    /// A key that is made for a tenant.
    #[track_caller]
    fn key(&self, tenant: &str, wish: &Value) -> String {
        let request = format!("POST /{tenant}/api/v1/keys");
        let made = ask(&self.at, &request, &bearer(&self.home.key()), &wish.to_string());
        assert_eq!(made.status, 201, "{made:?}");
        made.body["text"].as_str().unwrap().to_owned()
    }
}

/// Every attempt is refused at every door, and each door opens for who may come in (the JWT attacks of
/// RFC 8725; audience and issuer confusion; CVE-2015-9235; the literal secret and the endless token of
/// the engine before us).
#[test]
fn credentials_that_are_not_good() {
    let site = Site::new();
    let good = site.good();
    for door in DOORS {
        let all = [&*site.home.key(), ADMIN_TOKEN, &good.password, &good.oidc];
        let welcome = if door.is_for_owner { &all[..1] } else { &all };
        for who in &all[welcome.len()..] {
            assert_eq!(door.knock(&site.at, &bearer(who)), 403, "{}", door.name);
        }
        for who in welcome {
            let status = door.knock(&site.at, &bearer(who));
            assert!(![0, 401, 403, 503].contains(&status), "{}: {status}", door.name);
        }
    }
    let attempts = attempts(&site, &good);
    let (mut refused, mut by_query) = (0, 0);
    println!("{:<52} refused at {} doors", "presented", DOORS.len());
    for attempt in &attempts {
        for door in DOORS {
            let status = door.knock(&site.at, &attempt.headers);
            assert_eq!(status, 401, "{} at {}", attempt.name, door.name);
            refused += 1;
        }
        // The same in the address, where clients that can do no better have it.
        if let Some(text) = &attempt.text {
            for door in DOORS {
                let status = door.knock_by_address(&site.at, text);
                assert_eq!(status, 401, "{} in the address of {}", attempt.name, door.name);
                by_query += 1;
            }
        }
        println!("{:<52} {}", attempt.name, DOORS.len());
    }
    println!("{} attempts, {refused} refusals by header, {by_query} by address", attempts.len());
    assert!(!site.upstream.seen().contains("do_it"), "nothing reached the server");
}

/// A key that may only read manages nothing, and one for a tool that is not there uses nothing: at
/// every door that would do it.
#[test]
fn keys_that_reach_too_far() {
    let site = Site::new();
    let make = |scopes: &[&str]| {
        site.key("acme", &json!({ "name": "small", "roles": ["admin"], "scopes": scopes }))
    };
    let write = [
        (
            "PUT /acme/api/v1/servers/x",
            json!({ "definition": { "http": { "url": "https://x.example" } } }),
        ),
        ("DELETE /acme/api/v1/servers/spy", Value::Null),
        ("POST /acme/api/v1/keys", json!({ "name": "more", "roles": ["admin"] })),
        (
            "PATCH /acme/api/v1/users/eve",
            json!({ "password": "correct horse", "roles": ["admin"] }),
        ),
        ("PUT /acme/api/v1/policies/p", json!({ "text": "permit (principal, action, resource);" })),
    ];
    let mutation = json!({ "query": "mutation { deleteMcpFunction(name: \"x\") { ok } }" });
    let mut refused = 0;
    for scopes in [&["effect:read"][..], &["server:spy"], &["tool:spy__do_it"], &["effect:all"]] {
        // What is no scope of ours is not given to a key; a token of a provider may have it.
        let credential = match scopes {
            ["effect:all"] => {
                let mut claims = site.claims();
                claims["scope"] = json!("effect:all");
                site.ec.sign(&claims)
            }
            scopes => make(scopes),
        };
        for (request, body) in &write {
            let body = if body.is_null() { String::new() } else { body.to_string() };
            let said = ask(&site.at, request, &bearer(&credential), &body);
            assert_eq!(said.status, 403, "{scopes:?} {request}: {said:?}");
            // Who lacks an effect alone is told which to ask for, and where.
            let told = said.header("www-authenticate").unwrap_or_default();
            let is_told = told.contains("insufficient_scope")
                && told.contains("scope=\"effect:write\"")
                && told.contains("resource_metadata=");
            assert_eq!(is_told, scopes[0].starts_with("effect:"), "{scopes:?}: {told}");
            refused += 1;
        }
        for path in ["/acme/graphql", "/acme/mcp_core_graphql"] {
            let said =
                ask(&site.at, &format!("POST {path}"), &bearer(&credential), &mutation.to_string());
            let code = &said.body["errors"][0]["extensions"]["code"];
            assert_eq!(code, "FORBIDDEN", "{scopes:?} {path}: {said:?}");
            refused += 1;
        }
    }
    writers_make_none_that_may_do_more(&site, &make(&["effect:write"]));
    // Calls of what the scopes do not cover, over each listener: as if it were not there. The tool does
    // not say that it only reads, so it may destroy.
    let runtime = tokio::runtime::Runtime::new().unwrap();
    for scope in ["effect:read", "server:other", "tool:spy__other"] {
        let (mut claims, key) = (site.claims(), make(&[scope]));
        claims["scope"] = json!(scope);
        let token = site.ec.sign(&claims);
        for (tenant, who) in [("default", &token), ("acme", &token), ("acme", &key)] {
            for (carrier, version) in routes() {
                let said = runtime.block_on(call(&site, tenant, carrier, version, who));
                assert!(said.is_err(), "{scope} over {carrier} {version}: {said:?}");
                refused += 1;
            }
        }
    }
    println!("{refused} uses beyond the scopes of a key, all refused");
    assert!(!site.upstream.seen().contains("do_it"), "{}", site.upstream.seen());
}

fn writers_make_none_that_may_do_more(site: &Site, writer: &str) {
    for (body, status) in [
        (json!({ "name": "more", "roles": ["admin"] }), 403),
        (json!({ "name": "more", "roles": ["admin"], "scopes": ["effect:destructive"] }), 403),
        (json!({ "name": "less", "roles": ["admin"], "scopes": ["effect:write"] }), 201),
    ] {
        let said = ask(&site.at, "POST /acme/api/v1/keys", &bearer(writer), &body.to_string());
        assert_eq!(said.status, status, "{body}: {said:?}");
    }
}

/// What a client proves itself with stays here: no header, address or body that goes to a server has
/// it (the confused deputy of MCP's security practices, "token passthrough").
#[test]
fn token_passthrough() {
    let site = Site::new();
    let good = site.good();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let owner = site.home.key();
    let mut calls = 0;
    for who in [&*owner, ADMIN_TOKEN, &good.password, &good.oidc, &good.acme] {
        let tenants: &[&str] = if who == good.acme { &["acme"] } else { &["default", "acme"] };
        for tenant in tenants {
            for (carrier, version) in routes() {
                let said = runtime.block_on(call(&site, tenant, carrier, version, who));
                assert!(said.is_ok(), "{carrier} {version} at {tenant}: {said:?}");
                calls += 1;
            }
        }
    }
    let body = doors::CALL;
    for path in ["/acme/mcp", "/acme/sse"] {
        assert_eq!(ask(&site.at, &format!("POST {path}"), &bearer(&good.acme), body).status, 200);
        calls += 1;
    }
    let seen = site.upstream.seen();
    assert!(seen.matches("\"do_it\"").count() >= calls, "{calls} calls in\n{seen}");
    for secret in [&*owner, ADMIN_TOKEN, &good.password, &good.oidc, &good.acme, SECRET] {
        // Not as a whole, nor its signature by itself.
        let tail = &secret[secret.len() - 12..];
        assert!(!seen.contains(tail), "{tail} in\n{seen}");
    }
    let lower = seen.to_ascii_lowercase();
    assert!(!lower.contains("authorization:") && !lower.contains("x-api-key"), "{seen}");
    println!("{calls} calls with 5 credentials; none of them was sent to a server");
}

/// What was opened with a token ends when it is taken back, and it opens nothing again.
#[test]
fn a_token_that_was_taken_back() {
    let site = Site::new();
    let stolen = token(&site.at, "root", "correct horse");
    assert!(me(&site.at, "default", &stolen).is_ok());
    let opened = hold(&site.at, "/sse", &bearer(&stolen));
    let feed = hold(&site.at, "/acme/sse", &bearer(&stolen));
    let form = [("token", &*stolen)];
    assert_eq!(crate::asked::form(&site.at, "/auth/revoke", &form).status, 200);
    for stream in [opened, feed] {
        assert_ends(stream);
    }
    let door = |door: &Door| door.knock(&site.at, &bearer(&stolen));
    assert!(DOORS.iter().all(|it| door(it) == 401));
    // It stays so in a new process.
    site.home.run(&["restart"]);
    wait("the daemon to be back", || site.home.run(&["status"]).contains("ready"));
    let at = authority(&site.home);
    assert_eq!(me(&at, "default", &stolen), Err(401));
}

/// Every way for a client to call that presents something; whoever comes over the unix socket, as
/// `switchboard stdio` does, is its owner and presents nothing. HTTP+SSE of a tenant is at
/// `/ENDPOINT/mcp/sse`, because `/ENDPOINT/sse` is its feed.
fn routes() -> impl Iterator<Item = (Carrier, ProtocolVersion)> {
    let versions = [ProtocolVersion::V2025_06_18, ProtocolVersion::MODERN];
    let all = CARRIERS.into_iter().flat_map(move |carrier| versions.map(|it| (carrier, it)));
    all.filter(|(carrier, version)| carrier.carries(*version))
}

async fn call(
    site: &Site,
    tenant: &str,
    carrier: Carrier,
    version: ProtocolVersion,
    key: &str,
) -> Result<Value, String> {
    let is_root = tenant == "default";
    let tenant = if is_root { String::new() } else { format!("/{tenant}") };
    let url = match carrier {
        Carrier::WebSocket => format!("ws://{}{tenant}/ws", site.at),
        Carrier::Sse if is_root => format!("http://{}/sse", site.at),
        Carrier::Sse => format!("http://{}{tenant}/mcp/sse", site.at),
        _ => format!("http://{}{tenant}/mcp", site.at),
    };
    let target = Target::Address { url, key: Some(key.to_owned()) };
    let mut client =
        Client::connect(version, carrier, &target).await.map_err(|it| it.to_string())?;
    let params = json!({ "name": "spy__do_it", "arguments": {} });
    client.ask("tools/call", params).await.map_err(|it| it.to_string())
}
