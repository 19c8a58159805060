//! Who is calling: the one key, or the same user of this machine.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use arc_swap::ArcSwap;
use switchboard_auth::{Credential, KeyId, Keys, Verdict, credential};
use switchboard_core::{Admitted, Credentials, Denied, Login, Principal};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::clock::now;
use crate::outside::owner;

/// Knows the keys that are valid now; another set can be put in its place while it is asked.
pub(crate) struct KeyLogin {
    valid: ArcSwap<Valid>,
    owner: Principal,
    /// There is another set.
    replaced: Notify,
}

struct Valid {
    keys: Keys,
    current: Standing,
    /// The key from before the rotation, and when it ends.
    previous: Option<(Standing, SystemTime)>,
}

/// A key, and what ends whatever was opened with it.
#[derive(Clone)]
struct Standing {
    key: KeyId,
    revoked: CancellationToken,
}

/// How long to sleep at once for the end of a key. Its end is a date, which the clock may be set
/// to, and the time that a machine sleeps is none for timers.
const STEP: Duration = Duration::from_secs(30);

impl KeyLogin {
    pub(crate) fn new(keys: Keys) -> Self {
        let valid = ArcSwap::from_pointee(Valid::new(keys, &[]));
        // Whoever has the key is the owner, as is whoever can open the owner's socket.
        Self { valid, owner: owner(), replaced: Notify::new() }
    }

    /// Lets these keys in from now on. What was opened with one that is not among them ends.
    pub(crate) fn replace(&self, keys: Keys) {
        let old = self.valid.load_full();
        let known: Vec<_> = old.standings().cloned().collect();
        let new = Arc::new(Valid::new(keys, &known));
        self.valid.store(Arc::clone(&new));
        for gone in known.iter().filter(|it| new.standings().all(|other| other.key != it.key)) {
            gone.revoked.cancel();
        }
        self.replaced.notify_one();
    }

    /// Ends what was opened with the keys, which stay as they are: nobody is let in by them now.
    pub(crate) fn close(&self) {
        let old = self.valid.load_full();
        self.valid.store(Arc::new(Valid::new(old.keys.clone(), &[])));
        old.standings().for_each(|standing| standing.revoked.cancel());
        self.replaced.notify_one();
    }

    /// Ends what was opened with a replaced key when its time is over, for as long as it is polled.
    pub(crate) async fn follow(&self) {
        loop {
            let ends = self.valid.load().ends();
            let due = async {
                match ends {
                    Some(at) => {
                        let left = at.duration_since(now()).unwrap_or_default();
                        tokio::time::sleep(left.min(STEP)).await;
                    }
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = due => self.expire(now()),
                () = self.replaced.notified() => {}
            }
        }
    }

    fn expire(&self, now: SystemTime) {
        let valid = self.valid.load();
        if let Some((previous, _)) = valid.previous.as_ref().filter(|(_, ends)| *ends <= now) {
            previous.revoked.cancel();
        }
    }

    pub(crate) fn owner(&self) -> Principal {
        self.owner.clone()
    }
}

impl Valid {
    /// A key that was valid before keeps its standing.
    fn new(keys: Keys, known: &[Standing]) -> Self {
        let standing = |key: KeyId| {
            let before = known.iter().find(|it| it.key == key && !it.revoked.is_cancelled());
            before.cloned().unwrap_or_else(|| Standing { key, revoked: CancellationToken::new() })
        };
        let current = standing(keys.current());
        let previous = keys.previous().map(|(key, ends)| (standing(key), ends));
        Self { keys, current, previous }
    }

    fn standings(&self) -> impl Iterator<Item = &Standing> {
        let previous = self.previous.as_ref().map(|(previous, _)| previous);
        std::iter::once(&self.current).chain(previous)
    }

    /// When the next key ends.
    fn ends(&self) -> Option<SystemTime> {
        let (previous, ends) = self.previous.as_ref()?;
        (!previous.revoked.is_cancelled()).then_some(*ends)
    }

    fn admit(
        &self,
        presented: &Credential<'_>,
        now: SystemTime,
    ) -> Result<&Standing, switchboard_auth::Denied> {
        match (self.keys.admit(presented, now)?, &self.previous) {
            (Verdict::AcceptedPrevious { .. }, Some((previous, _))) => Ok(previous),
            _ => Ok(&self.current),
        }
    }
}

impl Login for KeyLogin {
    fn admit(&self, credentials: Credentials<'_>) -> Result<Admitted, Denied> {
        let Credentials::Http { tenant, headers, query, .. } = credentials else {
            return Ok(Admitted::for_good(self.owner()));
        };
        let values = |name: &'static str| {
            headers.iter().filter(move |(header, _)| *header == name).map(|(_, value)| *value)
        };
        let presented: Credential<'_> =
            credential(values("x-api-key"), values("authorization"), query);
        match self.valid.load().admit(&presented, now()) {
            Ok(standing) => {
                // The owner of the daemon is that of every tenant.
                let principal = Principal { tenant: tenant.clone(), ..self.owner() };
                Ok(Admitted { principal, revoked: standing.revoked.clone() })
            }
            Err(switchboard_auth::Denied::Missing) => {
                Err(Denied::missing("a key is required: `switchboard show-key` prints it"))
            }
            Err(switchboard_auth::Denied::Invalid) => {
                Err(Denied::invalid("the key is not valid: `switchboard show-key` prints it"))
            }
        }
    }
}

#[cfg(test)]
mod tests;
