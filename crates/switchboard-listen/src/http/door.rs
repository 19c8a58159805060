//! Who addresses us, and from which page.
//!
//! A web page can make a browser send requests to this machine, and can let its own name resolve
//! to 127.0.0.1 (DNS rebinding; CVE-2025-66414 and others). Both show in headers that a page
//! cannot choose: `Host` names whom the browser meant, `Origin` the page that asked.

use std::net::{IpAddr, SocketAddr};

use http::{HeaderMap, Request, Response, StatusCode, Uri, header};
use hyper::body::Incoming;
use switchboard_core::{Admitted, Credentials, Denied, Reason, Tenant};

use crate::http::message::{Body, Refused, refuse};
use crate::http::{HttpConfig, Service, limited};

pub(crate) struct Door {
    port: u16,
    hosts: Vec<String>,
    origins: Vec<String>,
    /// Whether clients may address us by any IP address: a rebound name is never one.
    any_ip: bool,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("the Host header names no address of this daemon (`http.allowed_hosts`)")]
    Host,
    #[error("pages of this origin may not call this daemon (`http.allowed_origins`)")]
    Origin,
}

impl Refusal {
    pub(crate) fn reason(self) -> &'static str {
        match self {
            Self::Host => "host",
            Self::Origin => "origin",
        }
    }
}

impl Door {
    pub(crate) fn new(address: SocketAddr, config: &HttpConfig) -> Self {
        Self {
            port: address.port(),
            hosts: config.allowed_hosts.iter().map(|host| host.to_ascii_lowercase()).collect(),
            origins: config.allowed_origins.iter().map(|o| o.to_ascii_lowercase()).collect(),
            any_ip: !address.ip().is_loopback(),
        }
    }

    pub(crate) fn check(&self, request: &Request<Incoming>) -> Result<(), Refusal> {
        self.check_parts(request.uri(), request.headers())
    }

    fn check_parts(&self, uri: &Uri, headers: &HeaderMap) -> Result<(), Refusal> {
        let host = single(headers, &header::HOST).ok_or(Refusal::Host)?.ok_or(Refusal::Host)?;
        if !self.is_our_host(host) {
            return Err(Refusal::Host);
        }
        // A request line with a whole address overrules the header (RFC 9112, section 3.2.2).
        if uri.authority().is_some_and(|authority| !self.is_our_host(authority.as_str())) {
            return Err(Refusal::Host);
        }
        match single(headers, &header::ORIGIN).ok_or(Refusal::Origin)? {
            None => Ok(()),
            Some(origin) if self.is_friendly_origin(origin) => Ok(()),
            Some(_) => Err(Refusal::Origin),
        }
    }

    fn is_our_host(&self, host: &str) -> bool {
        let host = host.to_ascii_lowercase();
        if self.hosts.contains(&host) {
            return true;
        }
        let Some((name, port)) = split_port(&host) else { return false };
        if port.is_some_and(|port| port != self.port) {
            return false;
        }
        self.hosts.iter().any(|allowed| allowed == name) || is_loopback(name) || {
            self.any_ip && ip(name).is_some()
        }
    }

    fn is_friendly_origin(&self, origin: &str) -> bool {
        let origin = origin.to_ascii_lowercase();
        if self.origins.contains(&origin) {
            return true;
        }
        let Some((scheme, rest)) = origin.split_once("://") else { return false };
        let name = split_port(rest).map(|(name, _)| name);
        matches!(scheme, "http" | "https") && name.is_some_and(is_loopback)
    }
}

/// The one value of a header: `Some(None)` where it is absent, `None` where it is doubled or no
/// text, which honest clients do not send and parsers disagree about.
fn single<'a>(headers: &'a HeaderMap, name: &header::HeaderName) -> Option<Option<&'a str>> {
    let mut values = headers.get_all(name).iter();
    let Some(first) = values.next() else { return Some(None) };
    if values.next().is_some() {
        return None;
    }
    first.to_str().ok().map(Some)
}

/// `name[:port]`, with an IPv6 address in brackets.
fn split_port(host: &str) -> Option<(&str, Option<u16>)> {
    let name_end = host.rfind(']').map_or(0, |at| at + 1);
    match host[name_end..].find(':') {
        None => Some((host, None)),
        Some(at) => {
            let (name, port) = host.split_at(name_end + at);
            Some((name, Some(port[1..].parse().ok()?)))
        }
    }
}

fn ip(name: &str) -> Option<IpAddr> {
    name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name).parse().ok()
}

fn is_loopback(name: &str) -> bool {
    name == "localhost" || ip(name).is_some_and(|ip| ip.is_loopback())
}

/// What of a request says who is calling.
pub(crate) struct Presented<'a> {
    tenant: &'a Tenant,
    headers: &'a HeaderMap,
    uri: &'a Uri,
    from: Option<IpAddr>,
}

impl<'a> Presented<'a> {
    pub(crate) fn of(request: &'a Request<Incoming>, tenant: &'a Tenant) -> Self {
        let from = limited::address(request);
        Self { tenant, headers: request.headers(), uri: request.uri(), from }
    }
}

impl Service {
    /// Who is calling, by what they present to a tenant.
    pub(crate) async fn admit(&self, parts: Presented<'_>) -> Result<Admitted, Refused> {
        let headers: Vec<(&str, &[u8])> =
            parts.headers.iter().map(|(name, value)| (name.as_str(), value.as_bytes())).collect();
        let (query, from) = (parts.uri.query(), parts.from);
        let credentials =
            Credentials::Http { tenant: parts.tenant, headers: &headers, query, from };
        let mut answer = self.judge(credentials, from)?;
        if answer.as_ref().is_err_and(|denied| denied.reason == Reason::Unlearned) {
            self.login.learn(credentials).await;
            answer = self.judge(credentials, from)?;
        }
        answer.map_err(|denied| {
            self.operations.rejected("key");
            refused(&denied, self.metadata(&parts).as_deref()).into()
        })
    }

    /// Looks at what somebody presents, unless too many wrong keys came from there. In one go: what
    /// is looked at at the same time is not counted yet.
    fn judge(
        &self,
        credentials: Credentials<'_>,
        from: Option<IpAddr>,
    ) -> Result<Result<Admitted, Denied>, Refused> {
        self.guesses.check(from).map_err(|wait| {
            self.operations.rejected("guesses");
            limited::guessed(wait)
        })?;
        let answer = self.login.admit(credentials);
        // What has expired was known to whoever presents it, and no key is no guess.
        if answer.as_ref().is_err_and(|denied| denied.reason == Reason::Invalid) {
            self.guesses.count(from);
        }
        Ok(answer)
    }

    /// Where the metadata is of what was asked for (RFC 9728, section 3.1).
    fn metadata(&self, parts: &Presented<'_>) -> Option<String> {
        let host = parts.headers.get(header::HOST)?.to_str().ok()?;
        let (scheme, path) = (self.config.scheme(), parts.uri.path());
        Some(format!("{scheme}://{host}/.well-known/oauth-protected-resource{path}"))
    }
}

/// The answer to somebody who is not let in.
fn refused(denied: &Denied, metadata: Option<&str>) -> Response<Body> {
    let status = StatusCode::from_u16(denied.status()).expect("a status that HTTP knows");
    let mut response = refuse(status, denied.message);
    let value = denied.www_authenticate(metadata);
    if let Some(value) = value.and_then(|value| http::HeaderValue::try_from(value).ok()) {
        response.headers_mut().insert(header::WWW_AUTHENTICATE, value);
    }
    response
}

/// A 401, which says how to do better (RFC 9110, section 15.5.2).
pub(crate) fn unauthorized(message: &str) -> Response<Body> {
    let mut response = refuse(StatusCode::UNAUTHORIZED, message);
    let challenge = http::HeaderValue::from_static("Bearer realm=\"switchboard\"");
    response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
    response
}

#[cfg(test)]
mod tests {
    use http::{HeaderMap, HeaderName, HeaderValue, Uri};

    use super::Door;
    use crate::http::HttpConfig;

    /// Checks a request written `[TARGET] header=value …` against a daemon on `address`.
    #[track_caller]
    fn check(address: &str, request: &str, expected: &str) {
        let config = HttpConfig {
            allowed_hosts: vec!["gate.example".into()],
            allowed_origins: vec!["https://app.example".into()],
            ..HttpConfig::default()
        };
        let door = Door::new(address.parse().unwrap(), &config);
        let mut uri = Uri::from_static("/mcp");
        let mut headers = HeaderMap::new();
        for word in request.split_whitespace() {
            match word.split_once('=') {
                Some((name, value)) => {
                    let name: HeaderName = name.parse().unwrap();
                    headers.append(name, HeaderValue::from_str(value).unwrap());
                }
                None => uri = word.parse().unwrap(),
            }
        }
        let actual = match door.check_parts(&uri, &headers) {
            Ok(()) => "ok",
            Err(refusal) => refusal.reason(),
        };
        assert_eq!(actual, expected, "{request}");
    }

    #[test]
    fn only_our_own_names_are_answered() {
        let local = |request, expected| check("127.0.0.1:8765", request, expected);
        local("host=127.0.0.1:8765", "ok");
        local("host=localhost", "ok");
        local("host=LOCALHOST:8765", "ok");
        local("host=[::1]:8765", "ok");
        local("host=gate.example", "ok");
        local("host=gate.example:8765", "ok");
        local("", "host");
        local("host=evil.example", "host");
        local("host=127.0.0.1.evil.example", "host");
        local("host=127.0.0.1:9999", "host");
        local("host=0.0.0.0:8765", "host");
        local("host=192.168.1.5:8765", "host");
        local("host=localhost:8765@evil.example", "host");
        local("host=localhost host=evil.example", "host");
        local("http://evil.example/mcp host=localhost", "host");
        check("0.0.0.0:8765", "host=192.168.1.5:8765", "ok");
        check("0.0.0.0:8765", "host=evil.example", "host");
    }

    #[test]
    fn pages_of_strangers_are_refused() {
        let from = |origin: &str, expected| {
            check("127.0.0.1:8765", &format!("host=localhost origin={origin}"), expected);
        };
        from("http://localhost:6274", "ok");
        from("http://127.0.0.1", "ok");
        from("https://app.example", "ok");
        from("https://app.example.evil", "origin");
        from("https://evil.example", "origin");
        from("http://localhost.evil.example", "origin");
        from("null", "origin");
        from("file://localhost", "origin");
    }
}
