//! The port: what the surroundings of a call do for it.

use async_trait::async_trait;
use bytes::Bytes;
use http::{Method, Uri};
use switchboard_egress::Trust;

use crate::grants::Denied;

/// Whoever makes a call stands behind this.
#[async_trait]
pub trait Host: Send + Sync {
    /// Takes note of something. Called in the middle of the guest's work, so it must not wait; how
    /// often it is called is bounded by the limits of the call.
    fn report(&self, report: Report);

    /// Reads or changes the bundle's own values. Only asked where it is granted.
    async fn key_value(&self, operation: KeyValue) -> Result<Stored, KeyValueError>;

    /// Judges a request to a host that is granted: by policy, by quota. The trust it gives is that in
    /// the address; the text of a refusal goes to the log.
    async fn admit(&self, request: &Outgoing) -> Result<Trust, String> {
        let _ = request;
        Ok(Trust::Told)
    }
}

#[derive(Clone, Debug, PartialEq)]
pub enum Report {
    /// At most 1,000 in a call.
    Progress {
        done: f64,
        total: Option<f64>,
        message: Option<String>,
    },
    Log(Line),
    /// The bundle tried what it is not granted. Once for each thing and call.
    Denied(Denied),
}

/// One line of a bundle's log.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Line {
    pub level: Level,
    pub source: Source,
    /// One line, without its end.
    pub text: String,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Level {
    Debug,
    Info,
    Warn,
    Error,
}

/// Who wrote a line.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Source {
    /// The bundle, by the import `log`.
    Log,
    /// The bundle, by printing.
    Stdout,
    Stderr,
    /// We, about the bundle.
    Switchboard,
}

/// Something to do with a bundle's own values.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum KeyValue {
    Get { key: String },
    Set { key: String, value: Bytes },
    Delete { key: String },
    List { prefix: String, after: Option<String> },
}

/// What came of a [`KeyValue`], each for its own.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Stored {
    Value(Option<Bytes>),
    Done,
    Keys { keys: Vec<String>, more: bool },
}

#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum KeyValueError {
    /// The bundle may not have more, or nothing as large.
    #[error("{0}")]
    TooLarge(String),
    /// The same may succeed later. The text goes to the bundle.
    #[error("{0}")]
    Unavailable(String),
}

/// A request that a bundle wants to send.
#[derive(Clone, Debug)]
pub struct Outgoing {
    pub method: Method,
    pub uri: Uri,
}
