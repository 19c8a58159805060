//! All ways of proving who one is, in their order.

use std::net::IpAddr;
use std::sync::Arc;

use async_trait::async_trait;
use switchboard_core::{Admitted, Challenge, Credentials, Denied, Login, Principal, Tenant};

use crate::clock::Clock;
use crate::credential::{Credential, credential};
use crate::way::{Asked, Way};

/// Asks one way after another; the first that recognises what is presented decides.
pub struct Logins {
    /// Who reaches the owner's socket.
    owner: Principal,
    ways: Vec<Arc<dyn Way>>,
    /// What those who are refused are told besides.
    challenge: Challenge,
    clock: Clock,
}

impl Logins {
    pub fn new(
        owner: Principal,
        ways: Vec<Arc<dyn Way>>,
        challenge: Challenge,
        clock: Clock,
    ) -> Self {
        Self { owner, ways, challenge, clock }
    }

    fn judge(&self, asked: &Asked<'_>) -> Result<Admitted, Denied> {
        if *asked.credential == Credential::Invalid {
            return Err(Denied::invalid("a key was sent twice, and which one counts is unclear"));
        }
        if let Some(answer) = self.ways.iter().find_map(|way| way.admit(asked)) {
            return answer;
        }
        Err(match asked.credential {
            Credential::Missing => Denied::missing(
                "a key or token is required: `switchboard show-key` prints the key of this instance",
            ),
            Credential::Invalid | Credential::Presented(_) => Denied::invalid(
                "the key or token is not valid: `switchboard show-key` prints that of this instance",
            ),
        })
    }
}

#[async_trait]
impl Login for Logins {
    fn admit(&self, credentials: Credentials<'_>) -> Result<Admitted, Denied> {
        let Some(presented) = Presented::read(credentials) else {
            return Ok(Admitted::for_good(self.owner.clone()));
        };
        self.judge(&presented.asked(&self.clock)).map_err(|mut denied| {
            denied.challenge = self.challenge.clone();
            denied
        })
    }

    async fn learn(&self, credentials: Credentials<'_>) {
        let Some(presented) = Presented::read(credentials) else { return };
        let asked = presented.asked(&self.clock);
        // Only the way that decides has anything to learn.
        if let Some(way) = self.ways.iter().find(|way| way.admit(&asked).is_some()) {
            way.learn(&asked).await;
        }
    }
}

struct Presented<'a> {
    tenant: &'a Tenant,
    credential: Credential<'a>,
    credentials: Credentials<'a>,
    from: Option<IpAddr>,
}

impl<'a> Presented<'a> {
    /// `None` where the caller reached the owner's socket.
    fn read(credentials: Credentials<'a>) -> Option<Self> {
        let Credentials::Http { tenant, headers, query, from } = credentials else { return None };
        let values = |name: &'static str| {
            headers.iter().filter(move |(header, _)| *header == name).map(|(_, value)| *value)
        };
        let credential = credential(values("x-api-key"), values("authorization"), query);
        let speaks_for = ["forwarded", "x-forwarded-for", "x-real-ip", "via"];
        let is_proxy = headers.iter().any(|(name, _)| speaks_for.contains(name));
        Some(Self { tenant, credential, credentials, from: from.filter(|_| !is_proxy) })
    }

    fn asked(&self, clock: &Clock) -> Asked<'_> {
        Asked {
            tenant: self.tenant,
            credential: &self.credential,
            credentials: self.credentials,
            from: self.from,
            now: clock.now(),
        }
    }
}
