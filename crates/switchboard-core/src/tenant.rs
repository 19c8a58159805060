//! To whom everything that is kept or served belongs.

use std::fmt;
use std::sync::{Arc, LazyLock};

/// A tenant: the partition `ENDPOINT` or `ENDPOINT#PART` of everything that is kept or served.
///
/// The endpoint is a segment of the path (`/{endpoint_id}/mcp`), the part is the header `Part-Id`.
/// What the root paths serve, and the configuration file describes, is `default`.
#[derive(Clone, Eq, Hash, Ord, PartialEq, PartialOrd)]
pub struct Tenant(Arc<str>);

/// What the endpoint of a tenant may not be called: the first segments of our own paths.
pub const RESERVED: &[&str] = &[
    "admin", "api", "auth", "docs", "graphql", "health", "mcp", "me", "messages", "metrics",
    "oauth", "openapi", "sse", "ws",
];

/// The name of the tenant of the root paths.
const DEFAULT: &str = "default";

/// The longest endpoint and the longest part: together with the sign between them, what the column
/// `partition_key` of existing stores holds (128 characters).
const LIMIT: usize = 63;

/// Why something is no tenant.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
pub enum NoTenant {
    #[error("`{0}` has characters other than letters, digits, `-` and `_`, or is empty")]
    Characters(String),
    #[error("`{0}` is longer than {LIMIT} characters")]
    TooLong(String),
    #[error("`{0}` is a word of our own paths")]
    Reserved(String),
}

impl Tenant {
    /// The tenant of an endpoint and, where one is named, of a part of it.
    ///
    /// # Errors
    ///
    /// [`NoTenant`] where one of them is no name, or a word that our own paths need.
    pub fn new(endpoint: &str, part: Option<&str>) -> Result<Self, NoTenant> {
        check(endpoint)?;
        if RESERVED.contains(&endpoint) {
            return Err(NoTenant::Reserved(endpoint.to_owned()));
        }
        let Some(part) = part else { return Ok(Self(endpoint.into())) };
        check(part)?;
        Ok(Self(format!("{endpoint}#{part}").into()))
    }

    /// Reads what [`Self::as_str`] gave.
    ///
    /// # Errors
    ///
    /// As [`Self::new`].
    pub fn parse(text: &str) -> Result<Self, NoTenant> {
        match text.split_once('#') {
            Some((endpoint, part)) => Self::new(endpoint, Some(part)),
            None => Self::new(text, None),
        }
    }

    /// `ENDPOINT` or `ENDPOINT#PART`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub fn endpoint(&self) -> &str {
        self.0.split_once('#').map_or(&*self.0, |(endpoint, _)| endpoint)
    }

    pub fn part(&self) -> Option<&str> {
        self.0.split_once('#').map(|(_, part)| part)
    }

    /// Whether it is the one of the root paths and of the configuration file.
    pub fn is_default(&self) -> bool {
        &*self.0 == DEFAULT
    }
}

impl Default for Tenant {
    fn default() -> Self {
        static ONE: LazyLock<Tenant> = LazyLock::new(|| Tenant(DEFAULT.into()));
        ONE.clone()
    }
}

impl fmt::Display for Tenant {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

impl fmt::Debug for Tenant {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.0)
    }
}

fn check(name: &str) -> Result<(), NoTenant> {
    let fine = |character: char| character.is_ascii_alphanumeric() || "-_".contains(character);
    if name.is_empty() || !name.chars().all(fine) {
        return Err(NoTenant::Characters(name.to_owned()));
    }
    if LIMIT < name.len() {
        return Err(NoTenant::TooLong(name.to_owned()));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::Tenant;

    #[track_caller]
    fn check(endpoint: &str, part: Option<&str>, expected: &str) {
        let actual = match Tenant::new(endpoint, part) {
            Ok(tenant) => {
                assert_eq!((tenant.endpoint(), tenant.part()), (endpoint, part));
                assert_eq!(Tenant::parse(tenant.as_str()).as_ref(), Ok(&tenant));
                tenant.to_string()
            }
            Err(error) => error.to_string(),
        };
        assert!(actual.contains(expected), "{actual}");
    }

    #[test]
    fn an_endpoint_and_a_part_are_names() {
        check("acme", None, "acme");
        check("acme", Some("eu-1"), "acme#eu-1");
        check("healthy", None, "healthy");
        check("default", None, "default");
        check("health", None, "is a word of our own paths");
        check("", None, "is empty");
        check("a b", None, "characters other than");
        check("a#b", None, "characters other than");
        check("acme", Some(""), "is empty");
        check("acme", Some("../x"), "characters other than");
        check(&"a".repeat(64), None, "longer than 63");
    }

    #[test]
    fn the_default_is_the_one_of_that_name() {
        assert_eq!(Tenant::parse("default"), Ok(Tenant::default()));
        assert!(Tenant::default().is_default());
        assert!(!Tenant::parse("default#part").unwrap().is_default());
    }
}
