//! `switchboard show-key`.

use crate::context::Context;
use crate::daemon;
use crate::exit::Exit;
use crate::failure::Failure;

#[derive(clap::Args, Debug)]
#[command(after_help = "Whoever has the key can use every tool.

Examples:
  switchboard show-key
  curl -H \"X-API-Key: $(switchboard show-key --quiet)\" http://127.0.0.1:8765/mcp ...")]
pub(crate) struct Args {
    /// Print the bare key and nothing about it
    #[arg(short, long)]
    quiet: bool,
}

pub(crate) fn run(args: Args, context: &Context) -> Result<Exit, Failure> {
    let loaded = context.sources.load();
    let config = loaded.map_err(|diagnostics| Failure::configuration(&diagnostics))?.value;
    let key = crate::setup::key(context, &config)?;
    context
        .output
        .show(&serde_json::json!({ "key": key.expose() }), |_| key.expose().to_owned())?;
    if !args.quiet && !context.json {
        let address = match context.runtime()?.block_on(daemon::status(context)) {
            Ok(status) => status.address,
            Err(_) => format!("http://{}:{}/mcp", config.http.host, config.http.port),
        };
        context.output.note(&format!(
            "
Clients present it as a header, either of:
  X-API-Key: KEY
  Authorization: Bearer KEY

To see that it works:
  curl -H \"X-API-Key: $(switchboard show-key --quiet)\" -H 'Content-Type: application/json' \\
    -H 'Accept: application/json, text/event-stream' {address} \\
    -d '{{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"initialize\",\"params\":{{\"protocolVersion\":\"2025-11-25\",\
\"capabilities\":{{}},\"clientInfo\":{{\"name\":\"curl\",\"version\":\"1\"}}}}}}'"
        ));
    }
    Ok(Exit::Ok)
}
