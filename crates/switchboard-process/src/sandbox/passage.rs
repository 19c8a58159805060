//! Carries connections from a sandbox to the one port that it was given.

use std::net::{Ipv4Addr, TcpListener};
use std::time::Duration;

use tokio::io::copy_bidirectional;
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::sleep;

/// Connections of one child at once; more wait. A program that fetches things opens a handful, and each
/// takes two descriptors of the daemon.
const CONNECTION_LIMIT: usize = 32;

/// How long to wait where a connection could not be accepted: the system is out of descriptors.
const PAUSE: Duration = Duration::from_millis(100);

/// A listener inside the sandbox, and the port of this machine's loopback that it stands for.
#[derive(Debug)]
pub(crate) struct Passage {
    pub(crate) listener: TcpListener,
    pub(crate) port: u16,
}

impl Passage {
    /// Carries until it is dropped, and all connections with it.
    pub(crate) async fn carry(self) {
        let listener = match tokio::net::TcpListener::from_std(self.listener) {
            Ok(listener) => listener,
            Err(error) => return tracing::error!(%error, "a sandbox has no way to its port"),
        };
        let mut connections = JoinSet::new();
        loop {
            let full = connections.len() >= CONNECTION_LIMIT;
            tokio::select! {
                accepted = listener.accept(), if !full => match accepted {
                    Ok((inside, _)) => drop(connections.spawn(connect(inside, self.port))),
                    Err(error) => {
                        tracing::debug!(%error, "a connection from a sandbox was not accepted");
                        sleep(PAUSE).await;
                    }
                },
                Some(_) = connections.join_next() => {}
            }
        }
    }
}

/// Closes the connection inside where the one outside fails; the program sees what it would see of a peer that went.
async fn connect(mut inside: TcpStream, port: u16) {
    let carried = async {
        let mut outside = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await?;
        copy_bidirectional(&mut inside, &mut outside).await
    };
    if let Err(error) = carried.await {
        tracing::debug!(%error, port, "a connection from a sandbox ended");
    }
}
