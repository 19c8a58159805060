//! Why something did not go as it should.

use std::fmt;

use serde_json::Value;

#[derive(Clone, Debug)]
pub enum Trouble {
    /// A clean refusal: a JSON-RPC error, or a tool that says that it could not.
    Refused { code: i64, message: String, data: Value },
    /// Something came, but not this.
    Wrong(String),
    /// Nothing came.
    Silent(String),
    /// The connection ended first, or could not be made.
    Ended(String),
    /// It was not tried, because of something else.
    Barred(String),
}

impl Trouble {
    pub(crate) fn refused(error: &Value) -> Self {
        Self::Refused {
            code: error["code"].as_i64().unwrap_or_default(),
            message: error["message"].as_str().unwrap_or_default().to_owned(),
            data: error["data"].clone(),
        }
    }

    pub(crate) fn while_waiting(self, what: &str) -> Self {
        match self {
            Self::Silent(why) => Self::Silent(format!("waiting for {what}: {why}")),
            Self::Ended(why) => Self::Ended(format!("waiting for {what}: {why}")),
            other => other,
        }
    }

    /// Whether the other side said no, rather than something wrong or nothing.
    pub fn is_refusal(&self) -> bool {
        matches!(self, Self::Refused { .. })
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Refused { code, message, data } if data.is_null() => {
                write!(f, "refused: {code} {message}")
            }
            Self::Refused { code, message, data } => write!(f, "refused: {code} {message} {data}"),
            Self::Wrong(what) => write!(f, "wrong: {what}"),
            Self::Silent(what) => write!(f, "silent: {what}"),
            Self::Ended(what) => write!(f, "ended: {what}"),
            Self::Barred(what) => f.write_str(what),
        }
    }
}
