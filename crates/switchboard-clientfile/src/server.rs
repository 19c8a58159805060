//! One MCP server as a client's file describes it, whatever that client calls the keys.

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

/// One MCP server read from a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Server {
    pub name: String,
    pub reach: Reach,
    /// How long one call may take; the client's own default when absent.
    pub timeout: Option<Duration>,
    /// Globs of the tools to show; all of them when empty. Wins over `exclude_tools`.
    pub include_tools: Vec<String>,
    /// Globs of the tools to hide.
    pub exclude_tools: Vec<String>,
    /// The client does without this server when it does not start.
    pub optional: bool,
    /// Written down, but switched off by the person.
    pub disabled: bool,
}

/// How a server is reached.
///
/// `Debug` shows the names of variables and headers and never their values.
#[derive(Clone, PartialEq, Eq)]
pub enum Reach {
    /// A child process that speaks on its standard streams.
    Stdio {
        command: String,
        args: Vec<String>,
        env: BTreeMap<String, String>,
        cwd: Option<PathBuf>,
    },
    /// Streamable HTTP.
    Http { url: String, headers: BTreeMap<String, String> },
    /// The HTTP+SSE transport of MCP 2024-11-05.
    Sse { url: String, headers: BTreeMap<String, String> },
}

impl fmt::Debug for Reach {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stdio { command, args, env, cwd } => f
                .debug_struct("Stdio")
                .field("command", command)
                .field("args", args)
                .field("env", &Hidden(env))
                .field("cwd", cwd)
                .finish(),
            Self::Http { url, headers } => remote(f, "Http", url, headers),
            Self::Sse { url, headers } => remote(f, "Sse", url, headers),
        }
    }
}

fn remote(
    f: &mut fmt::Formatter<'_>,
    kind: &str,
    url: &str,
    headers: &BTreeMap<String, String>,
) -> fmt::Result {
    f.debug_struct(kind).field("url", &bare_url(url)).field("headers", &Hidden(headers)).finish()
}

/// The keys of a map whose values are secrets.
struct Hidden<'a>(&'a BTreeMap<String, String>);

impl fmt::Debug for Hidden<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self.0.keys().map(|key| (key, format_args!("…")))).finish()
    }
}

/// A URL without the two places where people put secrets: user information and the query.
pub(crate) fn bare_url(url: &str) -> String {
    let (shown, query) = match url.split_once('?') {
        Some((shown, _)) => (shown, "?…"),
        None => (url, ""),
    };
    let Some((scheme, rest)) = shown.split_once("://") else { return format!("{shown}{query}") };
    let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    match authority.rsplit_once('@') {
        Some((_, host)) => format!("{scheme}://…@{host}{path}{query}"),
        None => format!("{shown}{query}"),
    }
}
