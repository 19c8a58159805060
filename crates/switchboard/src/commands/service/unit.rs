//! The text of the units.

use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};
use std::path::PathBuf;

use crate::context::Context;
use crate::failure::Failure;

/// The first line of every unit of ours.
pub(super) const MARK: &str = "# Written by `switchboard service install`.";

/// What differs between units.
#[derive(Debug)]
pub(super) struct Unit {
    program: String,
    args: Vec<String>,
    /// Variables that the daemon needs and a user manager does not have.
    variables: Vec<(&'static str, String)>,
    address: SocketAddr,
}

impl Unit {
    pub(super) fn of(context: &Context) -> Result<Self, Failure> {
        let text = |path: PathBuf| {
            path.into_os_string().into_string().map_err(|path| {
                let message = format!("`{}` cannot stand in a unit", path.display());
                Failure::new("unit-failed", message).with_cause("it is not UTF-8")
            })
        };
        let unknown = |error: std::io::Error| {
            Failure::new("unit-failed", "the paths for the unit are unknown").with_cause(error)
        };
        let loaded = context.sources.load();
        let config = loaded.map_err(|diagnostics| Failure::configuration(&diagnostics))?.value;
        let ip: IpAddr = config.http.ip().map_err(|error| {
            Failure::new("config-invalid", error).with_exit(crate::exit::Exit::Configuration)
        })?;
        let mut args = vec!["run".to_owned()];
        if context.paths.instance != switchboard_daemon::DEFAULT_INSTANCE {
            args.push(format!("--name={}", context.paths.instance));
        }
        if context.sources.file_required {
            let path = std::path::absolute(&context.paths.config).map_err(unknown)?;
            args.push(format!("--config={}", text(path)?));
        }
        // The user manager's PATH commonly lacks where `npx`, `uvx` and the like are.
        let names = ["PATH", "SWITCHBOARD_STATE_DIR", "XDG_CONFIG_HOME", "XDG_STATE_HOME"];
        let variable = |name: &'static str| Some((name, context.variables.get(name)?.clone()));
        Ok(Self {
            program: text(std::env::current_exe().map_err(unknown)?)?,
            args,
            variables: names.into_iter().filter_map(variable).collect(),
            address: SocketAddr::new(ip, config.http.port),
        })
    }

    pub(super) fn service(&self) -> String {
        let mut command = quoted(&self.program, true);
        for argument in &self.args {
            command = format!("{command} {}", quoted(argument, true));
        }
        let mut variables = String::new();
        for (name, value) in &self.variables {
            let assignment = quoted(&format!("{name}={value}"), false);
            let _infallible = writeln!(variables, "Environment={assignment}");
        }
        format!(
            "{MARK}

[Unit]
Description=Switchboard: every MCP server behind one address
StartLimitIntervalSec=60
StartLimitBurst=5

[Service]
Type=notify
ExecStart={command}
ExecReload=/bin/kill -HUP $MAINPID
{variables}\
Restart=on-failure
RestartSec=1
# The daemon is asked to stop and ends its servers by itself; what is left then is killed.
KillMode=mixed
# The default of `daemon.drain` is 25 s, and servers have some seconds after that.
TimeoutStopSec=45
# A server that eats all memory is not the end of the others.
OOMPolicy=continue
# A memory image would have the key in it.
LimitCORE=0
# No sandbox: what the servers may do is for you to say, and most options of systemd would also set
# NoNewPrivileges, without which `sudo` and rootless containers do not work.

[Install]
WantedBy=default.target
"
        )
    }

    pub(super) fn socket(&self) -> String {
        format!(
            "{MARK}

[Unit]
Description=Address of Switchboard

[Socket]
ListenStream={}

[Install]
WantedBy=sockets.target
",
            self.address
        )
    }
}

/// A word of a unit: systemd.syntax(7), "Quoting", and the `%` of specifiers. A command line also
/// expands `$` (systemd.service(5), "Command lines").
fn quoted(word: &str, is_command: bool) -> String {
    let mut text = String::from("\"");
    for c in word.chars() {
        match c {
            '"' | '\\' => text.extend(['\\', c]),
            '%' => text.push_str("%%"),
            '$' if is_command => text.push_str("$$"),
            '\n' => text.push_str("\\n"),
            c => text.push(c),
        }
    }
    text + "\""
}

#[cfg(test)]
mod tests {
    use super::{MARK, Unit, quoted};

    #[test]
    fn words_mean_themselves() {
        for (word, expected) in [
            ("/usr/bin/x", r#""/usr/bin/x""#),
            ("a b", r#""a b""#),
            (r#"a"b\c"#, r#""a\"b\\c""#),
            ("50%$HOME", r#""50%%$$HOME""#),
        ] {
            assert_eq!(quoted(word, true), expected);
        }
        assert_eq!(quoted("A=$B", false), r#""A=$B""#);
    }

    #[test]
    fn a_unit_runs_this_program_with_what_it_was_given() {
        let unit = Unit {
            program: "/opt/switch board".to_owned(),
            args: vec!["run".to_owned(), "--name=work".to_owned()],
            variables: vec![("PATH", "/bin".to_owned())],
            address: "127.0.0.1:8765".parse().unwrap(),
        };
        let service = unit.service();
        assert!(service.starts_with(MARK));
        for line in [
            r#"ExecStart="/opt/switch board" "run" "--name=work""#,
            r#"Environment="PATH=/bin""#,
            "Type=notify",
            "KillMode=mixed",
            "Restart=on-failure",
        ] {
            assert!(service.lines().any(|it| it == line), "no `{line}` in\n{service}");
        }
        assert!(unit.socket().contains("ListenStream=127.0.0.1:8765\n"));
    }
}
