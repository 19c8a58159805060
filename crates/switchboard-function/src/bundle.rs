//! A version that is served: a peer with lists, which checks what goes in and what comes out.

mod answer;

use std::collections::{BTreeMap, HashMap};
use std::ffi::OsString;
use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Map, Value};
use switchboard_core::{
    Capabilities, Context, Error, Item, Kind, Lists, Notification, Peer, Request, Response, Tenant,
};
use switchboard_mcp::{Hint, Json, Method, ProtocolVersion, Raw, Scope};
use switchboard_process::StderrRing;

use crate::config::Grants;
use crate::host::HostRule;
use crate::manifest::{Function, FunctionKind, Manifest, Runtime};
use crate::python::{Python, Running};
use crate::runtime::{Call, Failure, Input, Runs};
use crate::schema::Schema;
use crate::shelf::Version;
use crate::template::Template;

/// A version as a peer. Its functions are called under their own names.
pub struct Bundle {
    name: Arc<str>,
    manifest: Arc<Manifest>,
    functions: HashMap<(FunctionKind, String), Served>,
    templates: Vec<(Template, usize)>,
    lists: Arc<Lists>,
    runs: Arc<dyn Runs>,
    log: StderrRing,
}

/// One function, ready to be called.
struct Served {
    number: usize,
    input: Option<Schema>,
    output: Option<Schema>,
    time: Duration,
}

/// What a version is served as.
pub struct Serving {
    pub name: String,
    pub tenant: Tenant,
    pub version: Version,
    pub manifest: Arc<Manifest>,
    pub settings: Map<String, Value>,
    /// Variables that it gets beside those of every child.
    pub environment: BTreeMap<String, OsString>,
    /// What it may reach that is denied to all.
    pub grants: Grants,
    /// Where what it requires of others is installed.
    pub packages: Option<PathBuf>,
}

impl Bundle {
    /// A version that Python runs. No process is started before the first call.
    ///
    /// # Errors
    ///
    /// Its door to the network cannot be opened.
    pub async fn in_python(serving: Serving, python: &Python) -> io::Result<Arc<Self>> {
        let Serving { name, tenant, version, manifest, settings, environment, grants, packages } =
            serving;
        let hosts = grants.hosts.iter().filter_map(|host| HostRule::parse(host)).collect();
        let log = StderrRing::default();
        let running = Running {
            name: name.clone(),
            tenant,
            version,
            manifest: Arc::clone(&manifest),
            settings,
            environment,
            hosts,
            readable: grants.files,
            packages,
            log: log.clone(),
        };
        let runs = python.workers(running).await?;
        Ok(Self::new(&name, manifest, (runs, log)))
    }

    /// A version that is a component, compiled.
    ///
    /// # Errors
    ///
    /// It is none that can be run, for people.
    #[cfg(feature = "wasm")]
    pub async fn in_wasm(serving: Serving, wasm: &crate::wasm::Wasm) -> Result<Arc<Self>, String> {
        let log = StderrRing::default();
        let runs = wasm.load(&serving, log.clone()).await?;
        Ok(Self::new(&serving.name, Arc::clone(&serving.manifest), (Arc::new(runs), log)))
    }

    fn new(
        name: &str,
        manifest: Arc<Manifest>,
        (runs, log): (Arc<dyn Runs>, StderrRing),
    ) -> Arc<Self> {
        let mut functions = HashMap::new();
        let mut templates = Vec::new();
        for (number, function) in manifest.functions.iter().enumerate() {
            let served = Served {
                number,
                input: function.input.clone().map(Schema::new),
                output: function.output.clone().map(Schema::new),
                time: manifest.limits.time_of(function.time),
            };
            functions.insert((function.kind, function.key.clone()), served);
            if function.kind == FunctionKind::Template {
                let template = Template::parse(&function.key).expect("the manifest was checked");
                templates.push((template, number));
            }
        }
        let lists = Arc::new(lists(&manifest));
        Arc::new(Self { name: name.into(), manifest, functions, templates, lists, runs, log })
    }

    pub fn lists(&self) -> &Arc<Lists> {
        &self.lists
    }

    /// What its code writes to its standard output and error.
    pub fn log(&self) -> &StderrRing {
        &self.log
    }

    pub fn manifest(&self) -> &Arc<Manifest> {
        &self.manifest
    }

    /// What kind of server it is, for people.
    pub fn kind(&self) -> &'static str {
        match self.manifest.runtime {
            Runtime::Python { .. } => "python",
            Runtime::Wasm { .. } => "wasm",
        }
    }

    /// What of it cannot be run, for people, found out by loading its code.
    pub async fn verify(&self) -> Vec<String> {
        self.runs.verify().await
    }

    fn served(&self, kind: FunctionKind, key: &str) -> Result<&Served, Error> {
        let noun = match kind {
            FunctionKind::Tool => "tool",
            FunctionKind::Prompt => "prompt",
            FunctionKind::Resource | FunctionKind::Template => "resource",
        };
        let found = self.functions.get(&(kind, key.to_owned()));
        found.ok_or_else(|| Error::NotFound { what: noun, name: key.to_owned() })
    }
}

/// A peer that offers nothing.
pub struct Nothing;

#[async_trait]
impl Peer for Nothing {
    async fn request(&self, _: &Context, request: Request) -> Result<Response, Error> {
        Err(Error::NoSuchMethod(request.method.to_string()))
    }
}

#[async_trait]
impl Peer for Bundle {
    async fn request(&self, context: &Context, request: Request) -> Result<Response, Error> {
        let result = match request.method {
            Method::ToolsCall => self.call(context, &request).await?,
            Method::ResourcesRead => self.read(context, &request).await?,
            Method::PromptsGet => self.prompt(context, &request).await?,
            method => return Err(Error::NoSuchMethod(method.to_string())),
        };
        Ok(Response::new(result, ProtocolVersion::MODERN))
    }
}

impl Bundle {
    async fn call(&self, context: &Context, request: &Request) -> Result<Json, Error> {
        let served = self.served(FunctionKind::Tool, name(request)?)?;
        // What a model can correct is told as a result (2025-11-25, "Tools", "Error handling").
        let arguments = match checked(served.input.as_ref(), arguments(request)) {
            Ok(arguments) => arguments,
            Err(faults) => return Ok(answer::invalid_arguments(&faults)),
        };
        let outcome = self.run(context, served, Input::Arguments(&arguments)).await;
        let result = match outcome {
            Ok(result) => result,
            Err(failure) => return answer::failed_tool(&self.name, context, failure),
        };
        match served.output.as_ref().map(|schema| answer::check_output(schema, &result)) {
            None | Some(Ok(())) => Ok(result),
            Some(Err(faults)) => Ok(answer::invalid_output(&faults)),
        }
    }

    async fn read(&self, context: &Context, request: &Request) -> Result<Json, Error> {
        let uri = name(request)?;
        let (served, variables) = match self.served(FunctionKind::Resource, uri) {
            Ok(served) => (served, Vec::new()),
            Err(missing) => self.by_template(uri).ok_or(missing)?,
        };
        let input = Input::Address { uri, variables: &variables };
        let outcome = self.run(context, served, input).await;
        outcome.map_err(|failure| answer::failed(&self.name, failure))
    }

    fn by_template(&self, uri: &str) -> Option<(&Served, Vec<(String, String)>)> {
        self.templates.iter().find_map(|(template, number)| {
            let variables = template.read(uri)?;
            let key = &self.manifest.functions[*number].key;
            Some((self.served(FunctionKind::Template, key).ok()?, variables))
        })
    }

    async fn prompt(&self, context: &Context, request: &Request) -> Result<Json, Error> {
        let served = self.served(FunctionKind::Prompt, name(request)?)?;
        let arguments = arguments(request).unwrap_or_else(Json::empty_object);
        let lacking = answer::lacking(&self.manifest.functions[served.number].item, &arguments);
        if let Some(lacking) = lacking {
            return Err(Error::Invalid(format!("the prompt needs the argument `{lacking}`")));
        }
        let outcome = self.run(context, served, Input::Arguments(&arguments)).await;
        outcome.map_err(|failure| answer::failed(&self.name, failure))
    }

    async fn run(
        &self,
        context: &Context,
        served: &Served,
        input: Input<'_>,
    ) -> Result<Json, Failure> {
        let client = context.client.clone().filter(|_| context.wants_progress);
        let progress = move |report: Json| {
            if let Some(client) = &client {
                client.notify(Notification { method: Method::Progress, params: Some(report) });
            }
        };
        let (function, time) = (served.number, served.time);
        self.runs.run(Call { function, input, time, progress: &progress }).await
    }
}

/// The arguments of a call with defaults filled in, if they fit. Where no default was wanting they
/// are passed on as they came, so that no number loses a digit.
fn checked(schema: Option<&Schema>, arguments: Option<Json>) -> Result<Json, String> {
    let arguments = arguments.unwrap_or_else(Json::empty_object);
    let Some(schema) = schema else { return Ok(arguments) };
    let mut value: Value = arguments.view().map_err(|error| error.to_string())?;
    let is_filled = schema.fill(&mut value);
    schema.validate(&value)?;
    Ok(if is_filled { Json::encode(&value) } else { arguments })
}

fn name(request: &Request) -> Result<&str, Error> {
    let name = request.name.as_deref();
    name.ok_or_else(|| Error::Invalid(format!("`{}` needs a name", request.method)))
}

fn arguments(request: &Request) -> Option<Json> {
    let params = request.params.as_ref()?;
    let members = params.members().ok()?;
    let arguments: Raw<'_> = members.get("arguments")?;
    Some(params.part(arguments)).filter(|arguments| arguments.as_str() != "null")
}

/// How long clients may keep the lists: what changes is announced, and this is for those who do not
/// listen.
const FRESH: Hint = Hint { ttl_ms: 60_000, scope: Scope::Private };

fn lists(manifest: &Manifest) -> Lists {
    let items = |kind: FunctionKind| -> Vec<Item> {
        let of_kind = |function: &&Function| function.kind == kind;
        let item = |it: &Function| Item { key: it.key.clone(), json: it.item.clone() };
        manifest.functions.iter().filter(of_kind).map(item).collect()
    };
    let mut lists = Lists {
        version: Some(ProtocolVersion::MODERN),
        instructions: manifest.description.clone(),
        hints: [Some(FRESH); 4],
        ..Lists::default()
    };
    lists.replace(Kind::Tools, items(FunctionKind::Tool));
    lists.replace(Kind::Prompts, items(FunctionKind::Prompt));
    lists.replace(Kind::Resources, items(FunctionKind::Resource));
    lists.replace(Kind::Templates, items(FunctionKind::Template));
    let has = |kind: Kind| !lists.of(kind).is_empty();
    let capabilities = Capabilities {
        tools: has(Kind::Tools),
        prompts: has(Kind::Prompts),
        resources: has(Kind::Resources) || has(Kind::Templates),
        ..Capabilities::default()
    };
    let offered = [
        ("tools", capabilities.tools),
        ("prompts", capabilities.prompts),
        ("resources", capabilities.resources),
    ];
    let offered: Map<String, Value> = offered
        .into_iter()
        .filter(|(_, is_there)| *is_there)
        .map(|(name, _)| (name.to_owned(), Value::Object(Map::new())))
        .collect();
    Lists { capabilities, offered: Some(Json::encode(&offered)), ..lists }
}
