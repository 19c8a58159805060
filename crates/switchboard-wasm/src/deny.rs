//! What is never granted, and how it is said no to.
//!
//! Toolchains import all of WASI whether a program uses it or not, so everything is linked, and what
//! is not granted answers no when it is called: with the error code that the interface has for that,
//! or, where it has none, by ending the call with [`Refused`].

use std::fmt;

use wasmtime::component::Resource;
use wasmtime_wasi::WasiView as _;
use wasmtime_wasi::p2::bindings::sockets::network::{self, ErrorCode, IpAddressFamily};
use wasmtime_wasi::p2::bindings::sockets::{tcp_create_socket, udp_create_socket};
use wasmtime_wasi::p2::{IoError, Network, SocketError, SocketResult, TcpSocket, UdpSocket};

use crate::grants::Denied;
use crate::state::State;

/// Ends a call. It comes back out of the guest as the cause of the error.
#[derive(Debug)]
pub(crate) struct Refused(pub(crate) Denied);

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "not granted: {}", self.0)
    }
}

impl std::error::Error for Refused {}

/// Without a socket there is nothing to do with the rest of `wasi:sockets`. Making one and refusing to
/// connect it, as `wasmtime-wasi` does, would give a guest as many of our descriptors as it likes.
impl tcp_create_socket::Host for State {
    fn create_tcp_socket(&mut self, _: IpAddressFamily) -> SocketResult<Resource<TcpSocket>> {
        self.current.deny(Denied::Sockets);
        Err(ErrorCode::AccessDenied.into())
    }
}

impl udp_create_socket::Host for State {
    async fn create_udp_socket(&mut self, _: IpAddressFamily) -> SocketResult<Resource<UdpSocket>> {
        self.current.deny(Denied::Sockets);
        Err(ErrorCode::AccessDenied.into())
    }
}

/// What the two above need of their neighbour, whose functions are linked from `wasmtime-wasi`.
impl network::Host for State {
    fn convert_error_code(&mut self, error: SocketError) -> wasmtime::Result<ErrorCode> {
        error.downcast()
    }

    fn network_error_code(&mut self, _: Resource<IoError>) -> wasmtime::Result<Option<ErrorCode>> {
        Ok(None)
    }
}

impl network::HostNetwork for State {
    fn drop(&mut self, network: Resource<Network>) -> wasmtime::Result<()> {
        self.ctx().table.delete(network)?;
        Ok(())
    }
}
