//! Three sites on this machine: a server, its authorization server, and one that would like to be.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, MutexGuard};

use async_trait::async_trait;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use switchboard_egress::{EgressSettings, Guard};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio_util::task::TaskTracker;

use crate::{Authorizer, LoginUi, OauthSettings, Prompt, Store, Way};

/// What the sites say. `{server}`, `{as}` and `{evil}` stand for their addresses.
pub(super) struct Script {
    pub(super) challenge: String,
    pub(super) prm_path: &'static str,
    pub(super) prm: Value,
    pub(super) metadata_path: &'static str,
    pub(super) metadata: Value,
    pub(super) redirect_metadata: Option<String>,
    /// The server is its own authorization server.
    pub(super) server_is_issuer: bool,
    pub(super) register: Value,
    pub(super) iss: Option<String>,
    pub(super) token: Value,
    pub(super) token_status: u16,
    pub(super) device: Value,
    tokens: usize,
    device_polls: usize,
    challenges: HashMap<String, String>,
}

/// One request.
#[derive(Clone, Debug, Default)]
pub(super) struct Seen {
    site: &'static str,
    pub(super) path: String,
    pub(super) query: String,
    pub(super) body: String,
    pub(super) json: Value,
    pub(super) authorization: String,
}

impl Seen {
    /// A parameter of the query or the form.
    pub(super) fn field(&self, name: &str) -> String {
        let both = format!("{}&{}", self.query, self.body);
        let mut found = form_urlencoded::parse(both.as_bytes()).filter(|(key, _)| key == name);
        let value = found.next().map(|(_, value)| value.into_owned());
        assert!(found.next().is_none(), "{name} twice in {both}");
        value.unwrap_or_default()
    }
}

pub(super) struct World {
    shared: Arc<Shared>,
    state: tempfile::TempDir,
    _tasks: JoinSet<()>,
}

struct Shared {
    script: Mutex<Script>,
    log: Mutex<Vec<Seen>>,
    sites: HashMap<&'static str, String>,
}

/// Sets members; `null` removes them.
pub(super) fn merge(into: &mut Value, patch: Value) {
    let Value::Object(patch) = patch else { panic!("a patch is an object") };
    for (name, value) in patch {
        if value.is_null() {
            into.as_object_mut().unwrap().remove(&name);
        } else {
            into[name] = value;
        }
    }
}

impl Script {
    fn honest() -> Self {
        Self {
            challenge: "Bearer scope=\"read\"".to_owned(),
            prm_path: "/.well-known/oauth-protected-resource/mcp",
            prm: json!({ "resource": "{server}/mcp", "authorization_servers": ["{as}"] }),
            metadata_path: "/.well-known/oauth-authorization-server",
            metadata: json!({
                "issuer": "{me}",
                "authorization_endpoint": "{me}/authorize",
                "token_endpoint": "{me}/token",
                "registration_endpoint": "{me}/register",
                "device_authorization_endpoint": "{me}/device",
                "code_challenge_methods_supported": ["S256"],
                "token_endpoint_auth_methods_supported": ["none", "client_secret_basic"],
            }),
            redirect_metadata: None,
            server_is_issuer: false,
            register: json!({ "client_id": "registered" }),
            iss: None,
            token: json!({
                "access_token": "canary-access-{n}",
                "token_type": "bearer",
                "expires_in": 3600,
                "refresh_token": "canary-refresh",
            }),
            token_status: 200,
            device: json!({
                "device_code": "canary-device",
                "user_code": "ABCD-EFGH\u{1b}",
                "verification_uri": "{me}/activate",
                "expires_in": 600,
                "interval": 1,
            }),
            tokens: 0,
            device_polls: 0,
            challenges: HashMap::new(),
        }
    }

    pub(super) fn document(&mut self, place: &str) -> &mut Value {
        if place == "prm" { &mut self.prm } else { &mut self.metadata }
    }
}

impl World {
    pub(super) async fn new() -> Self {
        let mut listeners = Vec::new();
        let mut sites = HashMap::new();
        for site in ["server", "as", "evil"] {
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            sites.insert(site, format!("http://{}", listener.local_addr().unwrap()));
            listeners.push((site, listener));
        }
        let (script, log) = (Mutex::new(Script::honest()), Mutex::default());
        let shared = Arc::new(Shared { script, log, sites });
        let mut tasks = JoinSet::new();
        for (site, listener) in listeners {
            tasks.spawn(Arc::clone(&shared).listen(site, listener));
        }
        Self { shared, state: tempfile::tempdir().unwrap(), _tasks: tasks }
    }

    pub(super) fn script(&self) -> MutexGuard<'_, Script> {
        self.shared.script.lock().unwrap()
    }

    pub(super) fn url(&self, site: &str, path: &str) -> String {
        format!("{}{path}", self.shared.sites[site])
    }

    pub(super) fn log(&self) -> Vec<Seen> {
        self.shared.log.lock().unwrap().clone()
    }

    pub(super) fn log_of(&self, site: &str) -> Vec<Seen> {
        self.log().into_iter().filter(|seen| seen.site == site).collect()
    }

    pub(super) fn sent_to(&self, site: &str) -> usize {
        self.log_of(site).len()
    }

    pub(super) fn count(&self, site: &str, path: &str) -> usize {
        self.log_of(site).iter().filter(|seen| seen.path == path).count()
    }

    pub(super) fn last(&self, site: &str, path: &str) -> Seen {
        self.log_of(site).into_iter().rfind(|seen| seen.path == path).unwrap_or_default()
    }

    /// An authorizer of its own, as another process would have.
    pub(super) fn authorizer(&self, settings: OauthSettings) -> Authorizer {
        self.authorizer_at(&self.url("server", "/mcp"), settings)
    }

    pub(super) fn authorizer_at(&self, server: &str, settings: OauthSettings) -> Authorizer {
        let guard = Guard::new(&EgressSettings::default()).unwrap();
        let store = Store::open(self.state.path()).unwrap();
        let server = server.parse().unwrap();
        let tasks = TaskTracker::new();
        Authorizer::new("github", &server, settings, (store, guard), tasks).unwrap()
    }

    pub(super) async fn login(&self, settings: OauthSettings) -> String {
        self.login_as(settings, Way::Browser, &Person::default()).await
    }

    pub(super) fn damage_logins(&self) {
        for entry in std::fs::read_dir(self.state.path().join("oauth")).unwrap() {
            std::fs::write(entry.unwrap().path(), "garbage").unwrap();
        }
    }

    /// Logs in; what became of it, with the causes.
    pub(super) async fn login_as(
        &self,
        settings: OauthSettings,
        way: Way,
        person: &Person,
    ) -> String {
        let done = self.authorizer(settings).login("anna", way, person).await;
        let browsers = std::mem::take(&mut *person.tasks.lock().unwrap());
        browsers.join_all().await;
        let Err(error) = done else { return "logged in".to_owned() };
        let mut text = format!("{error} {error:?}");
        let mut cause = std::error::Error::source(&error);
        while let Some(error) = cause {
            text.push_str(&format!(": {error}"));
            cause = error.source();
        }
        text
    }
}

impl Shared {
    async fn listen(self: Arc<Self>, site: &'static str, listener: TcpListener) {
        let mut connections = JoinSet::new();
        while let Ok((stream, _)) = listener.accept().await {
            let shared = Arc::clone(&self);
            let service = service_fn(move |request| {
                let shared = Arc::clone(&shared);
                async move { Ok::<_, Infallible>(shared.answer(site, request).await) }
            });
            connections.spawn(async move {
                let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
            });
        }
    }

    async fn answer(
        &self,
        site: &'static str,
        request: Request<Incoming>,
    ) -> Response<Full<Bytes>> {
        let (head, body) = request.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        let authorization = head.headers.get("authorization").map_or("", |v| v.to_str().unwrap());
        let seen = Seen {
            site,
            path: head.uri.path().to_owned(),
            query: head.uri.query().unwrap_or_default().to_owned(),
            body: String::from_utf8(body.to_vec()).unwrap(),
            json: serde_json::from_slice(&body).unwrap_or_default(),
            authorization: authorization.to_owned(),
        };
        self.log.lock().unwrap().push(seen.clone());
        let (status, header, body) = self.decide(&seen);
        let mut response = Response::builder().status(status);
        if let Some((name, value)) = header {
            response = response.header(name, self.fill(site, &value));
        }
        response.body(Full::new(self.fill(site, &body).into())).unwrap()
    }

    fn fill(&self, me: &str, text: &str) -> String {
        let mut text = text.replace("{me}", &self.sites[me]);
        for (site, address) in &self.sites {
            text = text.replace(&format!("{{{site}}}"), address);
        }
        text
    }

    fn decide(&self, seen: &Seen) -> (u16, Option<(&'static str, String)>, String) {
        let script = &mut *self.script.lock().unwrap();
        let not_found = (404, None, "no".to_owned());
        if seen.site == "server" && seen.path == "/mcp" {
            return (401, Some(("www-authenticate", script.challenge.clone())), String::new());
        }
        if seen.site == "server" && seen.path == script.prm_path {
            return (200, None, script.prm.to_string());
        }
        if seen.site == "server" && !script.server_is_issuer {
            return not_found;
        }
        if seen.path == script.metadata_path {
            return match &script.redirect_metadata {
                Some(target) => (302, Some(("location", target.clone())), String::new()),
                None => (200, None, script.metadata.to_string()),
            };
        }
        match seen.path.as_str() {
            "/register" => (201, None, script.register.to_string()),
            "/authorize" => (302, Some(("location", script.redirect(seen))), String::new()),
            "/device" => (200, None, script.device.to_string()),
            "/token" => script.token(seen),
            // A front page for everything else, as many sites have.
            _ => (200, None, "<html>".to_owned()),
        }
    }
}

impl Script {
    fn redirect(&mut self, seen: &Seen) -> String {
        let code = format!("canary-code-{}", self.challenges.len());
        self.challenges.insert(code.clone(), seen.field("code_challenge"));
        let state = seen.field("state");
        let iss = self.iss.as_ref().map_or(String::new(), |iss| format!("&iss={iss}"));
        format!("{}?code={code}&state={state}{iss}", seen.field("redirect_uri"))
    }

    fn token(&mut self, seen: &Seen) -> (u16, Option<(&'static str, String)>, String) {
        if seen.field("grant_type") == "authorization_code" {
            let challenge = self.challenges.remove(&seen.field("code"));
            let proof = URL_SAFE_NO_PAD.encode(Sha256::digest(seen.field("code_verifier")));
            assert_eq!(challenge, Some(proof), "PKCE");
        }
        if seen.field("device_code") == "canary-device" {
            self.device_polls += 1;
            if self.device_polls == 1 {
                return (400, None, json!({ "error": "authorization_pending" }).to_string());
            }
        }
        self.tokens += 1;
        let text = self.token.to_string().replace("{n}", &self.tokens.to_string());
        (self.token_status, None, text)
    }
}

/// Somebody with a browser.
#[derive(Default)]
pub(super) struct Person {
    /// Other pages knock at the listener first, and the answer is used twice.
    strays: bool,
    /// The browser cannot come back, so its last address is pasted, after two mistakes.
    pastes: bool,
    /// Connections to the listener that say nothing, while the browser comes back.
    silent: usize,
    heard: Arc<Mutex<Vec<String>>>,
    paste: Arc<Mutex<Vec<String>>>,
    pasted: Arc<Notify>,
    tasks: Mutex<JoinSet<()>>,
}

impl Person {
    pub(super) fn with_strays() -> Self {
        Self { strays: true, ..Self::default() }
    }

    pub(super) fn with_paste() -> Self {
        Self { pastes: true, ..Self::default() }
    }

    pub(super) fn with_silent_neighbours(silent: usize) -> Self {
        Self { silent, ..Self::default() }
    }

    pub(super) fn heard(&self) -> Vec<String> {
        self.heard.lock().unwrap().clone()
    }
}

#[async_trait]
impl LoginUi for Person {
    fn show(&self, prompt: Prompt<'_>) {
        match prompt {
            Prompt::Visit { url, .. } => {
                let url = url.as_str().to_owned();
                let (strays, pastes, silent) = (self.strays, self.pastes, self.silent);
                let (heard, paste) = (Arc::clone(&self.heard), Arc::clone(&self.paste));
                let pasted = Arc::clone(&self.pasted);
                self.tasks.lock().unwrap().spawn(async move {
                    let (_, back) = get(&url, None).await;
                    if pastes {
                        // In the reverse order of use.
                        let wrong = back.replace("state=", "state=x");
                        *paste.lock().unwrap() = vec![back, wrong, "what?".to_owned()];
                        pasted.notify_one();
                        return;
                    }
                    let mut neighbours = Vec::new();
                    for _ in 0..silent {
                        neighbours.push(TcpStream::connect(authority(&back)).await.unwrap());
                    }
                    if strays {
                        knock(&back, &heard).await;
                    } else {
                        get(&back, None).await;
                    }
                });
            }
            Prompt::Device { code, .. } => {
                self.heard.lock().unwrap().push(format!("code {code}"));
            }
            Prompt::PasteAgain => self.heard.lock().unwrap().push("again".to_owned()),
        }
    }

    async fn pasted(&self) -> Option<String> {
        if !self.pastes {
            return None;
        }
        if self.paste.lock().unwrap().is_empty() {
            self.pasted.notified().await;
        }
        self.paste.lock().unwrap().pop()
    }
}

/// Everything that is not the answer, then the answer, then the answer again.
async fn knock(back: &str, heard: &Mutex<Vec<String>>) {
    let wrong = back.replace("state=", "state=x");
    for (url, host, method) in [
        (wrong.as_str(), None, "GET"),
        (back, Some("evil.example"), "GET"),
        (&back.replace("/callback", "/other"), None, "GET"),
        (back, None, "POST"),
        (&format!("{back}&state=x"), None, "GET"),
        (back, None, "GET"),
    ] {
        let (status, _) = request(method, url, host).await;
        heard.lock().unwrap().push(status.to_string());
    }
    // The listener is closing; whatever it still says, it takes no second answer.
    let (status, _) = request("GET", back, None).await;
    let over = matches!(status, 0 | 410);
    heard.lock().unwrap().push(if over { "gone".to_owned() } else { status.to_string() });
}

async fn get(url: &str, host: Option<&str>) -> (u16, String) {
    request("GET", url, host).await
}

fn authority(url: &str) -> &str {
    url.strip_prefix("http://").unwrap().split('/').next().unwrap()
}

/// The status, and where it redirects to; 0 if nobody answers.
async fn request(method: &str, url: &str, host: Option<&str>) -> (u16, String) {
    let authority = authority(url);
    let (_, path) = url["http://".len()..].split_once('/').unwrap();
    let Ok(mut stream) = TcpStream::connect(authority).await else { return (0, String::new()) };
    let host = host.unwrap_or(authority);
    let head = format!("{method} /{path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    let _ = stream.write_all(head.as_bytes()).await;
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    let answer = String::from_utf8(answer).unwrap();
    let status = answer.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0);
    let location = answer.lines().find_map(|line| line.strip_prefix("location: "));
    (status, location.unwrap_or_default().to_owned())
}
