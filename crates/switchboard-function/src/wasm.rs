//! Functions in WebAssembly: in instances inside this process, which reach nothing that was not
//! granted.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs;
use std::io::{self, Read as _, Write as _};
use std::num::NonZeroU32;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use serde_json::value::RawValue;
use serde_json::{Map, Value};
use switchboard_egress::{Guard, Trust};
use switchboard_mcp::Json;
use switchboard_process::StderrRing;
use switchboard_wasm::{
    Ask, Cache, Engine, EngineSettings, HostGrant, KeyValue, KeyValueError, Line, Outgoing,
    Program, Report, Reuse, Stored, Terms, WasmError,
};

use crate::bundle::Serving;
use crate::config::Grants;
use crate::manifest::{FunctionKind, Limits, Manifest, Runtime};
use crate::runtime::{Call, Failure, Input, Runs};
use crate::shelf::Version;
use crate::values::{Owner, Values};

/// Runs components; one for each process.
#[derive(Clone)]
pub struct Wasm {
    engine: Engine,
    cache: Option<Cache>,
    clock: fn() -> SystemTime,
    values: Option<Values>,
}

impl Wasm {
    /// With compiled code kept in `directory`. Blocks.
    ///
    /// # Errors
    ///
    /// The system gives no memory to run anything in, or the directory cannot be used; for people.
    pub fn new(guard: Guard, directory: &Path, clock: fn() -> SystemTime) -> Result<Self, String> {
        let engine = Engine::new(EngineSettings::default(), guard).map_err(told)?;
        let key = key(directory)
            .map_err(|error| format!("`{}` cannot be used: {error}", directory.display()))?;
        let cache = Cache::open(directory.join("compiled"), key).map_err(told)?;
        Ok(Self { engine, cache: Some(cache), clock, values: None })
    }

    /// One that keeps values for components that are granted some.
    #[must_use]
    pub fn keeping(self, values: Option<Values>) -> Self {
        Self { values, ..self }
    }

    /// Compiles the component of a version, which may take half a minute, and keeps that.
    ///
    /// # Errors
    ///
    /// It is none that can be run, for people.
    pub async fn compile(&self, manifest: &Manifest, version: &Version) -> Result<(), String> {
        self.program(manifest, version).await.map(|_| ())
    }

    async fn program(&self, manifest: &Manifest, version: &Version) -> Result<Program, String> {
        let Runtime::Wasm { component, .. } = &manifest.runtime else {
            return Err("it is no WebAssembly component".to_owned());
        };
        let path = version.code.join(component);
        let bytes = tokio::fs::read(&path).await.map_err(|error| error.to_string())?;
        self.engine.load(bytes.into(), self.cache.clone()).await.map_err(told)
    }

    /// The component of a version, ready to be called.
    pub(crate) async fn load(
        &self,
        serving: &Serving,
        log: StderrRing,
    ) -> Result<Component, String> {
        let Serving { manifest, settings, environment, grants, version, .. } = serving;
        let owner = Owner { tenant: serving.tenant.clone(), bundle: serving.name.clone() };
        let values = self.values.clone().map(|values| (values, Arc::new(owner)));
        let program = self.program(manifest, version).await?;
        let reuse = match &manifest.runtime {
            Runtime::Wasm { reuse, .. } => {
                NonZeroU32::new(*reuse).map_or(Reuse::Never, Reuse::Calls)
            }
            Runtime::Python { .. } => Reuse::Never,
        };
        let grants = granted(grants, environment)?;
        let terms = |time: Duration| {
            Arc::new(Terms {
                grants: grants.clone(),
                limits: limits(&manifest.limits, time),
                settings: Value::Object(Map::clone(settings)).to_string(),
                reuse,
            })
        };
        let mut by_time: BTreeMap<Duration, Arc<Terms>> = BTreeMap::new();
        let times = manifest.functions.iter().map(|it| manifest.limits.time_of(it.time));
        for time in times {
            by_time.entry(time).or_insert_with(|| terms(time));
        }
        let manifest = Arc::clone(manifest);
        Ok(Component { program, terms: by_time, manifest, log, clock: self.clock, values })
    }
}

/// What compiled code is signed with, so that only what we compiled is run. Made when there is none.
fn key(directory: &Path) -> io::Result<[u8; 32]> {
    use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
    fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    let path = directory.join("components.key");
    let mut key = [0; 32];
    match fs::File::open(&path) {
        Ok(mut file) => {
            file.read_exact(&mut key)?;
            return Ok(key);
        }
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        Err(_) => {}
    }
    getrandom::fill(&mut key).map_err(io::Error::other)?;
    let mut options = fs::OpenOptions::new();
    options.write(true).create_new(true).mode(0o600).open(&path)?.write_all(&key)?;
    Ok(key)
}

/// A component that can be called.
pub(crate) struct Component {
    program: Program,
    /// For each limit of time that a function has.
    terms: BTreeMap<Duration, Arc<Terms>>,
    manifest: Arc<Manifest>,
    log: StderrRing,
    clock: fn() -> SystemTime,
    /// What it keeps, where anything is kept.
    values: Option<(Values, Arc<Owner>)>,
}

#[async_trait]
impl Runs for Component {
    async fn run(&self, call: Call<'_>) -> Result<Json, Failure> {
        let function = &self.manifest.functions[call.function];
        let name = || function.key.clone();
        let ask = match (&call.input, function.kind) {
            (Input::Address { uri, .. }, _) => Ask::Resource { uri: (*uri).to_owned() },
            (Input::Arguments(arguments), FunctionKind::Prompt) => {
                Ask::Prompt { name: name(), arguments: arguments.as_str().to_owned() }
            }
            (Input::Arguments(arguments), _) => {
                Ask::Tool { name: name(), arguments: arguments.as_str().to_owned() }
            }
        };
        let (reports, mut heard) = tokio::sync::mpsc::channel(REPORTS);
        let (log, values) = (self.log.clone(), self.values.clone());
        let host = Arc::new(Host { log, reports, values });
        let terms = self.terms.get(&call.time).expect("each function's time has its terms");
        let terms = Arc::clone(terms);
        let asked = switchboard_wasm::Call { ask, terms, host, now: (self.clock)() };
        let calling = self.program.call(asked);
        tokio::pin!(calling);
        let answer = loop {
            tokio::select! {
                // What was reported before the answer is told before it.
                biased;
                Some(report) = heard.recv() => (call.progress)(report),
                answer = &mut calling => break answer,
            }
        };
        while let Ok(report) = heard.try_recv() {
            (call.progress)(report);
        }
        let answer = answer.map_err(|error| failure(error, &self.log))?;
        Ok(complete(&answer.json, function.kind))
    }

    /// That it fits the world was found out when it was loaded.
    async fn verify(&self) -> Vec<String> {
        Vec::new()
    }
}

/// Reports of progress that wait to be passed on.
const REPORTS: usize = 64;

/// What a call's component says beside its answer.
struct Host {
    log: StderrRing,
    reports: tokio::sync::mpsc::Sender<Json>,
    values: Option<(Values, Arc<Owner>)>,
}

#[async_trait]
impl switchboard_wasm::Host for Host {
    fn report(&self, report: Report) {
        match report {
            Report::Progress { done, total, message } => {
                let mut report = Map::new();
                report.insert("progress".to_owned(), number(done));
                if let Some(total) = total {
                    report.insert("total".to_owned(), number(total));
                }
                if let Some(message) = message {
                    report.insert("message".to_owned(), message.into());
                }
                // Nobody hears what comes after the end, or too fast: the next one says more.
                let _ = self.reports.try_send(Json::encode(&report));
            }
            Report::Log(Line { text, .. }) => self.log.note(&text),
            Report::Denied(what) => {
                self.log.note(&format!("it tried what it is not granted: {what}"));
            }
        }
    }

    async fn key_value(&self, operation: KeyValue) -> Result<Stored, KeyValueError> {
        match &self.values {
            Some((values, owner)) => values.act(owner, operation).await,
            None => Err(KeyValueError::Unavailable("values are kept by a daemon only".to_owned())),
        }
    }

    async fn admit(&self, _: &Outgoing) -> Result<Trust, String> {
        // Whoever serves the bundle has written the host down.
        Ok(Trust::Configured)
    }
}

/// A whole number as one: `3`, not `3.0`.
fn number(value: f64) -> Value {
    let is_whole = value.fract() == 0.0 && value.abs() < 9_007_199_254_740_992.0;
    #[expect(clippy::cast_possible_truncation, reason = "it is whole and below 2^53")]
    if is_whole { Value::from(value as i64) } else { Value::from(value) }
}

fn granted(
    grants: &Grants,
    environment: &BTreeMap<String, OsString>,
) -> Result<switchboard_wasm::Grants, String> {
    let text = |value: &OsString| value.to_string_lossy().into_owned();
    let variables = environment.iter().map(|(name, value)| (name.clone(), text(value)));
    let mut hosts = Vec::new();
    for host in &grants.hosts {
        // As for Python: what is not HTTPS by its port may be either.
        for scheme in ["https", "http"] {
            let grant = format!("{scheme}://{host}").parse::<HostGrant>();
            let has_port = host.contains(':');
            if scheme == "https" || has_port {
                hosts.push(grant.map_err(|error| format!("`grants.hosts` has `{host}`: {error}"))?);
            }
        }
    }
    Ok(switchboard_wasm::Grants {
        clock: grants.clock,
        random: grants.random,
        key_value: grants.key_value,
        environment: variables.collect(),
        hosts,
    })
}

fn limits(own: &Limits, time: Duration) -> switchboard_wasm::Limits {
    switchboard_wasm::Limits {
        memory_bytes: own.memory.as_usize(),
        deadline: time,
        output_bytes: own.output.as_usize(),
        ..switchboard_wasm::Limits::default()
    }
}

#[expect(clippy::needless_pass_by_value, reason = "as `map_err` gives it")]
fn told(error: WasmError) -> String {
    format!("{error}; {}", error.hint())
}

fn failure(error: WasmError, log: &StderrRing) -> Failure {
    for line in error.detail().iter().flat_map(|detail| detail.lines()) {
        log.note(line);
    }
    match error {
        WasmError::Deadline { limit } => Failure::TimedOut(limit),
        WasmError::Busy { .. } | WasmError::Engine { .. } => Failure::NotStarted(error.to_string()),
        error => {
            let traceback = error.detail();
            Failure::Raised { message: error.to_string(), traceback }
        }
    }
}

/// An answer with what 2026-07-28 wants to be there.
fn complete(answer: &RawValue, kind: FunctionKind) -> Json {
    let members: Map<String, Value> = serde_json::from_str(answer.get()).unwrap_or_default();
    let mut result = Map::new();
    result.insert("resultType".to_owned(), "complete".into());
    if matches!(kind, FunctionKind::Resource | FunctionKind::Template) {
        result.insert("ttlMs".to_owned(), 0.into());
        result.insert("cacheScope".to_owned(), "private".into());
    }
    result.extend(members);
    Json::encode(&result)
}
