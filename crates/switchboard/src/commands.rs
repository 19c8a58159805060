//! One file for each subcommand: its arguments, and what it does with them.

#![expect(
    clippy::needless_pass_by_value,
    reason = "every `run` takes its arguments alike, whether or not it keeps them"
)]

pub(crate) mod bundle;
pub(crate) mod call;
pub(crate) mod completions;
pub(crate) mod config;
pub(crate) mod connect;
pub(crate) mod demo;
pub(crate) mod disconnect;
pub(crate) mod doctor;
pub(crate) mod guard;
pub(crate) mod health;
pub(crate) mod history;
pub(crate) mod key;
pub(crate) mod limit;
pub(crate) mod login;
pub(crate) mod logout;
pub(crate) mod logs;
pub(crate) mod man;
pub(crate) mod policy;
pub(crate) mod reload;
pub(crate) mod restart;
pub(crate) mod rotate_key;
pub(crate) mod route;
pub(crate) mod run;
pub(crate) mod servers;
pub(crate) mod service;
pub(crate) mod show_key;
pub(crate) mod start;
pub(crate) mod status;
pub(crate) mod stdio;
pub(crate) mod stop;
pub(crate) mod store;
pub(crate) mod tenant;
pub(crate) mod tools;
pub(crate) mod undo;
pub(crate) mod up;
pub(crate) mod user;
