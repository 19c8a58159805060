//! The contract of `Store`: every case on every kind of store.
//!
//! `cargo test -p switchboard-store --test contract` runs all; words after `--` choose the tests
//! whose name (`sqlite::a_walk_in_pages…`) has one of them in it. The last lines have the count for
//! each kind.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

#[cfg(feature = "dynamodb")]
mod dynamodb;
mod layers;
#[path = "../common/memory.rs"]
mod memory;
#[cfg(feature = "dynamodb")]
#[path = "../moto/mod.rs"]
mod moto;
mod postgres;
mod sqlite;
mod suite;
#[cfg(feature = "dynamodb")]
#[path = "../moto/tables.rs"]
mod tables;

use std::process::ExitCode;

use suite::Backend;

/// Every kind of store. A new one is a row.
fn backends() -> Vec<Box<dyn Backend>> {
    vec![
        Box::new(sqlite::Sqlite::new()),
        Box::new(postgres::Postgres::new()),
        #[cfg(feature = "dynamodb")]
        Box::new(dynamodb::Moto),
        Box::new(layers::Layers::new()),
    ]
}

fn main() -> ExitCode {
    suite::run(&backends())
}
