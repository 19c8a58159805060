//! The configuration files of AI clients: found, read, and written.
//!
//! A person who comes to Switchboard already has MCP servers, written down in the files of the
//! clients they use. This crate knows where those files are, what their keys mean and which
//! variables their owners expand, and turns them into one [`Server`] shape. In the other direction it
//! adds Switchboard to such a file ([`connect`](connect())), as a change that is shown first and can be undone.
//!
//! Two rules hold everywhere. Reading never writes. Writing changes only the entry that is ours:
//! the text of the file is spliced, never parsed and printed again, so that comments, key order,
//! indentation and everything we do not understand stay as they were.
//!
//! Environment, home and working directory come in through [`Home`]; nothing here asks the process.

mod apply;
mod client;
mod connect;
mod diff;
mod edit;
mod entry;
mod error;
mod expand;
mod find;
mod home;
mod json;
mod own;
mod parse;
mod server;
mod syntax;
mod toml_file;

pub use apply::{Applied, restore};
pub use client::Client;
pub use connect::{Endpoint, connect, disconnect};
pub use edit::Edit;
pub use error::{FileError, Place};
pub use expand::{Dialect, Expansion};
pub use find::{Found, Scope, find};
pub use home::Home;
pub use own::is_switchboard;
pub use parse::{Note, Parsed, parse_mcp_servers};
pub use server::{Reach, Server};

#[cfg(test)]
mod tests;
