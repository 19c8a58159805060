//! `switchboard demo`.

use crate::exit::Exit;
use crate::failure::Failure;
use crate::output::Output;

#[derive(clap::Args, Debug)]
#[command(
    after_help = "A real MCP server with a few tools, a resource and a prompt, on standard input and output.
`switchboard up` uses it where it finds no other, so that there is something to try.

Example, as an entry of the configuration:
  [upstream.demo]
  stdio = { command = \"switchboard\", args = [\"demo\"] }"
)]
pub(crate) struct Args {
    /// Serve HTTP on this port of 127.0.0.1 instead, any free one if none is given; asks for no key
    #[arg(long, value_name = "PORT", num_args = 0..=1, default_missing_value = "0")]
    http: Option<u16>,
}

pub(crate) fn run(args: Args, output: &Output) -> Result<Exit, Failure> {
    // One client on standard input keeps one thread busy; HTTP may have many.
    let mut builder = match args.http {
        None => tokio::runtime::Builder::new_current_thread(),
        Some(_) => tokio::runtime::Builder::new_multi_thread(),
    };
    let runtime = builder.enable_all().build().map_err(|error| {
        Failure::new("runtime-failed", "the server cannot be started").with_cause(error)
    })?;
    match args.http {
        None => runtime.block_on(crate::demo::serve_stdio()),
        Some(port) => runtime
            .block_on(crate::demo::serve_http(port, |address| output.note(&address)))
            .map_err(|error| Failure::new("listen-failed", error.to_string()))?,
    }
    // Reading standard input is a blocking call that nothing ends; it must not keep the process.
    runtime.shutdown_background();
    Ok(Exit::Ok)
}
