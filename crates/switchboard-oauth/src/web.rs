//! Addresses: which ones are used at all, and how they are written.

use std::fmt;
use std::process::Stdio;

use http::Uri;
use switchboard_egress::is_loopback_name;
use tokio::process::Command;

/// An address that may be shown to a person and given to a browser.
///
/// It begins with `https://` (or `http://` on this machine) and holds no character that means
/// something to a shell, a terminal or a desktop launcher, however it is quoted there. `&` alone
/// cannot be avoided; no shell sees it, because none is started (CVE-2025-6514).
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct WebUrl(String);

/// Programs that open an address, the common one first; each takes it as its last argument.
const OPENERS: &[&[&str]] = &[&["xdg-open"], &["gio", "open"], &["wslview"], &["open"]];

impl WebUrl {
    pub(crate) fn parse(text: &str, on_loopback: bool) -> Result<Self, &'static str> {
        endpoint(text, on_loopback).map(|_| Self(text.to_owned()))
    }

    /// An endpoint that passed, with parameters; they are escaped, so the whole passes too.
    pub(crate) fn assembled(endpoint: &Uri, pairs: &[(&str, &str)]) -> Self {
        Self(with_query(endpoint, pairs))
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Asks the desktop to open it; whether a program took it. No shell is involved.
    pub fn open(&self) -> bool {
        self.open_with(OPENERS)
    }

    fn open_with(&self, openers: &[&[&str]]) -> bool {
        openers.iter().any(|opener| {
            let mut command = Command::new(opener[0]);
            command.args(&opener[1..]).arg(&self.0);
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
            command.spawn().is_ok()
        })
    }
}

impl fmt::Display for WebUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Longest address a server may name. Browsers and servers commonly stop at 8 KiB.
const LONGEST: usize = 2048;

/// Reads an address that a server named.
///
/// `on_loopback`: the server itself is on this machine, so plain `http` to this machine will do.
pub(crate) fn endpoint(text: &str, on_loopback: bool) -> Result<Uri, &'static str> {
    if text.len() > LONGEST {
        return Err("it is too long");
    }
    // What no address of an endpoint needs: `!$'()*;` are legal (RFC 3986, section 2.2) and mean
    // something to shells; `#` would cut off what we add.
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~:/?[]@&=+,%".contains(&byte);
    if !text.bytes().all(plain) {
        return Err("it has characters in it that an address of this kind does not need");
    }
    let uri: Uri = text.parse().map_err(|_| "it is no address")?;
    if uri.authority().is_none_or(|authority| authority.as_str().contains('@')) {
        return Err("it has no host, or a user name");
    }
    match uri.scheme_str() {
        Some("https") => Ok(uri),
        Some("http") if on_loopback && is_loopback_name(&uri) => Ok(uri),
        _ => Err("it does not begin with https://"),
    }
}

/// The address of a client id metadata document: https, with a path, and nothing else.
pub(crate) fn document(text: &str) -> Option<Uri> {
    endpoint(text, false).ok().filter(|uri| uri.path() != "/" && uri.query().is_none())
}

/// Scheme, host and port, without a slash.
pub(crate) fn origin(uri: &Uri) -> String {
    let scheme = uri.scheme_str().unwrap_or("https");
    let host = uri.host().unwrap_or_default().to_ascii_lowercase();
    match (scheme, uri.port_u16()) {
        (_, None) | ("https", Some(443)) | ("http", Some(80)) => format!("{scheme}://{host}"),
        (_, Some(port)) => format!("{scheme}://{host}:{port}"),
    }
}

/// The canonical name of a server as a resource (RFC 8707): no trailing slash, query or fragment.
pub(crate) fn resource(server: &Uri) -> String {
    format!("{}{}", origin(server), server.path().trim_end_matches('/'))
}

/// Adds parameters to the query of an address.
fn with_query(address: &Uri, pairs: &[(&str, &str)]) -> String {
    let address = address.to_string();
    let start = if address.contains('?') { '&' } else { '?' };
    format!("{address}{start}{}", form(pairs))
}

/// `a=1&b=2`, escaped (URL Standard, `application/x-www-form-urlencoded`).
pub(crate) fn form(pairs: &[(&str, &str)]) -> String {
    // The serializer leaves `*` as it is, which `endpoint` refuses and a shell expands.
    let text = form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
    text.replace('*', "%2A")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::{WebUrl, document, endpoint, resource};

    /// Lines of `address -> remote local`: whether it is used when the server is somewhere else, and
    /// when it is on this machine.
    #[track_caller]
    fn check(table: &str) {
        for line in table.lines().map(str::trim).filter(|line| !line.is_empty()) {
            let (address, expected) = line.split_once(" -> ").unwrap();
            let used =
                |on_loopback| if endpoint(address, on_loopback).is_ok() { "yes" } else { "no" };
            assert_eq!(format!("{} {}", used(false), used(true)), expected, "{address}");
        }
    }

    #[test]
    fn which_addresses_are_used() {
        check(
            "https://as.example/authorize -> yes yes
             https://as.example:8443/a/b?x=1&y=%20 -> yes yes
             https://[2606:4700::1]/token -> yes yes
             HTTPS://AS.example/ -> yes yes
             http://127.0.0.1:8080/token -> no yes
             http://localhost/token -> no yes
             http://[::1]/token -> no yes
             http://localhost.evil.example/ -> no no
             http://127.0.0.1.evil.example/ -> no no
             http://127.0.0.1@evil.example/ -> no no
             http://as.example/ -> no no
             http://10.0.0.1/ -> no no
             ws://as.example/ -> no no
             data:text/html,x -> no no
             javascript:alert -> no no
             //as.example/ -> no no
             /authorize -> no no
             https:// -> no no
             https:///x -> no no
             https://as.example/$HOME -> no no
             https://as.example/?a=b;c -> no no
             https://as.example/%0a|id -> no no
             https://as.example\\@evil.example/ -> no no
             https://\u{430}s.example/ -> no no",
        );
        assert!(endpoint(&format!("https://as.example/{}", "x".repeat(3000)), false).is_err());
    }

    #[test]
    fn parameters_cannot_leave_their_place() {
        let at = "https://as.example/a?tenant=1".parse().unwrap();
        let url = WebUrl::assembled(&at, &[("scope", "a b&c=d#e"), ("x", "$(id)`*;'\"\n\u{e9}")]);
        assert_eq!(
            url.as_str(),
            "https://as.example/a?tenant=1&scope=a+b%26c%3Dd%23e\
             &x=%24%28id%29%60%2A%3B%27%22%0A%C3%A9"
        );
        assert!(endpoint(url.as_str(), false).is_ok());
    }

    /// The address is one argument of the program that opens it, and no text of a command
    /// (mcp-remote, CVE-2025-6514).
    #[tokio::test]
    async fn browser_opened_without_a_shell() {
        let directory = tempfile::tempdir().unwrap();
        let opened = directory.path().join("opened");
        let at = "https://as.example/a?x=1&touch".parse().unwrap();
        let url = WebUrl::assembled(&at, &[("scope", "$(id) `id` ; id | 'id' \"id\" > id")]);
        // A program that writes down how often it was told something, and what.
        let write = r#"printf '%s\n' "$#" "$@" > "$0.part" && mv "$0.part" "$0""#;
        let opener = ["sh", "-c", write, opened.to_str().unwrap()];
        assert!(url.open_with(&[&["/nowhere/xdg-open"], &opener]));
        let written = async {
            while !opened.exists() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        tokio::time::timeout(Duration::from_mins(1), written).await.expect("it is opened");
        assert_eq!(std::fs::read_to_string(&opened).unwrap(), format!("1\n{url}\n"));
        assert!(!url.open_with(&[&["/nowhere/xdg-open"]]));
    }

    #[test]
    fn names_of_resources() {
        for (server, expected) in [
            ("https://MCP.example:443/mcp/?key=1", "https://mcp.example/mcp"),
            ("https://mcp.example/", "https://mcp.example"),
            ("http://127.0.0.1:80/x", "http://127.0.0.1/x"),
            ("http://[::1]:8080/x/y", "http://[::1]:8080/x/y"),
        ] {
            assert_eq!(resource(&server.parse().unwrap()), expected);
        }
    }

    #[test]
    fn documents_are_https_with_a_path() {
        for (url, expected) in [
            ("https://me.example/client.json", true),
            ("https://me.example/", false),
            ("https://me.example", false),
            ("https://me.example/client.json?x", false),
            ("http://127.0.0.1/client.json", false),
        ] {
            assert_eq!(document(url).is_some(), expected, "{url}");
        }
    }
}
