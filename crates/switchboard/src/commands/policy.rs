//! `switchboard policy`.

mod check;

use std::io::Read as _;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::json;

use self::check::Check;
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Table;
use crate::rest::{Rest, Whose, moment, segment};
use crate::untrusted;

#[derive(clap::Args, Debug)]
#[command(
    after_help = "Policies are written in Cedar. Those of the configuration hold in all tenants, those that are kept
in the tenant that keeps them, at once and without a restart.

Examples:
  switchboard policy check --as ci 'call github__create_issue'
  switchboard policy check --role guest --tenant acme list
  switchboard policy set guests-read --tenant acme guests.cedar
  switchboard policy list"
)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(clap::Subcommand, Debug)]
enum Action {
    /// Say whether somebody may do something, and by which policy
    Check(Check),
    /// List the policies that are kept
    List {
        #[command(flatten)]
        whose: Whose,
    },
    /// Make a policy, or put another in its place
    Set {
        /// What it is called
        id: String,
        /// A file with policies in Cedar; `-` for standard input
        #[arg(value_name = "FILE")]
        file: PathBuf,
        #[command(flatten)]
        whose: Whose,
    },
    /// Let a policy hold no more
    Remove {
        id: String,
        #[command(flatten)]
        whose: Whose,
    },
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct Policy {
    id: String,
    text: String,
    version: i64,
    updated_by: Option<String>,
    created_at: Option<String>,
    updated_at: Option<String>,
}

const NOUN: &str = "policy";

pub(crate) fn run(args: Args, context: &Context) -> Result<Exit, Failure> {
    match args.action {
        Action::Check(check) => return check::run(check, context),
        Action::List { whose } => {
            let policies: Vec<Policy> = Rest::new(context, whose, NOUN)?.all("/policies")?;
            context.output.show(&policies, |it| render(it, context.output.width()))?;
        }
        Action::Set { id, file, whose } => {
            let wish = json!({ "text": read(&file)? });
            let rest = Rest::new(context, whose, NOUN)?;
            let policy: Policy = rest.send("PUT", &place(&id), &wish)?;
            context.output.show(&policy, |policy| format!("policy `{}` holds", policy.id))?;
        }
        Action::Remove { id, whose } => {
            Rest::new(context, whose, NOUN)?.delete(&place(&id))?;
            context.output.show(&json!({ "removed": id }), |_| format!("removed policy `{id}`"))?;
        }
    }
    Ok(Exit::Ok)
}

fn place(id: &str) -> String {
    format!("/policies/{}", segment(id))
}

fn read(file: &Path) -> Result<String, Failure> {
    let mut text = String::new();
    let read = match file.to_str() {
        Some("-") => std::io::stdin().lock().read_to_string(&mut text),
        _ => std::fs::File::open(file).and_then(|mut file| file.read_to_string(&mut text)),
    };
    read.map_err(|error| {
        Failure::new("file-io", format!("`{}` cannot be read", file.display())).with_cause(error)
    })?;
    Ok(text)
}

fn render(policies: &[Policy], width: Option<u16>) -> String {
    if policies.is_empty() {
        return "no policies are kept".to_owned();
    }
    let mut table = Table::new(&["ID", "CHANGED", "BY", "BEGINS"]);
    for policy in policies {
        table.row([
            untrusted::line(&policy.id),
            moment(policy.updated_at.as_deref()),
            untrusted::line(policy.updated_by.as_deref().unwrap_or("-")),
            untrusted::line(&policy.text),
        ]);
    }
    table.render(width)
}
