//! `switchboard tools`.

use serde_json::value::RawValue;
use switchboard_client::mcp::Tool;

use crate::context::Context;
use crate::daemon;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Table;
use crate::untrusted;

#[derive(clap::Args, Debug)]
#[command(after_help = "Examples:
  switchboard tools
  switchboard tools 'git__*'
  switchboard tools --json | jq '.[] | select(.name == \"git__log\").inputSchema'")]
pub(crate) struct Args {
    /// Only tools whose name has this in it; `*` and `?` stand for any characters and any one
    pattern: Option<String>,
}

pub(crate) fn run(args: Args, context: &Context) -> Result<Exit, Failure> {
    let progress = context.output.progress("Asking for tools");
    let tools = context.runtime()?.block_on(async {
        let mut client = daemon::mcp(context).await?;
        Ok::<_, Failure>(client.list_tools().await?)
    })?;
    drop(progress);
    let pattern = args.pattern.as_deref();
    let matches = |tool: &&Tool| pattern.is_none_or(|pattern| matches(pattern, &tool.name));
    let tools: Vec<&Tool> = tools.iter().filter(matches).collect();
    if tools.is_empty() && !context.json {
        context.output.note(match pattern {
            Some(_) => "No tool has such a name.",
            None => "There are no tools; `switchboard status` shows the state of every server.",
        });
        return Ok(Exit::Ok);
    }
    let whole: Vec<&RawValue> = tools
        .iter()
        .map(|tool| tool.json.view().expect("it was taken out of a JSON list"))
        .collect();
    context.output.show(&whole, |_| render(&tools, context.output.width()))?;
    Ok(Exit::Ok)
}

fn render(tools: &[&Tool], width: Option<u16>) -> String {
    let mut table = Table::new(&["TOOL", "DESCRIPTION"]);
    for tool in tools {
        let about = tool.description.as_deref().or(tool.title.as_deref()).unwrap_or_default();
        table.row([untrusted::line(&tool.name), untrusted::line(about)]);
    }
    table.render(width)
}

/// Whether `name` fits a pattern: all of it where the pattern has wildcards, else any part.
fn matches(pattern: &str, name: &str) -> bool {
    if !pattern.contains(['*', '?']) {
        return name.to_lowercase().contains(&pattern.to_lowercase());
    }
    let (pattern, name): (Vec<char>, Vec<char>) =
        (pattern.chars().collect(), name.chars().collect());
    let (mut p, mut n) = (0, 0);
    // Where the last `*` was, and how much of the name it has swallowed.
    let mut star = None;
    while n < name.len() {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, n));
                p += 1;
            }
            Some(&c) if c == '?' || c == name[n] => {
                p += 1;
                n += 1;
            }
            _ => {
                let Some((at, swallowed)) = star else { return false };
                star = Some((at, swallowed + 1));
                (p, n) = (at + 1, swallowed + 1);
            }
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn a_pattern_without_wildcards_fits_any_part() {
        for (pattern, name, expected) in [
            ("log", "git__log", true),
            ("LOG", "git__log", true),
            ("tag", "git__log", false),
            ("git__*", "git__log", true),
            ("*log", "git__log_all", false),
            ("*_l?g*", "git__log_all", true),
            ("*", "", true),
            ("?", "", false),
            ("a*b*c", "aXbYbZc", true),
        ] {
            assert_eq!(matches(pattern, name), expected, "{pattern} {name}");
        }
    }
}
