//! The revisions of the protocol that Switchboard speaks.

use std::fmt;

/// A published revision, oldest first.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub enum ProtocolVersion {
    V2024_11_05,
    V2025_03_26,
    V2025_06_18,
    V2025_11_25,
    V2026_07_28,
}

/// The two ways a conversation is held.
///
/// Everything that differs between neighbouring revisions of one era is a detail of a field; what
/// differs between the eras is who may speak when (MCP 2026-07-28, "Lifecycle").
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Era {
    /// Opened by `initialize`; the version and the capabilities hold for the whole session.
    Legacy,
    /// Stateless: each request says its version and capabilities in `_meta`.
    Modern,
}

impl ProtocolVersion {
    pub const ALL: [Self; 5] = [
        Self::V2024_11_05,
        Self::V2025_03_26,
        Self::V2025_06_18,
        Self::V2025_11_25,
        Self::V2026_07_28,
    ];
    /// The newest revision opened by `initialize`: what we offer there, and answer a client that
    /// asks for something we do not know.
    pub const NEWEST_LEGACY: Self = Self::V2025_11_25;
    pub const MODERN: Self = Self::V2026_07_28;

    pub fn as_str(self) -> &'static str {
        match self {
            Self::V2024_11_05 => "2024-11-05",
            Self::V2025_03_26 => "2025-03-26",
            Self::V2025_06_18 => "2025-06-18",
            Self::V2025_11_25 => "2025-11-25",
            Self::V2026_07_28 => "2026-07-28",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|version| version.as_str() == text)
    }

    pub fn era(self) -> Era {
        if self < Self::V2026_07_28 { Era::Legacy } else { Era::Modern }
    }

    /// Whether a POST body may be an array (2025-03-26, "Batching"; removed in 2025-06-18).
    pub fn has_batches(self) -> bool {
        self == Self::V2025_03_26
    }

    /// The version a legacy server answers `initialize` with: the client's if it is served, else
    /// the newest of that era, and the client decides (2025-11-25, "Version Negotiation").
    pub fn negotiate(requested: &str) -> Self {
        Self::parse(requested)
            .filter(|version| version.era() == Era::Legacy)
            .unwrap_or(Self::NEWEST_LEGACY)
    }
}

impl fmt::Display for ProtocolVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
