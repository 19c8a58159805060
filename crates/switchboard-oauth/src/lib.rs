//! Who we are to servers: MCP's OAuth as a client (specification 2026-07-28, authorization).
//!
//! An [`Authorizer`] belongs to one upstream. [`Authorizer::bearer`] is asked before a request,
//! [`Authorizer::refused`] after a 401 or 403, and [`Authorizer::login`] when a person is at hand:
//!
//! ```text
//! challenge   what `WWW-Authenticate` says
//! discovery   whose resource this is, and what its authorization server offers
//! client      who we are to that server: configured, a metadata document, or registered
//! login       a person agrees: loopback redirect, pasted address, or a code for another device
//! token       what the token endpoint gives, and refreshing it
//! store       one sealed file for each principal and upstream
//! ```
//!
//! Two rules run through all of it. Everything a server names is fetched through the guard of
//! `switchboard-egress`. And credentials belong to the issuer that gave them: no other ever sees
//! them, whatever a server says its authorization server is now.

mod authorizer;
mod callback;
mod challenge;
mod client;
mod clock;
mod device;
mod discovery;
mod error;
mod login;
mod loopback;
mod net;
mod record;
mod scopes;
mod secrets_key;
mod settings;
mod store;
mod token;
mod web;

pub use authorizer::{Authorizer, LoginState, Next, Refusal};
pub use challenge::Challenge;
pub use error::{OauthError, StoreError};
pub use login::{LoginUi, Prompt, Way};
pub use settings::{ClientAuth, Grant, OauthSettings};
pub use store::Store;
pub use token::Bearer;
pub use web::WebUrl;

#[cfg(test)]
mod tests;
