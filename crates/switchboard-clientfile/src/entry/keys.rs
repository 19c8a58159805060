//! How clients spell the keys of an entry.

/// How one client spells the keys of an entry.
pub(crate) struct Keys {
    /// Keys that hold an address, the first one set wins, and the transport each implies.
    pub(crate) urls: &'static [(&'static str, Option<Kind>)],
    pub(crate) headers: &'static str,
    pub(crate) timeout: (&'static str, Unit),
    pub(crate) include: &'static str,
    pub(crate) exclude: &'static str,
    pub(crate) switch: Switch,
    /// Numbers in `env` are taken as text.
    pub(crate) env_numbers: bool,
}

/// The spellings of a plain `mcpServers` file.
pub(crate) const PLAIN: Keys = Keys {
    urls: &[("url", None)],
    headers: "headers",
    timeout: ("timeout", Unit::Milliseconds),
    include: "include_tools",
    exclude: "exclude_tools",
    switch: Switch::Disabled,
    env_numbers: false,
};

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Stdio,
    Http,
    Sse,
}

/// What a bare number in a timeout counts.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    /// Claude Code, Gemini CLI and FastMCP count so, and with them the plain file.
    Milliseconds,
    Seconds,
}

/// How an entry is switched off.
#[derive(Clone, Copy)]
pub(crate) enum Switch {
    /// `disabled = true`
    Disabled,
    /// `enabled = false`
    Enabled,
}
