//! `switchboard stdio`.

mod client;
mod replay;

use std::io;
use std::time::Duration;

use bytes::Bytes;
use switchboard_mcp::Lines;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::time::{Instant, sleep, timeout, timeout_at};

use self::client::Client;
use crate::commands::run;
use crate::context::Context;
use crate::daemon::{self, Address, START_LIMIT};
use crate::exit::Exit;
use crate::failure::Failure;

#[derive(clap::Args, Debug)]
#[command(
    after_help = "Starts the daemon if none runs, so that many clients share one set of servers. If the daemon is
restarted meanwhile, the client does not notice, except for calls that were under way.

Example, as an entry of a client's configuration:
  \"switchboard\": { \"command\": \"switchboard\", \"args\": [\"stdio\"] }"
)]
pub(crate) struct Args {
    /// Run everything in this process, without a daemon; for sidecars and containers
    #[arg(long)]
    embedded: bool,
}

/// How long a daemon that hung up may take to be back: as long as people wait for a restart, and
/// less than the patience of clients with a call (commonly a minute).
const RETURN_LIMIT: Duration = Duration::from_secs(8);

const RETRY_PAUSE: Duration = Duration::from_millis(100);

/// How long the last answers may take once the client has closed standard input. The daemon gives
/// them 10 s, and closes the connection when it has written them.
const LAST_ANSWERS: Duration = Duration::from_secs(12);

pub(crate) fn run(args: Args, context: &Context) -> Result<Exit, Failure> {
    if args.embedded {
        let runtime = run::runtime()?;
        let launch = run::launch(context, &Address::default())?;
        let outcome = runtime.block_on(switchboard_daemon::run_embedded(launch));
        runtime.shutdown_background();
        outcome?;
        return Ok(Exit::Ok);
    }
    let runtime = context.runtime()?;
    let outcome = runtime.block_on(join(context));
    // A read of standard input cannot be interrupted, and nobody waits for it.
    runtime.shutdown_background();
    outcome
}

/// How a conversation with one daemon ended.
enum End {
    /// The client closed standard input, or reads no more.
    Client,
    /// The daemon hung up.
    Daemon,
}

/// Carries lines between the client and the daemon until the client goes.
async fn join(context: &Context) -> Result<Exit, Failure> {
    let mut client = Client::new();
    let mut daemon = Daemon::start(context).await?;
    loop {
        let end = converse(&mut client, daemon).await;
        for answer in client.session().lost() {
            if client.write(&answer).await.is_err() {
                return Ok(Exit::Ok);
            }
        }
        match end {
            End::Client => return Ok(Exit::Ok),
            End::Daemon => daemon = rejoin(context, &mut client).await?,
        }
    }
}

/// Both directions at once: a daemon that waits until we read must not keep us from reading.
async fn converse(client: &mut Client, daemon: Daemon) -> End {
    let Daemon { stream, lines } = daemon;
    let (mut from_daemon, mut to_daemon) = stream.into_split();
    let (requests, answers) = client.split();
    let down = async {
        let mut lines = lines;
        loop {
            while let Some(line) = lines.next_line() {
                // A line beyond any limit: the stream cannot be trusted to be in step any more.
                let Ok(line) = line else { return End::Daemon };
                if answers.relay(line).await.is_err() {
                    return End::Client;
                }
            }
            match from_daemon.read_buf(lines.space()).await {
                Ok(0) | Err(_) => return End::Daemon,
                Ok(_) => {}
            }
        }
    };
    let up = async {
        while let Some(line) = requests.next(answers).await {
            if to_daemon.write_all(&line).await.is_err() {
                // It hung up. What it wrote before is still read, up to the end.
                std::future::pending::<()>().await;
            }
        }
        // An error means that the daemon is gone, and then the other direction ends as well.
        let _ = to_daemon.shutdown().await;
    };
    tokio::pin!(down, up);
    tokio::select! {
        end = &mut down => end,
        () = &mut up => {
            let _ = timeout(LAST_ANSWERS, down).await;
            End::Client
        }
    }
}

/// Waits for the daemon to be back, and opens the conversation with it as the client had.
async fn rejoin(context: &Context, client: &mut Client) -> Result<Daemon, Failure> {
    let deadline = Instant::now() + RETURN_LIMIT;
    let mut opening = client.session().reopen();
    while Instant::now() < deadline {
        let reopened = timeout_at(deadline, Daemon::reopen(context, client, opening.as_deref()));
        match reopened.await {
            Ok(Ok(daemon)) => return Ok(daemon),
            Ok(Err(_)) => opening = client.session().reopen(),
            Err(_) => break,
        }
        sleep(RETRY_PAUSE).await;
    }
    Err(Failure::new("daemon-lost", "the daemon hung up and did not come back")
        .with_exit(Exit::NotRunning)
        .with_hint("start it with `switchboard start`, then restart the client"))
}

/// A connection to the daemon.
struct Daemon {
    stream: UnixStream,
    lines: Lines,
}

impl Daemon {
    /// Connects, and starts the daemon if none runs.
    async fn start(context: &Context) -> Result<Self, Failure> {
        if let Ok(daemon) = Self::connect(context).await {
            return Ok(daemon);
        }
        daemon::start(context, &Address::default(), START_LIMIT).await?;
        Self::connect(context).await.map_err(|error| {
            let path = context.paths.mcp_socket();
            Failure::new("not-answering", format!("`{}` cannot be opened", path.display()))
                .with_cause(error)
                .with_hint("see `switchboard logs`")
        })
    }

    async fn connect(context: &Context) -> io::Result<Self> {
        let stream = UnixStream::connect(context.paths.mcp_socket()).await?;
        Ok(Self { stream, lines: Lines::new(client::LINE_LIMIT) })
    }

    /// Connects and says again what the client said first.
    async fn reopen(
        context: &Context,
        client: &mut Client,
        opening: Option<&[u8]>,
    ) -> io::Result<Self> {
        let mut daemon = Self::connect(context).await?;
        if let Some(opening) = opening {
            daemon.stream.write_all(opening).await?;
        }
        while client.session().is_replaying() {
            let line = daemon.read().await?;
            client.relay(line).await?;
        }
        if let Some(opened) = client.session().opened() {
            daemon.stream.write_all(&opened).await?;
        }
        Ok(daemon)
    }

    async fn read(&mut self) -> io::Result<Bytes> {
        loop {
            if let Some(line) = self.lines.next_line() {
                return line.map_err(io::Error::other);
            }
            if self.stream.read_buf(self.lines.space()).await? == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
        }
    }
}
