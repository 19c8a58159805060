//! What REST is asked and answers, over the control socket: the same routes and documents, without
//! an address that has to be reached, a certificate that has to be trusted or a key that is sent.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A request to a tenant, of the default one where none is named.
#[derive(Clone, Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub struct ManageRequest {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tenant: Option<String>,
    /// `GET`, `POST`, `PUT`, `PATCH` or `DELETE`.
    pub method: String,
    /// Below `/api/v1`, with what is asked: `/keys?limit=100`.
    pub path: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<ManageBody>,
}

/// What is sent, which may have a password in it.
#[derive(Clone, Deserialize, Serialize)]
#[serde(transparent)]
pub struct ManageBody(pub Value);

/// What came of a request; a refusal is an answer like any other (RFC 9457).
#[derive(Clone, Debug, Deserialize, Serialize)]
pub struct Managed {
    pub status: u16,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<ManageBody>,
}

impl fmt::Debug for ManageBody {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("…")
    }
}
