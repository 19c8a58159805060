//! Where large values are kept.

use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use switchboard_config::Secret;

/// Where large values are kept: what does not fit into a row, and what people upload. `directory` or
/// `s3`; without either, `blobs` in the state directory.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct BlobConfig {
    /// A directory of this machine. For one daemon, or for several that share a file system.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub directory: Option<DirectoryConfig>,
    /// A bucket of S3, or of something that speaks its protocol.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub s3: Option<S3Config>,
}

/// A directory of this machine.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct DirectoryConfig {
    /// The directory; it is made where it is not there, and nobody else may read it. Relative to the
    /// state directory. Absent: `blobs`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path: Option<PathBuf>,
}

/// A bucket of S3.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct S3Config {
    /// The name of the bucket, which has to be there.
    pub bucket: String,
    /// What the names of all objects begin with, such as `switchboard/prod`, for a bucket that is
    /// shared. `""`: names as they are, which is what existing buckets have.
    pub prefix: String,
    /// The region of the bucket, such as `eu-central-1`. Absent: `AWS_REGION`, or that of the
    /// profile; beside an `access_key_id`, `us-east-1`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// The address of something else that speaks the protocol of S3, such as
    /// `http://127.0.0.1:9000`. Absent: the one of the region.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// The id of an access key. Absent, as it should be on machines of AWS: the environment, the
    /// profile, or the role of the machine, in the order of the AWS SDKs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub access_key_id: Option<String>,
    /// The secret that belongs to `access_key_id`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub secret_access_key: Option<Secret>,
    /// The token of a key that is good for a while only.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session_token: Option<Secret>,
}
