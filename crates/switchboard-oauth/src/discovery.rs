//! Whose resource a server is, and what the authorization server offers.
//!
//! Protected resource metadata (RFC 9728) names the authorization servers of a resource, and the
//! metadata of one of them (RFC 8414, `OpenID` Connect Discovery) its endpoints. Both come from
//! strangers: each must be about exactly what was asked for, or nothing in it counts.

use http::Uri;
use serde::Deserialize;
use switchboard_egress::same_origin;

use crate::challenge::Challenge;
use crate::error::OauthError;
use crate::net::Net;
use crate::web;

/// Whose resource the server is.
#[derive(Clone, Debug)]
pub(crate) struct Resource {
    /// The name that tokens are asked for.
    pub(crate) name: String,
    /// In the order of the server's preference; empty if it does not say.
    pub(crate) issuers: Vec<String>,
    pub(crate) scopes: Option<Vec<String>>,
}

/// An authorization server whose metadata passed.
#[derive(Clone, Debug)]
pub(crate) struct Issuer {
    pub(crate) name: String,
    pub(crate) authorization: Option<Uri>,
    pub(crate) token: Uri,
    pub(crate) registration: Option<Uri>,
    pub(crate) device: Option<Uri>,
    pub(crate) scopes: Vec<String>,
    /// Of the token endpoint; `None` if it does not say.
    pub(crate) auth_methods: Option<Vec<String>>,
    pub(crate) grants: Option<Vec<String>>,
    pub(crate) s256: bool,
    pub(crate) iss_advertised: bool,
    pub(crate) takes_documents: bool,
}

#[derive(Deserialize)]
struct ResourceDocument {
    resource: String,
    #[serde(default)]
    authorization_servers: Vec<String>,
    scopes_supported: Option<Vec<String>>,
}

#[derive(Deserialize)]
struct IssuerDocument {
    issuer: String,
    authorization_endpoint: Option<String>,
    token_endpoint: Option<String>,
    registration_endpoint: Option<String>,
    device_authorization_endpoint: Option<String>,
    #[serde(default)]
    scopes_supported: Vec<String>,
    token_endpoint_auth_methods_supported: Option<Vec<String>>,
    grant_types_supported: Option<Vec<String>>,
    #[serde(default)]
    code_challenge_methods_supported: Vec<String>,
    #[serde(default)]
    authorization_response_iss_parameter_supported: bool,
    #[serde(default)]
    client_id_metadata_document_supported: bool,
}

/// Finds the metadata of the server: where the challenge says, else at the well-known places.
///
/// # Errors
///
/// [`OauthError::Unfit`] if it is about another resource.
pub(crate) async fn resource(
    net: &Net,
    challenge: Option<&Challenge>,
) -> Result<Resource, OauthError> {
    let mut places = Vec::new();
    if let Some(named) = challenge.and_then(|challenge| challenge.resource_metadata.as_deref()) {
        places.push(net.endpoint("address of the resource's metadata", named)?);
    }
    for place in resource_places(&net.server) {
        let place = net.endpoint("address of the resource's metadata", &place)?;
        if !places.contains(&place) {
            places.push(place);
        }
    }
    for place in places {
        let found = net.document("read the metadata of the resource", &place).await?;
        if let Some(found) = found {
            return check_resource(&net.server, found);
        }
    }
    Ok(Resource { name: web::resource(&net.server), issuers: Vec::new(), scopes: None })
}

fn resource_places(server: &Uri) -> Vec<String> {
    let root = format!("{}/.well-known/oauth-protected-resource", web::origin(server));
    match server.path().trim_end_matches('/') {
        "" => vec![root],
        path => vec![format!("{root}{path}"), root],
    }
}

/// The resource must be the server, or what the server lies below: one document at the root of an
/// origin is common.
fn check_resource(server: &Uri, found: ResourceDocument) -> Result<Resource, OauthError> {
    let named: Option<Uri> = found.resource.parse().ok();
    let good = named.is_some_and(|named| {
        let (above, path) = (named.path().trim_end_matches('/'), server.path());
        let below =
            path.strip_prefix(above).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
        same_origin(server, &named) && below && named.query().is_none()
    });
    if !good || found.resource.contains('#') {
        let why = "it is about another resource than this server";
        return Err(OauthError::unfit("the metadata of the resource is not used", why));
    }
    Ok(Resource {
        name: found.resource,
        issuers: found.authorization_servers,
        scopes: found.scopes_supported,
    })
}

/// Reads the metadata of the authorization server with exactly this name.
///
/// # Errors
///
/// [`OauthError::Unfit`] if there is none, or it says that it is another, or names endpoints that
/// are not used.
pub(crate) async fn issuer(net: &Net, name: &str) -> Result<Issuer, OauthError> {
    let uri = net.endpoint("authorization server", name)?;
    if uri.query().is_some() {
        return Err(OauthError::unfit("the authorization server is not used", "it has a query"));
    }
    for place in issuer_places(&uri) {
        let place = net.endpoint("address of the authorization server's metadata", &place)?;
        let found = net.document("read the metadata of the authorization server", &place).await?;
        if let Some(found) = found {
            return check_issuer(net, name, found);
        }
    }
    let what = format!("the authorization server `{name}` is not used");
    Err(OauthError::unfit(what, "it publishes no metadata"))
}

/// RFC 8414 and `OpenID` Connect, each with the path behind the well-known part, then `OpenID`
/// Connect's own way with the path before it; the order is the specification's.
fn issuer_places(issuer: &Uri) -> Vec<String> {
    let origin = web::origin(issuer);
    let path = issuer.path().trim_end_matches('/');
    let mut places = vec![
        format!("{origin}/.well-known/oauth-authorization-server{path}"),
        format!("{origin}/.well-known/openid-configuration{path}"),
    ];
    if !path.is_empty() {
        places.push(format!("{origin}{path}/.well-known/openid-configuration"));
    }
    places
}

fn check_issuer(net: &Net, name: &str, found: IssuerDocument) -> Result<Issuer, OauthError> {
    // Without this, one server could publish the endpoints of another in its own name.
    if found.issuer != name {
        let what = format!("the authorization server `{name}` is not used");
        return Err(OauthError::unfit(what, "its metadata names another issuer"));
    }
    let endpoint =
        |what: &str, text: Option<String>| text.map(|text| net.endpoint(what, &text)).transpose();
    let Some(token) = endpoint("token endpoint", found.token_endpoint)? else {
        let what = format!("the authorization server `{name}` is not used");
        return Err(OauthError::unfit(what, "its metadata names no token endpoint"));
    };
    Ok(Issuer {
        authorization: endpoint("authorization endpoint", found.authorization_endpoint)?,
        token,
        registration: endpoint("registration endpoint", found.registration_endpoint)?,
        device: endpoint("device endpoint", found.device_authorization_endpoint)?,
        scopes: found.scopes_supported,
        auth_methods: found.token_endpoint_auth_methods_supported,
        grants: found.grant_types_supported,
        s256: found.code_challenge_methods_supported.iter().any(|method| method == "S256"),
        iss_advertised: found.authorization_response_iss_parameter_supported,
        takes_documents: found.client_id_metadata_document_supported,
        name: found.issuer,
    })
}

/// The authorization server of a server that names none: its own origin, as 2025-03-26 has it.
pub(crate) async fn origin_as_issuer(net: &Net) -> Result<Issuer, OauthError> {
    let origin = web::origin(&net.server);
    let place =
        net.endpoint("server", &format!("{origin}/.well-known/oauth-authorization-server"))?;
    let doing = "read the metadata of the authorization server";
    if let Some(found) = net.document::<IssuerDocument>(doing, &place).await? {
        // The name is our guess, so the slash at its end is too.
        let name = if found.issuer == format!("{origin}/") { found.issuer.clone() } else { origin };
        return check_issuer(net, &name, found);
    }
    // "For servers that do not implement OAuth 2.0 Authorization Server Metadata, clients MUST use
    // the following default endpoint paths" (2025-03-26). PKCE cannot be advertised there; it is
    // used all the same, and the endpoints are the configured server's own.
    let at = |path: &str| net.endpoint("server", &format!("{origin}{path}"));
    Ok(Issuer {
        authorization: Some(at("/authorize")?),
        token: at("/token")?,
        registration: Some(at("/register")?),
        device: None,
        scopes: Vec::new(),
        auth_methods: None,
        grants: None,
        s256: true,
        iss_advertised: false,
        takes_documents: false,
        name: origin,
    })
}

#[cfg(test)]
mod tests {
    use super::{ResourceDocument, check_resource, issuer_places, resource_places};

    #[test]
    fn places() {
        assert_eq!(
            resource_places(&"https://a.example/x/mcp".parse().unwrap()),
            [
                "https://a.example/.well-known/oauth-protected-resource/x/mcp",
                "https://a.example/.well-known/oauth-protected-resource"
            ]
        );
        assert_eq!(
            resource_places(&"https://A.example:443/".parse().unwrap()),
            ["https://a.example/.well-known/oauth-protected-resource"]
        );
        assert_eq!(
            issuer_places(&"https://as.example/tenant/".parse().unwrap()),
            [
                "https://as.example/.well-known/oauth-authorization-server/tenant",
                "https://as.example/.well-known/openid-configuration/tenant",
                "https://as.example/tenant/.well-known/openid-configuration"
            ]
        );
        assert_eq!(issuer_places(&"https://as.example".parse().unwrap()).len(), 2);
    }

    #[test]
    fn a_resource_is_the_server_or_above_it() {
        for (resource, expected) in [
            ("https://a.example/x/mcp", true),
            ("https://a.example/x", true),
            ("https://a.example/", true),
            ("https://a.example", true),
            ("https://A.example:443/x/mcp", true),
            ("https://a.example/x/mc", false),
            ("https://a.example/x/mcp/deeper", false),
            ("https://a.example/other", false),
            ("https://a.example/x/mcp?y", false),
            ("https://a.example/x/mcp#y", false),
            ("https://a.example:444/x/mcp", false),
            ("http://a.example/x/mcp", false),
            ("https://evil.example/x/mcp", false),
            ("https://a.example@evil.example/x/mcp", false),
            ("nonsense", false),
            ("", false),
        ] {
            let document = ResourceDocument {
                resource: resource.to_owned(),
                authorization_servers: Vec::new(),
                scopes_supported: None,
            };
            let server = "https://a.example/x/mcp".parse().unwrap();
            assert_eq!(check_resource(&server, document).is_ok(), expected, "{resource}");
        }
    }
}
