//! The management surface as a client sees it: requests and answers.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod bundles;
mod facts;
mod feed;
mod house;
mod limits;
mod modern;
mod older;
mod rest;
mod rights;
mod schema;
mod sqlite;
mod store;
mod subscriptions;
