//! `switchboard limit`.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Table;
use crate::rest::{Rest, Whose, moment, segment};
use crate::untrusted;

#[derive(clap::Args, Debug)]
#[command(
    after_help = "Limits that are kept hold for the principals of their tenant, beside those of the configuration,
at once and without a restart. Whoever runs the daemon is limited on its machine only where --role
or --subject says so.

Examples:
  switchboard limit set calm --rate 100/min --burst 20
  switchboard limit set guests --tenant acme --role guest --calls-per-day 500
  switchboard limit list --tenant acme
  switchboard limit remove calm"
)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(clap::Subcommand, Debug)]
#[expect(clippy::large_enum_variant, reason = "there is one of them in a process")]
enum Action {
    /// List the limits that are kept; those of the configuration are in `switchboard config show`
    List {
        #[command(flatten)]
        whose: Whose,
    },
    /// Make a limit, or put another in its place
    Set {
        /// Letters, digits, `-`, `_` and `.`, at most 64
        #[arg(id = "called", value_name = "NAME")]
        name: String,
        #[command(flatten)]
        whose: Whose,
        #[command(flatten)]
        rule: Rule,
    },
    /// Let a limit hold no more
    Remove {
        #[arg(id = "called", value_name = "NAME")]
        name: String,
        #[command(flatten)]
        whose: Whose,
    },
}

/// The keys of `[limits.rule.NAME]`.
#[derive(clap::Args, Debug, Serialize)]
struct Rule {
    /// What has the limit for itself [default: principal]
    #[arg(long, value_parser = ["principal", "tool", "address", "tenant"])]
    per: Option<String>,
    /// Only for those who have such a role; `*` at the end stands for anything, here and below
    #[arg(long)]
    role: Option<String>,
    /// Only for those who are called so: `user:ann`, or `key:*` for all keys
    #[arg(long)]
    subject: Option<String>,
    /// Only what goes to this server
    #[arg(long, value_name = "NAME")]
    server: Option<String>,
    /// Only calls of this tool, by the name that its server has for it
    #[arg(long, value_name = "NAME")]
    tool: Option<String>,
    /// How fast, over time: `100/min`, by `s`, `min`, `h` or `day`
    #[arg(long)]
    rate: Option<String>,
    /// How many may come at once [default: the number in --rate]
    #[arg(long, value_name = "N")]
    burst: Option<u32>,
    /// How many may be under way at once
    #[arg(long, value_name = "N")]
    concurrency: Option<u32>,
    /// How long one may wait for its place [default: 10s]
    #[arg(long, value_name = "SPAN")]
    wait: Option<String>,
    /// How many may wait [default: four times --concurrency]
    #[arg(long, value_name = "N")]
    queue: Option<u32>,
    /// Calls in a day, from midnight UTC on
    #[arg(long, value_name = "N")]
    calls_per_day: Option<u64>,
    /// Calls in a month of the calendar
    #[arg(long, value_name = "N")]
    calls_per_month: Option<u64>,
    /// Tokens in a day
    #[arg(long, value_name = "N")]
    tokens_per_day: Option<u64>,
    /// Tokens in a month of the calendar
    #[arg(long, value_name = "N")]
    tokens_per_month: Option<u64>,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct Limit {
    id: String,
    /// As in `[limits.rule.NAME]`.
    definition: Map<String, Value>,
    version: i64,
    updated_by: Option<String>,
    created_at: Option<String>,
    updated_at: Option<String>,
}

const NOUN: &str = "limit";

pub(crate) fn run(args: Args, context: &Context) -> Result<Exit, Failure> {
    match args.action {
        Action::List { whose } => {
            let limits: Vec<Limit> = Rest::new(context, whose, NOUN)?.all("/limits")?;
            context.output.show(&limits, |limits| render(limits, context.output.width()))?;
        }
        Action::Set { name, whose, rule } => {
            let rest = Rest::new(context, whose, NOUN)?;
            let mut definition = json!(rule);
            if let Some(keys) = definition.as_object_mut() {
                keys.retain(|_, value| !value.is_null());
            }
            let wish = json!({ "definition": definition });
            let limit: Limit = rest.send("PUT", &place(&name), &wish)?;
            let said = |limit: &Limit| format!("limit `{}` holds: {}", limit.id, keys(limit));
            context.output.show(&limit, said)?;
        }
        Action::Remove { name, whose } => {
            Rest::new(context, whose, NOUN)?.delete(&place(&name))?;
            let said = format!("removed limit `{name}`");
            context.output.show(&json!({ "removed": name }), |_| said)?;
        }
    }
    Ok(Exit::Ok)
}

fn place(name: &str) -> String {
    format!("/limits/{}", segment(name))
}

fn render(limits: &[Limit], width: Option<u16>) -> String {
    if limits.is_empty() {
        return "no limits are kept".to_owned();
    }
    let mut table = Table::new(&["NAME", "CHANGED", "BY", "LIMIT"]);
    for limit in limits {
        table.row([
            untrusted::line(&limit.id),
            moment(limit.updated_at.as_deref()),
            untrusted::line(limit.updated_by.as_deref().unwrap_or("-")),
            keys(limit),
        ]);
    }
    table.render(width)
}

/// `rate=100/min burst=20`.
fn keys(limit: &Limit) -> String {
    let key = |(name, value): (&String, &Value)| match value {
        Value::String(text) => format!("{name}={text}"),
        other => format!("{name}={other}"),
    };
    untrusted::line(&limit.definition.iter().map(key).collect::<Vec<_>>().join(" "))
}
