//! A bundle tried without a daemon, as its author does: read, checked, called.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use switchboard_config::Secret;
use switchboard_core::{Context, Peer as _, Request, Response, Tenant};
use switchboard_egress::{EgressSettings, Guard};
use switchboard_function::{
    Bundle, BundlesConfig, Grants, Manifest, Python, PythonConfig, Runtime, Serving, Shelf, Source,
    Wants,
};
use switchboard_mcp::{Json, Method, ProtocolVersion};
use switchboard_process::{Options, Spawner, allowed_environment};
use tokio_util::task::TaskTracker;

use super::signing_keys;
use super::workshop::{Content, manifest};
use crate::config::Config;
use crate::outside::owner;

/// A bundle that is tried. Nothing of it is left when it was [closed](Self::close).
pub struct Trial {
    pub manifest: Arc<Manifest>,
    /// The digest of its content.
    pub digest: String,
    pub files: usize,
    bundle: Arc<Bundle>,
    spawner: Spawner,
    directory: tempfile::TempDir,
}

/// Compiled each time: what is tried is mostly another one than before.
#[cfg(feature = "wasm")]
async fn component(
    serving: Serving,
    egress: &EgressSettings,
    directory: &Path,
) -> Result<Arc<Bundle>, String> {
    let guard = Guard::new(egress).map_err(|error| error.to_string())?;
    let wasm = switchboard_function::Wasm::new(guard, directory, crate::clock::now)?;
    Bundle::in_wasm(serving, &wasm).await
}

#[cfg(not(feature = "wasm"))]
#[expect(clippy::unused_async, reason = "as the other one")]
async fn component(_: Serving, _: &EgressSettings, _: &Path) -> Result<Arc<Bundle>, String> {
    Err("this build runs no WebAssembly: it was made without `--features full`".to_owned())
}

fn read(path: &Path, shelf: &Shelf, with: &BundlesConfig) -> Result<Content, String> {
    let archive = Source::new(path.to_path_buf()).read(&with.caps(), &signing_keys(with)?);
    let archive = archive.map_err(|error| error.to_string())?;
    let version = shelf.put(&archive).map_err(|error| error.to_string())?;
    Ok(Content { archive, version })
}

fn texts(variables: &BTreeMap<String, String>) -> BTreeMap<String, OsString> {
    variables.iter().map(|(name, value)| (name.clone(), value.into())).collect()
}

/// Whoever tries a bundle grants what it wants.
fn granted(wants: &Wants) -> Grants {
    Grants {
        hosts: wants.hosts.clone(),
        files: wants.files.iter().map(PathBuf::from).collect(),
        environment: wants.environment.clone(),
        clock: wants.clock,
        key_value: wants.key_value,
        random: wants.random,
    }
}

fn wanted(wants: &Wants, variables: &BTreeMap<String, String>) -> BTreeMap<String, OsString> {
    let value = |name: &String| Some((name.clone(), variables.get(name)?.into()));
    wants.environment.iter().filter_map(value).collect()
}

impl Trial {
    /// Reads the bundle at `path` and loads its code.
    ///
    /// # Errors
    ///
    /// What is wrong with it, for people.
    pub async fn open(
        path: &Path,
        config: &Config,
        set: &BTreeMap<String, Secret>,
        variables: &BTreeMap<String, String>,
    ) -> Result<Self, String> {
        let unusable = |error: std::io::Error| format!("no directory to try it in: {error}");
        let directory = tempfile::TempDir::with_prefix("switchboard-bundle-").map_err(unusable)?;
        let options = Options { state_dir: directory.path().join("children"), guard: None };
        let (spawner, _) = Spawner::start(options).await.map_err(|error| error.to_string())?;
        let python = PythonConfig {
            interpreter: config.bundles.python.clone(),
            directory: directory.path().to_path_buf(),
            environment: allowed_environment(&texts(variables)),
            isolation: config.bundles.sandbox,
            index: config.bundles.index.clone(),
            guard: Guard::new(&config.egress).map_err(|error| error.to_string())?,
        };
        let python = Python::find(python, spawner.clone(), TaskTracker::new()).await?;
        let shelf = Shelf::new(directory.path().join("versions"));
        let content = read(path, &shelf, &config.bundles)?;
        let manifest = Arc::new(manifest(&content, Ok(&python)).await?);
        let packages = python.packages(&manifest, &content.archive);
        if let Some(packages) = &packages {
            python.install(packages).await?;
        }
        let settings = manifest.settle(set).map_err(|problems| problems.join("; "))?;
        let serving = Serving {
            name: manifest.name.clone(),
            tenant: Tenant::default(),
            version: content.version,
            manifest: Arc::clone(&manifest),
            settings,
            environment: wanted(&manifest.wants, variables),
            grants: granted(&manifest.wants),
            packages: packages.map(|packages| packages.directory),
        };
        let bundle = match &manifest.runtime {
            Runtime::Python { .. } => {
                let made = Bundle::in_python(serving, &python).await;
                made.map_err(|error| error.to_string())?
            }
            Runtime::Wasm { .. } => component(serving, &config.egress, directory.path()).await?,
        };
        let (digest, files) =
            (content.archive.digest().to_string(), content.archive.names().count());
        Ok(Self { manifest, digest, files, bundle, spawner, directory })
    }

    /// What of its functions cannot be run.
    pub async fn verify(&self) -> Vec<String> {
        self.bundle.verify().await
    }

    /// Calls a tool, as the owner.
    ///
    /// # Errors
    ///
    /// Why it did not run.
    pub async fn call(&self, tool: &str, arguments: &Value) -> Result<Response, String> {
        let params = serde_json::json!({ "name": tool, "arguments": arguments });
        let request = Request {
            method: Method::ToolsCall,
            params: Some(Json::encode(&params)),
            name: Some(tool.to_owned()),
        };
        let context = Context::new(owner(), ProtocolVersion::MODERN);
        self.bundle.request(&context, request).await.map_err(|error| error.to_string())
    }

    /// What its code wrote to its standard output and error.
    pub fn log(&self) -> Vec<String> {
        self.bundle.log().lines(1_000).into_iter().map(|line| line.text).collect()
    }

    /// Ends what it started.
    pub async fn close(self) {
        let Self { bundle, spawner, directory, .. } = self;
        drop(bundle);
        spawner.close(Duration::from_secs(1)).await;
        // What is left lies where such things are cleared away.
        let _ = directory.close();
    }
}
