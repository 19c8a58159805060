//! What a gateway is: the catalog of everything that can be asked for, the routes to who answers,
//! and [`Peer`], the one interface that traffic crosses.
//!
//! Async but without I/O: a request comes in as a value and goes out to another [`Peer`]. Sockets
//! are in `switchboard-listen` and `switchboard-upstream`.

mod access;
mod arguments;
mod catalog;
mod common;
mod error;
mod extension;
mod filter;
mod gateway;
pub mod limit;
mod lists;
mod login;
mod name;
mod offer;
mod peer;
mod policy;
pub mod pool;
mod principal;
mod record;
mod rounds;
pub mod scopes;
mod seal;
pub mod store;
mod tasks;
mod tenant;
mod time;
mod uri;

pub use access::Access;
pub use catalog::{Catalog, Listed, Member, Route};
pub use common::Common;
pub use error::Error;
pub use filter::Filter;
pub use gateway::{Change, Changes, Facts, Gateway, Snapshot};
pub use lists::{Capabilities, Item, Kind, Lists};
pub use login::{Admitted, Challenge, Credentials, Denied, Login, Reason};
pub use name::{NAME_LIMIT, Prefix, PrefixError, exposed_name};
pub use peer::{CallerId, Context, Notification, Peer, Request, Response, Session};
pub use policy::{Action, Area, Decision, Effect, Policy, Wish};
pub use principal::{ADMIN, Entitled, KeyRate, Method as LoginMethod, OWNER, Principal, Standing};
pub use record::{Call, CallOutcome, Recorder, Trail, Try, Went, is_recorded};
pub use seal::{Purpose, Seal};
pub use tasks::TaskChanges;
pub use tenant::{NoTenant, RESERVED, Tenant};
pub use time::{rfc3339, rfc3339_micros};
pub use uri::covers;
