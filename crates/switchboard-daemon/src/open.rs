//! What is listened on: opened, or inherited.

use std::net::TcpListener;
use std::os::fd::{AsFd as _, BorrowedFd, OwnedFd};
use std::path::Path;

use switchboard_listen::http::{BindError, HttpListener};
use tokio_util::sync::CancellationToken;

use crate::config::Config;
use crate::handover::{HttpSocket, Sockets};
use crate::paths::Paths;
use crate::problem::StartProblem;
use crate::unix::PrivateSocket;

/// What is listened on.
pub(crate) struct Open {
    pub http: HttpListener,
    /// A service manager opened the socket for HTTP.
    is_given: bool,
    pub control: PrivateSocket,
    pub mcp: PrivateSocket,
}

/// Clients over the socket at once: the programs of one person, and with the connections over HTTP
/// fewer than the 1,024 descriptors that a process commonly may have.
const MCP_PLACES: usize = 256;

/// Commands under way at once, those that follow a log included.
const CONTROL_PLACES: usize = 64;

impl Open {
    /// Opens what is not inherited, or not inherited where the configuration wants it.
    pub(crate) async fn new(
        config: &Config,
        paths: &Paths,
        inherited: Option<Sockets>,
        passed_on: &CancellationToken,
    ) -> Result<Self, StartProblem> {
        let (inherited_http, control, mcp) = match inherited {
            Some(Sockets { http, control, mcp }) => (Some(http), Some(control), Some(mcp)),
            None => (None, None, None),
        };
        let (http, is_given) = bind(config, inherited_http).await?;
        let socket = |path: &Path, places: usize, inherited: Option<OwnedFd>| {
            let passed_on = passed_on.clone();
            let opened = match inherited {
                Some(socket) => PrivateSocket::inherit(socket, path, places, passed_on),
                None => PrivateSocket::bind(path, places, passed_on),
            };
            opened.map_err(|error| {
                StartProblem::new("socket-unusable", format!("cannot open `{}`", path.display()))
                    .because(error)
            })
        };
        let control = socket(&paths.control_socket(), CONTROL_PLACES, control)?;
        let mcp = socket(&paths.mcp_socket(), MCP_PLACES, mcp)?;
        Ok(Self { http, is_given, control, mcp })
    }

    /// The same sockets once more, to be handed over.
    pub(crate) fn copies(&self) -> Result<Sockets, StartProblem> {
        let copy = |socket: BorrowedFd<'_>| {
            socket.try_clone_to_owned().map_err(|error| {
                StartProblem::new("socket-unusable", "a socket cannot be duplicated").because(error)
            })
        };
        let http = HttpSocket { socket: copy(self.http.as_fd())?, is_given: self.is_given };
        Ok(Sockets { http, control: copy(self.control.as_fd())?, mcp: copy(self.mcp.as_fd())? })
    }

    /// From now on the sockets in the state directory are ours.
    pub(crate) fn claim(&mut self) {
        self.control.claim();
        self.mcp.claim();
    }
}

/// The listener, and whether its socket is a service manager's.
async fn bind(
    config: &Config,
    inherited: Option<HttpSocket>,
) -> Result<(HttpListener, bool), StartProblem> {
    let unusable = |error: std::io::Error| {
        StartProblem::new("listen-failed", "the socket of the service manager cannot be used")
            .because(error)
    };
    let (inherited, is_given) = match inherited {
        Some(inherited) => {
            let (socket, is_given) = (TcpListener::from(inherited.socket), inherited.is_given);
            let is_wanted = is_given || is_wanted(&socket, config);
            (is_wanted.then_some(socket), is_given)
        }
        None => {
            let given = listenfd::ListenFd::from_env().take_tcp_listener(0).map_err(unusable)?;
            let is_given = given.is_some();
            (given, is_given)
        }
    };
    let bound = match inherited {
        Some(socket) => HttpListener::inherit(socket, &config.http),
        None => HttpListener::bind(&config.http).await,
    };
    let bound = bound.map_err(|error| match &error {
        BindError::Refused(reason) => StartProblem::new("listen-refused", reason.clone()),
        BindError::Tls(error) => StartProblem::new("certificate-unusable", error.to_string())
            .hint("`http.tls` names files in PEM: the certificate with its chain, and its key"),
        BindError::System { cause, .. } => {
            let in_use = cause.kind() == std::io::ErrorKind::AddrInUse;
            let problem = StartProblem::new("listen-failed", error.to_string()).because(cause);
            if in_use {
                problem.hint("end what uses the port, or choose another: `--port 0`")
            } else {
                problem
            }
        }
    });
    Ok((bound?, is_given))
}

/// Whether `socket` listens where the configuration says. Port 0 takes any that is free, and the one
/// that clients know already is the best of them.
fn is_wanted(socket: &TcpListener, config: &Config) -> bool {
    let (Ok(address), Ok(ip)) = (socket.local_addr(), config.http.ip()) else { return false };
    address.ip() == ip && [0, address.port()].contains(&config.http.port)
}
