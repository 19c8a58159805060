//! Hosts that a bundle may connect to.

/// A host, or all below one, at one port.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct HostRule {
    /// In lower case, without the `*.` of all below it.
    name: String,
    is_suffix: bool,
    port: u16,
}

/// Where nothing is said: HTTPS.
const PORT: u16 = 443;

impl HostRule {
    /// Reads `api.example.com`, `*.example.com`, `localhost:8080`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (name, port) = match text.split_once(':') {
            Some((name, port)) => (name, port.parse().ok()?),
            None => (text, PORT),
        };
        let (name, is_suffix) = match name.strip_prefix("*.") {
            Some(rest) => (rest, true),
            None => (name, false),
        };
        let label = |label: &str| {
            let usable = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
            !label.is_empty() && label.chars().all(usable)
        };
        let name = name.to_ascii_lowercase();
        name.split('.').all(label).then_some(Self { name, is_suffix, port })
    }

    pub(crate) fn allows(&self, host: &str, port: u16) -> bool {
        let host = host.to_ascii_lowercase();
        let host = host.strip_suffix('.').unwrap_or(&host);
        let fits = match self.is_suffix {
            // `*.example.com` is not `example.com`, and not `badexample.com`.
            true => host.strip_suffix(&*self.name).is_some_and(|rest| rest.ends_with('.')),
            false => host == self.name,
        };
        fits && port == self.port
    }

    /// Whether whatever `other` allows is allowed.
    pub(crate) fn covers(&self, other: &Self) -> bool {
        if other.is_suffix {
            let below = format!("x.{}", other.name);
            return self.is_suffix && self.allows(&below, other.port);
        }
        self.allows(&other.name, other.port)
    }
}

#[cfg(test)]
mod tests {
    use super::HostRule;

    #[test]
    fn hosts_are_allowed_by_name_and_port() {
        for (rule, host, port, expected) in [
            ("api.example.com", "api.example.com", 443, true),
            ("api.example.com", "API.Example.com.", 443, true),
            ("api.example.com", "api.example.com", 80, false),
            ("api.example.com", "xapi.example.com", 443, false),
            ("*.example.com", "a.b.example.com", 443, true),
            ("*.example.com", "example.com", 443, false),
            ("*.example.com", "badexample.com", 443, false),
            ("localhost:8080", "localhost", 8080, true),
            ("127.0.0.1:80", "127.0.0.1", 80, true),
        ] {
            let allows = HostRule::parse(rule).unwrap().allows(host, port);
            assert_eq!(allows, expected, "{rule} {host}:{port}");
        }
        for wrong in ["", "https://a", "a/b", "a:b", "a..b", "*", "a.*.b", "a b"] {
            assert_eq!(HostRule::parse(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn a_grant_covers_what_is_wanted() {
        let covers = |one: &str, other: &str| {
            HostRule::parse(one).unwrap().covers(&HostRule::parse(other).unwrap())
        };
        assert!(covers("*.example.com", "api.example.com"));
        assert!(covers("*.example.com", "*.api.example.com"));
        assert!(covers("*.example.com", "*.example.com"));
        assert!(!covers("api.example.com", "*.example.com"));
        assert!(!covers("*.example.com", "api.example.com:8443"));
    }
}
