//! The configuration as it is, and as it is to be: read, extended, checked, and taken back if that fails.

use std::path::PathBuf;

use switchboard_daemon::{Config, Plan as Planned};

use crate::context::Context;
use crate::failure::Failure;
use crate::setup::change::{self, Change};
use crate::setup::edit::edited;
use crate::setup::existing::Existing;
use crate::setup::plan::{Demo, Plan};
use crate::setup::{absolute, name, program};
use crate::time::now;

/// The configuration before anything is changed.
pub(crate) struct Current {
    pub(crate) path: PathBuf,
    text: Option<String>,
    pub(crate) config: Config,
    pub(crate) existing: Existing,
}

/// Reads the configuration. One that is not there is empty; one that is wrong is for the person.
pub(crate) fn current(context: &Context) -> Result<Current, Failure> {
    let path = absolute(&context.paths.config)?;
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => Some(text),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => None,
        Err(error) => {
            let message = format!("the configuration `{}` cannot be read", path.display());
            return Err(Failure::new("config-invalid", message).with_cause(error));
        }
    };
    let (config, planned) = load(context)?;
    let existing = Existing::of(&config, &planned);
    Ok(Current { path, text, config, existing })
}

/// What the daemon would make of the configuration.
fn load(context: &Context) -> Result<(Config, Planned), Failure> {
    let mut sources = context.sources.clone();
    // A file that was named and is not there yet is one that we are about to write.
    sources.file_required = false;
    let wrong = |mistakes: Vec<_>| Failure::configuration(&mistakes);
    let config = sources.load().map_err(wrong)?.value;
    let planned = switchboard_daemon::plan(&config, &context.paths.config, &context.variables);
    Ok((config, planned.map_err(wrong)?))
}

/// The demonstration server under a name that nothing else has.
pub(crate) fn demo(existing: &Existing, plan: &Plan) -> Result<Demo, Failure> {
    let is_taken = |name: &str| {
        existing.upstreams.contains_key(name)
            || plan.tables.iter().any(|addition| addition.name == name)
    };
    let usual = "demo";
    let name = if is_taken(usual) {
        name::second("switchboard", usual, is_taken)
    } else {
        usual.to_owned()
    };
    Ok(Demo { name, program: program()? })
}

/// Writes `current` with `plan` added, so that `switchboard undo` can take it back.
///
/// What the daemon would refuse is not left behind.
pub(crate) fn write(context: &Context, current: &Current, plan: &Plan) -> Result<(), Failure> {
    let state = absolute(&context.paths.state)?;
    let before = current.text.as_deref();
    let (after, secrets) = edited(before, plan, &state.join("secrets"))?;
    let backups = absolute(&context.paths.backups())?;
    let change = Change { path: &current.path, before, after: &after, secrets: &secrets };
    let made = change.make(&backups, &change::stamp(now()))?;
    if let Err(failure) = load(context) {
        made.undo()?;
        return Err(failure.with_hint(
            "nothing was changed; leave out what this is about by answering with numbers",
        ));
    }
    Ok(())
}
