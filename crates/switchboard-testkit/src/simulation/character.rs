//! What a simulated server is like.

use switchboard_mcp::ProtocolVersion;

use super::dice::Dice;

#[derive(Clone, Copy, Debug)]
pub struct Character {
    pub version: ProtocolVersion,
    pub faults: Faults,
}

/// How often what goes wrong: of a thousand occasions.
#[derive(Clone, Copy, Debug, Default)]
pub struct Faults {
    /// There is no server.
    pub absent: u32,
    /// Ends before it has read anything.
    pub dies_at_once: u32,
    /// Never says anything.
    pub hangs_at_start: u32,
    /// Reads nothing for some seconds.
    pub starts_slowly: u32,
    /// Ends when a message has come, or has gone out in part.
    pub crashes: u32,
    /// Reads and says nothing for a while.
    pub freezes: u32,
    /// Prints what is no message.
    pub garbage: u32,
    /// Answers what nobody asked.
    pub wrong_ids: u32,
    /// Answers twice.
    pub twice: u32,
    /// Answers another call than the one it is done with.
    pub other_ids: u32,
    /// Never answers.
    pub drops: u32,
    /// An answer that is malformed.
    pub malformed: u32,
    /// Goes on with what was cancelled, and answers it.
    pub deaf: u32,
    /// Announces changes, many at a time.
    pub storms: u32,
    /// Writes a message in parts, with pauses.
    pub fragments: u32,
}

impl Faults {
    /// A server that has some of the faults, each often or seldom, or none at all.
    pub fn drawn(dice: &mut Dice) -> Self {
        if dice.chance(150) {
            return Self::default();
        }
        let mut draw = |often: u32| match dice.below(4) {
            0 => often,
            1 => often / 5,
            _ => 0,
        };
        Self {
            absent: draw(400),
            dies_at_once: draw(400),
            hangs_at_start: draw(300),
            starts_slowly: draw(500),
            crashes: draw(60),
            freezes: draw(40),
            garbage: draw(200),
            wrong_ids: draw(200),
            twice: draw(300),
            other_ids: draw(300),
            drops: draw(200),
            malformed: draw(200),
            deaf: draw(700),
            storms: draw(200),
            fragments: draw(300),
        }
    }
}

impl Character {
    pub fn drawn(dice: &mut Dice) -> Self {
        let version = dice.pick(&[
            ProtocolVersion::V2025_03_26,
            ProtocolVersion::NEWEST_LEGACY,
            ProtocolVersion::NEWEST_LEGACY,
            ProtocolVersion::MODERN,
            ProtocolVersion::MODERN,
        ]);
        Self { version, faults: Faults::drawn(dice) }
    }

    pub fn is_modern(&self) -> bool {
        self.version == ProtocolVersion::MODERN
    }
}
