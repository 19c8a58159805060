//! What is kept: the kinds of `Store` and `BlobStore`, and what is laid around them.
//!
//! A kind of store carries out the port `switchboard_core::store` and nothing else; all of them are
//! held to it by one suite, `tests/contract`. What a store may be given is judged in one place
//! (`shape`), so that a row that one kind keeps, another does not refuse.
//!
//! Around a store lie others that know nothing of its kind:
//!
//! ```text
//! Vault      secret columns sealed        Vault::new(store, &key, &former)
//! Overflow   large values in blobs        Overflow::new(store, blobs, Overflow::LIMIT)
//! open       the rows                     open(&config, &state_dir)
//! ```
//!
//! `export` and `import` (`transfer`) move everything between any two of them.

pub mod blob;
mod config;
pub mod dynamodb;
mod error;
mod overflow;
mod postgres;
mod shape;
mod sql;
mod sqlite;
mod transfer;
mod vault;

pub use config::{PostgresConfig, SqliteConfig, StoreConfig, open};
pub use error::OpenError;
pub use overflow::Overflow;
pub use transfer::{Moved, TransferError, export, import};
pub use vault::{Vault, VaultKey};
