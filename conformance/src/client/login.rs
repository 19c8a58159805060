//! `switchboard login`, with a user who agrees to everything.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::Stdio;

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use crate::Scenario;
use crate::home::{Home, UPSTREAM};

/// How often a browser is sent on: to the login page, and back to the program that waits.
const REDIRECTS: usize = 5;

/// The address of a client id metadata document: the one name under which the suite's server of
/// `auth/basic-cimd` knows a client that has not registered.
const CLIENT_METADATA_URL: &str = "https://conformance-test.local/client-metadata.json";

/// The scenario in which nobody has to agree: a machine with a secret gets in.
const MACHINE: &str = "auth/client-credentials-basic";

/// Whether the scenario begins with a person who logs in.
pub(crate) fn is_for_a_person(scenario: &Scenario) -> bool {
    scenario.name.starts_with("auth/") && scenario.name != MACHINE
}

/// Looks up what an operator knows and the suite does not say: to whom the machine's secret may go.
pub(crate) fn prepare(scenario: &mut Scenario, url: &str) -> Result<()> {
    if scenario.name == MACHINE {
        scenario.context["issuer"] = issuer(url)?;
    }
    Ok(())
}

/// The authorization server that the server names (RFC 9728).
fn issuer(url: &str) -> Result<Value> {
    let rest = url.strip_prefix("http://").context("not an address of the suite")?;
    let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
    let address = format!("http://{host}/.well-known/oauth-protected-resource/{path}");
    let answer = get(&address).with_context(|| format!("visit {address}"))?;
    let (_, body) = answer.split_once("\r\n\r\n").context("an answer has a body")?;
    let mut metadata: Value = serde_json::from_str(body).with_context(|| format!("read {body}"))?;
    Ok(metadata["authorization_servers"][0].take())
}

/// What the context of a scenario says about credentials, as settings of the upstream.
pub(crate) fn settings(scenario: &Scenario) -> Option<String> {
    if scenario.name == "auth/basic-cimd" {
        return Some(format!("client_metadata_url = {CLIENT_METADATA_URL:?}"));
    }
    let setting = |key: &&str| {
        let value = scenario.context[*key].as_str()?;
        Some(format!("{key} = {value:?}"))
    };
    let known = ["client_id", "client_secret", "issuer"];
    let mut settings: Vec<String> = known.iter().filter_map(setting).collect();
    if scenario.name == MACHINE {
        settings.push("grant = \"client_credentials\"".to_owned());
    }
    (!settings.is_empty()).then(|| settings.join(", "))
}

/// Logs in at the upstream: the first address that the program prints is visited as a browser
/// would, and the suite's pages consent by themselves.
pub(crate) fn login(home: &Home) -> Result<()> {
    let mut command = home.command(&["login", UPSTREAM]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::inherit()).spawn()?;
    let stdout = child.stdout.take().context("its standard output is ours")?;
    let mut visited = false;
    for line in BufReader::new(stdout).lines() {
        let line = line?;
        let address = line.split_whitespace().find(|word| word.starts_with("http://"));
        // What is said afterwards may name the authorization server.
        if let Some(address) = address.filter(|_| !visited) {
            visited = true;
            browse(address.to_owned())?;
        }
    }
    let status = child.wait()?;
    if !status.success() {
        bail!("`switchboard login` ended with {status}");
    }
    Ok(())
}

/// Whether the daemon says that the upstream needs a login.
pub(crate) fn is_wanted(home: &Home) -> Result<bool> {
    let output = home.command(&["servers", "--json"]).output()?;
    Ok(String::from_utf8_lossy(&output.stdout).contains("run `switchboard login"))
}

/// Opens the address and follows where it leads.
fn browse(mut address: String) -> Result<()> {
    for _ in 0..REDIRECTS {
        let answer = get(&address).with_context(|| format!("visit {address}"))?;
        match location(&answer) {
            Some(next) => address = next,
            None => return Ok(()),
        }
    }
    bail!("{address} leads on and on")
}

/// Gets a page of this machine, with its head.
fn get(address: &str) -> Result<String> {
    let rest = address.strip_prefix("http://").context("not an address of the suite")?;
    let (host, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let path = if path.is_empty() { "/" } else { path };
    let mut stream = TcpStream::connect(host)?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n")?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer)?;
    Ok(answer)
}

/// Where a page leads, if anywhere.
fn location(answer: &str) -> Option<String> {
    let head = answer.split("\r\n\r\n").next().unwrap_or_default();
    head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("location").then(|| value.trim().to_owned())
    })
}

#[cfg(test)]
mod tests;
