//! Bytes over a unix socket, with open descriptors beside them.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{BorrowedFd, OwnedFd};

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};
use tokio::io::Interest;
use tokio::net::UnixStream;

/// As many as come at once at most. What is beyond is closed by the kernel.
const LIMIT: usize = 8;

/// Not open in what we start (recvmsg(2)).
#[cfg(target_os = "linux")]
const FLAGS: RecvFlags = RecvFlags::CMSG_CLOEXEC;
#[cfg(not(target_os = "linux"))]
const FLAGS: RecvFlags = RecvFlags::empty();

/// Sends `text` whole; the descriptors come with its first byte.
pub(super) async fn send(
    stream: &UnixStream,
    text: &[u8],
    descriptors: &[BorrowedFd<'_>],
) -> io::Result<()> {
    let mut sent = 0;
    while sent < text.len() {
        sent += stream
            .async_io(Interest::WRITABLE, || {
                let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(LIMIT))];
                let mut control = SendAncillaryBuffer::new(&mut space);
                if sent == 0 && !control.push(SendAncillaryMessage::ScmRights(descriptors)) {
                    return Err(io::ErrorKind::InvalidInput.into());
                }
                let text = [IoSlice::new(&text[sent..])];
                Ok(sendmsg(stream, &text, &mut control, SendFlags::empty())?)
            })
            .await?;
    }
    Ok(())
}

/// Reads what is there to the end of `text`, and descriptors that come with it; 0 bytes at the end.
pub(super) async fn receive(
    stream: &UnixStream,
    text: &mut Vec<u8>,
    descriptors: &mut Vec<OwnedFd>,
) -> io::Result<usize> {
    let mut buffer = [0; 4096];
    let read = stream
        .async_io(Interest::READABLE, || {
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(LIMIT))];
            let mut control = RecvAncillaryBuffer::new(&mut space);
            let message =
                recvmsg(stream, &mut [IoSliceMut::new(&mut buffer)], &mut control, FLAGS)?;
            for ancillary in control.drain() {
                if let RecvAncillaryMessage::ScmRights(received) = ancillary {
                    descriptors.extend(received);
                }
            }
            Ok(message.bytes)
        })
        .await?;
    if cfg!(not(target_os = "linux")) {
        for descriptor in &*descriptors {
            rustix::io::fcntl_setfd(descriptor, rustix::io::FdFlags::CLOEXEC)?;
        }
    }
    text.extend_from_slice(&buffer[..read]);
    Ok(read)
}

#[cfg(test)]
mod tests;
