//! A machine on which the examples of one page are typed: a clean home, the built program, no daemon.

use std::fs;
use std::process::{Command, Output};

use tempfile::TempDir;

use crate::pages::root;

/// Stands for anything in the expected output, over any number of lines.
const ANYTHING: char = '…';

/// What the documents call the address of the daemon and the home of the person.
const ADDRESS: &str = "127.0.0.1:8765";
const HOME: &str = "/home/ada";

/// What `cargo` knows by itself. Examples with cargo are not run, because a build within a build
/// waits for its own lock; what they name has to exist.
const CARGO: [&str; 7] = ["build", "clippy", "doc", "fmt", "install", "run", "test"];

pub(crate) struct Machine {
    home: TempDir,
}

impl Machine {
    pub(crate) fn new() -> Self {
        Self { home: tempfile::tempdir().expect("a home") }
    }

    /// Types the lines that begin with `$ ` and compares what follows them, if anything does. The
    /// exit code is 0, or what a comment at the end of the line says: `# exit 2`.
    pub(crate) fn type_in(&self, block: &str) -> Result<(), String> {
        let block = block.replace("\\\n", "");
        if !block.starts_with("$ ") {
            return Err("a block that is typed begins with `$ `".to_owned());
        }
        for example in format!("\n{block}").split("\n$ ").skip(1) {
            let (line, expected) = example.split_once('\n').unwrap_or((example, ""));
            match line.strip_prefix("cargo ") {
                Some(arguments) => self.cargo(arguments)?,
                None => self.run(line, expected)?,
            }
        }
        Ok(())
    }

    fn run(&self, line: &str, expected: &str) -> Result<(), String> {
        let before = self.address();
        let typed = before.as_deref().map_or(line.to_owned(), |at| line.replace(ADDRESS, at));
        // One pipe for both streams, as a terminal shows them.
        let output = self.shell(&format!("exec 2>&1\n{typed}"));
        let said = String::from_utf8_lossy(&output.stdout);
        let said = said.replace(&self.home.path().display().to_string(), HOME);
        let said = match self.address().or(before) {
            Some(address) => said.replace(&address, ADDRESS),
            None => said,
        };
        let wanted = line.rsplit_once("# exit ").map_or("0", |(_, code)| code.trim());
        if output.status.code().map(|code| code.to_string()).as_deref() != Some(wanted) {
            return Err(format!("`{line}` ended with {}, not {wanted}\n{said}", output.status));
        }
        if !expected.trim().is_empty() && !fits(&tidy(expected), &tidy(&said)) {
            return Err(format!("`{line}` said\n{said}\nand not\n{expected}"));
        }
        Ok(())
    }

    /// `host:port` of the daemon, if one runs.
    fn address(&self) -> Option<String> {
        let status = self.shell("switchboard status --json");
        let status: serde_json::Value = serde_json::from_slice(&status.stdout).ok()?;
        let address = status.get("address")?.as_str()?;
        Some(address.strip_prefix("http://")?.split('/').next()?.to_owned())
    }

    fn shell(&self, script: &str) -> Output {
        let program = std::path::Path::new(env!("CARGO_BIN_EXE_switchboard"));
        let mut path =
            program.parent().expect("a program is in a directory").as_os_str().to_owned();
        path.push(":/usr/local/bin:/usr/bin:/bin");
        let mut shell = Command::new("/bin/sh");
        shell.arg("-c").arg(script).current_dir(self.home.path()).env_clear();
        shell.env("HOME", self.home.path()).env("PATH", path).env("LANG", "C.UTF-8");
        // Pages run beside each other, and beside a daemon that the person may have.
        shell.env("SWITCHBOARD_HTTP_PORT", "0");
        shell.output().expect("the shell runs")
    }

    fn cargo(&self, arguments: &str) -> Result<(), String> {
        let words: Vec<&str> = arguments.split_whitespace().collect();
        match words.as_slice() {
            ["run", .., "--", command] => {
                let help = self.shell(&format!("switchboard {command} --help"));
                if help.status.success() { Ok(()) } else { Err(format!("no command `{command}`")) }
            }
            ["xtask", chore, ..] => {
                let aliases =
                    fs::read_to_string(root().join(".cargo/config.toml")).unwrap_or_default();
                let chores =
                    fs::read_to_string(root().join("xtask/src/main.rs")).unwrap_or_default();
                let known =
                    aliases.contains("xtask =") && chores.contains(&format!("name: \"{chore}\""));
                if known { Ok(()) } else { Err(format!("no chore `{chore}`")) }
            }
            [command, ..] if CARGO.contains(command) => Ok(()),
            _ => Err(format!("cargo does not know `{arguments}`")),
        }
    }
}

impl Drop for Machine {
    fn drop(&mut self) {
        // None runs on most pages, which is what this says then.
        self.shell("switchboard stop --timeout 20");
    }
}

/// Without the blanks at the ends of lines, which nobody sees.
fn tidy(text: &str) -> String {
    text.trim().lines().map(str::trim_end).collect::<Vec<_>>().join("\n")
}

/// Whether `text` is `pattern`, in which [`ANYTHING`] stands for anything.
fn fits(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split(ANYTHING);
    let first = parts.next().unwrap_or_default();
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    let mut parts: Vec<&str> = parts.collect();
    let Some(last) = parts.pop() else { return rest.is_empty() };
    for part in parts {
        let Some((_, after)) = rest.split_once(part) else { return false };
        rest = after;
    }
    rest.ends_with(last)
}

#[test]
fn an_ellipsis_stands_for_anything() {
    for (pattern, text, expected) in [
        ("a", "a", true),
        ("a", "ab", false),
        ("a…", "a\nb", true),
        ("pid …, up", "pid 17, up", true),
        ("…b…d", "a b c d", true),
        ("…b…d", "a b c", false),
        ("a…a", "a", false),
    ] {
        assert_eq!(fits(pattern, text), expected, "{pattern:?} {text:?}");
    }
}
