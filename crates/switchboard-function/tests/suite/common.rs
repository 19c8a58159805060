//! Bundles that are put together in tests, and what runs them.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Map, Value, json};
use switchboard_core::{
    Context, Error, Notification, Peer, Principal, Request, Response, Standing, Tenant,
};
use switchboard_egress::{EgressSettings, Guard};
use switchboard_function::{
    Archive, Bundle, Caps, Grants, Isolation, Manifest, Python, PythonConfig, Serving, Shelf,
};
use switchboard_mcp::{Json, Method, ProtocolVersion};
use switchboard_process::{Options, Spawner};
use tokio_util::task::TaskTracker;

/// A directory, and what starts processes in it.
pub(crate) struct Workshop {
    pub(crate) spawner: Spawner,
    python: Python,
    shelf: Shelf,
    directory: tempfile::TempDir,
}

impl Workshop {
    pub(crate) async fn new() -> Self {
        Self::with(Isolation::Auto).await
    }

    pub(crate) async fn with(isolation: Isolation) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let options = Options { state_dir: directory.path().join("state"), guard: None };
        let (spawner, _) = Spawner::start(options).await.unwrap();
        let config = PythonConfig {
            interpreter: PathBuf::from("python3"),
            directory: directory.path().join("python"),
            environment: BTreeMap::from([("PATH".to_owned(), std::env::var_os("PATH").unwrap())]),
            isolation,
            index: None,
            guard: Guard::new(&EgressSettings::default()).unwrap(),
        };
        let python = Python::find(config, spawner.clone(), TaskTracker::new()).await.unwrap();
        let shelf = Shelf::new(directory.path().join("shelf"));
        Self { spawner, python, shelf, directory }
    }

    /// A place for a test's own files, which no bundle reaches by itself.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// A bundle of these files.
    pub(crate) async fn bundle(&self, files: &[(&str, &str)], settings: Value) -> Arc<Bundle> {
        self.granted(files, settings, Grants::default()).await
    }

    pub(crate) async fn granted(
        &self,
        files: &[(&str, &str)],
        settings: Value,
        grants: Grants,
    ) -> Arc<Bundle> {
        let source = tempfile::tempdir_in(self.directory.path()).unwrap();
        for (name, content) in files {
            let path = source.path().join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, content).unwrap();
        }
        let archive = Archive::read_directory(source.path(), &Caps::default()).unwrap();
        let manifest = Arc::new(Manifest::of(&archive).unwrap_or_else(|error| panic!("{error}")));
        let Value::Object(settings) = settings else { panic!("settings are an object") };
        let serving = Serving {
            name: manifest.name.clone(),
            tenant: Tenant::parse("acme").unwrap(),
            version: self.shelf.put(&archive).unwrap(),
            manifest,
            settings,
            environment: BTreeMap::new(),
            grants,
            packages: None,
        };
        Bundle::in_python(serving, &self.python).await.unwrap()
    }

    /// A bundle of one module, whose functions `t0`, `t1` … are the tools `tools`, without arguments
    /// that anybody checks.
    pub(crate) async fn tools(&self, code: &str, tools: &[&str], more: &str) -> Arc<Bundle> {
        let mut manifest = "name = \"b\"\n".to_owned();
        manifest.push_str(more);
        manifest.push_str("\n[python]\n");
        for tool in tools {
            manifest.push_str(&format!(
                "[[tool]]\nname = \"{tool}\"\ndescription = \"d\"\nentry = \"code:{tool}\"\n\
                 input = {{ type = \"object\" }}\n"
            ));
        }
        self.bundle(&[("switchboard.toml", &manifest), ("code.py", code)], json!({})).await
    }
}

/// Hears what a call reports.
#[derive(Default)]
pub(crate) struct Listener(pub(crate) Mutex<Vec<Value>>);

#[async_trait]
impl Peer for Listener {
    async fn request(&self, _: &Context, request: Request) -> Result<Response, Error> {
        Err(Error::NoSuchMethod(request.method.to_string()))
    }

    fn notify(&self, notification: Notification) {
        let params = notification.params.unwrap();
        self.0.lock().unwrap().push(serde_json::from_str(params.as_str()).unwrap());
    }
}

pub(crate) fn owner() -> Context {
    Context::new(Principal::new("owner"), ProtocolVersion::MODERN)
}

pub(crate) fn somebody() -> Context {
    let mut principal = Principal::new("user:ann");
    principal.standing = Arc::new(Standing::default());
    Context::new(principal, ProtocolVersion::MODERN)
}

pub(crate) fn request(method: Method, name: &str, arguments: Value) -> Request {
    let member = method.subject().unwrap();
    let mut params = Map::new();
    params.insert(member.to_owned(), name.into());
    params.insert("arguments".to_owned(), arguments);
    let params = Json::encode(&params);
    Request { method, params: Some(params), name: Some(name.to_owned()) }
}

/// What the owner gets, or is told.
pub(crate) async fn answer(
    bundle: &Bundle,
    method: Method,
    name: &str,
    arguments: Value,
) -> Result<Value, String> {
    let (context, request) = (owner(), request(method, name, arguments));
    let asked = tokio::time::timeout(Duration::from_secs(60), bundle.request(&context, request));
    let response = asked.await.expect("an answer within a minute");
    let response = response.map_err(|error| error.to_string())?;
    Ok(serde_json::from_str(response.result.as_str()).unwrap())
}

/// The result of a tool.
pub(crate) async fn call(bundle: &Bundle, tool: &str, arguments: Value) -> Value {
    let result = answer(bundle, Method::ToolsCall, tool, arguments).await;
    result.unwrap_or_else(|error| panic!("{tool}: {error}"))
}

/// The text of a tool's result, and whether that is an error.
pub(crate) async fn text(bundle: &Bundle, tool: &str, arguments: Value) -> (String, bool) {
    let result = call(bundle, tool, arguments).await;
    let text = result["content"][0]["text"].as_str().unwrap_or_default().to_owned();
    (text, result["isError"] == true)
}
