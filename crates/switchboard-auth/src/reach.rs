//! Which tenants somebody is somebody in.

use std::fmt;

use switchboard_core::{NoTenant, Tenant};

/// One tenant, or whichever is addressed.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Reach {
    One(Tenant),
    /// Written `*`: the users of a daemon whose tenants trust one list of people.
    Any,
}

impl Reach {
    /// # Errors
    ///
    /// [`NoTenant`] where it is neither a tenant nor `*`.
    pub fn parse(text: &str) -> Result<Self, NoTenant> {
        if text == "*" { Ok(Self::Any) } else { Tenant::parse(text).map(Self::One) }
    }

    /// The tenant of somebody with this reach who addresses `tenant`; `None` where it is another's.
    pub fn at(&self, addressed: &Tenant) -> Option<Tenant> {
        match self {
            Self::One(own) => (own == addressed).then(|| own.clone()),
            Self::Any => Some(addressed.clone()),
        }
    }

    /// Where what belongs to somebody with this reach is kept.
    pub fn home(&self) -> Tenant {
        match self {
            Self::One(own) => own.clone(),
            Self::Any => Tenant::default(),
        }
    }
}

impl fmt::Display for Reach {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::One(tenant) => tenant.fmt(formatter),
            Self::Any => formatter.write_str("*"),
        }
    }
}
