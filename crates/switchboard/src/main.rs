//! One daemon that keeps every MCP server alive behind one address.
//!
//! This crate is what a person meets: one file for each subcommand, all printing, all exit codes.
//! What the daemon does is in `switchboard-daemon`; how to talk to one is in `switchboard-client`.

mod cli;
mod commands;
mod context;
mod daemon;
mod demo;
mod exit;
mod failure;
mod output;
mod rest;
mod setup;
mod time;
mod untrusted;

use std::collections::BTreeMap;
use std::process::ExitCode;

/// Parses, runs, and turns the outcome into an exit code; nothing else in the program exits.
fn main() -> ExitCode {
    // What is not UTF-8 cannot name a setting, and is passed on to children by nobody.
    let variables: BTreeMap<String, String> = std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect();
    cli::main(std::env::args_os(), variables).into()
}
