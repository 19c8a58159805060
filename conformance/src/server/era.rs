//! Which revisions the fixture speaks.

use rmcp::model::ProtocolVersion;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Era {
    /// Every revision, as a server does that was written in the time of change.
    Both,
    /// Up to 2025-11-25: opens with `initialize`.
    Legacy,
    /// 2026-07-28 alone.
    Modern,
}

impl Era {
    pub(crate) fn parse(word: &str) -> Option<Self> {
        match word {
            "both" => Some(Self::Both),
            "legacy" => Some(Self::Legacy),
            "modern" => Some(Self::Modern),
            _ => None,
        }
    }

    pub(crate) fn versions(self) -> &'static [ProtocolVersion] {
        match self {
            Self::Both => ProtocolVersion::KNOWN_VERSIONS,
            Self::Legacy => ProtocolVersion::known_up_to(&ProtocolVersion::V_2025_11_25),
            Self::Modern => const { &[ProtocolVersion::V_2026_07_28] },
        }
    }
}
