//! `switchboard key`.

use serde::{Deserialize, Serialize};
use serde_json::json;
use switchboard_config::TimeSpan;

use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Table;
use crate::rest::{Rest, Whose, moment, segment, words};
use crate::time::{ahead, rfc3339};
use crate::untrusted;

#[derive(clap::Args, Debug)]
#[command(
    after_help = "A key is for a program: it has a name, may be limited, and can be taken back alone. The key of
the instance (`switchboard show-key`) is for whoever runs the daemon.

Examples:
  switchboard key create ci --server github --effect read --expires 90d
  switchboard key create ci --tenant acme --role admin --quiet > ci.key
  switchboard key list --tenant acme
  switchboard key rotate ci --grace 1h --quiet > ci.key
  switchboard key revoke ci"
)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(clap::Subcommand, Debug)]
enum Action {
    /// Make a key, whose text is shown this once
    Create(Create),
    /// List the keys, those that are revoked included
    List {
        #[command(flatten)]
        whose: Whose,
    },
    /// Make another text for a key, which is shown this once
    Rotate(Rotate),
    /// Take a key back; what was opened with it ends
    Revoke {
        /// Its id, or its name where only one key has it
        #[arg(value_name = "KEY")]
        key: String,
        #[command(flatten)]
        whose: Whose,
    },
}

#[derive(clap::Args, Debug)]
struct Create {
    /// What people call it
    #[arg(id = "called", value_name = "NAME")]
    name: String,
    #[command(flatten)]
    whose: Whose,
    /// Give it a role; `admin` manages the tenant, none is needed to use what the tenant is served
    #[arg(long = "role", value_name = "ROLE")]
    roles: Vec<String>,
    /// Limit it to this server; `*` at the end stands for anything, here and below
    #[arg(long = "server", value_name = "NAME")]
    servers: Vec<String>,
    /// Limit it to this tool, as clients know it
    #[arg(long = "tool", value_name = "NAME")]
    tools: Vec<String>,
    /// Limit it to tools that do this; by what their servers say of them
    #[arg(long = "effect", value_name = "EFFECT", value_delimiter = ',',
        value_parser = ["read", "write", "destructive"])]
    effects: Vec<String>,
    /// When it ends: a span such as `12h`, `90d`, or a time such as `2027-01-31T00:00:00Z`
    #[arg(long, value_name = "WHEN")]
    expires: Option<String>,
    /// How many requests it is good for in a minute
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    per_minute: Option<u32>,
    /// As whom it acts, instead of as itself: `user:NAME` or `service:NAME`
    #[arg(long, value_name = "SUBJECT")]
    subject: Option<String>,
    /// Print the bare key and nothing about it
    #[arg(short, long)]
    quiet: bool,
}

#[derive(clap::Args, Debug)]
struct Rotate {
    /// Its id, or its name where only one key has it
    #[arg(value_name = "KEY")]
    key: String,
    #[command(flatten)]
    whose: Whose,
    /// How long the text before stays good; `0s` ends it at once, and what was opened with it
    #[arg(long, value_name = "SPAN", default_value = "1d")]
    grace: TimeSpan,
    /// Print the bare key and nothing about it
    #[arg(short, long)]
    quiet: bool,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct Key {
    id: String,
    name: Option<String>,
    subject: Option<String>,
    roles: Vec<String>,
    scopes: Option<Vec<String>>,
    per_minute: Option<i64>,
    expires_at: Option<String>,
    last_used_at: Option<String>,
    revoked_at: Option<String>,
    created_at: Option<String>,
}

#[derive(Debug, Deserialize, Serialize)]
struct Made {
    key: Key,
    text: String,
}

const NOUN: &str = "key";

pub(crate) fn run(args: Args, context: &Context) -> Result<Exit, Failure> {
    match args.action {
        Action::Create(create) => make(create, context)?,
        Action::List { whose } => {
            let keys: Vec<Key> = Rest::new(context, whose, NOUN)?.all("/keys")?;
            context.output.show(&keys, |keys| render(keys, context.output.width()))?;
        }
        Action::Rotate(wish) => rotate(wish, context)?,
        Action::Revoke { key, whose } => {
            let rest = Rest::new(context, whose, NOUN)?;
            let key = meant(&rest, &key)?;
            rest.delete(&format!("/keys/{}", segment(&key.id)))?;
            let key: Key = rest.get(&format!("/keys/{}", segment(&key.id)))?;
            context.output.show(&key, |key| format!("revoked key `{}`", key.id))?;
        }
    }
    Ok(Exit::Ok)
}

fn make(create: Create, context: &Context) -> Result<(), Failure> {
    let Create { name, whose, roles, servers, tools, effects, expires, per_minute, subject, quiet } =
        create;
    let scope = |sort: &str, names: Vec<String>| {
        names.into_iter().map(|name| format!("{sort}:{name}")).collect::<Vec<_>>()
    };
    let scopes =
        [scope("server", servers), scope("tool", tools), scope("effect", effects)].concat();
    let expires = expires.map(|text| ahead("--expires", &text).map(rfc3339)).transpose()?;
    let wish = json!({
        "name": name,
        "roles": roles,
        // A list that is empty would be for nothing.
        "scopes": (!scopes.is_empty()).then_some(scopes),
        "expiresAt": expires,
        "perMinute": per_minute,
        "subject": subject,
    });
    let rest = Rest::new(context, whose, NOUN)?;
    let made: Made = rest.send("POST", "/keys", &wish)?;
    show(&rest, &made, quiet, context)
}

fn rotate(wish: Rotate, context: &Context) -> Result<(), Failure> {
    let Rotate { key, whose, grace, quiet } = wish;
    let rest = Rest::new(context, whose, NOUN)?;
    let key = meant(&rest, &key)?;
    let seconds = u32::try_from(grace.as_duration().as_secs()).unwrap_or(u32::MAX);
    let path = format!("/keys/{}/rotate", segment(&key.id));
    let made: Made = rest.send("POST", &path, &json!({ "graceSeconds": seconds }))?;
    show(&rest, &made, quiet, context)
}

fn show(rest: &Rest<'_>, made: &Made, quiet: bool, context: &Context) -> Result<(), Failure> {
    context.output.show(made, |made| made.text.clone())?;
    if !quiet && !context.json {
        context.output.note(&what_to_do(rest, &made.key)?);
    }
    Ok(())
}

/// What is said beside the text of a new key.
fn what_to_do(rest: &Rest<'_>, key: &Key) -> Result<String, Failure> {
    let (address, part) = rest.address()?;
    let part = part.map(|part| format!("  {part}\n")).unwrap_or_default();
    let tenant = rest.tenant().map(|tenant| format!(" --tenant '{tenant}'")).unwrap_or_default();
    Ok(format!(
        "
It is not shown again: put it where its program looks for it, and nowhere else. The program sends
it to {address} as a header, either of:
  X-API-Key: KEY
  Authorization: Bearer KEY
{part}
`switchboard key revoke {}{tenant}` takes it back.",
        key.id
    ))
}

/// The key that a person means.
fn meant(rest: &Rest<'_>, text: &str) -> Result<Key, Failure> {
    if let Some(key) = rest.find(&format!("/keys/{}", segment(text)))? {
        return Ok(key);
    }
    let keys: Vec<Key> = rest.all("/keys")?;
    let named = |key: &Key| key.name.as_deref() == Some(text) && key.revoked_at.is_none();
    let mut named: Vec<Key> = keys.into_iter().filter(named).collect();
    match named.len() {
        0 => Err(Failure::new("manage-missing", format!("there is no key `{text}`"))
            .with_hint("`switchboard key list` shows what is there")),
        1 => Ok(named.remove(0)),
        _ => {
            let ids: Vec<_> = named.iter().map(|key| format!("`{}`", key.id)).collect();
            Err(Failure::usage(format!("several keys are named `{text}`"))
                .with_hint(format!("give an id: {}", ids.join(", "))))
        }
    }
}

fn render(keys: &[Key], width: Option<u16>) -> String {
    if keys.is_empty() {
        return "no keys".to_owned();
    }
    let mut table = Table::new(&["ID", "NAME", "STATE", "EXPIRES", "LAST USED", "ROLES", "SCOPES"]);
    for key in keys {
        let now = rfc3339(crate::time::now());
        let state = match key {
            Key { revoked_at: Some(_), .. } => "revoked",
            Key { expires_at: Some(until), .. } if *until <= now => "expired",
            _ => "valid",
        };
        table.row([
            key.id.clone(),
            untrusted::line(key.name.as_deref().unwrap_or("-")),
            state.to_owned(),
            moment(key.expires_at.as_deref()),
            moment(key.last_used_at.as_deref()),
            words(&key.roles),
            words(key.scopes.as_deref().unwrap_or_default()),
        ]);
    }
    table.render(width)
}
