//! This daemon as a resource server of OAuth 2.1, as MCP has it.
//!
//! A client that is refused is told where the metadata of what it asked for is (RFC 9728); they
//! name who gives tokens for it. The challenge itself is data of
//! [`Denied`](switchboard_core::Denied).

use serde_json::{Value, json};
use switchboard_core::Tenant;

use crate::config::{AuthConfig, ResourceConfig, WayName};

/// Between the host and the path of a resource is where its metadata are (RFC 9728, section 3.1).
const WELL_KNOWN: &str = "/.well-known/oauth-protected-resource";

impl AuthConfig {
    /// Who gives tokens for this daemon; none where nothing but keys lets anybody in.
    pub fn authorization_servers(&self) -> Vec<String> {
        let ResourceConfig { authorization_servers, .. } = &self.resource;
        if !self.order.contains(&WayName::Oidc) {
            return Vec::new();
        }
        if !authorization_servers.is_empty() {
            return authorization_servers.clone();
        }
        let cognito = self.cognito.iter().map(super::CognitoConfig::issuer);
        self.oidc.values().map(|oidc| oidc.issuer.clone()).chain(cognito).collect()
    }

    /// The metadata of the resource that was asked for as `address`; `None` where nobody gives tokens
    /// for it. It has the address that is configured for that path, where one is: what a proxy calls
    /// us is not what clients do.
    pub fn resource_metadata(&self, address: &str) -> Option<Value> {
        let known = self.resource.addresses.iter().find_map(|known| known_as(known, address));
        let address = known.unwrap_or_else(|| address.to_owned());
        let servers = self.authorization_servers();
        if servers.is_empty() {
            return None;
        }
        let mut metadata = json!({
            "resource": address,
            "authorization_servers": servers,
            // A token in an address is in every log on the way (RFC 9700, section 4.3.2).
            "bearer_methods_supported": ["header"],
            "resource_name": "Switchboard",
        });
        if !self.resource.scopes.is_empty() {
            metadata["scopes_supported"] = json!(self.resource.scopes);
        }
        if let Some(documentation) = &self.resource.documentation {
            metadata["resource_documentation"] = json!(documentation);
        }
        Some(metadata)
    }
}

/// The configured address, where it is the one of the same path.
fn known_as(known: &str, address: &str) -> Option<String> {
    let path = |address: &str| {
        let (_, rest) = address.split_once("://")?;
        Some(rest.find('/').map_or("/", |at| &rest[at..]).to_owned())
    };
    let asked = path(address)?;
    let endpoint = asked.split('/').nth(1).unwrap_or_default();
    let known = known.replace(ENDPOINT, endpoint);
    (path(&known)? == asked).then_some(known)
}

/// An address of this daemon that tokens are for (RFC 8707).
pub(crate) struct Resource {
    address: String,
    /// The tenant's part of its path, where there is one.
    endpoint: Option<String>,
}

/// Stands in an address for the tenant that is addressed.
const ENDPOINT: &str = "{endpoint_id}";

impl Resource {
    pub(crate) fn new(address: &str) -> Self {
        let path = address.split_once("://").and_then(|(_, rest)| rest.split_once('/'));
        let first = path.and_then(|(_, path)| path.split(['/', '?']).next());
        let endpoint = first.filter(|it| Tenant::new(it, None).is_ok()).map(str::to_owned);
        Self { address: address.to_owned(), endpoint }
    }

    /// Its address for those who address `tenant`; `None` where it is another's.
    pub(crate) fn at(&self, tenant: &Tenant) -> Option<String> {
        let is_here = self.endpoint.as_ref().is_none_or(|own| own == tenant.endpoint());
        is_here.then(|| self.address.replace(ENDPOINT, tenant.endpoint()))
    }
}

/// Where the metadata of the resource at `address` are, for `resource_metadata` of a challenge;
/// `None` where it is no absolute address.
pub fn metadata_address(address: &str) -> Option<String> {
    let (scheme, rest) = address.split_once("://")?;
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (host, path) = rest.split_at(end);
    let path = path.split(['?', '#']).next().unwrap_or_default();
    let path = if path == "/" { "" } else { path };
    (!host.is_empty()).then(|| format!("{scheme}://{host}{WELL_KNOWN}{path}"))
}

/// The path of the resource whose metadata are asked for at `path`.
pub fn resource_path(path: &str) -> Option<&str> {
    let rest = path.strip_prefix(WELL_KNOWN)?;
    match rest {
        "" => Some("/"),
        _ => rest.starts_with('/').then_some(rest),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use switchboard_core::Tenant;

    use super::{Resource, metadata_address, resource_path};
    use crate::config::AuthConfig;

    #[test]
    fn metadata_are_between_the_host_and_the_path() {
        let check = |address: &str, expected: Option<&str>| {
            assert_eq!(metadata_address(address).as_deref(), expected, "{address}");
        };
        let base = "https://gate.example:8443/.well-known/oauth-protected-resource";
        check("https://gate.example:8443/mcp", Some(&format!("{base}/mcp")));
        check("https://gate.example:8443/acme/mcp?x=1", Some(&format!("{base}/acme/mcp")));
        check("https://gate.example:8443/", Some(base));
        check("https://gate.example:8443", Some(base));
        check("/mcp", None);
        check("https:///mcp", None);
        assert_eq!(resource_path("/.well-known/oauth-protected-resource/mcp"), Some("/mcp"));
        assert_eq!(resource_path("/.well-known/oauth-protected-resource"), Some("/"));
        assert_eq!(resource_path("/.well-known/oauth-protected-resources"), None);
        assert_eq!(resource_path("/mcp"), None);
    }

    #[test]
    fn the_address_of_a_tenant_is_for_that_tenant() {
        let check = |address: &str, tenant: &str, expected: Option<&str>| {
            let actual = Resource::new(address).at(&Tenant::parse(tenant).unwrap());
            assert_eq!(actual.as_deref(), expected, "{address} for {tenant}");
        };
        check("https://x.example/mcp", "acme", Some("https://x.example/mcp"));
        check("https://x.example", "acme", Some("https://x.example"));
        check("https://x.example/acme/mcp", "acme", Some("https://x.example/acme/mcp"));
        check("https://x.example/acme/mcp", "acme#eu", Some("https://x.example/acme/mcp"));
        check("https://x.example/acme/mcp", "beta", None);
        check("https://x.example/{endpoint_id}/mcp", "beta", Some("https://x.example/beta/mcp"));
    }

    #[test]
    fn metadata_name_who_gives_tokens() {
        let config: AuthConfig = serde_json::from_value(json!({
            "oidc": { "corp": { "issuer": "https://login.example" } },
            "resource": { "scopes": ["effect:read"] },
        }))
        .unwrap();
        let metadata = config.resource_metadata("https://gate.example/mcp").unwrap();
        assert_eq!(metadata["resource"], "https://gate.example/mcp");
        assert_eq!(metadata["authorization_servers"], json!(["https://login.example"]));
        assert_eq!(metadata["scopes_supported"], json!(["effect:read"]));
        assert_eq!(metadata["bearer_methods_supported"], json!(["header"]));
        let config = AuthConfig {
            resource: serde_json::from_value(json!({ "addresses": [
                "https://gate.example/mcp", "https://gate.example/{endpoint_id}/mcp"] }))
            .unwrap(),
            ..config
        };
        for (asked, known) in [
            ("http://10.0.0.7:8765/mcp", "https://gate.example/mcp"),
            ("http://10.0.0.7:8765/acme/mcp", "https://gate.example/acme/mcp"),
            ("http://10.0.0.7:8765/sse", "http://10.0.0.7:8765/sse"),
        ] {
            assert_eq!(config.resource_metadata(asked).unwrap()["resource"], known);
        }
        assert_eq!(AuthConfig::default().resource_metadata("https://gate.example/mcp"), None);
    }
}
