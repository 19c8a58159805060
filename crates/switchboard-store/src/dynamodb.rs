//! Rows in DynamoDB.
//!
//! Tables, keys, indexes and attributes are those of the daemon engine whose data is read in place,
//! and what we write it can read. What the port asks for and DynamoDB does not have is made of what
//! it has:
//!
//! - several changes of one key, which a transaction refuses, are folded into one (`fold`);
//! - an order by a column is that of a local secondary index; rows without a value are not in it, and
//!   are listed from the table before it (`list`);
//! - JSON that its documents cannot hold is kept as text (`value`).
//!
//! Every read is strongly consistent. What changes under a condition goes out as a transaction, even
//! alone: its token lets the SDK send it again when the answer is lost, where the condition of a
//! plain request would fail because of the first one.

mod config;
#[cfg(feature = "dynamodb")]
mod expression;
#[cfg(feature = "dynamodb")]
mod failure;
#[cfg(feature = "dynamodb")]
mod fold;
#[cfg(feature = "dynamodb")]
mod list;
#[cfg(feature = "dynamodb")]
mod page;
#[cfg(feature = "dynamodb")]
mod plan;
#[cfg(feature = "dynamodb")]
mod prune;
#[cfg(feature = "dynamodb")]
mod read;
#[cfg(feature = "dynamodb")]
mod store;
#[cfg(feature = "dynamodb")]
mod sweep;
#[cfg(feature = "dynamodb")]
mod tables;
#[cfg(feature = "dynamodb")]
mod value;
#[cfg(feature = "dynamodb")]
mod write;

pub use config::DynamodbConfig;
#[cfg(feature = "dynamodb")]
pub use store::Dynamodb;
