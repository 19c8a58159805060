//! Who is calling, once it is proved.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::num::NonZeroU32;
use std::sync::{Arc, LazyLock};
use std::time::SystemTime;

use crate::tenant::Tenant;

/// Who proved to be calling.
///
/// Sessions, cursors and caches belong to a principal and never reach another. Two are the same
/// where tenant and subject are; by what they proved it, and what they may do, is the [`Standing`]
/// of one request.
#[derive(Clone)]
pub struct Principal {
    pub tenant: Tenant,
    /// Unique within the tenant: `owner`, `key:ID`, `user:NAME`, `oidc:ISSUER|SUB`.
    pub subject: Arc<str>,
    pub standing: Arc<Standing>,
}

/// What a principal brought to one request.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Standing {
    pub method: Method,
    /// What people call it: a user name, the name of a key.
    pub name: Option<Arc<str>>,
    pub roles: Vec<Arc<str>>,
    /// What the credential is limited to; `None` where it is not.
    pub scopes: Option<Vec<Arc<str>>>,
    /// `None` where the credential sets no limit.
    pub rate: Option<KeyRate>,
    /// When the credential ends.
    pub expires: Option<SystemTime>,
}

/// How fast a credential may be used, by whoever holds it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct KeyRate {
    /// What tells the credential apart in its tenant: several may act as one principal, and each
    /// has its own rate.
    pub key: Arc<str>,
    pub per_minute: NonZeroU32,
}

/// How it was proved.
#[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
pub enum Method {
    /// A socket or a loopback address that only the user of the daemon can reach.
    #[default]
    SameUser,
    /// The key of the instance, or one of those that were made for a tenant.
    ApiKey,
    /// A token that we issued for a password.
    Password,
    /// The static token of the administrator.
    AdminToken,
    /// A token of an identity provider.
    Oidc,
}

impl Method {
    pub const ALL: [Self; 5] =
        [Self::SameUser, Self::ApiKey, Self::Password, Self::AdminToken, Self::Oidc];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::SameUser => "same_user",
            Self::ApiKey => "api_key",
            Self::Password => "password",
            Self::AdminToken => "admin_token",
            Self::Oidc => "oidc",
        }
    }
}

/// The role that may do everything in its tenant.
pub const ADMIN: &str = "admin";

/// The role of whoever runs the daemon: may do everything in all tenants, and start programs.
pub const OWNER: &str = "owner";

impl Principal {
    /// Whoever runs the daemon, under the name `subject`, in the tenant `default`.
    pub fn new(subject: &str) -> Self {
        static OWNERS: LazyLock<Arc<Standing>> = LazyLock::new(|| {
            Arc::new(Standing { roles: vec![OWNER.into()], ..Standing::default() })
        });
        Self { tenant: Tenant::default(), subject: subject.into(), standing: Arc::clone(&OWNERS) }
    }

    /// A principal of `tenant`.
    pub fn of(tenant: Tenant, subject: &str, standing: Standing) -> Self {
        Self { tenant, subject: subject.into(), standing: Arc::new(standing) }
    }

    pub fn has_role(&self, role: &str) -> bool {
        self.standing.roles.iter().any(|own| **own == *role)
    }

    /// Whether it runs the daemon.
    pub fn is_owner(&self) -> bool {
        self.has_role(OWNER)
    }
}

/// A principal with what it brought, as a key under which decisions are kept.
///
/// Unlike [`Principal`], two are the same only where everything is that a decision may depend on;
/// when the credential ends and how fast it may ask are not: an ended one lets nobody in, and limits
/// are kept elsewhere.
#[derive(Clone, Debug)]
pub struct Entitled(pub Principal);

impl Entitled {
    /// Whether it is `other` with the same standing; without making a key of that.
    pub fn is(&self, other: &Principal) -> bool {
        let (own, standing) = (&self.0.standing, &other.standing);
        self.0 == *other
            && (Arc::ptr_eq(own, standing)
                || (own.method == standing.method
                    && own.name == standing.name
                    && own.roles == standing.roles
                    && own.scopes == standing.scopes))
    }

    /// Adds to `state` what tells principals apart.
    pub fn hash_of<H: Hasher>(principal: &Principal, state: &mut H) {
        let Standing { method, name, roles, scopes, expires: _, rate: _ } = &*principal.standing;
        principal.hash(state);
        (method, name, roles, scopes).hash(state);
    }
}

impl PartialEq for Entitled {
    fn eq(&self, other: &Self) -> bool {
        self.is(&other.0)
    }
}

impl Eq for Entitled {}

impl Hash for Entitled {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Self::hash_of(&self.0, state);
    }
}

impl PartialEq for Principal {
    fn eq(&self, other: &Self) -> bool {
        self.subject == other.subject && self.tenant == other.tenant
    }
}

impl Eq for Principal {}

impl Hash for Principal {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.tenant.hash(state);
        self.subject.hash(state);
    }
}

impl fmt::Debug for Principal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}/{}", self.tenant, self.subject)
    }
}
