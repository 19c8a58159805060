//! The management surface of the running daemon, as its REST has it.
//!
//! Requests go over the control socket, on which whoever runs the daemon is known: the routes and
//! documents are those of `/api/v1`, and no address has to be reached, no certificate trusted and no
//! key sent.

use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use switchboard_client::control::{Command, ManageBody, ManageRequest, Managed, Reply};
use tokio::runtime::Runtime;

use crate::context::Context;
use crate::daemon;
use crate::failure::Failure;

/// Whose things a command manages.
#[derive(clap::Args, Clone, Debug, Default)]
pub(crate) struct Whose {
    /// Of this tenant, instead of the default one
    #[arg(long, value_name = "TENANT")]
    pub(crate) tenant: Option<String>,
}

/// Asks for what is managed under one word: `key`, `user`.
pub(crate) struct Rest<'a> {
    context: &'a Context,
    runtime: Runtime,
    tenant: Option<String>,
    command: &'static str,
}

/// A page of a list.
#[derive(Deserialize)]
struct Page<T> {
    items: Vec<T>,
    next: Option<String>,
}

/// Why something was not done (RFC 9457).
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Problem {
    detail: String,
    code: String,
}

/// How long an answer may take: what is asked may wait for servers that start (`daemon.list_wait`).
const LIMIT: Duration = Duration::from_secs(60);

/// How long it may take to delete everything of a tenant, which may have a million records.
const REMOVAL_LIMIT: Duration = Duration::from_secs(1_800);

/// Rows that are asked for at once: the most there are on a page.
const PAGE: u32 = 1_000;

/// Pages of one list. What is longer is for programs, which ask REST themselves.
const PAGES: usize = 100;

impl<'a> Rest<'a> {
    /// `command` is the subcommand that manages the same, which hints name.
    pub(crate) fn new(
        context: &'a Context,
        whose: Whose,
        command: &'static str,
    ) -> Result<Self, Failure> {
        Ok(Self { context, runtime: context.runtime()?, tenant: whose.tenant, command })
    }

    /// The tenant, where it is not the default one.
    pub(crate) fn tenant(&self) -> Option<&str> {
        self.tenant.as_deref().filter(|tenant| *tenant != "default")
    }

    /// Where clients of the tenant connect, and what else they have to send.
    pub(crate) fn address(&self) -> Result<(String, Option<String>), Failure> {
        let status = self.runtime.block_on(daemon::status(self.context))?;
        let Some(tenant) = self.tenant() else { return Ok((status.address, None)) };
        let (endpoint, part) = match tenant.split_once('#') {
            Some((endpoint, part)) => (endpoint, Some(format!("Part-Id: {part}"))),
            None => (tenant, None),
        };
        let root = status.address.strip_suffix("/mcp").unwrap_or(&status.address);
        Ok((format!("{root}/{endpoint}/mcp"), part))
    }

    pub(crate) fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Failure> {
        self.read(self.ask("GET", path, None)?)
    }

    /// What may not be there.
    pub(crate) fn find<T: DeserializeOwned>(&self, path: &str) -> Result<Option<T>, Failure> {
        match self.ask("GET", path, None)? {
            Managed { status: 404, .. } => Ok(None),
            managed => self.read(managed).map(Some),
        }
    }

    /// A list to its end.
    pub(crate) fn all<T: DeserializeOwned>(&self, path: &str) -> Result<Vec<T>, Failure> {
        let mut items = Vec::new();
        let mut place = format!("{path}?limit={PAGE}");
        for _ in 0..PAGES {
            let page: Page<T> = self.get(&place)?;
            items.extend(page.items);
            let Some(next) = page.next else { return Ok(items) };
            place = format!("{path}?limit={PAGE}&after={}", segment(&next));
        }
        self.context.output.note(&format!("There are more than these {}.", items.len()));
        Ok(items)
    }

    pub(crate) fn send<T: DeserializeOwned>(
        &self,
        method: &str,
        path: &str,
        body: &impl Serialize,
    ) -> Result<T, Failure> {
        let body = serde_json::to_value(body).expect("our own types are JSON");
        self.read(self.ask(method, path, Some(body))?)
    }

    pub(crate) fn delete(&self, path: &str) -> Result<(), Failure> {
        let managed = self.ask("DELETE", path, None)?;
        if managed.status < 300 { Ok(()) } else { Err(self.refused(managed)) }
    }

    fn ask(&self, method: &str, path: &str, body: Option<Value>) -> Result<Managed, Failure> {
        let request = ManageRequest {
            tenant: self.tenant.clone(),
            method: method.to_owned(),
            path: path.to_owned(),
            body: body.map(ManageBody),
        };
        let limit = if method == "DELETE" { REMOVAL_LIMIT } else { LIMIT };
        let command = Command::Manage(request);
        let asked = daemon::ask_within(self.context, &command, limit);
        match self.runtime.block_on(asked)? {
            Reply::Managed(managed) => Ok(managed),
            other => Err(daemon::misunderstood(&other)),
        }
    }

    fn read<T: DeserializeOwned>(&self, managed: Managed) -> Result<T, Failure> {
        if 300 <= managed.status {
            return Err(self.refused(managed));
        }
        let body = managed.body.map_or(Value::Null, |body| body.0);
        serde_json::from_value(body).map_err(|error| {
            Failure::new("control-broken", "the daemon's answer cannot be read")
                .with_cause(error)
                .with_hint("it may be of another version; `switchboard restart` runs this one")
        })
    }

    fn refused(&self, managed: Managed) -> Failure {
        let body = managed.body.map_or(Value::Null, |body| body.0);
        let problem: Problem = serde_json::from_value(body).unwrap_or_default();
        let message = crate::untrusted::line(&problem.detail);
        let command = self.command;
        let list = match self.tenant().filter(|_| command != "tenant") {
            Some(tenant) => {
                format!("`switchboard {command} list --tenant '{tenant}'` shows what is there")
            }
            None if command == "policy check" => {
                "`switchboard tools` shows what is there".to_owned()
            }
            None => format!("`switchboard {command} list` shows what is there"),
        };
        match problem.code.as_str() {
            "NOT_FOUND" => Failure::new("manage-missing", message).with_hint(list),
            "CONFLICT" => Failure::new("manage-conflict", message).with_hint(list),
            "INVALID" => Failure::new("manage-invalid", message)
                .with_hint(format!("`switchboard {command} --help` has examples")),
            "FORBIDDEN" => Failure::new("manage-forbidden", message).with_hint(
                "`switchboard policy check --as owner 'manage keys'` says which policy decides",
            ),
            _ => Failure::new("manage-failed", message)
                .with_cause(format!("the daemon answered with status {}", managed.status))
                .with_hint("`switchboard logs` tells more"),
        }
    }
}

/// Text as a segment of a path or a value of a query (RFC 3986, section 2.1).
pub(crate) fn segment(text: &str) -> String {
    let mut segment = String::with_capacity(text.len());
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            segment.push(char::from(byte));
        } else {
            segment.push_str(&format!("%{byte:02X}"));
        }
    }
    segment
}

/// A time of an answer to the second, as tables show it.
pub(crate) fn moment(text: Option<&str>) -> String {
    let seconds = text.and_then(|text| text.get(..19));
    seconds.map_or("-".to_owned(), |text| text.replace('T', " "))
}

/// Words in one cell of a table.
pub(crate) fn words(words: &[String]) -> String {
    if words.is_empty() { "-".to_owned() } else { crate::untrusted::line(&words.join(" ")) }
}

#[cfg(test)]
mod tests {
    use super::{moment, segment};

    #[test]
    fn what_stands_in_a_path_is_escaped() {
        assert_eq!(segment("acme#eu/1 é"), "acme%23eu%2F1%20%C3%A9");
        assert_eq!(segment("a-b.c_d~e"), "a-b.c_d~e");
    }

    #[test]
    fn a_moment_is_shown_to_the_second() {
        assert_eq!(moment(Some("2026-11-21T03:04:05.123456Z")), "2026-11-21 03:04:05");
        assert_eq!(moment(None), "-");
        assert_eq!(moment(Some("soon")), "-");
    }
}
