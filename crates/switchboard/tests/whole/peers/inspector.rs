//! The Inspector's command line. It prints a result and nothing of what came before it, and declares
//! neither elicitation nor sampling: a tool that asks is to fail with a sentence that says so.

use super::client::Daemon;
use super::node;
use super::plan::Feature;
use super::upstream::{Transport, everything, python_2};
use crate::common::{Home, peers, succeeded};

/// Where to, and the transport that this is.
fn ways(daemon: &Daemon) -> Vec<Vec<String>> {
    let key = format!("X-API-Key: {}", daemon.home.key());
    let network = |transport: Transport, name: &str, era: &str| {
        let address = daemon.address(transport);
        [&address, "--transport", name, "--protocol-era", era, "--header", &key]
            .map(str::to_owned)
            .to_vec()
    };
    // It has a `--config` of its own, and takes ours for that.
    let config = format!("SWITCHBOARD_CONFIG={}", daemon.home.path("config.toml").display());
    let stdio = |era: &str| {
        let program = env!("CARGO_BIN_EXE_switchboard");
        [program, "stdio", "--transport", "stdio", "--protocol-era", era, "-e", &config]
            .map(str::to_owned)
            .to_vec()
    };
    let mut ways = vec![stdio("legacy"), stdio("modern")];
    ways.extend(["legacy", "auto", "modern"].map(|era| network(Transport::Http, "http", era)));
    ways.push(network(Transport::Sse, "sse", "legacy"));
    ways
}

#[test]
fn inspector_in_every_era() {
    let daemon = Daemon::start(Home::new(""), vec![everything("old"), python_2("new")]);
    let inspector = peers().join("node/node_modules/.bin/mcp-inspector");
    for way in ways(&daemon) {
        let call = |words: &[&str]| {
            let mut command = daemon.home.command(node());
            command.arg(&inspector).arg("--cli").args(&way).args(["--method", "tools/call"]);
            command.arg("--tool-name").args(words).output().unwrap()
        };
        for name in ["old", "new"] {
            let tool = format!("{name}__{}", Feature::Progress.tool());
            let output = call(&[&tool, "--tool-arg", "duration=0.3", "--tool-arg", "steps=3"]);
            let answer = succeeded(&format!("inspector {way:?}"), &output);
            assert!(answer.contains("completed") && answer.contains('3'), "{way:?}: {answer}");

            let tool = format!("{name}__{}", Feature::Elicitation.tool());
            let output = call(&[&tool]);
            let printed = [output.stdout, output.stderr].concat();
            let printed = String::from_utf8_lossy(&printed).to_lowercase();
            let says_why = printed.contains("not declare") && printed.contains("elicitation");
            assert!(says_why, "{way:?}, {tool}: {printed}");
        }
    }
}
