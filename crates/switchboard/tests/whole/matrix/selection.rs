//! A part of the matrix, to look at one thing.

use switchboard_mcp::ProtocolVersion;
use switchboard_testkit::client::Carrier;
use switchboard_testkit::matrix::FEATURES;

/// Unset for all, or words: `>http-2025` for upstreams, `<unix` for clients, and else for features.
const SWITCH: &str = "SWITCHBOARD_MATRIX";

#[derive(Default)]
pub(crate) struct Selection {
    upstreams: Vec<String>,
    clients: Vec<String>,
    features: Vec<String>,
}

impl Selection {
    pub(crate) fn from_environment() -> Self {
        let switch = std::env::var_os(SWITCH).unwrap_or_default().into_string().unwrap();
        let mut selection = Self::default();
        for word in switch.split_whitespace().filter(|word| *word != "all") {
            if let Some(upstream) = word.strip_prefix('>') {
                selection.upstreams.push(upstream.to_owned());
            } else if let Some(client) = word.strip_prefix('<') {
                selection.clients.push(client.to_owned());
            } else {
                selection.features.push(word.to_owned());
            }
        }
        selection
    }

    pub(crate) fn is_all(&self) -> bool {
        [&self.upstreams, &self.clients, &self.features].iter().all(|words| words.is_empty())
    }

    pub(crate) fn has_upstream(&self, upstream: (Carrier, ProtocolVersion)) -> bool {
        has(&self.upstreams, upstream)
    }

    pub(crate) fn has_client(&self, client: (Carrier, ProtocolVersion)) -> bool {
        has(&self.clients, client)
    }

    /// The names of the features that are wanted, of those that `is_due`.
    pub(crate) fn features(&self, is_due: impl Fn(&str) -> bool) -> Vec<String> {
        let wanted = |name: &str| {
            self.features.is_empty() || self.features.iter().any(|word| name.contains(word))
        };
        let due = FEATURES.iter().map(|feature| feature.name).filter(|name| is_due(name));
        due.filter(|name| wanted(name)).map(str::to_owned).collect()
    }
}

fn has(words: &[String], (carrier, version): (Carrier, ProtocolVersion)) -> bool {
    let name = format!("{carrier}-{version}");
    words.is_empty() || words.iter().any(|word| name.contains(word.as_str()))
}
