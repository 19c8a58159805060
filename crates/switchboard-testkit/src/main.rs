//! `switchboard-campaign`: the program behind `cargo xtask chaos` and `cargo xtask soak`, and the
//! servers that they start.

#![expect(clippy::unwrap_used, reason = "a campaign that cannot go on fails")]

use std::fs::File;
use std::io::Write as _;
use std::os::fd::AsFd as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use switchboard_testkit::campaign::{Server, chaos, postgres, soak};
use switchboard_testkit::faulty;

const USAGE: &str = "usage: switchboard-campaign soak PROGRAM MINUTES
       switchboard-campaign chaos PROGRAM MINUTES SEED [PORT COMMAND…]

PORT and COMMAND: a PostgreSQL that nobody else uses, and what runs it in the foreground";

fn main() -> ExitCode {
    if let Some(plan) = std::env::var_os(faulty::VARIABLE) {
        let plan = plan.to_str().unwrap().parse().unwrap();
        let output = File::from(std::io::stdout().as_fd().try_clone_to_owned().unwrap());
        return faulty::serve(&plan, output);
    }
    let args: Vec<String> = std::env::args().skip(1).collect();
    let Some(held) = campaign(&args) else {
        let _ = writeln!(std::io::stderr(), "{USAGE}");
        return ExitCode::from(2);
    };
    if held { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// Whether everything held; `None` for what is no campaign.
fn campaign(args: &[String]) -> Option<bool> {
    let [kind, program, minutes, rest @ ..] = args else { return None };
    let minutes: f64 = minutes.parse().ok()?;
    let (program, server) = (PathBuf::from(program), Server::this());
    let length = Duration::try_from_secs_f64(minutes * 60.0).ok()?;
    // Clients of every listener have one or two descriptors each.
    let most = getrlimit(Resource::Nofile).maximum;
    setrlimit(Resource::Nofile, Rlimit { current: most, maximum: most }).unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    match (kind.as_str(), rest) {
        ("chaos", [seed, place @ ..]) => {
            let seed = seed.parse().ok()?;
            let postgres = match place {
                [] => None,
                [port, command @ ..] => Some(postgres::Place::new(port.parse().ok()?, command)?),
            };
            let options = chaos::Options { program, server, length, seed, postgres };
            Some(runtime.block_on(chaos::run(&options)))
        }
        ("soak", []) => {
            let options = soak::Options { program, server, length };
            Some(runtime.block_on(soak::run(&options)))
        }
        _ => None,
    }
}
