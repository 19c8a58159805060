//! Who is calling.
//!
//! Today there is one way to say it: the API key. [`KeyFile`] keeps it in the state directory,
//! [`Keys`] decides whether what a client presents is it, [`credential`](credential()) finds what was presented
//! in a request, and [`Denied`] is the answer to those who presented nothing or something else.
//!
//! [`Sealer`] is the other direction: what we hand to clients so that it comes back unchanged.
//!
//! Nothing here knows a listener: header values and the query are arguments.

mod credential;
mod denied;
mod error;
mod key;
mod key_file;
mod keys;
mod query;
mod sealer;
mod stored;

pub use credential::{Credential, credential};
pub use denied::Denied;
pub use error::{KeyError, Unusable};
pub use key::Key;
pub use key_file::{KeyFile, Opened, Origin, Rotated};
pub use keys::{KeyId, Keys, Verdict};
pub use query::redact_query;
pub use sealer::Sealer;
pub use stored::Stored;
