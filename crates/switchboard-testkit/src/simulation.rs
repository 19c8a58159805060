//! What a simulation of the whole gateway is made of: servers in which everything goes wrong that
//! can ([`Servers`]), clients that count what they are told ([`Client`]), one source of chance
//! ([`Dice`]), and a book in which all of them write what happened ([`Book`]).
//!
//! Everything a client sends carries a [`Token`] that names it, and servers say nothing without the
//! token of the call that it is about. So whoever hears a token can tell whether it was meant to.

mod book;
mod character;
mod client;
mod dice;
mod heard;
mod job;
mod server;
mod token;
mod wire;

pub use book::Book;
pub use character::{Character, Faults};
pub use client::{Client, Manner};
pub use dice::Dice;
pub use server::Servers;
pub use token::Token;
