//! Our own standard input and output, as a client that starts us sees them.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::FileTypeExt as _;
use std::os::unix::net::UnixStream as StdUnixStream;

use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::UnixStream;
use tokio::net::unix::pipe;

/// Standard input and output. Must be called in a runtime.
///
/// Clients connect pipes, or sockets (Node.js does): those are waited for like any other. For a
/// terminal or a file there is only a thread that blocks, which costs two hand-overs a message.
pub fn standard() -> (Box<dyn AsyncRead + Send + Unpin>, Box<dyn AsyncWrite + Send + Unpin>) {
    let input = own(&io::stdin()).and_then(reader);
    let output = own(&io::stdout()).and_then(writer);
    (
        input.unwrap_or_else(|_| Box::new(tokio::io::stdin())),
        output.unwrap_or_else(|_| Box::new(tokio::io::stdout())),
    )
}

fn own(standard: &impl AsFd) -> io::Result<OwnedFd> {
    standard.as_fd().try_clone_to_owned()
}

fn is_socket(fd: &OwnedFd) -> io::Result<bool> {
    let file = std::fs::File::from(fd.try_clone()?);
    Ok(file.metadata()?.file_type().is_socket())
}

fn socket(fd: OwnedFd) -> io::Result<UnixStream> {
    let stream = StdUnixStream::from(fd);
    // Fails for sockets of other families, which nobody gives to a child.
    stream.local_addr()?;
    stream.set_nonblocking(true)?;
    UnixStream::from_std(stream)
}

fn reader(fd: OwnedFd) -> io::Result<Box<dyn AsyncRead + Send + Unpin>> {
    if is_socket(&fd)? {
        return Ok(Box::new(socket(fd)?));
    }
    // Refuses what is no pipe.
    Ok(Box::new(pipe::Receiver::from_owned_fd(fd)?))
}

fn writer(fd: OwnedFd) -> io::Result<Box<dyn AsyncWrite + Send + Unpin>> {
    if is_socket(&fd)? {
        return Ok(Box::new(socket(fd)?));
    }
    Ok(Box::new(pipe::Sender::from_owned_fd(fd)?))
}
