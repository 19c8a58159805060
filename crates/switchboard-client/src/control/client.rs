//! The asking end of the control socket.

use std::path::Path;
use std::time::Duration;

use tokio::time::timeout;

use super::{Command, Reply};
use crate::error::ClientError;
use crate::wire::Wire;

/// Why a command got no reply.
pub type ControlError = ClientError;

/// A connection to a running daemon.
#[derive(Debug)]
pub struct Client {
    wire: Wire,
}

/// The replies to one command, as they come.
#[derive(Debug)]
pub struct Replies {
    wire: Wire,
}

/// How long a daemon may take to answer. It measures, reads files and swaps a pointer; on a machine
/// under load that takes a second at most.
const ASK_LIMIT: Duration = Duration::from_secs(10);

impl Client {
    /// Connects to the socket at `path`.
    ///
    /// # Errors
    ///
    /// [`ClientError::NotRunning`] also when a daemon that was killed left its socket behind.
    pub async fn connect(path: &Path) -> Result<Self, ControlError> {
        Ok(Self { wire: Wire::connect(path).await? })
    }

    /// Sends a command that is answered at once, and returns the reply.
    ///
    /// # Errors
    ///
    /// [`ControlError`]; that the daemon could not do it is a reply, [`Reply::Problem`].
    pub async fn ask(&mut self, command: &Command) -> Result<Reply, ControlError> {
        self.ask_within(command, ASK_LIMIT).await
    }

    /// As [`Self::ask`], for a command that may take longer, such as [`Command::Stop`].
    ///
    /// # Errors
    ///
    /// As [`Self::ask`].
    pub async fn ask_within(
        &mut self,
        command: &Command,
        limit: Duration,
    ) -> Result<Reply, ControlError> {
        let asked = async {
            send(&mut self.wire, command).await?;
            let reply = receive(&mut self.wire).await?;
            reply.ok_or_else(|| ControlError::ended("get an answer"))
        };
        timeout(limit, asked).await.unwrap_or(Err(ControlError::Slow(limit)))
    }

    /// Sends a command with many replies. The connection is theirs from then on.
    ///
    /// # Errors
    ///
    /// [`ControlError`] if it could not be sent.
    pub async fn stream(mut self, command: &Command) -> Result<Replies, ControlError> {
        let sent = timeout(ASK_LIMIT, send(&mut self.wire, command)).await;
        sent.unwrap_or(Err(ControlError::Slow(ASK_LIMIT)))?;
        Ok(Replies { wire: self.wire })
    }
}

impl Replies {
    /// The next reply, or `None` when the daemon hung up. Waits as long as nothing happens, which is
    /// what following a log means.
    ///
    /// # Errors
    ///
    /// [`ControlError`] if the connection failed.
    ///
    /// # Cancel safety
    ///
    /// No reply is lost.
    pub async fn next(&mut self) -> Result<Option<Reply>, ControlError> {
        receive(&mut self.wire).await
    }
}

async fn send(wire: &mut Wire, command: &Command) -> Result<(), ControlError> {
    let text = serde_json::to_vec(command).expect("a command is JSON");
    wire.send(&text).await
}

async fn receive(wire: &mut Wire) -> Result<Option<Reply>, ControlError> {
    let Some(line) = wire.receive().await? else { return Ok(None) };
    serde_json::from_slice(&line)
        .map(Some)
        .map_err(|error| ControlError::nonsense("understand the daemon's answer", error))
}

#[cfg(test)]
mod tests;
