//! What the configuration has already, so that setting up twice changes nothing.

use std::collections::BTreeMap;
use std::path::Path;

use switchboard_clientfile::{Dialect, Expansion, Home, Reach, Server, parse_mcp_servers};
use switchboard_config::Secret;
use switchboard_daemon::{Config, Plan};

/// The upstreams of a configuration, imported or written down.
#[derive(Debug, Default)]
pub(crate) struct Existing {
    pub(crate) upstreams: BTreeMap<String, Known>,
}

/// One upstream.
#[derive(Debug)]
pub(crate) struct Known {
    /// `None` where the configuration does not say, or contradicts itself.
    pub(crate) reach: Option<Reach>,
    pub(crate) is_disabled: bool,
}

impl Existing {
    /// `plan` is what the daemon makes of `config`: with what is imported, without what is disabled.
    pub(crate) fn of(config: &Config, plan: &Plan) -> Self {
        let mut upstreams = BTreeMap::new();
        let planned = plan.upstreams.iter().map(|(name, planned)| (name, &planned.settings));
        for (name, settings) in planned.chain(&config.upstream) {
            let reach = match (&settings.stdio, &settings.http) {
                (Some(stdio), None) => Some(Reach::Stdio {
                    command: stdio.command.clone(),
                    args: stdio.args.iter().map(|arg| arg.expose().to_owned()).collect(),
                    env: exposed(&stdio.env),
                    cwd: stdio.cwd.clone(),
                }),
                (None, Some(http)) => {
                    Some(Reach::Http { url: http.url.clone(), headers: exposed(&http.headers) })
                }
                _ => None,
            };
            upstreams.insert(name.clone(), Known { reach, is_disabled: settings.disabled });
        }
        Self { upstreams }
    }

    /// The upstream that reaches the same server.
    pub(crate) fn same(&self, wanted: &Reach) -> Option<&str> {
        let mut upstreams = self.upstreams.iter();
        let same = upstreams.find(|(_, known)| known.reach.as_ref() == Some(wanted));
        same.map(|(name, _)| name.as_str())
    }

    /// Whether there is anything to call.
    pub(crate) fn has_upstreams(&self) -> bool {
        self.upstreams.values().any(|known| !known.is_disabled)
    }

    /// The name of the demonstration server, if it is configured.
    pub(crate) fn demo(&self) -> Option<&str> {
        let is_demo = |known: &Known| match &known.reach {
            Some(Reach::Stdio { command, args, .. }) => {
                Path::new(command).file_name() == Some("switchboard".as_ref()) && *args == ["demo"]
            }
            _ => false,
        };
        let demo = self.upstreams.iter().find(|(_, known)| is_demo(known) && !known.is_disabled);
        demo.map(|(name, _)| name.as_str())
    }
}

/// The servers of a file as an `import` of the configuration reads them; `None` where it refuses to.
pub(crate) fn plain_servers(path: &Path, home: &Home) -> Option<Vec<Server>> {
    let text = std::fs::read_to_string(path).ok()?;
    let dialect = Dialect::owning(path);
    let expansion = Expansion { env: &home.env, home: &home.home, dialect };
    parse_mcp_servers(&text, &expansion).ok().map(|parsed| parsed.servers)
}

/// The values themselves, to be compared with those in a client's file.
fn exposed(secrets: &BTreeMap<String, Secret>) -> BTreeMap<String, String> {
    secrets.iter().map(|(name, value)| (name.clone(), value.expose().to_owned())).collect()
}
