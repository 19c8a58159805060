//! A daemon's part about who is calling, with a clock that tests set.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};
use switchboard_auth::{Answer, Auth, AuthConfig, AuthError, Clock, Credential, Parts, credential};
use switchboard_core::{
    Admitted, Credentials, Denied, Login, LoginMethod, Principal, Reason, Tenant,
};
use switchboard_egress::{EgressSettings, Guard};
use tokio_util::task::TaskTracker;

use crate::store::MemoryStore;

/// What the clock says at the start.
pub(crate) const START: u64 = 1_800_000_000;

pub(crate) const INSTANCE_KEY: &str = "the-key-of-the-instance";

pub(crate) struct House {
    pub(crate) auth: Auth,
    pub(crate) store: Arc<MemoryStore>,
    clock: Arc<AtomicU64>,
    _directory: tempfile::TempDir,
}

/// Knows the one key of the instance.
struct Instance;

impl Login for Instance {
    fn admit(&self, credentials: Credentials<'_>) -> Result<Admitted, Denied> {
        let Credentials::Http { headers, query, .. } = credentials else {
            return Ok(Admitted::for_good(Principal::new("owner")));
        };
        let values = |name: &'static str| {
            headers.iter().filter(move |(header, _)| *header == name).map(|(_, value)| *value)
        };
        match credential(values("x-api-key"), values("authorization"), query) {
            Credential::Presented(key) if *key == *INSTANCE_KEY.as_bytes() => {
                Ok(Admitted::for_good(Principal::new("owner")))
            }
            _ => Err(Denied::invalid("another key")),
        }
    }
}

impl House {
    pub(crate) fn new(config: Value) -> Self {
        Self::with_store(config, Arc::default())
    }

    /// Another process with the same store.
    pub(crate) fn with_store(config: Value, store: Arc<MemoryStore>) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let clock = Arc::new(AtomicU64::new(START));
        let auth = open(config, &directory, &store, &clock).unwrap();
        Self { auth, store, clock, _directory: directory }
    }

    /// What is wrong with a configuration.
    pub(crate) fn refuses(config: Value) -> String {
        let (directory, store) = (tempfile::tempdir().unwrap(), Arc::default());
        match open(config, &directory, &store, &Arc::default()) {
            Ok(_) => "it is fine".to_owned(),
            Err(error) => error.to_string(),
        }
    }

    /// Lets time pass.
    pub(crate) fn pass(&self, seconds: u64) {
        self.clock.fetch_add(seconds, Ordering::Relaxed);
    }

    pub(crate) fn now(&self) -> SystemTime {
        UNIX_EPOCH + Duration::from_secs(self.clock.load(Ordering::Relaxed))
    }

    /// Presents headers, written `name: value`, to a tenant, as a listener does: what is not known
    /// is learned once.
    pub(crate) async fn present(&self, tenant: &str, headers: &[&str]) -> Result<Admitted, Denied> {
        self.present_from(tenant, headers, None).await
    }

    pub(crate) async fn present_from(
        &self,
        tenant: &str,
        headers: &[&str],
        from: Option<&str>,
    ) -> Result<Admitted, Denied> {
        let tenant = Tenant::parse(tenant).unwrap();
        let headers: Vec<(&str, &[u8])> = headers
            .iter()
            .map(|header| header.split_once(": ").unwrap())
            .map(|(name, value)| (name, value.as_bytes()))
            .collect();
        let from: Option<IpAddr> = from.map(|from| from.parse().unwrap());
        let credentials =
            Credentials::Http { tenant: &tenant, headers: &headers, query: None, from };
        let logins = &self.auth.logins;
        match logins.admit(credentials) {
            Err(denied) if denied.reason == Reason::Unlearned => {
                logins.learn(credentials).await;
                logins.admit(credentials)
            }
            answer => answer,
        }
    }

    /// Presents a bearer token: `TENANT/SUBJECT by METHOD` or why not.
    pub(crate) async fn bearer(&self, tenant: &str, token: &str) -> String {
        shown(self.present(tenant, &[&format!("authorization: Bearer {token}")]).await)
    }

    /// Logs in at a tenant with a form.
    pub(crate) async fn log_in(&self, tenant: &str, form: &str) -> Answer {
        self.log_in_from(tenant, form, "192.0.2.1").await
    }

    pub(crate) async fn log_in_from(&self, tenant: &str, form: &str, from: &str) -> Answer {
        let tenant = Tenant::parse(tenant).unwrap();
        self.auth.sign_in.token(&tenant, form.as_bytes(), Some(from.parse().unwrap())).await
    }
}

fn open(
    config: Value,
    directory: &tempfile::TempDir,
    store: &Arc<MemoryStore>,
    clock: &Arc<AtomicU64>,
) -> Result<Auth, AuthError> {
    let config: AuthConfig = serde_json::from_value(config).unwrap();
    let clock = Arc::clone(clock);
    let tell = move || UNIX_EPOCH + Duration::from_secs(clock.load(Ordering::Relaxed));
    let parts = Parts {
        store: Arc::clone(store) as _,
        guard: Guard::new(&EgressSettings::default()).unwrap(),
        clock: Clock::new(tell),
        tasks: TaskTracker::new(),
        owner: Principal::new("owner"),
        instance: Arc::new(Instance),
        secret_file: directory.path().join("tokens.key"),
    };
    Auth::new(&config, parts)
}

/// `TENANT/SUBJECT by METHOD`, or why not.
pub(crate) fn shown(answer: Result<Admitted, Denied>) -> String {
    match answer {
        Ok(Admitted { principal, .. }) => {
            let method: LoginMethod = principal.standing.method;
            format!("{principal:?} by {}", method.as_str())
        }
        Err(denied) => format!("{:?}", denied.reason),
    }
}

/// A users file with `ann` (of `acme`, argon2id) and `bob` (of every tenant, bcrypt).
pub(crate) fn users(directory: &tempfile::TempDir) -> Value {
    let path = directory.path().join("users.json");
    // Argon2id of `ann's secret` would take as long to check, so both are bcrypt with few rounds.
    let hash = |password: &str| bcrypt::hash(password, 4).unwrap();
    let users = json!([
        {
            "username": "ann", "password_hash": hash("ann's secret"), "roles": ["admin", "owner"],
            "tenant": "acme",
        },
        { "username": "bob", "hashed_password": hash("bob's secret"), "roles": ["viewer"] },
    ]);
    std::fs::write(&path, users.to_string()).unwrap();
    json!({ "file": path, "tenant": "*" })
}
