//! How a fake server behaves, apart from what its tools do.

use std::time::Duration;

use switchboard_mcp::ProtocolVersion;

#[derive(Clone, Debug)]
pub struct Behaviour {
    pub speaks: Speaks,
    pub discover: Discover,
    pub opening: Opening,
    pub pages: Pages,
    /// Whether an HTTP answer is a stream of events even where one object would do.
    pub events: bool,
    /// Whether a legacy HTTP server has a GET stream; else it answers 405.
    pub get_stream: bool,
    /// Announces a changed list whenever its list is read: a server that we must not chase.
    pub restless: bool,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Speaks {
    Legacy(ProtocolVersion),
    Modern,
}

/// What `server/discover` leads to at a server that does not know it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Discover {
    Refused,
    /// -32022 with the legacy revisions that the server has.
    Redirected,
    /// The process ends, as older SDKs do before `initialize`.
    Fatal,
    Silent,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Opening {
    Normal,
    /// Ends before it has read anything.
    DiesAtOnce,
    RefusesInitialize,
    /// Reads nothing for so long.
    Slow(Duration),
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Pages {
    One,
    /// Two pages; the cursor between them is the empty string, which is a valid one.
    EmptyCursor,
    /// Each page names a next one.
    Endless,
    /// The second page is an error.
    Broken,
}

impl Behaviour {
    pub fn new(version: ProtocolVersion) -> Self {
        let speaks = if version == ProtocolVersion::MODERN {
            Speaks::Modern
        } else {
            Speaks::Legacy(version)
        };
        Self {
            speaks,
            discover: Discover::Refused,
            opening: Opening::Normal,
            pages: Pages::One,
            events: false,
            get_stream: true,
            restless: false,
        }
    }
}
