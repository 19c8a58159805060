//! `switchboard bundle`.

mod kept;
mod new;
mod push;
mod run;

use std::fs;
use std::path::{Path, PathBuf};

use serde::Serialize;
use switchboard_daemon::{Config, Trial};
use switchboard_function::{FunctionKind, SigningKeys, Source};

use self::kept::Named;
use self::new::New;
use self::push::Push;
use self::run::Run;
use crate::context::Context;
use crate::daemon;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{Table, count};
use crate::rest::{Rest, Whose};
use crate::untrusted;

#[derive(clap::Args, Debug)]
#[command(
    after_help = "A bundle is a directory or a ZIP archive with a `switchboard.toml` and code: tools, resources and
prompts of your own, served beside those of every server. `[bundle.NAME]` in the configuration says where
it is, or `push` gives it to the daemon, which keeps its versions.

Examples:
  switchboard bundle new weather
  switchboard bundle check weather
  switchboard bundle run weather forecast city=Bern
  switchboard bundle push weather --set token=abc
  switchboard bundle versions weather
  switchboard bundle rollback weather
  switchboard bundle list"
)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(clap::Subcommand, Debug)]
enum Action {
    /// Begin a bundle: a directory with a manifest and a tool that works
    New(New),
    /// Look for what is wrong with a bundle, and load its code once
    Check {
        /// A directory or a ZIP archive
        path: PathBuf,
    },
    /// Try a tool, without a daemon
    Run(Run),
    /// Make a ZIP archive of a directory
    Pack {
        /// The directory
        path: PathBuf,
        /// The archive [default: the name of the bundle with `.zip`]
        #[arg(long, short, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// Give a bundle to the daemon, which keeps and serves it
    Push(Push),
    /// List the bundles that the daemon serves
    List {
        #[command(flatten)]
        whose: Whose,
    },
    /// List the versions that are kept of a bundle that was pushed
    Versions(Named),
    /// Have an older version of a bundle served again
    Rollback {
        #[command(flatten)]
        named: Named,
        /// How the digest of the version begins [default: the one that was pushed before]
        digest: Option<String>,
    },
    /// Serve a bundle that was pushed no more, and delete its versions
    Remove(Named),
}

/// What a bundle has.
#[derive(Debug, Serialize)]
struct Checked {
    name: String,
    version: Option<String>,
    digest: String,
    files: usize,
    tools: Vec<String>,
    resources: Vec<String>,
    prompts: Vec<String>,
}

#[derive(Debug, Serialize)]
struct Packed {
    file: PathBuf,
    bytes: usize,
    digest: String,
}

#[derive(Debug, Serialize)]
struct Served {
    name: String,
    kind: String,
    state: String,
    version: Option<String>,
    tools: Option<usize>,
    problem: Option<String>,
}

pub(crate) fn run(args: Args, context: &Context) -> Result<Exit, Failure> {
    match args.action {
        Action::New(new) => new::run(&new, context),
        Action::Check { path } => check(&path, context),
        Action::Run(run) => run::run(run, context),
        Action::Pack { path, output } => pack(&path, output, context),
        Action::Push(push) => push::run(&push, context),
        Action::List { whose } => list(whose, context),
        Action::Versions(named) => kept::versions(named, context),
        Action::Rollback { named, digest } => kept::roll_back(named, digest.as_deref(), context),
        Action::Remove(named) => kept::remove(named, context),
    }
}

fn check(path: &Path, context: &Context) -> Result<Exit, Failure> {
    let progress = context.output.progress("Loading its code");
    let checked = context.runtime()?.block_on(async {
        let trial = open(path, &[], context).await?;
        let problems = trial.verify().await;
        let checked = checked(&trial);
        trial.close().await;
        match problems.is_empty() {
            true => Ok(checked),
            false => Err(wrong(path, &problems.join("; "))),
        }
    });
    drop(progress);
    context.output.show(&checked?, render)?;
    Ok(Exit::Ok)
}

/// A trial of a bundle, with what is set of it.
async fn open(path: &Path, set: &[(String, String)], context: &Context) -> Result<Trial, Failure> {
    let secret = |(name, value): &(String, String)| (name.clone(), value.clone().into());
    let set = set.iter().map(secret).collect();
    let config = config(context)?;
    let trial = Trial::open(path, &config, &set, &context.variables).await;
    trial.map_err(|problem| wrong(path, &problem))
}

fn config(context: &Context) -> Result<Config, Failure> {
    let loaded = context.sources.load().map_err(|wrong| Failure::configuration(&wrong))?;
    Ok(loaded.value)
}

fn wrong(path: &Path, problem: &str) -> Failure {
    Failure::new("bundle-invalid", format!("`{}` cannot be served", path.display()))
        .with_cause(untrusted::text(problem))
        .with_hint("docs/guide/bundles.md says what belongs into a bundle")
}

fn checked(trial: &Trial) -> Checked {
    let manifest = &trial.manifest;
    let of = |kinds: &[FunctionKind]| -> Vec<String> {
        let functions = manifest.functions.iter().filter(|it| kinds.contains(&it.kind));
        functions.map(|function| function.key.clone()).collect()
    };
    Checked {
        name: manifest.name.clone(),
        version: manifest.version.clone(),
        digest: trial.digest.clone(),
        files: trial.files,
        tools: of(&[FunctionKind::Tool]),
        resources: of(&[FunctionKind::Resource, FunctionKind::Template]),
        prompts: of(&[FunctionKind::Prompt]),
    }
}

fn render(checked: &Checked) -> String {
    let version = checked.version.as_deref().map(|it| format!(" {it}")).unwrap_or_default();
    let mut text =
        format!("{}{version}, {}, all good\n", checked.name, count(checked.files, "file"));
    let lists = [
        ("tools", &checked.tools),
        ("resources", &checked.resources),
        ("prompts", &checked.prompts),
    ];
    for (noun, names) in lists.iter().filter(|(_, names)| !names.is_empty()) {
        text.push_str(&format!("  {noun}: {}\n", names.join(", ")));
    }
    text.push_str(&format!("  sha256: {}", checked.digest));
    untrusted::text(&text)
}

fn pack(path: &Path, output: Option<PathBuf>, context: &Context) -> Result<Exit, Failure> {
    let caps = config(context)?.bundles.caps();
    // Whoever packs it signs it afterwards.
    let archive = Source::new(path.to_path_buf()).read(&caps, &SigningKeys::default());
    let archive = archive.map_err(|error| wrong(path, &error.to_string()))?;
    let manifest = switchboard_function::Manifest::of(&archive);
    let manifest = manifest.map_err(|error| wrong(path, &error.to_string()))?;
    let bytes = archive.zip().map_err(|error| wrong(path, &error))?;
    let file = output.unwrap_or_else(|| PathBuf::from(format!("{}.zip", manifest.name)));
    fs::write(&file, &bytes).map_err(|error| {
        Failure::new("file-io", format!("`{}` cannot be written", file.display())).with_cause(error)
    })?;
    let digest = switchboard_function::Digest::of(&bytes).to_string();
    let packed = Packed { file, bytes: bytes.len(), digest };
    context.output.show(&packed, |packed| {
        let file = packed.file.display();
        format!("wrote {file}, {} bytes\n  sha256: {}", packed.bytes, packed.digest)
    })?;
    Ok(Exit::Ok)
}

/// What the daemon serves of its own.
fn own(context: &Context) -> Result<Vec<Served>, Failure> {
    let status = context.runtime()?.block_on(daemon::status(context))?;
    let bundles = status.upstreams.into_iter().filter(|upstream| is_bundle(&upstream.kind));
    let bundles = bundles
        .map(|upstream| Served {
            // What it says of itself is its name and its version.
            version: upstream.software.and_then(|it| Some(it.split_once(' ')?.1.to_owned())),
            name: upstream.name,
            kind: upstream.kind,
            state: upstream.state,
            tools: upstream.tools,
            problem: upstream.problem,
        })
        .collect();
    Ok(bundles)
}

fn is_bundle(kind: &str) -> bool {
    matches!(kind, "python" | "wasm" | "bundle")
}

/// A server as the management surface shows it.
#[derive(serde::Deserialize)]
struct Server {
    name: String,
    state: String,
    transport: String,
    tools: Option<usize>,
    reason: Option<String>,
}

/// What the daemon serves for a tenant.
fn of_tenant(rest: &Rest<'_>) -> Result<Vec<Served>, Failure> {
    let servers: Vec<Server> = rest.get("/servers")?;
    let bundles = servers.into_iter().filter(|server| is_bundle(&server.transport));
    let served = |server: Server| Served {
        name: server.name,
        kind: server.transport,
        state: server.state.to_lowercase(),
        version: None,
        tools: server.tools,
        problem: server.reason,
    };
    Ok(bundles.map(served).collect())
}

fn list(whose: Whose, context: &Context) -> Result<Exit, Failure> {
    let rest = Rest::new(context, whose, kept::NOUN)?;
    let bundles = match rest.tenant() {
        Some(_) => of_tenant(&rest)?,
        None => own(context)?,
    };
    if bundles.is_empty() && !context.json {
        context.output.note("No bundle is served; `switchboard bundle new` begins one.");
        return Ok(Exit::Ok);
    }
    context.output.show(&bundles, |bundles| {
        let mut table = Table::new(&["BUNDLE", "KIND", "STATE", "VERSION", "TOOLS", "PROBLEM"]);
        for bundle in bundles {
            table.row([
                bundle.name.clone(),
                bundle.kind.clone(),
                bundle.state.clone(),
                untrusted::line(bundle.version.as_deref().unwrap_or("-")),
                bundle.tools.map_or("-".to_owned(), |tools| tools.to_string()),
                bundle.problem.as_deref().map(untrusted::line).unwrap_or_default(),
            ]);
        }
        table.render(context.output.width())
    })?;
    Ok(Exit::Ok)
}
