//! The documents say what is true: their examples run, their references are generated, their links
//! lead somewhere, and every error code has a page.
//!
//! `SWITCHBOARD_BLESS=1 cargo test -p switchboard --test docs` writes the generated pages anew.

#[path = "docs/codes.rs"]
mod codes;
#[path = "docs/console.rs"]
mod console;
#[path = "docs/pages.rs"]
mod pages;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;

use switchboard_clientfile::{Dialect, Expansion, parse_mcp_servers};

use console::Machine;
use pages::{Fence, Page};

#[test]
fn every_example_of_the_documents_holds() {
    let mut problems = Vec::new();
    for page in pages::with_examples() {
        let machine = Machine::new();
        for fence in page.fences() {
            if let Err(problem) = check(&fence, &machine) {
                problems.push(format!("{}:{}: {problem}", page.name, fence.line));
            }
        }
    }
    assert!(problems.is_empty(), "{}", problems.join("\n\n"));
}

/// Examples of one page run one after another on one machine, as a reader would type them.
fn check(fence: &Fence, machine: &Machine) -> Result<(), String> {
    match fence.language.as_str() {
        "console" => machine.type_in(&fence.text),
        "toml" => configuration(&fence.text),
        "json" => json(&fence.text),
        "cedar" => policy(&fence.text),
        // Pictures, layouts of directories and messages: there is nothing in them to run.
        "text" => Ok(()),
        other => Err(format!("there is no check for blocks in `{other}`")),
    }
}

/// A block of TOML is a configuration, and the program finds no mistake in it.
fn configuration(text: &str) -> Result<(), String> {
    let directory = tempfile::tempdir().expect("a directory for one configuration");
    let file = directory.path().join("config.toml");
    let write = |name: &str, text: &str| fs::write(directory.path().join(name), text);
    write("config.toml", text).expect("write the configuration");
    // What the examples refer to.
    write("mcp.json", r#"{"mcpServers": {"time": {"command": "mcp-server-time"}}}"#)
        .and_then(|()| write("github-token", "example\n"))
        .and_then(|()| write("people.json", "[]"))
        .expect("write what the configuration refers to");
    let mut check = Command::new(env!("CARGO_BIN_EXE_switchboard"));
    check.args(["config", "check", "--config"]).arg(&file);
    check.env_clear().env("HOME", directory.path());
    for name in text.split("${env:").skip(1).filter_map(|rest| rest.split('}').next()) {
        check.env(name, "an-example-of-a-length-that-is-enough");
    }
    let output = check.output().expect("the program runs");
    let said = String::from_utf8_lossy(&output.stderr);
    if output.status.success() { Ok(()) } else { Err(format!("not a configuration\n{said}")) }
}

/// A block of Cedar is a policy, of which the program can say what it means.
fn policy(text: &str) -> Result<(), String> {
    let directory = tempfile::tempdir().expect("a directory for one configuration");
    fs::write(directory.path().join("example.cedar"), text).expect("write the policy");
    let file = directory.path().join("config.toml");
    fs::write(&file, "policy.files = [\"example.cedar\"]\n").expect("write the configuration");
    let mut check = Command::new(env!("CARGO_BIN_EXE_switchboard"));
    check
        .args(["config", "check", "--config"])
        .arg(&file)
        .env_clear()
        .env("HOME", directory.path());
    let output = check.output().expect("the program runs");
    let said = String::from_utf8_lossy(&output.stderr);
    if output.status.success() { Ok(()) } else { Err(format!("not a policy\n{said}")) }
}

/// A block of JSON is JSON, and one with `mcpServers` can be imported.
fn json(text: &str) -> Result<(), String> {
    let value: serde_json::Value = serde_json::from_str(text).map_err(|e| e.to_string())?;
    if value.get("mcpServers").is_none() {
        return Ok(());
    }
    let (env, home) = (BTreeMap::new(), Path::new("/home/ada"));
    let expansion = Expansion { env: &env, home, dialect: Dialect::Literal };
    let parsed = parse_mcp_servers(text, &expansion).map_err(|error| error.to_string())?;
    let notes: Vec<_> = parsed.notes.iter().map(ToString::to_string).collect();
    if notes.is_empty() { Ok(()) } else { Err(notes.join("\n")) }
}

#[test]
fn the_reference_of_the_configuration_is_what_the_code_says() {
    let table = switchboard_config::reference::<switchboard_daemon::Config>();
    generated(
        "docs/guide/configuration-reference.md",
        &format!(
            "# Every key of the configuration\n\n\
             Generated from where the keys are defined. `switchboard config explain KEY` says what a key is \
             now, and where\nthat came from; [configuration](configuration.md) explains the whole.\n\n{table}"
        ),
    );
}

#[test]
fn the_reference_of_the_metrics_is_what_the_code_says() {
    let table = switchboard_telemetry::metrics::reference();
    generated(
        "docs/guide/metrics-reference.md",
        &format!(
            "# Every metric\n\n\
             Generated from where the metrics are defined. `GET /metrics` gives them in the OpenMetrics text \
             format; how to ask\nis in [operating](operating.md).\n\n{table}"
        ),
    );
}

#[track_caller]
fn generated(name: &str, expected: &str) {
    let path = pages::root().join(name);
    if std::env::var_os("SWITCHBOARD_BLESS").is_some() {
        fs::write(&path, expected).expect("write a generated page");
    }
    let page = fs::read_to_string(&path).unwrap_or_default();
    assert!(
        page == expected,
        "{name} is not up to date: SWITCHBOARD_BLESS=1 cargo test -p switchboard --test docs"
    );
}

#[test]
fn every_error_code_has_a_page_and_every_page_a_code() {
    let codes: BTreeSet<String> = codes::in_the_sources();
    let documented: BTreeSet<String> = codes::documented();
    let missing: Vec<_> = codes.difference(&documented).collect();
    let surplus: Vec<_> = documented.difference(&codes).collect();
    assert!(missing.is_empty(), "codes without a page under docs/errors: {missing:?}");
    assert!(surplus.is_empty(), "pages under docs/errors that no code leads to: {surplus:?}");
    let index = fs::read_to_string(pages::root().join("docs/errors/README.md")).unwrap();
    for code in documented {
        assert!(index.contains(&format!("[`{code}`]({code}.md)")), "the index misses `{code}`");
    }
}

#[test]
fn links_lead_somewhere() {
    let broken: Vec<_> = pages::all().iter().flat_map(Page::broken_links).collect();
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}
