//! The command line: one row for each command.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt::Write as _;

use clap::{CommandFactory as _, FromArgMatches as _, Parser};

use crate::commands;
use crate::context::{Context, Global};
use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::{Colour, Output};

/// Defines [`Command`], [`dispatch`] and [`GROUPS`].
///
/// A row is `Variant(module) needs => "what it does"`, in the group under which `--help` shows it.
/// What a command needs is `context`, or only the `output`: a guard has no environment, and
/// completions want no home directory.
macro_rules! commands {
    ($($group:literal { $($variant:ident($module:ident) $needs:ident => $about:literal,)+ })+) => {
        #[derive(clap::Subcommand, Debug)]
        enum Command {
            $($(
                #[command(about = $about)]
                $variant(commands::$module::Args),
            )+)+
        }

        /// The groups of `--help`, each with the modules of its commands.
        const GROUPS: &[(&str, &[&str])] = &[$(($group, &[$(stringify!($module)),+])),+];

        fn dispatch(
            command: Command,
            global: &Global,
            variables: BTreeMap<String, String>,
        ) -> Result<Exit, Failure> {
            match command {
                $($(Command::$variant(args) => {
                    commands!(@$needs $module, args, global, variables)
                })+)+
            }
        }
    };
    (@context $module:ident, $args:ident, $global:ident, $variables:ident) => {
        commands::$module::run($args, &Context::find($global, $variables)?)
    };
    (@output $module:ident, $args:ident, $global:ident, $variables:ident) => {
        commands::$module::run($args, &Output::new($global.json, $global.color))
    };
}

commands! {
    "Getting started" {
        Up(up) context => "Find your MCP servers, import them, start, and show that it works",
        Undo(undo) context => "Put back what `up` and `connect` changed",
        Connect(connect) context => "Make a client use this daemon",
        Disconnect(disconnect) context => "Make a client stop using this daemon",
        Doctor(doctor) context => "Look for what is wrong, and say what to do",
    }
    "Daemon" {
        Start(start) context => "Start the daemon in the background and wait until it answers",
        Stop(stop) context => "Let calls in flight end, then stop the daemon and its servers",
        Restart(restart) context => "Replace the daemon without refusing a connection or losing a call",
        Reload(reload) context => "Read the configuration again without dropping a connection",
        Run(run) context => "Run the daemon in the foreground, for service managers and containers",
        Status(status) context => "Show the daemon and the state of every server",
        Health(health) context => "Say whether all is well, by exit code 0 or 1",
        Logs(logs) context => "Show the daemon's log, or what a server wrote to standard error",
        ShowKey(show_key) context => "Print the key that clients present",
        RotateKey(rotate_key) context => "Make a new key; the old one stays valid for a while",
        Service(service) context => "Have systemd start the daemon",
        Guard(guard) output => "End the children of a daemon that was killed",
    }
    "Using servers" {
        Servers(servers) context => "List the configured servers",
        Tools(tools) context => "List the tools of all servers",
        Call(call) context => "Call a tool",
        Route(route) context => "Say where a call would go, and why",
        History(history) context => "Show what was called, by whom and with what result; call it again",
        Bundle(bundle) context => "Write, try and list bundles of your own tools",
        Login(login) context => "Log in at a server that wants to know who is asking",
        Logout(logout) context => "Forget a login",
        Stdio(stdio) context => "Speak MCP on standard input and output, for clients that start their servers",
        Demo(demo) output => "Be a small MCP server on standard input and output",
    }
    "Managing tenants" {
        Tenant(tenant) context => "Make, list and remove tenants",
        User(user) context => "Add, list and remove people who log in with a password",
        Key(key) context => "Make, list and take back the keys of programs",
        Policy(policy) context => "Say who may do what and why; keep policies",
        Limit(limit) context => "Set, list and remove limits",
    }
    "Configuration" {
        Config(config) context => "Check, show and explain the configuration",
        Store(store) context => "Export, import and move what is kept",
    }
    "Shell" {
        Completions(completions) output => "Print completions for a shell",
        Man(man) output => "Print the manual page, or write those of all commands",
    }
}

/// One daemon that keeps every MCP server alive behind one address
#[derive(Debug, Parser)]
#[command(name = "switchboard", version, max_term_width = 100, infer_subcommands = false)]
struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

/// Runs what `arguments` say; everything that has to be said has been said when this returns.
pub(crate) fn main(
    arguments: impl Iterator<Item = OsString>,
    variables: BTreeMap<String, String>,
) -> Exit {
    let arguments: Vec<OsString> = arguments.collect();
    // What cannot be parsed may still say how it wants to hear of it.
    let wants_json = arguments.iter().any(|argument| argument == "--json");
    let parsed = definition()
        .try_get_matches_from(arguments)
        .and_then(|matches| Cli::from_arg_matches(&matches));
    let cli = match parsed {
        Ok(cli) => cli,
        Err(error) if wants_json && error.use_stderr() => {
            let text = error.render().to_string();
            let message = text.lines().next().unwrap_or_default().trim_start_matches("error: ");
            let failure = Failure::usage(message).with_hint("switchboard --help");
            Output::new(true, Colour::Never).failure(&failure);
            return Exit::Usage;
        }
        Err(error) => {
            // Help goes to standard output and mistakes to standard error; clap knows which this is.
            let _ = error.print();
            return if error.use_stderr() { Exit::Usage } else { Exit::Ok };
        }
    };
    match dispatch(cli.command, &cli.global, variables) {
        Ok(exit) => exit,
        Err(failure) => {
            Output::new(cli.global.json, cli.global.color).failure(&failure);
            failure.exit
        }
    }
}

/// The command line with the parts that clap's attributes cannot express.
pub(crate) fn definition() -> clap::Command {
    let command = Cli::command();
    let template = help_template(&command);
    let exit_codes = format!("{}\n{}", heading("Exit codes:"), Exit::help().trim_end());
    command.help_template(template).after_help(exit_codes).disable_help_subcommand(true)
}

/// The overview. clap shows commands as one list; more than twenty want headings.
fn help_template(command: &clap::Command) -> String {
    let mut text = "{about-with-newline}\n{usage-heading} {usage}\n".to_owned();
    let literal = clap::builder::Styles::styled();
    let literal = literal.get_literal();
    for (group, modules) in GROUPS {
        let _infallible = write!(text, "\n{}\n", heading(&format!("{group}:")));
        for module in *modules {
            let name = module.replace('_', "-");
            let command = command.find_subcommand(&name).expect("each row is a command");
            if !command.is_hide_set() {
                let about = command.get_about().expect("each row says what it does");
                let _infallible = writeln!(text, "  {literal}{name:<13}{literal:#}{about}");
            }
        }
    }
    let options = heading("Options:");
    format!("{text}\n{options}\n{{options}}{{after-help}}")
}

fn heading(text: &str) -> String {
    let styles = clap::builder::Styles::styled();
    let style = styles.get_header();
    format!("{style}{text}{style:#}")
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_definition_is_consistent() {
        super::definition().debug_assert();
    }
}
