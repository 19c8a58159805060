//! `switchboard policy check`.

use std::fmt::Write as _;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::context::Context;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{BAD, GOOD, Table, paint};
use crate::rest::{Rest, Whose};
use crate::untrusted;

#[derive(clap::Args, Debug)]
#[command(
    override_usage = "switchboard policy check [OPTIONS] <QUESTION>...",
    after_help = "The running daemon answers, by the policies that hold now: those it comes with, those of the
configuration and those that the tenant keeps.

What can be asked: `call NAME [JSON]`, `list`, `search WORDS`, `read URI`, `get PROMPT`,
`inspect AREA`, `manage AREA`, `spawn`. Areas are functions, servers, settings, keys, users,
policies, limits, history, cache, operations and tenants.

The exit code is 0 where it is allowed, of `list` and `search` where anything is, and 1 where it
is not.

Examples:
  switchboard policy check --as ci 'call github__create_issue'
  switchboard policy check --as user:ann 'call git__push' --arguments '{\"branch\":\"main\"}'
  switchboard policy check --role guest --scope effect:read list
  switchboard policy check --as ann --tenant acme 'manage keys'"
)]
#[command(group(
    clap::ArgGroup::new("who").required(true).multiple(true).args(["as_whom", "role", "scope", "subject", "tenant"])
))]
pub(super) struct Check {
    /// What somebody might do, such as `call github__create_issue`
    #[arg(value_name = "QUESTION", required = true)]
    question: Vec<String>,
    /// Who: `key:ID`, `user:NAME` or `owner`; the id or the name of a key, or the name of a user
    #[arg(long = "as", id = "as_whom", value_name = "PRINCIPAL",
        conflicts_with_all = ["role", "scope", "subject", "method"])]
    principal: Option<String>,
    /// Somebody with this role
    #[arg(long = "role", id = "role", value_name = "ROLE")]
    roles: Vec<String>,
    /// Somebody whose credential has this scope
    #[arg(long = "scope", id = "scope", value_name = "SCOPE")]
    scopes: Vec<String>,
    /// Somebody who is known by this, such as `oidc:ISSUER|SUB`
    #[arg(long, value_name = "SUBJECT")]
    subject: Option<String>,
    /// How they prove who they are [default: oidc]
    #[arg(long, value_parser = ["oidc", "api_key", "password", "admin_token", "same_user"])]
    method: Option<String>,
    /// The arguments of the call, a JSON object
    #[arg(long, value_name = "JSON")]
    arguments: Option<String>,
    #[command(flatten)]
    whose: Whose,
}

/// As REST answers (`POST /api/v1/explain`).
#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct Explained {
    allowed: bool,
    principal: Principal,
    answers: Vec<Answer>,
    depends_on_arguments: bool,
}

#[derive(Debug, Deserialize, Serialize)]
struct Principal {
    tenant: String,
    subject: String,
    name: Option<String>,
    method: String,
    roles: Vec<String>,
    scopes: Option<Vec<String>>,
    ended: Option<String>,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct Answer {
    about: String,
    server: Option<String>,
    allowed: bool,
    policies: Vec<Policy>,
    scopes_in_the_way: Vec<String>,
    troubles: Vec<Trouble>,
    is_shut: bool,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
struct Policy {
    id: String,
    permits: bool,
    is_of_tenant: bool,
    place: Place,
}

#[derive(Debug, Deserialize, Serialize)]
struct Trouble {
    id: String,
    place: Place,
    message: String,
}

#[derive(Debug, Deserialize, Serialize)]
struct Place {
    text: String,
    line: u32,
    column: u32,
}

pub(super) fn run(check: Check, context: &Context) -> Result<Exit, Failure> {
    let Check { question, principal, roles, scopes, subject, method, arguments, whose } = check;
    let question = question.join(" ");
    let arguments = arguments.map(|text| object(&text)).transpose()?;
    let is_described = principal.is_none();
    let wish = json!({
        "question": question,
        "arguments": arguments,
        "principal": principal,
        "roles": roles,
        "scopes": (!scopes.is_empty()).then_some(scopes),
        // Whoever is said only to be of a tenant is somebody, and not whoever asks.
        "subject": subject.or_else(|| is_described.then(|| "somebody".to_owned())),
        "method": method,
    });
    let rest = Rest::new(context, whose, "policy check")?;
    let explained: Explained = rest.send("POST", "/explain", &wish)?;
    let is_list = ["list", "search"].iter().any(|verb| question.trim_start().starts_with(verb));
    context.output.show(&explained, |explained| {
        let answers = match is_list {
            true => table(&explained.answers, context.output.width()),
            false => details(&explained.answers),
        };
        format!("{answers}\n{}", who(&explained.principal))
    })?;
    if explained.depends_on_arguments && explained.allowed && !context.json {
        context.output.note(
            "With other arguments than none it may be denied: a policy looks at them. Add --arguments.",
        );
    }
    Ok(if explained.allowed { Exit::Ok } else { Exit::Failed })
}

fn object(text: &str) -> Result<Value, Failure> {
    let value = serde_json::from_str::<Value>(text);
    match value {
        Ok(value) if value.is_object() => Ok(value),
        Ok(_) => Err(Failure::usage("`--arguments` is no JSON object")),
        Err(error) => Err(Failure::usage("`--arguments` is no JSON").with_cause(error)),
    }
}

fn details(answers: &[Answer]) -> String {
    answers.iter().map(detail).collect::<Vec<_>>().join("\n")
}

fn detail(answer: &Answer) -> String {
    let Answer { about, server, allowed, policies, scopes_in_the_way, troubles, is_shut } = answer;
    let mut text = match allowed {
        true => paint(GOOD, "allowed"),
        false => paint(BAD, "denied"),
    };
    let _ = write!(text, ": {}", untrusted::line(about));
    if let Some(server) = server {
        let _ = write!(text, " of server `{}`", untrusted::line(server));
    }
    for scope in scopes_in_the_way {
        let _ = write!(text, "\n  the credential is limited to `{}`", untrusted::line(scope));
    }
    if *is_shut {
        text += "\n  the policies that the tenant keeps cannot be read, so it is shut";
    }
    for policy in policies {
        let _ = write!(text, "\n  {}", ruling(policy));
    }
    if policies.is_empty() && !is_shut {
        text += "\n  no policy permits it";
    }
    for Trouble { id, place, message } in troubles {
        let (id, message) = (untrusted::line(id), untrusted::line(message));
        let _ = write!(text, "\n  policy `{id}` ({}) cannot be evaluated: {message}", at(place));
    }
    text
}

fn ruling(Policy { id, permits, is_of_tenant, place }: &Policy) -> String {
    let does = if *permits { "permitted" } else { "forbidden" };
    let whose = if *is_of_tenant { "the tenant's policy" } else { "policy" };
    format!("{does} by {whose} `{}` ({})", untrusted::line(id), at(place))
}

fn at(Place { text, line, column }: &Place) -> String {
    format!("{}:{line}:{column}", untrusted::line(text))
}

fn table(answers: &[Answer], width: Option<u16>) -> String {
    if answers.is_empty() {
        return "nothing is there".to_owned();
    }
    let mut table = Table::new(&["ANSWER", "WHAT", "WHY"]);
    for answer in answers {
        let why = match answer {
            Answer { scopes_in_the_way, .. } if !scopes_in_the_way.is_empty() => {
                format!("limited to {}", scopes_in_the_way.join(" "))
            }
            Answer { is_shut: true, .. } => "the tenant is shut".to_owned(),
            Answer { policies, .. } if policies.is_empty() => "no policy permits it".to_owned(),
            Answer { policies, .. } => policies.iter().map(ruling).collect::<Vec<_>>().join(", "),
        };
        let word = if answer.allowed { "allowed" } else { "denied" };
        table.row([word.to_owned(), untrusted::line(&answer.about), untrusted::line(&why)]);
    }
    table.render(width)
}

/// Whom the answer is about, in the words that policies have for it.
fn who(principal: &Principal) -> String {
    let Principal { tenant, subject, name, method, roles, scopes, ended } = principal;
    let mut text = format!("\nfor {} of tenant {tenant}", untrusted::line(subject));
    if let Some(name) = name.as_ref().filter(|name| !subject.ends_with(name.as_str())) {
        let _ = write!(text, " ({})", untrusted::line(name));
    }
    let words = |words: &[String]| match words.is_empty() {
        true => "none".to_owned(),
        false => untrusted::line(&words.join(", ")),
    };
    let scopes = scopes.as_deref().map_or("no limit".to_owned(), words);
    let _ = write!(text, "\n  method {method}; roles {}; scopes {scopes}", words(roles));
    if let Some(ended) = ended {
        let _ = write!(text, "\n  who is not let in at all: {}", untrusted::line(ended));
    }
    text
}
