//! `switchboard route`.

use switchboard_client::control::{Command, Reply, RouteExplained};

use super::call;
use crate::context::Context;
use crate::daemon;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Table;
use crate::untrusted;

#[derive(clap::Args, Debug)]
#[command(
    after_help = "Nothing is called. What is said holds at this moment: the next call may find another
endpoint free, and some ways of choosing draw at random.

Examples:
  switchboard route explain git__log
  switchboard route explain git__log repo_path=/srv/git/web
  switchboard route explain git__log --json | jq -r '.endpoints[0].name'"
)]
pub(crate) struct Args {
    #[command(subcommand)]
    action: Action,
}

#[derive(clap::Subcommand, Debug)]
enum Action {
    /// Say which endpoints a call would be tried at, in which order, and why
    Explain {
        /// The tool, as `switchboard tools` names it
        #[arg(value_name = "SERVER__TOOL")]
        tool: String,
        /// Arguments: a JSON object, or KEY=VALUE and KEY:=JSON
        #[arg(value_name = "ARGUMENT")]
        arguments: Vec<String>,
    },
}

pub(crate) fn run(args: Args, context: &Context) -> Result<Exit, Failure> {
    let Action::Explain { tool, arguments } = args.action;
    let words = call::parse(&arguments)?;
    let reply = context.runtime()?.block_on(async {
        let mut client = daemon::mcp(context).await?;
        let arguments = call::typed(words, &tool, &mut client).await?.as_str().to_owned();
        daemon::ask(context, &Command::Explain { tool, arguments }).await
    })?;
    let Reply::Explained(explained) = reply else { return Err(daemon::misunderstood(&reply)) };
    context.output.show(&explained, |explained| render(explained, context.output.width()))?;
    Ok(Exit::Ok)
}

fn render(explained: &RouteExplained, width: Option<u16>) -> String {
    let RouteExplained { tool, upstream, own_name, sharing, balance, endpoints } = explained;
    let [tool, own_name] = [tool, own_name].map(|name| untrusted::line(name));
    let mut text = format!("tool      {tool}, which is `{own_name}` of {upstream}\n");
    let owner = match sharing.as_str() {
        "per_session" => Some("session of a client"),
        "per_principal" => Some("principal"),
        _ => None,
    };
    match owner {
        Some(owner) => {
            text += &format!("sharing   {sharing}: each {owner} has an endpoint of its own\n");
        }
        None => text += &format!("balance   {balance}\n"),
    }
    let mut table = Table::new(&["PLACE", "ENDPOINT", "WHY"]);
    for endpoint in endpoints {
        let place = endpoint.place.map_or("-".to_owned(), |place| place.to_string());
        table.row([place, endpoint.name.clone(), untrusted::line(&endpoint.reason)]);
    }
    text + "\n" + &table.render(width)
}

#[cfg(test)]
mod tests {
    use switchboard_client::control::{EndpointExplained, RouteExplained};

    #[track_caller]
    fn check(sharing: &str, expected: &str) {
        let endpoint = |name: &str, place, reason: &str| EndpointExplained {
            name: name.to_owned(),
            place,
            reason: reason.to_owned(),
        };
        let explained = RouteExplained {
            tool: "git__log".to_owned(),
            upstream: "git".to_owned(),
            own_name: "log\u{7}".to_owned(),
            sharing: sharing.to_owned(),
            balance: "round_robin".to_owned(),
            endpoints: vec![
                endpoint("git.2", Some(1), "ready, its turn"),
                endpoint("git", None, "circuit breaker open for 3.0 s more"),
            ],
        };
        let text = anstream::adapter::strip_str(&super::render(&explained, None)).to_string();
        assert_eq!(text, expected);
    }

    #[test]
    fn a_route_says_who_is_asked_and_why() {
        let table = "
PLACE  ENDPOINT  WHY
1      git.2     ready, its turn
-      git       circuit breaker open for 3.0 s more";
        let heading = "tool      git__log, which is `log` of git\n";
        check("shared", &format!("{heading}balance   round_robin\n{table}"));
        let sharing =
            "sharing   per_session: each session of a client has an endpoint of its own\n";
        check("per_session", &format!("{heading}{sharing}{table}"));
    }
}
