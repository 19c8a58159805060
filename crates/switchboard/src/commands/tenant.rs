//! `switchboard tenant`.

use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::rest::{Rest, Whose, segment};

#[derive(clap::Args, Debug)]
#[command(
    after_help = "A tenant has servers, keys, users, policies, limits and records of its own, at /TENANT/mcp. One
is also there once anything is kept for it, such as a key.

Examples:
  switchboard tenant create acme
  switchboard tenant list
  switchboard tenant remove acme --yes"
)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(clap::Subcommand, Debug)]
enum Action {
    /// Make a tenant
    Create {
        /// `ENDPOINT`, or `ENDPOINT#PART` for a part of one (header `Part-Id`)
        #[arg(id = "called", value_name = "NAME")]
        name: String,
    },
    /// List the tenants
    List,
    /// End what serves a tenant, and delete everything that is kept of it
    Remove {
        #[arg(id = "called", value_name = "NAME")]
        name: String,
        /// Delete it without asking
        #[arg(short, long)]
        yes: bool,
    },
}

#[derive(Debug, Deserialize, Serialize)]
struct Tenant {
    name: String,
}

const NOUN: &str = "tenant";

pub(crate) fn run(args: Args, context: &Context) -> Result<Exit, Failure> {
    let rest = Rest::new(context, Whose::default(), NOUN)?;
    match args.action {
        Action::Create { name } => {
            let tenant: Tenant = rest.send("POST", "/tenants", &json!({ "name": name }))?;
            context.output.show(&tenant, |tenant| format!("made tenant `{}`", tenant.name))?;
        }
        Action::List => {
            let tenants: Vec<String> = rest.get("/tenants")?;
            context.output.show(&tenants, |tenants| tenants.join("\n"))?;
        }
        Action::Remove { name, yes } => {
            if !yes && !agreed(context, &rest, &name)? {
                context.output.note("Nothing was changed.");
                return Ok(Exit::Ok);
            }
            let progress = context.output.progress("Deleting what is kept of it");
            rest.delete(&format!("/tenants/{}", segment(&name)))?;
            drop(progress);
            let said = format!("removed tenant `{name}`");
            context.output.show(&json!({ "removed": name }), |_| said)?;
        }
    }
    Ok(Exit::Ok)
}

fn agreed(context: &Context, rest: &Rest<'_>, name: &str) -> Result<bool, Failure> {
    let tenants: Vec<String> = rest.get("/tenants")?;
    if !tenants.iter().any(|tenant| tenant == name) {
        return Err(Failure::new("manage-missing", format!("there is no tenant `{name}`"))
            .with_hint("`switchboard tenant list` shows what is there"));
    }
    if !context.output.is_interactive() {
        return Err(Failure::usage("there is nobody to ask, because this is not a terminal")
            .with_hint("add `--yes` to delete it"));
    }
    let question =
        format!("Delete servers, keys, users, policies and records of `{name}` for good?");
    context.output.confirm(&question, false)
}
