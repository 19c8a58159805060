//! Everything between the listeners and the servers, put together.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use switchboard_core::{Gateway, Tenant};
use switchboard_process::{GuardCommand, Options, Spawner, allowed_environment};
use switchboard_telemetry::log::{self, Reloadable};
use switchboard_telemetry::metrics::Metrics;
use switchboard_upstream::{Environment, ListCache};
use tokio_util::task::TaskTracker;

use crate::bundles::Bundles;
use crate::clock::now;
use crate::config::{Config, LogFormat};
use crate::fleet::{self, Fleet, Scoped};
use crate::identity::{Identity, Surroundings};
use crate::keep::Kept;
use crate::login::KeyLogin;
use crate::middle::Middle;
use crate::outside::{Outside, owner};
use crate::paths::Paths;
use crate::problem::StartProblem;
use crate::sources::Sources;

/// What parts are put together for.
pub(crate) struct Around<'a> {
    pub paths: &'a Paths,
    pub sources: &'a Sources,
    pub config: &'a Config,
    pub metrics: &'a Metrics,
}

/// Everything between the listeners and the servers.
pub(crate) struct Assembled {
    pub fleet: Arc<Fleet>,
    pub gateway: Arc<Gateway>,
    pub spawner: Spawner,
    pub environment: Environment,
    pub bundles: Arc<Bundles>,
}

pub(crate) async fn assemble(
    around: &Around<'_>,
    (middle, kept): (&Middle, Option<&Kept>),
    guard: Option<GuardCommand>,
) -> Result<Assembled, StartProblem> {
    let Around { paths, sources, config, metrics } = around;
    let options = Options { state_dir: paths.children(), guard };
    let (spawner, settled) = Spawner::start(options).await.map_err(|error| {
        let cause = format!("{error}: {}", error.cause);
        StartProblem::new("process-ledger", "children cannot be recorded").because(cause)
    })?;
    for leftover in &settled.killed {
        tracing::warn!(
            pid = leftover.pid,
            upstream = leftover.label,
            "ended a child that an earlier daemon left"
        );
    }
    let variables: BTreeMap<_, _> =
        sources.variables.iter().map(|(name, value)| (name.clone(), value.into())).collect();
    let gateway = Arc::new(middle.gateway());
    let scoped = Scoped::new((*metrics).clone(), &Tenant::default());
    let tenant = Tenant::default();
    let report = fleet::Report::new(scoped, (&gateway, &tenant), &middle.watchers);
    let (egress, state) = (config.egress.clone(), paths.state.clone());
    let outside = tokio::task::spawn_blocking(move || Outside::open(&egress, &state)).await;
    let Outside { guard, logins } = outside.expect("opening does not panic")?;
    let environment = Environment {
        spawner: spawner.clone(),
        child_variables: allowed_environment(&variables),
        cache: ListCache::new(paths.lists()),
        guard,
        logins,
        owner: owner(),
        dialer: None,
        tasks: TaskTracker::new(),
        events: Arc::clone(&report) as _,
    };
    let places = (&*paths.state, sources.directory());
    let bundles = Arc::new(Bundles::new(places, kept.cloned(), &environment, &sources.variables));
    let behind = (Arc::clone(&gateway), middle.access(&tenant));
    let grace = config.daemon.drain.as_duration();
    let fleet = Fleet::new(behind, environment.clone(), report, grace);
    Ok(Assembled { fleet, gateway, spawner, environment, bundles })
}

/// Who may call.
pub(crate) async fn identity(
    around: &Around<'_>,
    kept: &Kept,
    environment: &Environment,
    login: &Arc<KeyLogin>,
) -> Result<Identity, StartProblem> {
    let surroundings = Surroundings {
        store: Arc::clone(&kept.store),
        guard: environment.guard.clone(),
        tasks: environment.tasks.clone(),
        instance: Arc::clone(login) as _,
        secret_file: around.paths.state.join("tokens.key"),
    };
    let config = around.config.auth.beside(around.sources.directory());
    Identity::new(config, surroundings).await
}

pub(crate) fn start_log(
    config: &Config,
    paths: Option<&Paths>,
    stderr: bool,
    metrics: &Metrics,
) -> Result<Reloadable, StartProblem> {
    let file = paths.map(|paths| log::FileConfig {
        max_bytes: config.log.file_size.bytes(),
        max_age: config.log.file_age.as_duration(),
        keep: config.log.files,
        ..log::FileConfig::new(paths.log())
    });
    let format = match config.log.format {
        LogFormat::Text => log::Format::Text,
        LogFormat::Json => log::Format::Json,
    };
    log::init(log::LogConfig {
        format,
        filter: config.log.level.clone(),
        file,
        stderr,
        colour: false,
        clock: Arc::new(now),
        lost: metrics.lost_lines(),
    })
    .map_err(|error| {
        StartProblem::new(error.code(), "the log cannot be written")
            .because(&error)
            .hint(error.hint())
    })
}

pub(crate) fn make_private(directory: &Path) -> Result<(), StartProblem> {
    use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
    let make = || {
        std::fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
        std::fs::set_permissions(directory, std::fs::Permissions::from_mode(0o700))
    };
    make().map_err(|error| {
        StartProblem::new("state-unusable", format!("cannot use `{}`", directory.display()))
            .because(error)
            .hint("SWITCHBOARD_STATE_DIR names another directory")
    })
}
