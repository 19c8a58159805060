//! `switchboard config`.

use serde_json::json;
use switchboard_config::Settings;
use switchboard_daemon::Config;

use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::untrusted;

#[derive(clap::Args, Debug)]
#[command(
    after_help = "Settings come from, later ones winning: defaults, the file, SWITCHBOARD_* variables, flags.

Examples:
  switchboard config check
  switchboard config explain http.port
  switchboard config schema > switchboard.schema.json"
)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(clap::Subcommand, Debug)]
enum Action {
    /// Look for mistakes
    Check,
    /// Show every setting in effect and where it came from, secrets hidden
    Show,
    /// Say what a setting is, where it came from and what it means
    Explain {
        /// The setting, such as `http.port`
        key: String,
    },
    /// Print the JSON schema of the configuration, for editors
    Schema,
}

pub(crate) fn run(args: Args, context: &Context) -> Result<Exit, Failure> {
    match args.action {
        Action::Check => check(context)?,
        Action::Show => {
            let settings = settings(context)?;
            let text = settings.show();
            context.output.show(&json!({ "toml": text }), |_| text.clone())?;
        }
        Action::Explain { key } => {
            let explanation = settings(context)?.explain(&key);
            let explanation = explanation.map_err(|diagnostic| {
                let mut failure = Failure::new(diagnostic.code, diagnostic.message);
                failure.hint = diagnostic.hint;
                failure.with_exit(Exit::Usage)
            })?;
            context.output.show(&explanation, ToString::to_string)?;
        }
        Action::Schema => {
            let schema = switchboard_config::schema::<Config>();
            let text = serde_json::to_string_pretty(&schema).expect("a schema is JSON");
            context.output.data(&text)?;
        }
    }
    Ok(Exit::Ok)
}

fn settings(context: &Context) -> Result<Settings, Failure> {
    let loaded = context.sources.load();
    Ok(loaded.map_err(|diagnostics| Failure::configuration(&diagnostics))?.settings)
}

/// Goes as far as a daemon goes before it opens anything.
fn check(context: &Context) -> Result<(), Failure> {
    let wrong = |diagnostics: Vec<_>| Failure::configuration(&diagnostics);
    let loaded = context.sources.load().map_err(wrong)?;
    let config = &context.paths.config;
    let plan =
        switchboard_daemon::plan(&loaded.value, config, &context.variables).map_err(wrong)?;
    for note in &plan.notes {
        context.output.note(&format!("note: {}", untrusted::line(note)));
    }
    let found = config.exists();
    let value = json!({ "ok": true, "file": found.then_some(config), "notes": plan.notes });
    context.output.show(&value, |_| {
        if found {
            format!("{} is fine.", config.display())
        } else {
            format!("There is no {}; the defaults are in effect.", config.display())
        }
    })
}
