//! What is wrong with policies, for whoever has to correct them.

use std::fmt;

use serde::Serialize;

use crate::text::Place;

/// Why a text is not accepted. Nothing of it is in effect.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub struct Mistakes(pub Vec<Mistake>);

/// One thing to correct.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct Mistake {
    pub place: Place,
    /// The name of the policy, where it is known by then.
    pub policy: Option<String>,
    pub message: String,
    pub hint: Option<String>,
}

impl fmt::Display for Mistakes {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, mistake) in self.0.iter().enumerate() {
            if index > 0 {
                formatter.write_str("; ")?;
            }
            write!(formatter, "{mistake}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}: ", self.place)?;
        if let Some(policy) = &self.policy {
            write!(formatter, "policy `{policy}`: ")?;
        }
        formatter.write_str(&self.message)?;
        match &self.hint {
            Some(hint) => write!(formatter, " ({hint})"),
            None => Ok(()),
        }
    }
}
