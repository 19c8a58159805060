//! Known attacks on gateways and servers, each tried on the whole program.
//!
//! A test is named after the attack; its comment names the case that was seen in the field. Those on
//! logins are in `switchboard-oauth` (`src/tests`), those on the addresses that we connect to
//! in `switchboard-egress`; all forms of bad tokens in `switchboard-auth` (`tests/suite`).

mod children;
mod door;
mod exhaustion;
mod identity;
mod ids;
mod revocation;
mod scene;
mod states;
