//! A connection to an address that was judged.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use http::Uri;
use rustix::net::sockopt;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::client::TlsStream;

use crate::error::EgressError;
use crate::guard::{Guard, Pinned, Trust};
use crate::origin::Origin;

/// How long one address may take to accept a connection. Two lost SYN packets take 3 s.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How long TLS may take to agree.
const TLS_TIMEOUT: Duration = Duration::from_secs(10);

/// When a silent connection is asked whether it is still there: streams may be silent for hours,
/// and a machine that slept does not hear that the other side went.
const KEEP_ALIVE: Duration = Duration::from_secs(60);

/// A connection, with TLS or without.
#[derive(Debug)]
pub enum Stream {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
}

impl Guard {
    /// Connects to the host of an address: with TLS for `https`, without for `http`.
    ///
    /// # Errors
    ///
    /// Nothing was sent in any of them.
    pub async fn connect(&self, address: &Uri, trust: Trust) -> Result<Stream, EgressError> {
        let origin = Origin::of(address)?;
        let pinned = self.pin(&origin, trust).await?;
        self.connect_pinned(&pinned, origin.secure).await
    }

    /// Connects to one of the addresses, in order, and never to another.
    ///
    /// # Errors
    ///
    /// [`EgressError::Unreachable`] with what the last address said, or [`EgressError::Tls`].
    pub async fn connect_pinned(
        &self,
        pinned: &Pinned,
        secure: bool,
    ) -> Result<Stream, EgressError> {
        let host = || pinned.host.clone();
        let tcp =
            dial(pinned).await.map_err(|cause| EgressError::Unreachable { host: host(), cause })?;
        if !secure {
            return Ok(Stream::Plain(tcp));
        }
        let failed = |cause| EgressError::Tls { host: host(), cause };
        let name = ServerName::try_from(pinned.host.clone())
            .map_err(|error| failed(io::Error::new(io::ErrorKind::InvalidInput, error)))?;
        let agreed = timeout(TLS_TIMEOUT, self.tls().connect(name, tcp)).await;
        let tls = agreed.map_err(|elapsed| failed(elapsed.into()))?.map_err(failed)?;
        Ok(Stream::Tls(Box::new(tls)))
    }
}

async fn dial(pinned: &Pinned) -> io::Result<TcpStream> {
    let mut last = io::Error::other("it has no address");
    for address in pinned.addresses() {
        match timeout(CONNECT_TIMEOUT, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                stream.set_nodelay(true)?;
                sockopt::set_socket_keepalive(&stream, true)?;
                sockopt::set_tcp_keepidle(&stream, KEEP_ALIVE)?;
                return Ok(stream);
            }
            Ok(Err(error)) => last = error,
            Err(elapsed) => last = elapsed.into(),
        }
    }
    Err(last)
}

impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(context, buffer),
            Self::Tls(stream) => Pin::new(stream).poll_read(context, buffer),
        }
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(context, bytes),
            Self::Tls(stream) => Pin::new(stream).poll_write(context, bytes),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write_vectored(context, slices),
            Self::Tls(stream) => Pin::new(stream).poll_write_vectored(context, slices),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Plain(stream) => stream.is_write_vectored(),
            Self::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(context),
            Self::Tls(stream) => Pin::new(stream).poll_flush(context),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(context),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(context),
        }
    }
}
