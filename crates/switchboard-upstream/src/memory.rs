//! Servers inside this process: one message per line, as over standard streams, without a child.
//!
//! Who they are and where they run is for the [`Dialer`] to know. No configuration file can name
//! one: whoever composes the daemon adds them.

use std::io;
use std::sync::Arc;

use async_trait::async_trait;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
use tokio_util::task::TaskTracker;

use crate::duplex::{Duplex, Held};
use crate::queue::Queue;
use crate::stdio;
use crate::two_way::TwoWay;
use crate::unasked::Unasked;

/// Reaches servers inside this process.
#[async_trait]
pub trait Dialer: Send + Sync {
    /// Starts the server that is called `server`, or another conversation with it.
    ///
    /// # Errors
    ///
    /// There is no such server now.
    async fn dial(&self, server: &str) -> io::Result<Stream>;
}

/// A conversation with a server. It ends when the server closes its side, and is dropped when it is
/// not needed any more.
pub struct Stream {
    /// What the server says.
    pub reader: Box<dyn AsyncRead + Send + Unpin>,
    /// What is said to it.
    pub writer: Box<dyn AsyncWrite + Send + Unpin>,
}

/// A server inside this process.
#[derive(Clone, Debug, PartialEq)]
pub struct MemoryConfig {
    /// Its name, for the [`Dialer`].
    pub server: String,
}

/// What reaching it takes beside its configuration.
pub(crate) struct Nearby<'a> {
    pub name: &'a Arc<str>,
    pub dialer: Option<&'a Arc<dyn Dialer>>,
    pub in_flight: usize,
    pub tasks: &'a TaskTracker,
}

pub(crate) struct MemoryLink {
    link: Held<Queue>,
}

impl MemoryConfig {
    pub(crate) async fn open(
        &self,
        nearby: Nearby<'_>,
        unasked: Arc<Unasked>,
    ) -> Result<MemoryLink, String> {
        let dialer = nearby.dialer.ok_or("this build has no servers of its own")?;
        let Stream { reader, writer } = dialer.dial(&self.server).await.map_err(|error| {
            format!("the server `{}` inside this process: {error}", self.server)
        })?;
        let name = Arc::clone(nearby.name);
        let link = Duplex::new(Arc::clone(&name), Queue::default(), nearby.in_flight, unasked);
        nearby.tasks.spawn({
            let link = Arc::clone(&link);
            async move {
                // A server that does not read any more may still have something to say; when it is
                // gone the reader finds out.
                tokio::select! {
                    () = write(&link.carrier, writer) => {}
                    _ = link.lost() => {}
                }
            }
        });
        nearby.tasks.spawn({
            let link = Arc::clone(&link);
            async move {
                let reason = tokio::select! {
                    reason = stdio::read(&name, &link, reader) => reason,
                    reason = link.lost() => reason,
                };
                link.end(reason, None);
            }
        });
        Ok(MemoryLink { link: Held(link) })
    }
}

/// Writes message after message, until the link ends or the server stops reading for good.
async fn write(queue: &Queue, mut writer: impl AsyncWrite + Unpin) {
    while let Some(mut message) = queue.next().await {
        message.push(b'\n');
        if writer.write_all(&message).await.is_err() || writer.flush().await.is_err() {
            return;
        }
    }
}

#[async_trait]
impl TwoWay for MemoryLink {
    type Carrier = Queue;

    fn duplex(&self) -> &Duplex<Queue> {
        &self.link
    }

    async fn close(&self) {
        self.link.end("the server was stopped".to_owned(), None);
    }
}
