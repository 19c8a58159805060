//! What a gateway is: the catalog of everything that can be asked for, the routes to who answers,
//! and [`Peer`], the one interface that traffic crosses.
//!
//! Async but without I/O: a request comes in as a value and goes out to another [`Peer`]. Sockets
//! are in `switchboard-listen` and `switchboard-upstream`.

mod catalog;
mod error;
mod extension;
mod filter;
mod gateway;
mod lists;
mod login;
mod name;
mod offer;
mod peer;
pub mod pool;
mod rounds;
mod seal;
mod tasks;
mod time;
mod uri;

pub use catalog::{Catalog, Member, Route};
pub use error::Error;
pub use filter::Filter;
pub use gateway::{Change, Changes, Facts, Gateway, Snapshot};
pub use lists::{Capabilities, Item, Kind, Lists};
pub use login::{Admitted, Credentials, Denied, Login};
pub use name::{NAME_LIMIT, Prefix, PrefixError, exposed_name};
pub use peer::{CallerId, Context, Notification, Peer, Principal, Request, Response, Session};
pub use seal::{Purpose, Seal};
pub use tasks::TaskChanges;
pub use time::rfc3339;
pub use uri::covers;
