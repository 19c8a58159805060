//! Tells the service manager how we are (sd_notify(3)).

use std::os::unix::net::UnixDatagram;

/// The socket that the service manager listens on; nothing where there is none.
#[derive(Clone, Debug)]
pub(crate) struct ServiceManager(Option<String>);

impl ServiceManager {
    /// `socket` is the value of `NOTIFY_SOCKET`.
    pub(crate) fn new(socket: Option<String>) -> Self {
        Self(socket.filter(|socket| socket.starts_with(['/', '@'])))
    }

    pub(crate) fn is_there(&self) -> bool {
        self.0.is_some()
    }

    /// Says that the configuration is being read again, since when by the clock that cannot be set
    /// (systemd asks for it, see sd_notify(3)).
    pub(crate) fn reloading(&self) {
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
        let micros = now.tv_sec * 1_000_000 + now.tv_nsec / 1_000;
        self.tell(&format!("RELOADING=1\nMONOTONIC_USEC={micros}"));
    }

    /// Sends lines such as `READY=1`. A service manager that does not listen is no fault of ours.
    pub(crate) fn tell(&self, state: &str) {
        let Some(socket) = &self.0 else { return };
        if let Err(error) = send(socket, state) {
            tracing::warn!(%error, "the service manager could not be told");
        }
    }
}

#[cfg(target_os = "linux")]
fn send(socket: &str, state: &str) -> std::io::Result<()> {
    use std::os::linux::net::SocketAddrExt as _;
    use std::os::unix::net::SocketAddr;

    let address = match socket.strip_prefix('@') {
        Some(name) => SocketAddr::from_abstract_name(name)?,
        None => SocketAddr::from_pathname(socket)?,
    };
    UnixDatagram::unbound()?.send_to_addr(state.as_bytes(), &address).map(drop)
}

#[cfg(not(target_os = "linux"))]
fn send(socket: &str, state: &str) -> std::io::Result<()> {
    UnixDatagram::unbound()?.send_to(state.as_bytes(), socket).map(drop)
}
