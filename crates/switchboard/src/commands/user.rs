//! `switchboard user`.

mod password;

use serde::{Deserialize, Serialize};
use serde_json::json;

use self::password::Given;
use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Table;
use crate::rest::{Rest, Whose, moment, segment, words};
use crate::untrusted;

#[derive(clap::Args, Debug)]
#[command(
    after_help = "A user is a person with a password, who logs in at /auth/token for a token. Passwords are asked
for on the terminal, or are the first line of standard input or of a file; they are never an
argument, which other users of the machine could read.

Examples:
  switchboard user add ann --tenant acme --role admin
  pass show acme/ann | switchboard user add ann --tenant acme
  switchboard user set-password ann --password-file new-password
  switchboard user list --tenant acme
  switchboard user remove ann"
)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(clap::Subcommand, Debug)]
enum Action {
    /// Add a user
    Add {
        #[arg(id = "called", value_name = "NAME")]
        name: String,
        #[command(flatten)]
        whose: Whose,
        /// Give the user a role; `admin` manages the tenant, none is needed to use what it is served
        #[arg(long = "role", value_name = "ROLE")]
        roles: Vec<String>,
        /// Limit the user: `server:NAME`, `tool:NAME`, `effect:read|write|destructive`
        #[arg(long = "scope", value_name = "SCOPE")]
        scopes: Vec<String>,
        #[command(flatten)]
        password: Given,
    },
    /// List the users
    List {
        #[command(flatten)]
        whose: Whose,
    },
    /// Give a user another password; roles and scopes stay
    SetPassword {
        #[arg(id = "called", value_name = "NAME")]
        name: String,
        #[command(flatten)]
        whose: Whose,
        #[command(flatten)]
        password: Given,
    },
    /// Remove a user; tokens that were handed out end within minutes
    Remove {
        #[arg(id = "called", value_name = "NAME")]
        name: String,
        #[command(flatten)]
        whose: Whose,
    },
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct User {
    name: String,
    roles: Vec<String>,
    scopes: Option<Vec<String>>,
    updated_by: Option<String>,
    created_at: Option<String>,
    updated_at: Option<String>,
}

const NOUN: &str = "user";

pub(crate) fn run(args: Args, context: &Context) -> Result<Exit, Failure> {
    match args.action {
        Action::Add { name, whose, roles, scopes, password } => {
            let rest = Rest::new(context, whose, NOUN)?;
            // Before anybody is asked for a password.
            if rest.find::<User>(&place(&name))?.is_some() {
                return Err(Failure::new("manage-conflict", format!("there is a user `{name}`"))
                    .with_hint(format!(
                        "`switchboard user set-password {name}` gives them another password"
                    )));
            }
            let password = password.read(context, &name)?;
            let scopes = (!scopes.is_empty()).then_some(scopes);
            let wish = json!({ "password": password, "roles": roles, "scopes": scopes });
            let user: User = rest.send("PATCH", &place(&name), &wish)?;
            context.output.show(&user, |user| format!("added user `{}`", user.name))?;
        }
        Action::List { whose } => {
            let users: Vec<User> = Rest::new(context, whose, NOUN)?.all("/users")?;
            context.output.show(&users, |users| render(users, context.output.width()))?;
        }
        Action::SetPassword { name, whose, password } => {
            let rest = Rest::new(context, whose, NOUN)?;
            rest.get::<User>(&place(&name))?;
            let wish = json!({ "password": password.read(context, &name)? });
            let user: User = rest.send("PATCH", &place(&name), &wish)?;
            let said = |user: &User| format!("user `{}` has another password", user.name);
            context.output.show(&user, said)?;
        }
        Action::Remove { name, whose } => {
            Rest::new(context, whose, NOUN)?.delete(&place(&name))?;
            context
                .output
                .show(&json!({ "removed": name }), |_| format!("removed user `{name}`"))?;
        }
    }
    Ok(Exit::Ok)
}

fn place(name: &str) -> String {
    format!("/users/{}", segment(name))
}

fn render(users: &[User], width: Option<u16>) -> String {
    if users.is_empty() {
        return "no users".to_owned();
    }
    let mut table = Table::new(&["NAME", "CHANGED", "BY", "ROLES", "SCOPES"]);
    for user in users {
        table.row([
            untrusted::line(&user.name),
            moment(user.updated_at.as_deref()),
            untrusted::line(user.updated_by.as_deref().unwrap_or("-")),
            words(&user.roles),
            words(user.scopes.as_deref().unwrap_or_default()),
        ]);
    }
    table.render(width)
}
