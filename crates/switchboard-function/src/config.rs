//! `[bundles]` and `[bundle.NAME]`.

use std::collections::BTreeMap;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use switchboard_config::{ByteSize, Secret, TimeSpan};

use crate::archive::Caps;
use crate::host::HostRule;
use crate::python::Isolation;

/// How bundles are fetched and run.
#[derive(Clone, Debug, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct BundlesConfig {
    /// The Python that bundles run in: a path, or a name that is looked up on `PATH`. 3.9 and later.
    pub python: PathBuf,
    /// How their code is kept to itself ([the sandbox](sandbox.md)).
    pub sandbox: Isolation,
    /// A configuration file of the older engine (`MCP_CONFIGURATION` as JSON), relative to this file.
    /// Each of its packages is a directory or a ZIP archive of its name beside it, or `PACKAGE.zip`
    /// in the bucket of `blobs.s3`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub configuration: Option<PathBuf>,
    /// Where packages that bundles require are installed from, for `pip`: an index such as
    /// `https://pypi.org/simple`, which is what it takes if nothing is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub index: Option<String>,
    /// Public keys of `minisign`. If there are some, only archives are served that have a signature
    /// of one of them beside them, in `NAME.zip.minisig`.
    pub signing_keys: Vec<String>,
    /// How often sources on this machine are looked at for changes. 1 s: whoever edits a bundle tries
    /// it right after.
    #[schemars(extend("x-minimum" = "100ms", "x-maximum" = "1h"))]
    pub refresh: TimeSpan,
    /// How often sources in S3 are looked at for changes. A reload looks at once.
    #[schemars(extend("x-minimum" = "1s", "x-maximum" = "24h"))]
    pub refresh_remote: TimeSpan,
    /// How many bytes an archive may have.
    #[schemars(extend("x-minimum" = "1 KiB", "x-maximum" = "1 GiB"))]
    pub packed: ByteSize,
    /// How many bytes its files may have.
    #[schemars(extend("x-minimum" = "1 KiB", "x-maximum" = "8 GiB"))]
    pub unpacked: ByteSize,
}

/// One bundle.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct BundleConfig {
    /// A ZIP archive or a directory, relative to this file, or an archive in a bucket of S3,
    /// `s3://BUCKET/KEY`. It is served anew when it changes.
    pub source: PathBuf,
    /// What is set of it: the names are in its manifest.
    pub settings: BTreeMap<String, Secret>,
    /// What it gets of what is denied to all.
    pub grants: Grants,
    /// What stands before the names of its tools and prompts (`prefix__tool`). Absent: the name of
    /// the bundle, or nothing where it is of the older engine's shape; `""` shows bare names.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub prefix: Option<String>,
    /// Keeps the entry without using it.
    pub disabled: bool,
    /// Whether `health` stays good while it cannot be served.
    pub optional: bool,
}

/// What a bundle gets of what is denied to all. What it wants and does not get keeps it from being
/// served.
#[derive(Clone, Debug, Default, Deserialize, Eq, JsonSchema, PartialEq, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Grants {
    /// Hosts that it may connect to, by HTTP or with TLS: `api.example.com`, `*.example.com`, with
    /// `:PORT` if not 443. It finds them through a proxy, which libraries take from the environment.
    pub hosts: Vec<String>,
    /// Files and directories that it may read.
    pub files: Vec<PathBuf>,
    /// Variables of the daemon's environment that it gets.
    pub environment: Vec<String>,
    /// Whether a component gets the time; without it the clock stands still.
    pub clock: bool,
    /// Whether a component may keep values that outlive a call, up to 1,000 of 1 MiB.
    pub key_value: bool,
    /// Whether a component gets random bytes that nobody can guess. One that was written in Python
    /// does not begin without.
    pub random: bool,
}

impl Default for BundlesConfig {
    fn default() -> Self {
        let caps = Caps::default();
        Self {
            python: PathBuf::from("python3"),
            sandbox: Isolation::Auto,
            configuration: None,
            index: None,
            signing_keys: Vec::new(),
            refresh: TimeSpan::from_secs(1),
            refresh_remote: TimeSpan::from_secs(60),
            packed: ByteSize::from_bytes(caps.packed),
            unpacked: ByteSize::from_bytes(caps.unpacked),
        }
    }
}

impl Grants {
    /// Those of the hosts that are none.
    pub fn wrong_hosts(&self) -> impl Iterator<Item = &str> {
        self.hosts.iter().map(String::as_str).filter(|host| HostRule::parse(host).is_none())
    }
}

impl BundlesConfig {
    pub fn caps(&self) -> Caps {
        let (packed, unpacked) = (self.packed.bytes(), self.unpacked.bytes());
        Caps { packed, unpacked, ..Caps::default() }
    }
}
