//! Configuration as a mechanism: layers, origins, units, secrets, diagnostics; knows no key.
//!
//! A configuration is an ordinary struct with `serde` and `schemars` derives. What a key means, its
//! range and its default stand where the key is defined, as a doc comment and attributes; everything
//! else is worked out from there: the names of the environment variables, the reference, the JSON
//! schema, what a misspelt key was meant to be.
//!
//! The way of one load, and the module for each step:
//!
//! ```text
//! TOML text ─▶ node      a tree in which every value knows where it was written
//!              environment, flags laid over it                      (environment, loader)
//!              de        the tree read as `T`; secrets expand here  (secret, expand)
//!              range     limits in the schema, checked
//!              settings  the value, with `explain` and `show`
//! ```
//!
//! What goes wrong on the way is a [`Diagnostic`]; all of them are reported, not only the first.
//!
//! Three things to know when writing a configuration struct:
//!
//! - Unknown keys are refused in every struct, with or without `deny_unknown_fields`.
//!   `#[serde(flatten)]` and `#[serde(untagged)]` defeat this, and the expansion of a [`Secret`]
//!   within, because serde reads them through a buffer of its own.
//! - `#[schemars(range(min = 1, max = 9))]` is enforced, not only documented. A [`ByteSize`] or
//!   [`TimeSpan`] has its range in `#[schemars(extend("x-minimum" = "1s", "x-maximum" = "1h"))]`.
//! - `Serialize` has to mirror `Deserialize` (derive both): it is how effective values are shown.
//!
//! The crate reads no file but those a `${file:…}` names, and never the process environment: the
//! caller passes both in.

mod de;
mod diagnostic;
mod document;
mod environment;
mod expand;
mod explain;
mod hide;
mod key;
mod loader;
mod node;
mod range;
mod reference;
mod report;
mod schema;
mod secret;
mod settings;
mod show;
mod size;
mod suggest;
mod syntax;
mod time;

pub use diagnostic::{Diagnostic, Excerpt, Place, code};
pub use environment::{NameCollision, environment_names};
pub use explain::Explanation;
pub use loader::{Inherited, Loaded, Loader};
pub use reference::reference;
pub use schema::schema;
pub use secret::Secret;
pub use settings::{Origin, Settings};
pub use size::{ByteSize, ParseSizeError};
pub use time::{ParseSpanError, TimeSpan};

#[cfg(test)]
mod tests;
