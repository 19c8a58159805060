//! Sockets that only our own user can open.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// A listening socket that is removed again when it is dropped, unless it was passed on.
pub(crate) struct PrivateSocket {
    listener: UnixListener,
    path: PathBuf,
    /// Whether what is at `path` is ours to remove.
    is_ours: bool,
    /// Cancelled when another process listens on it instead of us.
    passed_on: CancellationToken,
    /// A bounded number of connections; the next waits in the system's queue.
    places: Arc<Semaphore>,
}

impl PrivateSocket {
    /// Binds `path`, in a directory that is ours alone (0700), so that nobody can connect before
    /// the mode of the socket itself is set. The caller holds the instance's lock, so what is there
    /// already is left from a daemon that is gone.
    pub(crate) fn bind(
        path: &Path,
        places: usize,
        passed_on: CancellationToken,
    ) -> io::Result<Self> {
        match std::fs::remove_file(path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let listener = UnixListener::bind(path)?;
        std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600))?;
        let places = Arc::new(Semaphore::new(places));
        Ok(Self { listener, path: path.to_path_buf(), is_ours: true, passed_on, places })
    }

    /// Takes a socket that another daemon of this instance bound to `path`, which is that daemon's
    /// to remove until we [`claim`](Self::claim) it.
    pub(crate) fn inherit(
        socket: OwnedFd,
        path: &Path,
        places: usize,
        passed_on: CancellationToken,
    ) -> io::Result<Self> {
        let socket = std::os::unix::net::UnixListener::from(socket);
        socket.set_nonblocking(true)?;
        let listener = UnixListener::from_std(socket)?;
        let places = Arc::new(Semaphore::new(places));
        Ok(Self { listener, path: path.to_path_buf(), is_ours: false, passed_on, places })
    }

    /// From now on nobody else removes it.
    pub(crate) fn claim(&mut self) {
        self.is_ours = true;
    }

    /// Hands each connection of our own user to `serve`, until `stop` or until it is passed on.
    pub(crate) async fn serve<F>(
        self,
        tasks: TaskTracker,
        stop: CancellationToken,
        serve: impl Fn(UnixStream) -> F,
    ) where
        F: Future<Output = ()> + Send + 'static,
    {
        loop {
            let place = tokio::select! {
                () = stop.cancelled() => return,
                () = self.passed_on.cancelled() => return,
                place = self.place() => place,
            };
            let stream = tokio::select! {
                () = stop.cancelled() => return,
                () = self.passed_on.cancelled() => return,
                accepted = self.listener.accept() => match accepted {
                    Ok((stream, _)) => stream,
                    Err(error) => {
                        tracing::warn!(%error, "a connection could not be accepted");
                        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
                        continue;
                    }
                },
            };
            // The modes say so already; root passes them, and is not who this socket is for.
            let own = rustix::process::geteuid().as_raw();
            if stream.peer_cred().is_ok_and(|peer| peer.uid() == own) {
                let serving = serve(stream);
                tasks.spawn(async move {
                    serving.await;
                    drop(place);
                });
            }
        }
    }

    async fn place(&self) -> OwnedSemaphorePermit {
        if let Ok(place) = Arc::clone(&self.places).try_acquire_owned() {
            return place;
        }
        tracing::warn!(socket = %self.path.display(), "full: others wait until a client leaves");
        Arc::clone(&self.places).acquire_owned().await.expect("never closed")
    }
}

impl Drop for PrivateSocket {
    fn drop(&mut self) {
        if self.is_ours && !self.passed_on.is_cancelled() {
            // A leftover is replaced by the next start.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

impl AsFd for PrivateSocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.listener.as_fd()
    }
}

#[cfg(test)]
mod tests;
