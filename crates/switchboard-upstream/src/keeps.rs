//! What shows that a server keeps something for its client: everybody shares one connection to it,
//! so all of them would get what it keeps for one.

/// What a server did that one does which tells its clients apart.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum KeepsState {
    /// It changed its lists while it had a call: what one client called for is shown to all.
    Lists,
    /// It asked for the directories of its client, outside of any call: it works in those.
    Roots,
}

impl KeepsState {
    /// What it did, for people.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Lists => "it changed its lists during a call",
            Self::Roots => "it asked for the directories of its client outside of a call",
        }
    }
}
