//! Who is let in and who is not, as a caller meets it: through the port, over a store.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod cognito;
mod house;
mod keys;
mod oidc;
mod order;
mod sign_in;
mod store;
mod tokens;
