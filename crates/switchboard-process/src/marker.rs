//! The variables by which a process is known to be ours, wherever it has gone.
//!
//! A process can leave its group and its session, and its parent can die; its environment stays what
//! it was at `exec` and can be read in `/proc/PID/environ` by its owner. So every child carries the
//! name of the daemon run that started it and a name of its own, and passes both on to what it starts.

use std::ffi::OsStr;
use std::fmt::Write as _;
use std::io;

/// Names the daemon run a process belongs to: 128 random bits in hexadecimal.
pub const OWNER_VARIABLE: &str = "SWITCHBOARD_OWNER";

/// Names the child a process belongs to: the owner, a dot and a number.
pub const CHILD_VARIABLE: &str = "SWITCHBOARD_CHILD";

/// Name of one run of the daemon. 128 random bits: two runs never share one.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct OwnerId(String);

/// Name of one child of one run.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) struct ChildId(String);

/// `NAME=value`, as it stands in an environment.
#[derive(Clone, Debug)]
pub(crate) struct Marker(String);

impl OwnerId {
    pub(crate) fn random() -> io::Result<Self> {
        let mut bytes = [0; 16];
        getrandom::fill(&mut bytes).map_err(io::Error::other)?;
        let mut text = String::new();
        for byte in bytes {
            write!(text, "{byte:02x}").expect("a string takes everything");
        }
        Ok(Self(text))
    }

    pub(crate) fn parse(text: &str) -> Option<Self> {
        let hexadecimal = text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
        (text.len() == 32 && hexadecimal).then(|| Self(text.to_owned()))
    }

    pub(crate) fn child(&self, number: u64) -> ChildId {
        ChildId(format!("{}.{number}", self.0))
    }

    pub(crate) fn marker(&self) -> Marker {
        Marker(format!("{OWNER_VARIABLE}={}", self.0))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl ChildId {
    pub(crate) fn marker(&self) -> Marker {
        Marker(format!("{CHILD_VARIABLE}={}", self.0))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl Marker {
    /// Whether `environ`, variables that each end in a zero byte (proc(5)), holds the marker.
    pub(crate) fn is_in(&self, environ: &[u8]) -> bool {
        environ.split(|byte| *byte == 0).any(|variable| variable == self.0.as_bytes())
    }
}

/// The value of `name` in `environ`.
pub(crate) fn variable<'e>(environ: &'e [u8], name: &str) -> Option<&'e str> {
    environ
        .split(|byte| *byte == 0)
        .filter_map(|variable| std::str::from_utf8(variable).ok()?.split_once('='))
        .find_map(|(found, value)| (found == name).then_some(value))
}

/// The two variables that a child of `owner` gets.
pub(crate) fn variables<'i>(
    owner: &'i OwnerId,
    child: &'i ChildId,
) -> [(&'static str, &'i OsStr); 2] {
    [(OWNER_VARIABLE, owner.0.as_ref()), (CHILD_VARIABLE, child.0.as_ref())]
}
