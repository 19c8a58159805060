//! The client that the official MCP conformance suite runs: the daemon, with somebody who uses it.
//!
//! The suite opens a server and starts this program with the server's address. What is tested is
//! how the daemon treats that server, so the daemon gets it as its only upstream, without a prefix,
//! and a visitor comes in by `switchboard stdio` and tries all that is on offer.
//!
//! ```text
//! conformance-client SWITCHBOARD URL      (the suite adds the URL)
//! ```
//!
//! `MCP_CONFORMANCE_SCENARIO`, `_CONTEXT` and `_PROTOCOL_VERSION` say what the suite is about to see.

mod answer;
mod arguments;
mod home;
mod line;
mod login;
mod visit;

use std::env;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use crate::home::Home;
use crate::line::Line;

/// How long a visit may take. The suite gives up after 30 s, and ends a shell and not us.
const PATIENCE: Duration = Duration::from_secs(25);

/// How often a user logs in again because a call was refused for that.
const LOGINS: usize = 2;

/// The reason in the error of a call that a login is missing for.
const UNAUTHORIZED: &str = "upstream_unauthorized";

/// What the suite tells its client beside the address.
pub(crate) struct Scenario {
    pub(crate) name: String,
    /// The revision that the visitor speaks: the upstream's, so that nothing has to be bridged.
    pub(crate) version: String,
    /// Calls to make, credentials to use.
    pub(crate) context: Value,
}

impl Scenario {
    #[expect(clippy::disallowed_methods, reason = "this is how the suite speaks to its clients")]
    fn from_environment() -> Result<Self> {
        let variable = |name: &str| env::var(format!("MCP_CONFORMANCE_{name}"));
        let context = match variable("CONTEXT") {
            Ok(text) => serde_json::from_str(&text).context("MCP_CONFORMANCE_CONTEXT")?,
            Err(_) => Value::Null,
        };
        Ok(Self {
            name: variable("SCENARIO").context("MCP_CONFORMANCE_SCENARIO")?,
            version: variable("PROTOCOL_VERSION").context("MCP_CONFORMANCE_PROTOCOL_VERSION")?,
            context,
        })
    }
}

fn main() -> Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let [program, url] = &arguments[..] else { bail!("usage: conformance-client SWITCHBOARD URL") };
    let mut scenario = Scenario::from_environment()?;
    login::prepare(&mut scenario, url)?;
    let oauth = login::settings(&scenario);
    let home = Home::new(PathBuf::from(program), url, oauth.as_deref())?;
    home.run(&["start"])?;
    if login::is_for_a_person(&scenario) {
        login::login(&home)?;
    }
    let visit = || {
        let mut line = Line::open(home.command(&["stdio"]), PATIENCE)?;
        visit::visit(&mut line, &scenario)
    };
    let mut visited = visit();
    for _ in 0..LOGINS {
        // The server wants more rights, or is with another authorization server now.
        let is_refused = matches!(&visited, Err(e) if format!("{e:#}").contains(UNAUTHORIZED));
        if !is_refused && !login::is_wanted(&home)? {
            break;
        }
        login::login(&home)?;
        visited = visit();
    }
    visited
}
