//! Where we connect to, on behalf of a configuration or of something a server told us.
//!
//! A daemon stands inside: it reaches the metadata service of its cloud, the printer, the database
//! that trusts the local network. Whoever can make it fetch an address borrows that position. So
//! every address passes a [`Guard`]: the host is resolved once, each answer is judged, and the
//! connection goes to what was judged ([`Pinned`]), not to what the name means a moment later.
//!
//! [`Trust`] says who named the address. [`Guard::connect`] gives a stream, with TLS where the
//! scheme wants it; [`Guard::fetch`] is one small request with limits, for metadata and tokens.
//! The crate knows no MCP and no OAuth.

mod address;
mod allow;
mod connect;
mod error;
mod fetch;
mod guard;
mod origin;
mod resolve;
mod settings;
mod tls;

pub use address::{Kind, kind};
pub use connect::Stream;
pub use error::EgressError;
pub use fetch::Limits;
pub use guard::{Guard, Pinned, Trust};
pub use origin::{is_loopback_name, same_origin};
pub use resolve::{Resolve, System};
pub use settings::EgressSettings;
